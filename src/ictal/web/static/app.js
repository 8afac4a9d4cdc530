/** The viewer: what each key, button and menu does, and how the page starts. */

/** @import { Action } from "./keyboard.js" */

import { showAgreement } from "./agreement-dialog.js";
import * as api from "./api.js";
import { applyTheme } from "./colours.js";
import { explain, findSimilar, panel, showWindow } from "./current-window.js";
import { debounce } from "./debounce.js";
import { eegPlot, redrawPage } from "./eeg-page.js";
import { eventList } from "./event-list.js";
import { $, $dialog, $input, $select, press } from "./elements.js";
import { showHelp } from "./help-dialog.js";
import { listenToKeys } from "./keyboard.js";
import { fail, say } from "./messages.js";
import {
  followEnd, goTo, goToEvent, goToUnvoted, moveBy, select, showAgain, showEvent, showFrom,
} from "./navigation.js";
import { describePointer, loadOverview, overviewPlot, redrawOverview } from "./overview.js";
import { preferences, setPreference } from "./preferences.js";
import { addFile, followList, loadList, showScoring } from "./recording-list.js";
import { showReport } from "./report-dialog.js";
import { open, refresh, showDetail, voteForWindow } from "./recording.js";
import { openDetail, state } from "./state.js";
import * as toolbar from "./toolbar.js";
import { addRater, chooseRater, loadRaters } from "./votes.js";

/** How long a reader pauses before the server is asked. */
const PAUSE_MS = 120;

/** @type {Record<Action, () => void>} */
const ACTIONS = {
  pageAfter: () => moveBy(preferences.page_s),
  pageBefore: () => moveBy(-preferences.page_s),
  secondAfter: () => moveBy(1),
  secondBefore: () => moveBy(-1),
  first: () => showFrom(0),
  last: followEnd,
  eventAfter: () => goToEvent(1),
  eventBefore: () => goToEvent(-1),
  larger: () => toolbar.stepSensitivity(-1),
  smaller: () => toolbar.stepSensitivity(1),
  montage: toolbar.nextMontage,
  panel: () => toolbar.setPanel(!preferences.why),
  events: () => toolbar.setEvents(!preferences.events),
  marks: () => toolbar.setMarks(!preferences.marks),
  tint: () => panel.tintToggle.click(),
  mel: () => panel.melToggle.click(),
  similar: () => panel.similarToggle.click(),
  unvoted: goToUnvoted,
  zoomIn: () => overviewPlot.zoom(0.5),
  zoomOut: () => overviewPlot.zoom(2),
  zoomAll: () => overviewPlot.showAll(),
  earlier: () => overviewPlot.pan(-0.25),
  later: () => overviewPlot.pan(0.25),
  report: openReport,
  agreement: () => showAgreement($dialog("agreement-dialog")).catch(fail),
  help: () => showHelp($dialog("help-dialog"), state.about),
};

/**
 * What works without a recording.
 * @type {Action[]}
 */
const ALWAYS = ["agreement", "help"];

/** @type {[id: string, Action][]} */
const BUTTONS = [
  ["page-before", "pageBefore"], ["page-after", "pageAfter"],
  ["event-before", "eventBefore"], ["event-after", "eventAfter"],
  ["zoom-in", "zoomIn"], ["zoom-out", "zoomOut"], ["zoom-all", "zoomAll"],
  ["why-toggle", "panel"], ["events-toggle", "events"], ["marks-toggle", "marks"],
  ["live", "last"], ["report", "report"], ["agreement", "agreement"], ["help", "help"],
];

/** @param {Action} action */
function act(action) {
  if (state.detail || ALWAYS.includes(action)) ACTIONS[action]();
}

/** @param {number} number - of a pattern, from 1 */
function voteByKey(number) {
  if (state.detail) voteForWindow(state.detail.patterns[number - 1].key).catch(fail);
}

/**
 * Act on a choice. After one by mouse the keys belong to the page again; one by keyboard keeps the focus.
 * @param {string} id - of a menu
 * @param {(value: string) => void} choose
 */
