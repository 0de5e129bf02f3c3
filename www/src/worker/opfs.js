/** Disks as files of the origin's private file system. */

import { failure, isNamed } from "./failure.js";
import { TAKEN, session } from "./lock.js";
import { browser } from "./source/index.js";

const FOLDER = "virtarium";
/** How long another tab may take to let go of a file after it lost its lock. */
const PATIENCE_MS = 3000;
/** How an overlay file begins, and the bytes of its two headers (docs/disk-format.md). */
export const MAGIC = "VTROVL\r\n";
const HEADERS = 8192;
/** Bytes that are copied at a time. */
const PIECE = 1 << 20;
/**
 * The two files that a disk can be in: while one counts, what is imported is written into the
 * other. Which one counts is a byte, the second's or any other, in a third file.
 */
const SLOTS = ["overlay", "overlay2"];
const MARK = "current";
const SECOND = "2";
/** A cache with nothing in it: its name says that this origin has had a private file system. */
const USED = "virtarium-opfs";
/** What a browser says that has the functions and does not permit them here. */
const REFUSED = ["SecurityError", "NotAllowedError", "NotSupportedError"];
const NO_ROOM = "the browser has no room for the disk";

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
      return await asked("opened", async () => {
        const root = await navigator.storage.getDirectory();
        const all = await root.getDirectoryHandle(FOLDER, { create: true });
        const folder = await all.getDirectoryHandle(fileName(persist), { create: true });
        browser.caches()?.open(USED).catch(() => {});
        return new File(folder, fileName(disk));
      });
    } catch (error) {
      // A private window has the functions, and refuses. Any other error may pass, and a disk that
      // is kept elsewhere meanwhile would be an empty one, and gone when this one is back.
      const { cause } = /** @type {Error} */ (error);
      if (error instanceof TypeError || REFUSED.some((name) => isNamed(cause, name))) {
        return null;
      }
      // Those of Safari give no reason. But they never had a file system either.
      if (isNamed(cause, "UnknownError") && !(await browser.caches()?.has(USED).catch(() => false))) {
        return null;
      }
      throw error;
    }
  }

  /**
   * The exclusive handle. With `wait`, another tab may take a moment to close its own.
   * @param {boolean} wait
   * @returns {Promise<FileSystemSyncAccessHandle>}
   */
  handle(wait) {
    return this.#take({ create: true, wait });
  }

  /**
   * The handle again, for a machine that let go of it: only if nobody opened the file meanwhile.
   * @returns {Promise<FileSystemSyncAccessHandle>}
   */
  async handleAgain() {
    const owner = await this.#text("owner");
    if (owner === undefined) {
      throw failure("storage", "the disk's file is gone: what the browser kept for this page was deleted");
    }
    if (owner !== this.#session) {
      throw failure("locked", TAKEN);
    }
    return this.#take({ create: false, wait: true });
  }

  /**
   * The file as it is; no handle may be open.
   * @returns {Promise<Blob>}
   */
  async content() {
    const { counts } = await this.#slots();
    return asked("read", async () => (await this.#entry(counts, false)).getFile());
  }

  /**
   * Writes an overlay that is to take the file's place beside it, and gives its handle. Until it is
   * approved the file counts, and after a cut at any point one of the two does and is whole.
   * @param {Blob} overlay
   * @returns {Promise<FileSystemSyncAccessHandle>}
   */
  async stage(overlay) {
    const { counts, other } = await this.#slots();
    // Also where it counts only because the other one is missing. And approval then changes a byte
    // of a file that is there: browsers do not say when a new name is stable.
    await this.#mark(counts);
    const handle = await this.#open(other, { create: true, wait: false });
    try {
      await asked("written", () => copyWhole(handle, overlay));
    } catch (error) {
      handle.close();
      await this.settle().catch(() => {});
      throw error;
    }
    return handle;
  }

  /**
   * What was staged was checked, and its handle is closed: it counts from now on. Fails if another
   * tab has the file.
   */
  async approve() {
    const { counts, other } = await this.#slots();
    const handle = await this.#open(counts, { create: false, wait: false });
    try {
      if (!(await this.#has(other))) {
        throw failure("locked", TAKEN);
      }
      await this.#mark(other);
    } catch (error) {
      // Without being sure, for a mark that did not become stable may do so later: then `other`
      // is gone and this file counts anyway.
      await this.#mark(counts).catch(() => {});
      throw error;
    } finally {
      handle.close();
    }
  }

  /**
   * Deletes the file that does not count: what was staged and not approved, or what it replaced.
   * That one is kept until the next opening, because a cut could still bring its mark back.
   */
  async settle() {
    await this.#remove((await this.#slots()).other);
  }

  /** Deletes the disk. Its handle must be closed, in another tab within a moment. */
  async delete() {
    const { counts, other } = await this.#slots();
    // What does not count goes first: alone it would count.
    for (const end of [other, counts, MARK, "owner"]) {
      await this.#remove(end);
    }
  }

  /** @param {{create: boolean, wait: boolean}} how */
  async #take(how) {
    for (;;) {
      const { counts } = await this.#slots();
      const handle = await this.#open(counts, how);
      try {
        // Nobody approves an import while it is open, but before it was.
        if ((await this.#slots()).counts === counts) {
          await asked("signed", () => this.#sign());
          return handle;
        }
      } catch (error) {
        handle.close();
        throw error;
      }
      handle.close();
    }
  }

  /** The file that counts, and the other one. One that is not there does not count if the other is. */
  async #slots() {
    const [first, second] = SLOTS;
    const marked = (await this.#text(MARK)) === SECOND;
    const [counts, other] = marked ? [second, first] : [first, second];
    return !(await this.#has(counts)) && (await this.#has(other)) ? { counts: other, other: counts } : { counts, other };
  }

  /**
   * Makes it stable that this file counts.
   * @param {string} slot
   */
  async #mark(slot) {
    const handle = await this.#open(MARK, { create: true, wait: false });
    try {
      await asked("written", () => {
        writeAll(handle, new TextEncoder().encode(slot === SLOTS[1] ? SECOND : "1"), 0);
        handle.flush();
      });
    } finally {
      handle.close();
    }
  }

  /**
   * @param {string} end
   * @param {{create: boolean, wait: boolean}} how
   */
  async #open(end, { create, wait }) {
    return patiently(wait, () =>
      asked("opened", async () => (await this.#entry(end, create)).createSyncAccessHandle()),
    );
  }

  /**
   * @param {string} end
   * @param {boolean} create
   */
  #entry(end, create) {
    return this.#folder.getFileHandle(`${this.#name}.${end}`, { create });
  }

  /** @param {string} end */
  async #has(end) {
    return (await this.#file(end)) !== null;
  }

  /**
   * What a small file says; nothing if it is not there.
   * @param {string} end
   */
  async #text(end) {
    return asked("read", async () => (await this.#file(end))?.text());
  }

  /** @param {string} end */
  #file(end) {
    return asked("read", async () => {
      try {
        return await (await this.#entry(end, false)).getFile();
      } catch (error) {
        // Nothing else says that it is not there.
        if (isNamed(error, "NotFoundError")) {
          return null;
        }
        throw error;
      }
    });
  }

  /** @param {string} end */
  async #remove(end) {
    await patiently(true, () =>
      asked("deleted", async () => {
        try {
          await this.#folder.removeEntry(`${this.#name}.${end}`);
        } catch (error) {
          if (!isNamed(error, "NotFoundError")) {
            throw error;
          }
        }
      }),
    );
  }

  async #sign() {
    const handle = await (await this.#entry("owner", true)).createSyncAccessHandle();
    try {
      writeAll(handle, new TextEncoder().encode(this.#session), 0);
    } finally {
      handle.close();
    }
  }
}

/**
 * Asks the browser for something of a file; what it refuses gets a code.
 * @template T
 * @param {string} what cannot be done then
 * @param {() => T | Promise<T>} ask
 * @returns {Promise<T>}
 */
async function asked(what, ask) {
  try {
    return await ask();
  } catch (error) {
    if (isNamed(error, "QuotaExceededError")) {
      throw failure("quota", NO_ROOM);
    }
    if (isNamed(error, "NoModificationAllowedError")) {
      throw failure("locked", "the disk's file is open in another tab, or in another machine of this page");
    }
    if (error instanceof DOMException) {
      throw Object.assign(failure("storage", `the disk's file cannot be ${what}: ${error}`), { cause: error });
    }
    throw error;
  }
}

/**
 * Asks again for a while where another tab has the file open.
 * @template T
 * @param {boolean} wait
 * @param {() => Promise<T>} ask
 * @returns {Promise<T>}
 */
async function patiently(wait, ask) {
  const end = performance.now() + (wait ? PATIENCE_MS : 0);
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (/** @type {{code?: unknown}} */ (error).code !== "locked" || performance.now() >= end) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

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
    writeAll(handle, await bytesOf(from.slice(done, done + PIECE)), at + done);
  }
  handle.flush();
}

/**
 * @param {FileSystemSyncAccessHandle} handle
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {number} at
 */
function writeAll(handle, bytes, at) {
  if (handle.write(bytes, { at }) !== bytes.length) {
    throw failure("quota", NO_ROOM);
  }
}

/**
 * The bytes of a file that the user has chosen.
 * @param {Blob} file
 */
export async function bytesOf(file) {
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch (error) {
    throw failure("storage", `the file to be imported cannot be read: ${error}`);
  }
}

/**
 * A name that every file system takes: letters, digits and hyphens stay.
 * @param {string} name
 */
function fileName(name) {
  return name.replace(/[^a-zA-Z0-9-]/gu, (other) => `_${(other.codePointAt(0) ?? 0).toString(16)}_`);
}
