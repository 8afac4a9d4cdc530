/** The mel spectrograms that a network saw, one per chain, with Grad-CAM as outlines. */

/** @import { Chains, Column, Interval, Mel } from "./answers.js" */

import { addCanvas, cleared } from "./canvas.js";
import { el } from "./elements.js";
import { heatMap } from "./heat-map.js";

/** @type {[keyof Chains, string][]} */
const CHAINS = [
  ["LL", "left lateral"], ["LP", "left parasagittal"], ["RP", "right parasagittal"], ["RR", "right lateral"],
];
/** Decibels below the loudest that are still shown. */
const DEPTH_DB = 45;

/**
 * The spectrogram of one chain.
 * @typedef {object} Picture
 * @property {OffscreenCanvas} power
 * @property {Column[]} heat - of Grad-CAM
 * @property {Mel} mel
 * @property {Interval} centre
 */

export class MelSpectrograms {
  /** @param {HTMLElement} host */
  constructor(host) {
    this.host = host;
    /** @type {Map<keyof Chains, { canvas: HTMLCanvasElement, picture: Picture | null }>} */
    this.panels = new Map();
  }

  /**
   * @param {Mel} mel
   * @param {Interval} centre - of the window: the seconds that are voted on
   */
  show(mel, centre) {
    const loudest = highest(Object.values(mel.db).flat());
    for (const [chain, title] of CHAINS) {
      const power = heatMap(mel.db[chain], loudest - DEPTH_DB, loudest);
      const panel = this.panels.get(chain) ?? this.add(chain, title);
      panel.picture = { power, heat: mel.gradcam[chain], mel, centre };
      drawMel(panel.canvas, panel.picture);
    }
  }

  /**
   * @param {keyof Chains} chain
   * @param {string} title
   */
  add(chain, title) {
    const label = `Mel spectrogram of the ${title} chain with Grad-CAM`;
    const host = el("div", { className: "mel", role: "img", "aria-label": label });
    this.host.append(el("p", { className: "soft" }, `${chain}, ${title}`), host);
    const canvas = addCanvas(host, () => drawMel(canvas, panel.picture));
    const panel = { canvas, picture: /** @type {Picture | null} */ (null) };
    this.panels.set(chain, panel);
    return panel;
  }
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Picture | null} picture
 */
function drawMel(canvas, picture) {
  if (!picture) return;
  const { context, width, height } = cleared(canvas);
  context.drawImage(picture.power, 0, 0, width, height);
  drawHeat(context, picture.heat, width, height);
  const { times_s, frequencies_hz } = picture.mel;
  const step = (times_s[times_s.length - 1] - times_s[0]) / (times_s.length - 1); // times are the middles of frames
  const [first, span] = [times_s[0] - step / 2, times_s.length * step];
  context.fillStyle = "#ffffff";
  for (const edge of picture.centre) context.fillRect(((edge - first) / span) * width, 0, 1, height);
  context.font = "10px system-ui, sans-serif";
  context.textBaseline = "top";
  context.fillText(`${Math.round(frequencies_hz[frequencies_hz.length - 1])} Hz`, 4, 3);
}

/**
 * Outline where the heat is above half and three quarters of its maximum, so that the power below stays legible.
 * @param {CanvasRenderingContext2D} context
 * @param {Column[]} heat
 * @param {number} width
 * @param {number} height
 */
function drawHeat(context, heat, width, height) {
  const hottest = highest(heat);
  if (hottest <= 0) return;
  const [w, h] = [width / heat[0].length, height / heat.length];
  context.fillStyle = "#7ff2ff";
  for (const [share, alpha] of [[0.5, 0.6], [0.75, 1]]) {
    context.globalAlpha = alpha;
    for (const [row, column] of border(heat, share * hottest)) {
      context.fillRect(column * w, height - (row + 1) * h, Math.max(1, w), Math.max(1, h));
    }
  }
  context.globalAlpha = 1;
}

/**
 * The cells at or above a level that have a neighbour below it.
 * @param {Column[]} heat
 * @param {number} level
 */
function* border(heat, level) {
  /** @type {(row: number, column: number) => boolean} */
  const isAbove = (row, column) => (heat[row]?.[column] ?? level) >= level;
  for (let row = 0; row < heat.length; row++) {
    for (let column = 0; column < heat[row].length; column++) {
      const value = heat[row][column];
      if (value === null || value < level) continue;
      const inside = isAbove(row, column + 1) && isAbove(row, column - 1)
        && isAbove(row + 1, column) && isAbove(row - 1, column);
      if (!inside) yield [row, column];
    }
  }
}

/** @param {Column[]} values */
function highest(values) {
  return values.flat().reduce((/** @type {number} */ most, value) => Math.max(most, value ?? -Infinity), -Infinity);
}
