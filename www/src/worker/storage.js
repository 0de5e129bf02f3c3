/**
 * Where a disk's changes live in this browser: the origin's private file system, a database, or
 * memory; and the lock that keeps other tabs out.
 */

import { Storage } from "virtarium-wasm";
import { failure } from "./failure.js";

/** @typedef {import("virtarium-wasm").Storage} WasmStorage */

/**
 * A place for one disk.
 * @typedef {object} Place
 * @property {"opfs" | "indexeddb" | "memory"} kind
 * @property {WasmStorage} storage for the machine, which takes it over
 * @property {Database | null} database takes the batches of a logged place
 * @property {File | null} file the file of a place that has one
 * @property {Lock | null} lock
 */

const DATABASE = "virtarium";
const FOLDER = "virtarium";
/** How long another tab may take to let go of a file after it lost its lock. */
const PATIENCE_MS = 3000;
/** What is said where a disk cannot be gone on with. */
export const TAKEN = "the disk was used in another tab meanwhile; restart the machine to go on with what is on it now";

/** A name for what this worker has open, which no other one has. */
function session() {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}

/**
 * Opens the place for a disk, or the next best that this browser and page allow.
 * @param {string | null} persist name of the machine that is kept, or null to keep nothing
 * @param {string} disk
 * @param {{steal: boolean, discard: boolean, onLost: () => void}} options `discard`: what was
 *   written is thrown away; `onLost`: another tab has taken the disk
 * @returns {Promise<Place>}
 */
export async function openPlace(persist, disk, { steal, discard, onLost }) {
  if (persist === null) {
    return { kind: "memory", storage: Storage.memory(false), database: null, file: null, lock: null };
  }
  const lock = await Lock.take(`virtarium:${persist}/${disk}`, steal, onLost);
  try {
    const file = await File.open(persist, disk);
    if (file) {
      if (discard) {
        await file.delete();
      }
      await file.settle();
      const storage = Storage.fromHandle(await file.handle(steal));
      return { kind: "opfs", storage, database: null, file, lock };
    }
    const database = await Database.open(`${persist}/${disk}`);
    if (database) {
      if (discard) {
        await database.delete();
      }
      const storage = Storage.memory(true);
      await database.restore(storage);
      return { kind: "indexeddb", storage, database, file: null, lock };
    }
  } catch (error) {
    lock?.release();
    throw error;
  }
  return { kind: "memory", storage: Storage.memory(false), database: null, file: null, lock };
}

/** A disk that only one tab may have. */
export class Lock {
  #name;
  /** @type {(() => void) | null} */
  #release = null;
  /** Settled when others can have the lock. */
  #gone = Promise.resolve();

  /** @param {string} name */
  constructor(name) {
    this.#name = name;
  }

  /**
   * Takes the lock. Null where the browser has none (a page that is not secure, blocked site
   * data): the private file system is missing there as well, and a database knows its owner.
   * @param {string} name
   * @param {boolean} steal
   * @param {() => void} onLost
   */
  static async take(name, steal, onLost) {
    if (!navigator.locks) {
      return null;
    }
    const lock = new Lock(name);
    try {
      await lock.#hold(steal, onLost);
    } catch (error) {
      // Site data that is blocked: there is nothing to lock either.
      if (isNamed(error, "SecurityError")) {
        return null;
      }
      throw error;
    }
    return lock;
  }

  /**
   * Takes the lock again after it was released; fails with `locked` if another tab has it.
   * @param {() => void} onLost
   */
  async retake(onLost) {
    // Of its own release a lock hears later.
    await this.#gone;
    await this.#hold(false, onLost);
  }

  release() {
    this.#release?.();
    this.#release = null;
  }

  /**
   * @param {boolean} steal
   * @param {() => void} onLost
   */
  #hold(steal, onLost) {
    return new Promise((resolve, reject) => {
      const options = steal ? { steal: true } : { ifAvailable: true };
      const held = navigator.locks.request(this.#name, options, (lock) => {
        if (!lock) {
          reject(failure("locked", `the disk ${this.#name.slice("virtarium:".length)} is in use in another tab or window`));
          return undefined;
        }
        resolve(undefined);
        return new Promise((release) => {
          this.#release = () => release(undefined);
        });
      });
      this.#gone = held.then(
        () => {},
        () => {},
      );
      held.catch((error) => {
        // Stolen: the promise of whoever held it is rejected.
        if (this.#release) {
          this.#release = null;
          onLost();
        }
        reject(error);
      });
    });
  }
}

/** How an overlay file begins, and the bytes of its two headers (docs/disk-format.md). */
export const MAGIC = "VTROVL\r\n";
const HEADERS = 8192;
/** Bytes that are copied at a time. */
const PIECE = 1 << 20;

/**
 * Fills a file so that it has a beginning only when all else is stable.
 * @param {FileSystemSyncAccessHandle} handle
 * @param {Blob} from
 */
async function copyWhole(handle, from) {
  handle.truncate(0);
  handle.flush();
  await copyInto(handle, from.slice(HEADERS), HEADERS);
  await copyInto(handle, from.slice(0, HEADERS), 0);
}

/**
 * @param {FileSystemSyncAccessHandle} handle
 * @param {Blob} from
 * @param {number} at
 */
async function copyInto(handle, from, at) {
  for (let done = 0; done < from.size; done += PIECE) {
    const bytes = new Uint8Array(await from.slice(done, done + PIECE).arrayBuffer());
    if (handle.write(bytes, { at: at + done }) !== bytes.length) {
      throw failure("quota", "the browser has no room for the disk");
    }
  }
  handle.flush();
}

/** An overlay file in the origin's private file system. */
export class File {
  #folder;
  #name;
  /** What this session wrote beside the file, to know later whether another one came between. */
  #session = session();

