/** Wait until a reader rests before the server is asked. */

const waits = {};

/** Do something in a while, in place of what was to be done under this name. */
export function later(name, act, ms) {
  clearTimeout(waits[name]);
  waits[name] = setTimeout(act, ms);
}
