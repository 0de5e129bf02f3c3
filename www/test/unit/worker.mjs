// The worker in Node, with the module as it is built, over a private file system, locks and a
// database that fail where a test says so.

import { readFileSync } from "node:fs";
import { register } from "node:module";
import { fileURLToPath } from "node:url";

import { server, storage as cacheStorage } from "./source-server.mjs";

const BINDINGS = new URL("../../wasm/virtarium_wasm.js", import.meta.url);
export const MODULE = readFileSync(fileURLToPath(new URL("../../wasm/virtarium_wasm_bg.wasm", import.meta.url)));

register(
  `data:text/javascript,${encodeURIComponent(
    `export const resolve = (name, context, next) =>
      name === "virtarium-wasm" ? { url: ${JSON.stringify(BINDINGS.href)}, shortCircuit: true } : next(name, context);`,
  )}`,
);

export const { Session } = await import("../../src/worker/session.js");
export const { File, MAGIC } = await import("../../src/worker/opfs.js");
export const { Database } = await import("../../src/worker/database.js");

/** @param {string} name @param {string} [message] */
export const refusal = (name, message = `said the test`) => new DOMException(message, name);

/** @typedef {{bytes: Uint8Array, stable: Uint8Array, open: boolean}} Content */

/**
 * A private file system with one folder, as the browser has it: names are kept in the order they
 * are made and unmade in, bytes when they were flushed.
 */
export class Opfs {
  /** @type {Map<string, Content>} */
  files = new Map();
  /** What happened to names. @type {{name: string, file: Content | null}[]} */
  names = [];
  quota = Infinity;
  /** What the origin keeps elsewhere. */
  others = () => 0;
  /** Calls until `fault` is met; each counts. */
  left = Infinity;
  /** @type {(what: string) => void} */
  fault = () => {};
  /** What is called, and may throw. @type {(what: string, name: string) => void} */
  before = () => {};

  /** @param {string} what @param {string} [name] */
  step(what, name = "") {
    this.before(what, name);
    this.left -= 1;
    if (this.left < 0) this.fault(what);
  }

  get used() {
    return [...this.files.values()].reduce((sum, { bytes }) => sum + bytes.length, this.others());
  }

  /**
   * The power fails: nothing is open, and what was not flushed is gone, and so are changes of
   * names but the first ones.
   * @param {number} [names]
   */
  cut(names = Infinity) {
    this.names = this.names.slice(0, names);
    this.files.clear();
    for (const { name, file } of this.names) {
      if (file) this.files.set(name, file);
      else this.files.delete(name);
    }
    for (const file of this.files.values()) {
      file.open = false;
      file.bytes = file.stable.slice();
    }
    this.left = Infinity;
  }

  /** The worker ends: nothing is open. */
  kill() {
    for (const file of this.files.values()) file.open = false;
    this.left = Infinity;
  }

  /** @returns {any} */
  get folder() {
    return {
      getDirectoryHandle: async () => this.folder,
      getFileHandle: async (/** @type {string} */ name, { create = false } = {}) => {
        this.step("getFileHandle", name);
        if (!this.files.has(name)) {
          if (!create) throw refusal("NotFoundError", name);
          const file = { bytes: new Uint8Array(0), stable: new Uint8Array(0), open: false };
          this.files.set(name, file);
          this.names.push({ name, file });
        }
        return this.#file(name, /** @type {Content} */ (this.files.get(name)));
      },
      removeEntry: async (/** @type {string} */ name) => {
        this.step("removeEntry", name);
        if (this.files.get(name)?.open) throw refusal("NoModificationAllowedError", name);
        if (!this.files.delete(name)) throw refusal("NotFoundError", name);
        this.names.push({ name, file: null });
      },
    };
  }

  /** @param {string} name @param {Content} file */
  #file(name, file) {
    return {
      getFile: async () => {
        this.step("getFile", name);
        return new Blob([/** @type {any} */ (file.bytes)]);
      },
      createSyncAccessHandle: async () => {
        this.step("createSyncAccessHandle", name);
        if (file.open) throw refusal("NoModificationAllowedError", name);
        file.open = true;
        return this.#handle(name, file);
      },
    };
  }

  /** @param {string} name @param {Content} file */
  #handle(name, file) {
    const resize = (/** @type {number} */ length) => {
      if (this.used + length - file.bytes.length > this.quota) throw refusal("QuotaExceededError");
      const bytes = new Uint8Array(length);
      bytes.set(file.bytes.subarray(0, length));
      file.bytes = bytes;
    };
    return {
      getSize: () => file.bytes.length,
      truncate: (/** @type {number} */ length) => {
        this.step("truncate", name);
        resize(length);
      },
      read: (/** @type {Uint8Array} */ to, { at = 0 } = {}) => {
        const from = file.bytes.subarray(at, at + to.length);
        to.set(from);
        return from.length;
      },
      write: (/** @type {Uint8Array} */ from, { at = 0 } = {}) => {
        this.step("write", name);
        if (at + from.length > file.bytes.length) resize(at + from.length);
        file.bytes.set(from, at);
        return from.length;
      },
      flush: () => {
        this.step("flush", name);
        file.stable = file.bytes.slice();
      },
      close: () => {
        file.open = false;
        this.before("close", name);
      },
    };
  }
}

