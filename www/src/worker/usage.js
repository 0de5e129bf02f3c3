/** What the machine does, in figures. */

import { memoryInUse } from "./parts.js";

/** @typedef {import("virtarium-wasm").Machine} Machine */
/** @typedef {import("./disks.js").PluggedDisk} PluggedDisk */
/** @typedef {import("../protocol.js").Stats} Stats */
/** @typedef {import("../protocol.js").ActivityEvent} ActivityEvent */

/** The least time between two events of activity. */
const ACTIVITY_MS = 100;
/** What `busy` looks back. */
const WINDOW_MS = 1000;

export class Usage {
  /** Slices of the last second: when they ended and what they took. @type {{end: number, took: number}[]} */
  #slices = [];
  #longest = 0;
  #told = { at: -Infinity, reads: 0, writes: 0, fetches: 0, bytesFetched: 0 };

  /**
   * A slice has ended now.
   * @param {number} took milliseconds
   */
  slice(took) {
    const end = performance.now();
    this.#longest = Math.max(this.#longest, took);
    this.#slices.push({ end, took });
    while (this.#slices[0] && this.#slices[0].end < end - WINDOW_MS) {
      this.#slices.shift();
    }
  }

  /**
   * @param {Machine} machine
   * @param {PluggedDisk[]} disks
   * @returns {Stats}
   */
  stats(machine, disks) {
    const since = performance.now() - WINDOW_MS;
    const busy = this.#slices.reduce((sum, { end, took }) => (end > since ? sum + took : sum), 0);
    return {
      instructions: machine.instructions(),
      guestTime: machine.guestTime(),
      busy: Math.min(busy / WINDOW_MS, 1),
      memory: memoryInUse(),
      longestSlice: this.#longest,
      disks: disks.map(({ name, source }, number) => ({
        name,
        .../** @type {any} */ (machine.diskStatistics(number)),
        fetched: source?.statistics.fetched ?? 0,
        bytesFetched: source?.statistics.bytes ?? 0,
      })),
    };
  }

  /**
   * What moved since the last one; null if nothing did, or it is too early.
   * @param {Machine} machine
   * @param {PluggedDisk[]} disks
   * @returns {ActivityEvent | null}
   */
  activity(machine, disks) {
    const now = performance.now();
    if (disks.length === 0 || now - this.#told.at < ACTIVITY_MS) {
      return null;
    }
    const sum = { at: now, reads: 0, writes: 0, fetches: 0, bytesFetched: 0 };
    for (const [number, { source }] of disks.entries()) {
      // Not its statistics: they ask the browser for the file's size, which is slow in Firefox.
      sum.reads += machine.diskReads(number);
      sum.writes += machine.diskWrites(number);
      sum.fetches += source?.statistics.fetched ?? 0;
      sum.bytesFetched += source?.statistics.bytes ?? 0;
    }
    const before = this.#told;
    this.#told = sum;
    const moved = {
      reads: sum.reads - before.reads,
      writes: sum.writes - before.writes,
      fetches: sum.fetches - before.fetches,
      bytesFetched: sum.bytesFetched - before.bytesFetched,
    };
    return Object.values(moved).some((count) => count !== 0) ? { event: "activity", ...moved } : null;
  }
}
