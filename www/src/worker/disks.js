/**
 * The disks of a machine: their places, their images, and the traffic between the machine, the
 * server and the database.
 */

import { Base, Disk, sha256 } from "virtarium-wasm";
import { failure } from "./failure.js";
import { ChunkSource, RangeSource, fetchFile, giveBack } from "./source/index.js";
import { openPlace } from "./storage.js";

/** @typedef {import("virtarium-wasm").Machine} Machine */
/** @typedef {import("../protocol.js").MachineDisk} MachineDisk */
/** @typedef {import("../protocol.js").DiskEvent} DiskEvent */
/** @typedef {import("./storage.js").Place} Place */

/** Requests on their way for one disk. More wait in the machine. */
const PARALLEL = 8;
/** Bytes of an image that are kept in memory, in all. */
const CACHE = 32 << 20;
/** Bytes of a request for a part of an image without a manifest. */
const RANGE = 256 << 10;
/** No manifest is longer: that of the largest disk has a hash for each of 4 Mi chunks. */
const MOST_MANIFEST = 512 << 20;
/** Bytes of an exported file that are read at a time. */
const PIECE = 1 << 20;
/** How many of them are held at a time. */
const PIECES = 64;
/** Where a disk is kept that is not open yet. */
const NOWHERE = { kind: /** @type {const} */ ("memory"), persisted: false };

/**
 * Where the chunks of an image come from.
 * @typedef {object} Source
 * @property {(chunk: number, path: string) => Promise<Uint8Array>} fetch
 * @property {(chunk: number, path: string, why: string) => Promise<Uint8Array>} corrupt again,
 *   past caches, because what came was not the chunk
 * @property {(chunk: number) => void} good
 * @property {{fetched: number, bytes: number}} statistics
 */

/** A disk of a running machine. */
export class PluggedDisk {
  /** @type {Machine | null} */
  #machine = null;
  #number = 0;
  #fetching = 0;
  #writing = false;
  #makingRoom = false;
  #closed = false;
  /** Whether the file was let go of, and what is settled when it is there. */
  #away = false;
  #there = Promise.resolve();
  #back = () => {};
  /** Whether the page was told of a chunk that could not be had. */
  #troubled = false;
  /** Called when another tab has taken the disk. */
  lost = () => {};

  /**
   * @param {MachineDisk} info
   * @param {Place} place
   * @param {Source | null} source
   * @param {number} size
   * @param {boolean} persisted
   * @param {(event: DiskEvent) => void} tell
   * @param {() => void} wake
   * @param {(error: unknown) => void} onError the machine is broken
   */
  constructor(info, place, source, size, persisted, tell, wake, onError) {
    this.info = info;
    this.place = place;
    this.source = source;
    this.size = size;
    this.persisted = persisted;
    this.tell = tell;
    this.wake = wake;
    this.onError = onError;
  }

  get name() {
    return this.info.name;
  }

  /**
   * The disk is in a machine now, as its n-th.
   * @param {Machine} machine
   * @param {number} number
   */
  plug(machine, number) {
    this.#machine = machine;
    this.#number = number;
  }

