/** The overview of the recording: fetched for the part that is shown, and described at the pointer. */

import * as api from "./api.js";
import { $ } from "./elements.js";
import { fail } from "./messages.js";
import { OverviewPlot } from "./overview-plot.js";
import { preferences } from "./preferences.js";
import { openDetail, state } from "./state.js";

/** How many patterns are named at the pointer at most, and how probable each must be. */
const MAX_NAMED = 3;
const MIN_PROBABILITY = 0.1;

export const overviewPlot = new OverviewPlot($("day"));

/**
 * Fetch what the overview shows.
 * @param {boolean} whole - fetch the whole recording instead
 */
export async function loadOverview(whole = false) {
  const { id, duration_s } = openDetail();
  const [start_s, stop_s] = whole ? [0, duration_s] : overviewPlot.span;
  try {
    const query = { start_s, stop_s, width: overviewPlot.columns, rater: preferences.rater };
    const overview = await api.overview(id, query);
    if (id !== openDetail().id) return;
    state.overview = overview;
    redrawOverview();
  } catch (error) {
    fail(error);
  }
}

export function redrawOverview() {
  const { clock, overview, votes } = state;
  overviewPlot.show({ clock, detail: openDetail(), overview, votes });
}

/**
 * Describe the overview at the pointer.
 * @param {number | null} time_s
 */
export function describePointer(time_s) {
  $("hover").textContent = time_s === null ? "" : description(time_s);
}

/** @param {number} time_s */
function description(time_s) {
  const { overview, clock } = state;
  if (!overview) return "";
  const reason = overview.reasons.find((each) => each.start_s <= time_s && time_s < each.stop_s);
  if (reason) return `${clock.text(time_s)}  ${reason.text}`;
  const column = overview.edges.findLastIndex((edge) => edge <= time_s);
  const likely = openDetail().patterns
    .map(({ key, title }) => ({ title, value: overview.probabilities[key][column] ?? 0 }))
    .filter(({ value }) => value >= MIN_PROBABILITY)
    .sort((a, b) => b.value - a.value)
    .slice(0, MAX_NAMED);
  return `${clock.text(time_s)}  ${likely.map(({ title, value }) => `${title} ${value.toFixed(2)}`).join(", ")}`;
}
