/** The whole recording at a glance, on canvas: what the model says over time, spectra, aEEG, quality and events. */

import { colour, hatch, image, patternColour } from "./colours.js";
import { GUTTER, RIGHT, brush, layer, pixelsOfTime, withinTime } from "./dom.js";

const LEAST_S = 20;
const DRAG = 5;

/** Rows from the top: name, title, share of the height that is not spoken for, or height in pixels. */
const ROWS = [
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
];
const AXIS = 17;
/** Pixels between two labels of the axis. */
const LABEL_SPACE = 8;
/** Where the scale of an aEEG ends for most recordings. */
const USUAL_UV = 100;
const SPACE = 3;

export class Overview {
  /** `act`, which is set by whoever listens: {go(time_s), zoom(start_s, stop_s), hover(time_s or null)}. */
  constructor(host) {
    this.host = host;
    this.act = null;
    this.model = null;
    this.view = [0, 1];
    this.page = [0, 0];
    this.drag = null;
    this.scale = null;
    this.most_uv = USUAL_UV;
    this.base = layer(host, () => this.draw());
    this.over = layer(host, () => this.drawCursor());
    this.listen();
  }

  /** Show another recording: `model` {detail, clock, data, votes, hidden}. */
  show(model) {
    if (model.detail.id !== this.model?.detail.id) {
      this.view = [0, model.detail.duration_s];
      this.scale = null;
      this.most_uv = USUAL_UV;
    }
    this.model = model;
    if (model.data) this.scale ??= decibels(model.data.spectrum);
    if (model.data) this.most_uv = Math.max(this.most_uv, mostOf(model.data.aeeg));
    this.images = model.data && spectra(model.data.spectrum, this.scale);
    this.draw();
    this.drawCursor();
  }

  get columns() {
    return Math.min(2000, Math.max(50, pixelsOfTime(this.base)));
  }

  get isZoomed() {
    return this.view[1] - this.view[0] < this.model.detail.duration_s;
  }

  x(time_s) {
    return GUTTER + ((time_s - this.view[0]) / (this.view[1] - this.view[0])) * (this.host.clientWidth - GUTTER - RIGHT);
  }

  time(x) {
    const share = (x - GUTTER) / (this.host.clientWidth - GUTTER - RIGHT);
    return this.view[0] + Math.min(1, Math.max(0, share)) * (this.view[1] - this.view[0]);
  }

  /** Zoom by a factor around a time; what does not fit into the recording is cut. */
  zoom(factor, around_s = (this.page[0] + this.page[1]) / 2) {
    const [start, stop] = this.view;
    const centre = Math.min(stop, Math.max(start, around_s));
    this.look(centre - (centre - start) * factor, centre + (stop - centre) * factor);
  }

  /** Move by a share of what is shown. */
  pan(share) {
    const by = share * (this.view[1] - this.view[0]);
    this.look(this.view[0] + by, this.view[1] + by);
  }

  /** Look at a stretch of the recording. */
  look(start_s, stop_s) {
    if (!this.model) return;
    const whole = this.model.detail.duration_s;
    const span = Math.min(whole, Math.max(LEAST_S, stop_s - start_s));
    const start = Math.min(whole - span, Math.max(0, (start_s + stop_s - span) / 2));
    this.view = [start, start + span];
    this.draw();
    this.drawCursor();
    this.act.zoom(...this.view);
  }

  /** Mark the EEG page; if it lies outside of what is shown, move there. */
  mark(start_s, stop_s) {
    this.page = [start_s, stop_s];
    const [from, to] = this.view;
    const centre = (start_s + stop_s) / 2;
    if (centre < from || centre > to) this.look(centre - (to - from) / 2, centre + (to - from) / 2);
    else this.drawCursor();
  }

