/** Canvases that fill their element, and what is drawn over time on them. */

import { colour } from "./colours.js";

/** Pixels left of the time axis, for the titles of rows, and right of it. */
export const GUTTER = 90;
export const MARGIN = 10;

/**
 * What to draw with, in CSS pixels.
 * @typedef {object} Area
 * @property {CanvasRenderingContext2D} context
 * @property {number} width
 * @property {number} height
 */

/** Where times are on an area of some width. */
export class TimeAxis {
  /**
   * @param {number} start_s
   * @param {number} stop_s
   * @param {number} width - of the whole area
   */
  constructor(start_s, stop_s, width) {
    this.start_s = start_s;
    this.stop_s = stop_s;
    this.length = width - GUTTER - MARGIN;
  }

  /** @param {number} time_s */
  x(time_s) {
    return GUTTER + ((time_s - this.start_s) / (this.stop_s - this.start_s)) * this.length;
  }

  /** @param {number} x */
  time(x) {
    return this.start_s + ((x - GUTTER) / this.length) * (this.stop_s - this.start_s);
  }
}

/**
 * The device pixels across which time is drawn: how many columns the server is asked for.
 * @param {HTMLCanvasElement} canvas
 */
export function timePixels(canvas) {
  return canvas.width - Math.round((GUTTER + MARGIN) * devicePixelRatio);
}

/**
 * Draw what must not extend beyond the time axis.
 * @param {Area} area
 * @param {() => void} draw
 */
export function clipToTime({ context, width, height }, draw) {
  context.save();
  context.beginPath();
  context.rect(GUTTER, 0, width - GUTTER - MARGIN, height);
  context.clip();
  draw();
  context.restore();
}

/**
 * Add a canvas that fills its host at the screen's resolution; `draw` is called whenever the size changes.
 * @param {HTMLElement} host
 * @param {() => void} draw
 */
export function addCanvas(host, draw) {
  const canvas = document.createElement("canvas");
  canvas.setAttribute("aria-hidden", "true");
  host.append(canvas);
  const resized = () => {
    const [width, height] = [host.clientWidth, host.clientHeight].map(
      (size) => Math.max(1, Math.round(size * devicePixelRatio)));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    draw();
  };
  new ResizeObserver(resized).observe(host);
  return canvas;
}

/**
 * Clear a canvas and return what to draw with.
 * @param {HTMLCanvasElement} canvas
 * @returns {Area}
 */
export function cleared(canvas) {
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser does not support canvas");
  const scale = devicePixelRatio;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  const [width, height] = [canvas.width / scale, canvas.height / scale];
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

/**
 * Hatch a rectangle where nothing is known.
 * @param {CanvasRenderingContext2D} context
 * @param {number} x
 * @param {number} y
 * @param {number} width
 * @param {number} height
 */
export function hatch(context, x, y, width, height) {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.strokeStyle = colour("hatch");
  context.lineWidth = 1;
  context.beginPath();
  for (let at = x - height - (x % 6); at < x + width; at += 6) {
    context.moveTo(at, y + height);
    context.lineTo(at + height, y);
  }
  context.stroke();
  context.restore();
}
