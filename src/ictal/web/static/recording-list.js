/** The list of recordings and the progress of scoring, which a stream tells, and files that the reader adds. */

/** @import { ListedRecording } from "./answers.js" */

import * as api from "./api.js";
import { oneAtATime } from "./debounce.js";
import { showPage } from "./eeg-page.js";
import { $, $select, el, setOptions } from "./elements.js";
import { banner, fail, say } from "./messages.js";
import { grow } from "./navigation.js";
import { open, refresh } from "./recording.js";
import { openDetail, state } from "./state.js";
import { follow } from "./stream.js";

/** States that need no words in the menu. */
const DONE = ["scored", "live"];

/** The entries of the menu as they were last filled in. */
let listed = "";

export async function loadList() {
  showList(await api.recordings());
}

/** @param {ListedRecording[]} recordings */
function showList(recordings) {
  state.recordings = recordings;
  /** @type {[string, string][]} */
  const options = recordings.map(
    ({ id, name, state: scoring }) => [id, DONE.includes(scoring) ? name : `${name} (${scoring})`]);
  if (JSON.stringify(options) !== listed) {
    setOptions($select("recording"), options, state.detail?.id ?? options[0]?.[0] ?? "");
    listed = JSON.stringify(options);
  }
  showScoring();
}

const openRecording = () => state.recordings.find(({ id }) => id === state.detail?.id);

export function showScoring() {
  const recording = openRecording();
  $("state").replaceChildren(...(recording ? scoringOf(recording) : []));
  $("live").hidden = recording?.state !== "live";
  if (recording?.state === "failed") banner(`Not scored: ${recording.reason}`);
  else if (recording?.reason) banner(`Nothing new: ${recording.reason}`);
  else banner(state.recordings.length ? "" : emptyHint());
}

/** @param {ListedRecording} recording */
function scoringOf({ state: scoring, done, total }) {
  const percent = Math.round((100 * done) / (total || 1));
  if (scoring === "waiting") return ["waiting to be scored"];
  if (scoring === "failed") return [el("span", { className: "bad" }, "not scored")];
  if (DONE.includes(scoring)) return [];
  return [el("progress", { value: percent, max: 100, "aria-label": "Scoring" }), `${percent} % scored`];
}

function emptyHint() {
  return `No recording is shown yet. ${state.about?.upload ? "Add a file above." : "Start with: ictal view night.edf"}`;
}

export function followList() {
  follow("recordings/stream", {
    onData: (/** @type {ListedRecording[]} */ recordings) => {
      showList(recordings);
      catchUp();
    },
    onAlive: () => state.offline && catchUp(),
    onLost: fail,
    restsHidden: true,
  });
}

/** Show what has changed of the open recording, or the first one where none is open. */
const catchUp = oneAtATime(async () => {
  try {
    if (state.offline) return await reconnect();
    const now = openRecording();
    if (!now) return state.recordings.length ? await open(state.recordings[0].id) : undefined;
    const { duration_s, done, state: scoring } = openDetail();
    if (now.duration_s !== duration_s) grow(now.duration_s);
    if (now.state !== scoring || now.done !== done) await refresh();
  } catch (error) {
    fail(error);
  }
});

async function reconnect() {
  state.offline = false;
  say("Connected again.");
  if (state.detail) await Promise.all([showPage(), refresh()]);
}

/**
 * Send the file that was chosen.
 * @param {HTMLInputElement} input
 */
export async function addFile(input) {
  const file = input.files?.[0];
  if (!file) return;
  say(`Sending ${file.name} …`);
  try {
    const { id, known } = await api.upload(file);
    await loadList();
    await open(id);
    const same = `${file.name} has the same content as ${openDetail().name}, which is already in the list.`;
    say(known ? same : `${file.name} was added.`);
  } catch (error) {
    fail(error);
  }
  input.value = ""; // so that the same file can be chosen again
}
