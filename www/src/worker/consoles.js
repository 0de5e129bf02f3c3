/** The consoles: output goes to the page as far as it keeps up, input to the guest as it takes it. */

import { OUTPUT_WINDOW, UART } from "../protocol.js";
import { failure } from "./failure.js";

/** @typedef {import("virtarium-wasm").Machine} Machine */
/** @typedef {import("../protocol.js").OutputEvent} OutputEvent */

/** Bytes typed and not yet taken by the guest. @typedef {{bytes: Uint8Array, done: number, resolve: () => void}} Typed */

export class Consoles {
  #machine;
  #post;
  /**
   * `backlog`: printed and not sent yet. A slice prints little more than the window, but a single
   * notification of a virtio console may bring many megabytes.
   * @type {Map<number, {unacknowledged: number, backlog: Uint8Array<ArrayBuffer>[], typed: Typed[]}>}
   */
  #consoles = new Map();
  #flooded = false;
  /** Whether the machine was started: what is typed before is kept for its first instruction. */
  #open = false;

  /**
   * @param {Machine} machine
   * @param {number} count of virtio consoles
   * @param {(event: OutputEvent, transfer: Transferable[]) => void} post
   */
  constructor(machine, count, post) {
    this.#machine = machine;
    this.#post = post;
    for (let console = UART; console < count; console += 1) {
      this.#consoles.set(console, { unacknowledged: 0, backlog: [], typed: [] });
    }
  }

  /**
   * Takes what was printed and types what waits. Whether the page has more on its way than it
   * should.
   */
  exchange() {
    for (const [console, state] of this.#consoles) {
      // A copy out of the module's memory, which is not shared.
      const bytes = /** @type {Uint8Array<ArrayBuffer>|undefined} */ (this.#machine.takeOutput(console));
      if (bytes) {
        state.backlog.push(bytes);
        this.#send(console, OUTPUT_WINDOW);
        this.#flooded ||= state.unacknowledged >= OUTPUT_WINDOW;
      }
      this.#type(console, state.typed);
    }
    return this.#flooded;
  }

  /** The machine begins: what was typed before is there at its first instruction. */
  open() {
    this.#open = true;
    for (const [console, { typed }] of this.#consoles) {
      this.#type(console, typed);
    }
  }

  /**
   * Types into a console; done when the console has taken all of it, and at once in a machine that
   * was not started.
   * @param {number} console
   * @param {Uint8Array} bytes
   * @returns {Promise<void>}
   */
  write(console, bytes) {
    const state = this.#consoles.get(console);
    if (!state) {
      return Promise.reject(failure("not-found", `the machine has no console ${console}`));
    }
    return new Promise((resolve) => {
      state.typed.push({ bytes, done: 0, resolve });
      this.#type(console, state.typed);
      if (!this.#open) {
        resolve();
      }
    });
  }

  /**
   * @param {number} console
   * @param {number} cols
   * @param {number} rows
   */
  resize(console, cols, rows) {
    this.#machine.resize(console, cols, rows);
  }

  /**
   * The page has consumed output. Whether the guest waited for that and can go on.
   * @param {number} console
   * @param {number} bytes
   */
  ack(console, bytes) {
    const state = this.#consoles.get(console);
    if (!state) {
      return false;
    }
    state.unacknowledged = Math.max(0, state.unacknowledged - bytes);
    this.#send(console, OUTPUT_WINDOW);
    if (!this.#flooded) {
      return false;
    }
    this.#flooded = [...this.#consoles.values()].some(({ unacknowledged }) => unacknowledged >= OUTPUT_WINDOW / 2);
    return !this.#flooded;
  }

  /** The machine prints nothing more: all of what it printed goes to the page. */
  finish() {
    for (const console of this.#consoles.keys()) {
      this.#send(console, Infinity);
    }
  }

  /** The guest begins anew: nobody waits for what was typed, unless that was before the first time. */
  forget() {
    if (!this.#open) {
      return;
    }
    for (const { typed } of this.#consoles.values()) {
      for (const { resolve } of typed.splice(0)) {
        resolve();
      }
    }
  }

  /**
   * Sends of the backlog what fits into the window.
   * @param {number} console
   * @param {number} window
   */
  #send(console, window) {
    const state = this.#consoles.get(console);
    for (let first; state && (first = state.backlog[0]) && state.unacknowledged < window; ) {
      const room = window - state.unacknowledged;
      const bytes = first.length <= room ? first : first.slice(0, room);
      if (bytes === first) {
        state.backlog.shift();
      } else {
        state.backlog[0] = first.subarray(room);
      }
      state.unacknowledged += bytes.length;
      this.#post({ event: "output", console, bytes }, [bytes.buffer]);
    }
  }

  /**
   * @param {number} console
   * @param {Typed[]} typed
   */
  #type(console, typed) {
    if (!this.#open) {
      return;
    }
    for (let first; (first = typed[0]); typed.shift()) {
      first.done += this.#machine.input(console, first.bytes.subarray(first.done));
      if (first.done < first.bytes.length) {
        return;
      }
      first.resolve();
    }
  }
}
