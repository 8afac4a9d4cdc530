/** Draws the whole recording in rows: events, votes, patterns, spectra, amplitude, asymmetry and quality over time. */

/** @import { Borders, Column, Details, Interval, Overview, Vote } from "./answers.js" */
/** @import { Area } from "./canvas.js" */
/** @import { Clock } from "./clock.js" */
/** @import { SpectrumImages } from "./overview-scales.js" */

import { GUTTER, MARGIN, TimeAxis, clipToTime, hatch } from "./canvas.js";
import { colour, patternColour } from "./colours.js";
import { USUAL_UV, aeegShare } from "./overview-scales.js";

/**
 * What the overview shows; `overview` is null until it is fetched.
 * @typedef {object} OverviewContent
 * @property {Clock} clock
 * @property {Details} detail
 * @property {Overview | null} overview
 * @property {Vote[]} votes
 */

/**
 * How the overview is shown now.
 * @typedef {object} OverviewView
 * @property {Interval} span
 * @property {number} most_uv - the end of the scale of the amplitude
 * @property {SpectrumImages} [images]
 */

/** @typedef {[top: number, height: number]} Place */
/** @typedef {Record<typeof ROWS[number][0], Place>} Places */

/**
 * @typedef {object} Scene
 * @property {CanvasRenderingContext2D} context
 * @property {number} width
 * @property {number} height
 * @property {TimeAxis} axis
 * @property {Places} places
 * @property {OverviewContent} content
 * @property {number} most_uv
 */

/** Rows from the top: name, title, share of the height that is free, or height in pixels. */
const ROWS = /** @type {const} */ ([
  ["flags", "", 0, 9],
  ["events", "Events", 0, 13],
  ["votes", "Votes", 0, 9],
  ["probabilities", "Patterns", 0.34, 0],
  ["spread", "Spread", 0, 8],
  ["left", "Left 0–20 Hz", 0.2, 0],
  ["right", "Right 0–20 Hz", 0.2, 0],
  ["aeeg", "aEEG µV", 0.26, 0],
  ["left_right", "Left / right", 0, 18],
  ["usable", "Quality", 0, 8],
]);
const SIDES = /** @type {const} */ (["left", "right"]);
/** Pixels between two rows, and below them for the time axis. */
const SPACE = 3;
export const AXIS = 17;
/** Pixels between two ticks of the axis at least, and between two of its labels. */
const TICK_SPACE = 90;
const LABEL_SPACE = 8;
/** Lines of the scale of the amplitude-integrated EEG (aEEG). */
const AEEG_LINES_UV = [5, 10, 25, 50, 100, 250, 500, 1000];

/**
 * @param {Area} area
 * @param {OverviewContent} content
 * @param {OverviewView} view
 */
export function drawOverview(area, content, { span, most_uv, images }) {
  const { context, width, height } = area;
  const places = placeRows(height, content.votes.length > 0);
  const scene = { ...area, axis: new TimeAxis(span[0], span[1], width), places, content, most_uv };
  context.font = "11px system-ui, sans-serif";
  drawTitles(scene, content.votes.length > 0);
  clipToTime(area, () => {
    drawAxis(scene);
    if (content.overview && images) drawColumns(scene, content.overview, images);
    drawGaps(scene);
    drawEvents(scene);
    drawAnnotations(scene);
  });
}

/**
 * @param {number} height
 * @param {boolean} hasVotes
 */
function placeRows(height, hasVotes) {
  const fixed = ROWS.reduce((sum, [name, , , pixels]) => sum + (isShown(name, hasVotes) ? pixels + SPACE : 0), AXIS);
  let top = 2;
  /** @type {Partial<Places>} */
  const places = {};
  for (const [name, , share, pixels] of ROWS) {
    places[name] = [top, pixels || share * (height - fixed)];
    if (isShown(name, hasVotes)) top += places[name][1] + SPACE;
  }
  return /** @type {Places} */ (places);
}

/**
 * @param {string} name
 * @param {boolean} hasVotes
 */
const isShown = (name, hasVotes) => name !== "votes" || hasVotes;

/**
 * @param {Scene} scene
 * @param {boolean} hasVotes
 */
function drawTitles({ context, places, most_uv }, hasVotes) {
  context.textAlign = "right";
  context.textBaseline = "middle";
  context.fillStyle = colour("soft");
  for (const [name, title] of ROWS) {
    const x = GUTTER - 8 - (name === "aeeg" ? 20 : 0);
    if (isShown(name, hasVotes)) context.fillText(title, x, middle(places[name]));
  }
  context.font = "9px system-ui, sans-serif";
  for (const value of most_uv > USUAL_UV ? [10, most_uv / 2] : [10, 50]) {
    context.fillText(String(value), GUTTER - 8, aeegY(places.aeeg, value, most_uv));
  }
  context.font = "11px system-ui, sans-serif";
}

