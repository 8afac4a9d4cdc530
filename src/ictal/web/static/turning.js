/** Going through the recording: by pages, to a time, to the next event, to the next window without a vote. */

import { Clock, duration } from "./clock.js";
import { overview } from "./day.js";
import { $ } from "./dom.js";
import { later } from "./later.js";
import { loadWindow, lookAt } from "./looked.js";
import { showPage } from "./page.js";
import { prefs } from "./prefs.js";
import { eventInWords, state, windowAt } from "./state.js";
import { say } from "./status.js";
import { nextUnvoted } from "./voting.js";

/** How long a reader rests on a page before its window is asked for. */
const TURNED_MS = 120;

/** Show the page that begins at a time; its middle is looked at unless told otherwise. */
export function turnTo(start_s, time_s = null) {
  if (!state.detail) return;
  performance.mark("ictal:turn");
  state.start_s = Math.min(Math.max(0, state.detail.duration_s - 1), Math.max(0, start_s));
  lookAt(time_s ?? state.start_s + prefs.page_s / 2);
  overview.mark(state.start_s, state.start_s + prefs.page_s);
  showTime();
  showPage();
  later("window", loadWindow, TURNED_MS);
}

export const turnBy = (seconds) => turnTo(state.start_s + seconds);

/** Show the same page anew, after something about it has changed. */
export const turnAgain = () => turnTo(state.start_s, state.time_s);

/** Show a time, and the window whose centre holds it, in the middle of the page. */
export function goTo(time_s) {
  const centre = windowAt(time_s) ?? time_s;
  turnTo(centre - prefs.page_s / 2, centre);
}

/** Look at another 10 s of the page. */
export function select(time_s) {
  lookAt(time_s);
  loadWindow();
}

export function toEvent(direction) {
  const { events, withheld, centre_s } = state.detail;
  if (withheld) return say("Events are hidden while you vote blind to the model.");
  const ahead = ({ start_s }) => direction * (start_s - state.time_s) > centre_s / 2;
  const found = direction > 0 ? events.find(ahead) : events.findLast(ahead);
  if (!found) return say(events.length ? `There is no event ${direction > 0 ? "after" : "before"} this.` : "There are no events.");
  goTo(found.start_s + Math.min(centre_s, found.stop_s - found.start_s) / 2);
  return say(eventInWords(found));
}

export function toUnvoted() {
  if (!prefs.rater) return say("Choose a rater first: votes are given by name.");
  const time_s = nextUnvoted();
  return time_s === null ? say("There is no window after this without your vote.") : goTo(time_s);
}

export function toLast() {
  turnTo(Math.floor(Math.max(0, state.detail.duration_s - 1) / prefs.page_s) * prefs.page_s);
}

function showTime() {
  const { clock, start_s, detail } = state;
  $("clock").textContent = clock.text(start_s);
  $("since").textContent = `${clock.day(start_s)}  ${new Clock(null).text(start_s)} of ${duration(detail.duration_s)}`.trim();
  const values = { max: Math.round(detail.duration_s), now: Math.round(start_s), text: clock.text(start_s) };
  for (const [name, value] of Object.entries(values)) $("day").setAttribute(`aria-value${name}`, value);
  history.replaceState(null, "", `${location.pathname}${location.search}#${detail.id}/${start_s.toFixed(1)}`);
}
