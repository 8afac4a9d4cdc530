/** How raters agree with each other and with the model: a table, and kappa with its interval as a figure. */

import { ApiError, get } from "./api.js";
import { colour } from "./colours.js";
import { el } from "./dom.js";
import { closing } from "./keys.js";

const ROW = 30;

export async function showAgreement(dialog) {
  const found = await get("agreement");
  const pairs = found.pairs.filter(({ n_windows }) => n_windows);
  const figure = el("div", { role: "img", "aria-label": "Cohen's kappa of each pair; the table has the numbers" });
  dialog.replaceChildren(
    el("h2", { id: "agreement-title" }, "Agreement"),
    el("p", {}, counts(found)),
    ...(pairs.length ? [table(pairs), el("h3", {}, "Cohen's kappa"), figure] : []),
    el("p", { className: "soft" }, found.note),
    closing(),
  );
  dialog.showModal();
  const measured = pairs.filter(({ kappa }) => kappa !== null);
  if (measured.length) await draw(figure, measured);
}

function counts({ raters, n_windows }) {
  const each = Object.entries(raters).map(([name, votes]) => `${name} ${votes}`);
  return each.length ? `Votes: ${each.join(", ")}; on ${n_windows} windows in all.` : "Nobody has voted yet.";
}

function table(pairs) {
  const number = (value) => (value === null ? "–" : value.toFixed(2));
  const rows = pairs.map(({ a, b, n_windows, agreeing, kappa, interval }) =>
    el("tr", {}, ...[`${a} and ${b}`, n_windows, `${Math.round(100 * agreeing)} %`, number(kappa), interval ? interval.map(number).join(" to ") : "–"].map((cell) => el("td", {}, String(cell)))));
  const head = ["pair", "windows of both", "same pattern", "kappa", "95 % interval"].map((text) => el("th", { scope: "col" }, text));
  return el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows));
}

/** Draw with plotly, which is large and is loaded for this alone. */
async function draw(host, pairs) {
  const plotly = await loadPlotly();
  const past = ({ kappa, interval }, end) => (interval ? Math.abs(interval[end] - kappa) : 0);
  const trace = {
    type: "scatter", mode: "markers", x: pairs.map(({ kappa }) => kappa), y: pairs.map(({ a, b }) => `${a} and ${b}`),
    error_x: { type: "data", symmetric: false, array: pairs.map((pair) => past(pair, 1)), arrayminus: pairs.map((pair) => past(pair, 0)), thickness: 1.5 },
    marker: { size: 9, color: colour("accent") },
  };
  const layout = {
    height: 34 + ROW * pairs.length, width: 560, margin: { l: 200, r: 20, t: 8, b: 26 }, paper_bgcolor: "transparent", plot_bgcolor: "transparent",
    font: { color: colour("ink"), size: 12, family: "system-ui, sans-serif" },
    xaxis: { range: [-0.25, 1.05], gridcolor: colour("line"), zerolinecolor: colour("soft") },
    yaxis: { autorange: "reversed", showgrid: false },
  };
  await plotly.newPlot(host, [trace], layout, { displayModeBar: false, staticPlot: true });
}

let loaded = null;

function loadPlotly() {
  loaded ??= new Promise((done, failed) => {
    document.head.append(el("meta", { id: "plotly.js-style-global", className: "no-inline-styles" }));
    const restore = withoutStyleSheets();
    const script = el("script", { src: "/static/plotly.min.js" });
    script.addEventListener("load", () => done(restore() ?? window.Plotly));
    script.addEventListener("error", () => failed(restore() ?? new ApiError(0, "The figure could not be loaded.")));
    document.head.append(script);
  });
  return loaded;
}

/** Let elements 'style' be ones that do nothing: plotly makes one for its maps, which the page's policy forbids. */
function withoutStyleSheets() {
  document.createElement = (tag, ...more) => Document.prototype.createElement.call(document, tag === "style" ? "meta" : tag, ...more);
  return () => void delete document.createElement;
}
