/** What is shown, and what follows from it. */

import { duration } from "./clock.js";
import { prefs } from "./prefs.js";

/**
 * `whole` and `data`: the overview of everything, and as it is zoomed; `start_s`: where the page begins; `time_s`: what
 * is looked at; `window`: the scored window there, or null; `answer`: what speaks for a pattern in it; `similar`: windows
 * like it; `asked`: what a reader wants the model to be asked.
 */
export const state = {
  about: null, recordings: [], detail: null, clock: null, whole: null, data: null, votes: [], start_s: 0, time_s: 0,
  signal: null, window: null, answer: null, similar: null, asked: { tint: false, mel: false, similar: false }, done: null, offline: false,
};

export const middle = (window) => (window.centre[0] + window.centre[1]) / 2;

export const title = (key) => state.detail.patterns.find((pattern) => pattern.key === key)?.title ?? key;

/** The rater's vote on the window that is looked at. */
export const votedHere = () => state.window && state.votes.find((vote) => Math.abs(vote.time_s - middle(state.window)) < 0.05);

/** Whether there is a window whose centre holds a time: the overview knows, but for the edges of its coarse columns. */
export function isScored(time_s) {
  const { whole, detail } = state;
  const column = whole ? whole.edges.findLastIndex((edge) => edge <= time_s) : -1;
  if (column < 0 || (whole.usable[column] ?? null) === null) return false;
  const margin = (detail.window_s - detail.centre_s) / 2;
  return detail.segments.some(({ start_s, stop_s }) => time_s >= start_s + margin && time_s < stop_s - margin);
}

/** The middle of the window whose centre holds a time, by the grid of windows; null where no window fits. */
export function windowAt(time_s) {
  const { segments, window_s, centre_s, step_s } = state.detail;
  const margin = (window_s - centre_s) / 2;
  const segment = segments.find(({ start_s, stop_s }) => time_s >= start_s + margin && time_s < stop_s - margin);
  if (!segment) return null;
  const first = segment.start_s + margin;
  const begin = first + Math.floor((time_s - first) / step_s) * step_s;
  return time_s < begin + centre_s ? begin + centre_s / 2 : null;
}

/** How many windows the recording has. */
export function windowCount() {
  const { segments, window_s, step_s } = state.detail;
  return segments.reduce((sum, { start_s, stop_s }) => sum + Math.max(0, Math.floor((stop_s - start_s - window_s) / step_s + 1)), 0);
}

export function likeliest(probabilities) {
  const keys = state.detail.patterns.map(({ key }) => key);
  return keys.reduce((best, key) => ((probabilities?.[key] ?? 0) > (probabilities?.[best] ?? 0) ? key : best), keys[0]);
}

/** What to ask for the page that begins at a time, `columns` pixels wide. */
export function request(start_s, columns) {
  const { montages, duration_s } = state.detail;
  const montage = montages.includes(prefs.montage) ? prefs.montage : montages[0];
  const stop_s = Math.min(duration_s, start_s + prefs.page_s);
  return { start_s, stop_s, width: columns, montage, low_hz: prefs.low_hz, high_hz: prefs.high_hz, notch_hz: prefs.notch_hz };
}

/** An event in words. */
export function eventInWords({ number, pattern, start_s, stop_s, peak }) {
  const when = `${state.clock.text(start_s)} to ${state.clock.text(stop_s)}, ${duration(stop_s - start_s)}`;
  return `${title(pattern)}, event ${number} of ${state.detail.events.length}: ${when}, peak ${peak.toFixed(2)}`;
}
