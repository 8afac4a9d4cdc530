/** When the server is asked: after a reader has paused, and not again while an answer is awaited. */

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

/**
 * Make a function of work that is not begun again before it has ended; then once more if it was called meanwhile.
 * @param {() => Promise<void>} work
 */
export function oneAtATime(work) {
  let isBusy = false;
  let isWanted = false;
  return async () => {
    isWanted = true;
    if (isBusy) return;
    isBusy = true;
    try {
      while (isWanted) {
        isWanted = false;
        await work();
      }
    } finally {
      isBusy = false;
    }
  };
}
