/** The ward page: the stream's state as rows and alarms, and the clock by which data become stale. */

/** @import { Bed, WardState } from "./ward-answers.js" */
/** @import { Pattern } from "./answers.js" */

import { WARD_TAB } from "./api.js";
import { applyTheme, patternColour } from "./colours.js";
import { $, el, press } from "./elements.js";
import { banner, fail, say } from "./messages.js";
import { preferences, setPreference } from "./preferences.js";
import { follow } from "./stream.js";
import { AlarmList } from "./ward-alarms.js";
import { BedRow } from "./ward-bed.js";
import { Sound } from "./ward-sound.js";

const TICK_MS = 1000;

/** @type {Map<string, BedRow>} */
const rows = new Map();
/** @type {Pattern[]} */
let patterns = [];
/** @type {Date | null} */
let lostAt = null;

const alarms = new AlarmList($("alarms"), $("alarm-list"));
const sound = new Sound();
const body = /** @type {HTMLTableSectionElement} */ (document.querySelector("#beds tbody"));

const beds = () => [...rows.values()].map(({ bed }) => bed);

/**
 * @param {WardState} state
 * @param {boolean} isFirst
 */
function show(state, isFirst) {
  if (isFirst) {
    rows.clear();
    body.replaceChildren();
    patterns = state.patterns;
    showLegend();
  }
  for (const bed of state.beds) rowOf(bed).show(bed, patterns);
  banner(state.problems.join(" "));
  alarms.show(beds());
  sound.want(beds().some((bed) => bed.alarms.some(({ sounds }) => sounds)));
  tick();
}

/** @param {Bed} bed */
function rowOf(bed) {
  let row = rows.get(bed.id);
  if (!row) {
    rows.set(bed.id, (row = new BedRow(bed)));
    body.append(row.row); // the first state has all beds, in their order
  }
  return row;
}

function showLegend() {
  $("legend").replaceChildren(...patterns.map((pattern) => {
    const chip = el("i", { className: "chip", colour: patternColour(pattern), "aria-hidden": "true" });
    return el("span", {}, chip, pattern.title);
  }));
}

function tick() {
  /** @type {Record<string, number>} */
  const counts = {};
  for (const row of rows.values()) {
    const state = row.tick(lostAt);
    counts[state] = (counts[state] ?? 0) + 1;
  }
  const unseen = alarms.count ? [counted(alarms.count, "alarm")] : [];
  const words = Object.entries(counts).map(([state, number]) => `${number} ${state}`);
  $("counts").textContent = [counted(rows.size, "bed"), ...words, ...unseen].join(" · ");
}

/**
 * @param {number} number
 * @param {string} what
 */
const counted = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;

function connected() {
  if (lostAt) say("Connected again.");
  const wasLost = lostAt !== null;
  lostAt = null;
  document.body.classList.remove("ward-lost");
  $("connection").textContent = "";
  if (wasLost) tick();
}

/** @param {unknown} error */
function lost(error) {
  lostAt ??= new Date();
  document.body.classList.add("ward-lost");
  $("connection").textContent = `Connection lost since ${lostAt.toLocaleTimeString("en-GB")}`;
  tick();
  fail(error);
}

function showSound() {
  press($("sound"), !preferences.muted);
  $("sound").textContent = sound.isBlocked ? "Allow sound" : `Sound: ${preferences.muted ? "off" : "on"}`;
  $("silent").hidden = !sound.isBlocked;
}

function showTheme() {
  press($("theme"), applyTheme(preferences.theme));
  showLegend();
  for (const row of rows.values()) row.draw(patterns);
}

function start() {
  window.name = WARD_TAB; // by which the viewer comes back
  showTheme();
  sound.onChange = showSound;
  sound.mute(preferences.muted);
  $("sound").addEventListener("click", () => {
    if (sound.wasBlocked) return; // this very click allows it
    setPreference("muted", !preferences.muted);
    sound.mute(preferences.muted);
  });
  $("theme").addEventListener("click", () => {
    setPreference("theme", document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    showTheme();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
  setInterval(tick, TICK_MS);
  follow("ward/stream", { onData: show, onAlive: connected, onLost: lost });
}

start();