function onChoice(id, choose) {
  const menu = $select(id);
  let isByMouse = false;
  menu.addEventListener("pointerdown", () => (isByMouse = true));
  menu.addEventListener("keydown", () => (isByMouse = false));
  menu.addEventListener("change", () => {
    choose(menu.value);
    if (isByMouse && !document.querySelector("dialog[open]")) focusPage();
  });
}

function openReport() {
  const detail = openDetail();
  if (detail.report !== null) showReport($dialog("report-dialog"), detail, state.about);
  else if (detail.withheld) say("The report is hidden while you vote without seeing the predictions.");
  else say("There is no report before scoring is complete.");
}

const focusPage = () => $("eeg").focus({ focusVisible: false });

function raterChanged() {
  if (state.detail) refresh().catch(fail);
}

function connectMenus() {
  toolbar.fillMenus();
  onChoice("recording", (id) => open(id).then(showScoring).catch(fail));
  onChoice("page_s", (text) => toolbar.setPageLength(Number(text)));
  onChoice("sensitivity", (text) => toolbar.setSensitivity(Number(text)));
  onChoice("montage", toolbar.setMontage);
  for (const [name] of toolbar.FILTERS_HZ) onChoice(name, (text) => toolbar.setFilter(name, text));
  onChoice("rater", (name) => chooseRater(name, raterChanged));
  $("rater-cancel").addEventListener("click", () => $dialog("rater-dialog").close(""));
  $("rater-dialog").addEventListener("close", () => addRater(() => {
    raterChanged();
    $("eeg").focus();
  }));
}

function connectButtons() {
  for (const [id, action] of BUTTONS) $(id).addEventListener("click", () => act(action));
  $("file").addEventListener("change", () => addFile($input("file")));
  $("theme").addEventListener("click", () => {
    setPreference("theme", document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    showTheme();
  });
  $("export").addEventListener("click", () => saveVotes().catch(fail));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
  new ResizeObserver(() => debounce("resize", showAgain, PAUSE_MS)).observe($("eeg"));
}

function connectPlots() {
  overviewPlot.onGo = goTo;
  overviewPlot.onZoom = () => debounce("overview", loadOverview, PAUSE_MS);
  overviewPlot.onHover = describePointer;
  eegPlot.onSelect = select;
  eegPlot.onMeasure = say;
  eventList.onGo = showEvent;
  panel.onVote = (pattern) => voteForWindow(pattern).catch(fail);
  panel.onExplain = explain;
  panel.onFindSimilar = findSimilar;
}

async function saveVotes() {
  await api.saveVotes("votes.csv");
  say("The votes were saved as votes.csv, which ictal ablate reads.");
}

function showTheme() {
  press($("theme"), applyTheme(preferences.theme));
  if (!state.detail) return;
  showDetail();
  redrawOverview();
  showWindow();
  redrawPage();
}

async function openFirst() {
  [state.about] = await Promise.all([api.about(), loadRaters()]);
  await loadList();
  $("upload").hidden = !state.about.upload;
  $("ward").hidden = !state.about.ward;
  $("ward").setAttribute("href", api.wardAddress());
  $("ward").setAttribute("target", api.WARD_TAB);
  focusPage();
  await openNamed();
}

/** Open the recording that the address names, at the time that it names; those of a ward otherwise at their end. */
async function openNamed() {
  const [id, start_s] = location.hash.slice(1).split("/");
  const chosen = state.recordings.find((each) => each.id === id) ?? state.recordings[0];
  if (chosen) await open(chosen.id, Number(start_s) || 0);
  if (chosen && state.about?.ward && !start_s) followEnd();
  showScoring();
}

async function start() {
  showTheme();
  toolbar.setPanel(preferences.why);
  toolbar.setEvents(preferences.events);
  toolbar.setMarks(preferences.marks);
  connectPlots();
  connectMenus();
  connectButtons();
  listenToKeys(act, voteByKey);
  await openFirst().catch(fail);
  addEventListener("hashchange", () => openNamed().catch(fail)); // the page of the ward names another
  followList();
}

start();
