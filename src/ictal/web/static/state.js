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

/** Whether there is a scored window whose centre holds a time. */
export const isScored = (time_s) => windowAt(time_s) !== null;

/** The middle of the scored window whose centre holds a time, the nearest where centres overlap; null where none does. */
export function windowAt(time_s) {
  const { windows, centre_s, step_s } = state.detail;
  for (const { start_s, n } of windows) {
    const number = Math.min(n - 1, Math.max(0, Math.round((time_s - start_s - centre_s / 2) / step_s)));
    const begin = start_s + number * step_s;
    if (begin <= time_s && time_s < begin + centre_s) return begin + centre_s / 2;
  }
  return null;
}

/** The middles of all scored windows, in the order of time. */
export function* middles() {
  const { windows, centre_s, step_s } = state.detail;
  for (const { start_s, n } of windows) for (let number = 0; number < n; number += 1) yield start_s + number * step_s + centre_s / 2;
}

/** How many windows are scored. */
export const windowCount = () => state.detail.windows.reduce((sum, { n }) => sum + n, 0);

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
