/** The page of EEG: fetched, or taken from those that were fetched before, and drawn. */

import { $ } from "./dom.js";
import { EegPage } from "./eeg.js";
import { Pages } from "./pages.js";
import { prefs } from "./prefs.js";
import { heartOf, sensitivityOf } from "./sensitivity.js";
import { request, state } from "./state.js";
import { fail } from "./status.js";

const pages = new Pages();
export const eeg = new EegPage($("eeg"));

export async function showPage() {
  const { detail, start_s } = state;
  const wanted = request(start_s, eeg.columns);
  const known = pages.at(detail.id, wanted);
  if (known) return drawPage(known);
  try {
    const signal = await pages.fetch(detail.id, wanted);
    if (detail.id === state.detail.id && start_s === state.start_s) drawPage(signal);
  } catch (error) {
    fail(error);
  }
  return undefined;
}

function drawPage(signal) {
  state.signal = signal;
  redraw();
  requestAnimationFrame(() => {
    // Up to the frame in which the traces stand; the browser test reads these.
    performance.mark("ictal:traces");
    if (performance.getEntriesByName("ictal:turn").length) performance.measure("ictal:page", "ictal:turn");
    performance.clearMarks("ictal:turn");
    for (const by of [1, -1]) prefetch(state.start_s + by * prefs.page_s);
  });
}

function prefetch(start_s) {
  if (start_s >= 0 && start_s < state.detail.duration_s) pages.prefetch(state.detail.id, request(start_s, eeg.columns));
}

/** Draw what is known, after anything on the page has changed. */
export function redraw() {
  const { clock, detail, start_s, signal, window, answer, asked } = state;
  if (!detail) return;
  const { page_s } = prefs;
  const sensitivity = sensitivityOf(detail);
  eeg.show({ clock, detail, start_s, page_s, signal, sensitivity, heart_uv: heartOf(detail), centre: window?.centre, tint: asked.tint ? answer : null });
  const words = [`EEG from ${clock.text(start_s)}`, `${page_s} s`, request(0).montage, `${sensitivity} µV/mm`];
  $("eeg").setAttribute("aria-label", words.join(", "));
}
