/** The sensitivity of the EEG page in µV/mm: it suits the recording's amplitude until the reader chooses another. */

/** @import { Details } from "./answers.js" */

import { preferences, setPreference } from "./preferences.js";

export const SENSITIVITIES = [1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000];
/** What readers expect. No recording opens more sensitive than this: a flat EEG must look flat. */
const USUAL = 7;
/** Millimetres that the typical range of a trace may take. */
const MAX_MM = 25;
/** Recordings whose chosen sensitivity is stored. */
const MAX_STORED = 100;
/** The EKG has its own scale: µV per row, or more if its typical range would take more rows than these. */
const HEART_UV = 400;
const HEART_ROWS = 1.5;

/**
 * The sensitivity at which a recording opens.
 * @param {Details} detail
 */
export function suitableSensitivity({ amplitude_uv }) {
  const least = Math.max(USUAL, (amplitude_uv ?? 0) / MAX_MM);
  return SENSITIVITIES.find((each) => each >= least) ?? SENSITIVITIES[SENSITIVITIES.length - 1];
}

/** @param {Details} detail */
export const isUsual = (detail) => suitableSensitivity(detail) === USUAL;

/**
 * The sensitivity that the reader chose for a recording, else the suitable one.
 * @param {Details} detail
 */
export const sensitivityOf = (detail) => preferences.sensitivities[detail.id] ?? suitableSensitivity(detail);

/**
 * Store the reader's choice for a recording; other recordings may differ in amplitude.
 * @param {Details} detail
 * @param {number} value
 */
export function storeSensitivity(detail, value) {
  const others = Object.entries(preferences.sensitivities).filter(([id]) => id !== detail.id);
  setPreference("sensitivities", Object.fromEntries([...others.slice(1 - MAX_STORED), [detail.id, value]]));
}

/**
 * The height of a row in µV of the EKG.
 * @param {Details} detail
 */
export const heartScale = ({ heart_uv }) => Math.max(HEART_UV, (heart_uv ?? 0) / HEART_ROWS);
