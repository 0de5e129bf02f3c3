import assert from "node:assert/strict";
import fs from "node:fs";
import http from "node:http";
import { register } from "node:module";
import test from "node:test";

// The worker's session with the real module, and a guest of a few instructions.

const bindings = new URL("../../wasm/virtarium_wasm.js", import.meta.url);
register(`data:text/javascript,${encodeURIComponent(`export const resolve = (name, context, next) =>
  name === "virtarium-wasm" ? { url: ${JSON.stringify(bindings.href)}, format: "module", shortCircuit: true } : next(name, context);`)}`);

/** A kernel Image (docs: riscv/boot-image-header) around RV64 instructions. */
function image(...words) {
  const bytes = new Uint8Array(64 + words.length * 4);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x0400_006f, true); // j +64
  view.setBigUint64(8, 0x20_0000n, true);
  view.setBigUint64(16, 0x1_0000n, true);
  view.setUint32(32, 2, true);
  view.setBigUint64(48, 0x56_4353_4952n, true); // "RISCV"
  view.setUint32(56, 0x0543_5352, true); // "RSC\x05"
  words.forEach((word, i) => view.setUint32(64 + i * 4, word, true));
  return bytes;
}

/** Prints "x" by the legacy SBI, then asks for a cold reboot (SRST), for ever. */
const REBOOTS = image(
  0x0010_0893, 0x0780_0513, 0x0000_0073, // li a7, 1; li a0, 'x'; ecall
  0x5352_58b7, 0x3548_8893, 0x0000_0813, // li a7, "SRST"; li a6, 0
  0x0010_0513, 0x0000_0593, 0x0000_0073, // li a0, 1; li a1, 0; ecall
  0x0000_006f,
);

test("a guest's reboot is told between its output and the next guest's", { skip: !fs.existsSync(bindings) && "the module is not built" }, async (t) => {
  const module = fs.readFileSync(new URL("../../wasm/virtarium_wasm_bg.wasm", import.meta.url));
  const server = http.createServer((_, response) => response.end(module));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const { Session } = await import("../../src/worker/session.js");
  const events = [];
  let seen = () => {};
  const enough = new Promise((resolve) => { seen = resolve; });
  const session = new Session((event) => {
    events.push(event);
    if (events.length > 30) seen();
  });
  t.after(() => session.dispose());
  await session.create({
    protocol: 1, wasmUrl: `http://127.0.0.1:${server.address().port}/m.wasm`, persist: null,
    machine: { virtarium: 1, title: "t", memory: 16 << 20, cpus: 1, append: "", kernel: { bytes: REBOOTS }, disks: [], consoles: 1, rng: true },
  });
  await session.start();
  await enough;
  await session.pause();
  const said = events.filter(({ event }) => event === "output" || event === "reset").map(({ event, bytes }) => (event === "reset" ? "reset" : String.fromCharCode(...bytes)));
  assert.deepEqual(said.slice(0, 6), ["x", "reset", "x", "reset", "x", "reset"]);
  const states = events.filter(({ event }) => event === "state").map(({ state }) => state);
  assert.deepEqual(states, ["loading", "created", "running", "paused"]);
});
