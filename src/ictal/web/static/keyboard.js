/** The keyboard: which key does what. */

import { $ } from "./elements.js";

/**
 * What keys and buttons do.
 * @typedef {"pageAfter" | "pageBefore" | "secondAfter" | "secondBefore" | "eventAfter" | "eventBefore" | "first"
 *   | "last" | "larger" | "smaller" | "montage" | "panel" | "events" | "marks" | "tint" | "mel" | "similar" | "unvoted"
 *   | "zoomIn" | "zoomOut" | "zoomAll" | "earlier" | "later" | "report" | "agreement" | "help"} Action
 */

/**
 * Key, how it is written, what it does, name of the action. With shift: 'S-' before the key.
 * @type {[key: string, shown: string, words: string, action: Action][]}
 */
export const KEYS = [
  ["ArrowRight", "→", "next page", "pageAfter"],
  ["ArrowLeft", "←", "previous page", "pageBefore"],
  ["S-ArrowRight", "shift →", "forward by 1 s", "secondAfter"],
  ["S-ArrowLeft", "shift ←", "back by 1 s", "secondBefore"],
  ["n", "n", "next event", "eventAfter"],
  ["p", "p", "previous event", "eventBefore"],
  ["Home", "Home", "start of the recording", "first"],
  ["End", "End", "end of the recording; it is followed while it is recorded", "last"],
  ["+", "+", "more sensitive: larger traces", "larger"],
  ["-", "−", "less sensitive: smaller traces", "smaller"],
  ["m", "m", "next montage", "montage"],
  ["w", "w", "panel on the right", "panel"],
  ["e", "e", "list of events", "events"],
  ["d", "d", "marks on discharges and waves", "marks"],
  ["r", "r", "report", "report"],
  ["t", "t", "tint traces by the explanation", "tint"],
  ["s", "s", "spectrogram with Grad-CAM", "mel"],
  ["u", "u", "next window without your vote", "unvoted"],
  ["l", "l", "similar windows", "similar"],
  ["z", "z", "zoom into the overview", "zoomIn"],
  ["x", "x", "zoom out of the overview", "zoomOut"],
  ["0", "0", "the whole recording", "zoomAll"],
  ["a", "a", "agreement between raters and model", "agreement"],
  [",", ",", "move the overview back", "earlier"],
  [".", ".", "move the overview forward", "later"],
  ["?", "?", "this help", "help"],
];

/**
 * Listen to the keyboard, except in dialogs and form fields.
 * @param {(action: Action) => void} act
 * @param {(number: number) => void} vote - is called for the keys 1 to 6
 */
export function listenToKeys(act, vote) {
  const actions = new Map(KEYS.map(([key, , , action]) => [key, action]));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target instanceof Element && event.target.matches("input, select, textarea")) {
      if (event.key === "Escape") $("eeg").focus();
      return;
    }
    const isShifted = event.shiftKey && event.key.length > 1;
    const action = actions.get((isShifted ? "S-" : "") + (event.key === "=" ? "+" : event.key));
    if (action) act(action);
    else if (/^[1-6]$/.test(event.key)) vote(Number(event.key));
    else return;
    event.preventDefault();
  });
}
