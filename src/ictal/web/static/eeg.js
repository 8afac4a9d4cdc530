/** One page of EEG on canvas, as readers know it: negative is up, so many µV to a millimetre, a line each second. */

import { colour, hatch } from "./colours.js";
import { GUTTER, RIGHT, brush, layer, pixelsOfTime, withinTime } from "./dom.js";

const TOP = 20;
const BOTTOM = 20;
/** A CSS inch has 96 pixels and 25.4 mm. */
const PIXELS_PER_MM = 96 / 25.4;
/** Blank between two chains, in rows. */
const CHAIN_GAP = 0.6;
/** Pixels by which the pointer may move and still click. */
const CLICK = 4;
const BARS_UV = [5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000];

/** The side of a row by its electrodes: odd numbers are left, even ones right. */
export function side(name) {
  if (/ekg|ecg/i.test(name)) return "heart";
  const numbers = name.match(/\d+/g) ?? [];
  const odd = numbers.some((number) => number % 2 === 1);
  const even = numbers.some((number) => number % 2 === 0);
  if (odd === even) return "middle";
  return odd ? "left" : "right";
}

export class EegPage {
  /** `act`, which is set by whoever listens: {select(time_s)} where the page is clicked, {measured(words)} where it is drawn on. */
  constructor(host) {
    this.host = host;
    this.act = null;
    this.model = null;
    this.base = layer(host, () => this.draw());
    this.over = layer(host, () => this.drawOver());
    this.listen();
  }

  /** Pixels across which traces are drawn: what the server decimates to. */
  get columns() {
    return Math.max(200, pixelsOfTime(this.base));
  }

  /** Draw `model` {clock, detail, start_s, page_s, signal, sensitivity, heart_uv, centre, tint}; signal may be null. */
  show(model) {
    this.model = model;
    this.draw();
    this.drawOver();
  }

  x(time_s) {
    const { start_s, page_s } = this.model;
    return GUTTER + ((time_s - start_s) / page_s) * (this.host.clientWidth - GUTTER - RIGHT);
  }

  time(x) {
    const { start_s, page_s } = this.model;
    return start_s + ((x - GUTTER) / (this.host.clientWidth - GUTTER - RIGHT)) * page_s;
  }

