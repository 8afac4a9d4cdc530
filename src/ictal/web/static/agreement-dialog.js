/** The dialog about agreement of raters with each other and with the model: Cohen's kappa in tables and figures. */

/** @import { Estimate, Interval, Pair, Panel } from "./answers.js" */
/** @import { IntervalRow } from "./interval-plot.js" */

import * as api from "./api.js";
import { el } from "./elements.js";
import { closeForm } from "./help-dialog.js";
import { intervalPlot } from "./interval-plot.js";

/** The server's name for the model among the raters. */
const MODEL = "model";

/** @param {HTMLDialogElement} dialog */
export async function showAgreement(dialog) {
  const { raters, n_windows, pairs, panel, note } = await api.agreement();
  const common = pairs.filter((pair) => pair.n_windows);
  dialog.replaceChildren(
    el("h2", { id: "agreement-title" }, "Agreement"),
    el("p", {}, votesInWords(raters, n_windows)),
    ...(common.length ? describePairs(common) : []),
    ...(panel ? describePanel(panel) : []),
    el("p", { className: "soft" }, note),
    closeForm(),
  );
  dialog.showModal();
}

/**
 * @param {Record<string, number>} raters
 * @param {number} n_windows
 */
function votesInWords(raters, n_windows) {
  const each = Object.entries(raters).map(([name, votes]) => `${name} ${votes}`);
  return each.length ? `Votes: ${each.join(", ")}; on ${n_windows} windows in all.` : "Nobody has voted yet.";
}

/**
 * Describe every two who voted on the same windows.
 * @param {Pair[]} pairs
 */
function describePairs(pairs) {
  const rows = pairs.map(({ a, b, n_windows, agreeing, kappa, interval }) => [
    `${a} and ${b}`, String(n_windows), agreeing === null ? "–" : `${Math.round(100 * agreeing)} %`,
    figure(kappa), range(interval),
  ]);
  const drawn = pairs.flatMap(({ a, b, kappa, interval }) => (
    plotRow(`${a} and ${b}`, { value: kappa, interval }, b === MODEL)));
  return [
    el("h3", {}, "Pairs"),
    table(["pair", "windows in common", "same pattern", "Cohen's kappa", "95 % confidence interval"], rows),
    ...(drawn.length ? [intervalPlot("Cohen's kappa of each pair", drawn)] : []),
  ];
}

/**
 * Compare each rater with all others, and the model in that rater's place.
 * @param {Panel} panel
 */
function describePanel({ experts, expert, model, difference, n_better, left_out }) {
  const rows = experts.map((each) => (
    [each.expert, String(each.n_windows), ...[each.kappa, each.model_kappa, each.difference].map(estimate)]));
  const median = ["median", "", ...[expert, model, difference].map(estimate)];
  const words = `For ${n_better.value} of ${experts.length} raters, the model agrees better with the other `
    + "raters than the rater does. Values are Cohen's kappa with the most frequent vote of the others.";
  const excluded = ` Excluded, with too few windows or only one pattern: ${left_out.join(", ")}.`;
  const drawn = experts.flatMap((each) => [
    ...plotRow(each.expert, each.kappa, false),
    ...plotRow(`model in ${each.expert}'s place`, each.model_kappa, true),
  ]);
  return [
    el("h3", {}, "The model among the raters"),
    el("p", {}, left_out.length ? words + excluded : words),
    table(["rater", "windows", "rater and others", "model and others", "model − rater"], [...rows, median]),
    intervalPlot("Cohen's kappa of each rater with the others, and of the model in the rater's place", drawn),
  ];
}

/**
 * @param {string} name
 * @param {Estimate} measured
 * @param {boolean} isModel
 * @returns {IntervalRow[]}
 */
function plotRow(name, { value, interval }, isModel) {
  return value === null ? [] : [{ name, value, interval, text: estimate({ value, interval }), isModel }];
}

/** @param {number | null} value */
function figure(value) {
  return value === null ? "–" : value.toFixed(2).replace("-0.00", "0.00").replace("-", "−");
}

/** @param {Interval | null} interval */
const range = (interval) => (interval ? interval.map(figure).join(" to ") : "–");

/** @param {Estimate} measured */
const estimate = ({ value, interval }) => (interval ? `${figure(value)} (${range(interval)})` : figure(value));

/**
 * @param {string[]} titles
 * @param {string[][]} rows
 */
function table(titles, rows) {
  const head = titles.map((text) => el("th", { scope: "col" }, text));
  const body = rows.map(([first, ...rest]) => (
    el("tr", {}, el("th", { scope: "row" }, first), ...rest.map((cell) => el("td", {}, cell)))));
  return el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...body));
}
