/** The whole recording at a glance: fetched as it is zoomed, and told in words at the pointer. */

import { get } from "./api.js";
import { $ } from "./dom.js";
import { Overview } from "./overview.js";
import { prefs } from "./prefs.js";
import { state } from "./state.js";
import { fail } from "./status.js";

export const overview = new Overview($("day"));

/** Fetch what the overview shows, or the whole recording. */
export async function loadOverview(whole = false) {
  const { detail } = state;
  const [start_s, stop_s] = whole ? [0, detail.duration_s] : overview.view;
  try {
    const data = await get(`recordings/${detail.id}/overview`, { start_s, stop_s, width: overview.columns, rater: prefs.rater });
    if (detail.id !== state.detail.id) return;
    state.data = data;
    if (whole) state.whole = data;
    showOverview();
  } catch (error) {
    fail(error);
  }
}

export function showOverview() {
  const { detail, clock, data, votes } = state;
  overview.show({ detail, clock, data, votes, hidden: detail.withheld });
}

/** Say what the overview has at the pointer. */
export function showHover(time_s) {
  const { data, detail, clock } = state;
  if (time_s === null || !data) return ($("hover").textContent = "");
  const column = data.edges.findLastIndex((edge) => edge <= time_s);
  const values = detail.patterns.map(({ key, title }) => [title, data.probabilities[key][column]]);
  const likely = values.filter(([, value]) => value >= 0.1).sort(([, a], [, b]) => b - a).slice(0, 3);
  const reason = data.reasons.find((each) => each.start_s <= time_s && time_s < each.stop_s)?.text;
  const words = reason ?? likely.map(([name, value]) => `${name} ${value.toFixed(2)}`).join(", ");
  return ($("hover").textContent = `${clock.text(time_s)}  ${words}`);
}
