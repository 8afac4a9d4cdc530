/** What the page says in words: a line at the foot, and a banner for what must not be missed. */

import { $ } from "./dom.js";
import { state } from "./state.js";

export function say(text, bad = false) {
  Object.assign($("status"), { textContent: text, title: text, className: bad ? "bad" : "" });
}

export function banner(text) {
  $("banner").hidden = !text;
  if ($("banner").textContent !== text) $("banner").textContent = text;
}

/** Say what the server refused; anything else is an error of this page and goes to the console. */
export function fail(error) {
  if (error.status === undefined) throw error;
  if (error.status === 0) state.offline = true;
  if (error.status === 401) banner(error.message);
  say(error.message, true);
}
