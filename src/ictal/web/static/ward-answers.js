/** The types of what the server says about a ward, as ictal.web.ward_schemas defines them. */

/** @import { Pattern } from "./answers.js" */

/** @typedef {"waiting" | "live" | "stale" | "ended"} BedState */

/**
 * @typedef {object} BedRows
 * @property {number[]} start_s
 * @property {number[]} stop_s
 * @property {(number | null)[][]} probabilities
 */

/**
 * @typedef {object} BedEvent
 * @property {string} pattern
 * @property {number} start_s
 * @property {number | null} stop_s
 */

/**
 * @typedef {object} Alarm
 * @property {number} number
 * @property {string} rule
 * @property {string | null} pattern
 * @property {number} at_s
 * @property {string} text
 * @property {boolean} sounds
 */

/**
 * @typedef {object} Bed
 * @property {string} id
 * @property {string} name
 * @property {string | null} patient
 * @property {BedState} state
 * @property {string} problem
 * @property {number} age_s
 * @property {string | null} start
 * @property {number} recorded_s
 * @property {Record<string, number | null>} burden_5min
 * @property {Record<string, number | null>} burden_60min
 * @property {boolean} status
 * @property {string} nobody_can_tell
 * @property {number | null} usable
 * @property {BedEvent | null} event
 * @property {Alarm[]} alarms
 * @property {BedRows} rows
 */

/**
 * @typedef {object} WardState
 * @property {Bed[]} beds
 * @property {string[]} problems
 * @property {Pattern[]} patterns
 */

export {};
