/** @import { VmError } from "./errors.js" */
import { WRITE_MAX } from "../protocol.js";
import { orAbort, throwIfAborted } from "./errors.js";
import { Expecter } from "./expect.js";

/**
 * Takes a piece of output; a promise says when the next may come. What it throws is reported.
 * @typedef {(bytes: Uint8Array<ArrayBuffer>) => void|Promise<void>} Sink
 */

/** One console of a machine: what the guest prints, and what it is given to read. */
export class VmConsole {
  /** @type {Set<Sink>} */
  #sinks = new Set();
  #expecter = new Expecter();
  #write;
  #ack;
  /** @type {ReadableStream<Uint8Array<ArrayBuffer>>|undefined} */
  #readable;
  /** @type {WritableStream<Uint8Array|string>|undefined} */
  #writable;
  /** @type {Promise<void>} */
  #tail = Promise.resolve();
  /** Ends the stream of what is printed. @type {(error: VmError) => void} */
  #fail = () => {};
  /** Why there is nothing more to come. @type {VmError|undefined} */
  #ended;
  /** How often the guest has begun again. */
  #lives = 0;

  /**
   * @param {number} index
   * @param {(bytes: Uint8Array) => Promise<void>} write  one piece, answered when it is taken
   * @param {(count: number) => void} ack
   */
  constructor(index, write, ack) {
    this.index = index;
    this.#write = write;
    this.#ack = ack;
  }

  /**
   * What the guest prints, from the first reading of this property on. As long as it is not read
   * the guest waits, as for a slow terminal; `cancel()` it to be rid of it.
   * @returns {ReadableStream<Uint8Array<ArrayBuffer>>}
   */
  get readable() {
    this.#readable ??= this.#stream();
    return this.#readable;
  }

  /**
   * What the guest reads: bytes, or text as UTF-8. A write is done when `write` is; an abort leaves
   * out the pieces that are still here. After one that has ended comes another.
   * @returns {WritableStream<Uint8Array|string>}
   */
  get writable() {
    this.#writable ??= this.#sink();
    return this.#writable;
  }

  /**
   * Writes after what was written before, in pieces; resolves when the machine has taken all, which
   * keeps it for the guest's driver, or when the guest restarts.
   * @param {Uint8Array|string} data
   * @param {{signal?: AbortSignal}} [options] an abort ends the waiting, and leaves out the pieces
   *   that are still here
   * @returns {Promise<void>}
   */
  write(data, { signal } = {}) {
    if (typeof data !== "string" && !(data instanceof Uint8Array)) {
      return Promise.reject(new TypeError(`a console takes text or a Uint8Array, not ${Object.prototype.toString.call(data)}; pipe a stream to its writable`));
    }
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    const life = this.#lives;
    const job = this.#tail.then(async () => {
      for (let at = 0; at < bytes.length && life === this.#lives; at += WRITE_MAX) {
        throwIfAborted(signal);
        // A copy: it is transferred, and the caller keeps its own.
        await this.#write(bytes.slice(at, at + WRITE_MAX));
      }
    });
    // The next write waits for the piece that is under way, whoever has gone.
    this.#tail = job.catch(() => {});
    return orAbort(job, signal);
  }

  /**
   * @param {RegExp|string} pattern
   * @param {{timeout?: number, signal?: AbortSignal}} [options]
   */
  expect(pattern, options) {
    return this.#expecter.expect(pattern, options);
  }

  /** What was printed and no `expect` has consumed; at most the last 64 KiB. */
  get text() {
    return this.#expecter.text;
  }

  /**
   * @param {Sink} sink
   * @returns {() => void} takes it away again
   */
  attach(sink) {
    this.#sinks.add(sink);
    return () => this.#sinks.delete(sink);
  }

  /** @param {Uint8Array<ArrayBuffer>} bytes */
  receive(bytes) {
    const count = bytes.length;
    const waits = Array.from(this.#sinks, async (sink) => {
      try {
        await sink(bytes);
      } catch (error) {
        // Its mistake is its page's: the guest and the other sinks go on, as after a listener's.
        globalThis.reportError?.(error);
      }
    });
    this.#expecter.push(bytes);
    if (waits.length === 0) this.#ack(count);
    else void Promise.all(waits).then(() => this.#ack(count));
  }

  /** The guest begins again: the rest of what was being written was meant for the one before. */
  restart() {
    this.#lives += 1;
  }

  /** What was printed so far is of another guest: no `expect` takes it. */
  forget() { this.#expecter.clear(); }

  /** Nothing is printed before somebody starts the machine: who waits for something is told. @param {VmError} error */
  off(error) { this.#expecter.fail(error); }

  /**
   * There is nothing more to come, also for who asks later.
   * @param {VmError} error
   */
  end(error) {
    this.#ended = error;
    this.#expecter.end(error);
    this.#fail(error);
    this.#sinks.clear();
  }

  /** @returns {WritableStream<Uint8Array|string>} */
  #sink() {
    const ended = () => {
      if (this.#writable === stream) this.#writable = undefined;
    };
    /** @type {WritableStream<Uint8Array|string>} */
    const stream = new WritableStream({
      // At once; `abort` below comes after the write that is under way.
      start: ({ signal }) => signal.addEventListener("abort", ended),
      write: async (chunk, { signal }) => {
        try {
          await this.write(chunk, { signal });
        } catch (error) {
          ended();
          throw error;
        }
      },
      close: ended,
    });
    return stream;
  }

  /** @returns {ReadableStream<Uint8Array<ArrayBuffer>>} */
  #stream() {
    /** @type {(() => void)[]} */
    let waiting = [];
    const release = () => {
      for (const go of waiting.splice(0)) go();
    };
    let detach = () => {};
    return new ReadableStream({
      start: (controller) => {
        detach = this.attach((bytes) => {
          controller.enqueue(bytes.slice());
          if ((controller.desiredSize ?? 1) > 0) return undefined;
          return new Promise((resolve) => waiting.push(resolve));
        });
        this.#fail = (error) => {
          release();
          controller.error(error);
        };
        if (this.#ended) this.#fail(this.#ended);
      },
      pull: release,
      cancel: () => {
        detach();
        release();
        this.#fail = () => {};
        this.#readable = undefined;
      },
    }, { highWaterMark: WRITE_MAX, size: (chunk) => chunk.byteLength });
  }
}
