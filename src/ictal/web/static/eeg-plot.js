/** The plot of one page of EEG: it shows traces, selects a time by click, and measures by drawing. */

/** @import { EegContent } from "./eeg-drawing.js" */
/** @import { Interval } from "./answers.js" */

import { GUTTER, TimeAxis, addCanvas, cleared, timePixels } from "./canvas.js";
import { colour } from "./colours.js";
import { BOTTOM, PIXELS_PER_MM, TOP, drawPage } from "./eeg-drawing.js";

/** Pixels by which the pointer may move in a click. */
const CLICK = 4;
const MIN_COLUMNS = 200;

export class EegPlot {
  /** @param {HTMLElement} host */
  constructor(host) {
    this.host = host;
    /** @type {EegContent | null} */
    this.content = null;
    /** @type {Interval | null} - x and y of the pointer */
    this.pointer = null;
    /** @type {Interval | null} - where it was pressed */
    this.pressed = null;
    /** @type {(time_s: number) => void} */
    this.onSelect = () => {};
    /** @type {(words: string) => void} */
    this.onMeasure = () => {};
    this.base = addCanvas(host, () => this.draw());
    this.top = addCanvas(host, () => this.drawPointer());
    this.listen();
  }

  /** How many columns of traces fit: what the server is asked for. */
  get columns() {
    return Math.max(MIN_COLUMNS, timePixels(this.base));
  }

  /** @param {EegContent} content */
  show(content) {
    this.content = content;
    this.draw();
    this.drawPointer();
  }

  draw() {
    const area = cleared(this.base);
    if (this.content) drawPage(area, this.content);
  }

  listen() {
    /** @type {(event: PointerEvent) => Interval} */
    const at = (event) => {
      const box = this.host.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    this.host.addEventListener("pointerdown", (event) => {
      this.pressed = at(event);
      this.host.setPointerCapture(event.pointerId);
    });
    this.host.addEventListener("pointermove", (event) => {
      this.pointer = at(event);
      const measured = this.measured();
      if (measured) this.onMeasure(measured.text);
      this.drawPointer();
    });
    this.host.addEventListener("pointerup", (event) => {
      this.released(at(event)[0]);
      this.drawPointer();
    });
    this.host.addEventListener("pointerleave", () => {
      this.pointer = this.pressed = null;
      this.drawPointer();
    });
  }

  /** @param {number} x */
  released(x) {
    const isClick = this.pressed && Math.abs(x - this.pressed[0]) < CLICK && x > GUTTER;
    this.pressed = null;
    if (this.content && isClick) this.onSelect(axisOf(this.content, this.host).time(x));
  }

  /** The rectangle drawn while the pointer is held down: its corners, and its size in words. */
  measured() {
    const { content, pointer, pressed } = this;
    if (!content || !pointer || !pressed || Math.abs(pointer[0] - pressed[0]) < CLICK) return null;
    const axis = axisOf(content, this.host);
    const seconds = Math.abs(axis.time(pointer[0]) - axis.time(pressed[0]));
    const microvolts = (Math.abs(pointer[1] - pressed[1]) / PIXELS_PER_MM) * content.sensitivity;
    const text = `${seconds.toFixed(2)} s = ${(1 / seconds).toFixed(1)} Hz, ${Math.round(microvolts)} µV`;
    return { from: pressed, to: pointer, text };
  }

  /** Draw the measured rectangle, or a line at the pointer. */
  drawPointer() {
    const { context, width, height } = cleared(this.top);
    if (!this.content || !this.pointer || this.pointer[0] < GUTTER) return;
    const measured = this.measured();
    context.font = "11px system-ui, sans-serif";
    context.fillStyle = context.strokeStyle = colour("cursor");
    if (!measured) {
      context.globalAlpha = 0.3;
      context.fillRect(Math.round(this.pointer[0]), TOP - 4, 1, height - TOP - BOTTOM + 8);
      return;
    }
    const { from, to: [x, y], text } = measured;
    context.strokeRect(from[0], from[1], x - from[0], y - from[1]);
    const textWidth = context.measureText(text).width;
    const left = Math.min(Math.max(x, GUTTER + 4), width - textWidth - 14);
    context.fillStyle = colour("panel");
    context.fillRect(left - 4, y + 10, textWidth + 8, 18);
    context.fillStyle = colour("ink");
    context.textBaseline = "middle";
    context.fillText(text, left, y + 19);
  }
}

/**
 * @param {EegContent} content
 * @param {HTMLElement} host
 */
const axisOf = ({ start_s, page_s }, host) => new TimeAxis(start_s, start_s + page_s, host.clientWidth);
