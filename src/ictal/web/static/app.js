/** The viewer: asks the server, and hands what it says to the overview, the page and the panel. */

import { showAgreement } from "./agreement.js";
import { get, save, upload } from "./api.js";
import { Clock, duration } from "./clock.js";
import { applyTheme, patternColour } from "./colours.js";
import { $, el, options } from "./dom.js";
import { EegPage } from "./eeg.js";
import { listen, writeHelp } from "./keys.js";
import { Overview } from "./overview.js";
import { Pages } from "./pages.js";
import { keep, prefs } from "./prefs.js";
import { eventInWords, isScored, likeliest, middle, request, state, votedHere, windowAt } from "./state.js";
import { banner, fail, say } from "./status.js";
import { addRater, chooseRater, loadRaters, loadVotes, nextUnvoted, vote } from "./voting.js";
import { press, pressed, Why } from "./why.js";

const PAGES_S = [10, 15, 20, 50];
const SENSITIVITIES = [1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100];
const LOWS_HZ = ["", 0.1, 0.3, 0.5, 1, 1.6, 2, 5, 10];
const HIGHS_HZ = ["", 15, 20, 30, 35, 50, 70, 100];
const NOTCHES_HZ = ["", 50, 60];
const POLL_MS = 2000;
/** How long a reader rests before something is asked of the server. */
const ZOOMED_MS = 120;
const TURNED_MS = 120;
const EXPLAIN_MS = 400;

const pages = new Pages();
const overview = new Overview($("day"), { go: goTo, zoom: () => later("overview", () => loadOverview(), ZOOMED_MS), hover: showHover });
const eeg = new EegPage($("eeg"), { select });
const why = new Why($("why"), { vote: voteHere, explain });

const waits = {};

function later(name, act, ms) {
  clearTimeout(waits[name]);
  waits[name] = setTimeout(act, ms);
}

/* ---- time ---------------------------------------------------------------------------------------------------- */

/** Show the page that begins at a time; its middle is looked at unless told otherwise. */
function turnTo(start_s, time_s = null) {
  if (!state.detail) return;
  performance.mark("ictal:turn");
  state.start_s = Math.min(Math.max(0, state.detail.duration_s - 1), Math.max(0, start_s));
  lookAt(time_s ?? state.start_s + prefs.page_s / 2);
  overview.mark(state.start_s, state.start_s + prefs.page_s);
  showTime();
  showPage();
  later("window", loadWindow, TURNED_MS);
}

/** Show a time, and the window whose centre holds it, in the middle of the page. */
function goTo(time_s) {
  const centre = windowAt(time_s) ?? time_s;
  turnTo(centre - prefs.page_s / 2, centre);
}

/** Look at another 10 s of the page. */
function select(time_s) {
  lookAt(time_s);
  loadWindow();
}

/** What was known of another window no longer holds, and no vote may go to it. */
function lookAt(time_s) {
  state.time_s = time_s;
  const { centre } = state.window ?? {};
  if (centre && (time_s < centre[0] || time_s >= centre[1])) Object.assign(state, { window: null, answer: null });
}

/** Vote on what is looked at, also where the keys were faster than the server. */
async function voteHere(pattern) {
  if (!state.window) await loadWindow();
  await vote(pattern, refresh);
}

function toEvent(direction) {
  const { events, withheld, centre_s } = state.detail;
  if (withheld) return say("Events are hidden while you vote blind to the model.");
  const ahead = ({ start_s }) => direction * (start_s - state.time_s) > centre_s / 2;
  const found = direction > 0 ? events.find(ahead) : events.findLast(ahead);
  if (!found) return say(events.length ? `There is no event ${direction > 0 ? "after" : "before"} this.` : "There are no events.");
  goTo(found.start_s + Math.min(centre_s, found.stop_s - found.start_s) / 2);
  return say(eventInWords(found));
}

function toUnvoted() {
  if (!prefs.rater) return say("Choose a rater first: votes are given by name.");
  const time_s = nextUnvoted();
  return time_s === null ? say("There is no window after this without your vote.") : goTo(time_s);
}

function lastPage() {
  return Math.floor(Math.max(0, state.detail.duration_s - 1) / prefs.page_s) * prefs.page_s;
}

function showTime() {
  const { clock, start_s, detail } = state;
  $("clock").textContent = clock.text(start_s);
  $("since").textContent = `${clock.day(start_s)}  ${new Clock(null).text(start_s)} of ${duration(detail.duration_s)}`.trim();
  const values = { max: Math.round(detail.duration_s), now: Math.round(start_s), text: clock.text(start_s) };
  for (const [name, value] of Object.entries(values)) $("day").setAttribute(`aria-value${name}`, value);
  history.replaceState(null, "", `${location.pathname}${location.search}#${detail.id}/${start_s.toFixed(1)}`);
}

