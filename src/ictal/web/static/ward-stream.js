/** The stream of a ward's state: server-sent events, read by `fetch`, which can send the token that others lack. */

/** @import { WardState } from "./ward-answers.js" */

import { ApiError, streamOf } from "./api.js";

/** How long the server may be silent: twice the time between two signs of life. */
const SILENT_MS = 10_000;
/** How long to wait before the next attempt. */
const AGAIN_MS = 1000;
const LOST = "No connection to ictal. Is it still running?";

/**
 * Follow the stream for ever. After each interruption it begins with the whole state again.
 * @param {object} reader
 * @param {(state: WardState, isFirst: boolean) => void} reader.onState
 * @param {() => void} reader.onAlive - the connection works
 * @param {(error: unknown) => void} reader.onLost
 */
export async function followWard({ onState, onAlive, onLost }) {
  for (;;) {
    try {
      let isFirst = true;
      for await (const data of eventsOf("ward/stream", onAlive)) {
        onState(JSON.parse(data), isFirst);
        isFirst = false;
      }
      throw new ApiError(0, "ictal has ended.");
    } catch (error) {
      onLost(error);
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

/**
 * Give the data of each event; fail if the connection is lost, or silent for too long.
 * @param {string} path
 * @param {() => void} onAlive
 */
async function* eventsOf(path, onAlive) {
  const control = new AbortController();
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
