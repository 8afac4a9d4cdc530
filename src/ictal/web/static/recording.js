/** The recording that is shown: opened, asked for again when something has changed, and described in the header. */

import { get } from "./api.js";
import { Clock } from "./clock.js";
import { patternColour } from "./colours.js";
import { loadOverview, overview, showOverview } from "./day.js";
import { $, el } from "./dom.js";
import { loadWindow, why } from "./looked.js";
import { prefs } from "./prefs.js";
import { offerOf } from "./settings.js";
import { isUsual, sensitivityOf } from "./sensitivity.js";
import { state } from "./state.js";
import { say } from "./status.js";
import { turnTo } from "./turning.js";
import { loadVotes, vote } from "./voting.js";

let opening = null;

/** Open a recording; of two that are asked for the later one is shown, and the list always names what is shown. */
export async function open(id, start_s = 0) {
  const asked = (opening = {});
  let detail;
  try {
    detail = await get(`recordings/${id}`, { rater: prefs.rater });
  } finally {
    if (asked === opening) $("recording").value = (detail ?? state.detail)?.id ?? "";
  }
  if (asked !== opening) return;
  Object.assign(state, { detail, clock: new Clock(detail.start), whole: null, data: null, window: null, votes: [], signal: null });
  document.title = `${detail.name} – ictal`;
  showDetail();
  tellNotes(detail);
  turnTo(start_s);
  await look();
}

/** Ask again for what may have changed: scoring went on, a vote was given, or another rater looks. */
export async function refresh() {
  const { id } = state.detail;
  const detail = await get(`recordings/${id}`, { rater: prefs.rater });
  if (id !== state.detail.id) return;
  state.detail = detail;
  showDetail();
  await look();
}

async function look() {
  await Promise.all([loadOverview(true), loadVotes()]);
  if (overview.isZoomed) await loadOverview();
  showOverview();
  await loadWindow();
}

export function showDetail() {
  const { detail } = state;
  why.setPatterns(detail.patterns);
  const chip = (pattern) => el("i", { className: "chip", colour: patternColour(pattern), "aria-hidden": "true" });
  $("legend").replaceChildren(...detail.patterns.map((pattern) => el("span", {}, chip(pattern), pattern.title)));
  offerOf(detail);
  for (const id of ["event-before", "event-after"]) $(id).disabled = detail.withheld || !detail.events.length;
  const { model, patient } = detail;
  $("model").textContent = [patient, model && `${model.name} (${model.arm})`].filter(Boolean).join(", ");
}

/** Say what a reader must know of the model and the file; that it is no medical device always stands at the foot. */
function tellNotes({ model, notes }) {
  const warnings = (model?.warnings ?? []).filter((text) => text !== state.about.not_a_device);
  const large = isUsual(state.detail) ? [] : [`Large amplitude: shown at ${sensitivityOf(state.detail)} µV/mm.`];
  say([...warnings, ...notes, ...large].join(" · "));
}

/** Vote on what is looked at, also where the keys were faster than the server. */
export async function voteHere(pattern) {
  if (!state.window) await loadWindow();
  await vote(pattern, refresh);
}
