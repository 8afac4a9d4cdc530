/** Draws a page of EEG as readers know it: negative is up, the sensitivity is in µV/mm, a line marks each second. */

/** @import { Details, Discharges, Explanation, Interval, Traces } from "./answers.js" */
/** @import { Area } from "./canvas.js" */
/** @import { Clock } from "./clock.js" */

import { GUTTER, MARGIN, TimeAxis, clipToTime, hatch } from "./canvas.js";
import { colour, patternColour } from "./colours.js";

/**
 * What a page of EEG shows.
 * @typedef {object} EegContent
 * @property {Clock} clock
 * @property {Details} detail
 * @property {number} start_s
 * @property {number} page_s
 * @property {Traces | null} traces
 * @property {number} sensitivity - µV/mm
 * @property {number} heart_uv - µV of the EKG to the height of a row
 * @property {Interval | null} centre - of the selected window
 * @property {Explanation | null} tint - shades the traces
 * @property {Discharges[]} marks - discharges and waves to mark
 */

/** @typedef {{ context: CanvasRenderingContext2D, width: number, height: number, axis: TimeAxis }} Page */
/** @typedef {{ name: string, y: number, height: number }} Row */

/** Pixels above and below the traces. */
export const TOP = 20;
export const BOTTOM = 20;
/** A CSS inch has 96 pixels and 25.4 mm. */
export const PIXELS_PER_MM = 96 / 25.4;
/** Space between two chains, in rows. */
const CHAIN_GAP = 0.6;
const SCALE_BARS_UV = [5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000];
const MAX_BAR = 48;
/** Height of the ticks of a mark, and opacity of the line between them. */
const TICK = 7;
const FAINT = 0.35;
/** Pixels between two labels of the time axis. */
const LABEL_SPACE = 62;

/**
 * @param {Area} area
 * @param {EegContent} content
 */
export function drawPage(area, content) {
  const { start_s, page_s, tint } = content;
  const page = { ...area, axis: new TimeAxis(start_s, start_s + page_s, area.width) };
  const traces = content.traces && isOfPage(content.traces, content) ? content.traces : null;
  const rows = traces ? rowsOf(traces, area.height) : [];
  area.context.font = "11px system-ui, sans-serif";
  clipToTime(area, () => {
    if (content.centre) drawCentre(page, content.centre);
    if (tint) drawTint(page, rows, tint);
    drawSeconds(page, content);
    drawGaps(page, content.detail);
    drawMarks(page, content); // behind the traces, which they must not hide
    if (traces) drawTraces(page, rows, traces, content);
    drawAnnotations(page, content.detail);
  });
  drawNames(page, rows);
  if (traces) drawScaleBar(page, content.sensitivity);
}

/**
 * Whether traces belong to this page, and not to the one before.
 * @param {Traces} traces
 * @param {EegContent} content
 */
function isOfPage(traces, { start_s, page_s }) {
  return Math.abs(traces.start_s - start_s) < 0.5 && traces.stop_s < start_s + page_s + 0.5;
}

/**
 * The colour of a row by its electrodes: odd numbers are left, even ones right.
 * @param {string} name
 */
function sideOf(name) {
  if (/ekg|ecg/i.test(name)) return "heart";
  const numbers = (name.match(/\d+/g) ?? []).map(Number);
  const odd = numbers.some((number) => number % 2 === 1);
  const even = numbers.some((number) => number % 2 === 0);
  if (odd === even) return "middle";
  return odd ? "left" : "right";
}

/**
 * Where each row is.
 * @param {Traces} traces
 * @param {number} height
 * @returns {Row[]}
 */
function rowsOf({ rows, groups }, height) {
  const gaps = Math.max(0, groups.length - 1) * CHAIN_GAP;
  const each = (height - TOP - BOTTOM) / (rows.length + gaps);
  return rows.map((name, row) => {
    const chain = groups.findIndex(([first, after]) => row >= first && row < after);
    return { name, y: TOP + each * (row + 0.5 + Math.max(0, chain) * CHAIN_GAP), height: each };
  });
}

/**
 * @param {Page} page
 * @param {Interval} centre
 */
