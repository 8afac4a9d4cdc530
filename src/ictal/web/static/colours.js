/** The colours of the current theme, as the style sheet defines them. */

/** @import { Pattern } from "./answers.js" */

/** @type {Record<string, string>} */
let known = {};

/**
 * The value of a custom property of the style sheet.
 * @param {string} name - without '--'
 */
export function colour(name) {
  known[name] ??= getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  return known[name];
}

/**
 * The colour of a pattern: the style sheet's, which suits the theme, else the server's.
 * @param {Pattern} pattern
 */
export const patternColour = (pattern) => colour(pattern.key) || pattern.colour;

/**
 * Apply the theme that the reader chose, or the system's; return whether it is dark.
 * @param {"light" | "dark" | ""} chosen
 */
export function applyTheme(chosen) {
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  known = {};
  return dark;
}
