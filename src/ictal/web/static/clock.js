/** Time for a reader: by the clock where the recording says when it began, else since its start. */

const two = (number) => String(number).padStart(2, "0");
const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

export class Clock {
  /** `start`: ISO time of the first sample, without a zone, or null. */
  constructor(start) {
    this.start = start ? new Date(`${start.replace(/(Z|[+-]\d\d:?\d\d)$/, "")}Z`) : null;
  }

  /** Write a time of the recording: 23:59:30, or 1:02:03 since the start. */
  text(time_s, seconds = true) {
    const moment = this.start ? new Date(this.start.getTime() + 1000 * time_s) : null;
    const whole = Math.floor(time_s + 1e-6);
    const [h, m, s] = moment
      ? [two(moment.getUTCHours()), moment.getUTCMinutes(), moment.getUTCSeconds()]
      : [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
    return seconds ? `${h}:${two(m)}:${two(s)}` : `${h}:${two(m)}`;
  }

  /** The day of a time, as '3 Jan'; '' where nobody knows. */
  day(time_s) {
    if (!this.start) return "";
    const moment = new Date(this.start.getTime() + 1000 * time_s);
    return moment.toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
  }

  /** Where an axis has ticks: at round times of the clock, at most `most` of them. */
  ticks(start_s, stop_s, most) {
    const step = STEPS_S.find((each) => (stop_s - start_s) / each <= most) ?? 86400 * Math.ceil((stop_s - start_s) / 86400 / most);
    const midnight = this.start ? (this.start.getTime() / 1000) % 86400 : 0;
    const places = [];
    for (let at = Math.ceil((start_s + midnight) / step) * step - midnight; at <= stop_s; at += step) places.push(at);
    return { places, step };
  }
}

/** Write a duration in its two largest units. */
export function duration(seconds) {
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (h) return m ? `${h} h ${m} min` : `${h} h`;
  if (m) return s ? `${m} min ${s} s` : `${m} min`;
  return `${s} s`;
}
