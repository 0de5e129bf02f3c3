/** A disk that is kept in memory. */

import { Storage } from "virtarium-wasm";

/** Bytes that are read at a time. */
const PIECE = 1 << 20;

/** Each machine of a worker begins with what the one before it has left here, as after a power cycle. */
export class Memory {
  #storage = Storage.memory(false);

  /** For the next machine. */
  open() {
    return /** @type {Storage} */ (this.#storage.again());
  }

  /** The overlay as it is here. */
  async content() {
    /** @type {BlobPart[]} */
    const parts = [];
    for (let at = 0, bytes; (bytes = this.#storage.read(at, PIECE)).length > 0; at += bytes.length) {
      parts.push(/** @type {Uint8Array<ArrayBuffer>} */ (bytes));
    }
    return new Blob(parts, { type: "application/octet-stream" });
  }

  /** @param {Storage} storage takes the place of what is here */
  replace(storage) {
    this.#storage.free();
    this.#storage = storage;
  }

  delete() {
    this.replace(Storage.memory(false));
  }
}
