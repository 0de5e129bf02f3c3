// The worker in Node, with the module as it is built, over a private file system, locks and a
// database that fail where a test says so.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { register } from "node:module";
import { fileURLToPath } from "node:url";

import { WAIT, kernel } from "./guests.mjs";
import { storage as cacheStorage } from "./source-server.mjs";

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
export const { PluggedDisk } = await import("../../src/worker/disks.js");
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
  /** How often a handle was asked for a size. */
  sizes = 0;
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
      getSize: () => {
        this.sizes += 1;
        return file.bytes.length;
      },
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

/**
 * A server on loopback for the module and what a test puts there.
 * @param {import("node:test").TestContext} t
 * @param {(request: import("node:http").IncomingMessage, response: import("node:http").ServerResponse) => void} [answer]
 */
async function serve(t, answer) {
  const server = createServer((request, response) => {
    if (request.url === "/virtarium.wasm") response.end(MODULE);
    else if (answer) answer(request, response);
    else response.writeHead(404).end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
}

/**
 * A session with a machine that is created and not started.
 * @param {import("node:test").TestContext} t
 * @param {number[]} code of the guest
 * @param {{machine?: object, answer?: Parameters<typeof serve>[1], create?: boolean,
 *   onEvent?: (event: any) => void} & Record<string, unknown>} [options] more for `create`
 */
export async function session(t, code, { machine, answer, onEvent, create = true, ...more } = {}) {
  const origin = await serve(t, answer);
  /** @type {any[]} */
  const events = [];
  const it = new Session((event) => {
    events.push(event);
    onEvent?.(event);
  });
  t.after(() => it.dispose().catch(() => {}));
  const options = /** @type {any} */ ({
    protocol: 1, wasmUrl: `${origin}/virtarium.wasm`, persist: null, ...more,
    machine: { virtarium: 1, title: "test", memory: 16 << 20, cpus: 1, append: "", kernel: { bytes: kernel(code) }, disks: [], consoles: 1, rng: true,
      .../** @type {any} */ (machine) },
  });
  const make = (more = {}) => it.create({ ...options, ...more });
  if (create) await make();
  return { session: it, events, origin, options, create: make };
}

/**
 * Waits until something holds.
 * @param {() => boolean} holds
 * @param {string} what
 */
export async function until(holds, what) {
  for (let left = 1000; !holds(); left--) {
    if (left === 0) throw new Error(`not within 10 seconds: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/**
 * A session with one disk, "d", of a mebibyte, and what it said.
 * @param {import("node:test").TestContext} t
 * @param {{persist?: string | null, disk?: object}} [options]
 */
export const withDisk = (t, { persist = null, disk = { size: 1 << 20 } } = {}) =>
  session(t, WAIT, { persist, machine: { disks: [{ name: "d", ...disk }] }, create: false });
