/** The pages of EEG that were fetched, and those that a reader is likely to turn to next. */

import { signal } from "./api.js";

const KEPT = 32;

export class Pages {
  constructor() {
    this.kept = new Map();
    this.ready = new Map();
  }

  /** The traces of a page, if they are here already. */
  at(id, request) {
    return this.ready.get(key(id, request)) ?? null;
  }

  /** Fetch a page, or return what was fetched before. */
  async fetch(id, request) {
    const name = key(id, request);
    if (!this.kept.has(name)) {
      this.kept.set(name, signal(id, request));
      if (this.kept.size > KEPT) this.forget(this.kept.keys().next().value);
    }
    try {
      const page = await this.kept.get(name);
      if (this.kept.has(name)) this.ready.set(name, page);
      return page;
    } catch (error) {
      this.forget(name);
      throw error;
    }
  }

  /** Fetch without looking at the answer; a failure shows when the page is turned to. */
  prefetch(id, request) {
    this.fetch(id, request).catch(() => {});
  }

  forget(name) {
    this.kept.delete(name);
    this.ready.delete(name);
  }
}

const key = (id, request) => `${id} ${Object.values(request).join(" ")}`;
