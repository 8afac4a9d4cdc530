/** What the page shows now, and what follows from it. */

/** @import { About, Details, Discharges, Event, Explanation, ListedRecording, Overview } from "./answers.js" */
/** @import { ScoredWindow, Similar, Traces, Vote } from "./answers.js" */
/** @import { TracesQuery } from "./api.js" */

import { Clock, duration } from "./clock.js";
import { DASH, place, rate } from "./event-words.js";
import { preferences } from "./preferences.js";

/** Seconds by which the times of a vote and of its window may differ. */
const SAME_TIME_S = 0.05;

/**
 * @typedef {object} State
 * @property {About | null} about
 * @property {ListedRecording[]} recordings
 * @property {Details | null} detail - the open recording
 * @property {Clock} clock - of the open recording
 * @property {Overview | null} overview - the part of the recording that the overview shows
 * @property {Vote[]} votes - of the rater, on the open recording
 * @property {number} start_s - where the page of EEG begins
 * @property {number} time_s - the selected time
 * @property {Traces | null} traces - of the page
 * @property {Discharges[]} discharges - of the page and of both neighbours
 * @property {ScoredWindow | null} window - the scored window at the selected time
 * @property {Explanation | null} explanation - of the window
 * @property {Similar | null} similar - windows like it
 * @property {{ tint: boolean, mel: boolean, similar: boolean }} wanted - what the reader wants computed
 * @property {boolean} offline
 * @property {boolean} isFollowing - whether the page keeps up with the end of a recording that goes on
 */

/** @type {State} */
export const state = {
  about: null, recordings: [], detail: null, clock: new Clock(null), overview: null, votes: [], start_s: 0, time_s: 0,
  traces: null, discharges: [], window: null, explanation: null, similar: null,
  wanted: { tint: false, mel: false, similar: false }, offline: false,
  isFollowing: false,
};

/** The open recording; only for what cannot happen before one is open. */
export function openDetail() {
  if (!state.detail) throw new Error("no recording is open");
  return state.detail;
}

/** @param {ScoredWindow} window */
export const middle = (window) => (window.centre[0] + window.centre[1]) / 2;

/** @param {string} key - of a pattern */
export const title = (key) => openDetail().patterns.find((pattern) => pattern.key === key)?.title ?? key;

/** The rater's vote on the selected window. */
export function voteHere() {
  const { window, votes } = state;
  return window && votes.find((vote) => Math.abs(vote.time_s - middle(window)) < SAME_TIME_S);
}

/**
 * The middle of the scored window whose centre contains a time, the nearest where centres overlap; null if none does.
 * @param {number} time_s
 */
export function windowAt(time_s) {
  const { windows, centre_s, step_s } = openDetail();
  for (const { start_s, n } of windows) {
    const number = Math.min(n - 1, Math.max(0, Math.round((time_s - start_s - centre_s / 2) / step_s)));
    const begin = start_s + number * step_s;
    if (begin <= time_s && time_s < begin + centre_s) return begin + centre_s / 2;
  }
  return null;
}

/** The middle of the last scored window; null before the first. */
export function newestWindow() {
  const { windows, centre_s, step_s } = openDetail();
  const last = windows.at(-1);
  return last ? last.start_s + (last.n - 1) * step_s + centre_s / 2 : null;
}

/** The middles of all scored windows, in the order of time. */
export function* windowMiddles() {
  const { windows, centre_s, step_s } = openDetail();
  for (const { start_s, n } of windows) {
    for (let number = 0; number < n; number += 1) yield start_s + number * step_s + centre_s / 2;
  }
}

/** How many windows are scored. */
export const windowCount = () => openDetail().windows.reduce((sum, { n }) => sum + n, 0);

/** @param {ScoredWindow} window */
export function mostLikelyPattern({ probabilities }) {
  const keys = openDetail().patterns.map(({ key }) => key);
  return keys.reduce((best, key) => ((probabilities?.[key] ?? 0) > (probabilities?.[best] ?? 0) ? key : best));
}

/** The montage that the reader chose, if the recording has it, else its first. */
export function montageOf() {
  const { montages } = openDetail();
  return montages.includes(preferences.montage) ? preferences.montage : montages[0];
}

/**
 * What to fetch for the page that begins at a time.
 * @param {number} start_s
 * @param {number} width - pixels
 * @returns {TracesQuery}
 */
export function tracesQuery(start_s, width) {
  const { page_s, low_hz, high_hz, notch_hz } = preferences;
  const stop_s = Math.min(openDetail().duration_s, start_s + page_s);
  return { start_s, stop_s, width, montage: montageOf(), low_hz, high_hz, notch_hz };
}

/** @param {Event} event */
export function describeEvent(event) {
  const { number, pattern, start_s, stop_s, peak } = event;
  const when = `${state.clock.text(start_s)} to ${state.clock.text(stop_s)}, ${duration(stop_s - start_s)}`;
  const measured = [rate(event), place(event)].filter((words) => words !== DASH);
  const first = `${title(pattern)}, event ${number} of ${openDetail().events.length}`;
  return `${first}: ${[when, ...measured, `peak ${peak.toFixed(2)}`].join(", ")}`;
}
