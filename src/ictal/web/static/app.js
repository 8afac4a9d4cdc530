/** The viewer: what each key, button and menu does, and how the page begins. */

import { showAgreement } from "./agreement.js";
import { get, save } from "./api.js";
import { applyTheme } from "./colours.js";
import { loadOverview, overview, showHover, showOverview } from "./day.js";
import { $, press } from "./dom.js";
import { listen, writeHelp } from "./keys.js";
import { later } from "./later.js";
import { addFile, loadList, pollLater, showState } from "./list.js";
import { explain, findSimilar, showWindow, why } from "./looked.js";
import { eeg, redraw } from "./page.js";
import { keep, prefs } from "./prefs.js";
import { open, refresh, showDetail, voteHere } from "./recording.js";
import { CUTS_HZ, nextMontage, nextSensitivity, offer, setCut, setMontage, setPage, setSensitivity, setWhy } from "./settings.js";
import { state } from "./state.js";
import { fail, say } from "./status.js";
import { goTo, select, toEvent, toLast, toUnvoted, turnAgain, turnBy, turnTo } from "./turning.js";
import { addRater, chooseRater, loadRaters } from "./voting.js";

/** How long a reader rests before something is asked of the server. */
const RESTED_MS = 120;

overview.act = { go: goTo, zoom: () => later("overview", () => loadOverview(), RESTED_MS), hover: showHover };
eeg.act = { select, measured: say };
why.act = { vote: voteHere, explain, findSimilar };

const actions = {
  pageAfter: () => turnBy(prefs.page_s),
  pageBefore: () => turnBy(-prefs.page_s),
  secondAfter: () => turnBy(1),
  secondBefore: () => turnBy(-1),
  first: () => turnTo(0),
  last: toLast,
  eventAfter: () => toEvent(1),
  eventBefore: () => toEvent(-1),
  larger: () => nextSensitivity(-1),
  smaller: () => nextSensitivity(1),
  montage: nextMontage,
  why: () => setWhy(!prefs.why),
  tint: () => why.tint.click(),
  mel: () => why.mel.click(),
  like: () => why.like.click(),
  unvoted: toUnvoted,
  zoomIn: () => overview.zoom(0.5),
  zoomOut: () => overview.zoom(2),
  zoomAll: () => overview.look(0, state.detail.duration_s),
  earlier: () => overview.pan(-0.25),
  later: () => overview.pan(0.25),
  vote: (number) => voteHere(state.detail.patterns[number - 1].key),
};
const anyTime = {
  agreement: () => showAgreement($("agreement-dialog")).catch(fail),
  help: () => {
    writeHelp($("help-dialog"), state.about);
    $("help-dialog").showModal();
  },
};
const BUTTONS = {
  "page-before": "pageBefore", "page-after": "pageAfter", "event-before": "eventBefore", "event-after": "eventAfter",
  "zoom-in": "zoomIn", "zoom-out": "zoomOut", "zoom-all": "zoomAll", "why-toggle": "why", agreement: "agreement", help: "help",
};

/** What a key or a button does; without a recording there are only help and agreement. */
const act = (name, ...values) => (anyTime[name] ?? (state.detail ? actions[name] : () => {}))(...values);

/** Let a choice made by mouse give the keys back to the page; one made by keyboard keeps them. */
function onChoice(id, choose) {
  const menu = $(id);
  let byMouse = false;
  menu.addEventListener("pointerdown", () => (byMouse = true));
  menu.addEventListener("keydown", () => (byMouse = false));
  menu.addEventListener("change", () => {
    choose(menu.value);
    if (byMouse && !document.querySelector("dialog[open]")) $("eeg").focus({ focusVisible: false });
  });
}

const refreshThen = (after) => () => state.detail && refresh().then(after).catch(fail);

function wireMenus() {
  offer();
  onChoice("recording", (id) => open(id).then(showState).catch(fail));
  onChoice("page_s", (text) => setPage(Number(text)));
  onChoice("sensitivity", (text) => setSensitivity(Number(text)));
  onChoice("montage", setMontage);
  for (const name of Object.keys(CUTS_HZ)) onChoice(name, (text) => setCut(name, text));
  onChoice("rater", (name) => chooseRater(name, refreshThen()));
  $("rater-cancel").addEventListener("click", () => $("rater-dialog").close(""));
  $("rater-dialog").addEventListener("close", () => addRater(refreshThen(() => $("eeg").focus())));
}

function wireButtons() {
  for (const [id, name] of Object.entries(BUTTONS)) $(id).addEventListener("click", () => act(name));
  $("file").addEventListener("change", () => addFile($("file")));
  $("theme").addEventListener("click", () => {
    keep("theme", document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    setTheme();
  });
  $("export").addEventListener("click", () => saveVotes().catch(fail));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", setTheme);
  new ResizeObserver(() => later("resize", turnAgain, RESTED_MS)).observe($("eeg"));
}

async function saveVotes() {
  await save("export", "votes.csv");
  say("The votes were saved as votes.csv, which ictal ablate reads.");
}

function setTheme() {
  press($("theme"), applyTheme(prefs.theme));
  if (!state.detail) return;
  showDetail();
  showOverview();
  showWindow();
  redraw();
}

async function start() {
  setTheme();
  setWhy(prefs.why);
  wireMenus();
  wireButtons();
  listen(act);
  try {
    [state.about] = await Promise.all([get("about"), loadRaters()]);
    await loadList();
    $("upload").hidden = !state.about.upload;
    const [id, at] = location.hash.slice(1).split("/");
    const chosen = state.recordings.find((each) => each.id === id) ?? state.recordings[0];
    $("eeg").focus({ focusVisible: false });
    if (chosen) await open(chosen.id, Number(at) || 0);
    showState();
  } catch (error) {
    fail(error);
  }
  pollLater();
}

start();
