import { VmError, abortError, deadline } from "./errors.js";

/**
 * So much of what nobody has matched yet is kept; the oldest goes first. A bound, because the
 * guest decides how much it prints.
 */
const KEPT = 65536;

/**
 * @typedef {object} Match
 * @property {string} text     what matched
 * @property {string} before   what came before it, since the last match
 * @property {string[]} groups the pattern's groups, the whole first
 */

/**
 * Waits for patterns in what a console prints, as expect(1) does: what one match has consumed
 * the next does not see.
 */
export class Expecter {
  #decoder = new TextDecoder();
  #text = "";
  /** @type {{pattern: RegExp, settle: (match: Match) => void}[]} */
  #waiters = [];
  /** @type {Set<(error: VmError) => void>} */
  #failers = new Set();
  /** @type {VmError|undefined} */
  #ended;

  /** @param {Uint8Array} bytes */
  push(bytes) {
    this.#text += this.#decoder.decode(bytes, { stream: true });
    this.#look();
    if (this.#text.length > KEPT) this.#text = this.#text.slice(-KEPT);
  }

  /** What no match has consumed yet. */
  get text() {
    return this.#text;
  }

  /** Forgets what was printed so far. */
  clear() {
    this.#text = "";
  }

  /**
   * @param {RegExp|string} pattern
   * @param {{timeout?: number, signal?: AbortSignal}} [options]
   * @returns {Promise<Match>}
   */
  expect(pattern, { timeout, signal } = {}) {
    const regexp = typeof pattern === "string"
      ? new RegExp(pattern.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
      : new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ""));
    const limit = deadline(signal, timeout);
    return new Promise((resolve, reject) => {
      const waiter = {
        pattern: regexp,
        settle: (/** @type {Match} */ match) => {
          end();
          resolve(match);
        },
      };
      const fail = (/** @type {VmError} */ error) => {
        end();
        reject(error);
      };
      const onAbort = () => {
        const error = abortError(limit.signal);
        error.message = `${regexp} did not come: ${error.message}. The last that came: ${JSON.stringify(this.#text.slice(-200))}`;
        fail(error);
      };
      const end = () => {
        limit.done();
        limit.signal.removeEventListener("abort", onAbort);
        this.#failers.delete(fail);
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
      };
      if (limit.signal.aborted) return onAbort();
      limit.signal.addEventListener("abort", onAbort);
      this.#failers.add(fail);
      this.#waiters.push(waiter);
      this.#look();
      // What was printed is still there to be found.
      if (this.#ended) fail(this.#ended);
    });
  }

  /** @param {VmError} error */
  fail(error) {
    for (const fail of [...this.#failers]) fail(error);
  }

  /** Nothing more is printed: who waits is told, and who asks later. @param {VmError} error */
  end(error) {
    this.#ended = error;
    this.fail(error);
  }

  /** The first who waits is served first; each match may serve the next. */
  #look() {
    for (let waiter = this.#waiters[0]; waiter; waiter = this.#waiters[0]) {
      const found = waiter.pattern.exec(this.#text);
      if (!found) return;
      const before = this.#text.slice(0, found.index);
      this.#text = this.#text.slice(found.index + found[0].length);
      this.#waiters.shift();
      waiter.settle({ text: found[0], before, groups: found.map((group) => group ?? "") });
    }
  }
}
