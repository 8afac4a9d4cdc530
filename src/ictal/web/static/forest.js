/** Values with their intervals, a row each, drawn by plotly, which is large and is loaded for this alone. */

import { ApiError } from "./api.js";
import { colour } from "./colours.js";
import { el } from "./dom.js";

const ROW = 26;

/** Draw `rows` [{name, value, interval or null, model: whether it is the model's}] of Cohen's kappa. */
export async function drawForest(host, rows) {
  const plotly = await loadPlotly();
  const past = ({ value, interval }, end) => (interval ? Math.abs(interval[end] - value) : 0);
  const trace = {
    type: "scatter", mode: "markers", x: rows.map(({ value }) => value), y: rows.map(({ name }) => name),
    error_x: { type: "data", symmetric: false, array: rows.map((row) => past(row, 1)), arrayminus: rows.map((row) => past(row, 0)), thickness: 1.5, color: colour("soft") },
    marker: { size: 9, color: rows.map(({ model }) => colour(model ? "ink" : "accent")), symbol: rows.map(({ model }) => (model ? "diamond" : "circle")) },
  };
  const layout = {
    height: 34 + ROW * rows.length, width: Math.min(600, host.clientWidth), margin: { l: 200, r: 20, t: 8, b: 26 }, paper_bgcolor: "transparent", plot_bgcolor: "transparent",
    font: { color: colour("ink"), size: 12, family: "system-ui, sans-serif" },
    xaxis: { range: [-0.3, 1.05], gridcolor: colour("line"), zerolinecolor: colour("soft") },
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
