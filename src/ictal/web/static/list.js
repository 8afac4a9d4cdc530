/** The list of recordings, how far each is scored, and files that are added; asked for again and again. */

import { get, upload } from "./api.js";
import { $, el, options } from "./dom.js";
import { showPage } from "./page.js";
import { open, refresh } from "./recording.js";
import { state } from "./state.js";
import { banner, fail, say } from "./status.js";

const POLL_MS = 2000;

export async function loadList() {
  state.recordings = await get("recordings");
  const titles = state.recordings.map(({ id, name, state: how }) => [id, how === "scored" ? name : `${name} (${how})`]);
  const names = JSON.stringify(titles);
  if (names !== state.names) options($("recording"), titles, state.detail?.id ?? titles[0]?.[0] ?? "");
  state.names = names;
  showState();
}

const mine = () => state.recordings.find(({ id }) => id === state.detail?.id);

export function showState() {
  const { state: how, done, total, reason } = mine() ?? { done: 0, total: 0 };
  const share = Math.round((100 * done) / (total || 1));
  const parts = {
    waiting: ["waiting to be scored"],
    scoring: [el("progress", { value: share, max: 100, "aria-label": "Scoring" }), `${share} % scored`],
    failed: [el("span", { className: "bad" }, "not scored")],
  };
  $("state").replaceChildren(...(parts[how] ?? []));
  const empty = `Nothing is shown yet. ${state.about.upload ? "Add a file above." : "Start with a recording: ictal view night.edf"}`;
  banner(how === "failed" ? `Not scored: ${reason}` : state.recordings.length ? "" : empty);
}

async function poll() {
  try {
    await loadList();
    if (state.offline) await recover();
    const now = mine();
    if (!now && state.recordings.length) await open(state.recordings[0].id);
    else if (now && (now.state !== state.detail.state || now.done !== (state.done ?? now.done))) await refresh();
    state.done = now?.done;
  } catch (error) {
    fail(error);
  }
  pollLater();
}

async function recover() {
  state.offline = false;
  say("Connected again.");
  if (state.detail) await Promise.all([showPage(), refresh()]);
}

/** Send the file that was chosen. */
export async function addFile(input) {
  const [file] = input.files;
  if (!file) return;
  say(`${file.name} is sent …`);
  try {
    const { id, known } = await upload(file);
    await open(id);
    await loadList();
    say(known ? `${file.name} has the same content as ${state.detail.name}, which was here already.` : `${file.name} was added.`);
  } catch (error) {
    fail(error);
  }
  input.value = ""; // so that the same file can be chosen again
}

export const pollLater = () => setTimeout(poll, POLL_MS);
