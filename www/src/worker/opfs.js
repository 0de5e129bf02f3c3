/** Disks as files of the origin's private file system. */

import { failure, isNamed } from "./failure.js";
import { TAKEN, session } from "./lock.js";

const FOLDER = "virtarium";
/** How long another tab may take to let go of a file after it lost its lock. */
const PATIENCE_MS = 3000;
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
 * A name that every file system takes: letters, digits and hyphens stay.
 * @param {string} name
 */
export function fileName(name) {
  return name.replace(/[^a-zA-Z0-9-]/gu, (other) => `_${(other.codePointAt(0) ?? 0).toString(16)}_`);
}
