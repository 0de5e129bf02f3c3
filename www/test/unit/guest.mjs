// The worker's session in Node.js, with the real module: what a guest does to its host, without a
// browser. Guests are a few instructions behind the header of a Linux image.

import { createServer } from "node:http";

import { MODULE, Session } from "./worker.mjs";

export const { PluggedDisk } = await import("../../src/worker/disks.js");

/** RISC-V: waits for ever. */
export const WAIT = [0x10500073, 0xffdff06f];
/** RISC-V: prints 4096 bytes through the SBI's debug console, for ever. */
export const FLOOD = [
  // lui a7, addi a7: DBCN; auipc s0; a6 = 0; and in a loop a0 = 4096, a1 = s0, a2 = 0, ecall
  0x444248b7, 0x34e88893, 0x00000417, 0x00000813, 0x00001537, 0x00040593, 0x00000613, 0x00000073, 0xff1ff06f,
];

/**
 * A kernel: instructions behind the header of Linux's `Image` (Documentation/arch/riscv/boot-image-header.rst).
 * @param {number[]} code
 */
export function kernel(code) {
  const bytes = new Uint8Array(64 + 4 * code.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x0400006f, true); // j +64
  view.setBigUint64(8, 0x200000n, true); // text_offset
  view.setBigUint64(16, 0x10000n, true); // image_size
  view.setUint32(32, 2, true); // version 0.2
  view.setBigUint64(48, 0x5643534952n, true); // magic
  view.setUint32(56, 0x05435352, true); // magic2
  code.forEach((word, i) => view.setUint32(64 + 4 * i, word, true));
  return bytes;
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
  if (create) await it.create(options);
  return { session: it, events, origin, options };
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