  listen() {
    const at = (event) => event.clientX - this.host.getBoundingClientRect().left;
    this.host.addEventListener("pointerdown", (event) => {
      this.drag = { from: at(event), to: at(event) };
      this.host.setPointerCapture(event.pointerId);
    });
    this.host.addEventListener("pointermove", (event) => {
      if (this.drag) this.drag.to = at(event);
      this.pointer = at(event);
      this.act.hover(at(event) >= GUTTER ? this.time(at(event)) : null);
      this.drawCursor();
    });
    this.host.addEventListener("pointerup", () => this.released());
    this.host.addEventListener("pointercancel", () => (this.drag = null));
    this.host.addEventListener("pointerleave", () => {
      this.pointer = null;
      this.act.hover(null);
      this.drawCursor();
    });
    this.host.addEventListener("dblclick", () => this.look(0, this.model.detail.duration_s));
    this.host.addEventListener("wheel", (event) => this.wheeled(event, at(event)), { passive: false });
  }

  released() {
    const { from, to } = this.drag ?? {};
    this.drag = null;
    if (from === undefined || !this.model) return;
    const [first, last] = [this.time(Math.min(from, to)), this.time(Math.max(from, to))];
    if (Math.abs(to - from) > DRAG) this.look(first, last);
    else this.act.go(first);
  }

  wheeled(event, x) {
    event.preventDefault();
    if (!this.model) return;
    const aside = Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey;
    if (aside) this.pan((event.deltaX || event.deltaY) / 800);
    else this.zoom(Math.exp(event.deltaY / 500), this.time(x));
  }

  /** Where each row lies: {name: [top, height]}. */
  places(height) {
    const shown = ROWS.filter(([name]) => name !== "votes" || this.model.votes.length);
    const fixed = shown.reduce((sum, [, , , pixels]) => sum + pixels + SPACE, AXIS);
    let top = 2;
    return Object.fromEntries(
      shown.map(([name, , share, pixels]) => {
        const place = [top, pixels || share * (height - fixed)];
        top += place[1] + SPACE;
        return [name, place];
      }),
    );
  }

  draw() {
    const area = brush(this.base);
    const { context, height } = area;
    if (!this.model) return;
    const places = this.places(height);
    context.font = "11px system-ui, sans-serif";
    this.drawTitles(context, places);
    withinTime(area, () => {
      this.drawAxis(context, height);
      if (this.model.data) this.drawData(context, places);
      this.drawGaps(context, places);
      this.drawEvents(context, places);
      this.drawNotes(context, places);
    });
  }

  drawTitles(context, places) {
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.fillStyle = colour("soft");
    for (const [name, title] of ROWS) if (places[name]) context.fillText(title, GUTTER - 8 - (name === "aeeg" ? 20 : 0), middle(places[name]));
    context.font = "9px system-ui, sans-serif";
    for (const line of this.most_uv > USUAL_UV ? [10, this.most_uv / 2] : [10, 50]) context.fillText(line, GUTTER - 8, this.aeegY(places.aeeg, line));
    context.font = "11px system-ui, sans-serif";
  }

  drawAxis(context, height) {
    const { clock } = this.model;
    const { places, step } = clock.ticks(...this.view, Math.max(2, (this.host.clientWidth - GUTTER) / 90));
    context.textAlign = "center";
    context.textBaseline = "alphabetic";
    let [day, free] = [null, GUTTER];
    for (const place of places) {
      const x = this.x(place);
      context.fillStyle = colour("grid");
      context.fillRect(Math.round(x), 0, 1, height - AXIS);
      const [today, text] = [clock.day(place), clock.text(place, step < 60)];
      context.fillStyle = colour("soft");
      const words = today === day || !today ? text : `${today} ${text}`;
      const half = context.measureText(words).width / 2;
      const centre = Math.min(Math.max(x, GUTTER + half), this.host.clientWidth - RIGHT - half);
      if (centre - half < free) continue; // it would lie on the one before
      context.fillText(words, centre, height - 4);
      [day, free] = [today, centre + half + LABEL_SPACE];
    }
  }

  drawData(context, places) {
    const { data, hidden } = this.model;
    const columns = new Columns(data.edges.map((edge) => this.x(edge)));
    if (hidden) this.drawHidden(context, places);
    this.drawProbabilities(context, places, columns);
    for (const side of ["left", "right"]) this.drawSpectrum(context, places[side], side, columns);
    this.drawAeeg(context, places.aeeg, columns);
    this.drawLeftRight(context, places.left_right, columns);
    columns.each(data.usable, (x, width, value) => {
      context.globalAlpha = Math.min(1, 1 - value);
      context.fillStyle = colour("for");
      if (value < 1) context.fillRect(x, places.usable[0], width, places.usable[1]);
    });
    context.globalAlpha = 1;
    outline(context, this.x(this.view[0]), places.usable, this.x(this.view[1]));
  }