/* ---- the page of EEG ----------------------------------------------------------------------------------------- */

async function showPage() {
  const { detail, start_s } = state;
  const wanted = request(start_s, eeg.columns);
  const known = pages.at(detail.id, wanted);
  if (known) return drawPage(known);
  try {
    const signal = await pages.fetch(detail.id, wanted);
    if (detail.id === state.detail.id && start_s === state.start_s) drawPage(signal);
  } catch (error) {
    fail(error);
  }
  return undefined;
}

function drawPage(signal) {
  state.signal = signal;
  redraw();
  requestAnimationFrame(() => {
    // Up to the frame in which the traces stand; the browser test reads these.
    performance.mark("ictal:traces");
    if (performance.getEntriesByName("ictal:turn").length) performance.measure("ictal:page", "ictal:turn");
    performance.clearMarks("ictal:turn");
    for (const by of [1, -1]) prefetch(state.start_s + by * prefs.page_s);
  });
}

function prefetch(start_s) {
  if (start_s >= 0 && start_s < state.detail.duration_s) pages.prefetch(state.detail.id, request(start_s, eeg.columns));
}

function redraw() {
  const { clock, detail, start_s, signal, window, answer } = state;
  if (!detail) return;
  const tint = pressed(why.tint) ? answer : null;
  const { page_s, sensitivity } = prefs;
  eeg.show({ clock, detail, start_s, page_s, signal, sensitivity, centre: window?.centre, tint });
  const words = [`EEG from ${clock.text(start_s)}`, `${page_s} s`, request(0).montage, `${sensitivity} µV/mm`];
  $("eeg").setAttribute("aria-label", words.join(", "));
}

/* ---- the window that is looked at ---------------------------------------------------------------------------- */

async function loadWindow() {
  const { detail, time_s } = state;
  try {
    const found = isScored(time_s) ? await get(`recordings/${detail.id}/window`, { time_s, rater: prefs.rater }) : null;
    if (detail.id !== state.detail.id || time_s !== state.time_s) return;
    state.window = found;
    state.answer = null;
    why.explained(null);
    showWindow();
    redraw();
    if (why.asked) later("explain", explain, EXPLAIN_MS);
  } catch (error) {
    fail(error);
  }
}

function showWindow() {
  const { clock, window, detail } = state;
  const none = detail.state === "scored" ? "The model needs 20 s of EEG before and after." : "Not scored yet.";
  why.show({ clock, window, rater: prefs.rater, vote: votedHere()?.pattern ?? null, hidden: window?.withheld ?? false, none });
  $("quality").textContent = window ? `${Math.round(100 * window.usable)} % usable` : "";
  $("quality").className = window?.usable < 0.8 ? "warn" : "";
}

/** Ask what speaks for the pattern, if a reader wants to see it: it takes the model a second or more. */
async function explain() {
  const { detail, window } = state;
  state.answer = null;
  if (!why.asked || !window || window.withheld) {
    why.explained(window?.withheld && why.asked ? "Hidden until you have voted." : null);
    return redraw();
  }
  why.explained("The model is asked …");
  const pattern = why.pattern.value || likeliest(window.probabilities);
  try {
    const answer = await get(`recordings/${detail.id}/why`, { time_s: middle(window), pattern, method: why.method.value, rater: prefs.rater });
    if (state.window !== window) return undefined;
    state.answer = answer;
    why.explained(answer, window.centre);
    redraw();
  } catch (error) {
    if (state.window === window) why.explained(error.message);
    fail(error);
  }
  return undefined;
}

/* ---- the recording ------------------------------------------------------------------------------------------- */

async function open(id, start_s = 0) {
  const detail = await get(`recordings/${id}`, { rater: prefs.rater });
  Object.assign(state, { detail, clock: new Clock(detail.start), whole: null, data: null, window: null, votes: [], signal: null });
  document.title = `${detail.name} – ictal`;
  showDetail();
  tellNotes(detail);
  turnTo(start_s);
  await look();
}

/** Ask again for what may have changed: scoring went on, a vote was given, or another rater looks. */
async function refresh() {
  const { id } = state.detail;
  const detail = await get(`recordings/${id}`, { rater: prefs.rater });
  if (id !== state.detail.id) return;
  state.detail = detail;
  showDetail();
  await look();
}

async function look() {
  await Promise.all([loadOverview(true), loadVotes()]);
  if (overview.isZoomed) await loadOverview();
  showOverview();
  await loadWindow();
}

