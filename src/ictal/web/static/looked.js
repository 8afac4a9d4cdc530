/** The window that is looked at: what is known of it, what speaks for a pattern, and which windows are like it. */

import { get } from "./api.js";
import { $ } from "./dom.js";
import { later } from "./later.js";
import { redraw } from "./page.js";
import { prefs } from "./prefs.js";
import { isScored, likeliest, middle, state, votedHere } from "./state.js";
import { fail } from "./status.js";
import { Why } from "./why.js";

/** How long a reader rests before the model is asked. */
const ASK_MS = 400;

export const why = new Why($("why"));

/** Look at another time: what was known of another window no longer holds, and no vote may go to it. */
export function lookAt(time_s) {
  state.time_s = time_s;
  const { centre } = state.window ?? {};
  if (centre && (time_s < centre[0] || time_s >= centre[1])) Object.assign(state, { window: null, answer: null, similar: null });
}

export async function loadWindow() {
  const { detail, time_s } = state;
  try {
    const found = isScored(time_s) ? await get(`recordings/${detail.id}/window`, { time_s, rater: prefs.rater }) : null;
    if (detail.id !== state.detail.id || time_s !== state.time_s) return;
    Object.assign(state, { window: found, answer: null, similar: null });
    why.explained(null);
    showWindow();
    redraw();
    later("ask", () => [explain(), findSimilar()], ASK_MS);
  } catch (error) {
    fail(error);
  }
}

/** Why the model was not asked about a time: the server says what is scored, and how much the model sees. */
function notSeen({ model, centre_s }) {
  const needed = Math.max(model?.seen_s ?? centre_s, centre_s);
  return `Not scored: the model needs ${needed} s of EEG without a gap.`;
}

export function showWindow() {
  const { clock, window, detail } = state;
  const none = detail.state === "scored" ? notSeen(detail) : "Not scored yet.";
  why.show({ clock, window, rater: prefs.rater, vote: votedHere()?.pattern ?? null, hidden: window?.withheld ?? false, none });
  why.showSimilar(state.similar);
  $("quality").textContent = window ? `${Math.round(100 * window.usable)} % usable` : "";
  $("quality").className = window?.usable < 0.8 ? "warn" : "";
}

/** Ask what speaks for the pattern, if a reader wants to see it: it takes the model a second or more. */
export async function explain() {
  const { detail, window } = state;
  const asked = state.asked.tint || state.asked.mel;
  state.answer = null;
  if (!asked || !window || window.withheld) {
    why.explained(window?.withheld && asked ? "Hidden until you have voted." : null);
    return redraw();
  }
  why.explained("The model is asked …");
  const pattern = why.pattern.value || likeliest(window.probabilities);
  try {
    const answer = await get(`recordings/${detail.id}/why`, { time_s: middle(window), pattern, method: why.method.value, rater: prefs.rater });
    if (state.window !== window) return undefined;
    state.answer = answer;
    why.explained(answer, window.centre);
    redraw();
  } catch (error) {
    if (state.window === window) why.explained(error.message);
    fail(error);
  }
  return undefined;
}

/** Ask for similar windows, if a reader wants to see them: the first answer for a model takes it a minute. */
export async function findSimilar() {
  const { detail, window } = state;
  if (!state.asked.similar || !prefs.why || !window) return why.showSimilar(null);
  why.showSimilar({ windows: [], note: "The model is asked …" });
  try {
    const found = await get(`recordings/${detail.id}/similar`, { time_s: middle(window), rater: prefs.rater });
    if (state.window !== window) return undefined;
    state.similar = found;
    return why.showSimilar(found);
  } catch (error) {
    if (state.window === window) why.showSimilar({ windows: [], note: error.message });
    return fail(error);
  }
}