/** @param {Scene} scene */
function drawAxis({ context, width, height, axis, content: { clock } }) {
  const most = Math.max(2, (width - GUTTER) / TICK_SPACE);
  const { places, step } = clock.ticks(axis.start_s, axis.stop_s, most);
  context.textAlign = "center";
  context.textBaseline = "alphabetic";
  let [day, free] = ["", GUTTER];
  for (const place of places) {
    const x = axis.x(place);
    context.fillStyle = colour("grid");
    context.fillRect(Math.round(x), 0, 1, height - AXIS);
    const [today, text] = [clock.day(place), clock.text(place, step < 60)];
    context.fillStyle = colour("soft");
    const words = today === day ? text : `${today} ${text}`;
    const half = context.measureText(words).width / 2;
    const centre = Math.min(Math.max(x, GUTTER + half), width - MARGIN - half);
    if (centre - half < free) continue; // it would overlap the label before
    context.fillText(words, centre, height - 4);
    [day, free] = [today, centre + half + LABEL_SPACE];
  }
}

/**
 * @param {Scene} scene
 * @param {Overview} overview
 * @param {SpectrumImages} images
 */
function drawColumns(scene, overview, images) {
  const { context, axis, places, content: { detail } } = scene;
  const later = detail.state === "live" ? [detail.duration_s] : []; // what came after the overview was fetched
  const columns = new TimeColumns([...overview.edges, ...later].map((edge) => axis.x(edge)));
  drawPatterns(scene, overview, columns);
  for (const side of SIDES) drawSpectrum(scene, side, overview.spectrum[side], images[side], columns);
  drawAeeg(scene, overview.aeeg, columns);
  drawAsymmetry(scene, overview.left_right, columns);
  columns.each(overview.spread, (x, width, value) => {
    context.fillStyle = colour("ink");
    context.globalAlpha = Math.min(1, Math.max(0, value)) * 0.85;
    context.fillRect(x, places.spread[0], width, places.spread[1]);
  });
  columns.each(overview.usable, (x, width, value) => {
    context.fillStyle = colour("for");
    context.globalAlpha = Math.min(1, 1 - value);
    if (value < 1) context.fillRect(x, places.usable[0], width, places.usable[1]);
  });
  context.globalAlpha = 1;
  for (const name of /** @type {const} */ (["spread", "usable"])) outline(scene, places[name]);
}

/**
 * @param {Scene} scene
 * @param {Overview} overview
 * @param {TimeColumns} columns
 */
function drawPatterns({ context, axis, places, content: { detail } }, { edges, probabilities }, columns) {
  const [top, height] = places.probabilities;
  const below = new Float64Array(edges.length - 1);
  for (const pattern of detail.patterns) {
    context.fillStyle = patternColour(pattern);
    columns.each(probabilities[pattern.key], (x, width, value, column) => {
      context.fillRect(x, top + height * (1 - below[column] - value), width, height * value + 0.3);
      below[column] += value;
    });
  }
  if (detail.withheld) {
    context.fillStyle = colour("soft");
    context.textAlign = "center";
    const x = (axis.x(axis.start_s) + axis.x(axis.stop_s)) / 2;
    context.fillText("hidden until you have voted", x, middle(places.probabilities));
  } else {
    // Every model gives 'other'; it may not know the patterns before it.
    columns.unknown(probabilities.other, (x, width) => hatch(context, x, top, width, height));
  }
}

/**
 * Draw each column of the picture at its own time: columns differ in length where there are few windows.
 * @param {Scene} scene
 * @param {"left" | "right"} side
 * @param {Column[]} spectrum
 * @param {OffscreenCanvas} image
 * @param {TimeColumns} columns
 */
function drawSpectrum({ context, places }, side, spectrum, image, columns) {
  const [top, height] = places[side];
  const lowest = spectrum[0] ?? [];
  columns.unknown(lowest, (x, width) => hatch(context, x, top, width, height));
  context.imageSmoothingEnabled = false;
  columns.each(lowest, (x, width, _, column) => {
    context.drawImage(image, column, 0, 1, image.height, x, top, width, height);
  });
}

/**
 * @param {Place} place
 * @param {number} value
 * @param {number} most_uv
 */
const aeegY = ([top, height], value, most_uv) => top + height * (1 - aeegShare(value, most_uv));

/**
 * @param {Scene} scene
 * @param {Record<string, Borders>} aeeg
 * @param {TimeColumns} columns
 */
