/** The plot of the whole recording: it zooms, moves, and goes to a time by click. */

/** @import { Interval, Overview } from "./answers.js" */
/** @import { OverviewContent } from "./overview-drawing.js" */

import { GUTTER, MARGIN, TimeAxis, addCanvas, cleared, timePixels } from "./canvas.js";
import { colour } from "./colours.js";
import { AXIS, drawOverview } from "./overview-drawing.js";
import { USUAL_UV, decibelRange, largestAmplitude, spectrumImages } from "./overview-scales.js";

/** The shortest time that the plot shows. */
const MIN_SPAN_S = 20;
const [MIN_COLUMNS, MAX_COLUMNS] = [50, 2000];
/** Pixels by which the pointer may move in a click. */
const CLICK = 5;
/** Steps of the wheel that move by the whole of what is shown, and that zoom by e. */
const WHEEL_MOVE = 800;
const WHEEL_ZOOM = 500;

export class OverviewPlot {
  /** @param {HTMLElement} host */
  constructor(host) {
    this.host = host;
    /** @type {OverviewContent | null} */
    this.content = null;
    /** @type {Interval} - what is shown */
    this.span = [0, 1];
    /** @type {Interval} - the page of EEG */
    this.page = [0, 0];
    /** @type {{ from: number, to: number } | null} - pixels */
    this.drag = null;
    /** @type {number | null} */
    this.pointer = null;
    /** @type {Interval | null} - decibels of the darkest and the brightest colour */
    this.decibels = null;
    this.most_uv = USUAL_UV;
    /** @type {(time_s: number) => void} */
    this.onGo = () => {};
    this.onZoom = () => {};
    /** @type {(time_s: number | null) => void} */
    this.onHover = () => {};
    this.base = addCanvas(host, () => this.draw());
    this.top = addCanvas(host, () => this.drawPointer());
    this.listen();
  }

  /**
   * Show a recording; the colours and scales of one recording stay the same at every zoom.
   * @param {OverviewContent} content
   */
  show(content) {
    if (content.detail.id !== this.content?.detail.id) {
      this.span = [0, content.detail.duration_s];
      this.decibels = null;
      this.most_uv = USUAL_UV;
    }
    this.content = content;
    if (content.overview) this.scaleTo(content.overview);
    this.draw();
    this.drawPointer();
  }

  /**
   * Show a recording that has grown; who saw all of it goes on to see all.
   * @param {number} before_s - how long it was
   * @param {number} duration_s
   */
  grow(before_s, duration_s) {
    const [start, stop] = this.span;
    if (stop - start < before_s) return;
    this.span = [0, duration_s];
    this.draw();
    this.drawPointer();
  }

  /** @param {Overview} overview */
  scaleTo({ spectrum, aeeg }) {
    this.decibels ??= decibelRange(spectrum);
    this.most_uv = Math.max(this.most_uv, largestAmplitude(aeeg));
    this.images = spectrumImages(spectrum, this.decibels);
  }

  /** How many columns of time fit: what the server is asked for. */
  get columns() {
    return Math.min(MAX_COLUMNS, Math.max(MIN_COLUMNS, timePixels(this.base)));
  }

  get isZoomed() {
    return this.content !== null && this.span[1] - this.span[0] < this.content.detail.duration_s;
  }

  get axis() {
    return new TimeAxis(this.span[0], this.span[1], this.host.clientWidth);
  }

  /** @param {number} x */
  timeAt(x) {
    return Math.min(this.span[1], Math.max(this.span[0], this.axis.time(x)));
  }

  /**
   * Zoom by a factor around a time.
   * @param {number} factor
   * @param {number} around_s
   */
  zoom(factor, around_s = (this.page[0] + this.page[1]) / 2) {
    const [start, stop] = this.span;
    const centre = Math.min(stop, Math.max(start, around_s));
    this.showSpan(centre - (centre - start) * factor, centre + (stop - centre) * factor);
  }

  /**
   * Move by a share of what is shown.
   * @param {number} share
   */
  pan(share) {
    const by = share * (this.span[1] - this.span[0]);
    this.showSpan(this.span[0] + by, this.span[1] + by);
  }

