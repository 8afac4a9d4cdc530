/** A figure of values with their confidence intervals, one row each, as an SVG that the style sheet colours. */

/** @import { Interval } from "./answers.js" */

import { svg } from "./svg.js";

/**
 * @typedef {object} IntervalRow
 * @property {string} name
 * @property {number} value
 * @property {Interval | null} interval
 * @property {string} text - the value and its interval in figures
 * @property {boolean} isModel - drawn as a diamond, not as a circle
 */

const [WIDTH, ROW, TOP, AXIS] = [680, 24, 6, 22];
/** Where the axis begins and ends; names are left of it, figures right of it. */
const [LEFT, RIGHT] = [220, 540];
const MAX_NAME = 32;
const STEP = 0.2;

/**
 * Draw values whose largest possible value is 1, such as Cohen's kappa.
 * @param {string} title
 * @param {IntervalRow[]} rows
 */
export function intervalPlot(title, rows) {
  const bottom = TOP + ROW * rows.length;
  const least = Math.min(0, ...rows.flatMap(({ value, interval }) => [value, ...(interval ?? [])]));
  const low = Math.floor(least / STEP + 1e-9) * STEP;
  /** @type {(value: number) => number} */
  const x = (value) => LEFT + ((value - low) / (1 - low)) * (RIGHT - LEFT);
  const ticks = Array.from({ length: Math.round((1 - low) / STEP) + 1 }, (_, number) => low + number * STEP);
  return svg("svg", { class: "interval-plot", role: "img", viewBox: `0 0 ${WIDTH} ${bottom + AXIS}`, width: WIDTH },
    svg("title", {}, title),
    svg("desc", {}, rows.map(({ name, text }) => `${name}: ${text}`).join("; ")),
    ...ticks.flatMap((tick) => drawTick(x(tick), tick, bottom)),
    ...rows.flatMap((row, number) => drawRow(row, TOP + ROW * (number + 0.5), x)),
  );
}

/**
 * @param {number} x
 * @param {number} value
 * @param {number} bottom
 */
function drawTick(x, value, bottom) {
  const text = value.toFixed(1).replace("-0.0", "0.0").replace("-", "−");
  return [
    svg("line", { class: Math.abs(value) < 1e-9 ? "zero" : "grid", x1: x, x2: x, y1: TOP, y2: bottom }),
    svg("text", { class: "tick", x, y: bottom + 15 }, text),
  ];
}

/**
 * @param {IntervalRow} row
 * @param {number} y
 * @param {(value: number) => number} x
 */
function drawRow({ name, value, interval, text, isModel }, y, x) {
  const shown = name.length > MAX_NAME ? `${name.slice(0, MAX_NAME - 1)}…` : name;
  const diamond = `M${x(value)} ${y - 6}l6 6l-6 6l-6-6z`;
  return [
    svg("text", { class: "name", x: LEFT - 12, y: y + 4 }, shown),
    ...(interval ? [svg("line", { class: "interval", x1: x(interval[0]), x2: x(interval[1]), y1: y, y2: y })] : []),
    isModel ? svg("path", { class: "point model", d: diamond })
      : svg("circle", { class: "point", cx: x(value), cy: y, r: 4.5 }),
    svg("text", { x: RIGHT + 14, y: y + 4 }, text),
  ];
}
