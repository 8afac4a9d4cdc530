/** The panel on the right: the model's prediction for the selected window, its explanation, and the reader's vote. */

/** @import { Explanation, Interval, Pattern, ScoredWindow, Similar, WindowEvent } from "./answers.js" */
/** @import { Clock } from "./clock.js" */
/** @import { State } from "./state.js" */

import { patternColour } from "./colours.js";
import { el, press, setOptions } from "./elements.js";
import { MelSpectrograms } from "./mel-spectrograms.js";
import { scalpMap } from "./scalp-map.js";
import { openDetail, state } from "./state.js";

/**
 * What the panel shows; without a window, the reason why there is none.
 * @typedef {object} PanelContent
 * @property {Clock} clock
 * @property {ScoredWindow | null} window
 * @property {string} rater
 * @property {string | null} vote - the pattern that the rater voted for
 * @property {string} reason
 */

/** @type {[string, string][]} */
const METHODS = [
  ["gradients", "Integrated gradients"],
  ["occlusion", "Occlusion"],
];
/** The smallest share of votes that is named. */
const MIN_SHARE = 0.05;

export class WindowPanel {
  /** @type {(pattern: string) => void} */
  onVote = () => {};
  onExplain = () => {};
  onFindSimilar = () => {};
  /** @type {Pattern[]} */
  patterns = [];
  time = el("p", { id: "when" }, "–");
  about = el("p", { className: "soft" });
  votes = el("div", { className: "votes", role: "group", "aria-label": "Your vote" });
  voteHint = el("p", { className: "note" });
  bars = el("div", { className: "bars", id: "bars" });
  dots = el("div", { className: "dots", "aria-hidden": "true" });
  expected = el("p", { id: "expected" });
  events = el("div", { id: "window-events" });
  quality = el("ul", { id: "reasons" });
  pattern = el("select", { id: "why-pattern", "aria-label": "Pattern to explain" });
  method = el("select", { id: "why-method", "aria-label": "Method" });
  note = el("p", { className: "note", id: "why-note" });
  pictures = el("div", { id: "mels", hidden: true });
  mels = new MelSpectrograms(this.pictures);
  similar = el("ul", { className: "similar", id: "similar" });
  tintToggle = toggle("tint", "Tint traces", "Shade the traces by how they support the pattern (t)");
  melToggle = toggle("mel", "Spectrogram", "The input of the spatial arm, with Grad-CAM (s)");
  similarToggle = toggle("similar-toggle", "Show", "Find similar windows (l)");

  /** @param {HTMLElement} host */
  constructor(host) {
    this.similarToggle.ariaLabel = "Show similar windows";
    this.listen();
    setOptions(this.method, METHODS, METHODS[0][0]);
    const controls = el("div", { className: "row" }, this.pattern, this.method, this.tintToggle, this.melToggle);
    const heading = el("div", { className: "heading" }, el("h2", {}, "Similar windows"), this.similarToggle);
    host.append(
      el("section", { "aria-label": "Window" }, this.time, this.about),
      section("Your vote", this.votes, this.voteHint),
      section("Expected votes of a panel", this.bars, this.dots, this.expected),
      section("Event", this.events),
      section("Quality", this.quality),
      section("Explanation", controls, this.pictures, this.note),
      el("section", { "aria-label": "Similar windows" }, heading, this.similar),
    );
  }

  listen() {
    for (const menu of [this.pattern, this.method]) menu.addEventListener("change", () => this.onExplain());
    this.listenTo(this.tintToggle, "tint", () => this.onExplain());
    this.listenTo(this.melToggle, "mel", () => this.onExplain());
    this.listenTo(this.similarToggle, "similar", () => this.onFindSimilar());
  }

  /**
   * Let a button switch on and off what the reader wants computed.
   * @param {HTMLButtonElement} button
   * @param {keyof State["wanted"]} name
   * @param {() => void} act
   */
  listenTo(button, name, act) {
    button.addEventListener("click", () => {
      state.wanted[name] = !state.wanted[name];
      press(button, state.wanted[name]);
      act();
    });
  }

  /**
   * Name the patterns, in the order of the bars and buttons.
   * @param {Pattern[]} patterns
   */
  setPatterns(patterns) {
    if (names(patterns) === names(this.patterns)) return;
    this.patterns = patterns;
    /** @type {[string, string][]} */
    const options = patterns.map(({ key, title }) => [key, title]);
    setOptions(this.pattern, [["", "Most likely"], ...options], "");
    this.votes.replaceChildren(...patterns.map(({ key, title }, index) => {
      const properties = { type: "button", "data-pattern": key, "aria-pressed": "false" };
      const button = el("button", properties, el("kbd", {}, String(index + 1)), title);
      button.addEventListener("click", () => this.onVote(key));
      return button;
    }));
  }

  /** @param {PanelContent} content */
  show(content) {
    const { clock, window, reason } = content;
    this.time.textContent = window ? window.centre.map((time_s) => clock.text(time_s)).join(" – ") : "No window here";
    this.about.textContent = window ? `Window ${window.number + 1}: the 10 s to vote on` : reason;
    this.showVote(content);
    this.showPrediction(window);
    this.showEvents(window?.events ?? []);
    this.showQuality(window);
  }

