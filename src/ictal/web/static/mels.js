/** The mel spectrograms that a network saw, one per chain, outlined where Grad-CAM lights up. */

import { image } from "./colours.js";
import { brush, el, layer } from "./dom.js";

const CHAINS = { LL: "left lateral", LP: "left parasagittal", RP: "right parasagittal", RR: "right lateral" };
/** Decibels below the loudest that are still shown. */
const DEPTH_DB = 45;

export class Mels {
  constructor(host) {
    this.host = host;
    this.pictures = {};
  }

  show(mel, centre) {
    const high = Object.values(mel.db).flat(2).reduce((most, value) => Math.max(most, value ?? -Infinity), -Infinity);
    for (const [chain, title] of Object.entries(CHAINS)) {
      this.pictures[chain] ??= this.add(chain, title);
      this.pictures[chain].model = {
        power: image(mel.db[chain], high - DEPTH_DB, high),
        heat: mel.gradcam?.[chain] ?? null,
        mel,
        centre,
      };
      drawMel(this.pictures[chain]);
    }
  }

  add(chain, title) {
    const host = el("div", { className: "mel", role: "img", "aria-label": `Mel spectrogram of the ${title} chain with Grad-CAM` });
    this.host.append(el("p", { className: "soft" }, `${chain}, ${title}`), host);
    const picture = { host, model: null };
    picture.canvas = layer(host, () => drawMel(picture));
    return picture;
  }
}

function drawMel({ canvas, model }) {
  if (!model) return;
  const { context, width, height } = brush(canvas);
  context.drawImage(model.power, 0, 0, width, height);
  if (model.heat) drawHeat(context, model.heat, width, height);
  const { times_s, frequencies_hz } = model.mel;
  const step = (times_s.at(-1) - times_s[0]) / (times_s.length - 1); // times are the middles of frames
  const [first, span] = [times_s[0] - step / 2, times_s.length * step];
  context.fillStyle = "#ffffff";
  for (const edge of model.centre ?? []) context.fillRect(((edge - first) / span) * width, 0, 1, height);
  context.font = "10px system-ui, sans-serif";
  context.textBaseline = "top";
  context.fillText(`${Math.round(frequencies_hz.at(-1))} Hz`, 4, 3);
}

/** Outline where the heat is above half and three quarters of its most: the power below stays legible. */
function drawHeat(context, heat, width, height) {
  const most = heat.flat().reduce((largest, value) => Math.max(largest, value), 0);
  if (most <= 0) return;
  const [w, h] = [width / heat[0].length, height / heat.length];
  context.fillStyle = "#7ff2ff";
  for (const [share, alpha] of [[0.5, 0.6], [0.75, 1]]) {
    context.globalAlpha = alpha;
    for (const [row, column] of border(heat, share * most)) context.fillRect(column * w, height - (row + 1) * h, Math.max(1, w), Math.max(1, h));
  }
  context.globalAlpha = 1;
}

/** The cells at or above a level that have a neighbour below it. */
function border(heat, level) {
  const above = (row, column) => (heat[row]?.[column] ?? level) >= level;
  const beside = [[0, 1], [0, -1], [1, 0], [-1, 0]];
  return heat.flatMap((values, row) =>
    values.flatMap((value, column) => (value >= level && beside.some(([down, right]) => !above(row + down, column + right)) ? [[row, column]] : [])));
}
