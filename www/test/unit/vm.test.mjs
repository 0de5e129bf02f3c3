import assert from "node:assert/strict";
import test from "node:test";
import { Vm } from "../../src/vm/vm.js";

// The page's side of a machine, with a worker that does what a test says.

const encode = (text) => new TextEncoder().encode(text);
const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

/** Answers every call with nothing, or with what `answers` has for it. */
class FakeWorker {
  static answers = {};
  calls = [];

  constructor() { FakeWorker.last = this; }

  postMessage({ id, call, args }) {
    this.calls.push([call, ...args]);
    const answer = FakeWorker.answers[call] ?? (() => (call === "create" ? { disks: [], consoles: 1 } : undefined));
    if (id !== 0) Promise.resolve(answer(...args)).then((value) => this.onmessage({ data: { id, value } }), () => {});
  }

  terminate() {}

  say(event, more = {}) { this.onmessage({ data: { event, ...more } }); }
  print(text, console = 0) { this.say("output", { console, bytes: encode(text) }); }

  /** What was written to a console. */
  written(console) {
    return this.calls.filter(([call, to]) => call === "write" && to === console).map(([, , bytes]) => new TextDecoder().decode(bytes));
  }

  /** Runs the agent's last command that this shell has been given. */
  shell(output, code = 0) {
    const nonce = /036([0-9a-f]{16})\\036'; \(eval/.exec(this.written(1).at(-1))[1];
    this.print(`\x1e${nonce}\x1e${output}\x1e${nonce} ${code}\x1e`, 1);
  }
}

/**
 * A machine and its worker.
 * @param {import("node:test").TestContext} t
 */
async function machine(t, file = {}, options = {}, answers = {}) {
  globalThis.Worker = FakeWorker;
  globalThis.self ??= globalThis;
  FakeWorker.answers = answers;
  const vm = await Vm.create({
    machine: { virtarium: 1, kernel: "https://host.example/k", consoles: 2, agent: 1, ...file },
    workerUrl: "data:text/javascript,", watchdog: false, ...options,
  });
  t.after(() => vm.dispose());
  const states = [];
  vm.addEventListener("state", ({ detail }) => states.push(detail.state));
  return { vm, worker: FakeWorker.last, states };
}

test("a guest that reboots boots again: what ran fails, and the next command waits for the new shell", async (t) => {
  const { vm, worker, states } = await machine(t, { ready: "# " });
  worker.say("state", { state: "running" });
  worker.print("# ");
  const reboot = vm.run("reboot");
  const next = vm.run("echo next");
  await settled();
  worker.shell("");
  await settled();
  assert.match(worker.written(1).at(-1), /eval 'reboot'/);
  worker.say("reset");
  await assert.rejects(reboot, { code: "aborted", message: "the guest has restarted" });
  assert.equal(vm.ready, false);
  assert.equal(vm.state, "booting");
  let ready = false;
  const waits = vm.whenReady().then(() => { ready = true; });
  await settled();
  assert.equal(ready, false);
  worker.print("# ");
  await waits;
  assert.deepEqual(states, ["booting", "running", "booting", "running"]);
  worker.shell("");
  await settled();
  assert.match(worker.written(1).at(-1), /eval 'echo next'/);
  worker.shell("next\n");
  assert.equal((await next).output, "next\n");
  assert.equal(worker.written(1).some((text) => text.startsWith("\x03")), false, "the new guest has nothing to interrupt");
});

