/** The row of a bed. Whether it is stale follows from the clock of this page, so it also does without a connection. */

/** @import { Pattern } from "./answers.js" */
/** @import { Bed } from "./ward-answers.js" */

import { recordingAddress, recordingTab } from "./api.js";
import { Clock, duration } from "./clock.js";
import { patternColour } from "./colours.js";
import { el } from "./elements.js";
import { HourPlot } from "./ward-hour.js";

const STALE_MS = 30_000;
/** The least share of a burden that is written. */
const MIN_SHARE = 0.005;
/** The share of a window from which on it counts as scored. */
const FULL_SHARE = 0.95;
/** The share of usable EEG below which the quality is marked. */
const LOW_QUALITY = 0.8;

export class BedRow {
  /** @param {Bed} bed */
  constructor(bed) {
    this.bed = bed;
    this.since_ms = 0;
    this.link = el("a", { target: recordingTab(bed.id) }, bed.name);
    this.patient = el("span", { className: "words soft patient" });
    this.state = el("span", { className: "badge" });
    this.age = el("span", { className: "soft" });
    const title = `Patterns of the last hour of ${bed.name}`;
    const hour = el("div", { className: "hour", role: "img", "aria-label": title });
    this.plot = new HourPlot(hour);
    this.burden = el("td", { className: "figures" });
    this.quality = el("td", { className: "figures" });
    this.event = el("td", { className: "figures" });
    this.acknowledged = el("span", { className: "words warn" });
    this.problem = el("p", { className: "bad problem" });
    const line = el("span", { className: "line" }, this.state, " ", this.age);
    const name = el("th", { scope: "row" },
      el("span", { className: "line" }, this.link), this.patient, line, this.acknowledged);
    this.row = el("tr", {}, name, el("td", {}, hour, this.problem), this.burden, this.quality, this.event);
    this.row.addEventListener("click", (event) => {
      if (event.target !== this.link) this.link.click();
    });
  }

  /**
   * Show what has changed.
   * @param {Bed} bed
   * @param {Pattern[]} patterns
   */
  show(bed, patterns) {
    this.bed = bed;
    this.since_ms = Date.now() - 1000 * bed.age_s;
    this.plot.add(bed.rows, bed.recorded_s);
    this.draw(patterns);
  }

  /** @param {Pattern[]} patterns */
  draw(patterns) {
    const { bed } = this;
    this.plot.show(patterns);
    Object.assign(this.patient, { textContent: bed.patient ?? "", title: bed.patient ?? "", hidden: !bed.patient });
    this.burden.replaceChildren(
      burdenLine(5, bed.scored_5min_s, bed.burden_5min, patterns),
      burdenLine(60, bed.scored_60min_s, bed.burden_60min, patterns, bed.status));
    this.quality.replaceChildren(qualityOf(bed));
    this.event.replaceChildren(...eventOf(bed, patterns));
    const isAlarmed = bed.alarms.some(({ sounds }) => sounds);
    this.row.classList.toggle("alarmed", isAlarmed);
    this.row.classList.toggle("acknowledged", !isAlarmed && bed.acknowledged.length > 0);
    const goesOn = bed.acknowledged.length ? `${bed.acknowledged.join(", ")} acknowledged, not over` : "";
    Object.assign(this.acknowledged, { textContent: goesOn, title: goesOn, hidden: !goesOn });
    Object.assign(this.problem, { textContent: bed.problem, title: bed.problem, hidden: !bed.problem });
    this.row.classList.toggle("no-data", bed.state === "waiting");
    if (bed.state !== "waiting") this.link.href = recordingAddress(bed.id);
    this.tick();
  }

  /**
   * Write how old the data are, and whether that is too old.
   * @param {Date | null} lostAt - since when nothing is known of the bed, because there is no connection
   */
  tick(lostAt = null) {
    const age_ms = Date.now() - this.since_ms;
    const { state, problem } = this.bed;
    const isStale = state === "stale" || (state === "live" && age_ms >= STALE_MS);
    const seen = isStale ? "stale" : state;
    const now = problem ? "problem" : seen;
    const shown = lostAt ? "unknown" : now;
    this.state.textContent = shown;
    this.state.className = `badge ${shown}`;
    const words = { waiting: "no data yet", ended: "", live: `${ago(age_ms)} old`, stale: `for ${ago(age_ms)}` };
    this.age.textContent = lostAt ? `was ${now}` : words[seen];
    this.age.title = this.age.textContent;
    this.age.className = lostAt || isStale ? "bad" : "soft";
    this.row.classList.toggle("is-stale", !lostAt && (isStale || problem !== "")); // without a connection all fades
    return shown;
  }
}

/** @param {number} age_ms */
const ago = (age_ms) => duration(Math.max(0, age_ms) / 1000);

/**
 * @param {number} window_min
 * @param {number} scored_s - of the window
 * @param {Record<string, number | null>} burden
 * @param {Pattern[]} patterns
 * @param {boolean} isStatus
 */
function burdenLine(window_min, scored_s, burden, patterns, isStatus = false) {
  const known = Object.values(burden).some((share) => share !== null);
  const last = `of the last ${window_min} min`;
  const scored = duration(scored_s < 60 ? scored_s : 60 * Math.floor(scored_s / 60));
  const isPart = known && scored_s < FULL_SHARE * 60 * window_min;
  const name = isPart ? `${scored} of ${window_min}` : `${window_min} min`;
  const shares = patterns.flatMap((pattern) => {
    const share = burden[pattern.key] ?? 0;
    if (share < MIN_SHARE) return [];
    const chip = el("i", { className: "chip", colour: patternColour(pattern), "aria-hidden": "true" });
    return [el("span", { className: "share", title: `${pattern.title}, share ${last}` }, chip, percent(share),
      el("span", { className: "unseen" }, ` ${pattern.title}`))];
  });
  const none = el("span", { className: "soft" }, known ? "none" : "–");
  const title = "Criterion of electrographic status epilepticus met";
  const status = isStatus ? [el("strong", { className: "bad", title }, "status")] : [];
  const label = el("span", { className: isPart ? "warn" : "soft", title: `${scored} ${last} were scored` }, name);
  return el("span", { className: "burden" }, label,
    el("span", { className: "shares" }, ...(shares.length ? shares : [none]), ...status));
}

/** @param {number} share */
const percent = (share) => `${Math.round(100 * share)} %`;

/** @param {Bed} bed */
function qualityOf({ usable, nobody_can_tell, problem }) {
  if (problem) return el("span", { className: "soft", title: problem }, "–");
  if (nobody_can_tell) return el("span", { className: "words warn", title: nobody_can_tell }, nobody_can_tell);
  if (usable === null) return el("span", { className: "soft" }, "–");
  return el("span", { className: usable < LOW_QUALITY ? "warn" : "" }, `${percent(usable)} usable`);
}

/**
 * @param {Bed} bed
 * @param {Pattern[]} patterns
 */
function eventOf({ event, problem, start, state }, patterns) {
  if (!event) return [el("span", { className: "soft" }, "none")];
  const pattern = patterns.find(({ key }) => key === event.pattern);
  const chip = pattern ? [el("i", { className: "chip", colour: patternColour(pattern), "aria-hidden": "true" })] : [];
  const open = state === "live" && !problem ? "goes on" : "end not known";
  const length = event.stop_s === null ? open : duration(event.stop_s - event.start_s);
  return [
    el("span", { className: "line" }, ...chip, pattern?.title ?? event.pattern),
    el("span", { className: "line soft" }, `${new Clock(start).text(event.start_s)}, ${length}`),
  ];
}
