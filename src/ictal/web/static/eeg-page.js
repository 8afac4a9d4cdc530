/** The current page of EEG: fetched, or taken from the cache, and drawn. */

/** @import { Traces } from "./answers.js" */

import * as api from "./api.js";
import { EegPlot } from "./eeg-plot.js";
import { $ } from "./elements.js";
import { fail } from "./messages.js";
import { PageCache } from "./page-cache.js";
import { preferences } from "./preferences.js";
import { heartScale, sensitivityOf } from "./sensitivity.js";
import { montageOf, openDetail, state, tracesQuery } from "./state.js";

const pages = new PageCache();
export const eegPlot = new EegPlot($("eeg"));

export async function showPage() {
  const { start_s } = state;
  const { id } = openDetail();
  const query = tracesQuery(start_s, eegPlot.columns);
  try {
    const traces = pages.get(id, query) ?? await pages.fetch(id, query);
    if (id === openDetail().id && start_s === state.start_s) draw(traces);
  } catch (error) {
    fail(error);
  }
}

/** @param {Traces} traces */
function draw(traces) {
  state.traces = traces;
  redrawPage();
  requestAnimationFrame(() => {
    // The frame in which the traces appear; the browser tests read these marks.
    performance.mark("ictal:traces");
    if (performance.getEntriesByName("ictal:turn").length) performance.measure("ictal:page", "ictal:turn");
    performance.clearMarks("ictal:turn");
    for (const by of [1, -1]) prefetch(state.start_s + by * preferences.page_s);
  });
}

/** @param {number} start_s */
function prefetch(start_s) {
  const { id, duration_s } = openDetail();
  if (start_s >= 0 && start_s < duration_s) pages.prefetch(id, tracesQuery(start_s, eegPlot.columns));
}

/** Fetch the marks of the page and of both neighbours, so that a page that is turned to has them at once. */
export async function loadMarks() {
  const { start_s } = state;
  const { id, withheld } = openDetail();
  const { page_s, rater } = preferences;
  if (withheld || !preferences.marks) return;
  try {
    const query = { start_s: Math.max(0, start_s - page_s), stop_s: start_s + 2 * page_s, rater };
    const discharges = await api.discharges(id, query);
    if (id !== openDetail().id || start_s !== state.start_s) return;
    state.discharges = discharges;
    redrawPage();
  } catch (error) {
    fail(error);
  }
}

/** Draw the page again, after anything on it has changed. */
export function redrawPage() {
  const { clock, detail, start_s, traces, window, explanation, wanted } = state;
  if (!detail) return;
  const { page_s } = preferences;
  const sensitivity = sensitivityOf(detail);
  const marks = preferences.marks && !detail.withheld ? state.discharges : [];
  eegPlot.show({
    clock, detail, start_s, page_s, traces, sensitivity, marks,
    heart_uv: heartScale(detail),
    centre: window?.centre ?? null,
    tint: wanted.tint ? explanation : null,
  });
  const n = marks.flatMap(({ times_s }) => times_s).filter((at) => at >= start_s && at < start_s + page_s).length;
  const words = [`EEG from ${clock.text(start_s)}`, `${page_s} s`, montageOf(), `${sensitivity} µV/mm`];
  if (n) words.push(`${n} discharges or waves marked`);
  $("eeg").setAttribute("aria-label", words.join(", "));
}
