// One request: an answer in time, and of its body no more than was agreed.

import { SourceError, aborted } from "./error.js";

/** @import { Host } from "./host.js" */

/** Milliseconds until the head of an answer, and between two pieces of its body. */
export const LIMITS = { answer: 30_000, stall: 30_000 };

/**
 * @typedef {object} Limits
 * @property {number} answer
 * @property {number} stall
 */

/**
 * The body of an answer, piece by piece. Leaving the loop early gives the rest up.
 * @typedef {AsyncGenerator<Uint8Array<ArrayBuffer>, void, void>} Pieces
 */

/**
 * Makes a request and gives its answer to `use`. Whatever `use` leaves unread is given up.
 * @template T
 * @param {string} url
 * @param {RequestInit} init
 * @param {(response: Response, pieces: Pieces) => Promise<T>} use
 * @param {object} options
 * @param {Host} options.host
 * @param {AbortSignal} [options.signal]
 * @param {Limits} [options.limits]
 * @returns {Promise<T>}
 */
export async function exchange(url, init, use, { host, signal, limits = LIMITS }) {
  const stop = new AbortController();
  const abort = () => stop.abort();
  if (signal?.aborted) throw aborted(url);
  signal?.addEventListener("abort", abort);
  /** @type {string | undefined} */
  let late;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @param {number} milliseconds @param {string} what */
  const watch = (milliseconds, what) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      late = `${what} for ${milliseconds / 1000} s`;
      stop.abort();
    }, milliseconds);
  };
  let read = 0;
  /** @param {Response} response @returns {Pieces} */
  async function* pieces(response) {
    const reader = response.body?.getReader();
    if (!reader) return;
    try {
      for (;;) {
        watch(limits.stall, `nothing came after byte ${read}`);
        const { done, value } = await reader.read();
        clearTimeout(timer);
        if (done) return;
        read += value.length;
        yield value;
      }
    } finally {
      reader.cancel().catch(() => {});
    }
  }
  try {
    watch(limits.answer, "no answer came");
    const response = await host.fetch(url, { ...init, signal: stop.signal });
    clearTimeout(timer);
    return await use(response, pieces(response));
  } catch (error) {
    if (error instanceof SourceError) throw error;
    if (signal?.aborted) throw aborted(url);
    // What an allocation throws.
    if (error instanceof RangeError) throw new SourceError("memory", url, `no memory for it (${error.message})`, { cause: error });
    throw await failure(url, error, host, late, read);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
    // Ends the transfer of a body that nobody has read to its end.
    stop.abort();
  }
}

/**
 * What `fetch` and its body throw says little, on purpose (fetch standard, "network error").
 * @param {string} url
 * @param {unknown} cause
 * @param {Host} host
 * @param {string | undefined} late
 * @param {number} read
 */
async function failure(url, cause, host, late, read) {
  const more = { transient: true, network: true, cause };
  if (late) return new SourceError("offline", url, late, more);
  if (await host.blocked(url)) {
    const what = "the page's content security policy (connect-src) does not allow this address";
    return new SourceError("csp", url, what, { cause });
  }
  const said = cause instanceof Error ? cause.message : String(cause);
  const what =
    read > 0
      ? `the connection broke after ${read} bytes (${said})`
      : `not reached (${said}): no network, no such server, or one that does not let ` +
        `pages of ${host.origin} read its files (CORS)`;
  return new SourceError("offline", url, what, more);
}

/** Bytes that come in pieces, up to a bound. */
export class Sink {
  /**
   * @param {number} limit
   * @param {number} [expected] How many will probably come.
   */
  constructor(limit, expected = 65_536) {
    this.limit = limit;
    this.length = 0;
    /** @type {Uint8Array<ArrayBuffer>} */
    this.room = new Uint8Array(Math.min(limit, expected));
  }

  /**
   * Takes a piece; false if that is more than agreed.
   * @param {Uint8Array} piece
   */
  push(piece) {
    const length = this.length + piece.length;
    if (length > this.limit) return false;
    if (length > this.room.length) {
      const larger = new Uint8Array(Math.min(this.limit, Math.max(length, this.room.length * 2)));
      larger.set(this.room.subarray(0, this.length));
      this.room = larger;
    }
    this.room.set(piece, this.length);
    this.length = length;
    return true;
  }

  /** What has come. */
  bytes() {
    return this.length === this.room.length ? this.room : this.room.slice(0, this.length);
  }
}