  drawHidden(context, places) {
    context.fillStyle = colour("soft");
    context.textAlign = "center";
    context.fillText("hidden until you have voted", (this.x(this.view[0]) + this.x(this.view[1])) / 2, middle(places.probabilities));
  }

  drawProbabilities(context, places, columns) {
    const { data, detail, hidden } = this.model;
    const [top, height] = places.probabilities;
    const below = new Float64Array(data.edges.length - 1);
    for (const pattern of detail.patterns) {
      context.fillStyle = patternColour(pattern);
      columns.each(data.probabilities[pattern.key], (x, width, value, column) => {
        context.fillRect(x, top + height * (1 - below[column] - value), width, height * value + 0.3);
        below[column] += value;
      });
    }
    if (!hidden) columns.runs(data.probabilities[detail.patterns[0].key], (x, width) => hatch(context, x, top, width, height));
    context.fillStyle = colour("ink");
    columns.each(data.spread, (x, width, value) => {
      context.globalAlpha = Math.min(1, Math.max(0, value)) * 0.85;
      context.fillRect(x, places.spread[0], width, places.spread[1]);
    });
    context.globalAlpha = 1;
    outline(context, this.x(this.view[0]), places.spread, this.x(this.view[1]));
  }

  /** Each column of the picture goes where its time is: columns differ in length where there are few windows. */
  drawSpectrum(context, [top, height], side, columns) {
    const picture = this.images[side];
    const lowest = this.model.data.spectrum[side].at(0) ?? [];
    columns.runs(lowest, (x, width) => hatch(context, x, top, width, height));
    context.imageSmoothingEnabled = false;
    columns.each(lowest, (x, width, _, column) => context.drawImage(picture, column, 0, 1, picture.height, x, top, width, height));
  }

  /** The scale of an aEEG: linear to 10 µV, logarithmic to 100, or to more where the recording has more. */
  aeegY([top, height], value) {
    const share = value <= 10 ? Math.max(0, value) / 20 : Math.min(1, 0.5 + Math.log(value / 10) / Math.log(this.most_uv / 10) / 2);
    return top + height * (1 - share);
  }

  drawAeeg(context, [top, height], columns) {
    const y = (value) => this.aeegY([top, height], value);
    context.fillStyle = colour("grid");
    for (const line of [5, 10, 25, 50, 100, 250, 500, 1000].filter((each) => each < this.most_uv)) context.fillRect(GUTTER, y(line), this.host.clientWidth, 1);
    for (const side of ["left", "right"]) {
      const { low, high } = this.model.data.aeeg[side];
      context.fillStyle = colour(side);
      context.globalAlpha = 0.5;
      columns.each(low, (x, width, value, column) => context.fillRect(x, y(high[column]), width, Math.max(1, y(value) - y(high[column]))));
    }
    context.globalAlpha = 1;
    columns.runs(this.model.data.aeeg.left.low, (x, width) => hatch(context, x, top, width, height));
  }

  /** Amplitude left over right, on a logarithmic scale to fourfold; upwards: the left is larger. */
  drawLeftRight(context, [top, height], columns) {
    const half = height / 2;
    context.fillStyle = colour("line");
    context.fillRect(GUTTER, top + half, this.host.clientWidth, 1);
    columns.each(this.model.data.left_right, (x, width, value) => {
      const size = half * Math.max(-1, Math.min(1, Math.log2(value) / 2));
      context.fillStyle = colour(size > 0 ? "left" : "right");
      context.fillRect(x, size > 0 ? top + half - size : top + half, width, Math.max(1, Math.abs(size)));
    });
  }

  drawGaps(context, places) {
    const [top, bottom] = [places.probabilities[0], places.usable[0] + places.usable[1]];
    for (const gap of this.model.detail.gaps) {
      const [x, end] = [this.x(gap.start_s), this.x(gap.stop_s)];
      context.fillStyle = colour("panel");
      context.fillRect(x, top, Math.max(1, end - x), bottom - top);
      hatch(context, x, top, end - x, bottom - top);
    }
  }

