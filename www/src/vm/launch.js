import { VmError } from "./errors.js";
import { watchPolicy } from "./fetch.js";
import { inlineWorker } from "./inline-worker.js";
import { newWorker } from "./trusted.js";

// Literally so: bundlers find what a module needs by this form.
const WORKER = new URL("./worker.js", import.meta.url);
const WASM = new URL("./virtarium.wasm", import.meta.url);

/**
 * Where the worker and the module are, as absolute URLs.
 * @param {{workerUrl?: string|URL, wasmUrl?: string|URL}} options
 * @param {string} base
 */
export function assets(options, base) {
  const given = (/** @type {"worker"|"wasm"} */ name) => {
    const field = /** @type {const} */ (`${name}Url`);
    const value = options[field];
    try {
      return value ? new URL(value, base).href : undefined;
    } catch (cause) {
      // Its author may know it as the element's attribute.
      throw new VmError("bad-machine", `${field} (${name}-src) is ${JSON.stringify(String(value))} and should be an address`, {
        detail: { field }, cause,
      });
    }
  };
  return {
    workerUrl: given("worker") ?? (inlineWorker === null ? WORKER.href : undefined),
    wasmUrl: given("wasm") ?? WASM.href,
  };
}

/**
 * Starts the worker. One of another origin goes through a blob that imports it: a worker's own
 * script must be of the page's origin, what a module imports need not.
 * @param {string|undefined} url undefined: the one inside this file
 * @returns {Worker}
 */
export function startWorker(url) {
  if (typeof Worker === "undefined") throw new VmError("unsupported", "this browser has no workers");
  if (typeof WebAssembly === "undefined") throw new VmError("no-wasm", "this browser has no WebAssembly, or it is switched off");
  if (url === undefined) return fromText(inlineWorker ?? "");
  // Some browsers throw for a foreign origin and some fail later, so this does not try. A frame
  // that is sandboxed has the origin "null" and needs the blob for everything.
  const { origin, protocol } = new URL(url);
  if (origin === self.origin || protocol === "data:") return newWorker(url, { type: "module", name: "virtarium" });
  return fromText(trampoline(url));
}

/**
 * By which a policy refuses a worker: `worker-src`, whatever that falls back to (CSP 3, "get the
 * effective directive for request"), but older browsers tell that. An element's script has
 * `script-src-elem`, and is another matter.
 */
export const WORKER_DIRECTIVES = /^(worker|child|script|default)-src(?!-)/;

/** The error of a worker that its trampoline could not import. */
export const NOT_LOADED = "the worker cannot be loaded";

/**
 * A classic worker's text that imports a module: Chromium has no module workers from a blob in a
 * sandboxed frame. What is said to it before the module listens is kept for it.
 * @param {string} url
 */
function trampoline(url) {
  return `const held = [];
const hold = (event) => held.push(event.data);
addEventListener("message", hold);
import(${JSON.stringify(url)}).then(() => {
  removeEventListener("message", hold);
  for (const data of held) dispatchEvent(new MessageEvent("message", { data }));
}, (error) => setTimeout(() => { throw new Error(${JSON.stringify(NOT_LOADED)} + ": " + error.message); }));`;
}

/** @param {string} text */
function fromText(text) {
  const blob = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const refused = watchPolicy(WORKER_DIRECTIVES);
  try {
    return newWorker(blob, { name: "virtarium" });
  } catch (cause) {
    if (cause instanceof VmError) throw cause;
    throw new VmError("csp", "the page's policy forbids a worker from a blob, which a foreign origin and the single file need: worker-src blob:", {
      detail: { directive: refused.seen() ?? "worker-src" }, cause,
    });
  } finally {
    refused.stop();
    // The browser has it by then; for those that fetch later a minute is long enough.
    setTimeout(() => URL.revokeObjectURL(blob), 60000);
  }
}
