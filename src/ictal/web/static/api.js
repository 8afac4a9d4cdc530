/** Requests to the server, one function per address. Each carries the token with which the page was opened. */

/**
 * @import { About, Agreement, Ballot, Details, Discharges, Explanation, ListedRecording } from "./answers.js"
 * @import { Overview, QuestionProgress, Rater, ScoredWindow, Similar, Traces } from "./answers.js"
 * @import { TracesHeader, Uploaded, Vote } from "./answers.js"
 */

/** @typedef {Record<string, string | number | null | undefined>} Query */

/**
 * What to fetch for a page of EEG; an empty filter is off.
 * @typedef {object} TracesQuery
 * @property {number} start_s
 * @property {number} stop_s
 * @property {number} width
 * @property {string} montage
 * @property {number | ""} low_hz
 * @property {number | ""} high_hz
 * @property {number | ""} notch_hz
 */

const token = new URLSearchParams(location.search).get("token") ?? "";

/** An error that the server reported, in words for the reader; its status is 0 if the server was not reached. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** @returns {Promise<About>} */
export const about = () => getJson("about");

/** @returns {Promise<ListedRecording[]>} */
export const recordings = () => getJson("recordings");

/**
 * @param {string} id
 * @param {string} rater
 * @returns {Promise<Details>}
 */
export const details = (id, rater) => getJson(`recordings/${id}`, { rater });

/**
 * @param {string} id
 * @param {{ start_s: number, stop_s: number, width: number, rater: string }} query
 * @returns {Promise<Overview>}
 */
export const overview = (id, query) => getJson(`recordings/${id}/overview`, query);

/**
 * @param {string} id
 * @param {number} time_s
 * @param {string} rater
 * @returns {Promise<ScoredWindow>}
 */
export const scoredWindow = (id, time_s, rater) => getJson(`recordings/${id}/window`, { time_s, rater });

/**
 * @param {string} id
 * @param {{ start_s: number, stop_s: number, rater: string }} query
 * @returns {Promise<Discharges[]>}
 */
export const discharges = (id, query) => getJson(`recordings/${id}/discharges`, query);

/**
 * @param {string} id
 * @param {{ time_s: number, rater: string }} query
 * @param {AbortSignal} signal - ends the request, and the work on it
 * @returns {Promise<Similar>}
 */
export const similar = (id, query, signal) => getJson(`recordings/${id}/similar`, query, signal);

/**
 * @param {string} id
 * @param {{ time_s: number, pattern: string, method: string, rater: string }} query
 * @param {AbortSignal} signal - ends the request, and the work on it
 * @returns {Promise<Explanation>}
 */
export const explanation = (id, query, signal) => getJson(`recordings/${id}/why`, query, signal);

/**
 * @param {string} id
 * @param {"why" | "similar"} question
 * @returns {Promise<QuestionProgress>}
 */
export const progress = (id, question) => getJson(`recordings/${id}/progress`, { question });

/**
 * @param {string} id
 * @param {string} rater
 * @returns {Promise<Vote[]>}
 */
export const votes = (id, rater) => getJson(`recordings/${id}/votes`, { rater });

/**
 * @param {string} id
 * @param {Ballot} ballot
 * @returns {Promise<Vote>}
 */
export const giveVote = (id, ballot) => postJson(`recordings/${id}/votes`, ballot);

/**
 * @param {string} id
 * @param {string} rater
 * @param {number} time_s
 */
export async function removeVote(id, rater, time_s) {
  await request(address(`recordings/${id}/votes`, { rater, time_s }), { method: "DELETE" });
}

/**
 * Acknowledge an alarm of a bed.
 * @param {string} id
 * @param {number} number
 */
export const acknowledge = (id, number) =>
  request(`/api/ward/beds/${id}/alarms/${number}/acknowledge`, { method: "POST" });

/**
 * A response that never ends.
 * @param {string} path
 * @param {AbortSignal} signal
 */
export async function streamOf(path, signal) {
  const { body } = await request(address(path), { signal });
  if (!body) throw new ApiError(0, "The browser does not support streams.");
  return body;
}

/** The tab of the ward. It has one of its own, because it sounds only while it is open. */
export const WARD_TAB = "ictal-ward";

/**
 * The tab of a recording, so that opening it again makes no other.
 * @param {string} id
 */
export const recordingTab = (id) => `ictal-${id}`;

/**
 * The address of the page on a recording.
 * @param {string} id
 * @param {number | null} start_s - where the page begins; null: where the viewer begins by itself
 */
export function recordingAddress(id, start_s = null) {
  const place = start_s === null ? id : `${id}/${Math.max(0, start_s).toFixed(1)}`;
  return `/?${new URLSearchParams({ token })}#${place}`;
}

/** The address of the page of the ward. With a fragment, a tab that shows it already is not loaded again. */
export const wardAddress = () => `/ward?${new URLSearchParams({ token })}#beds`;

/** @returns {Promise<Rater[]>} */
export const raters = () => getJson("raters");

/**
 * @param {string} name
 * @returns {Promise<Rater>}
 */
export const addRater = (name) => postJson("raters", { name });

/** @returns {Promise<Agreement>} */
export const agreement = () => getJson("agreement");

/**
 * @param {File} file
 * @returns {Promise<Uploaded>}
 */
export async function upload(file) {
  const body = new FormData();
  body.append("file", file);
  return (await request("/api/upload", { method: "POST", body })).json();
}

/**
 * Download all votes.
 * @param {string} name of the file
 */
export async function saveVotes(name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await (await request("/api/export")).blob());
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/**
 * The answer is binary: the length of a JSON header, the header, and the values from the next multiple of four bytes.
 * @param {string} id
 * @param {TracesQuery} query
 * @returns {Promise<Traces>}
 */
export async function traces(id, query) {
  const bytes = await (await request(address(`recordings/${id}/signal`, { ...query }))).arrayBuffer();
  const length = new DataView(bytes).getUint32(0, true);
  /** @type {TracesHeader} */
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  return { ...header, values: new Float32Array(bytes, 4 * Math.ceil((4 + length) / 4)) };
}

/**
 * @param {string} path
 * @param {Query} query
 * @param {AbortSignal} [signal]
 */
async function getJson(path, query = {}, signal = undefined) {
  return (await request(address(path, query), { signal })).json();
}

/**
 * @param {string} path
 * @param {object} body
 */
async function postJson(path, body) {
  const headers = { "Content-Type": "application/json" };
  return (await request(address(path), { method: "POST", body: JSON.stringify(body), headers })).json();
}

/**
 * @param {string} path
 * @param {Query} query - values that are empty are left out
 */
function address(path, query = {}) {
  const known = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") known.set(name, String(value));
  }
  return `/api/${path}?${known}`;
}

/**
 * @param {string} url
 * @param {{ method?: string, body?: BodyInit, headers?: Record<string, string>, signal?: AbortSignal }} init
 */
async function request(url, init = {}) {
  let answer;
  try {
    answer = await fetch(url, { ...init, headers: { "X-Ictal-Token": token, ...init.headers } });
  } catch {
    init.signal?.throwIfAborted();
    throw new ApiError(0, "No connection to ictal. Is it still running?");
  }
  if (!answer.ok) throw new ApiError(answer.status, await reason(answer));
  return answer;
}

/** @param {Response} answer */
async function reason(answer) {
  if (answer.status === 401) return "The token is missing or out of date. Open the address that ictal printed.";
  const { detail } = await answer.json().catch(() => ({}));
  const first = Array.isArray(detail) ? detail[0]?.msg?.replace("Value error, ", "") : detail;
  return first ?? `ictal responded with status ${answer.status}`;
}