function drawCentre({ context, height, axis }, centre) {
  const [x, end] = centre.map((time) => axis.x(time));
  context.fillStyle = colour("centre");
  context.fillRect(x, TOP - 4, end - x, height - TOP - BOTTOM + 8);
  context.fillStyle = colour("soft");
  for (const edge of [x, end]) context.fillRect(Math.round(edge), TOP - 4, 1, height - TOP - BOTTOM + 8);
}

/**
 * Shade behind each trace what supports the pattern and what contradicts it.
 * @param {Page} page
 * @param {Row[]} rows
 * @param {Explanation} tint
 */
function drawTint({ context, axis }, rows, { derivations, times_s, grid }) {
  const step = times_s.length > 1 ? times_s[1] - times_s[0] : 1;
  for (const { name, y, height } of rows) {
    (grid[derivations.indexOf(name)] ?? []).forEach((value, column) => {
      const [x, end] = [axis.x(times_s[column] - step / 2), axis.x(times_s[column] + step / 2)];
      context.globalAlpha = 0.55 * Math.min(1, Math.abs(value ?? 0));
      context.fillStyle = colour((value ?? 0) > 0 ? "for" : "against");
      context.fillRect(x, y - height / 2, end - x, height);
    });
  }
  context.globalAlpha = 1;
}

/**
 * @param {Page} page
 * @param {EegContent} content
 */
function drawSeconds({ context, width, height, axis }, { clock, start_s, page_s }) {
  const every = [1, 2, 5, 10].find((step) => (axis.length * step) / page_s >= LABEL_SPACE) ?? 10;
  context.textAlign = "center";
  context.textBaseline = "alphabetic";
  for (let second = Math.ceil(start_s - 1e-6); second <= start_s + page_s + 1e-6; second++) {
    const x = Math.round(axis.x(second));
    context.fillStyle = colour(second % 5 ? "grid" : "line");
    context.fillRect(x, TOP - 4, 1, height - TOP - BOTTOM + 8);
    if (second % every || x - GUTTER < 24 || width - MARGIN - x < 24) continue;
    context.fillStyle = colour("soft");
    context.fillText(clock.text(second), x, height - 6);
  }
}

/**
 * @param {Page} page
 * @param {Details} detail
 */
function drawGaps({ context, width, height, axis }, { gaps }) {
  for (const { start_s, stop_s } of gaps) {
    const [x, end] = [Math.max(GUTTER, axis.x(start_s)), Math.min(width, axis.x(stop_s))];
    if (end <= x) continue;
    hatch(context, x, TOP, end - x, height - TOP - BOTTOM);
    context.fillStyle = colour("soft");
    context.textAlign = "center";
    context.fillText("gap: nothing was recorded", (x + end) / 2, height / 2);
  }
}

/**
 * Mark each discharge or wave by ticks at both edges and a faint line between them.
 * @param {Page} page
 * @param {EegContent} content
 */
function drawMarks({ context, height, axis }, { detail, marks }) {
  const [top, bottom] = [TOP - 4, height - BOTTOM + 4];
  for (const { pattern, times_s } of marks) {
    const shown = detail.patterns.find(({ key }) => key === pattern);
    if (shown) context.fillStyle = patternColour(shown);
    for (const time_s of times_s) {
      const x = Math.round(axis.x(time_s));
      context.globalAlpha = FAINT;
      context.fillRect(x, top, 1, bottom - top);
      context.globalAlpha = 1;
      for (const y of [top, bottom - TICK]) context.fillRect(x - 1, y, 3, TICK);
    }
  }
}

/**
 * @param {Page} page
 * @param {Row[]} rows
 * @param {Traces} traces
 * @param {EegContent} content
 */
function drawTraces({ context, axis }, rows, traces, { sensitivity, heart_uv }) {
  context.lineWidth = 1;
  context.lineJoin = "round";
  rows.forEach(({ name, y, height }, row) => {
    // Negative is up, and the y axis of a canvas points down. In the EKG positive is up.
    const scale = sideOf(name) === "heart" ? -height / heart_uv : PIXELS_PER_MM / sensitivity;
    context.strokeStyle = colour(sideOf(name));
    context.beginPath();
    if (traces.kind === "minmax") traceRanges(context, traces, row, axis, (value) => y + value * scale);
    else traceSamples(context, traces, row, axis, (value) => y + value * scale);
    context.stroke();
  });
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Traces} traces
 * @param {number} row
 * @param {TimeAxis} axis
 * @param {(value: number) => number} y
 */