function showDetail() {
  const { detail } = state;
  why.setPatterns(detail.patterns);
  const chip = (pattern) => el("i", { className: "chip", colour: patternColour(pattern), "aria-hidden": "true" });
  $("legend").replaceChildren(...detail.patterns.map((pattern) => el("span", {}, chip(pattern), pattern.title)));
  const cuts = (list) => list.filter((hertz) => hertz < detail.rate_hz / 2).map((hertz) => [hertz, hertz === "" ? "off" : `${hertz} Hz`]);
  options($("low_hz"), cuts(LOWS_HZ), prefs.low_hz);
  options($("high_hz"), cuts(HIGHS_HZ), prefs.high_hz);
  options($("notch_hz"), cuts(NOTCHES_HZ), prefs.notch_hz);
  options($("montage"), detail.montages.map((name) => [name, name]), request(0).montage);
  for (const id of ["event-before", "event-after"]) $(id).disabled = detail.withheld || !detail.events.length;
  const { model, patient } = detail;
  $("model").textContent = [patient, model && `${model.name} (${model.arm})`].filter(Boolean).join(", ");
}

/** Say what a reader must know of the model and the file; that it is no medical device always stands at the foot. */
function tellNotes({ model, notes }) {
  const warnings = (model?.warnings ?? []).filter((text) => text !== state.about.not_a_device);
  say([...warnings, ...notes].join(" "));
}

/** Fetch what the overview shows, or the whole recording. */
async function loadOverview(whole = false) {
  const { detail } = state;
  const [start_s, stop_s] = whole ? [0, detail.duration_s] : overview.view;
  try {
    const data = await get(`recordings/${detail.id}/overview`, { start_s, stop_s, width: overview.columns, rater: prefs.rater });
    if (detail.id !== state.detail.id) return;
    state.data = data;
    if (whole) state.whole = data;
    showOverview();
  } catch (error) {
    fail(error);
  }
}

function showOverview() {
  const { detail, clock, data, votes } = state;
  overview.show({ detail, clock, data, votes, hidden: detail.withheld });
}

/** Say what the overview has at the pointer. */
function showHover(time_s) {
  const { data, detail, clock } = state;
  if (time_s === null || !data) return ($("hover").textContent = "");
  const column = data.edges.findLastIndex((edge) => edge <= time_s);
  const values = detail.patterns.map(({ key, title }) => [title, data.probabilities[key][column]]);
  const likely = values.filter(([, value]) => value >= 0.1).sort(([, a], [, b]) => b - a).slice(0, 3);
  const reason = data.reasons.find((each) => each.start_s <= time_s && time_s < each.stop_s)?.text;
  const words = reason ?? likely.map(([name, value]) => `${name} ${value.toFixed(2)}`).join(", ");
  return ($("hover").textContent = `${clock.text(time_s)}  ${words}`);
}

/* ---- the list, and what goes on behind it ---------------------------------------------------------------------- */

async function loadList() {
  state.recordings = await get("recordings");
  const titles = state.recordings.map(({ id, name, state: how }) => [id, how === "scored" ? name : `${name} (${how})`]);
  const names = JSON.stringify(titles);
  if (names !== state.names) options($("recording"), titles, state.detail?.id ?? titles[0]?.[0] ?? "");
  state.names = names;
  showState();
}

const mine = () => state.recordings.find(({ id }) => id === state.detail?.id);

function showState() {
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
  setTimeout(poll, POLL_MS);
}

async function recover() {
  state.offline = false;
  say("Connected again.");
  if (state.detail) await Promise.all([showPage(), refresh()]);
}

async function addFile(file) {
  if (!file) return;
  say(`${file.name} is sent …`);
  try {
    const { id } = await upload(file);
    await open(id);
    await loadList();
    $("recording").value = id;
    say(`${file.name} was added.`);
  } catch (error) {
    fail(error);
  }
}

/* ---- settings -------------------------------------------------------------------------------------------------- */

function setSensitivity(value) {
  keep("sensitivity", value);
  $("sensitivity").value = String(value);
  redraw();
}

function nextSensitivity(by) {
  const place = SENSITIVITIES.indexOf(prefs.sensitivity) + by;
  setSensitivity(SENSITIVITIES[Math.min(SENSITIVITIES.length - 1, Math.max(0, place))]);
}

function setPage(page_s) {
  keep("page_s", page_s);
  turnTo(state.time_s - page_s / 2, state.time_s);
}

function setMontage(name) {
  keep("montage", name);
  $("montage").value = name;
  turnTo(state.start_s, state.time_s);
}

function nextMontage() {
  const { montages } = state.detail;
  setMontage(montages[(montages.indexOf(request(0).montage) + 1) % montages.length]);
}

function setCut(name, text) {
  keep(name, text === "" ? "" : Number(text));
  turnTo(state.start_s, state.time_s);
}