test("an upload that a reboot breaks off leaves the new guest alone", async (t) => {
  const { vm, worker } = await machine(t);
  worker.say("state", { state: "running" });
  const upload = vm.upload("/root/file", "content");
  await settled();
  worker.shell("");
  await settled();
  assert.match(worker.written(1).at(-1), /: >'\\''\/root\/\.upload-/);
  worker.shell("");
  while (!worker.written(1).at(-1).includes("base64 -d")) await settled();
  const before = worker.written(1).length;
  worker.say("reset");
  await assert.rejects(upload, { code: "aborted", message: "the guest has restarted" });
  assert.equal(worker.written(1).length, before);
});

test("a machine whose file has no `ready` is ready when its terminal shows something, each time", async (t) => {
  const { vm, worker, states } = await machine(t);
  worker.say("state", { state: "running" });
  assert.equal(vm.state, "booting");
  worker.print("the agent's console is not the terminal", 1);
  assert.equal(vm.ready, false);
  worker.print("[");
  assert.equal(vm.ready, true);
  await vm.whenReady();
  const reset = vm.reset();
  worker.say("reset");
  await reset;
  assert.equal(vm.ready, false);
  const waits = vm.whenReady();
  worker.print("[");
  await waits;
  assert.deepEqual(states, ["booting", "running", "booting", "running"]);
});

test("a sink that throws hides no output, and the machine is ready all the same", async (t) => {
  const { vm, worker } = await machine(t);
  const seen = [];
  vm.addEventListener("output", ({ detail }) => seen.push(detail.bytes.length));
  vm.console.attach(() => { throw new Error("a sink's"); });
  worker.say("state", { state: "running" });
  worker.print("text");
  await settled();
  assert.deepEqual([vm.state, seen, worker.calls.at(-1)], ["running", [4], ["ack", 0, 4]]);
});

test("a disk has the size that its worker says, and the kind that was said last", async (t) => {
  const told = { name: "root", kind: "memory", persisted: false };
  const { vm, worker } = await machine(t, { disks: [{ name: "root", size: "4M" }] }, {}, {
    create: () => {
      FakeWorker.last.say("disk", told);
      return { consoles: 2, disks: [{ name: "root", size: 4 << 20, kind: "opfs", persisted: true, readonly: false }] };
    },
  });
  assert.deepEqual(vm.disks, [{ name: "root", size: 4 << 20, kind: "memory", persisted: false, readonly: false }]);
  worker.say("disk", { ...told, kind: "indexeddb" });
  assert.deepEqual(vm.disks, [{ name: "root", size: 4 << 20, kind: "indexeddb", persisted: false, readonly: false }]);
});

test("an option that cannot be is refused before anything is loaded, with its name", async (t) => {
  const bad = {
    persist: ["", "../up", 5], clock: ["determinstic"], seed: ["xyz", "", "-1", "0x", "1.5", "18446744073709551616", 7],
    epoch: [-1, 1.5, NaN, "0"], cols: [0.5, 65536], rows: ["24", -1], append: [5], workerUrl: ["https://"], wasmUrl: ["http://host:port/x"],
  };
  for (const [field, values] of Object.entries(bad)) {
    for (const value of values) {
      FakeWorker.last = undefined;
      await assert.rejects(machine(t, {}, { [field]: value }), (e) => e.code === "bad-machine" && e.detail.field === field && new RegExp(`^(the machine: )?${field} (\\(.*\\) )?is `).test(e.message), `${field} ${value}`);
      assert.equal(FakeWorker.last, undefined);
    }
  }
  const good = { persist: null, clock: "deterministic", seed: "0xFFFFFFFFFFFFFFFF", epoch: 0, cols: 80, rows: 24 };
  const { worker } = await machine(t, {}, good);
  for (const [field, value] of Object.entries(good)) assert.equal(worker.calls[0][1][field], value);
  await machine(t, {}, { seed: "18446744073709551615" });
});

test("`runTo` refuses what no count of instructions can be", async (t) => {
  const { vm, worker } = await machine(t, {}, {}, { runTo: (count) => count });
  for (const count of [1.5, -1, NaN, Infinity, "5", undefined, 2 ** 60]) {
    await assert.rejects(vm.runTo(count), (e) => e.code === "unsupported" && e.message.includes(`and ${count} is none`));
  }
  assert.deepEqual(worker.calls.map(([call]) => call), ["create"]);
  assert.equal(await vm.runTo(1000), 1000);
});

test("`ready` is the guest's text, and no pattern", async (t) => {
  const { vm, worker } = await machine(t, { ready: ["(a+)+$ ", "login: "] });
  worker.say("state", { state: "running" });
  worker.print(`${"a".repeat(40)}! `);
  assert.equal(vm.ready, false);
  worker.print("(a+)");
  worker.print("+$ ");
  assert.equal(vm.ready, true);
  worker.say("reset");
  worker.print("log");
  worker.say("reset");
  worker.print("in: ");
  assert.equal(vm.ready, false, "half of it was another guest's");
  worker.print("login: ");
  assert.equal(vm.ready, true);
});

test("the rest of what was typed for a guest does not reach the one after its reboot", async (t) => {
  let taken = () => {};
  const { vm, worker } = await machine(t, {}, {}, { write: () => new Promise((resolve) => { taken = resolve; }) });
  worker.say("state", { state: "running" });
  const sent = vm.send("x".repeat(100_000));
  await settled();
  // As the worker does: the event, then the answers of the writes that it gives up.
  worker.say("reset");
  taken();
  await sent;
  void vm.send("new");
  await settled();
  assert.deepEqual(worker.written(0).map((text) => text.length), [65536, 3]);
});

test("an abort ends the waiting for any call, and what was called is done all the same", async (t) => {
  const never = () => new Promise(() => {});
  const { vm, worker } = await machine(t, {}, {}, Object.fromEntries(
    ["start", "pause", "reset", "stop", "sync", "stats", "digest", "runTo", "exportDisk", "importDisk", "resetDisk", "write"].map((name) => [name, never])));
  const calls = {
    start: (options) => vm.start(options), pause: (options) => vm.pause(options), reset: (options) => vm.reset(options),
    stop: (options) => vm.stop(options), sync: (options) => vm.sync(options), stats: (options) => vm.statistics(options),
    digest: (options) => vm.digest(options), runTo: (options) => vm.runTo(7, options), exportDisk: (options) => vm.exportDisk("root", options),
    importDisk: (options) => vm.importDisk("root", new Blob(), options), resetDisk: (options) => vm.resetDisk("root", options),
    write: (options) => vm.send("x", options),
  };
  for (const [name, call] of Object.entries(calls)) {
    const control = new AbortController();
    const waits = call({ signal: control.signal });
    await settled();
    assert.equal(worker.calls.at(-1)[0], name);
    control.abort();
    await assert.rejects(waits, { code: "aborted" }, name);
    const before = worker.calls.length;
    await assert.rejects(call({ signal: control.signal }), { code: "aborted" }, name);
    assert.equal(worker.calls.length, before, `${name} is not called for somebody who has gone already`);
  }
  worker.say("state", { state: "running" });
  worker.print("[");
  worker.say("reset");
  assert.equal(vm.state, "booting", "the reset that nobody waits for");
  const control = new AbortController();
  const ready = vm.whenReady({ signal: control.signal });
  control.abort();
  await assert.rejects(ready, { code: "aborted" });
});

test("a machine that stands still is not asked again and again for its shell", async (t) => {
  const { vm, worker } = await machine(t);
  const long = () => new Promise((resolve) => setTimeout(resolve, 1300));
  const early = vm.run("echo early");
  await long();
  assert.deepEqual(worker.written(1), []);
  worker.say("state", { state: "running" });
  await settled();
  assert.equal(worker.written(1).length, 1);
  worker.say("state", { state: "paused" });
  await long();
  assert.equal(worker.written(1).length, 1);
  await assert.rejects(vm.run("echo impatient", { timeout: 50 }), { code: "aborted" });
  worker.say("state", { state: "running" });
  await settled();
  assert.equal(worker.written(1).length, 2);
  worker.shell("");
  await settled();
  worker.shell("early\n");
  assert.equal((await early).output, "early\n");
  worker.say("state", { state: "paused" });
  worker.say("reset");
  const last = vm.run("echo last");
  await settled();
  await vm.dispose();
  await assert.rejects(last, { code: "aborted", message: "the machine was disposed of" });
});

test("a reset of a paused machine leaves it paused, and not ready", async (t) => {
  const { vm, worker } = await machine(t, { ready: "# " });
  worker.say("state", { state: "running" });
  worker.print("# ");
  worker.say("state", { state: "paused" });
  worker.say("reset");
  assert.equal(vm.ready, false);
  assert.equal(vm.state, "paused");
  worker.say("state", { state: "running" });
  assert.equal(vm.state, "booting");
});

test("nobody waits for the output of a machine that goes off, nor sees that of the guest before", async (t) => {
  const { vm, worker } = await machine(t, { ready: "# " });
  worker.say("state", { state: "running" });
  worker.print("boot");
  const waits = [vm.expect("# "), vm.whenReady()];
  worker.say("state", { state: "off" });
  for (const wait of waits) await assert.rejects(wait, { code: "aborted", message: /the machine is off/ });
  // What was printed can still be looked at.
  assert.equal((await vm.expect("boot", { timeout: 1000 })).text, "boot");
  worker.print("last words");
  const again = vm.whenReady();
  worker.say("state", { state: "running" });
  await assert.rejects(vm.expect("last words", { timeout: 20 }), { code: "aborted" });
  worker.print("# ");
  await again;
  const next = vm.expect(/hello|# /, { timeout: 1000 });
  assert.equal((await next).text, "# ");
  worker.print("# ");
  worker.say("reset");
  await assert.rejects(vm.expect("# ", { timeout: 20 }), { code: "aborted" });
  await assert.rejects(vm.whenReady({ timeout: 20 }), { code: "aborted" });
});

test("an end is told once for a machine that ran, and not for one that could not be built", async (t) => {
  const { vm, worker } = await machine(t);
  const ends = [];
  vm.addEventListener("exit", ({ detail }) => ends.push(detail.code));
  worker.say("state", { state: "running" });
  worker.say("state", { state: "off", code: 3 });
  worker.say("state", { state: "off" });
  worker.say("state", { state: "loading" });
  worker.say("state", { state: "off" });
  assert.deepEqual([ends, vm.exitCode], [[3], 3]);
});

test("who disposes of a machine again waits for the same end", async (t) => {
  let answer;
  const { vm, worker } = await machine(t, {}, {}, { dispose: () => new Promise((resolve) => { answer = resolve; }) });
  let ended = 0;
  let first;
  vm.addEventListener("state", () => { first = vm.dispose().then(() => { ended += 1; }); });
  const all = [vm.dispose(), vm.dispose(), vm[Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]()].map((end) => end.then(() => { ended += 1; }));
  assert.equal(vm.state, "disposed");
  await settled();
  assert.equal(ended, 0, "its disks are not flushed yet");
  answer();
  await Promise.all([first, ...all]);
  assert.equal(worker.calls.filter(([call]) => call === "dispose").length, 1);
});

test("a machine that crashed is disposed of without its worker", async (t) => {
  const { vm, worker } = await machine(t);
  worker.say("crash", { message: "gone", stack: "" });
  await vm.dispose();
  assert.deepEqual([vm.state, worker.calls.map(([call]) => call)], ["disposed", ["create"]]);
  await assert.rejects(vm.whenReady(), { code: "crashed" });
});