function drawAeeg({ context, width, places, most_uv }, aeeg, columns) {
  const [top, height] = places.aeeg;
  /** @type {(value: number | null) => number} */
  const y = (value) => aeegY(places.aeeg, value ?? 0, most_uv);
  context.fillStyle = colour("grid");
  for (const line of AEEG_LINES_UV) if (line < most_uv) context.fillRect(GUTTER, y(line), width, 1);
  for (const side of SIDES) {
    const { low, high } = aeeg[side];
    context.fillStyle = colour(side);
    context.globalAlpha = 0.5;
    columns.each(low, (x, columnWidth, value, column) => {
      context.fillRect(x, y(high[column]), columnWidth, Math.max(1, y(value) - y(high[column])));
    });
  }
  context.globalAlpha = 1;
  columns.unknown(aeeg.left.low, (x, columnWidth) => hatch(context, x, top, columnWidth, height));
}

/**
 * Draw amplitude left over right, up to fourfold on a logarithmic scale; upwards, the left is larger.
 * @param {Scene} scene
 * @param {Column} ratios
 * @param {TimeColumns} columns
 */
function drawAsymmetry({ context, width, places: { left_right: [top, height] } }, ratios, columns) {
  const half = height / 2;
  context.fillStyle = colour("line");
  context.fillRect(GUTTER, top + half, width, 1);
  columns.each(ratios, (x, columnWidth, value) => {
    const size = half * Math.max(-1, Math.min(1, Math.log2(value) / 2));
    context.fillStyle = colour(size > 0 ? "left" : "right");
    context.fillRect(x, size > 0 ? top + half - size : top + half, columnWidth, Math.max(1, Math.abs(size)));
  });
}

/** @param {Scene} scene */
function drawGaps({ context, axis, places, content: { detail } }) {
  const [top, bottom] = [places.probabilities[0], places.usable[0] + places.usable[1]];
  for (const gap of detail.gaps) {
    const [x, end] = [axis.x(gap.start_s), axis.x(gap.stop_s)];
    context.fillStyle = colour("panel");
    context.fillRect(x, top, Math.max(1, end - x), bottom - top);
    hatch(context, x, top, end - x, bottom - top);
  }
}

/** @param {Scene} scene */
function drawEvents({ context, axis, places, content: { detail, votes } }) {
  const colours = Object.fromEntries(detail.patterns.map((pattern) => [pattern.key, patternColour(pattern)]));
  /** @type {(start_s: number, stop_s: number, place: Place, pattern: string) => void} */
  const bar = (start_s, stop_s, [top, height], pattern) => {
    context.fillStyle = colours[pattern];
    context.fillRect(axis.x(start_s), top, Math.max(3, axis.x(stop_s) - axis.x(start_s)), height);
  };
  for (const { start_s, stop_s, pattern } of detail.events) bar(start_s, stop_s, places.events, pattern);
  const half = detail.centre_s / 2;
  for (const { time_s, pattern } of votes) bar(time_s - half, time_s + half, places.votes, pattern);
}

/** @param {Scene} scene */
function drawAnnotations({ context, axis, places: { flags: [top] }, content: { detail } }) {
  context.fillStyle = colour("ink");
  for (const { start_s } of detail.annotations) {
    const x = axis.x(start_s);
    context.beginPath();
    context.moveTo(x - 4, top);
    context.lineTo(x + 4, top);
    context.lineTo(x, top + 7);
    context.fill();
  }
}

/** The columns of time on the screen. */
class TimeColumns {
  /** @param {number[]} edges - pixels, one more than columns; later columns than there are values for are unknown */
  constructor(edges) {
    this.edges = edges;
  }

  /**
   * Act wherever a value is known.
   * @param {Column} values
   * @param {(x: number, width: number, value: number, column: number) => void} act
   */
  each(values, act) {
    values.forEach((value, column) => {
      if (value === null) return;
      const x = Math.round(this.edges[column]);
      act(x, Math.max(1, Math.round(this.edges[column + 1]) - x), value, column);
    });
  }

  /**
   * Act on every run of columns whose values are unknown.
   * @param {Column} values
   * @param {(x: number, width: number) => void} act
   */
  unknown(values, act) {
    const n = this.edges.length - 1;
    for (let column = 0, first = 0; column <= n; column++) {
      if (column < n && (values[column] ?? null) === null) continue;
      if (column > first) act(this.edges[first], this.edges[column] - this.edges[first]);
      first = column + 1;
    }
  }
}

/** @param {Place} place */
const middle = ([top, height]) => top + height / 2;

/**
 * @param {Scene} scene
 * @param {Place} place
 */
function outline({ context, axis }, [top, height]) {
  const [first, last] = [axis.x(axis.start_s), axis.x(axis.stop_s)];
  context.strokeStyle = colour("line");
  context.lineWidth = 1;
  context.strokeRect(first + 0.5, Math.round(top) - 0.5, last - first - 1, height + 1);
}