  /** @param {PanelContent} content */
  showVote({ rater, vote, window }) {
    for (const button of this.votes.querySelectorAll("button")) {
      press(button, button.dataset.pattern === vote);
      button.disabled = !rater || !window;
    }
    this.voteHint.textContent = voteHint(rater, vote, window);
  }

  /** @param {ScoredWindow | null} window */
  showPrediction(window) {
    const probabilities = window?.probabilities ?? null;
    /** @type {(pattern: Pattern) => number | null} */
    const valueOf = ({ key }) => probabilities?.[key] ?? null;
    this.bars.replaceChildren(...this.patterns.flatMap((pattern) => bar(pattern, valueOf(pattern))));
    const { votes = {}, text = "" } = window?.expected ?? {};
    this.dots.replaceChildren(...this.patterns.flatMap((pattern) => dots(pattern, votes[pattern.key] ?? 0)));
    if (probabilities) this.expected.textContent = text;
    else this.expected.textContent = window?.withheld ? "Hidden until you have voted." : "Not scored.";
  }

  /** @param {WindowEvent[]} events */
  showEvents(events) {
    this.events.replaceChildren(...events.flatMap((event) => {
      const pattern = this.patterns.find(({ key }) => key === event.pattern);
      const map = pattern && event.electrodes.length ? [scalpMap(event, pattern.title, patternColour(pattern))] : [];
      return [...map, el("p", { className: "sentence" }, event.sentence)];
    }));
    if (!events.length) this.events.append(el("p", {}, reasonForNoEvent()));
  }

  /** @param {ScoredWindow | null} window */
  showQuality(window) {
    const first = window ? `${Math.round(100 * window.usable)} % of the EEG is usable.` : "Unknown.";
    const reasons = (window?.reasons ?? []).map((reason) => el("li", { className: "warn" }, reason));
    this.quality.replaceChildren(el("li", {}, first), ...reasons);
  }

  /**
   * Show similar windows; null if they are not wanted.
   * @param {Similar | null} similar
   */
  showSimilar(similar) {
    const items = (similar?.windows ?? []).map(({ source, id, distance, votes }) => {
      const named = this.patterns.filter(({ key }) => votes[key] >= MIN_SHARE);
      const words = named.map(({ key, title }) => `${title} ${Math.round(100 * votes[key])} %`);
      return el("li", {},
        el("span", {}, source === "voted" ? `${id}, voted here` : id),
        el("span", { className: "soft", title: "Distance between the features" }, distance.toFixed(2)),
        el("span", { className: "split", "aria-hidden": "true" }, ...this.patterns.map(
          (pattern) => sized(el("i", { colour: patternColour(pattern) }), votes[pattern.key] ?? 0))),
        el("span", { className: "soft" }, words.join(", ")));
    });
    this.similar.replaceChildren(...items, el("li", { className: "note" }, similar?.note ?? ""));
  }

  /**
   * Say in words why there is no explanation.
   * @param {string} text
   */
  describe(text) {
    this.note.textContent = text;
    this.pictures.hidden = true;
  }

  /**
   * @param {Explanation} explanation
   * @param {Interval} centre - of the window
   */
  explain({ mel, note }, centre) {
    const isMissing = state.wanted.mel && !mel;
    this.describe(isMissing ? `${note} This model does not use a spectrogram.` : note);
    if (!state.wanted.mel || !mel) return;
    this.pictures.hidden = false;
    this.mels.show(mel, centre);
  }
}

/**
 * @param {string} id
 * @param {string} text
 * @param {string} title
 */
function toggle(id, text, title) {
  return el("button", { id, type: "button", title, "aria-pressed": "false" }, text);
}

function reasonForNoEvent() {
  const { withheld, state: scoring } = openDetail();
  if (withheld) return "Hidden while you vote without seeing the predictions.";
  return scoring === "scored" ? "No event here." : "Described when scoring is complete.";
}

/** @param {Pattern[]} patterns */
const names = (patterns) => patterns.map(({ key }) => key).join(" ");

/**
 * @param {string} title
 * @param {HTMLElement[]} content
 */
const section = (title, ...content) => el("section", { "aria-label": title }, el("h2", {}, title), ...content);

/**
 * @param {string} rater
 * @param {string | null} vote
 * @param {ScoredWindow | null} window
 */
function voteHint(rater, vote, window) {
  if (!rater) return "Choose a rater above to vote with the keys 1 to 6.";
  if (vote) return "Press the same key again to withdraw the vote.";
  return window?.withheld ? "The prediction appears once you have voted." : "";
}

/**
 * The name of a pattern, its probability as a bar, and as a number.
 * @param {Pattern} pattern
 * @param {number | null} value
 */
function bar(pattern, value) {
  const fill = sized(el("span", { className: "fill", colour: patternColour(pattern) }), value ?? 0);
  return [
    el("span", {}, pattern.title),
    el("span", { className: "track", "aria-hidden": "true" }, fill),
    el("span", { className: "number" }, value === null ? "–" : value.toFixed(2)),
  ];
}

/**
 * @param {Pattern} pattern
 * @param {number} count
 */
const dots = (pattern, count) => Array.from({ length: count }, () => el("i", { colour: patternColour(pattern) }));

/**
 * @param {HTMLElement} node
 * @param {number} share - of the width
 */
function sized(node, share) {
  node.style.width = `${100 * share}%`;
  return node;
}
