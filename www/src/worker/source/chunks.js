// The chunks of a disk, as a manifest names them (docs/image-format.md). How many are fetched at
// the same time, and whether one is what it should be, is the caller's business.

import { persist } from "./attempts.js";
import { SourceError, badStatus } from "./error.js";
import { Sink, exchange } from "./exchange.js";
import { packedLimit } from "./gunzip.js";
import { browser } from "./host.js";
import { Store } from "./store.js";

/** @import { Patience, Trouble } from "./attempts.js" */
/** @import { Limits } from "./exchange.js" */
/** @import { Host } from "./host.js" */

/** The cache of chunks, by hash. */
export const CHUNKS = "virtarium-chunks";

/**
 * @typedef {object} ChunkOptions
 * @property {(trouble: Trouble) => void} [onTrouble]
 * @property {Patience} [patience]
 * @property {Limits} [limits]
 * @property {Host} [host]
 */

/** Where the chunks of one disk come from. */
export class ChunkSource {
  /** Chunks whose cached or first copy was corrupt. @type {Set<number>} */
  #again = new Set();

  /**
   * @param {string} manifestUrl Absolute; the paths of chunks are relative to it.
   * @param {object} manifest
   * @param {number} manifest.chunkSize
   * @param {ChunkOptions} [options]
   */
  constructor(manifestUrl, { chunkSize }, options = {}) {
    this.manifestUrl = manifestUrl;
    /** No chunk is longer on its way: it may be packed, and not well. */
    this.limit = packedLimit(chunkSize);
    this.options = options;
    this.host = options.host ?? browser;
    this.store = new Store(CHUNKS, this.host);
    /** Chunks and bytes so far. */
    this.statistics = { fetched: 0, cached: 0, bytes: 0 };
  }

  /**
   * The bytes of a chunk as they are on the server or in the cache, not verified.
   * @param {number} index
   * @param {string} path As the manifest gives it.
   * @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<Uint8Array<ArrayBuffer>>}
   * @throws {SourceError}
   */
  async fetch(index, path, { signal } = {}) {
    const url = this.#url(path);
    const key = keyOf(url);
    if (!this.#again.has(index)) {
      const kept = key && (await this.store.get(key, this.limit));
      if (kept) {
        this.statistics.cached += 1;
        return kept;
      }
    }
    const bytes = await this.#fetch(index, url, signal);
    this.statistics.fetched += 1;
    this.statistics.bytes += bytes.length;
    if (key) await this.store.put(key, bytes);
    return bytes;
  }

  /**
   * What `fetch` gave was not the chunk. Fetches it again, past every cache, the first time;
   * fails the second time, and forgets, so that a guest that tries again later has two more.
   * @param {number} index
   * @param {string} path
   * @param {string} why What was expected, and what was found.
   * @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<Uint8Array<ArrayBuffer>>}
   * @throws {SourceError}
   */
  async corrupt(index, path, why, options = {}) {
    const url = this.#url(path);
    const key = keyOf(url);
    if (key) await this.store.drop(key);
    if (this.#again.has(index)) {
      this.#again.delete(index);
      throw new SourceError("integrity", url, `chunk ${index} is corrupt on the server: ${why}`);
    }
    this.#again.add(index);
    try {
      return await this.fetch(index, path, options);
    } catch (error) {
      this.#again.delete(index);
      throw error;
    }
  }

  /**
   * What `fetch` or `corrupt` gave was the chunk.
   * @param {number} index
   */
  good(index) {
    this.#again.delete(index);
  }

  /**
   * @param {number} index
   * @param {string} url
   * @param {AbortSignal | undefined} signal
   */
  async #fetch(index, url, signal) {
    const options = { ...this.options, host: this.host, signal };
    for (;;) {
      const again = this.#again.has(index);
      const cache = again ? "reload" : "default";
      try {
        return await persist(url, () => this.#download(url, cache, options), options);
      } catch (error) {
        // Too long to be a chunk; perhaps only in a cache on the way.
        if (!(error instanceof SourceError) || error.code !== "integrity" || again) throw error;
        this.#again.add(index);
      }
    }
  }

  /** @param {string} path */
  #url(path) {
    try {
      return new URL(path, this.manifestUrl).href;
    } catch (cause) {
      const what = `a manifest here names the chunk ${JSON.stringify(path)}`;
      throw new SourceError("bad-image", this.manifestUrl, what, { cause });
    }
  }

  /**
   * @param {string} url
   * @param {RequestCache} cache
   * @param {{host: Host, signal?: AbortSignal, limits?: Limits}} options
   */
  #download(url, cache, options) {
    return exchange(
      url,
      { cache },
      async (response, pieces) => {
        if (response.status !== 200) throw badStatus(response, url);
        const sink = new Sink(this.limit);
        for await (const piece of pieces) {
          if (sink.push(piece)) continue;
          const what = `a chunk has at most ${this.limit} bytes on its way, and there are more`;
          throw new SourceError("integrity", url, what);
        }
        return sink.bytes();
      },
      options,
    );
  }
}

/**
 * Gives back what is kept of images, for a disk that has no room.
 * @param {unknown} source Where the chunks of that disk come from, of which no more are kept.
 */
export function giveBack(source) {
  return (source instanceof ChunkSource ? source.store : new Store(CHUNKS, browser)).clear();
}

/**
 * A chunk's hash and how it is packed; undefined if the address does not say.
 * @param {string} url
 */
function keyOf(url) {
  return /[0-9a-f]{64}(\.gz)?$/.exec(new URL(url).pathname)?.[0];
}