  listen() {
    const at = (event) => {
      const box = this.host.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    this.host.addEventListener("pointerdown", (event) => {
      this.from = at(event);
      this.host.setPointerCapture(event.pointerId);
    });
    this.host.addEventListener("pointermove", (event) => {
      this.pointer = at(event);
      if (this.measures) this.act.measured(this.measure());
      this.drawOver();
    });
    this.host.addEventListener("pointerup", (event) => {
      const [x] = at(event);
      if (this.model && this.from && Math.abs(x - this.from[0]) < CLICK && x > GUTTER) this.act.select(this.time(x));
      this.from = null;
      this.drawOver();
    });
    this.host.addEventListener("pointerleave", () => {
      this.pointer = this.from = null;
      this.drawOver();
    });
  }

  draw() {
    const area = brush(this.base);
    const { context, height } = area;
    if (!this.model) return;
    context.font = "11px system-ui, sans-serif";
    const signal = this.isHere(this.model.signal) ? this.model.signal : null;
    const rows = signal ? this.rows(signal, height) : [];
    withinTime(area, () => {
      this.drawCentre(context, height);
      if (this.model.tint) this.drawTint(context, rows);
      this.drawGrid(context, height);
      this.drawGaps(context, height);
      if (signal) this.drawTraces(context, rows, signal);
      this.drawNotes(context, height);
    });
    this.drawNames(context, rows);
    if (signal) this.drawScale(context, height);
  }

  /** Whether traces are those of this page, and not of the one before. */
  isHere(signal) {
    const { start_s, page_s } = this.model;
    return signal && Math.abs(signal.start_s - start_s) < 0.5 && signal.stop_s < start_s + page_s + 0.5;
  }

  /** Where each row lies: {name, y, height}. */
  rows({ rows, groups }, height) {
    const gaps = Math.max(0, groups.length - 1) * CHAIN_GAP;
    const each = (height - TOP - BOTTOM) / (rows.length + gaps);
    return rows.map((name, row) => {
      const before = groups.findIndex(([first, after]) => row >= first && row < after);
      return { name, y: TOP + each * (row + 0.5 + Math.max(0, before) * CHAIN_GAP), height: each };
    });
  }

  drawCentre(context, height) {
    if (!this.model.centre) return;
    const [x, end] = this.model.centre.map((time) => this.x(time));
    context.fillStyle = colour("centre");
    context.fillRect(x, TOP - 4, end - x, height - TOP - BOTTOM + 8);
    context.fillStyle = colour("soft");
    for (const edge of [x, end]) context.fillRect(Math.round(edge), TOP - 4, 1, height - TOP - BOTTOM + 8);
  }

  /** Behind each trace: what speaks for the pattern and what against it. */
  drawTint(context, rows) {
    const { derivations, times_s, grid } = this.model.tint;
    const step = times_s.length > 1 ? times_s[1] - times_s[0] : 1;
    for (const { name, y, height } of rows) {
      const values = grid[derivations.indexOf(name)] ?? [];
      values.forEach((value, column) => {
        const [x, end] = [this.x(times_s[column] - step / 2), this.x(times_s[column] + step / 2)];
        context.globalAlpha = 0.55 * Math.min(1, Math.abs(value));
        context.fillStyle = colour(value > 0 ? "for" : "against");
        context.fillRect(x, y - height / 2, end - x, height);
      });
    }
    context.globalAlpha = 1;
  }

  drawGrid(context, height) {
    const { clock, start_s, page_s } = this.model;
    const width = this.host.clientWidth - GUTTER - RIGHT;
    const every = [1, 2, 5, 10].find((step) => (width * step) / page_s >= 62) ?? 10;
    context.textAlign = "center";
    context.textBaseline = "alphabetic";
    for (let second = Math.ceil(start_s - 1e-6); second <= start_s + page_s + 1e-6; second++) {
      const x = Math.round(this.x(second));
      context.fillStyle = colour(second % 5 ? "grid" : "line");
      context.fillRect(x, TOP - 4, 1, height - TOP - BOTTOM + 8);
      if (second % every || x - GUTTER < 24 || width + GUTTER - x < 24) continue;
      context.fillStyle = colour("soft");
      context.fillText(clock.text(second), x, height - 6);
    }
  }

  drawGaps(context, height) {
    for (const { start_s, stop_s } of this.model.detail.gaps) {
      const [x, end] = [Math.max(GUTTER, this.x(start_s)), Math.min(this.host.clientWidth, this.x(stop_s))];
      if (end <= x) continue;
      hatch(context, x, TOP, end - x, height - TOP - BOTTOM);
      context.fillStyle = colour("soft");
      context.textAlign = "center";
      context.fillText("gap: nothing was recorded", (x + end) / 2, height / 2);
    }
  }

  drawTraces(context, rows, signal) {
    const { sensitivity, heart_uv } = this.model;
    const perMicrovolt = PIXELS_PER_MM / sensitivity;
    context.lineWidth = 1;
    context.lineJoin = "round";
    rows.forEach(({ name, y, height }, row) => {
      const scale = side(name) === "heart" ? -height / heart_uv : perMicrovolt;
      context.strokeStyle = colour(side(name));
      context.beginPath();
      (signal.kind === "minmax" ? drawBorders : drawSamples)(context, signal, row, (time) => this.x(time), y, scale);
      context.stroke();
    });
  }

  drawNames(context, rows) {
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const { name, y } of rows) {
      context.fillStyle = colour(side(name));
      context.fillText(name, GUTTER - 8, y);
    }
  }

  /** Notes of the file as flags; notes that last are a line above the page. */
  drawNotes(context, height) {
    context.textAlign = "left";
    context.textBaseline = "middle";
    let free = -Infinity;
    for (const { start_s, duration_s, text } of this.model.detail.annotations) {
      const [x, end] = [this.x(start_s), this.x(start_s + duration_s)];
      if (end < GUTTER || x > this.host.clientWidth) continue;
      context.fillStyle = colour("accent");
      context.fillRect(x, 3, Math.max(1, end - x), 2);
      if (x >= GUTTER) context.fillRect(Math.round(x), 3, 1, height - BOTTOM - 3);
      const left = Math.max(x, GUTTER, free) + 4;
      const { width } = context.measureText(text);
      context.fillStyle = colour("paper");
      context.fillRect(left - 2, 6, width + 4, 12);
      context.fillStyle = colour("accent");
      context.fillText(text, left, 12);
      free = left + width + 6;
    }
  }

