/** How many µV a millimetre of the page stands for: chosen by how large the recording's traces are, until a reader chooses. */

import { keep, prefs } from "./prefs.js";

export const SENSITIVITIES = [1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000];
/** What readers expect. It is never made more sensitive than this for them: a flat EEG must look flat. */
const USUAL = 7;
/** So many millimetres may the typical range of a trace take. */
const MOST_MM = 25;
/** Recordings of which a reader's choice is kept. */
const KEPT = 100;
/** The EKG has a scale of its own: µV to the height of a row, or more where its typical range takes more rows than these. */
const HEART_UV = 400;
const HEART_ROWS = 1.5;

/** The sensitivity at which a recording opens. */
export function suitable({ amplitude_uv }) {
  const least = Math.max(USUAL, (amplitude_uv ?? 0) / MOST_MM);
  return SENSITIVITIES.find((each) => each >= least) ?? SENSITIVITIES.at(-1);
}

export const isUsual = (detail) => suitable(detail) === USUAL;

/** What a reader chose for a recording, else what suits it. */
export const sensitivityOf = (detail) => prefs.sensitivities[detail.id] ?? suitable(detail);

/** Keep a reader's choice for a recording: another one may have traces of another size. */
export function keepSensitivity(detail, value) {
  const { [detail.id]: _, ...others } = prefs.sensitivities;
  keep("sensitivities", Object.fromEntries([...Object.entries(others).slice(1 - KEPT), [detail.id, value]]));
}

export const heartOf = ({ heart_uv }) => Math.max(HEART_UV, (heart_uv ?? 0) / HEART_ROWS);
