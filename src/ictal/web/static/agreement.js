/** How raters agree with each other and with the model: in words, tables, and kappa with its interval as figures. */

import { get } from "./api.js";
import { el } from "./dom.js";
import { drawForest } from "./forest.js";
import { closing } from "./keys.js";

const number = (value) => (value === null ? "–" : value.toFixed(2).replace("-0.00", "0.00").replace("-", "−"));
const range = (interval) => (interval ? interval.map(number).join(" to ") : "–");
const estimate = ({ value, interval }) => (interval ? `${number(value)} (${range(interval)})` : number(value));

export async function showAgreement(dialog) {
  const { raters, n_windows, pairs, panel, note } = await get("agreement");
  const common = pairs.filter((pair) => pair.n_windows);
  dialog.replaceChildren(
    el("h2", { id: "agreement-title" }, "Agreement"),
    el("p", {}, counts(raters, n_windows)),
    ...(common.length ? ofPairs(common) : []),
    ...(panel ? ofPanel(panel) : []),
    el("p", { className: "soft" }, note),
    closing(),
  );
  dialog.showModal();
  for (const figure of dialog.querySelectorAll(".forest")) await drawForest(figure, figure.rows);
}

function counts(raters, n_windows) {
  const each = Object.entries(raters).map(([name, votes]) => `${name} ${votes}`);
  return each.length ? `Votes: ${each.join(", ")}; on ${n_windows} windows in all.` : "Nobody has voted yet.";
}

/** Every two who have windows in common. */
function ofPairs(pairs) {
  const rows = pairs.map(({ a, b, n_windows, agreeing, kappa, interval }) => [`${a} and ${b}`, n_windows, `${Math.round(100 * agreeing)} %`, number(kappa), range(interval)]);
  const measured = pairs.filter(({ kappa }) => kappa !== null).map(({ a, b, kappa, interval }) => ({ name: `${a} and ${b}`, value: kappa, interval, model: b === "model" }));
  return [
    el("h3", {}, "Two by two"),
    table(["pair", "windows of both", "same pattern", "Cohen's kappa", "95 % interval"], rows),
    ...(measured.length ? [figure("Cohen's kappa of each pair", measured)] : []),
  ];
}

/** Each rater with all others, and the model in that rater's place. */
function ofPanel({ experts, expert, model, difference, n_better, left_out }) {
  const rows = experts.map((each) => [each.expert, each.n_windows, ...[each.kappa, each.model_kappa, each.difference].map(estimate)]);
  const middle = ["median", "", ...[expert, model, difference].map(estimate)];
  const words = `In the place of ${n_better.value} of ${experts.length} raters the model agrees better with the others than the rater does. Figures are Cohen's kappa with the top vote of the others.`;
  const out = left_out.length ? ` Left out, for want of windows or of a second pattern: ${left_out.join(", ")}.` : "";
  const drawn = experts.flatMap((each) => [{ name: each.expert, ...each.kappa }, { name: `model in ${each.expert}'s place`, ...each.model_kappa, model: true }]);
  return [
    el("h3", {}, "The model among the raters"),
    el("p", {}, words + out),
    table(["rater", "windows", "rater and others", "model and others", "model − rater"], [...rows, middle]),
    figure("Kappa with the others of each rater, and of the model in the same place", drawn),
  ];
}

/** What is drawn once the dialog stands; the table beside it has the numbers. */
function figure(label, rows) {
  return Object.assign(el("div", { className: "forest", role: "img", "aria-label": `${label}; the table has the numbers` }), { rows });
}

function table(titles, rows) {
  const head = titles.map((text) => el("th", { scope: "col" }, text));
  const body = rows.map(([first, ...rest]) => el("tr", {}, el("th", { scope: "row" }, String(first)), ...rest.map((cell) => el("td", {}, String(cell)))));
  return el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...body));
}