/** Locks that can be stolen. */
class Locks {
  /** @type {Map<string, (error: Error) => void>} */
  #held = new Map();

  /** @param {string} name @param {{steal?: boolean}} options @param {(lock: object | null) => any} use */
  async request(name, { steal = false }, use) {
    const owner = this.#held.get(name);
    if (owner && !steal) return use(null);
    owner?.(refusal("AbortError", "stolen"));
    /** @type {(error: Error) => void} */
    let lose = () => {};
    const lost = new Promise((_, reject) => (lose = reject));
    this.#held.set(name, lose);
    try {
      return await Promise.race([use({ name }), lost]);
    } finally {
      if (this.#held.get(name) === lose) this.#held.delete(name);
    }
  }
}

/**
 * A browser for the worker.
 * @param {import("node:test").TestContext} t
 * @param {{opfs?: Opfs, getDirectory?: () => Promise<any>}} [options] Without `opfs` there is no
 *   private file system.
 * @returns What its caches keep: for each the addresses and bytes.
 */
export function browse(t, { opfs, getDirectory = async () => opfs?.folder } = {}) {
  /** @type {Map<string, Map<string, Uint8Array>>} */
  const kept = new Map();
  const storage = opfs ? { getDirectory } : {};
  const set = (/** @type {string} */ name, /** @type {unknown} */ value) => {
    const before = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    t.after(() => {
      if (before) Object.defineProperty(globalThis, name, before);
      else delete (/** @type {any} */ (globalThis)[name]);
    });
  };
  set("navigator", { onLine: true, storage, locks: new Locks() });
  set("FileSystemFileHandle", class { createSyncAccessHandle() {} });
  set("caches", cacheStorage(kept));
  return kept;
}

/** A database that takes every batch, until it is told not to. */
export class FakeDatabase {
  /** What a batch is refused with. @type {() => string | undefined} */
  refuses = () => undefined;
  batches = 0;
  closed = 0;
  /** @param {any} storage */
  async restore(storage) {
    storage.restoreLength(0);
  }
  async write() {
    this.batches += 1;
    const code = this.refuses();
    if (code) throw Object.assign(new Error("said the test"), { code });
  }
  async confirm() {}
  async replace() {}
  async delete() {}
  close() {
    this.closed += 1;
  }
  /** It is what the next disk is kept in. @param {import("node:test").TestContext} t */
  use(t) {
    const { open } = Database;
    Database.open = async () => /** @type {any} */ (this);
    t.after(() => void (Database.open = open));
    return this;
  }
}

/** A kernel that sleeps at once: the header of an Image, and `wfi` in a loop behind it. */
function kernel() {
  const bytes = new Uint8Array(72);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x0400006f, true);
  view.setBigUint64(8, 0x200000n, true);
  view.setBigUint64(16, 0x10000n, true);
  view.setUint32(32, 2, true);
  view.setBigUint64(48, 0x5643534952n, true);
  view.setUint32(56, 0x05435352, true);
  view.setUint32(64, 0x10500073, true);
  view.setUint32(68, 0xffdff06f, true);
  return bytes;
}

/**
 * A session with one disk, "d", of a mebibyte, and what it said.
 * @param {import("node:test").TestContext} t
 * @param {{persist?: string | null, disk?: object}} [options]
 */
export async function session(t, { persist = null, disk = { size: 1 << 20 } } = {}) {
  const { origin } = await server(t, (_, response) => response.end(MODULE));
  /** @type {any[]} */
  const events = [];
  const session = new Session((/** @type {any} */ event) => events.push(event));
  const machine = {
    virtarium: 1, title: "t", memory: 16 << 20, cpus: 1, append: "", consoles: 1, rng: true,
    kernel: { bytes: kernel() }, disks: [{ name: "d", ...disk }],
  };
  /** @param {object} [more] */
  const create = (more) =>
    session.create(/** @type {any} */ ({ protocol: 1, wasmUrl: `${origin}/virtarium.wasm`, persist, machine, ...more }));
  t.after(() => session.dispose().catch(() => {}));
  return { session, events, create };
}
