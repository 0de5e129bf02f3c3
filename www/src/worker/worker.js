/** The worker's entry: calls come in, answers and events go out (protocol.js). */

import { toWire } from "../protocol.js";
import { Session } from "./session.js";

/** @typedef {import("../protocol.js").CallMessage} CallMessage */
/** @typedef {import("../protocol.js").WorkerMessage} WorkerMessage */

const scope = /** @type {DedicatedWorkerGlobalScope} */ (/** @type {unknown} */ (globalThis));

/**
 * @param {WorkerMessage} message
 * @param {Transferable[]} [transfer]
 */
function post(message, transfer = []) {
  scope.postMessage(message, transfer);
}

const session = new Session(post);

/** @type {Record<string, (...args: any[]) => unknown>} */
const calls = {
  create: (options) => session.create(options),
  start: () => session.start(),
  pause: () => session.pause(),
  reset: () => session.reset(),
  stop: () => session.stop(),
  suspend: () => session.suspend(),
  resume: () => session.resume(),
  dispose: () => session.dispose(),
  write: (console, bytes) => session.write(console, bytes),
  resize: (console, cols, rows) => session.resize(console, cols, rows),
  ack: (console, bytes) => session.ack(console, bytes),
  stats: () => session.stats(),
  digest: () => session.digest(),
  runTo: (count) => session.runTo(count),
  exportDisk: (name) => session.exportDisk(name),
  importDisk: (name, overlay) => session.importDisk(name, overlay),
  resetDisk: (name) => session.resetDisk(name),
  sync: () => session.sync(),
  ping: () => undefined,
};

scope.onmessage = async ({ data }) => {
  const { id, call, args } = /** @type {CallMessage} */ (data);
  try {
    const known = Object.hasOwn(calls, call) ? calls[call] : undefined;
    if (!known) {
      throw Object.assign(new Error(`the worker knows no call ${JSON.stringify(call)}`), { code: "unsupported" });
    }
    const value = await known(...args);
    if (id !== 0) {
      post({ id, value });
    }
  } catch (error) {
    session.look(error);
    if (id !== 0) {
      post({ id, error: toWire(error) });
    }
  }
  if (call === "dispose") {
    scope.close();
  }
};
