/** Disks as blocks of a database. */

import { Storage } from "virtarium-wasm";
import { failure, isNamed } from "./failure.js";
import { TAKEN, session } from "./lock.js";

/** @typedef {import("virtarium-wasm").Storage} WasmStorage */

const DATABASE = "virtarium";

/**
 * The blocks of a disk in IndexedDB. Where there are no locks two tabs can have it open: whoever
 * read it last owns it, and a batch of the other one is refused within its transaction.
 */
export class Database {
  #database;
  #disk;
  #session = session();

  /**
   * @param {IDBDatabase} database
   * @param {string} disk
   */
  constructor(database, disk) {
    this.#database = database;
    this.#disk = disk;
  }

  /**
   * Opens the database; null where the browser has none for this page.
   * @param {string} disk
   * @returns {Promise<Database | null>}
   */
  static open(disk) {
    return new Promise((resolve) => {
      let request;
      try {
        request = indexedDB.open(DATABASE, 1);
      } catch {
        resolve(null);
        return;
      }
      request.onupgradeneeded = () => {
        request.result.createObjectStore("blocks");
        request.result.createObjectStore("disks");
      };
      request.onsuccess = () => resolve(new Database(request.result, disk));
      request.onerror = () => resolve(null);
      request.onblocked = () => resolve(null);
    });
  }

  /**
   * Fills a storage with what the database has, and takes the disk over.
   * @param {WasmStorage} storage
   * @returns {Promise<void>}
   */
  restore(storage) {
    return new Promise((resolve, reject) => {
      const transaction = this.#database.transaction(["blocks", "disks"], "readwrite", { durability: "strict" });
      const blocks = transaction.objectStore("blocks").openCursor(this.#all());
      blocks.onsuccess = () => {
        const cursor = blocks.result;
        if (cursor) {
          storage.restoreBlock(/** @type {[string, number]} */ (cursor.key)[1], cursor.value);
          cursor.continue();
        }
      };
      const disks = transaction.objectStore("disks");
      const found = disks.get(this.#disk);
      found.onsuccess = () => {
        const length = found.result?.length ?? 0;
        storage.restoreLength(length);
        disks.put({ length, session: this.#session }, this.#disk);
      };
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(failure("storage", `the browser's database cannot be read: ${transaction.error}`));
    });
  }

  /**
   * Writes a batch in one transaction, which is stable when this returns.
   * @param {{length: number, blocks: [number, Uint8Array | null][]}} batch
   * @returns {Promise<void>}
   */
  write({ length, blocks }) {
    return new Promise((resolve, reject) => {
      const transaction = this.#database.transaction(["blocks", "disks"], "readwrite", { durability: "strict" });
      const store = transaction.objectStore("blocks");
      const disks = transaction.objectStore("disks");
      let taken = false;
      const owner = disks.get(this.#disk);
      owner.onsuccess = () => {
        if (owner.result?.session !== this.#session) {
          taken = true;
          transaction.abort();
          return;
        }
        for (const [number, bytes] of blocks) {
          if (bytes) {
            store.put(bytes, [this.#disk, number]);
          } else {
            store.delete([this.#disk, number]);
          }
        }
        disks.put({ length, session: this.#session }, this.#disk);
      };
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => {
        if (taken) {
          reject(failure("locked", TAKEN));
          return;
        }
        const full = isNamed(transaction.error, "QuotaExceededError");
        reject(failure(full ? "quota" : "storage", `the browser's database refuses the disk's changes: ${transaction.error}`));
      };
    });
  }

  /**
   * Whether nobody else has opened the disk since.
   * @returns {Promise<boolean>}
   */
  isMine() {
    return new Promise((resolve) => {
      const owner = this.#database.transaction("disks").objectStore("disks").get(this.#disk);
      owner.onsuccess = () => resolve(owner.result?.session === this.#session);
      owner.onerror = () => resolve(false);
    });
  }

  /**
   * Puts another file in the disk's place, in one transaction.
   * @param {Uint8Array} bytes
   * @returns {Promise<void>}
   */
  replace(bytes) {
    return new Promise((resolve, reject) => {
      const transaction = this.#database.transaction(["blocks", "disks"], "readwrite", { durability: "strict" });
      const blocks = transaction.objectStore("blocks");
      blocks.delete(this.#all());
      for (const [number, block] of blocksOf(bytes)) {
        blocks.put(block, [this.#disk, number]);
      }
      transaction.objectStore("disks").put({ length: bytes.length, session: this.#session }, this.#disk);
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => {
        const full = isNamed(transaction.error, "QuotaExceededError");
        reject(failure(full ? "quota" : "storage", `the imported disk does not go into the browser's database: ${transaction.error}`));
      };
    });
  }

  /**
   * Deletes what the database has of the disk.
   * @returns {Promise<void>}
   */
  delete() {
    return new Promise((resolve, reject) => {
      const transaction = this.#database.transaction(["blocks", "disks"], "readwrite", { durability: "strict" });
      transaction.objectStore("blocks").delete(this.#all());
      transaction.objectStore("disks").delete(this.#disk);
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(failure("storage", `the disk cannot be deleted: ${transaction.error}`));
    });
  }

  close() {
    this.#database.close();
  }

  #all() {
    return IDBKeyRange.bound([this.#disk, 0], [this.#disk, Infinity]);
  }
}

/**
 * A file as blocks of the size that a logged storage has.
 * @param {Uint8Array} bytes
 * @returns {Generator<[number, Uint8Array]>}
 */
function* blocksOf(bytes) {
  const size = Storage.blockSize();
  for (let number = 0; number * size < bytes.length; number += 1) {
    const block = new Uint8Array(size);
    block.set(bytes.subarray(number * size, (number + 1) * size));
    yield [number, block];
  }
}

/**
 * A logged storage that holds a file.
 * @param {Uint8Array} bytes
 * @returns {WasmStorage}
 */
export function storageOf(bytes) {
  const storage = Storage.memory(true);
  for (const [number, block] of blocksOf(bytes)) {
    storage.restoreBlock(number, block);
  }
  storage.restoreLength(bytes.length);
  return storage;
}
