/** The types of the server's answers, as ictal.web.schemas defines them. Times are seconds from a recording's start. */

/** @typedef {"waiting" | "scoring" | "scored" | "failed" | "live"} ScoringState */
/** @typedef {(number | null)[]} Column */
/** @typedef {[number, number]} Interval */

/**
 * @typedef {object} About
 * @property {string} version
 * @property {boolean} upload
 * @property {boolean} blind
 * @property {boolean} ward
 * @property {string} not_a_device
 */

/**
 * @typedef {object} ListedRecording
 * @property {string} id
 * @property {string} name
 * @property {number} duration_s
 * @property {string | null} start
 * @property {ScoringState} state
 * @property {number} done
 * @property {number} total
 * @property {string} reason
 */

/**
 * @typedef {object} Span
 * @property {number} start_s
 * @property {number} stop_s
 */

/**
 * @typedef {object} Reason
 * @property {number} start_s
 * @property {number} stop_s
 * @property {string} text
 */

/**
 * @typedef {object} Note
 * @property {number} start_s
 * @property {number} duration_s
 * @property {string} text
 */

/**
 * @typedef {object} EventLocation
 * @property {string} main_term
 * @property {string | null} side
 * @property {string[]} regions
 */

/**
 * @typedef {object} Event
 * @property {number} start_s
 * @property {number} stop_s
 * @property {number} number
 * @property {string} pattern
 * @property {number} peak
 * @property {number | null} frequency_hz
 * @property {EventLocation | null} location
 */

/**
 * @typedef {object} Discharges
 * @property {number} number
 * @property {string} pattern
 * @property {number[]} times_s
 */

/**
 * @typedef {object} Pattern
 * @property {string} key
 * @property {string} title
 * @property {string} colour
 */

/**
 * @typedef {object} Model
 * @property {string} name
 * @property {string} arm
 * @property {string[]} warnings
 * @property {number | null} seen_s
 */

/**
 * @typedef {object} WindowRun
 * @property {number} start_s
 * @property {number} n
 */

/**
 * @typedef {object} Details
 * @property {string} id
 * @property {string} name
 * @property {number} duration_s
 * @property {string | null} start
 * @property {ScoringState} state
 * @property {number} done
 * @property {number} rate_hz
 * @property {string[]} montages
 * @property {number | null} amplitude_uv
 * @property {number | null} heart_uv
 * @property {Span[]} segments
 * @property {Span[]} gaps
 * @property {Note[]} annotations
 * @property {Event[]} events
 * @property {string | null} report
 * @property {Pattern[]} patterns
 * @property {Model | null} model
 * @property {number} step_s
 * @property {number} centre_s
 * @property {WindowRun[]} windows
 * @property {string[]} notes
 * @property {string | null} patient
 * @property {boolean} withheld
 */

/**
 * @typedef {object} Borders
 * @property {Column} low
 * @property {Column} high
 */

/**
 * @typedef {object} Spectrum
 * @property {number[]} frequencies_hz
 * @property {Column[]} left
 * @property {Column[]} right
 */

/**
 * @typedef {object} Overview
 * @property {number[]} edges
 * @property {Record<string, Column>} probabilities
 * @property {Column} spread
 * @property {Column} usable
 * @property {Column} left_right
 * @property {Record<string, Borders>} aeeg
 * @property {Spectrum} spectrum
 * @property {Reason[]} reasons
 */

/**
 * @typedef {object} Expected
 * @property {string} text
 * @property {Record<string, number>} votes
 */

/**
 * @typedef {object} Electrode
 * @property {string} name
 * @property {number} x
 * @property {number} y
 * @property {number | null} involvement
 */

/**
 * @typedef {object} WindowEvent
 * @property {number} number
 * @property {string} pattern
 * @property {string} sentence
 * @property {Electrode[]} electrodes
 */

/**
 * @typedef {object} ScoredWindow
 * @property {number} number
 * @property {Interval} centre
 * @property {Record<string, number | null> | null} probabilities
 * @property {number | null} spread
 * @property {Expected | null} expected
 * @property {number} usable
 * @property {string[]} reasons
 * @property {WindowEvent[]} events
 * @property {boolean} withheld
 */

/**
 * @typedef {object} Neighbour
 * @property {"simulated" | "voted"} source
 * @property {string} id
 * @property {number} distance
 * @property {Record<string, number>} votes
 */

/**
 * @typedef {object} Similar
 * @property {Neighbour[]} windows
 * @property {string} note
 */

/**
 * @typedef {object} Chains
 * @property {Column[]} LL
 * @property {Column[]} LP
 * @property {Column[]} RP
 * @property {Column[]} RR
 */

/**
 * @typedef {object} Mel
 * @property {number[]} frequencies_hz
 * @property {number[]} times_s
 * @property {Chains} db
 * @property {Chains} gradcam
 */

/**
 * @typedef {object} Explanation
 * @property {string} pattern
 * @property {string} method
 * @property {string[]} derivations
 * @property {number[]} times_s
 * @property {Column[]} grid
 * @property {Mel | null} mel
 * @property {string} note
 */

/**
 * @typedef {object} QuestionProgress
 * @property {string} task
 * @property {number} done
 * @property {number} total
 */

/**
 * @typedef {object} Rater
 * @property {string} name
 */

/**
 * @typedef {object} Ballot
 * @property {string} rater
 * @property {number} time_s
 * @property {string} pattern
 */

/**
 * @typedef {object} Vote
 * @property {number} time_s
 * @property {string} pattern
 * @property {string} rater
 * @property {string} at
 */

/**
 * A value and its confidence interval; null where there are too few windows for one.
 * @typedef {object} Estimate
 * @property {number | null} value
 * @property {Interval | null} interval
 */

/**
 * @typedef {object} Pair
 * @property {string} a
 * @property {string} b
 * @property {number} n_windows
 * @property {number | null} agreeing
 * @property {number | null} kappa
 * @property {Interval | null} interval
 */

/**
 * @typedef {object} PanelRater
 * @property {string} expert
 * @property {number} n_windows
 * @property {Estimate} kappa
 * @property {Estimate} model_kappa
 * @property {Estimate} difference
 */

/**
 * @typedef {object} Panel
 * @property {PanelRater[]} experts
 * @property {Estimate} expert
 * @property {Estimate} model
 * @property {Estimate} difference
 * @property {Estimate} n_better
 * @property {string[]} left_out
 */

/**
 * @typedef {object} Agreement
 * @property {Record<string, number>} raters
 * @property {number} n_windows
 * @property {Pair[]} pairs
 * @property {Panel | null} panel
 * @property {string} note
 */

/**
 * @typedef {object} Uploaded
 * @property {string} id
 * @property {boolean} known
 */

/**
 * The header of an answer with traces, see ictal.web.traces; `groups` are the first row of each chain and the one
 * after its last.
 * @typedef {object} TracesHeader
 * @property {string[]} rows
 * @property {Interval[]} groups
 * @property {number} n
 * @property {"samples" | "minmax"} kind
 * @property {number} start_s
 * @property {number} stop_s
 * @property {number} rate_hz
 */

/**
 * `values` are µV, [row][n] or [row][n][minimum, maximum]; NaN where nothing was recorded.
 * @typedef {TracesHeader & { values: Float32Array }} Traces
 */

export {};
