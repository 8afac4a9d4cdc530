/** A map of the scalp from above, nose up: how much each electrode is involved in an event. */

/** @import { Electrode, WindowEvent } from "./answers.js" */

import { svg } from "./svg.js";

const SIZE = 150;
/** Pixels from the middle to the rim, and of an electrode. */
const RADIUS = 64;
const DOT = 8.5;
/** The middle of the head, which leaves room for the nose. */
const [X, Y] = [SIZE / 2, SIZE / 2 + 5];

/**
 * Draw the electrodes of an event, filled by their involvement; one that is not known is hollow and dashed.
 * @param {WindowEvent} event
 * @param {string} title - of its pattern
 * @param {string} colour - of its pattern
 */
export function scalpMap({ electrodes }, title, colour) {
  const nose = `M${X - 9} ${Y - RADIUS + 1}L${X} ${Y - RADIUS - 10}L${X + 9} ${Y - RADIUS + 1}`;
  return svg("svg", { class: "scalp-map", role: "img", viewBox: `0 0 ${SIZE} ${SIZE}`, width: SIZE, height: SIZE },
    svg("title", {}, `Involvement of each electrode in the event (${title})`),
    svg("desc", {}, involvementInWords(electrodes)),
    svg("path", { class: "head", d: nose }),
    svg("circle", { class: "head", cx: X, cy: Y, r: RADIUS }),
    ...electrodes.map((electrode) => dot(electrode, colour)),
  );
}

/**
 * @param {Electrode} electrode
 * @param {string} colour
 */
function dot({ name, x, y, involvement }, colour) {
  const place = { cx: X + x * RADIUS, cy: Y - y * RADIUS, r: DOT };
  const words = svg("title", {}, `${name}: ${involvement === null ? "unknown" : involvement.toFixed(2)}`);
  if (involvement === null) return svg("circle", { class: "electrode unknown", ...place }, words);
  return svg("circle", { class: "electrode", ...place, fill: colour, "fill-opacity": involvement }, words);
}

/** @param {Electrode[]} electrodes */
function involvementInWords(electrodes) {
  const known = electrodes.flatMap(({ name, involvement }) => (involvement === null ? [] : [{ name, involvement }]));
  const unknown = electrodes.filter(({ involvement }) => involvement === null).map(({ name }) => name);
  const words = known
    .sort((a, b) => b.involvement - a.involvement)
    .map(({ name, involvement }) => `${name} ${involvement.toFixed(2)}`);
  return [...words, ...(unknown.length ? [`unknown: ${unknown.join(" ")}`] : [])].join(", ");
}
