/** Streams of server-sent events, read by `fetch`, which can send the token that others lack. */

import { ApiError, streamOf } from "./api.js";

/** How long the server may be silent: twice the time between two signs of life. */
const SILENT_MS = 10_000;
/** How long to wait before the next attempt. */
const AGAIN_MS = 1000;
const LOST = "No connection to ictal. Is it still running?";

/**
 * Follow a stream for ever. After each interruption it begins with everything again.
 * @template T - the data of its events
 * @param {string} path
 * @param {object} reader
 * @param {(data: T, isFirst: boolean) => void} reader.onData
 * @param {() => void} reader.onAlive - the connection works
 * @param {(error: unknown) => void} reader.onLost
 * @param {boolean} [reader.restsHidden] - no connection while the page is hidden: a browser has only six to a server
 */
export async function follow(path, { onData, onAlive, onLost, restsHidden = false }) {
  for (;;) {
    if (restsHidden) await shown();
    const control = new AbortController();
    let isResting = false;
    const restIfHidden = () => {
      if (!document.hidden) return;
      isResting = true;
      control.abort();
    };
    if (restsHidden) document.addEventListener("visibilitychange", restIfHidden);
    try {
      let isFirst = true;
      for await (const data of eventsOf(path, control, onAlive)) {
        onData(JSON.parse(data), isFirst);
        isFirst = false;
      }
      throw new ApiError(0, "ictal has ended.");
    } catch (error) {
      if (isResting) continue;
      onLost(error);
    } finally {
      document.removeEventListener("visibilitychange", restIfHidden);
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

/** Wait until the page is shown. */
async function shown() {
  while (document.hidden) {
    await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
  }
}

/**
 * Give the data of each event; fail if the connection is lost, or silent for too long.
 * @param {string} path
 * @param {AbortController} control - ends it
 * @param {() => void} onAlive
 */
async function* eventsOf(path, control, onAlive) {
  const expire = () => control.abort(new ApiError(0, LOST));
  let timer = setTimeout(expire, SILENT_MS);
  try {
    let text = "";
    for await (const part of chunksOf(await streamOf(path, control.signal))) {
      clearTimeout(timer);
      timer = setTimeout(expire, SILENT_MS);
      onAlive();
      const events = (text + part).split("\n\n");
      text = events.pop() ?? "";
      for (const event of events) if (event.startsWith("data: ")) yield event.slice("data: ".length);
    }
  } finally {
    clearTimeout(timer);
    control.abort();
  }
}

/** @param {ReadableStream<Uint8Array>} stream */
async function* chunksOf(stream) {
  const [reader, decoder] = [stream.getReader(), new TextDecoder()];
  for (;;) {
    const { done, value } = await reader.read().catch((error) => {
      throw error instanceof ApiError ? error : new ApiError(0, LOST);
    });
    if (done) return;
    yield decoder.decode(value, { stream: true });
  }
}