  /** Starts what the machine wants of the server and of the database. */
  serve() {
    const machine = this.#machine;
    if (!machine || this.#closed) {
      return;
    }
    while (this.source && this.#fetching < PARALLEL) {
      const chunk = machine.nextFetch(this.#number);
      if (chunk < 0) {
        break;
      }
      this.#fetching += 1;
      this.#fetch(machine, this.source, chunk).catch(this.onError);
    }
    if (this.place.database) {
      this.#write(machine, false).catch(this.onError);
    }
    if (this.#makingRoom) {
      return;
    }
    if (machine.isShort(this.#number)) {
      this.#makeRoom(machine).catch(this.onError);
      return;
    }
    const refusal = machine.takeRefusal(this.#number);
    if (refusal !== undefined) {
      this.say(codeOf(refusal), `the browser refuses to write the disk ${this.name} (${refusal})${this.#consequence(machine)}`);
    }
  }

  /**
   * Makes everything stable that the guest has written. Fails with what the browser says.
   */
  async flush() {
    const machine = this.#machine;
    if (!machine || this.#closed) {
      return;
    }
    try {
      await withRoom(this.source, () => {
        if (!this.#closed && !machine.flush(this.#number)) {
          const why = machine.takeRefusal(this.#number) ?? "no reason is given";
          throw failure(codeOf(why), `the disk ${this.name} cannot be flushed (${why})${this.#consequence(machine)}`);
        }
      });
    } catch (error) {
      const { code, message } = /** @type {{code: DiskEvent["code"], message: string}} */ (error);
      if (code) {
        this.say(code, message);
      }
      throw error;
    }
    while (this.#writing) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await this.#write(machine, true);
  }

  /** Closes the file and gives the lock back; what the guest asks for then fails. */
  detach() {
    this.#machine?.detach(this.#number);
    this.place.lock?.release();
    if (!this.#away) {
      this.#away = true;
      this.#there = new Promise((resolve) => (this.#back = () => resolve(undefined)));
    }
  }

  /**
   * Takes lock and file again, if nobody used the disk meanwhile.
   * @param {() => void} onLost
   */
  async attach(onLost) {
    await this.place.lock?.retake(onLost);
    try {
      if (this.place.file) {
        this.#machine?.attach(this.#number, await this.place.file.handleAgain());
      } else {
        await this.place.database?.confirm();
      }
    } catch (error) {
      this.place.lock?.release();
      throw error;
    }
    this.#away = false;
    this.#back();
  }

  /**
   * What comes from the server waits, and with it the writes that wait for that, until the
   * function that this gives is called: the disk stays as it is.
   */
  hold() {
    const there = this.#there;
    let release = () => {};
    const held = new Promise((resolve) => (release = () => resolve(undefined)));
    this.#there = Promise.all([there, held]).then(() => {});
    return release;
  }

  /** The end. What is on its way is dropped. */
  close() {
    this.detach();
    this.#closed = true;
    this.#machine = null;
    this.#back();
    this.place.database?.close();
  }

  /** The overlay, as docs/disk-format.md describes it, with what is not stable. */
  async exportOverlay() {
    /** @type {BlobPart[]} */
    let parts = [];
    for (let at = 0; this.#machine; at += PIECE) {
      const bytes = this.#machine.readOverlay(this.#number, at, PIECE);
      if (!bytes) {
        throw failure("storage", `the disk ${this.name} cannot be read`);
      }
      if (bytes.length === 0) {
        break;
      }
      parts.push(/** @type {Uint8Array<ArrayBuffer>} */ (bytes));
      if (parts.length >= PIECES) {
        // The browser may keep it elsewhere than in memory; and calls are heard.
        parts = [new Blob(parts)];
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
    }
    return new Blob(parts, { type: "application/octet-stream" });
  }

  /**
   * What a refusal means for what comes after it.
   * @param {Machine} machine
   */
  #consequence(machine) {
    return machine.hasFailed(this.#number) ? "; it is only read until the machine is stopped and started" : "";
  }

  /**
   * Gives the guest's writes what room can be had, and then an answer.
   * @param {Machine} machine
   */
  async #makeRoom(machine) {
    this.#makingRoom = true;
    try {
      await giveBack(this.source);
      await this.#there;
      if (!this.#closed) {
        // What was said counts only if it is said again.
        machine.takeRefusal(this.#number);
        machine.retry(this.#number);
      }
    } finally {
      this.#makingRoom = false;
    }
    this.serve();
    this.wake();
  }

  /**
   * Something is wrong with the disk.
   * @param {DiskEvent["code"]} code
   * @param {string} error
   */
  say(code, error) {
    this.inform({ code, error });
  }

  /**
   * Says where the disk's changes are kept, and what is new.
   * @param {Partial<DiskEvent>} [news]
   */
  inform(news = {}) {
    this.tell({ event: "disk", name: this.name, kind: this.place.kind, persisted: this.persisted, ...news });
  }

  /**
   * @param {Machine} machine
   * @param {Source} source
   * @param {number} chunk
   */
  async #fetch(machine, source, chunk) {
    try {
      const path = machine.chunkPath(this.#number, chunk) ?? "";
      let bytes = await source.fetch(chunk, path);
      // What waits for it may write, and the file may be let go of.
      await this.#there;
      while (!this.#closed) {
        try {
          machine.fetched(this.#number, chunk, bytes);
          break;
        } catch (error) {
          if (!(error instanceof Error) || !("code" in error)) {
            throw error;
          }
          bytes = await source.corrupt(chunk, path, error.message);
          await this.#there;
        }
      }
      source.good(chunk);
      if (this.#troubled && !this.#closed) {
        this.#troubled = false;
        this.inform({ code: "offline", recovered: true });
      }
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) {
        this.#closed = true;
        throw error;
      }
      await this.#there;
      if (this.#closed) {
        return;
      }
      const { code, message } = /** @type {{code?: unknown, message?: string}} */ (error ?? {});
      const wanted = machine.isDemanded(this.#number, chunk);
      machine.fetchFailed(this.#number, chunk);
      if (!wanted && code !== "changed") {
        // It was read ahead: no guest has missed it.
        return;
      }
      const told = /** @type {DiskEvent["code"]} */ (["changed", "integrity", "range"].includes(String(code)) ? code : "offline");
      this.#troubled ||= told === "offline";
      this.say(told, `${message ?? error}`);
    } finally {
      this.#fetching -= 1;
      if (!this.#closed) {
        this.serve();
        this.wake();
      }
    }
  }

  /**
   * @param {Machine} machine
   * @param {boolean} all whether nobody's flush asks for it
   */
  async #write(machine, all) {
    if (this.#writing || !this.place.database) {
      return;
    }
    this.#writing = true;
    try {
      for (let batch; (batch = machine.takeBatch(this.#number, all)); ) {
        try {
          const { database } = this.place;
          await withRoom(this.source, () => database.write(/** @type {any} */ (batch)));
          if (this.#closed) {
            return;
          }
          machine.batchDone(this.#number, true, false);
          this.wake();
          if (all) {
            // It holds everything from before; a guest that runs writes on.
            break;
          }
        } catch (error) {
          if (this.#closed) {
            return;
          }
          const { code, message } = /** @type {{code?: string, message?: string}} */ (error);
          machine.batchDone(this.#number, false, code === "quota");
          this.wake();
          if (code === "locked") {
            this.lost();
          } else {
            this.say(code === "quota" ? code : "storage", message ?? String(error));
          }
          if (all) {
            throw error;
          }
          break;
        }
      }
    } finally {
      this.#writing = false;
    }
  }
}

/**
 * Opens the disks of a machine, all or none.
 * @param {MachineDisk[]} infos
 * @param {object} options
 * @param {string | null} options.persist
 * @param {boolean} options.steal
 * @param {string[]} options.discard disks of which what was written is thrown away
 * @param {Map<string, import("./memory.js").Memory>} options.memories
 * @param {(disk: string) => void} options.onLost
 * @param {(event: DiskEvent) => void} options.tell
 * @param {(event: import("../protocol.js").ProgressEvent) => void} options.progress
 * @param {AbortSignal} options.signal ends the opening
 * @param {() => void} options.wake
 * @param {(error: unknown) => void} options.onError
 * @returns {Promise<{plugged: PluggedDisk, disk: Disk}[]>}
 */
export async function openDisks(infos, { persist, steal, discard, memories, onLost, tell, progress, signal, wake, onError }) {
  const persisted = persist !== null && ((await navigator.storage?.persisted?.().catch(() => false)) ?? false);
  /** @param {MachineDisk} info */
  const open = async (info) => {
    /** @type {PluggedDisk | null} */
    let plugged = null;
    const image = await openImage(info, (trouble) => {
      const recovered = trouble.state === "over";
      const error = recovered ? undefined : trouble.error?.message;
      const { kind, persisted } = plugged ? { kind: plugged.place.kind, persisted: plugged.persisted } : NOWHERE;
      tell({ event: "disk", name: info.name, kind, persisted, code: "offline", error, recovered });
    }, progress, signal);
    const keep = info.readonly ? null : persist;
    const place = await openPlace(keep, info.name, { steal, discard: discard.includes(info.name), memories, onLost: () => onLost(info.name) });
    let disk;
    try {
      disk = Disk.open(place.storage, image.base, Math.floor(CACHE / infos.length));
    } catch (error) {
      // What was written is given to whoever wants to keep it: the disk itself is of no use.
      const overlay = await (place.file ?? place.database ?? place.memory)?.content().catch(() => undefined);
      place.database?.close();
      await place.lock?.release();
      throw Object.assign(/** @type {Error} */ (about(info.name, error)), { detail: { disk: info.name, overlay } });
    }
    plugged = new PluggedDisk(info, place, image.source, disk.size, persisted && place.kind !== "memory", tell, wake, onError);
    plugged.lost = () => onLost(info.name);
    return { plugged, disk };
  };
  /** @type {{plugged: PluggedDisk, disk: Disk}[]} */
  const opened = [];
  try {
    for (const info of infos) {
      opened.push(await withRoom(null, () => open(info)));
    }
  } catch (error) {
    for (const { plugged, disk } of opened) {
      disk.free();
      plugged.close();
    }
    throw error;
  }
  return opened;
}

/**
 * Does what needs room: where there is none, what is kept of images is given back first.
 * @template T
 * @param {Source | null} source of the disk that needs it
 * @param {() => T | Promise<T>} call
 * @returns {Promise<T>}
 */
export async function withRoom(source, call) {
  try {
    return await call();
  } catch (error) {
    if (/** @type {{code?: unknown}} */ (error).code !== "quota" || !(await giveBack(source))) {
      throw error;
    }
    return call();
  }
}

/**
 * Checks an overlay that is to take a disk's place: that it is one, and over this image.
 * @param {MachineDisk} info
 * @param {import("virtarium-wasm").Storage} storage
 * @param {AbortSignal} signal
 */
export async function checkOverlay(info, storage, signal) {
  let image;
  try {
    image = await openImage(info, () => {}, () => {}, signal);
  } catch (error) {
    storage.free();
    throw error;
  }
  opening(info.name, () => Disk.open(storage, image.base, 0)).free();
}

/**
 * What is known of a disk's image before any of it is fetched.
 * @param {MachineDisk} info
 * @param {(trouble: {state: string, url: string, error?: Error}) => void} onTrouble
 * @param {(event: import("../protocol.js").ProgressEvent) => void} progress
 * @param {AbortSignal} [signal]
 * @returns {Promise<{base: Base, source: Source | null}>}
 */
async function openImage(info, onTrouble, progress, signal) {
  if (info.manifest !== undefined) {
    progress({ event: "progress", phase: "manifest", what: info.name, loaded: 0, total: 0 });
    const text = await fetchFile({ url: info.manifest }, {
      hash: sha256,
      limit: MOST_MANIFEST,
      cache: "no-cache",
      signal,
      eager: true,
      onTrouble: ({ state, error }) => progress({ event: "progress", phase: "manifest", what: info.name, loaded: 0, total: 0, trouble: state === "over" ? undefined : error?.message }),
    });
    progress({ event: "progress", phase: "manifest", what: info.name, loaded: text.length, total: text.length });
    const base = opening(info.name, () => Base.manifest(text));
    return { base, source: new ChunkSource(info.manifest, base, { onTrouble }) };
  }
  if (info.url !== undefined) {
    const ranges = new RangeSource(info.url, { onTrouble });
    const { size, identity } = await ranges.probe({ signal, eager: true });
    const base = opening(info.name, () => Base.unverified(size, RANGE, sha256(new TextEncoder().encode(identity))));
    return {
      base,
      source: {
        fetch: (chunk) => ranges.read(chunk * RANGE, Math.min(RANGE, size - chunk * RANGE)),
        corrupt: () => Promise.reject(failure("integrity", `${info.url}: a part has another length than was asked for`)),
        good: () => {},
        statistics: ranges.statistics,
      },
    };
  }
  return { base: opening(info.name, () => Base.zeros(info.size ?? 0)), source: null };
}

/**
 * Opens something of a disk; an error says of which.
 * @template T
 * @param {string} disk
 * @param {() => T} open
 * @returns {T}
 */
function opening(disk, open) {
  try {
    return open();
  } catch (error) {
    throw about(disk, error);
  }
}

/**
 * An error with the disk's name before its message.
 * @param {string} disk
 * @param {unknown} error
 */
function about(disk, error) {
  if (error instanceof Error) {
    error.message = `disk ${disk}: ${error.message}`;
  }
  return error;
}

/**
 * What a refusal of the browser's file system is called, in whose words it begins with its name.
 * @param {string} refusal
 * @returns {"quota" | "storage"}
 */
function codeOf(refusal) {
  return refusal.startsWith("QuotaExceededError") ? "quota" : "storage";
}
