/** What was measured in an event, in words; a dash stands for what could not be measured. */

/** @import { Event, EventLocation } from "./answers.js" */

export const DASH = "–";
/** From this number of regions, a pattern is hemispheric or everywhere, and they are not listed. */
const HEMISPHERE = 4;

/** @param {Event} event */
export const rate = ({ frequency_hz }) => (frequency_hz === null ? DASH : `${frequency_hz.toFixed(1)} Hz`);

/** @param {Event} event */
export const place = ({ location }) => (location ? placeInWords(location) : DASH);

/** @param {EventLocation} location */
function placeInWords({ main_term, side, regions }) {
  const where = regions.length < HEMISPHERE ? regions.join(", ") : "";
  if (main_term === "lateralized") return [side, where || "hemispheric"].filter(Boolean).join(" ");
  return [main_term, where].filter(Boolean).join(": ");
}
