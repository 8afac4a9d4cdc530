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
 * @property {number} since_s
 * @property {string} text
 * @property {number | null} raised_s
 * @property {boolean} sounds
 * @property {number} times
 * @property {number} first_s
 * @property {boolean} goes_on
 * @property {number | null} ended_s
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
 * @property {number} scored_5min_s
 * @property {number} scored_60min_s
 * @property {boolean} status
 * @property {string} nobody_can_tell
 * @property {number | null} usable
 * @property {BedEvent | null} event
 * @property {Alarm[]} alarms
 * @property {string[]} acknowledged
 * @property {BedRows} rows
 */

/**
 * @typedef {object} WardState
 * @property {Bed[]} beds
 * @property {string[]} problems
 * @property {Pattern[]} patterns
 */

export {};
