/** @import { Calls, CallName, WorkerEvent, WorkerMessage } from "../protocol.js" */
import { VmError, abortError, orAbort } from "./errors.js";

/**
 * The calls of one page to one worker. `post` sends; whoever receives gives it to `receive`.
 */
export class Rpc {
  #next = 1;
  /** @type {Map<number, {resolve: (value: any) => void, reject: (error: VmError) => void}>} */
  #waiting = new Map();
  /** @type {VmError|undefined} */
  #closed;
  #post;
  #onEvent;

  /**
   * @param {(message: object, transfer: Transferable[]) => void} post
   * @param {(event: WorkerEvent) => void} onEvent
   */
  constructor(post, onEvent) {
    this.#post = post;
    this.#onEvent = onEvent;
  }

  /**
   * Calls, and waits for the answer. An abort ends the waiting, not what the worker does; one that
   * has come already ends the call.
   * @template {CallName} N
   * @param {N} call
   * @param {Parameters<Calls[N]>} args
   * @param {{transfer?: Transferable[], signal?: AbortSignal}} [how]
   * @returns {Promise<ReturnType<Calls[N]>>}
   */
  call(call, args, { transfer = [], signal } = {}) {
    if (this.#closed) return Promise.reject(this.#closed);
    if (signal?.aborted) return Promise.reject(abortError(signal));
    const id = this.#next++;
    const answer = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    try {
      this.#post({ id, call, args }, transfer);
    } catch (error) {
      // DataCloneError: an argument that cannot cross is the caller's mistake.
      this.#waiting.delete(id);
      return Promise.reject(new VmError("unsupported", `${call}: ${error}`, { cause: error }));
    }
    return orAbort(answer, signal);
  }

  /**
   * Says something that has no answer.
   * @template {CallName} N
   * @param {N} call
   * @param {Parameters<Calls[N]>} args
   */
  tell(call, args) {
    if (!this.#closed) this.#post({ id: 0, call, args }, []);
  }

  /** How many calls wait for their answer. */
  get pending() {
    return this.#waiting.size;
  }

  /** @param {WorkerMessage} message */
  receive(message) {
    if (this.#closed || typeof message !== "object" || message === null) return;
    if ("event" in message) return this.#onEvent(message);
    const waiter = this.#waiting.get(message.id);
    if (!waiter) return;
    this.#waiting.delete(message.id);
    if (message.error) waiter.reject(VmError.fromWire(message.error));
    else waiter.resolve(message.value);
  }

  /**
   * Nothing is sent or received any more; whoever waits hears why.
   * @param {VmError} error
   */
  close(error) {
    if (this.#closed) return;
    this.#closed = error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
