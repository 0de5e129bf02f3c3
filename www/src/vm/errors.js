/** @import { ErrorCode, WireError } from "../protocol.js" */

/**
 * What this module throws: a code for programs, a message for people.
 */
export class VmError extends Error {
  /**
   * @param {ErrorCode} code
   * @param {string} message
   * @param {{detail?: Record<string, unknown>, cause?: unknown}} [more]
   */
  constructor(code, message, { detail = {}, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    // A caller that asks for `AbortError`, as of fetch, finds it.
    this.name = code === "aborted" ? "AbortError" : "VmError";
    this.code = code;
    this.detail = detail;
    /** The stack in the worker, where the error is from there. @type {string|undefined} */
    this.workerStack = undefined;
  }

  /** @param {WireError} wire */
  static fromWire(wire) {
    const error = new VmError(wire.code, wire.message, { detail: wire.detail ?? {} });
    error.workerStack = wire.stack;
    return error;
  }
}

/**
 * What happened, as a `VmError`; a `TimeoutError` of a signal counts as aborted too.
 * @param {unknown} error
 * @param {ErrorCode} [code] for what has none
 * @returns {VmError}
 */
export function asVmError(error, code = "crashed") {
  if (error instanceof VmError) return error;
  const e = error instanceof Error || error instanceof DOMException ? error : new Error(String(error));
  const known = e.name === "AbortError" || e.name === "TimeoutError" ? "aborted"
    : e.name === "QuotaExceededError" ? "quota" : code;
  return new VmError(known, e.message, { cause: error });
}

/**
 * @param {AbortSignal|undefined} signal
 */
export function throwIfAborted(signal) {
  if (signal?.aborted) throw abortError(signal);
}

/**
 * @param {AbortSignal} signal
 */
export function abortError(signal) {
  const reason = signal.reason;
  const message = reason instanceof Error && reason.name === "TimeoutError" ? "it took too long" : "aborted by its caller";
  return new VmError("aborted", message, { cause: reason });
}

/**
 * A signal that also fires after `timeout` milliseconds, and how to be rid of its timer.
 * @param {AbortSignal|undefined} signal
 * @param {number|undefined} timeout
 * @returns {{signal: AbortSignal, done: () => void}}
 */
export function deadline(signal, timeout) {
  const control = new AbortController();
  const onAbort = () => control.abort(signal?.reason);
  if (signal?.aborted) onAbort();
  else signal?.addEventListener("abort", onAbort, { once: true });
  const timer = timeout === undefined || !Number.isFinite(timeout) ? undefined
    : setTimeout(() => control.abort(new DOMException(`nothing after ${timeout} ms`, "TimeoutError")), timeout);
  return {
    signal: control.signal,
    done() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    },
  };
}

/**
 * The promise, or the signal's abort, whichever is first.
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal|undefined} signal
 * @returns {Promise<T>}
 */
export function orAbort(promise, signal) {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(abortError(signal));
    if (signal.aborted) {
      // Whoever waits has gone: what still comes of the promise concerns nobody.
      promise.catch(() => {});
      return onAbort();
    }
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