function setTheme() {
  press($("theme"), applyTheme(prefs.theme));
  if (!state.detail) return;
  showDetail();
  showOverview();
  showWindow();
  redraw();
}

function setWhy(on) {
  keep("why", on);
  press($("why-toggle"), on);
  document.querySelector("main").classList.toggle("no-why", !on);
}

/* ---- start ----------------------------------------------------------------------------------------------------- */

const actions = {
  pageAfter: () => turnTo(state.start_s + prefs.page_s),
  pageBefore: () => turnTo(state.start_s - prefs.page_s),
  secondAfter: () => turnTo(state.start_s + 1),
  secondBefore: () => turnTo(state.start_s - 1),
  first: () => turnTo(0),
  last: () => turnTo(lastPage()),
  eventAfter: () => toEvent(1),
  eventBefore: () => toEvent(-1),
  larger: () => nextSensitivity(-1),
  smaller: () => nextSensitivity(1),
  montage: nextMontage,
  why: () => setWhy(!prefs.why),
  tint: () => why.tint.click(),
  mel: () => why.mel.click(),
  unvoted: toUnvoted,
  zoomIn: () => overview.zoom(0.5),
  zoomOut: () => overview.zoom(2),
  zoomAll: () => overview.look(0, state.detail.duration_s),
  vote: (number) => voteHere(state.detail.patterns[number - 1].key),
};
const anyTime = {
  help: () => {
    writeHelp($("help-dialog"), state.about);
    $("help-dialog").showModal();
  },
};

/** What a key or a button does; without a recording there is only help. */
const act = (name, ...values) => (anyTime[name] ?? (state.detail ? actions[name] : () => {}))(...values);

/** Let a choice made by mouse give the keys back to the page; one made by keyboard keeps them. */
function onChoice(id, choose) {
  const select = $(id);
  let byMouse = false;
  select.addEventListener("pointerdown", () => (byMouse = true));
  select.addEventListener("keydown", () => (byMouse = false));
  select.addEventListener("change", () => {
    choose(select.value);
    if (byMouse && !document.querySelector("dialog[open]")) $("eeg").focus({ focusVisible: false });
  });
}

const refreshThen = (after) => () => state.detail && refresh().then(after).catch(fail);

function wire() {
  options($("page_s"), PAGES_S.map((each) => [each, `${each} s`]), prefs.page_s);
  options($("sensitivity"), SENSITIVITIES.map((each) => [each, `${each} µV/mm`]), prefs.sensitivity);
  onChoice("recording", (id) => open(id).then(showState).catch(fail));
  onChoice("page_s", (text) => setPage(Number(text)));
  onChoice("sensitivity", (text) => setSensitivity(Number(text)));
  onChoice("montage", setMontage);
  for (const name of ["low_hz", "high_hz", "notch_hz"]) onChoice(name, (text) => setCut(name, text));
  onChoice("rater", (name) => chooseRater(name, refreshThen()));
  $("rater-dialog").addEventListener("close", () => addRater(refreshThen(() => $("eeg").focus())));
  $("file").addEventListener("change", () => addFile($("file").files[0]));
  const buttons = {
    "page-before": "pageBefore", "page-after": "pageAfter", "event-before": "eventBefore", "event-after": "eventAfter",
    "zoom-in": "zoomIn", "zoom-out": "zoomOut", "zoom-all": "zoomAll", "why-toggle": "why", help: "help",
  };
  for (const [id, name] of Object.entries(buttons)) $(id).addEventListener("click", () => act(name));
  $("theme").addEventListener("click", () => {
    keep("theme", pressed($("theme")) ? "light" : "dark");
    setTheme();
  });
  $("export").addEventListener("click", () => saveVotes().catch(fail));
  $("agreement").addEventListener("click", () => showAgreement($("agreement-dialog")).catch(fail));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", setTheme);
  new ResizeObserver(() => later("resize", () => turnTo(state.start_s, state.time_s), TURNED_MS)).observe($("eeg"));
}

async function saveVotes() {
  await save("export", "votes.csv");
  say("The votes were saved as votes.csv, which ictal ablate reads.");
}

async function start() {
  press($("theme"), applyTheme(prefs.theme));
  setWhy(prefs.why);
  wire();
  listen(act);
  try {
    [state.about] = await Promise.all([get("about"), loadRaters()]);
    await loadList();
    $("upload").hidden = !state.about.upload;
    const [id, at] = location.hash.slice(1).split("/");
    const chosen = state.recordings.find((each) => each.id === id) ?? state.recordings[0];
    $("eeg").focus({ focusVisible: false });
    if (chosen) await open(chosen.id, Number(at) || 0);
    $("recording").value = chosen?.id ?? "";
    showState();
  } catch (error) {
    fail(error);
  }
  setTimeout(poll, POLL_MS);
}

start();
