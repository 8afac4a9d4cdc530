/** How a reader wants to see the EEG: what the menus offer, and what is chosen. */

import { $, options, press } from "./dom.js";
import { findSimilar } from "./looked.js";
import { redraw } from "./page.js";
import { keep, prefs } from "./prefs.js";
import { SENSITIVITIES, keepSensitivity, sensitivityOf } from "./sensitivity.js";
import { request, state } from "./state.js";
import { turnAgain, turnTo } from "./turning.js";

const PAGES_S = [10, 15, 20, 50];
export const CUTS_HZ = {
  low_hz: ["", 0.1, 0.3, 0.5, 1, 1.6, 2, 5, 10],
  high_hz: ["", 15, 20, 30, 35, 50, 70, 100],
  notch_hz: ["", 50, 60],
};

/** Fill the menus that are the same for every recording. */
export function offer() {
  options($("page_s"), PAGES_S.map((each) => [each, `${each} s`]), prefs.page_s);
}

/** Fill those that depend on the recording's channels and rate. */
export function offerOf(detail) {
  const { montages, rate_hz } = detail;
  options($("sensitivity"), SENSITIVITIES.map((each) => [each, `${each} µV/mm`]), sensitivityOf(detail));
  options($("montage"), montages.map((name) => [name, name]), request(0).montage);
  for (const [name, list] of Object.entries(CUTS_HZ)) {
    options($(name), list.filter((hertz) => hertz < rate_hz / 2).map((hertz) => [hertz, hertz === "" ? "off" : `${hertz} Hz`]), prefs[name]);
  }
}

export function setSensitivity(value) {
  if (!state.detail) return;
  keepSensitivity(state.detail, value);
  $("sensitivity").value = String(value);
  redraw();
}

export function nextSensitivity(by) {
  const place = SENSITIVITIES.indexOf(sensitivityOf(state.detail)) + by;
  setSensitivity(SENSITIVITIES[Math.min(SENSITIVITIES.length - 1, Math.max(0, place))]);
}

export function setPage(page_s) {
  keep("page_s", page_s);
  turnTo(state.time_s - page_s / 2, state.time_s);
}

export function setMontage(name) {
  keep("montage", name);
  $("montage").value = name;
  turnAgain();
}

export function nextMontage() {
  const { montages } = state.detail;
  setMontage(montages[(montages.indexOf(request(0).montage) + 1) % montages.length]);
}

export function setCut(name, text) {
  keep(name, text === "" ? "" : Number(text));
  turnAgain();
}

/** Show the panel on the right, or give its place to the page. */
export function setWhy(on) {
  keep("why", on);
  press($("why-toggle"), on);
  document.querySelector("main").classList.toggle("no-why", !on);
  findSimilar();
}
