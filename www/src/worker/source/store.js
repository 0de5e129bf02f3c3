// What was fetched once, kept in the Cache API under what it is instead of where it was: another
// machine, or the same one from another server, finds it again. Who reads it verifies it.

/** @import { Host } from "./host.js" */

/** Of the storage that the origin may use, so much is left to disks. */
const SHARE = 0.5;
/** How many entries are written between two looks at what is left. */
const LOOK_EVERY = 32;

/** One cache. Nothing here throws: without a cache everything is fetched again. */
export class Store {
  /**
   * @param {string} name
   * @param {Host} host
   */
  constructor(name, host) {
    this.name = name;
    this.host = host;
    this.full = false;
    this.written = 0;
    /** @type {Promise<Cache | undefined> | undefined} */
    this.opened = undefined;
  }

  /** @returns {Promise<Cache | undefined>} */
  open() {
    this.opened ??= (async () => {
      try {
        return await this.host.caches()?.open(this.name);
      } catch {
        return undefined;
      }
    })();
    return this.opened;
  }

  /**
   * What is kept under this key, if it is no longer than `limit`.
   * @param {string} key
   * @param {number} limit
   * @returns {Promise<Uint8Array<ArrayBuffer> | undefined>}
   */
  async get(key, limit) {
    try {
      const kept = await (await this.open())?.match(address(key));
      const blob = await kept?.blob();
      if (!blob) return undefined;
      if (blob.size > limit) {
        await this.drop(key);
        return undefined;
      }
      return new Uint8Array(await blob.arrayBuffer());
    } catch {
      return undefined;
    }
  }

  /**
   * Keeps a copy, unless storage is getting short.
   * @param {string} key
   * @param {Uint8Array<ArrayBuffer>} bytes
   */
  async put(key, bytes) {
    if (this.full) return;
    try {
      const cache = await this.open();
      if (!cache) return;
      if (this.written % LOOK_EVERY === 0) {
        const { usage = 0, quota = Infinity } = await this.host.estimate();
        if (usage + bytes.length > quota * SHARE) {
          this.full = true;
          return;
        }
      }
      this.written += 1;
      const headers = { "content-type": "application/octet-stream" };
      await cache.put(address(key), new Response(bytes, { headers }));
    } catch {
      // Over quota, or storage was cleared under us. Disks need what is left.
      this.full = true;
    }
  }

  /** @param {string} key */
  async drop(key) {
    try {
      await (await this.open())?.delete(address(key));
    } catch {
      // Then it is found corrupt again, and fetched past it.
    }
  }

  /**
   * Gives all of it back, for a disk that has run out of storage, and keeps nothing more.
   * @returns {Promise<boolean>} Whether there was anything.
   */
  async clear() {
    this.full = true;
    try {
      const cache = await this.open();
      const keys = (await cache?.keys()) ?? [];
      // One by one: a cache that a tab has open keeps its storage when it is deleted as a whole.
      await Promise.all(keys.map((key) => cache?.delete(key)));
      return keys.length > 0;
    } catch {
      return false;
    }
  }
}

/**
 * The Cache API takes addresses only. No server is asked for this one (RFC 6761, 6.4).
 * @param {string} key
 */
function address(key) {
  return `https://virtarium.invalid/${key}`;
}
