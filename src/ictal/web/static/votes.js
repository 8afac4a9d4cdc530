/** Raters and their votes. */

import * as api from "./api.js";
import { $, $dialog, $input, $select, setOptions } from "./elements.js";
import { fail, say } from "./messages.js";
import { preferences, setPreference } from "./preferences.js";
import { middle, openDetail, state, title, voteHere, windowAt, windowCount, windowMiddles } from "./state.js";

/** The entry of the menu that asks for a new rater. */
const NEW = "+";
export const CHOOSE_RATER = "Choose a rater first: votes are stored under a name.";

/**
 * Give, change or withdraw the vote on the selected window.
 * @param {string} pattern
 * @param {() => Promise<void>} after - is called when the vote is stored
 */
export async function vote(pattern, after) {
  const { window } = state;
  const { rater } = preferences;
  const { id } = openDetail();
  if (!rater) return say(CHOOSE_RATER);
  if (!window) return say("There is no window here to vote on.");
  const time_s = middle(window);
  const withdraws = voteHere()?.pattern === pattern;
  try {
    if (withdraws) await api.removeVote(id, rater, time_s);
    else await api.giveVote(id, { rater, time_s, pattern });
    const given = `${rater} voted ${title(pattern)} at ${state.clock.text(window.centre[0])}.`;
    say(withdraws ? "The vote was withdrawn." : given);
    await after();
  } catch (error) {
    fail(error);
  }
}

export async function loadVotes() {
  const { rater } = preferences;
  const { id } = openDetail();
  const votes = rater ? await api.votes(id, rater) : [];
  if (id !== openDetail().id) return; // another recording was opened meanwhile
  state.votes = votes;
  $("progress").textContent = rater ? `${votes.length} of ${windowCount()} voted` : "";
}

/** The middle of the next window on which the rater has not voted, or null. */
export function nextUnvoted() {
  const voted = new Set(state.votes.map(({ time_s }) => Math.round(10 * time_s)));
  const here = windowAt(state.time_s) ?? state.time_s;
  for (const found of windowMiddles()) {
    if (found > here + 0.05 && !voted.has(Math.round(10 * found))) return found;
  }
  return null;
}

export async function loadRaters() {
  const names = (await api.raters()).map(({ name }) => name);
  if (!names.includes(preferences.rater)) setPreference("rater", "");
  /** @type {[string, string][]} */
  const options = names.map((name) => [name, name]);
  setOptions($select("rater"), [["", "not voting"], ...options, [NEW, "new rater …"]], preferences.rater);
}

/**
 * Take the rater that was chosen, or ask for the name of a new one.
 * @param {string} name
 * @param {() => void} after - is called when the rater has changed
 */
export function chooseRater(name, after) {
  if (name !== NEW) {
    setPreference("rater", name);
    after();
    return;
  }
  $select("rater").value = preferences.rater;
  $input("rater-name").value = "";
  $dialog("rater-dialog").returnValue = ""; // a dialog that is closed by Escape keeps its last value
  $dialog("rater-dialog").showModal();
}

/**
 * Add the rater whose name was entered.
 * @param {() => void} after - is called when the rater has changed
 */
export async function addRater(after) {
  const name = $input("rater-name").value.trim();
  if ($dialog("rater-dialog").returnValue !== "ok" || !name) return;
  try {
    const known = await api.addRater(name); // perhaps a rater who is listed in another spelling
    setPreference("rater", known.name);
    await loadRaters();
    after();
  } catch (error) {
    fail(error);
  }
}
