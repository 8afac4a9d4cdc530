/** The list of events on the left: when, which pattern, how long, how fast and where; a click goes there. */

/** @import { Details, Event } from "./answers.js" */

import { duration } from "./clock.js";
import { patternColour } from "./colours.js";
import { $, el, setOptions } from "./elements.js";
import { place, rate } from "./event-words.js";
import { preferences } from "./preferences.js";
import { openDetail, state, title } from "./state.js";

/** Keys and the row to which they go, of the current row and the last one. */
const STEPS = /** @type {Record<string, (row: number, last: number) => number>} */ ({
  ArrowDown: (row, last) => Math.min(row + 1, last),
  ArrowUp: (row) => Math.max(row - 1, 0),
  Home: () => 0,
  End: (_, last) => last,
});

class EventList {
  /** @type {(event: Event) => void} */
  onGo = () => {};
  /** @type {Event[]} - that are listed */
  events = [];
  /** @type {number | null} - of the event at the selected time */
  current = null;
  filter = el("select", { id: "event-filter", "aria-label": "Events of a pattern" });
  list = el("div", { id: "event-list", role: "listbox", tabIndex: 0, "aria-label": "Events" });
  note = el("p", { id: "event-note", className: "note" });

  /** @param {HTMLElement} host */
  constructor(host) {
    host.append(el("div", { className: "heading" }, el("h2", {}, "Events"), this.filter), this.note, this.list);
    this.filter.addEventListener("change", () => this.fill());
    this.list.addEventListener("click", ({ target }) => {
      const row = target instanceof Element ? target.closest("[role=option]") : null;
      if (row) this.go(this.rows.indexOf(row));
    });
    this.list.addEventListener("keydown", (event) => this.pressed(event));
  }

  get rows() {
    return [...this.list.children];
  }

  /** List the events of the open recording, if the reader wants to see the list. */
  show() {
    if (!preferences.events) return;
    const detail = openDetail();
    const { events, patterns } = detail;
    /** @type {[string, string][]} */
    const counted = patterns.flatMap(({ key }) => {
      const n = events.filter(({ pattern }) => pattern === key).length;
      return n ? [[key, `${title(key)} (${n})`]] : [];
    });
    const chosen = counted.some(([key]) => key === this.filter.value) ? this.filter.value : "";
    setOptions(this.filter, [["", `All (${events.length})`], ...counted], chosen);
    this.note.textContent = noteOn(detail);
    this.fill();
  }

  fill() {
    const { value } = this.filter;
    this.events = openDetail().events.filter(({ pattern }) => !value || pattern === value);
    this.list.replaceChildren(...this.events.map(option));
    this.list.hidden = !this.events.length;
    this.mark();
  }

  /**
   * Mark the event to which the reader went, else one at the selected time.
   * @param {number | null} number - of the event to which the reader went
   */
  mark(number = null) {
    const here = this.events.filter(({ start_s, stop_s }) => start_s <= state.time_s && state.time_s < stop_s);
    const last = this.current;
    const kept = here.find((event) => event.number === last) ?? here[0];
    this.current = number ?? kept?.number ?? null;
    const row = this.rows[this.events.findIndex((event) => event.number === this.current)];
    this.list.querySelector("[aria-selected=true]")?.setAttribute("aria-selected", "false");
    row?.setAttribute("aria-selected", "true");
    this.list.setAttribute("aria-activedescendant", row?.id ?? "");
    // Otherwise the list stays where the reader has scrolled it, also when it is filled again.
    if (this.current !== last) row?.scrollIntoView({ block: "nearest" });
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    const step = STEPS[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    event.preventDefault();
    event.stopPropagation(); // elsewhere on the page these keys turn pages
    const row = this.events.findIndex(({ number }) => number === this.current);
    this.go(step(row < 0 ? this.lastBefore() : row, this.events.length - 1));
  }

  /** The row of the last event before the selected time, or -1. */
  lastBefore() {
    return this.events.findLastIndex(({ start_s }) => start_s <= state.time_s);
  }

  /** @param {number} row */
  go(row) {
    if (this.events[row]) this.onGo(this.events[row]);
  }
}

export const eventList = new EventList($("events"));

/** @param {Details} detail */
function noteOn({ withheld, events, state: scoring }) {
  if (withheld) return "Hidden while you vote without seeing the predictions.";
  if (scoring !== "scored") return "Frequency and location follow when scoring is complete.";
  return events.length ? "" : "There are no events.";
}

/** @param {Event} event */
function option(event) {
  const { number, pattern, start_s, stop_s } = event;
  const shown = openDetail().patterns.find(({ key }) => key === pattern);
  const chip = el("i", { className: "chip", colour: shown ? patternColour(shown) : "", "aria-hidden": "true" });
  return el("div", { id: `event-${number}`, role: "option", "aria-selected": false },
    el("span", {}, state.clock.text(start_s)),
    el("span", {}, chip, title(pattern)),
    el("span", { className: "number" }, duration(stop_s - start_s)),
    el("span", { className: "number" }, rate(event)),
    el("span", { className: "place soft", title: place(event) }, place(event)));
}
