import assert from "node:assert/strict";
import test from "node:test";
import { toWire } from "../../src/protocol.js";
import { VmConsole } from "../../src/vm/console.js";
import { VmError } from "../../src/vm/errors.js";
import { Expecter } from "../../src/vm/expect.js";
import { Rpc } from "../../src/vm/rpc.js";
import { Watchdog } from "../../src/vm/watchdog.js";

const encode = (text) => new TextEncoder().encode(text);

test("answers find their calls in any order, and events are told", async () => {
  const sent = [];
  const events = [];
  const rpc = new Rpc((message) => sent.push(message), (event) => events.push(event));
  const a = rpc.call("stats", []);
  const b = rpc.call("digest", []);
  rpc.receive({ event: "state", state: "running" });
  rpc.receive({ id: sent[1].id, value: "b" });
  rpc.receive({ id: sent[0].id, error: toWire(Object.assign(new Error("full"), { code: "quota", detail: { disk: "root" } })) });
  rpc.receive({ id: 99, value: "nobody asked" });
  rpc.receive(null);
  assert.equal(await b, "b");
  await assert.rejects(a, (e) => e instanceof VmError && e.code === "quota" && e.detail.disk === "root" && e.message === "full");
  assert.deepEqual(events, [{ event: "state", state: "running" }]);
  assert.equal(rpc.pending, 0);
});

test("closing rejects who waits and who comes later; a late answer is nobody's", async () => {
  const rpc = new Rpc(() => {}, () => assert.fail("no event after the end"));
  const waits = rpc.call("start", []);
  rpc.close(new VmError("crashed", "gone"));
  rpc.receive({ id: 1, value: 1 });
  rpc.receive({ event: "state", state: "off" });
  await assert.rejects(waits, { code: "crashed" });
  await assert.rejects(rpc.call("start", []), { code: "crashed" });
});

test("an abort ends the waiting for an answer", async () => {
  const rpc = new Rpc(() => {}, () => {});
  const control = new AbortController();
  const waits = rpc.call("start", [], { signal: control.signal });
  control.abort();
  await assert.rejects(waits, { code: "aborted", name: "AbortError" });
  rpc.receive({ id: 1, value: "too late" });
  assert.equal(rpc.pending, 0);
  const unsent = new Rpc(() => assert.fail("nothing is sent"), () => {});
  await assert.rejects(unsent.call("start", [], { signal: AbortSignal.abort() }), { code: "aborted" });
});

test("an error without a code of ours crosses as `crashed`, one of the browser's as what it is", () => {
  assert.equal(toWire(new TypeError("x")).code, "crashed");
  assert.equal(toWire(Object.assign(new Error("x"), { code: "ENOENT" })).code, "crashed");
  assert.equal(toWire(new DOMException("x", "QuotaExceededError")).code, "quota");
  assert.equal(toWire("text").message, "text");
});

test("expect consumes what it matched, in the order of the calls", async () => {
  const expecter = new Expecter();
  const first = expecter.expect(/a(.)/g);
  const second = expecter.expect("a1");
  expecter.push(encode("xa1 y"));
  expecter.push(encode("a"));
  expecter.push(encode("1"));
  assert.deepEqual(await first, { text: "a1", before: "x", groups: ["a1", "1"] });
  assert.deepEqual((await second).before, " y");
  expecter.push(encode("old"));
  assert.equal((await expecter.expect("old")).text, "old", "what is there already counts");
});

test("expect ends with a timeout that tells what came, and keeps a bounded text", async () => {
  const expecter = new Expecter();
  for (let i = 0; i < 200; i++) expecter.push(encode("z".repeat(1000)));
  assert.ok(expecter.text.length <= 65536);
  expecter.push(encode("last words"));
  await assert.rejects(expecter.expect("never", { timeout: 20 }), /never.*last words/);
  const waits = expecter.expect("never");
  expecter.fail(new VmError("crashed", "gone"));
  await assert.rejects(waits, { code: "crashed" });
});

test("a character cut between two pieces is still one", async () => {
  const expecter = new Expecter();
  const [x, y] = encode("ü");
  expecter.push(Uint8Array.of(x));
  expecter.push(Uint8Array.of(y));
  assert.equal(expecter.text, "ü");
});

test("output is acknowledged when every reader has consumed it", async () => {
  let acked = 0;
  const console = new VmConsole(0, async () => {}, (count) => { acked += count; });
  console.receive(encode("nobody"));
  assert.equal(acked, 6, "without a reader at once");
  let done;
  const detach = console.attach(() => new Promise((resolve) => { done = resolve; }));
  console.receive(encode("slow"));
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(acked, 6);
  done();
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(acked, 10);
  detach();
});

test("a stream that is not read holds the guest back, and lets go when it is cancelled", async () => {
  let acked = 0;
  const console = new VmConsole(0, async () => {}, (count) => { acked += count; });
  const stream = console.readable;
  for (let i = 0; i < 3; i++) console.receive(new Uint8Array(60000));
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(acked, 60000);
  await stream.cancel();
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(acked, 180000);
});

test("writes go out in pieces, one after the other, and copies", async () => {
  const log = [];
  let running = 0;
  const console = new VmConsole(0, async (bytes) => {
    assert.equal(++running, 1, "one at a time");
    await new Promise((resolve) => setTimeout(resolve, 1));
    running--;
    log.push(bytes.length);
  }, () => {});
  const mine = new Uint8Array(70000);
  await Promise.all([console.write(mine), console.write("x")]);
  assert.deepEqual(log, [65536, 4464, 1]);
  assert.equal(mine.length, 70000);
  const writer = console.writable.getWriter();
  await writer.write("typed");
  assert.equal(log.at(-1), 5);
});

test("a silent worker is found, one that answers is left alone", async () => {
  let silent = 0;
  const good = new Watchdog(async () => {}, () => assert.fail("it answers"), { every: 40, limit: 120 });
  const bad = new Watchdog(() => new Promise(() => {}), (ms) => { silent = ms; }, { every: 40, limit: 120 });
  good.start();
  bad.start();
  for (let i = 0; i < 100 && !silent; i++) await new Promise((resolve) => setTimeout(resolve, 50));
  good.stop();
  assert.equal(silent, 120);
});
