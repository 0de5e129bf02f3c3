// One request after the other until one succeeds: delays, waiting for the network, giving up.

import { SourceError, aborted } from "./error.js";

/** @import { Host } from "./host.js" */

/**
 * What the user is told while a source waits.
 * @typedef {object} Trouble
 * @property {"offline" | "retry" | "over"} state No network; another attempt after `delay`; it
 *   goes on.
 * @property {string} url
 * @property {number} [attempt] The attempt that failed, from 1.
 * @property {number} [delay] Milliseconds.
 * @property {SourceError} [error]
 */

/**
 * @typedef {object} Patience
 * @property {number} attempts How often a request is made before its failure counts. Attempts
 *   that fail while the browser knows that it is offline are not counted.
 * @property {number} delay The mean of the first delay, in milliseconds; it doubles each time.
 * @property {number} longest No delay is longer, whatever the server asks for.
 */

/** About a minute and a half of a server that does not answer at all. @type {Patience} */
export const PATIENCE = { attempts: 8, delay: 500, longest: 30_000 };

/** How often the network is tried although the browser says that there is none. */
const OFFLINE_POLL = 15_000;

/**
 * Calls `once` until it succeeds, fails for good, or patience ends.
 * @template T
 * @param {string} url
 * @param {(attempt: number) => Promise<T>} once Throws a `SourceError`; `attempt` is from 0.
 * @param {object} options
 * @param {Host} options.host
 * @param {AbortSignal} [options.signal]
 * @param {boolean} [options.eager] A browser that knows that it is offline is not waited for:
 *   somebody looks on who can try again.
 * @param {Patience} [options.patience]
 * @param {(trouble: Trouble) => void} [options.onTrouble]
 * @returns {Promise<T>}
 */
export async function persist(url, once, { host, signal, eager = false, patience = PATIENCE, onTrouble }) {
  let failed = 0;
  let troubled = false;
  for (;;) {
    if (signal?.aborted) throw aborted(url);
    try {
      const value = await once(failed);
      if (troubled) onTrouble?.({ state: "over", url });
      return value;
    } catch (caught) {
      if (!(caught instanceof SourceError) || !caught.transient) throw caught;
      const error = caught;
      troubled = true;
      if (error.network && !host.online()) {
        if (eager) throw error;
        onTrouble?.({ state: "offline", url, error });
        await host.sleep(Math.min(OFFLINE_POLL, patience.longest), signal);
        continue;
      }
      failed += 1;
      if (failed >= patience.attempts) throw error;
      const delay = backoff(failed, patience, host.random(), error.after);
      onTrouble?.({ state: "retry", url, attempt: failed, delay, error });
      await host.sleep(delay, signal);
    }
  }
}

/**
 * Half of the delay is fixed and half is drawn, so that a class that loses its network does not
 * come back as one.
 * @param {number} failed
 * @param {Patience} patience
 * @param {number} random
 * @param {number} after What the server asks for.
 */
export function backoff(failed, patience, random, after) {
  const mean = Math.min(patience.delay * 2 ** (failed - 1), patience.longest);
  return Math.min(Math.max(mean * (0.5 + random), after), patience.longest);
}
