/** The panel on the right: what the model says of a window, how a panel would split, what speaks for it, and the vote. */

import { patternColour } from "./colours.js";
import { el, options, press } from "./dom.js";
import { Mels } from "./mels.js";
import { state } from "./state.js";

const METHODS = [
  ["gradients", "Integrated gradients"],
  ["occlusion", "Occlusion"],
];

export class Why {
  /** `act`, which is set by whoever listens: {vote(pattern), explain(), findSimilar()}. */
  constructor(host) {
    this.act = null;
    this.patterns = [];
    this.key = "";
    this.build(host);
  }

  build(host) {
    this.when = el("p", { id: "when" }, "–");
    this.about = el("p", { className: "soft" });
    this.votes = el("div", { className: "votes", role: "group", "aria-label": "Your vote" });
    this.voting = el("p", { className: "note" });
    this.bars = el("div", { className: "bars", id: "bars" });
    this.dots = el("div", { className: "dots", "aria-hidden": "true" });
    this.expected = el("p", { id: "expected" });
    this.reasons = el("ul", { id: "reasons" });
    this.like = this.toggle("similar-toggle", "Show", "Ask which windows are like this one (l)", "findSimilar", "similar");
    this.like.ariaLabel = "Show similar windows";
    this.similar = el("ul", { className: "similar", id: "similar" });
    this.note = el("p", { className: "note", id: "why-note" });
    this.pictures = el("div", { id: "mels", hidden: true });
    this.mels = new Mels(this.pictures);
    host.append(
      el("section", { "aria-label": "Window" }, this.when, this.about),
      el("section", { "aria-label": "Vote" }, el("h2", {}, "Your vote"), this.votes, this.voting),
      el("section", { "aria-label": "Patterns" }, el("h2", {}, "The model expects of a panel"), this.bars, this.dots, this.expected),
      el("section", { "aria-label": "Quality" }, el("h2", {}, "Quality"), this.reasons),
      el("section", { "aria-label": "Explanation" }, el("h2", {}, "What speaks for"), this.controls(), this.pictures, this.note),
      el("section", { "aria-label": "Similar windows" },
        el("div", { className: "heading" }, el("h2", {}, "Similar windows"), this.like), this.similar),
    );
  }

  controls() {
    this.pattern = el("select", { id: "why-pattern", "aria-label": "Pattern to explain", on: { change: () => this.act.explain() } });
    this.method = el("select", { id: "why-method", "aria-label": "Method", on: { change: () => this.act.explain() } });
    options(this.method, METHODS, METHODS[0][0]);
    this.tint = this.toggle("tint", "Tint traces", "Shade the traces by what speaks for the pattern (t)", "explain");
    this.mel = this.toggle("mel", "Spectrogram", "What the spatial arm sees, with Grad-CAM (s)", "explain");
    return el("div", { className: "row" }, this.pattern, this.method, this.tint, this.mel);
  }

  /** A button by which a reader asks the model for something, or no longer does. */
  toggle(id, text, title, act, asked = id) {
    const button = el("button", { id, type: "button", title, "aria-pressed": "false" }, text);
    button.addEventListener("click", () => {
      state.asked[asked] = !state.asked[asked];
      press(button, state.asked[asked]);
      this.act[act]();
    });
    return button;
  }

  /** Name the patterns: bars and buttons in their order. */
  setPatterns(patterns) {
    const now = patterns.map(({ key }) => key).join(" ");
    if (now === this.key) return;
    this.key = now;
    this.patterns = patterns;
    options(this.pattern, [["", "Likeliest"], ...patterns.map(({ key, title }) => [key, title])], "");
    this.votes.replaceChildren(
      ...patterns.map(({ key, title }, index) =>
        el("button", { type: "button", "data-pattern": key, "aria-pressed": "false", on: { click: () => this.act.vote(key) } },
          el("kbd", {}, String(index + 1)), title),
      ),
    );
  }

