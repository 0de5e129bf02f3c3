/** @import { VmConsole } from "./console.js" */
import { Base64Decoder, encodeLines } from "./base64.js";
import { VmError, abortError, asVmError, deadline, orAbort, throwIfAborted } from "./errors.js";
import { Gathered } from "./gathered.js";
import { MarkerScanner, newNonce, quote, wrap } from "./marker.js";

/** Bytes of a file that one command carries, so that it is one write; the next waits for its answer. */
const PIECE = 47104;
/** What is kept of an output, or of a file without a size, where the caller does not say. */
const OUTPUT_LIMIT = 16 * 1024 * 1024;
/** How long a probe waits before the next, and how long one that was sent may still be answered. */
const PROBE_MS = 400;
const PROBE_MAX_MS = 4000;
/** How long an interrupted command has to end before the shell counts as busy with it. */
const INTERRUPT_MS = 3000;

/** Ends a command that has printed what is wanted of it. */
const ENOUGH = new VmError("aborted", "it has printed enough");

/**
 * @typedef {object} RunResult
 * @property {number} code      the command's exit status
 * @property {string} output    what it printed, both streams, as UTF-8
 * @property {Uint8Array<ArrayBuffer>} bytes the same as bytes
 */

/**
 * @typedef {(progress: {loaded: number, total: number}) => void} OnProgress
 */

/**
 * The shell on the console of its own: runs commands and moves files. One command at a time; the
 * others wait in the order of their calls.
 */
export class Agent {
  #console;
  /** @type {Promise<unknown>} */
  #tail = Promise.resolve();
  /** The shell has answered since it was last in doubt. */
  #known = false;
  /** @type {VmError|undefined} */
  #ended;
  /** @type {Set<(error: VmError) => void>} */
  #running = new Set();
  /** How often the guest has begun again: what a command began in an earlier one is gone. */
  #lives = 0;
  /** The machine stands still. */
  #held = false;
  /** Who waits for it to run. @type {Set<() => void>} */
  #waiting = new Set();

  /** @param {VmConsole} console */
  constructor(console) {
    this.#console = console;
  }

