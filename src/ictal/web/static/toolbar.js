/** The toolbar above the EEG page: what its menus offer, and what the reader chooses. */

/** @import { Details } from "./answers.js" */

import { findSimilar } from "./current-window.js";
import { loadMarks, redrawPage } from "./eeg-page.js";
import { $, $select, press, setOptions } from "./elements.js";
import { eventList } from "./event-list.js";
import { showAgain, showFrom } from "./navigation.js";
import { preferences, setPreference } from "./preferences.js";
import { SENSITIVITIES, sensitivityOf, storeSensitivity } from "./sensitivity.js";
import { montageOf, openDetail, state } from "./state.js";

/** @typedef {"low_hz" | "high_hz" | "notch_hz"} Filter */

const PAGES_S = [10, 15, 20, 50];
/**
 * What the menus of the filters offer besides off.
 * @type {[Filter, number[]][]}
 */
export const FILTERS_HZ = [
  ["low_hz", [0.1, 0.3, 0.5, 1, 1.6, 2, 5, 10]],
  ["high_hz", [15, 20, 30, 35, 50, 70, 100]],
  ["notch_hz", [50, 60]],
];

/** Fill the menus that are the same for every recording. */
export function fillMenus() {
  setOptions($select("page_s"), withUnit(PAGES_S, "s"), preferences.page_s);
}

/**
 * Fill the menus that depend on the recording's channels and sampling rate.
 * @param {Details} detail
 */
export function fillMenusOf(detail) {
  const { montages, rate_hz } = detail;
  setOptions($select("sensitivity"), withUnit(SENSITIVITIES, "µV/mm"), sensitivityOf(detail));
  setOptions($select("montage"), montages.map((name) => [name, name]), montageOf());
  for (const [name, all] of FILTERS_HZ) {
    const offered = withUnit(all.filter((hertz) => hertz < rate_hz / 2), "Hz");
    setOptions($select(name), [["", "off"], ...offered], preferences[name]);
  }
}

/**
 * @param {number[]} values
 * @param {string} unit
 * @returns {[number, string][]}
 */
const withUnit = (values, unit) => values.map((value) => [value, `${value} ${unit}`]);

/** @param {number} value */
export function setSensitivity(value) {
  if (!state.detail) return;
  storeSensitivity(state.detail, value);
  $select("sensitivity").value = String(value);
  redrawPage();
}

/** @param {number} by */
export function stepSensitivity(by) {
  const place = SENSITIVITIES.indexOf(sensitivityOf(openDetail())) + by;
  setSensitivity(SENSITIVITIES[Math.min(SENSITIVITIES.length - 1, Math.max(0, place))]);
}

/** @param {number} page_s */
export function setPageLength(page_s) {
  setPreference("page_s", page_s);
  showFrom(state.time_s - page_s / 2, state.time_s);
}

/** @param {string} name */
export function setMontage(name) {
  setPreference("montage", name);
  $select("montage").value = name;
  showAgain();
}

export function nextMontage() {
  const { montages } = openDetail();
  setMontage(montages[(montages.indexOf(montageOf()) + 1) % montages.length]);
}

/**
 * @param {Filter} name
 * @param {string} text - '' is off
 */
export function setFilter(name, text) {
  setPreference(name, text === "" ? "" : Number(text));
  showAgain();
}

/**
 * Show the panel on the right, or give its place to the page.
 * @param {boolean} on
 */
export function setPanel(on) {
  setPreference("why", on);
  press($("why-toggle"), on);
  document.querySelector("main")?.classList.toggle("no-why", !on);
  findSimilar();
}

/**
 * Show the list of events on the left, or give its place to the page.
 * @param {boolean} on
 */
export function setEvents(on) {
  setPreference("events", on);
  press($("events-toggle"), on);
  $("events").hidden = !on;
  if (state.detail) eventList.show();
}

/**
 * Mark discharges and waves on the page, or not.
 * @param {boolean} on
 */
export function setMarks(on) {
  setPreference("marks", on);
  press($("marks-toggle"), on);
  redrawPage();
  if (state.detail) loadMarks();
}
