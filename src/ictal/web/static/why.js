/** The panel on the right: what the model says of a window, how a panel would split, what speaks for it, and the vote. */

import { image, patternColour } from "./colours.js";
import { brush, el, layer, options } from "./dom.js";

const METHODS = [
  ["gradients", "Integrated gradients"],
  ["occlusion", "Occlusion"],
];
const CHAINS = { LL: "left lateral", LP: "left parasagittal", RP: "right parasagittal", RR: "right lateral" };
/** Decibels below the loudest that are still shown. */
const DEPTH_DB = 45;

export class Why {
  /** `act`: {vote(pattern), explain()}. */
  constructor(host, act) {
    this.act = act;
    this.patterns = [];
    this.key = "";
    this.mels = {};
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
    this.similar = el("ul", { className: "similar", id: "similar" });
    this.note = el("p", { className: "note", id: "why-note" });
    this.pictures = el("div", { id: "mels", hidden: true });
    host.append(
      el("section", { "aria-label": "Window" }, this.when, this.about),
      el("section", { "aria-label": "Vote" }, el("h2", {}, "Your vote"), this.votes, this.voting),
      el("section", { "aria-label": "Patterns" }, el("h2", {}, "The model expects of a panel"), this.bars, this.dots, this.expected),
      el("section", { "aria-label": "Quality" }, el("h2", {}, "Quality"), this.reasons),
      el("section", { "aria-label": "Explanation" }, el("h2", {}, "What speaks for"), this.controls(), this.pictures, this.note),
      el("section", { "aria-label": "Similar windows" }, el("h2", {}, "Similar windows"), this.similar),
    );
  }

  controls() {
    this.pattern = el("select", { id: "why-pattern", "aria-label": "Pattern to explain", on: { change: () => this.act.explain() } });
    this.method = el("select", { id: "why-method", "aria-label": "Method", on: { change: () => this.act.explain() } });
    options(this.method, METHODS, METHODS[0][0]);
    this.tint = this.toggle("tint", "Tint traces", "Shade the traces by what speaks for the pattern (t)");
    this.mel = this.toggle("mel", "Spectrogram", "What the spatial arm sees, with Grad-CAM (s)");
    return el("div", { className: "row" }, this.pattern, this.method, this.tint, this.mel);
  }

  /** Whether a reader wants to see an explanation. */
  get asked() {
    return pressed(this.tint) || pressed(this.mel);
  }

  toggle(id, text, title) {
    const button = el("button", { id, type: "button", title, "aria-pressed": "false" }, text);
    button.addEventListener("click", () => {
      press(button, !pressed(button));
      this.act.explain();
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
    this.showSimilar(view);
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

  showSimilar({ window, hidden }) {
    const found = hidden ? [] : window?.similar ?? [];
    const none = hidden ? "Hidden until you have voted." : window?.similar_note || "None are known yet.";
    const items = found.map(({ source, id, distance, votes }) => {
      const words = this.patterns.filter(({ key }) => votes[key] >= 0.05).map(({ key, title }) => `${title} ${Math.round(100 * votes[key])} %`);
      return el("li", {},
        el("span", {}, source === "voted" ? `${id}, voted here` : id),
        el("span", { className: "soft", title: "Distance between the features" }, distance.toFixed(2)),
        this.split(votes),
        el("span", { className: "soft" }, words.join(", ")));
    });
    const last = el("li", { className: "note" }, none);
    this.similar.replaceChildren(...items, last);
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
    this.pictures.hidden = !(pressed(this.mel) && answer?.mel);
    if (pressed(this.mel) && answer && typeof answer !== "string" && !answer.mel) this.note.textContent += " This model looks at no spectrogram.";
    if (!this.pictures.hidden) this.showMel(answer.mel, centre);
  }

  showMel(mel, centre) {
    const high = Object.values(mel.db).flat(2).reduce((most, value) => Math.max(most, value ?? -Infinity), -Infinity);
    for (const [chain, title] of Object.entries(CHAINS)) {
      this.mels[chain] ??= this.addMel(chain, title);
      this.mels[chain].model = {
        power: image(mel.db[chain], high - DEPTH_DB, high),
        heat: mel.gradcam?.[chain] ?? null,
        mel,
        centre,
      };
      drawMel(this.mels[chain]);
    }
  }

  addMel(chain, title) {
    const host = el("div", { className: "mel", role: "img", "aria-label": `Mel spectrogram of the ${title} chain with Grad-CAM` });
    this.pictures.append(el("p", { className: "soft" }, `${chain}, ${title}`), host);
    const picture = { host, model: null };
    picture.canvas = layer(host, () => drawMel(picture));
    return picture;
  }
}

function drawMel({ canvas, model }) {
  if (!model) return;
  const { context, width, height } = brush(canvas);
  context.drawImage(model.power, 0, 0, width, height);
  if (model.heat) drawHeat(context, model.heat, width, height);
  const { times_s, frequencies_hz } = model.mel;
  const span = times_s.at(-1) - times_s[0];
  context.fillStyle = "#ffffff";
  for (const edge of model.centre ?? []) context.fillRect(((edge - times_s[0]) / span) * width, 0, 1, height);
  context.font = "10px system-ui, sans-serif";
  context.textBaseline = "top";
  context.fillText(`${Math.round(frequencies_hz.at(-1))} Hz`, 4, 3);
}

/** Outline where the heat is above half and three quarters of its most: the power below stays legible. */
function drawHeat(context, heat, width, height) {
  const most = heat.flat().reduce((largest, value) => Math.max(largest, value), 0);
  if (most <= 0) return;
  const [w, h] = [width / heat[0].length, height / heat.length];
  context.fillStyle = "#7ff2ff";
  for (const [share, alpha] of [[0.5, 0.6], [0.75, 1]]) {
    context.globalAlpha = alpha;
    for (const [row, column] of border(heat, share * most)) context.fillRect(column * w, height - (row + 1) * h, Math.max(1, w), Math.max(1, h));
  }
  context.globalAlpha = 1;
}

/** The cells at or above a level that have a neighbour below it. */
function border(heat, level) {
  const above = (row, column) => (heat[row]?.[column] ?? level) >= level;
  const beside = [[0, 1], [0, -1], [1, 0], [-1, 0]];
  return heat.flatMap((values, row) =>
    values.flatMap((value, column) => (value >= level && beside.some(([down, right]) => !above(row + down, column + right)) ? [[row, column]] : [])));
}

export const pressed = (button) => button.getAttribute("aria-pressed") === "true";
export const press = (button, on) => button.setAttribute("aria-pressed", String(Boolean(on)));
