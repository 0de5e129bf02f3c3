// What the sources take from the browser, in one place, so that a test can stand in for it.

/**
 * @typedef {object} Host
 * @property {(url: string, init: RequestInit) => Promise<Response>} fetch
 * @property {() => CacheStorage | undefined} caches Undefined where there is none: insecure
 *   origins, sandboxed frames, some private windows.
 * @property {() => Promise<{usage?: number, quota?: number}>} estimate
 * @property {string} origin
 * @property {() => boolean} online False only if the browser is sure.
 * @property {(milliseconds: number, signal?: AbortSignal) => Promise<void>} sleep Ends early when
 *   the network is back, or with the signal.
 * @property {() => number} random In [0, 1).
 * @property {(url: string) => Promise<boolean>} blocked Whether the page's policy forbade this
 *   address a moment ago.
 */

/** How many violations are remembered: a page could provoke any number. */
const VIOLATIONS = 64;

/** @type {string[]} */
const violations = [];

globalThis.addEventListener?.("securitypolicyviolation", (event) => {
  const { blockedURI, disposition } = /** @type {SecurityPolicyViolationEvent} */ (event);
  // A policy that only reports has refused nothing.
  if (disposition !== "enforce") return;
  violations.push(blockedURI);
  violations.splice(0, violations.length - VIOLATIONS);
});

/** @type {Host} */
export const browser = {
  fetch: (url, init) => globalThis.fetch(url, init),
  caches() {
    try {
      return globalThis.caches;
    } catch {
      // An opaque origin may not even look.
      return undefined;
    }
  },
  estimate: async () => (await globalThis.navigator?.storage?.estimate?.()) ?? {},
  origin: globalThis.origin ?? "null",
  online: () => globalThis.navigator?.onLine !== false,
  sleep: (milliseconds, signal) =>
    new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        globalThis.removeEventListener?.("online", done);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, milliseconds);
      globalThis.addEventListener?.("online", done);
      signal?.addEventListener("abort", done);
      if (signal?.aborted) done();
    }),
  random: Math.random,
  async blocked(url) {
    // The event is a task of its own, after the one that rejects `fetch`.
    await new Promise((resolve) => setTimeout(resolve, 0));
    const bare = url.split("#")[0];
    const at = violations.findIndex((uri) => uri === bare || uri === new URL(bare).origin);
    if (at >= 0) violations.splice(at, 1);
    return at >= 0;
  },
};
