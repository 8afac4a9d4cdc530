/** Writes times: as the time of day if the recording's start is known, else as time since the start. */

/** @param {number} number */
const two = (number) => String(number).padStart(2, "0");
const DAY_S = 86400;
const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, DAY_S];

export class Clock {
  /** @param {string | null} start - ISO time of the first sample; a time zone is ignored */
  constructor(start) {
    this.start = start ? new Date(`${start.replace(/(Z|[+-]\d\d:?\d\d)$/, "")}Z`) : null;
  }

  /**
   * Write a time: 23:59:30, or 1:02:03 since the start.
   * @param {number} time_s
   * @param {boolean} seconds - whether to write them
   */
  text(time_s, seconds = true) {
    const moment = this.start ? new Date(this.start.getTime() + 1000 * time_s) : null;
    const whole = Math.floor(time_s + 1e-6);
    const h = moment ? two(moment.getUTCHours()) : Math.floor(whole / 3600);
    const m = moment ? moment.getUTCMinutes() : Math.floor(whole / 60) % 60;
    const s = moment ? moment.getUTCSeconds() : whole % 60;
    return seconds ? `${h}:${two(m)}:${two(s)}` : `${h}:${two(m)}`;
  }

  /**
   * Write the date of a time, as '3 Jan'; '' if it is unknown.
   * @param {number} time_s
   */
  day(time_s) {
    if (!this.start) return "";
    const moment = new Date(this.start.getTime() + 1000 * time_s);
    return moment.toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
  }

  /**
   * Return where an axis has ticks, at round times of day, and the step between them.
   * @param {number} start_s
   * @param {number} stop_s
   * @param {number} most - ticks
   */
  ticks(start_s, stop_s, most) {
    const span_s = stop_s - start_s;
    const step = STEPS_S.find((each) => span_s / each <= most) ?? DAY_S * Math.ceil(span_s / DAY_S / most);
    const midnight = this.start ? (this.start.getTime() / 1000) % DAY_S : 0;
    const places = [];
    for (let at = Math.ceil((start_s + midnight) / step) * step - midnight; at <= stop_s; at += step) places.push(at);
    return { places, step };
  }
}

/**
 * Write a duration in its two largest units.
 * @param {number} seconds
 */
export function duration(seconds) {
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (h) return m ? `${h} h ${m} min` : `${h} h`;
  if (m) return s ? `${m} min ${s} s` : `${m} min`;
  return `${s} s`;
}
