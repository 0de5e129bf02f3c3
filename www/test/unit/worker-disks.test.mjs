// Disks of the worker: what is exported, imported and kept, whatever the storage does.

import assert from "node:assert/strict";
import { test } from "node:test";

import { CHUNKS } from "../../src/worker/source/index.js";
import { failure } from "./source-server.mjs";
import { SPIN, WAIT } from "./guests.mjs";
import { FakeDatabase, MAGIC, Opfs, PluggedDisk, browse, refusal, session, withDisk } from "./worker.mjs";

/** The bytes of an overlay's headers, journal and map before any data (docs/disk-format.md). */
const METADATA = 8192 + (1 << 20) + 8192;

/** That a file is an overlay. @param {Blob} blob */
async function isOverlay(blob) {
  assert.equal(await blob.slice(0, MAGIC.length).text(), MAGIC);
  assert.ok(blob.size >= METADATA, `${blob.size} bytes`);
}

test("a_disk_is_exported_wherever_it_is_kept", async (t) => {
  browse(t);
  for (const persist of [null, "p"]) {
    const database = new FakeDatabase().use(t);
    const { session: worker, create } = await withDisk(t, { persist });
    const { disks } = await create();
    assert.equal(disks[0].kind, persist ? "indexeddb" : "memory");
    await isOverlay(await worker.exportDisk("d"));
    await worker.start();
    await isOverlay(await worker.exportDisk("d"));
    await worker.stop();
    await isOverlay(await worker.exportDisk("d"));
    assert.equal(database.batches > 0, persist !== null);
  }
});

test("what_was_written_to_memory_over_an_image_that_was_replaced_is_handed_out", async (t) => {
  browse(t);
  let chunks = ["- 4"];
  const { session: worker, options, origin, create } = await session(t, WAIT, {
    create: false,
    answer: (_, response) => response.end(["virtarium-chunks 1", "size 1048576", "chunk 262144", "encoding none", ...chunks, ""].join("\n")),
  });
  options.machine.disks = [{ name: "d", manifest: `${origin}/manifest.txt` }];
  await create();
  await worker.start();
  await worker.stop();
  chunks = ["0".repeat(64), "- 3"];
  const { code, detail } = await worker.start().then(assert.fail, (error) => error);
  assert.deepEqual([code, detail.disk], ["overlay-base", "d"]);
  await isOverlay(detail.overlay);
  // And it is still there for the image that it was written to.
  chunks = ["- 4"];
  await worker.start();
  await isOverlay(await worker.exportDisk("d"));
});

test("a_disk_whose_database_is_full_is_exported", async (t) => {
  browse(t);
  const database = new FakeDatabase().use(t);
  const { session: worker, events, create } = await withDisk(t, { persist: "p" });
  await create();
  await worker.start();
  database.refuses = () => "quota";
  assert.equal((await failure(worker.sync())).code, "quota");
  await isOverlay(await worker.exportDisk("d"));
  assert.ok(events.some(({ event, code }) => event === "disk" && code === "quota"));
  assert.equal((await failure(worker.stop())).code, "quota");
  await isOverlay(await worker.exportDisk("d"));
});

test("a_file_that_cannot_be_read_is_no_fault_of_the_emulator", async (t) => {
  browse(t, { opfs: new Opfs() });
  const { session: worker, create } = await withDisk(t, { persist: "p" });
  await create();
  const read = async () => {
    throw refusal("NotReadableError");
  };
  const unreadable = { slice: () => unreadable, arrayBuffer: read, text: read, size: 10 };
  assert.equal((await failure(worker.importDisk("d", /** @type {any} */ (unreadable)))).code, "storage");
});

test("a_disk_is_kept_elsewhere_only_where_there_is_no_file_system", async (t) => {
  const database = new FakeDatabase().use(t);
  for (const [name, kind] of Object.entries({
    SecurityError: "indexeddb", NotAllowedError: "indexeddb", NotSupportedError: "indexeddb", TypeError: "indexeddb",
    UnknownError: "indexeddb", InvalidStateError: "storage", AbortError: "storage", QuotaExceededError: "quota",
  })) {
    const error = name === "TypeError" ? new TypeError("not a function") : refusal(name);
    browse(t, { opfs: new Opfs(), getDirectory: () => Promise.reject(error) });
    const { session: worker, create } = await withDisk(t, { persist: "p" });
    const result = await create().then(({ disks }) => disks[0].kind, ({ code }) => code);
    assert.equal(result, kind, name);
    await worker.dispose();
  }
  assert.ok(database.batches > 0);
});

