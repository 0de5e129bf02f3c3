/** Time for the guest, from the host's clocks. */

/** A step of the wall clock beyond that of the monotonic one: the host slept. */
const SLEPT_MS = 1000;
/**
 * So far goes the guest's time at once beyond what it has slept for itself. Where a host slept, or a
 * page was frozen, hours are made up for in steps in which the guest's own watchdogs are heard: Linux
 * takes a processor for stuck that was not heard of for 20 s, and feeds that watchdog each 4 s.
 */
const STEP_MS = 4000;
/** More than four hours are made up for in larger steps, so that there are not too many: this part of what is left, */
const PART = 3600;
/** and this at most, which those watchdogs bear. */
const MOST_STEP_MS = 12_000;

/**
 * Milliseconds: the monotonic clock, which some hosts stop while they sleep, set right by the wall
 * clock.
 */
export class Clock {
  #host;
  #offset = 0;
  #difference;
  /** What the guest was told last; null: it has no time yet, and takes the host's as it is. @type {number | null} */
  #told = null;
  /** Before then nothing happens in the guest. */
  #due = -Infinity;
  #behind = 0;

  /** @param {{monotonic(): number, wall(): number}} [host] */
  constructor(host = { monotonic: () => performance.now(), wall: () => Date.now() }) {
    this.#host = host;
    this.#difference = host.wall() - host.monotonic();
  }

  /** Time for a slice that begins now. */
  now() {
    const host = this.#hostTime();
    if (this.#told === null) {
      this.#told = host;
    }
    const from = Math.max(this.#told, this.#due);
    const step = Math.min(Math.max(STEP_MS, (host - from) / PART), MOST_STEP_MS);
    this.#told = Math.max(this.#told, Math.min(host, from + step));
    this.#due = -Infinity;
    this.#behind = host - this.#told;
    return this.#told;
  }

  /** By how much the last slice's time was behind the host's. */
  get behind() {
    return this.#behind;
  }

  /**
   * The guest sleeps.
   * @param {number} ms of its time, from the last slice's on; Infinity: until something comes
   */
  sleeps(ms) {
    this.#due = (this.#told ?? 0) + ms;
  }

  /** The guest's time begins again: what is between is none of it. */
  restart() {
    this.#told = null;
  }

  #hostTime() {
    const monotonic = this.#host.monotonic();
    const difference = this.#host.wall() - monotonic;
    const jumped = difference - this.#difference;
    if (jumped > SLEPT_MS) {
      this.#offset += jumped;
    }
    // Small steps and steps back are corrections of the wall clock: the guest keeps its own.
    if (Math.abs(jumped) > SLEPT_MS) {
      this.#difference = difference;
    }
    return monotonic + this.#offset;
  }
}
