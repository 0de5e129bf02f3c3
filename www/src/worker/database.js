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
   */
  restore(storage) {
    return this.#change("the browser's database cannot be read", false, ({ blocks, disks, length }) => {
      this.#each(blocks, (number, bytes) => storage.restoreBlock(number, bytes));
      storage.restoreLength(length);
      disks.put({ length, session: this.#session }, this.#disk);
    });
  }

  /**
   * The file as the database has it.
   * @returns {Promise<Blob>}
   */
  async content() {
    /** @type {Map<number, Uint8Array<ArrayBuffer>>} */
    const found = new Map();
    let end = 0;
    await this.#change("the browser's database cannot be read", false, ({ blocks, length }) => {
      this.#each(blocks, (number, bytes) => found.set(number, bytes));
      end = length;
    });
    const size = Storage.blockSize();
    const hole = new Uint8Array(size);
    const parts = Array.from({ length: Math.ceil(end / size) }, (_, number) => found.get(number) ?? hole);
    return new Blob(parts).slice(0, end, "application/octet-stream");
  }

  /**
   * Writes a batch in one transaction, which is stable when this returns.
   * @param {{length: number, blocks: [number, Uint8Array | null][]}} batch
   */
  write({ length, blocks: changed }) {
    return this.#change("the browser's database refuses the disk's changes", true, ({ blocks, disks }) => {
      for (const [number, bytes] of changed) {
        if (bytes) {
          blocks.put(bytes, [this.#disk, number]);
        } else {
          blocks.delete([this.#disk, number]);
        }
      }
      disks.put({ length, session: this.#session }, this.#disk);
    });
  }

  /** Fails if somebody else has opened the disk since. */
  confirm() {
    return this.#change("the browser's database cannot be read", true, () => {});
  }

  /**
   * Puts another file in the disk's place, in one transaction.
   * @param {Uint8Array} bytes
   */
  replace(bytes) {
    return this.#change("the imported disk does not go into the browser's database", true, ({ blocks, disks }) => {
      blocks.delete(this.#all());
      for (const [number, block] of blocksOf(bytes)) {
        blocks.put(block, [this.#disk, number]);
      }
      disks.put({ length: bytes.length, session: this.#session }, this.#disk);
    });
  }

  /**
   * Deletes what the database has of the disk.
   * @param {boolean} anyway also if somebody else has opened it since
   */
  delete(anyway) {
    return this.#change("the disk cannot be deleted", !anyway, ({ blocks, disks }) => {
      blocks.delete(this.#all());
      disks.put({ length: 0, session: this.#session }, this.#disk);
    });
  }

  close() {
    this.#database.close();
  }

  /**
   * Does something in one transaction. With `mine`, only if nobody else has opened the disk since.
   * @param {string} refusal what is said if the browser does not do it
   * @param {boolean} mine
   * @param {(disk: {blocks: IDBObjectStore, disks: IDBObjectStore, length: number}) => void} work
   * @returns {Promise<void>}
   */
  #change(refusal, mine, work) {
    return new Promise((resolve, reject) => {
      const refuse = (/** @type {unknown} */ error) =>
        reject(failure(isNamed(error, "QuotaExceededError") ? "quota" : "storage", `${refusal}: ${error}`));
      try {
        const transaction = this.#database.transaction(["blocks", "disks"], "readwrite", { durability: "strict" });
        const disks = transaction.objectStore("disks");
        const found = disks.get(this.#disk);
        let taken = false;
        found.onsuccess = () => {
          taken = mine && found.result?.session !== this.#session;
          if (taken) {
            transaction.abort();
          } else {
            work({ blocks: transaction.objectStore("blocks"), disks, length: found.result?.length ?? 0 });
          }
        };
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => (taken ? reject(failure("locked", TAKEN)) : refuse(transaction.error));
      } catch (error) {
        // The browser has closed the database: the user deleted what it kept.
        refuse(error);
      }
    });
  }

  /**
   * @param {IDBObjectStore} blocks
   * @param {(number: number, bytes: Uint8Array<ArrayBuffer>) => void} use
   */
  #each(blocks, use) {
    const request = blocks.openCursor(this.#all());
    request.onsuccess = () => {
      const cursor = request.result;
      if (cursor) {
        use(/** @type {[string, number]} */ (cursor.key)[1], cursor.value);
        cursor.continue();
      }
    };
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
 * A storage in memory that holds a file.
 * @param {Uint8Array} bytes
 * @returns {WasmStorage}
 */
export function storageOf(bytes) {
  const storage = Storage.memory(false);
  for (const [number, block] of blocksOf(bytes)) {
    storage.restoreBlock(number, block);
  }
  storage.restoreLength(bytes.length);
  return storage;
}