test("an_error_without_a_reason_may_pass_where_there_was_a_file_system_before", async (t) => {
  new FakeDatabase().use(t);
  const opfs = new Opfs();
  let open = async () => opfs.folder;
  browse(t, { opfs, getDirectory: () => open() });
  const { session: worker, create } = await withDisk(t, { persist: "p" });
  assert.equal((await create()).disks[0].kind, "opfs");
  await worker.dispose();
  open = () => Promise.reject(refusal("UnknownError"));
  const { create: again } = await withDisk(t, { persist: "p" });
  assert.equal((await failure(again())).code, "storage");
});

/** @param {any[]} events */
const troubles = (events) => events.filter(({ event, code }) => event === "disk" && code).map(({ code }) => code);

test("a_full_database_is_given_what_is_kept_of_images", async (t) => {
  const kept = browse(t);
  const chunks = new Map([["a", new Uint8Array(9)], ["b", new Uint8Array(9)]]);
  const database = new FakeDatabase().use(t);
  database.refuses = () => (chunks.size > 0 ? "quota" : undefined);
  const { session: worker, events, create } = await withDisk(t, { persist: "p" });
  await create();
  kept.set(CHUNKS, chunks);
  await worker.sync();
  assert.deepEqual([chunks.size, database.batches, troubles(events)], [0, 2, []]);
  // There is no more to be had.
  database.refuses = () => "quota";
  await worker.resetDisk("d");
  assert.equal((await failure(worker.sync())).code, "quota");
  assert.deepEqual([database.batches, troubles(events)], [3, ["quota"]]);
});

test("a_full_file_system_is_given_what_is_kept_of_images", async (t) => {
  const opfs = new Opfs();
  const kept = browse(t, { opfs });
  const { session: worker, create } = await withDisk(t, { persist: "p" });
  await create();
  const exported = await worker.exportDisk("d");
  await worker.dispose();
  const chunks = new Map();
  opfs.others = () => chunks.size << 20;
  opfs.quota = 3 << 20;
  kept.set(CHUNKS, chunks);
  const fill = () => ["a", "b", "c"].forEach((key) => chunks.set(key, new Uint8Array(9)));
  // A new disk, and one that is imported, have room then.
  opfs.files.clear();
  fill();
  const { session: again, create: open } = await withDisk(t, { persist: "p" });
  await open();
  assert.equal(chunks.size, 0);
  fill();
  await again.importDisk("d", exported);
  assert.equal(chunks.size, 0);
});

test("an_import_ends_where_another_tab_takes_the_disk_and_the_machine_is_off", async (t) => {
  const opfs = new Opfs();
  browse(t, { opfs });
  const { session: worker, events, create } = await withDisk(t, { persist: "p" });
  await create();
  const exported = await worker.exportDisk("d");
  /** @type {(value?: unknown) => void} */
  let leave = () => {};
  opfs.before = (what, name) => {
    if (what !== "flush" || name !== "d.overlay2") return;
    opfs.before = () => {};
    void navigator.locks.request("virtarium:p/d", { steal: true }, () => new Promise((resolve) => (leave = resolve)));
  };
  assert.equal((await failure(worker.importDisk("d", exported))).code, "locked");
  assert.deepEqual([...opfs.files.keys()].sort(), ["d.current", "d.overlay", "d.owner"]);
  assert.equal(events.filter(({ event }) => event === "state").at(-1)?.state, "off");
  leave();
  await new Promise((resolve) => setTimeout(resolve, 10));
  await worker.start();
  assert.equal(events.at(-1)?.state, "running");
});

test("what_the_browser_says_when_a_disk_does_not_open_is_passed_on", async (t) => {
  const opfs = new Opfs();
  browse(t, { opfs });
  for (const made of [false, true]) {
    const { session: worker, create } = await withDisk(t, { persist: "p" });
    if (made) {
      await create();
      await worker.dispose();
    }
    opfs.before = (what) => {
      if (what === "flush") throw refusal("UnknownError");
    };
    const { create: again } = await withDisk(t, { persist: "p" });
    const error = await failure(again());
    assert.equal(error.code, "storage");
    assert.match(error.message, /^disk d: .*UnknownError: said the test/);
    opfs.before = () => {};
  }
});

test("an_empty_disk_has_at_most_a_tebibyte", async (t) => {
  browse(t);
  const { create } = await withDisk(t, { disk: { size: 2 ** 40 } });
  assert.equal((await create()).disks[0].size, 2 ** 40);
  const { create: larger } = await withDisk(t, { disk: { size: 2 ** 40 + 512 } });
  assert.equal((await failure(larger())).code, "bad-image");
});