function traceSamples(context, { n, start_s, stop_s, values }, row, axis, y) {
  const [first, step] = [axis.x(start_s), (axis.x(stop_s) - axis.x(start_s)) / n];
  let isDown = false;
  for (let sample = 0; sample < n; sample++) {
    const value = values[row * n + sample];
    if (Number.isNaN(value)) {
      isDown = false;
      continue;
    }
    if (isDown) context.lineTo(first + sample * step, y(value));
    else context.moveTo(first + sample * step, y(value));
    isDown = true;
  }
}

/**
 * Trace each column's minimum and maximum, in the order that keeps the line short.
 * @param {CanvasRenderingContext2D} context
 * @param {Traces} traces
 * @param {number} row
 * @param {TimeAxis} axis
 * @param {(value: number) => number} y
 */
function traceRanges(context, { n, start_s, stop_s, values }, row, axis, y) {
  const [first, step] = [axis.x(start_s), (axis.x(stop_s) - axis.x(start_s)) / n];
  /** @type {number | null} */
  let last = null;
  for (let column = 0; column < n; column++) {
    const at = 2 * (row * n + column);
    const [low, high] = [values[at], values[at + 1]];
    if (Number.isNaN(low)) {
      last = null;
      continue;
    }
    /** @type {boolean} */
    const isHighFirst = last !== null && Math.abs(high - last) < Math.abs(low - last);
    /** @type {Interval} */
    const [one, other] = isHighFirst ? [high, low] : [low, high];
    const x = first + (column + 0.5) * step;
    if (last === null) context.moveTo(x, y(one));
    else context.lineTo(x, y(one));
    context.lineTo(x, y(other) + 0.01);
    last = other;
  }
}

/**
 * Draw annotations as flags; one with a duration is also a line above the page.
 * @param {Page} page
 * @param {Details} detail
 */
function drawAnnotations({ context, width, height, axis }, { annotations }) {
  context.textAlign = "left";
  context.textBaseline = "middle";
  let free = -Infinity;
  for (const { start_s, duration_s, text } of annotations) {
    const [x, end] = [axis.x(start_s), axis.x(start_s + duration_s)];
    if (end < GUTTER || x > width) continue;
    context.fillStyle = colour("accent");
    context.fillRect(x, 3, Math.max(1, end - x), 2);
    if (x >= GUTTER) context.fillRect(Math.round(x), 3, 1, height - BOTTOM - 3);
    const left = Math.max(x, GUTTER, free) + 4;
    const textWidth = context.measureText(text).width;
    context.fillStyle = colour("paper");
    context.fillRect(left - 2, 6, textWidth + 4, 12);
    context.fillStyle = colour("accent");
    context.fillText(text, left, 12);
    free = left + textWidth + 6;
  }
}

/**
 * @param {Page} page
 * @param {Row[]} rows
 */
function drawNames({ context }, rows) {
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const { name, y } of rows) {
    context.fillStyle = colour(sideOf(name));
    context.fillText(name, GUTTER - 8, y);
  }
}

/**
 * @param {Page} page
 * @param {number} sensitivity - µV/mm
 */
function drawScaleBar({ context, height }, sensitivity) {
  const perMicrovolt = PIXELS_PER_MM / sensitivity;
  const bar = SCALE_BARS_UV.findLast((each) => each * perMicrovolt <= MAX_BAR) ?? SCALE_BARS_UV[0];
  context.fillStyle = colour("ink");
  context.fillRect(8, height - BOTTOM - bar * perMicrovolt, 2, bar * perMicrovolt);
  context.font = "10px system-ui, sans-serif";
  context.textAlign = "left";
  context.textBaseline = "alphabetic";
  context.fillText(`${bar} µV, neg. up`, 7, height - 6);
}
