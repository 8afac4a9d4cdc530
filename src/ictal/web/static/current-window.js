/** The selected window: its scores, an explanation of them, and similar windows. */

/** @import { Details } from "./answers.js" */

import * as api from "./api.js";
import { debounce } from "./debounce.js";
import { redrawPage } from "./eeg-page.js";
import { $ } from "./elements.js";
import { fail } from "./messages.js";
import { preferences } from "./preferences.js";
import { middle, mostLikelyPattern, openDetail, state, voteHere, windowAt } from "./state.js";
import { Question } from "./question.js";
import { WindowPanel } from "./window-panel.js";

/** How long a reader pauses before the model is asked. */
const PAUSE_MS = 400;
/** The share of usable EEG below which a window is marked. */
const LOW_QUALITY = 0.8;

export const panel = new WindowPanel($("why"));
const questions = {
  why: new Question("why", (text) => panel.describe(text)),
  similar: new Question("similar", (text) => panel.showSimilar({ windows: [], note: text })),
};

/**
 * Select a time. What is known of another window no longer applies, and no vote may go to it.
 * @param {number} time_s
 */
export function selectTime(time_s) {
  state.time_s = time_s;
  const { window } = state;
  if (window && time_s >= window.centre[0] && time_s < window.centre[1]) return;
  Object.assign(state, { window: null, explanation: null, similar: null });
  withdrawQuestions();
}

/** An answer about another window, or for another rater, must not come any more. */
function withdrawQuestions() {
  for (const question of Object.values(questions)) question.withdraw();
}

export async function loadWindow() {
  const { time_s } = state;
  const { id } = openDetail();
  try {
    const window = windowAt(time_s) === null ? null : await api.scoredWindow(id, time_s, preferences.rater);
    if (id !== openDetail().id || time_s !== state.time_s) return;
    Object.assign(state, { window, explanation: null, similar: null });
    withdrawQuestions();
    panel.describe("");
    showWindow();
    redrawPage();
    debounce("ask", askModel, PAUSE_MS);
  } catch (error) {
    fail(error);
  }
}

export function showWindow() {
  const { window } = state;
  panel.show({
    clock: state.clock,
    window,
    rater: preferences.rater,
    vote: voteHere()?.pattern ?? null,
    reason: reasonForNone(openDetail()),
  });
  panel.showSimilar(state.similar);
  $("quality").textContent = window ? `${Math.round(100 * window.usable)} % usable` : "";
  $("quality").className = window && window.usable < LOW_QUALITY ? "warn" : "";
}

/**
 * Why there is no window at a time: the server says what is scored, and how much EEG the model needs.
 * @param {Details} detail
 */
function reasonForNone({ state: scoring, model, centre_s }) {
  const needed_s = Math.max(model?.seen_s ?? centre_s, centre_s);
  const after_s = (needed_s - centre_s) / 2;
  const isWaiting = scoring === "live" && after_s > 0;
  if (isWaiting) return `Not scored yet: the model needs the ${after_s} s of EEG that follow.`;
  if (scoring !== "scored") return "Not scored yet.";
  return `Not scored: the model needs ${needed_s} s of EEG without a gap.`;
}

function askModel() {
  explain();
  findSimilar();
}

/** Ask for an explanation, if the reader wants one. */
export async function explain() {
  const { window, wanted } = state;
  const isWanted = wanted.tint || wanted.mel;
  state.explanation = null;
  questions.why.withdraw();
  if (!isWanted || !window || window.withheld) {
    panel.describe(isWanted && window?.withheld ? "Hidden until you have voted." : "");
    redrawPage();
    return;
  }
  const { id } = openDetail();
  const query = {
    time_s: middle(window),
    pattern: panel.pattern.value || mostLikelyPattern(window),
    method: panel.method.value,
    rater: preferences.rater,
  };
  const explanation = await questions.why.ask(id, (signal) => api.explanation(id, query, signal));
  if (!explanation) return;
  state.explanation = explanation;
  panel.explain(explanation, window.centre);
  redrawPage();
}

/** Ask for similar windows, if the reader wants them: the first answer of an own model takes seconds. */
export async function findSimilar() {
  const { window, wanted } = state;
  questions.similar.withdraw();
  if (!wanted.similar || !preferences.why || !window) {
    panel.showSimilar(null);
    return;
  }
  const { id } = openDetail();
  const query = { time_s: middle(window), rater: preferences.rater };
  const similar = await questions.similar.ask(id, (signal) => api.similar(id, query, signal));
  if (!similar) return;
  state.similar = similar;
  panel.showSimilar(similar);
}
