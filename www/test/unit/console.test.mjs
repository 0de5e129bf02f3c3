import assert from "node:assert/strict";
import { test } from "node:test";
import { WRITE_MAX } from "../../src/protocol.js";
import { VmConsole } from "../../src/vm/console.js";
import { VmError } from "../../src/vm/errors.js";

/** A console whose guest takes what `take` resolves for. */
function guest(take = async () => {}, ack = () => {}) {
  let read = "";
  const console = new VmConsole(0, async (bytes) => {
    await take(bytes);
    read += new TextDecoder().decode(bytes);
  }, ack);
  return { console, read: () => read };
}

test("one stream after the other can be piped into a console", async () => {
  const { console, read } = guest();
  for (const line of ["first\n", "second\n"]) await new Blob([line]).stream().pipeTo(console.writable);
  assert.equal(read(), "first\nsecond\n");
  assert.equal(console.writable, console.writable, "an open stream is the same each time");
});

test("a stream that was aborted stops at its next piece and makes way for another at once", async () => {
  let go;
  const { console, read } = guest((bytes) => (bytes.length === WRITE_MAX ? new Promise((resolve) => { go = resolve; }) : undefined));
  const writer = console.writable.getWriter();
  const write = writer.write("x".repeat(WRITE_MAX * 3));
  await new Promise((resolve) => setTimeout(resolve, 0));
  const aborted = writer.abort(new Error("enough"));
  const next = console.writable.getWriter();
  const after = next.write("after");
  go();
  await aborted;
  await Promise.allSettled([write]);
  await after;
  assert.equal(read(), `${"x".repeat(WRITE_MAX)}after`);
});

test("a stream whose write failed makes way for another", async () => {
  let fails = true;
  const { console, read } = guest(async () => { if (fails) throw new Error("the machine is off"); });
  await assert.rejects(new Blob(["lost"]).stream().pipeTo(console.writable), /the machine is off/);
  fails = false;
  await new Blob(["kept"]).stream().pipeTo(console.writable);
  assert.equal(read(), "kept");
});

test("an abort ends a write whatever the guest does, and what comes next stays in its order", async () => {
  const taken = [];
  const { console, read } = guest(() => new Promise((resolve) => taken.push(resolve)));
  const settled = () => new Promise((resolve) => setTimeout(resolve, 0));
  const gone = { code: "aborted", name: "AbortError" };
  await assert.rejects(console.write("early", { signal: AbortSignal.abort() }), gone);
  await assert.rejects(console.write("", { signal: AbortSignal.abort() }), gone);
  const control = new AbortController();
  const write = console.write("x".repeat(WRITE_MAX * 3), { signal: control.signal });
  const next = console.write("after");
  await settled();
  taken.shift()();
  await settled();
  control.abort();
  await assert.rejects(write, gone);
  await settled();
  assert.equal(taken.length, 1, "the next one waits for the piece that the guest has not taken yet");
  taken.shift()();
  await settled();
  taken.shift()();
  await next;
  assert.equal(read(), `${"x".repeat(WRITE_MAX * 2)}after`);
});

test("a stream into a guest that does not read can be aborted", async () => {
  const { console } = guest(() => new Promise(() => {}));
  const writer = console.writable.getWriter();
  const write = assert.rejects(writer.write("x"), (error) => error.code === "aborted" && error.cause.message === "enough");
  await new Promise((resolve) => setTimeout(resolve, 0));
  await writer.abort(new Error("enough"));
  await write;
});

test("what is not bytes is refused by name, not written as its name", async () => {
  const { console, read } = guest();
  for (const wrong of [new Blob(["x"]), new Blob(["x"]).stream(), 5, undefined]) {
    await assert.rejects(console.write(wrong), (error) => error instanceof TypeError && /text or a Uint8Array/.test(error.message));
  }
  assert.equal(read(), "");
});

test("who asks after the end hears of it, and finds what was printed before", { timeout: 5000 }, async () => {
  const { console } = guest();
  const gone = new VmError("crashed", "gone");
  const is = (error) => error === gone;
  const open = console.readable.getReader();
  console.receive(new TextEncoder().encode("last words"));
  await open.read();
  const waits = [open.read(), console.expect("never")];
  console.end(gone);
  for (const wait of waits) await assert.rejects(wait, is);
  assert.equal((await console.expect("last")).text, "last");
  await assert.rejects(console.expect("never"), is);
  await assert.rejects(console.expect("never", { signal: AbortSignal.abort() }), { code: "aborted" });
  await assert.rejects(open.closed, is);
  const { console: other } = guest();
  other.end(gone);
  await assert.rejects(other.readable.getReader().read(), is, "read for the first time after the end");
});

test("a sink that throws is reported, and holds back neither the guest nor the other sinks", async (t) => {
  const reported = [];
  const { reportError } = globalThis;
  globalThis.reportError = (error) => reported.push(error);
  t.after(() => { globalThis.reportError = reportError; });
  let acked = 0;
  let seen = 0;
  const { console } = guest(undefined, (count) => { acked += count; });
  const [thrown, rejected] = [new Error("a sink's"), new Error("a later one's")];
  console.attach(() => { throw thrown; });
  console.attach(async () => { throw rejected; });
  console.attach((bytes) => { seen += bytes.length; });
  const waits = console.expect("text");
  console.receive(new TextEncoder().encode("text"));
  assert.equal((await waits).text, "text");
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.deepEqual([acked, seen, reported], [4, 4, [thrown, rejected]]);
  globalThis.reportError = undefined;
  console.receive(new TextEncoder().encode("more"));
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(acked, 8, "where there is nobody to report it to");
});
