/** Raters and their votes. */

import { get, send } from "./api.js";
import { $, options } from "./dom.js";
import { keep, prefs } from "./prefs.js";
import { middle, middles, state, title, votedHere, windowAt, windowCount } from "./state.js";
import { fail, say } from "./status.js";

const NEW = "+";

/** Give, change or take back the vote on the window that is looked at; `after` is called when it is kept. */
export async function vote(pattern, after) {
  const { detail, window } = state;
  if (!prefs.rater) return say("Choose a rater first: votes are given by name.");
  if (!window) return say("There is no window here to vote on.");
  const path = `recordings/${detail.id}/votes`;
  const time_s = middle(window);
  const again = votedHere()?.pattern === pattern;
  try {
    if (again) await send("DELETE", path, null, { rater: prefs.rater, time_s });
    else await send("POST", path, { rater: prefs.rater, time_s, pattern });
    say(again ? "The vote was taken back." : `${prefs.rater} voted ${title(pattern)} at ${state.clock.text(window.centre[0])}.`);
    await after();
  } catch (error) {
    fail(error);
  }
}

export async function loadVotes() {
  const { detail } = state;
  const votes = prefs.rater ? await get(`recordings/${detail.id}/votes`, { rater: prefs.rater }) : [];
  if (detail.id !== state.detail.id) return; // another recording was opened meanwhile
  state.votes = votes;
  $("progress").textContent = prefs.rater ? `${state.votes.length} of ${windowCount()} voted` : "";
}

/** The middle of the next window that the rater has not voted on, or null. */
export function nextUnvoted() {
  const voted = new Set(state.votes.map(({ time_s }) => Math.round(10 * time_s)));
  const here = windowAt(state.time_s) ?? state.time_s;
  for (const found of middles()) if (found > here + 0.05 && !voted.has(Math.round(10 * found))) return found;
  return null;
}

export async function loadRaters() {
  const names = (await get("raters")).map(({ name }) => name);
  if (!names.includes(prefs.rater)) keep("rater", "");
  options($("rater"), [["", "not voting"], ...names.map((name) => [name, name]), [NEW, "new rater …"]], prefs.rater);
}

/** Take the name that was chosen, or ask for a new one; `after` is called when another rater looks. */
export function chooseRater(name, after) {
  if (name !== NEW) {
    keep("rater", name);
    return after();
  }
  $("rater").value = prefs.rater;
  $("rater-name").value = "";
  $("rater-dialog").returnValue = ""; // what it said the last time is kept where Escape closes it
  return $("rater-dialog").showModal();
}

/** Add the rater whose name was entered. */
export async function addRater(after) {
  const name = $("rater-name").value.trim();
  if ($("rater-dialog").returnValue !== "ok" || !name) return;
  try {
    const known = await send("POST", "raters", { name }); // perhaps somebody who wrote the name another way
    keep("rater", known.name);
    await loadRaters();
    await after();
  } catch (error) {
    fail(error);
  }
}
