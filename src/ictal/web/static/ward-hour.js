/** Draws the probabilities of the last hour of a bed, one upon the other. */

/** @import { Pattern } from "./answers.js" */
/** @import { BedRows } from "./ward-answers.js" */

import { addCanvas, cleared, hatch } from "./canvas.js";
import { colour, patternColour } from "./colours.js";

const HOUR_S = 3600;
const LINES_S = [900, 1800, 2700];

export class HourPlot {
  /** @param {HTMLElement} host */
  constructor(host) {
    this.canvas = addCanvas(host, () => this.draw());
    /** @type {BedRows} */
    this.rows = { start_s: [], stop_s: [], probabilities: [] };
    this.recorded_s = 0;
    /** @type {Pattern[]} */
    this.patterns = [];
  }

  /**
   * Add rows, and forget those that are older than an hour.
   * @param {BedRows} rows
   * @param {number} recorded_s
   */
  add(rows, recorded_s) {
    const first = this.rows.stop_s.findIndex((stop) => stop > recorded_s - HOUR_S);
    const kept = first < 0 ? this.rows.stop_s.length : first;
    this.rows = {
      start_s: [...this.rows.start_s.slice(kept), ...rows.start_s],
      stop_s: [...this.rows.stop_s.slice(kept), ...rows.stop_s],
      probabilities: [...this.rows.probabilities.slice(kept), ...rows.probabilities],
    };
    this.recorded_s = recorded_s;
  }

  /** @param {Pattern[]} patterns */
  show(patterns) {
    this.patterns = patterns;
    this.draw();
  }

  draw() {
    const { context, width, height } = cleared(this.canvas);
    const { start_s, stop_s, probabilities } = this.rows;
    const begin_s = this.recorded_s - HOUR_S;
    /** @type {(time_s: number) => number} */
    const at = (time_s) => Math.round(((time_s - begin_s) / HOUR_S) * width);
    probabilities.forEach((row, number) => {
      const x = at(start_s[number]);
      this.drawRow(context, row, x, Math.max(1, at(stop_s[number]) - x), height);
    });
    context.fillStyle = colour("grid");
    for (const line of LINES_S) context.fillRect(Math.round((line / HOUR_S) * width), 0, 1, height);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {(number | null)[]} row
   * @param {number} x
   * @param {number} width
   * @param {number} height
   */
  drawRow(context, row, x, width, height) {
    if (row.at(-1) === null) return hatch(context, x, 0, width, height); // every model gives 'other', the last
    let below = 0;
    this.patterns.forEach((pattern, number) => {
      const value = row[number] ?? 0;
      context.fillStyle = patternColour(pattern);
      context.fillRect(x, height * (1 - below - value), width, height * value + 0.3);
      below += value;
    });
  }
}