  /** Show a window: `view` {clock, window, rater, vote, hidden, none}; without a window, why there is `none`. */
  show(view) {
    const { clock, window } = view;
    this.when.textContent = window ? `${clock.text(window.centre[0])} – ${clock.text(window.centre[1])}` : "No window here";
    this.about.textContent = window ? `Window ${window.number + 1}, its 10 s that are voted on` : view.none;
    this.showVote(view);
    this.showPatterns(view);
    this.showQuality(view);
  }

  showVote({ rater, vote, window, hidden }) {
    for (const button of this.votes.children) {
      press(button, button.dataset.pattern === vote);
      button.disabled = !rater || !window;
    }
    this.voting.textContent = !rater
      ? "Choose a rater above to vote with the keys 1 to 6."
      : vote
        ? "Press the same key again to take the vote back."
        : hidden ? "The model is shown once you have voted." : "";
  }

  showPatterns({ window, hidden }) {
    const known = !hidden && window?.probabilities;
    const cells = this.patterns.flatMap((pattern) => {
      const value = known ? known[pattern.key] : null;
      const fill = el("span", { className: "fill", colour: patternColour(pattern) });
      fill.style.width = `${100 * (value ?? 0)}%`;
      return [
        el("span", {}, pattern.title),
        el("span", { className: "track", "aria-hidden": "true" }, fill),
        el("span", { className: "number" }, value === null || value === undefined ? "–" : value.toFixed(2)),
      ];
    });
    this.bars.replaceChildren(...cells);
    const votes = known ? window.expected?.votes ?? {} : {};
    const dot = (pattern) => Array.from({ length: Math.round(votes[pattern.key] ?? 0) }, () => el("i", { colour: patternColour(pattern) }));
    this.dots.replaceChildren(...this.patterns.flatMap(dot));
    this.expected.textContent = known ? window.expected?.text ?? "" : hidden ? "Hidden until you have voted." : "Not scored.";
  }

  showQuality({ window }) {
    const usable = window?.usable;
    const first = usable === null || usable === undefined ? "Not known." : `${Math.round(100 * usable)} % of the EEG is usable.`;
    const reasons = window?.reasons ?? [];
    this.reasons.replaceChildren(el("li", {}, first), ...reasons.map((reason) => el("li", { className: "warn" }, reason)));
  }

  /** Show similar windows {windows, note}; null: nobody has asked. */
  showSimilar(found) {
    const items = (found?.windows ?? []).map(({ source, id, distance, votes }) => {
      const words = this.patterns.filter(({ key }) => votes[key] >= 0.05).map(({ key, title }) => `${title} ${Math.round(100 * votes[key])} %`);
      return el("li", {},
        el("span", {}, source === "voted" ? `${id}, voted here` : id),
        el("span", { className: "soft", title: "Distance between the features" }, distance.toFixed(2)),
        this.split(votes),
        el("span", { className: "soft" }, words.join(", ")));
    });
    this.similar.replaceChildren(...items, el("li", { className: "note" }, found?.note ?? ""));
  }

  split(votes) {
    const parts = this.patterns.map((pattern) => {
      const part = el("i", { colour: patternColour(pattern) });
      part.style.width = `${100 * (votes[pattern.key] ?? 0)}%`;
      return part;
    });
    return el("span", { className: "split", "aria-hidden": "true" }, ...parts);
  }

  /** Say how the explanation stands: words, or an answer of the server; null takes it away. */
  explained(answer, centre) {
    this.note.textContent = typeof answer === "string" ? answer : answer?.note ?? "";
    this.pictures.hidden = !(state.asked.mel && answer?.mel);
    if (state.asked.mel && answer && typeof answer !== "string" && !answer.mel) this.note.textContent += " This model looks at no spectrogram.";
    if (!this.pictures.hidden) this.mels.show(answer.mel, centre);
  }
}