test("a_machine_whose_database_another_tab_has_taken_runs_no_further", async (t) => {
  browse(t);
  const database = new FakeDatabase().use(t);
  const { session: worker, events, create } = await withDisk(t, { persist: "p" });
  await create();
  await worker.start();
  database.refuses = () => "locked";
  assert.equal((await failure(worker.sync())).code, "locked");
  assert.equal(events.filter(({ event }) => event === "state").at(-1)?.state, "off");
  assert.equal(events.filter(({ event, code }) => event === "disk" && code === "locked").length, 1);
});

test("what_comes_from_the_server_waits_while_a_disk_is_held", async () => {
  /** @type {number[]} */
  const fetched = [];
  let next = 0;
  const machine = /** @type {any} */ ({
    nextFetch: () => (next < 2 ? next++ : -1), chunkPath: () => "", takeRefusal: () => undefined, isShort: () => false,
    fetched: (/** @type {number} */ _, /** @type {number} */ chunk) => fetched.push(chunk),
  });
  const source = /** @type {any} */ ({ fetch: async () => new Uint8Array(1), good: () => {} });
  const disk = new PluggedDisk({ name: "d" }, /** @type {any} */ ({ kind: "memory" }), source, 1 << 20, false, () => {}, () => {}, (error) => { throw error; });
  disk.plug(machine, 0);
  const release = disk.hold();
  disk.serve();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(fetched, []);
  release();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(fetched, [0, 1]);
});

test("a_chunk_that_was_only_read_ahead_is_missed_by_nobody", async () => {
  /** @type {any[]} */
  const said = [];
  for (const wanted of [false, true]) {
    let next = 0;
    const machine = /** @type {any} */ ({
      nextFetch: () => (next < 1 ? next++ : -1), chunkPath: () => "", takeRefusal: () => undefined, isShort: () => false,
      isDemanded: () => wanted, fetchFailed: () => {},
    });
    const source = /** @type {any} */ ({ fetch: () => Promise.reject(Object.assign(new Error("gone"), { code: "integrity" })) });
    const disk = new PluggedDisk({ name: "d" }, /** @type {any} */ ({ kind: "memory" }), source, 1 << 20, false, (event) => said.push(event), () => {}, (error) => { throw error; });
    disk.plug(machine, 0);
    disk.serve();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(said.map(({ code }) => code), wanted ? ["integrity"] : []);
  }
});

test("a_slice_asks_nothing_of_a_file_that_the_guest_leaves_alone", async (t) => {
  const opfs = new Opfs();
  browse(t, { opfs });
  const { session: worker } = await session(t, SPIN, { persist: "p", machine: { disks: [{ name: "d", size: 1 << 20 }] } });
  await worker.start();
  const { sizes } = opfs;
  const { instructions } = worker.stats();
  assert.ok(opfs.sizes > sizes, "who wants the statistics is told it");
  const asked = opfs.sizes;
  await new Promise((resolve) => setTimeout(resolve, 400));
  await worker.pause();
  assert.equal(opfs.sizes, asked);
  assert.ok(worker.stats().instructions > instructions, "there were slices");
});

test("a_machine_that_cannot_be_built_holds_no_file", async (t) => {
  const opfs = new Opfs();
  browse(t, { opfs });
  const disks = [{ name: "d", size: 1 << 20 }];
  const open = () => [...opfs.files.values()].some((file) => file.open);
  const { create } = await session(t, SPIN, { persist: "p", machine: { disks, kernel: { bytes: new Uint8Array(10) } }, create: false });
  assert.equal((await failure(create())).code, "bad-image");
  assert.ok(opfs.files.has("d.overlay") && !open(), "a kernel that is none");
  // The disk is taken while it is being opened.
  opfs.before = (what, name) => {
    if (what !== "createSyncAccessHandle" || name !== "d.overlay") return;
    opfs.before = () => {};
    void navigator.locks.request("virtarium:p/d", { steal: true }, () => {});
  };
  const { create: again } = await session(t, SPIN, { persist: "p", machine: { disks }, create: false });
  assert.equal((await failure(again())).code, "locked");
  assert.ok(!open(), "one that another tab has taken");
});

test("a_disk_that_is_replaced_while_the_page_sleeps_is_there_when_it_wakes_up", async (t) => {
  browse(t, { opfs: new Opfs() });
  const { session: worker, create } = await withDisk(t, { persist: "p" });
  await create();
  await worker.suspend();
  await worker.resetDisk("d");
  await worker.resume();
  await worker.start();
  await worker.sync();
  // And the next sleep lets go of it.
  await worker.suspend();
  const { create: other } = await withDisk(t, { persist: "p" });
  await other();
  assert.equal((await failure(worker.resume())).code, "locked");
});
