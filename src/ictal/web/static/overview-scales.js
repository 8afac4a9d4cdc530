/** The scales of the overview: of the amplitude-integrated EEG (aEEG), and of the colours of the spectra. */

/** @import { Borders, Interval, Spectrum } from "./answers.js" */

import { heatMap } from "./heat-map.js";

/** @typedef {{ left: OffscreenCanvas, right: OffscreenCanvas }} SpectrumImages */

/** Where the scale of the aEEG ends for most recordings, and where else it may end. */
export const USUAL_UV = 100;
const LARGER_UV = [200, 500, 1000, 2000, 5000];
/** Shares of all spectral values that are as dark or as bright as can be. */
const [DARKEST, BRIGHTEST] = [0.03, 0.997];

/**
 * How far up the scale of the aEEG a value is: linear to 10 µV, logarithmic above.
 * @param {number} value
 * @param {number} most_uv - the end of the scale
 */
export function aeegShare(value, most_uv) {
  if (value <= 10) return Math.max(0, value) / 20;
  return Math.min(1, 0.5 + Math.log(value / 10) / Math.log(most_uv / 10) / 2);
}

/**
 * The end of the scale of the aEEG: the usual one, or a larger one where the recording needs it.
 * @param {Record<string, Borders>} aeeg
 */
export function largestAmplitude({ left, right }) {
  const most = Math.max(...[...left.high, ...right.high].map((value) => value ?? 0));
  return [USUAL_UV, ...LARGER_UV].find((each) => each >= most) ?? most;
}

/**
 * The power of the darkest and the brightest colour: the same on both sides and at every zoom.
 * @param {Spectrum} spectrum
 * @returns {Interval | null}
 */
export function decibelRange({ left, right }) {
  const all = [...left, ...right].flat().filter((value) => value !== null).sort((a, b) => a - b);
  if (!all.length) return null;
  return [all[Math.floor(DARKEST * all.length)], all[Math.floor(BRIGHTEST * (all.length - 1))] + 1e-6];
}

/**
 * @param {Spectrum} spectrum
 * @param {Interval | null} range
 * @returns {SpectrumImages}
 */
export function spectrumImages({ left, right }, range) {
  const [low, high] = range ?? [0, 1];
  return { left: heatMap(left, low, high), right: heatMap(right, low, high) };
}