  /**
   * @param {FileSystemDirectoryHandle} folder
   * @param {string} name
   */
  constructor(folder, name) {
    this.#folder = folder;
    this.#name = name;
  }

  /**
   * The file of a disk; null where there is no private file system (no secure context, a private
   * window, an old browser).
   * @param {string} persist
   * @param {string} disk
   */
  static async open(persist, disk) {
    if (!navigator.storage?.getDirectory || typeof FileSystemFileHandle === "undefined" || !("createSyncAccessHandle" in FileSystemFileHandle.prototype)) {
      return null;
    }
    try {
      const root = await navigator.storage.getDirectory();
      const all = await root.getDirectoryHandle(FOLDER, { create: true });
      const folder = await all.getDirectoryHandle(fileName(persist), { create: true });
      return new File(folder, fileName(disk));
    } catch (error) {
      if (isNamed(error, "QuotaExceededError")) {
        throw failure("quota", "the browser has no room for the disk");
      }
      // A private window has the functions, and refuses.
      return null;
    }
  }

  /**
   * The exclusive handle. With `wait`, another tab may take a moment to close its own.
   * @param {boolean} wait
   * @returns {Promise<FileSystemSyncAccessHandle>}
   */
  async handle(wait) {
    const file = await this.#folder.getFileHandle(`${this.#name}.overlay`, { create: true });
    const end = performance.now() + (wait ? PATIENCE_MS : 0);
    for (;;) {
      try {
        const handle = await file.createSyncAccessHandle();
        try {
          await this.#sign();
        } catch (error) {
          handle.close();
          throw error;
        }
        return handle;
      } catch (error) {
        if (isNamed(error, "QuotaExceededError")) {
          throw failure("quota", "the browser has no room for the disk");
        }
        if (!isNamed(error, "NoModificationAllowedError")) {
          throw failure("storage", `the browser does not open the disk's file: ${error}`);
        }
        if (performance.now() >= end) {
          throw failure("locked", "the disk's file is open in another tab or window");
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  /**
   * The handle again, for a machine that let go of it: only if nobody opened the file meanwhile.
   * @returns {Promise<FileSystemSyncAccessHandle>}
   */
  async handleAgain() {
    const owner = await this.#folder.getFileHandle(`${this.#name}.owner`, { create: true });
    const session = await (await owner.getFile()).text();
    if (session !== this.#session) {
      throw failure("locked", TAKEN);
    }
    return this.handle(true);
  }

  /**
   * The file as it is; no handle may be open.
   * @returns {Promise<Blob>}
   */
  async content() {
    return (await this.#folder.getFileHandle(`${this.#name}.overlay`)).getFile();
  }

  /**
   * Writes an overlay that is to take the file's place beside it, and gives its handle.
   * @param {Blob} overlay
   * @returns {Promise<FileSystemSyncAccessHandle>}
   */
  async stage(overlay) {
    await this.#remove("checked");
    const file = await this.#folder.getFileHandle(`${this.#name}.import`, { create: true });
    const handle = await file.createSyncAccessHandle();
    try {
      await copyWhole(handle, overlay);
    } catch (error) {
      handle.close();
      await this.#remove("import");
      throw isNamed(error, "QuotaExceededError") ? failure("quota", "the browser has no room for the imported disk") : error;
    }
    return handle;
  }

  /** What was staged was checked: it is to take the file's place, whatever happens now. */
  async approve() {
    await this.#folder.getFileHandle(`${this.#name}.checked`, { create: true });
  }

  /** Forgets what was staged. Its handle must be closed. */
  async unstage() {
    await this.#remove("import");
  }

  /**
   * Brings what was staged into the file's place; no handle may be open. What was staged stays
   * until all of it is stable: cut short at any point, the next `settle` does it again.
   */
  async settle() {
    let staged;
    try {
      staged = await (await this.#folder.getFileHandle(`${this.#name}.import`)).getFile();
    } catch {
      return;
    }
    if (await this.#isApproved()) {
      const handle = await this.handle(true);
      try {
        await copyWhole(handle, staged);
      } finally {
        handle.close();
      }
    }
    // Else it was cut short before it was checked. The mark goes first: none is left for a later
    // import.
    await this.#remove("checked");
    await this.#remove("import");
  }

  /** Deletes the file. Its handle must be closed. */
  async delete() {
    for (const end of ["checked", "import", "overlay", "owner"]) {
      await this.#remove(end);
    }
  }

  async #isApproved() {
    try {
      await this.#folder.getFileHandle(`${this.#name}.checked`);
      return true;
    } catch {
      return false;
    }
  }

  /** @param {string} end */
  async #remove(end) {
    try {
      await this.#folder.removeEntry(`${this.#name}.${end}`);
    } catch (error) {
      if (!isNamed(error, "NotFoundError")) {
        throw failure("storage", `the disk's file cannot be deleted: ${error}`);
      }
    }
  }

  async #sign() {
    const file = await this.#folder.getFileHandle(`${this.#name}.owner`, { create: true });
    const handle = await file.createSyncAccessHandle();
    try {
      handle.truncate(0);
      handle.write(new TextEncoder().encode(this.#session), { at: 0 });
    } finally {
      handle.close();
    }
  }
}

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

/**
 * A name that every file system takes: letters, digits and hyphens stay.
 * @param {string} name
 */
export function fileName(name) {
  return name.replace(/[^a-zA-Z0-9-]/gu, (other) => `_${(other.codePointAt(0) ?? 0).toString(16)}_`);
}

/**
 * @param {unknown} error
 * @param {string} name
 */
function isNamed(error, name) {
  return error instanceof DOMException && error.name === name;
}
