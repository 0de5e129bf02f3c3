/** What a machine is made of: the module, the kernel, the initramfs. */

import init, { onPanic, sha256 } from "virtarium-wasm";
import { failure } from "./failure.js";
import { fetchFile } from "./source/index.js";

/** @typedef {import("../protocol.js").ProgressEvent} ProgressEvent */
/** @typedef {import("../protocol.js").MachineFile} MachineFile */
/** @typedef {import("../protocol.js").Machine} Machine */

/** The shortest module: magic number and version. */
const EMPTY = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);

/** The module's memory, once it is there. @type {WebAssembly.Memory | null} */
let memory = null;

/** Bytes that the module holds. */
export function memoryInUse() {
  return memory?.buffer.byteLength ?? 0;
}

/**
 * Fetches and starts the module.
 * @param {string} url
 * @param {(event: ProgressEvent) => void} progress
 * @param {(message: string) => void} panicked called with a panic's text before the call throws
 */
export async function loadModule(url, progress, panicked) {
  if (typeof WebAssembly !== "object") {
    throw failure("no-wasm", "this browser has no WebAssembly, or it is switched off");
  }
  try {
    new WebAssembly.Module(EMPTY);
  } catch (error) {
    throw failure("csp", `the page's Content-Security-Policy does not let WebAssembly be compiled: script-src needs 'wasm-unsafe-eval' (${error})`);
  }
  progress({ event: "progress", phase: "wasm", what: "virtarium.wasm", loaded: 0, total: 0 });
  const bytes = await fetchFile(
    { url },
    {
      hash: sha256,
      cache: "default",
      eager: true,
      onTrouble: ({ state, error }) => progress({ event: "progress", phase: "wasm", what: "virtarium.wasm", loaded: 0, total: 0, trouble: state === "over" ? undefined : error?.message }),
      onProgress: ({ loaded, total }) => progress({ event: "progress", phase: "wasm", what: "virtarium.wasm", loaded, total: total ?? 0 }),
    },
  );
  let module;
  try {
    module = await WebAssembly.compile(bytes);
  } catch (error) {
    throw failure("no-wasm", `${url} cannot be compiled in this browser: ${error}`);
  }
  memory = (await init({ module_or_path: module })).memory;
  onPanic(panicked);
}

/**
 * Fetches kernel and initramfs, side by side.
 * @param {Machine} machine
 * @param {(event: ProgressEvent) => void} progress
 * @param {AbortSignal} signal
 * @returns {Promise<{kernel: Uint8Array, initrd: Uint8Array | undefined}>}
 */
export async function fetchParts({ kernel, initrd }, progress, signal) {
  const controller = new AbortController();
  const abort = () => controller.abort();
  signal.addEventListener("abort", abort);
  if (signal.aborted) abort();
  try {
    const [first, second] = await Promise.all([
      part("kernel", kernel, progress, controller.signal),
      initrd ? part("initrd", initrd, progress, controller.signal) : undefined,
    ]);
    return { kernel: first, initrd: second };
  } catch (error) {
    // The other one is of no use.
    controller.abort();
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/**
 * @param {"kernel" | "initrd"} phase
 * @param {MachineFile} file
 * @param {(event: ProgressEvent) => void} progress
 * @param {AbortSignal} signal
 * @returns {Promise<Uint8Array>}
 */
async function part(phase, { url, bytes, sha256: expected, size, encoding }, progress, signal) {
  if (bytes) {
    return bytes;
  }
  if (url === undefined) {
    throw failure("bad-machine", `the machine's ${phase} has neither "url" nor bytes`);
  }
  const what = new URL(url).pathname.split("/").pop() || url;
  return fetchFile(
    { url, sha256: expected, size, encoding },
    {
      hash: sha256,
      signal,
      eager: true,
      onProgress: ({ loaded, total }) => progress({ event: "progress", phase, what, loaded, total: total ?? size ?? 0 }),
      onTrouble: ({ state, error }) => progress({ event: "progress", phase, what, loaded: 0, total: size ?? 0, trouble: state === "over" ? undefined : error?.message }),
    },
  );
}
