/** The consoles: output goes to the page as far as it keeps up, input to the guest as it takes it. */

import { OUTPUT_WINDOW, UART } from "../protocol.js";
import { failure } from "./failure.js";

/** @typedef {import("virtarium-wasm").Machine} Machine */
/** @typedef {import("../protocol.js").OutputEvent} OutputEvent */

/** Bytes typed and not yet taken by the guest. @typedef {{bytes: Uint8Array, done: number, resolve: () => void}} Typed */

export class Consoles {
  #machine;
  #post;
  /** @type {Map<number, {unacknowledged: number, typed: Typed[]}>} */
  #consoles = new Map();
  #flooded = false;

  /**
   * @param {Machine} machine
   * @param {number} count of virtio consoles
   * @param {(event: OutputEvent, transfer: Transferable[]) => void} post
   */
  constructor(machine, count, post) {
    this.#machine = machine;
    this.#post = post;
    for (let console = UART; console < count; console += 1) {
      this.#consoles.set(console, { unacknowledged: 0, typed: [] });
    }
  }

  /**
   * Takes what was printed and types what waits. Whether the page has more on its way than it
   * should.
   */
  exchange() {
    for (const [console, state] of this.#consoles) {
      const bytes = this.#machine.takeOutput(console);
      if (bytes) {
        state.unacknowledged += bytes.length;
        this.#flooded ||= state.unacknowledged >= OUTPUT_WINDOW;
        this.#post({ event: "output", console, bytes }, [bytes.buffer]);
      }
      this.#type(console, state.typed);
    }
    return this.#flooded;
  }

  /**
   * Types into a console; done when the guest's driver can read all of it.
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
    if (!this.#flooded) {
      return false;
    }
    this.#flooded = [...this.#consoles.values()].some(({ unacknowledged }) => unacknowledged >= OUTPUT_WINDOW / 2);
    return !this.#flooded;
  }

  /** The guest begins anew: nobody waits for what was typed. */
  forget() {
    for (const { typed } of this.#consoles.values()) {
      for (const { resolve } of typed.splice(0)) {
        resolve();
      }
    }
  }

  /**
   * @param {number} console
   * @param {Typed[]} typed
   */
  #type(console, typed) {
    for (let first; (first = typed[0]); typed.shift()) {
      first.done += this.#machine.input(console, first.bytes.subarray(first.done));
      if (first.done < first.bytes.length) {
        return;
      }
      first.resolve();
    }
  }
}
