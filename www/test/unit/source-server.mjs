// A server on loopback that answers as a test tells it to, however wrong that is, and what stands
// in for the browser around the sources.

import { createHash } from "node:crypto";
import { createServer } from "node:http";

/**
 * @typedef {import("node:http").IncomingMessage} Request
 * @typedef {import("node:http").ServerResponse} Response
 * @typedef {(request: Request, response: Response, count: number) => void} Answer
 */

/**
 * @param {import("node:test").TestContext} t Ends the server with the test.
 * @param {Answer} answer `count` is how many requests came before.
 */
export async function server(t, answer) {
  /** @type {{method: string, url: string, range?: string, ifRange?: string}[]} */
  const log = [];
  const http = createServer((request, response) => {
    const { method = "", url = "", headers } = request;
    log.push({ method, url, range: headers.range, ifRange: /** @type {any} */ (headers["if-range"]) });
    answer(request, response, log.length - 1);
  });
  await new Promise((resolve) => http.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (http.address());
  t.after(() => {
    http.closeAllConnections();
    http.close();
  });
  return { origin: `http://127.0.0.1:${port}`, log };
}

/** What SHA-256 gives, as wasm does. @param {Uint8Array} bytes */
export const hash = (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest());

/** @param {Uint8Array} bytes */
export const hex = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** Bytes that look random and are the same each time. @param {number} length @param {number} seed */
export function noise(length, seed = 1) {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let i = 0; i < length; i += 1) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[i] = state >>> 16;
  }
  return bytes;
}

/**
 * A browser that never waits long, with a cache in memory.
 * @param {object} [options]
 * @param {string} [options.origin]
 * @param {boolean} [options.caches]
 * @param {number} [options.quota]
 */
export function host({ origin = "http://page.example", caches = true, quota } = {}) {
  /** @type {Map<string, Map<string, Uint8Array>>} */
  const kept = new Map();
  const state = { online: true, blocked: false, slept: /** @type {number[]} */ ([]) };
  /** @type {((value?: unknown) => void) | undefined} */
  let wake;
  return {
    kept,
    state,
    /** The network is back. */
    wake() {
      state.online = true;
      wake?.();
    },
    /** @param {string} url @param {RequestInit} init */
    fetch: (url, init) => globalThis.fetch(url, init),
    caches: () => (caches ? /** @type {any} */ (storage(kept)) : undefined),
    estimate: async () => ({
      usage: [...kept.values()].flatMap((c) => [...c.values()]).reduce((n, b) => n + b.length, 0),
      quota,
    }),
    origin,
    online: () => state.online,
    /** @param {number} milliseconds */
    async sleep(milliseconds) {
      state.slept.push(milliseconds);
      if (!state.online) await new Promise((resolve) => (wake = resolve));
    },
    random: () => 0.5,
    blocked: async () => state.blocked,
  };
}

/** @param {Map<string, Map<string, Uint8Array>>} kept */
export function storage(kept) {
  return {
    /** @param {string} name */
    async open(name) {
      const entries = kept.get(name) ?? new Map();
      kept.set(name, entries);
      return {
        /** @param {string} key */
        match: async (key) => (entries.has(key) ? new Response(entries.get(key)) : undefined),
        /** @param {string} key @param {globalThis.Response} response */
        put: async (key, response) =>
          void entries.set(key, new Uint8Array(await response.arrayBuffer())),
        /** @param {string} key */
        delete: async (key) => entries.delete(key),
        keys: async () => [...entries.keys()],
      };
    },
    /** @param {string} name */
    has: async (name) => kept.has(name),
    /** @param {string} name */
    delete: async (name) => kept.delete(name),
  };
}

/** Soon enough for a test. */
export const quick = {
  patience: { attempts: 3, delay: 1, longest: 10 },
  limits: { answer: 300, stall: 300 },
};

/**
 * The error that a promise is rejected with.
 * @param {Promise<unknown>} promise
 * @returns {Promise<any>}
 */
export async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it was expected to fail");
}
