/** Keeps fetched pages of EEG, and fetches those that a reader is likely to turn to next. */

/** @import { Traces } from "./answers.js" */
/** @import { TracesQuery } from "./api.js" */

import { traces } from "./api.js";

const MAX_PAGES = 32;

export class PageCache {
  constructor() {
    /** @type {Map<string, Promise<Traces>>} */
    this.requests = new Map();
    /** @type {Map<string, Traces>} */
    this.pages = new Map();
  }

  /**
   * The traces of a page, if they are already here.
   * @param {string} id
   * @param {TracesQuery} query
   */
  get(id, query) {
    return this.pages.get(key(id, query)) ?? null;
  }

  /**
   * Fetch a page, unless it was fetched before.
   * @param {string} id
   * @param {TracesQuery} query
   */
  async fetch(id, query) {
    const name = key(id, query);
    let request = this.requests.get(name);
    if (!request) {
      this.requests.set(name, (request = traces(id, query)));
      const [oldest] = this.requests.keys();
      if (this.requests.size > MAX_PAGES) this.forget(oldest);
    }
    try {
      const page = await request;
      if (this.requests.has(name)) this.pages.set(name, page);
      return page;
    } catch (error) {
      this.forget(name);
      throw error;
    }
  }

  /**
   * Fetch ahead of time; a failure shows when the page is turned to.
   * @param {string} id
   * @param {TracesQuery} query
   */
  prefetch(id, query) {
    this.fetch(id, query).catch(() => {});
  }

  /** @param {string} name */
  forget(name) {
    this.requests.delete(name);
    this.pages.delete(name);
  }
}

/**
 * @param {string} id
 * @param {TracesQuery} query
 */
const key = (id, query) => `${id} ${Object.values(query).join(" ")}`;