  /**
   * @param {string} command
   * @param {{timeout?: number, signal?: AbortSignal, limit?: number}} [options]
   *   `limit`: bytes of output, above which the command is interrupted
   * @returns {Promise<RunResult>}
   */
  run(command, { timeout, signal, limit = OUTPUT_LIMIT } = {}) {
    return this.#queue(timeout, signal, async (within) => {
      if (typeof command !== "string") throw new VmError("unsupported", `run takes a text, and ${String(command)} is none`);
      const printed = new Gathered();
      const code = await this.#command(command, within, (piece) => {
        if (printed.length + piece.length > limit) {
          throw new VmError("memory", `the command printed more than ${limit} bytes`, { detail: { limit } });
        }
        printed.push(piece);
      });
      const bytes = printed.take();
      return { code, bytes, output: new TextDecoder().decode(bytes) };
    });
  }

  /**
   * Writes a file into the guest: beside its place first, under a name that nobody else has, then
   * renamed, so that an upload that breaks off leaves the old file.
   * @param {string} path
   * @param {Blob|Uint8Array|ArrayBuffer|string} data
   * @param {{timeout?: number, signal?: AbortSignal, onProgress?: OnProgress}} [options]
   * @returns {Promise<void>}
   */
  upload(path, data, { timeout, signal, onProgress } = {}) {
    const blob = data instanceof Blob ? data : new Blob([/** @type {BlobPart} */ (data)]);
    return this.#queue(timeout, signal, async (within) => {
      checkPath(path);
      const life = this.#lives;
      // `mv` and `rm` would take a name that begins with "-" for an option.
      const place = path.startsWith("/") ? path : `./${path}`;
      const file = quote(place);
      const part = quote(`${place.slice(0, place.lastIndexOf("/") + 1)}.upload-${newNonce()}`);
      await this.#must(unlessDirectory(file, `: >${part}`), within, "not-found", `${path} cannot be written`);
      try {
        tell(onProgress, 0, blob.size);
        for (let at = 0; at < blob.size; at += PIECE) {
          const bytes = new Uint8Array(await blob.slice(at, at + PIECE).arrayBuffer().catch((cause) => {
            // NotReadableError, NotFoundError: it is another one on the disk by now, or gone.
            throw new VmError("changed", `what goes to ${path} cannot be read any more: ${cause.message}`, { cause });
          }));
          const text = new TextDecoder().decode(encodeLines(bytes));
          await this.#must(`base64 -d >>${part} <<\\END\n${text}END`, within, "quota", `${path} cannot be written`);
          tell(onProgress, at + bytes.length, blob.size);
        }
        const size = await this.#must(`wc -c <${part}`, within, "crashed", `${path} cannot be read back`);
        if (Number(size.trim()) !== blob.size) {
          throw new VmError("integrity", `${path}: ${blob.size} bytes were sent and ${size.trim()} arrived`);
        }
        await this.#must(unlessDirectory(file, `mv -f ${part} ${file}`), within, "not-found", `${path} cannot be written`);
      } catch (error) {
        if (life !== this.#lives) throw error;
        const left = deadline(undefined, INTERRUPT_MS);
        await this.#command(`rm -f ${part}`, left.signal, () => {}).catch(() => {});
        left.done();
        throw error;
      }
    });
  }

  /**
   * Reads a file of the guest, as long as the guest says that it is: one that grows meanwhile is
   * cut there. One that is said to be empty may not be (those of /proc), and `limit` bounds it.
   * @param {string} path
   * @param {{timeout?: number, signal?: AbortSignal, limit?: number, onProgress?: OnProgress}} [options]
   *   `limit`: bytes, above which it fails; without it that is 16 MiB for files without a size
   * @returns {Promise<Blob>}
   */
  download(path, { timeout, signal, limit, onProgress } = {}) {
    return this.#queue(timeout, signal, async (within) => {
      checkPath(path);
      const file = quote(path);
      // `true`, whose redirection does not end the shell, says why a file cannot be opened.
      const told = await this.#must(
        unlessDirectory(file, `if [ -s ${file} ]; then wc -c <${file}; else true <${file} && echo 0; fi`),
        within, "not-found", `${path} cannot be read`);
      const total = /^\s*\d+\s*$/.test(told) ? Number(told) : NaN;
      if (!Number.isSafeInteger(total)) {
        throw new VmError("unsupported", `${path}: the guest tells no size but ${JSON.stringify(told.slice(0, 80))}`);
      }
      const most = limit ?? (total || OUTPUT_LIMIT);
      const tooLong = () => new VmError("memory", `${path} has more than ${most} bytes`, { detail: { limit: most } });
      if (total > most) throw tooLong();
      const decoder = new Base64Decoder();
      let blob = new Blob();
      const held = new Gathered();
      let loaded = 0;
      tell(onProgress, loaded, total);
      try {
        const code = await this.#command(`base64 <${file} 2>/dev/null`, within, (text) => {
          let bytes = decoder.push(text);
          const over = loaded + bytes.length > (total || most);
          if (over && total === 0) throw tooLong();
          if (over) bytes = bytes.subarray(0, total - loaded);
          loaded += bytes.length;
          held.push(bytes);
          // The browser may keep a blob's content outside of this page's memory.
          if (held.length >= 1 << 20) blob = new Blob([blob, held.take()]);
          tell(onProgress, loaded, total || loaded);
          if (over) throw ENOUGH;
        });
        if (code !== 0) throw new VmError("unsupported", `${path}: base64 in the guest ended with ${code}`);
        decoder.end();
      } catch (error) {
        if (error !== ENOUGH) throw error;
      }
      if (loaded < total) throw new VmError("integrity", `${path}: ${loaded} of ${total} bytes arrived`);
      return new Blob([blob, held.take()]);
    });
  }

  /**
   * The guest starts again: what runs has failed, and the shell must be found anew.
   * @param {VmError} error
   */
  restart(error) {
    this.#known = false;
    this.#lives += 1;
    for (const fail of [...this.#running]) fail(error);
  }

  /**
   * Whether the machine stands still: it answers nothing, and would carry out all probes later.
   * @param {boolean} held
   */
  hold(held) {
    this.#held = held;
    if (!held) for (const go of [...this.#waiting]) go();
  }

  /** @param {VmError} error */
  end(error) {
    this.#ended = error;
    this.hold(false);
    this.restart(error);
  }

  /**
   * @template T
   * @param {number|undefined} timeout
   * @param {AbortSignal|undefined} signal
   * @param {(within: AbortSignal) => Promise<T>} job
   * @returns {Promise<T>}
   */
  #queue(timeout, signal, job) {
    const limit = deadline(signal, timeout);
    const turn = this.#tail.then(async () => {
      throwIfAborted(limit.signal);
      try {
        await this.#find(limit.signal);
        return await job(limit.signal);
      } catch (error) {
        throw asVmError(error);
      }
    });
    this.#tail = turn.then(() => {}, () => {});
    // Whoever gives up while others run is told at once and not in its turn.
    return orAbort(turn, limit.signal).finally(() => limit.done());
  }

  /**
   * @param {string} command
   * @param {AbortSignal} within
   * @param {import("../protocol.js").ErrorCode} code
   * @param {string} message
   * @returns {Promise<string>}
   */
  async #must(command, within, code, message) {
    let output = "";
    const decoder = new TextDecoder();
    const status = await this.#command(command, within, (bytes) => {
      if (output.length < 4096) output += decoder.decode(bytes, { stream: true });
    });
    if (status === 0) return output;
    const missing = status === 127 ? "unsupported" : /No space left/i.test(output) ? "quota" : code;
    throw new VmError(missing, `${message}: ${output.trim().slice(0, 300) || `status ${status}`}`, { detail: { status } });
  }

  /**
   * Waits until the shell answers. It may not be there yet, or busy with what somebody gave up on.
   * What is written before anybody has opened the console may be lost: a probe is repeated.
   * @param {AbortSignal} within
   */
  async #find(within) {
    for (let wait = PROBE_MS; !this.#known; wait = Math.min(wait * 1.5, PROBE_MAX_MS)) {
      await this.#whenRuns(within);
      // Not before the last one has been taken: a guest without a shell reads none.
      await this.#console.write("", { signal: within });
      const limit = deadline(within, wait);
      try {
        // isig: byte 3 interrupts a command. The shell itself goes on after it.
        await this.#exchange("\nstty isig -echo 2>/dev/null; trap : INT\n", "", limit.signal, () => {});
        this.#known = true;
      } catch (error) {
        if (this.#ended || within.aborted || !limit.signal.aborted) throw error;
      } finally {
        limit.done();
      }
    }
  }

  /**
   * Waits until the machine does not stand still, or there is none, or nobody waits any more.
   * @param {AbortSignal} within
   * @returns {Promise<void>}
   */
  #whenRuns(within) {
    return new Promise((resolve) => {
      const go = () => {
        this.#waiting.delete(go);
        within.removeEventListener("abort", go);
        resolve();
      };
      if (!this.#held || within.aborted) return resolve();
      this.#waiting.add(go);
      within.addEventListener("abort", go);
    });
  }

  /**
   * @param {string} command
   * @param {AbortSignal} within
   * @param {(bytes: Uint8Array) => void} onBytes
   * @returns {Promise<number>}
   */
  async #command(command, within, onBytes) {
    const life = this.#lives;
    try {
      return await this.#exchange("", command, within, onBytes);
    } catch (error) {
      if (life === this.#lives) await this.#interrupt();
      throw error;
    }
  }

  /**
   * One command and the wait for its end.
   * @param {string} before  goes ahead of it
   * @param {string} command
   * @param {AbortSignal} within
   * @param {(bytes: Uint8Array) => void} onBytes
   * @returns {Promise<number>}
   */
  #exchange(before, command, within, onBytes) {
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(this.#ended);
      const nonce = newNonce();
      const scanner = new MarkerScanner(nonce, onBytes);
      const detach = this.#console.attach((bytes) => {
        try {
          const status = scanner.push(bytes);
          if (status === undefined) return;
          end();
          resolve(status);
        } catch (error) {
          fail(asVmError(error, "integrity"));
        }
      });
      const onAbort = () => fail(abortError(within));
      const fail = (/** @type {VmError} */ error) => {
        end();
        reject(error);
      };
      const end = () => {
        detach();
        this.#running.delete(fail);
        within.removeEventListener("abort", onAbort);
      };
      this.#running.add(fail);
      if (within.aborted) return onAbort();
      within.addEventListener("abort", onAbort);
      // Whole, even if nobody waits any more: half a command would leave the shell within a quotation.
      this.#console.write(before + wrap(nonce, command || ":")).catch((error) => fail(asVmError(error)));
    });
  }

  /** Ends what still runs, if the shell's console can, and sees whether the shell is back. */
  async #interrupt() {
    if (this.#ended) return;
    this.#known = false;
    await this.#console.write("\x03\n").catch(() => {});
    const limit = deadline(undefined, INTERRUPT_MS);
    await this.#find(limit.signal).catch(() => {});
    limit.done();
  }
}

/**
 * A caller who throws breaks the transfer off, and hears the reason.
 * @param {OnProgress|undefined} onProgress
 * @param {number} loaded
 * @param {number} total
 */
function tell(onProgress, loaded, total) {
  try {
    onProgress?.({ loaded, total });
  } catch (error) {
    throw asVmError(error, "aborted");
  }
}

/** @param {string} path */
function checkPath(path) {
  if (typeof path !== "string" || path === "" || path.includes("\0")) throw new VmError("not-found", `${JSON.stringify(path)} is no path`);
}

/**
 * A command that is carried out unless there is a directory of that name: `mv` would move into it.
 * @param {string} file  quoted
 * @param {string} command
 */
function unlessDirectory(file, command) {
  return `if [ -d ${file} ]; then echo 'it is a directory'; false; else ${command}; fi`;
}
