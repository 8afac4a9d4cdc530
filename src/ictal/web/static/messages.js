/** The page's messages: a status line at the bottom, and a banner for what must not be missed. */

import { ApiError } from "./api.js";
import { $ } from "./elements.js";
import { state } from "./state.js";

/**
 * Write the status line.
 * @param {string} text
 * @param {boolean} bad
 */
export function say(text, bad = false) {
  Object.assign($("status"), { textContent: text, title: text, className: bad ? "bad" : "" });
}

/**
 * Write the banner; without text it disappears.
 * @param {string} text
 */
export function banner(text) {
  $("banner").hidden = !text;
  if ($("banner").textContent !== text) $("banner").textContent = text;
}

/**
 * Show an error that the server reported; any other is a defect of this page and goes to the console.
 * @param {unknown} error
 */
export function fail(error) {
  if (!(error instanceof ApiError)) return reportError(error);
  if (error.status === 0) state.offline = true;
  if (error.status === 401) banner(error.message);
  say(error.message, true);
}
