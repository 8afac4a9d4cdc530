/** Moves through the recording: by pages, to a time, to the next event, to the next window without a vote. */

import { Clock, duration } from "./clock.js";
import { loadWindow, selectTime } from "./current-window.js";
import { debounce } from "./debounce.js";
import { loadMarks, showPage } from "./eeg-page.js";
import { $, press } from "./elements.js";
import { eventList } from "./event-list.js";
import { say } from "./messages.js";
import { overviewPlot } from "./overview.js";
import { preferences } from "./preferences.js";
import { describeEvent, newestWindow, openDetail, state, windowAt } from "./state.js";
import { CHOOSE_RATER, nextUnvoted } from "./votes.js";

/** @import { Event } from "./answers.js" */

/** How long a reader pauses on a page before its window is fetched. */
const PAUSE_MS = 120;

/**
 * Show the page that begins at a time, and select another time, else the page's middle.
 * @param {number} start_s
 * @param {number | null} time_s
 */
export function showFrom(start_s, time_s = null) {
  if (!state.detail) return;
  performance.mark("ictal:turn");
  const from_s = Math.min(Math.max(0, state.detail.duration_s - 1), Math.max(0, start_s));
  if (from_s !== state.start_s) setFollowing(false); // who turns a page wants to stay there
  state.start_s = from_s;
  selectTime(time_s ?? state.start_s + preferences.page_s / 2);
  overviewPlot.mark(state.start_s, state.start_s + preferences.page_s);
  showTime();
  showPage();
  eventList.mark();
  debounce("window", loadWindow, PAUSE_MS);
  debounce("marks", loadMarks, PAUSE_MS);
}

/** @param {number} seconds */
export const moveBy = (seconds) => showFrom(state.start_s + seconds);

/** Show the same page again, after something about it has changed. */
export const showAgain = () => showFrom(state.start_s, state.time_s);

/**
 * Show a time, and the window whose centre contains it, in the middle of the page.
 * @param {number} time_s
 */
export function goTo(time_s) {
  const centre = windowAt(time_s) ?? time_s;
  showFrom(centre - preferences.page_s / 2, centre);
}

/**
 * Select another time on the page.
 * @param {number} time_s
 */
export function select(time_s) {
  selectTime(time_s);
  eventList.mark();
  loadWindow();
}

/** @param {1 | -1} direction */
export function goToEvent(direction) {
  const { events, withheld, centre_s } = openDetail();
  if (withheld) return say("Events are hidden while you vote without seeing the predictions.");
  if (!events.length) return say("There are no events.");
  /** @type {(event: { start_s: number }) => boolean} */
  const isAhead = ({ start_s }) => direction * (start_s - state.time_s) > centre_s / 2;
  const found = direction > 0 ? events.find(isAhead) : events.findLast(isAhead);
  if (!found) return say(`There is no ${direction > 0 ? "later" : "earlier"} event.`);
  showEvent(found);
}

/**
 * Show the beginning of an event.
 * @param {Event} event
 */
export function showEvent(event) {
  goTo(event.start_s + Math.min(openDetail().centre_s, event.stop_s - event.start_s) / 2);
  eventList.mark(event.number);
  say(describeEvent(event));
}

export function goToUnvoted() {
  if (!preferences.rater) return say(CHOOSE_RATER);
  const time_s = nextUnvoted();
  if (time_s === null) say("There is no later window without your vote.");
  else goTo(time_s);
}

/** Show the last page; of a recording that goes on, the end with the newest window, and keep up with it. */
export function followEnd() {
  const { duration_s, state: scoring } = openDetail();
  const { page_s } = preferences;
  const isLive = scoring === "live";
  if (isLive) showFrom(Math.max(0, duration_s - page_s), newestWindow());
  else showFrom(Math.floor(Math.max(0, duration_s - 1) / page_s) * page_s);
  setFollowing(isLive);
}

/** @param {boolean} on */
function setFollowing(on) {
  state.isFollowing = on;
  press($("live"), on);
  if (on) history.replaceState(null, "", `${location.pathname}${location.search}#${openDetail().id}`);
}

/**
 * Note that the recording has grown, and show what is new if it is in view.
 * @param {number} duration_s
 */
export function grow(duration_s) {
  const detail = openDetail();
  const isInView = state.start_s + preferences.page_s > detail.duration_s;
  const before_s = detail.duration_s;
  detail.duration_s = duration_s;
  overviewPlot.grow(before_s, duration_s);
  if (state.isFollowing) followEnd();
  else if (isInView) showAgain();
  else showTime();
}

function showTime() {
  const { clock, start_s } = state;
  const { id, duration_s } = openDetail();
  const since = `${new Clock(null).text(start_s)} of ${duration(duration_s)}`;
  $("clock").textContent = clock.text(start_s);
  $("since").textContent = `${clock.day(start_s)}  ${since}`.trim();
  const values = { max: Math.round(duration_s), now: Math.round(start_s), text: clock.text(start_s) };
  for (const [name, value] of Object.entries(values)) $("day").setAttribute(`aria-value${name}`, String(value));
  history.replaceState(null, "", `${location.pathname}${location.search}#${id}/${start_s.toFixed(1)}`);
}
