/** Waits until a reader pauses before the server is asked. */

/** @type {Record<string, ReturnType<typeof setTimeout>>} */
const timers = {};

/**
 * Act after a pause; a later call under the same name replaces this one.
 * @param {string} name
 * @param {() => void} act
 * @param {number} pause_ms
 */
export function debounce(name, act, pause_ms) {
  clearTimeout(timers[name]);
  timers[name] = setTimeout(act, pause_ms);
}
