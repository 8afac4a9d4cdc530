/** A question to the model that takes a while: it says how far the answer is, and is withdrawn if nobody waits. */

import * as api from "./api.js";
import { fail } from "./messages.js";

const ASKING = "Asking the model …";
/** How often to ask how far the answer is. */
const LOOK_MS = 500;

export class Question {
  /**
   * @param {"why" | "similar"} name - as the server calls it
   * @param {(text: string) => void} tell - shows what is going on, or what went wrong
   */
  constructor(name, tell) {
    this.name = name;
    this.tell = tell;
    /** @type {AbortController | null} */
    this.asked = null;
  }

  /** Stop waiting for the answer; the server then stops working on it. */
  withdraw() {
    this.asked?.abort();
    this.asked = null;
  }

  /**
   * The answer; null if the question was withdrawn, or could not be answered.
   * @template T
   * @param {string} id - of the recording
   * @param {(signal: AbortSignal) => Promise<T>} ask
   * @returns {Promise<T | null>}
   */
  async ask(id, ask) {
    this.withdraw();
    const asked = new AbortController();
    this.asked = asked;
    this.tell(ASKING);
    const looking = setInterval(() => this.look(id, asked), LOOK_MS);
    try {
      const answer = await ask(asked.signal);
      return this.asked === asked ? answer : null;
    } catch (error) {
      if (asked.signal.aborted) return null;
      this.tell(error instanceof Error ? error.message : String(error));
      fail(error);
      return null;
    } finally {
      clearInterval(looking);
      if (this.asked === asked) this.asked = null;
    }
  }

  /**
   * @param {string} id
   * @param {AbortController} asked
   */
  async look(id, asked) {
    try {
      const { task, done, total } = await api.progress(id, this.name);
      if (this.asked === asked && task) this.tell(`${ASKING} ${task}, ${Math.round((100 * done) / total)} %`);
    } catch {
      // the question itself fails, and says why
    }
  }
}