  /**
   * Show a part of the recording; what does not fit into the recording is cut.
   * @param {number} start_s
   * @param {number} stop_s
   */
  showSpan(start_s, stop_s) {
    if (!this.content) return;
    const whole = this.content.detail.duration_s;
    const length = Math.min(whole, Math.max(MIN_SPAN_S, stop_s - start_s));
    const start = Math.min(whole - length, Math.max(0, (start_s + stop_s - length) / 2));
    this.span = [start, start + length];
    this.draw();
    this.drawPointer();
    this.onZoom();
  }

  showAll() {
    if (this.content) this.showSpan(0, this.content.detail.duration_s);
  }

  /**
   * Mark the page of EEG; if it is outside of what is shown, move there.
   * @param {number} start_s
   * @param {number} stop_s
   */
  mark(start_s, stop_s) {
    this.page = [start_s, stop_s];
    const [from, to] = this.span;
    const centre = (start_s + stop_s) / 2;
    if (centre < from || centre > to) this.showSpan(centre - (to - from) / 2, centre + (to - from) / 2);
    else this.drawPointer();
  }

  listen() {
    /** @type {(event: MouseEvent) => number} */
    const at = (event) => event.clientX - this.host.getBoundingClientRect().left;
    this.host.addEventListener("pointerdown", (event) => {
      this.drag = { from: at(event), to: at(event) };
      this.host.setPointerCapture(event.pointerId);
    });
    this.host.addEventListener("pointermove", (event) => {
      if (this.drag) this.drag.to = at(event);
      this.pointer = at(event);
      this.onHover(this.pointer >= GUTTER ? this.timeAt(this.pointer) : null);
      this.drawPointer();
    });
    this.host.addEventListener("pointerup", () => this.released());
    this.host.addEventListener("pointercancel", () => (this.drag = null));
    this.host.addEventListener("pointerleave", () => {
      this.pointer = null;
      this.onHover(null);
      this.drawPointer();
    });
    this.host.addEventListener("dblclick", () => this.showAll());
    this.host.addEventListener("wheel", (event) => this.wheeled(event, at(event)), { passive: false });
  }

  released() {
    if (!this.drag) return;
    const { from, to } = this.drag;
    this.drag = null;
    if (!this.content) return;
    const [first, last] = [this.timeAt(Math.min(from, to)), this.timeAt(Math.max(from, to))];
    if (Math.abs(to - from) > CLICK) this.showSpan(first, last);
    else this.onGo(first);
  }

  /**
   * @param {WheelEvent} event
   * @param {number} x
   */
  wheeled(event, x) {
    event.preventDefault();
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey;
    if (sideways) this.pan((event.deltaX || event.deltaY) / WHEEL_MOVE);
    else this.zoom(Math.exp(event.deltaY / WHEEL_ZOOM), this.timeAt(x));
  }

  draw() {
    const area = cleared(this.base);
    if (this.content) drawOverview(area, this.content, this);
  }

  /** Draw the stretch that is being drawn to zoom in, or a line at the pointer; and a frame around the page of EEG. */
  drawPointer() {
    const { context, height, width } = cleared(this.top);
    if (!this.content) return;
    const bottom = height - AXIS;
    if (this.drag && Math.abs(this.drag.to - this.drag.from) > CLICK) {
      context.fillStyle = colour("accent");
      context.globalAlpha = 0.25;
      context.fillRect(this.drag.from, 0, this.drag.to - this.drag.from, bottom);
    } else if (this.pointer !== null && this.pointer >= GUTTER) {
      context.globalAlpha = 0.4;
      context.fillStyle = colour("cursor");
      context.fillRect(Math.round(this.pointer), 0, 1, bottom);
    }
    const [x, end] = this.page.map((time) => this.axis.x(time));
    if (end < GUTTER || x > width - MARGIN) return;
    context.globalAlpha = 1;
    for (const [name, lineWidth] of /** @type {[string, number][]} */ ([["paper", 4], ["cursor", 1.5]])) {
      context.strokeStyle = colour(name);
      context.lineWidth = lineWidth;
      const left = Math.max(GUTTER, Math.round(x)) + 0.5;
      context.strokeRect(left, 1.5, Math.max(3, Math.round(Math.min(end, width - MARGIN)) - left), bottom - 2);
    }
  }
}
