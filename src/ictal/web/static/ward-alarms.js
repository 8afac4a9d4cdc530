/** The alarms that nobody has acknowledged: those of one rule about one pattern of a bed are one entry. */

/** @import { Alarm, Bed } from "./ward-answers.js" */

import * as api from "./api.js";
import { Clock } from "./clock.js";
import { el } from "./elements.js";
import { fail } from "./messages.js";

/** Before what an alarm is about, when it is looked at. */
const LEAD_S = 3;

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
    const shown = JSON.stringify(entries);
    if (shown === this.shown) return; // a button that has the focus keeps it
    this.shown = shown;
    this.list.replaceChildren(...entries.map(entryElement));
  }
}

/** @typedef {{ id: string, alarm: Alarm, facts: string, explanation: string }} Entry */

/**
 * @param {Bed} bed
 * @returns {Entry[]}
 */
function entriesOf(bed) {
  const clock = new Clock(bed.start);
  return bed.alarms.map((alarm) => {
    const { times, rule, raised_s, first_s } = alarm;
    const raised = raised_s === null ? [] : [`raised ${clock.text(raised_s)}`];
    const first = clock.text(first_s);
    const all = times > 1 ? [`${times} alarms since ${first}`] : [];
    const explanation = times > 1
      ? `The last of ${times} alarms of the rule ${rule} about this, since ${first}. Acknowledge covers all.`
      : `Alarm of the rule ${rule}`;
    return { id: bed.id, alarm, facts: [...raised, nowOf(bed, alarm, clock), ...all].join(" · "), explanation };
  });
}

/**
 * Whether what an alarm is about is still there.
 * @param {Bed} bed
 * @param {Alarm} alarm
 * @param {Clock} clock
 */
function nowOf({ problem, state }, { goes_on, ended_s, raised_s }, clock) {
  if (goes_on) return (state === "live" && !problem) || raised_s === null ? "goes on" : "went on when data stopped";
  return ended_s === null ? "over" : `ended ${clock.text(ended_s)}`;
}

/** @param {Entry} entry */
function entryElement({ id, alarm, facts, explanation }) {
  const acknowledge = el("button", { type: "button", "aria-label": `Acknowledge: ${alarm.text}` }, "Acknowledge");
  acknowledge.addEventListener("click", () => {
    acknowledge.disabled = true; // the stream tells when it is done
    api.acknowledge(id, alarm.number).catch((error) => {
      acknowledge.disabled = false;
      fail(error);
    });
  });
  const link = { href: api.recordingAddress(id, alarm.since_s - LEAD_S), target: api.recordingTab(id) };
  return el("li", { className: alarm.sounds ? "sounds" : "" },
    el("a", { className: "text", title: "Look at the EEG", ...link }, alarm.text),
    el("span", { className: "facts", title: explanation }, facts), acknowledge);
}