  /** A bar beside the names of the rows, and what it stands for. */
  drawScale(context, height) {
    const perMicrovolt = PIXELS_PER_MM / this.model.sensitivity;
    const bar = BARS_UV.findLast((each) => each * perMicrovolt <= 48) ?? BARS_UV[0];
    context.fillStyle = colour("ink");
    context.fillRect(8, height - BOTTOM - bar * perMicrovolt, 2, bar * perMicrovolt);
    context.font = "10px system-ui, sans-serif";
    context.textAlign = "left";
    context.textBaseline = "alphabetic";
    context.fillText(`${bar} µV, neg. up`, 7, height - 6);
  }

  /** Whether the pointer, held down, has moved. */
  get measures() {
    return this.model && this.from && Math.abs(this.pointer[0] - this.from[0]) >= CLICK;
  }

  /** What was drawn on the page: how long, how often a second, how much. */
  measure() {
    const [x, y] = this.pointer;
    const seconds = Math.abs(this.time(x) - this.time(this.from[0]));
    const microvolts = (Math.abs(y - this.from[1]) / PIXELS_PER_MM) * this.model.sensitivity;
    return `${seconds.toFixed(2)} s = ${(1 / seconds).toFixed(1)} Hz, ${Math.round(microvolts)} µV`;
  }

  /** While a button is held, a calliper: how long, how often a second, how much; else the time at the pointer. */
  drawOver() {
    const { context, height } = brush(this.over);
    if (!this.model || !this.pointer || this.pointer[0] < GUTTER) return;
    const [x, y] = this.pointer;
    context.font = "11px system-ui, sans-serif";
    context.fillStyle = context.strokeStyle = colour("cursor");
    if (!this.measures) {
      context.globalAlpha = 0.3;
      context.fillRect(Math.round(x), TOP - 4, 1, height - TOP - BOTTOM + 8);
      return;
    }
    context.strokeRect(this.from[0], this.from[1], x - this.from[0], y - this.from[1]);
    const text = this.measure();
    const left = Math.min(Math.max(x, GUTTER + 4), this.host.clientWidth - context.measureText(text).width - 14);
    context.fillStyle = colour("panel");
    context.fillRect(left - 4, y + 10, context.measureText(text).width + 8, 18);
    context.fillStyle = colour("ink");
    context.textBaseline = "middle";
    context.fillText(text, left, y + 19);
  }
}

function drawSamples(context, { n, start_s, stop_s, values }, row, x, y, perMicrovolt) {
  const [first, step] = [x(start_s), (x(stop_s) - x(start_s)) / n];
  let pen = false;
  for (let sample = 0; sample < n; sample++) {
    const value = values[row * n + sample];
    if (Number.isNaN(value)) {
      pen = false;
      continue;
    }
    // Negative is up: a canvas counts downwards, and so does the reader. Of the EKG positive is up.
    context[pen ? "lineTo" : "moveTo"](first + sample * step, y + value * perMicrovolt);
    pen = true;
  }
}

/** A column's least and largest value, in the order that keeps the line short. */
function drawBorders(context, { n, start_s, stop_s, values }, row, x, y, perMicrovolt) {
  const [first, step] = [x(start_s), (x(stop_s) - x(start_s)) / n];
  let last = null;
  for (let column = 0; column < n; column++) {
    const at = 2 * (row * n + column);
    const [low, high] = [values[at], values[at + 1]];
    if (Number.isNaN(low)) {
      last = null;
      continue;
    }
    const downwards = last !== null && Math.abs(high - last) < Math.abs(low - last);
    const [one, other] = downwards ? [high, low] : [low, high];
    const place = first + (column + 0.5) * step;
    context[last === null ? "moveTo" : "lineTo"](place, y + one * perMicrovolt);
    context.lineTo(place, y + other * perMicrovolt + 0.01);
    last = other;
  }
}

