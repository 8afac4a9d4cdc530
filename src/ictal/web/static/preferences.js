/** What a reader has chosen, stored in this browser; without storage it lasts as long as the page. */

/**
 * @typedef {object} Preferences
 * @property {number} page_s - length of a page of EEG
 * @property {string} montage
 * @property {Record<string, number>} sensitivities - µV/mm by recording
 * @property {number | ""} low_hz - filters; '' is off
 * @property {number | ""} high_hz
 * @property {number | ""} notch_hz
 * @property {string} rater - '' while only reading
 * @property {"light" | "dark" | ""} theme - '' follows the system
 * @property {boolean} why - whether the panel on the right is shown
 * @property {boolean} events - whether the list of events is shown
 * @property {boolean} marks - whether discharges are marked
 * @property {boolean} muted - whether alarms of a ward are silent
 */

/** @type {Preferences} */
const DEFAULTS = {
  page_s: 10, montage: "", sensitivities: {}, low_hz: 1, high_hz: 70, notch_hz: "", rater: "", theme: "", why: true,
  events: false, marks: true, muted: false,
};
const NAME = "ictal.reader";

/** @returns {Preferences} */
function load() {
  try {
    return { ...DEFAULTS, ...JSON.parse(localStorage.getItem(NAME) ?? "{}") };
  } catch {
    return { ...DEFAULTS };
  }
}

export const preferences = load();

/**
 * Set and store a preference.
 * @template {keyof Preferences} Name
 * @param {Name} name
 * @param {Preferences[Name]} value
 */
export function setPreference(name, value) {
  preferences[name] = value;
  try {
    localStorage.setItem(NAME, JSON.stringify(preferences));
  } catch {
    // Storage is full or forbidden: the preference lasts until the page is closed.
  }
}
