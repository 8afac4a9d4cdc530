/** What a reader has set, kept in this browser; without storage it lasts as long as the page. */

const DEFAULTS = { page_s: 10, montage: "", sensitivities: {}, low_hz: 1, high_hz: 70, notch_hz: "", rater: "", theme: "", why: true };
const NAME = "ictal.reader";

function load() {
  try {
    return { ...DEFAULTS, ...JSON.parse(localStorage.getItem(NAME) ?? "{}") };
  } catch {
    return { ...DEFAULTS };
  }
}

export const prefs = load();

/** Set and keep one. */
export function keep(name, value) {
  prefs[name] = value;
  try {
    localStorage.setItem(NAME, JSON.stringify(prefs));
  } catch {
    // Storage is full or forbidden: the setting lasts until the page is closed.
  }
}
