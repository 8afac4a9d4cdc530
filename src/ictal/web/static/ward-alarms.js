/** The alarms that nobody has acknowledged: those of one rule about one pattern of a bed are one entry. */

/** @import { Alarm, Bed } from "./ward-answers.js" */

import * as api from "./api.js";
import { el } from "./elements.js";
import { fail } from "./messages.js";

export class AlarmList {
  /**
   * @param {HTMLElement} host
   * @param {HTMLElement} list
   */
  constructor(host, list) {
    this.host = host;
    this.list = list;
    this.shown = "";
    this.count = 0;
  }

  /**
   * Show the alarms; those that sound come first.
   * @param {Bed[]} beds
   */
  show(beds) {
    const entries = beds.flatMap(entriesOf);
    entries.sort((a, b) => Number(b.alarm.sounds) - Number(a.alarm.sounds));
    this.count = entries.length;
    this.host.hidden = !this.count;
    const shown = JSON.stringify(entries.map(({ id, alarm, times }) => [id, alarm, times]));
    if (shown === this.shown) return; // a button that has the focus keeps it
    this.shown = shown;
    this.list.replaceChildren(...entries.map(entryElement));
  }
}

/** @typedef {{ id: string, name: string, alarm: Alarm, times: number }} Entry */

/**
 * @param {Bed} bed
 * @returns {Entry[]}
 */
function entriesOf({ id, name, alarms }) {
  /** @type {Map<string, Entry>} */
  const found = new Map();
  for (const alarm of alarms) {
    const about = JSON.stringify([alarm.rule, alarm.pattern]);
    found.set(about, { id, name, alarm, times: (found.get(about)?.times ?? 0) + 1 });
  }
  return [...found.values()];
}

/** @param {Entry} entry */
function entryElement({ id, alarm, times }) {
  const acknowledge = el("button", { type: "button", "aria-label": `Acknowledge: ${alarm.text}` }, "Acknowledge");
  acknowledge.addEventListener("click", () => {
    acknowledge.disabled = true; // the stream tells when it is done
    api.acknowledge(id, alarm.number).catch((error) => {
      acknowledge.disabled = false;
      fail(error);
    });
  });
  const repeated = times > 1 ? [el("span", { className: "times soft" }, `${times} times`)] : [];
  return el("li", { className: alarm.sounds ? "sounds" : "" },
    el("span", { className: "text" }, alarm.text), ...repeated, acknowledge);
}
