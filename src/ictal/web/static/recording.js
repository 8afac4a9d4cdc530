/** The open recording: opened, fetched again when something has changed, and described in the header. */

/** @import { Details, Pattern } from "./answers.js" */

import * as api from "./api.js";
import { Clock } from "./clock.js";
import { patternColour } from "./colours.js";
import { loadWindow, panel, selectTime } from "./current-window.js";
import { loadMarks } from "./eeg-page.js";
import { $, $button, $select, el } from "./elements.js";
import { eventList } from "./event-list.js";
import { say } from "./messages.js";
import { grow, showFrom } from "./navigation.js";
import { loadOverview, overviewPlot, redrawOverview } from "./overview.js";
import { preferences } from "./preferences.js";
import { isUsual, sensitivityOf } from "./sensitivity.js";
import { newestWindow, openDetail, state } from "./state.js";
import { fillMenusOf } from "./toolbar.js";
import { loadVotes, vote } from "./votes.js";

let lastOpened = 0;

/**
 * Open a recording. Of two requests the later one counts, and the menu always names the recording that is shown.
 * @param {string} id
 * @param {number} start_s
 */
export async function open(id, start_s = 0) {
  const number = (lastOpened += 1);
  let detail = null;
  try {
    detail = await api.details(id, preferences.rater);
  } finally {
    if (number === lastOpened) $select("recording").value = (detail ?? state.detail)?.id ?? "";
  }
  if (number !== lastOpened) return;
  const clock = new Clock(detail.start);
  Object.assign(state, { detail, clock, overview: null, window: null, votes: [], traces: null, discharges: [] });
  document.title = `${detail.name} – ictal`;
  showDetail();
  sayNotes(detail);
  showFrom(start_s);
  await loadScores();
}

/** Fetch again what may have changed: after scoring, after a vote, or for another rater. */
export async function refresh() {
  const { id } = openDetail();
  const { rater } = preferences;
  const detail = await api.details(id, rater);
  // What is hidden from one rater is not from another: an answer for the last one may come late.
  if (id !== openDetail().id || rater !== preferences.rater) return;
  if (detail.duration_s !== openDetail().duration_s) grow(detail.duration_s);
  state.detail = detail;
  showDetail();
  await loadScores();
}

async function loadScores() {
  await Promise.all([loadOverview(true), loadVotes()]);
  if (overviewPlot.isZoomed) await loadOverview();
  redrawOverview();
  const newest = newestWindow();
  if (state.isFollowing && newest !== null) selectTime(newest); // the last one was shown until now
  await Promise.all([loadWindow(), loadMarks()]);
}

export function showDetail() {
  const detail = openDetail();
  const { model, patient, patterns } = detail;
  panel.setPatterns(patterns);
  $("legend").replaceChildren(...patterns.map(legendEntry));
  fillMenusOf(detail);
  for (const id of ["event-before", "event-after"]) $button(id).disabled = detail.withheld || !detail.events.length;
  $button("report").disabled = !detail.report;
  eventList.show();
  const facts = [patient, model && `${model.name} (${model.arm})`];
  $("model").textContent = facts.filter(Boolean).join(", ");
}

/** @param {Pattern} pattern */
function legendEntry(pattern) {
  const chip = el("i", { className: "chip", colour: patternColour(pattern), "aria-hidden": "true" });
  return el("span", {}, chip, pattern.title);
}

/**
 * Say what a reader must know of the model and the file; that it is no medical device is always at the bottom.
 * @param {Details} detail
 */
function sayNotes(detail) {
  const warnings = (detail.model?.warnings ?? []).filter((text) => text !== state.about?.not_a_device);
  const large = isUsual(detail) ? [] : [`Large amplitude: shown at ${sensitivityOf(detail)} µV/mm.`];
  say([...warnings, ...detail.notes, ...large].join(" · "));
}

/**
 * Vote on the selected window, also where the key was pressed before the window was fetched.
 * @param {string} pattern
 */
export async function voteForWindow(pattern) {
  if (!state.window) await loadWindow();
  await vote(pattern, refresh);
}
