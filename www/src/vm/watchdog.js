import { HEARTBEAT_LIMIT } from "../protocol.js";

/**
 * Asks the worker whether it is there, and says so when it is not. Time in which the page itself
 * did not run (a laptop that slept, a hidden tab, a debugger) does not count against the worker.
 */
export class Watchdog {
  #ping;
  #onSilent;
  #every;
  #limit;
  #silent = 0;
  #waiting = false;
  #last = 0;
  /** @type {ReturnType<typeof setInterval>|undefined} */
  #timer;

  /**
   * @param {() => Promise<unknown>} ping
   * @param {(ms: number) => void} onSilent
   * @param {{every?: number, limit?: number}} [options]
   */
  constructor(ping, onSilent, { every = 5000, limit = HEARTBEAT_LIMIT } = {}) {
    this.#ping = ping;
    this.#onSilent = onSilent;
    this.#every = every;
    this.#limit = limit;
  }

  start() {
    if (this.#timer !== undefined) return;
    this.#silent = 0;
    this.#waiting = false;
    this.#last = Date.now();
    this.#timer = setInterval(() => this.#tick(), this.#every);
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick() {
    const now = Date.now();
    const slept = now - this.#last > this.#every * 2;
    this.#last = now;
    if (slept) this.#silent = 0;
    if (typeof document !== "undefined" && document.hidden) return;
    if (this.#waiting) {
      if (!slept) this.#silent += this.#every;
      if (this.#silent >= this.#limit) {
        this.stop();
        this.#onSilent(this.#silent);
      }
      return;
    }
    this.#silent = 0;
    this.#waiting = true;
    this.#ping().then(() => { this.#waiting = false; }, () => {});
  }
}
