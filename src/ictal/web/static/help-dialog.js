/** The help dialog: the keys, and how to read the page. */

/** @import { About } from "./answers.js" */

import { el } from "./elements.js";
import { KEYS } from "./keyboard.js";

const READING = [
  "Negative is up. Blue traces are from the left side, red from the right, grey from the midline.",
  "You vote on the shaded 10 s. A model may also use the EEG around them.",
  "Click on the page to select another 10 s. Drag to measure duration, frequency and amplitude.",
  "In the overview, click to go to a time; drag or turn the wheel to zoom. "
    + "With shift, the wheel moves the overview; a double click shows the whole recording.",
  "Ticks at both edges of the page mark discharges or waves of events, in the colour of the pattern.",
  "Hatched: not recorded, or not scored. Triangles: annotations of the file.",
];

/**
 * @param {HTMLDialogElement} dialog
 * @param {About | null} about
 */
export function showHelp(dialog, about) {
  const keys = KEYS.flatMap(([, shown, words]) => [el("dt", {}, el("kbd", {}, shown)), el("dd", {}, words)]);
  dialog.replaceChildren(
    el("h2", { id: "help-title" }, "Help"),
    el("dl", { className: "keys" }, ...keys,
      el("dt", {}, el("kbd", {}, "1"), " – ", el("kbd", {}, "6")),
      el("dd", {}, "vote; the same key again withdraws it")),
    el("h3", {}, "How to read the page"),
    ...READING.map((text) => el("p", {}, text)),
    el("p", { className: "soft" }, about ? `ictal ${about.version}. ${about.not_a_device}` : ""),
    closeForm(),
  );
  dialog.showModal();
}

/** The button that closes its dialog. */
export function closeForm() {
  const button = el("button", { className: "main" }, "Close");
  return el("form", { method: "dialog" }, el("p", { className: "buttons" }, button));
}
