/** The keyboard, and the sheet that explains it. */

import { $, el } from "./dom.js";

/** Key, how it is written, what it does, name of the action. With shift: 'S-' before the key. */
const KEYS = [
  ["ArrowRight", "→", "next page", "pageAfter"],
  ["ArrowLeft", "←", "page before", "pageBefore"],
  ["S-ArrowRight", "shift →", "1 s on", "secondAfter"],
  ["S-ArrowLeft", "shift ←", "1 s back", "secondBefore"],
  ["n", "n", "next event", "eventAfter"],
  ["p", "p", "event before", "eventBefore"],
  ["Home", "Home", "start of the recording", "first"],
  ["End", "End", "end of the recording", "last"],
  ["+", "+", "more sensitive: larger traces", "larger"],
  ["-", "−", "less sensitive: smaller traces", "smaller"],
  ["m", "m", "next montage", "montage"],
  ["w", "w", "panel on the right", "why"],
  ["t", "t", "tint traces by what speaks for the pattern", "tint"],
  ["s", "s", "spectrogram with Grad-CAM", "mel"],
  ["u", "u", "next window without your vote", "unvoted"],
  ["l", "l", "windows like this one", "like"],
  ["z", "z", "zoom into the overview", "zoomIn"],
  ["x", "x", "zoom out of the overview", "zoomOut"],
  ["0", "0", "the whole recording", "zoomAll"],
  ["a", "a", "agreement of raters and model", "agreement"],
  [",", ",", "move the overview back", "earlier"],
  [".", ".", "move the overview on", "later"],
  ["?", "?", "this sheet", "help"],
];

const READING = [
  "Negative is up. Blue traces are of the left side, red of the right, grey of the midline.",
  "The shaded 10 s are those that a panel would vote on. How much EEG around them a model sees is its own affair.",
  "Click on the page to choose another 10 s. Hold and draw to measure: duration, frequency, amplitude.",
  "In the overview click to go there, draw to zoom, turn the wheel to zoom or, with shift, to move; a double click shows everything.",
  "Hatched: not recorded, or not scored. Triangles: notes of the file.",
];

/** Listen: `act` is called with the name of what a key does; with "vote" and a number for 1 to 6. */
export function listen(act) {
  const table = Object.fromEntries(KEYS.map(([key, , , action]) => [key, action]));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.matches("input, select, textarea")) {
      if (event.key === "Escape") $("eeg").focus();
      return;
    }
    const action = table[(event.shiftKey && event.key.length > 1 ? "S-" : "") + (event.key === "=" ? "+" : event.key)];
    if (action) act(action);
    else if (/^[1-6]$/.test(event.key)) act("vote", Number(event.key));
    else return;
    event.preventDefault();
  });
}

/** Write the sheet into its dialog. */
export function writeHelp(dialog, about) {
  const rows = KEYS.flatMap(([, shown, words]) => [el("dt", {}, el("kbd", {}, shown)), el("dd", {}, words)]);
  const vote = [el("dt", {}, el("kbd", {}, "1"), " – ", el("kbd", {}, "6")), el("dd", {}, "vote; the same again takes it back")];
  dialog.replaceChildren(
    el("h2", { id: "help-title" }, "Keys and reading"),
    el("dl", { className: "keys" }, ...rows, ...vote),
    el("h3", {}, "How to read the page"),
    ...READING.map((text) => el("p", {}, text)),
    el("p", { className: "soft" }, `ictal ${about.version}. ${about.not_a_device}`),
    closing(),
  );
}

/** The button that closes the dialog it stands in. */
export function closing() {
  return el("form", { method: "dialog" }, el("p", { className: "buttons" }, el("button", { className: "main" }, "Close")));
}