  drawEvents(context, places) {
    const { detail, hidden, votes } = this.model;
    const colours = Object.fromEntries(detail.patterns.map((pattern) => [pattern.key, patternColour(pattern)]));
    const bar = (x, end, [top, height], pattern) => {
      context.fillStyle = colours[pattern];
      context.fillRect(x, top, Math.max(3, end - x), height);
    };
    for (const event of hidden ? [] : detail.events) bar(this.x(event.start_s), this.x(event.stop_s), places.events, event.pattern);
    const half = detail.centre_s / 2;
    for (const vote of votes) bar(this.x(vote.time_s - half), this.x(vote.time_s + half), places.votes, vote.pattern);
  }

  drawNotes(context, places) {
    context.fillStyle = colour("ink");
    for (const note of this.model.detail.annotations) {
      const x = this.x(note.start_s);
      context.beginPath();
      context.moveTo(x - 4, places.flags[0]);
      context.lineTo(x + 4, places.flags[0]);
      context.lineTo(x, places.flags[0] + 7);
      context.fill();
    }
  }

  drawCursor() {
    const { context, height, width } = brush(this.over);
    if (!this.model) return;
    const bottom = height - AXIS;
    if (this.drag && Math.abs(this.drag.to - this.drag.from) > DRAG) {
      context.fillStyle = colour("accent");
      context.globalAlpha = 0.25;
      context.fillRect(this.drag.from, 0, this.drag.to - this.drag.from, bottom);
    } else if (this.pointer >= GUTTER) {
      context.globalAlpha = 0.4;
      context.fillStyle = colour("cursor");
      context.fillRect(Math.round(this.pointer), 0, 1, bottom);
    }
    const [x, end] = this.page.map((time) => this.x(time));
    if (end < GUTTER || x > width - RIGHT) return;
    context.globalAlpha = 1;
    context.strokeStyle = colour("paper");
    context.lineWidth = 4;
    const box = [Math.max(GUTTER, Math.round(x)) + 0.5, 1.5, Math.max(3, Math.round(end - x)), bottom - 2];
    context.strokeRect(...box);
    context.strokeStyle = colour("cursor");
    context.lineWidth = 1.5;
    context.strokeRect(...box);
  }
}

/** The columns of time on the screen. */
class Columns {
  constructor(edges) {
    this.edges = edges;
  }

  /** Call with x, width, value, column wherever a value is known. */
  each(values, act) {
    for (let column = 0; column < values.length; column++) {
      if (values[column] === null) continue;
      const x = Math.round(this.edges[column]);
      act(x, Math.max(1, Math.round(this.edges[column + 1]) - x), values[column], column);
    }
  }

  /** Call with x and width of every run in which nothing is known. */
  runs(values, act) {
    for (let column = 0, first = 0; column <= values.length; column++) {
      if (column < values.length && values[column] === null) continue;
      if (column > first) act(this.edges[first], this.edges[column] - this.edges[first]);
      first = column + 1;
    }
  }
}

const middle = ([top, height]) => top + height / 2;

function outline(context, first, [top, height], last) {
  context.strokeStyle = colour("line");
  context.lineWidth = 1;
  context.strokeRect(first + 0.5, Math.round(top) - 0.5, last - first - 1, height + 1);
}

/** Up to how many µV an aEEG is drawn: as usual, or further, in steps, where a recording has more. */
function mostOf({ left, right }) {
  const most = Math.max(...[...left.high, ...right.high].map((value) => value ?? 0));
  return [USUAL_UV, 200, 500, 1000, 2000, 5000].find((each) => each >= most) ?? most;
}

/** What the coldest and the hottest colour stand for: the same for both sides and at every zoom. */
function decibels({ left, right }) {
  const all = [...left, ...right].flat().filter((value) => value !== null);
  all.sort((a, b) => a - b);
  return all.length ? [all[Math.floor(0.03 * all.length)], all[Math.floor(0.997 * (all.length - 1))] + 1e-6] : null;
}

function spectra({ left, right }, scale) {
  const [low, high] = scale ?? [0, 1];
  return { left: image(left, low, high), right: image(right, low, high) };
}
