// Disks that survive, and what the guest and the user see when they cannot.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";

import { inBrowsers } from "./harness.mjs";
import {
  addChunks,
  addMachine,
  boot,
  booted,
  dispose,
  exportRaw,
  ext4,
  locks,
  openPage,
  output,
  run,
  serveSite,
  told,
  until,
  visit,
} from "./machine.mjs";

/** @typedef {import("./harness.mjs").Session} Session */

/** The mebibytes of a disk: more than a server without ranges may send whole. */
const SIZE = 24;
/** Bytes that a file system on it does not have, to be read by address. */
const MARKS = [2, 9, 17, 23];

/**
 * A server with a machine whose one disk has an ext4 file system with a file that nobody reads, in
 * chunks and as one file.
 * @param {Session} session
 */
async function ready(session) {
  const site = await serveSite(session);
  const image = readFileSync(ext4(session, SIZE, randomBytes(4 << 20)));
  site.files.set("/disk.img", image);
  const manifest = addChunks(site, "data", image);
  const chunked = addMachine(site, { disks: [{ name: "data", manifest }] }, "chunked");
  const ranged = addMachine(site, { disks: [{ name: "data", url: "../disk.img" }] }, "ranged");
  return { site, image, chunked, ranged };
}

/**
 * A raw image with a line at some addresses, the rest of it random, and a machine with it.
 * @param {Session} session
 */
async function marked(session) {
  const site = await serveSite(session);
  const image = Buffer.alloc(SIZE << 20);
  for (let at = 0; at < image.length; at += 4096) image.writeUInt32LE(at ^ 0x5a5a5a5a, at);
  for (const at of MARKS) image.write(`mark ${at}\n`, at << 20);
  site.files.set("/disk.img", image);
  const manifest = addChunks(site, "data", image);
  const chunked = addMachine(site, { disks: [{ name: "data", manifest }] }, "chunked");
  const ranged = addMachine(site, { disks: [{ name: "data", url: "../disk.img" }] }, "ranged");
  return { site, image, chunked, ranged };
}

/**
 * Puts a script before the worker's own.
 * @param {import("./server.mjs").Site} site
 * @param {string} script
 */
async function prefixWorker(site, script) {
  const worker = await (await fetch(`${site.origin}/worker.js`)).text();
  site.files.set("/worker.js", `${script}\n${worker}`);
}

/** As in a private window: the worker finds no handles. @param {import("./server.mjs").Site} site */
const withoutFiles = (site) => prefixWorker(site, "delete FileSystemFileHandle.prototype.createSyncAccessHandle;");

/** Reads the line at a mebibyte of the guest's disk, past its caches. @param {number} at */
const readMark = (at) =>
  `echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vda bs=1M skip=${at} count=1 2>/dev/null | head -n 1`;

inBrowsers("disks", (it) => {
  const needs = ["mke2fs"];

  it("what_was_written_is_there_after_a_reload", async (session) => {
    const { site, chunked } = await ready(session);
    const page = await openPage(session, site);
    const machine = { machine: chunked, persist: "kept" };
    await booted(page, machine);
    const disks = await page.evaluate(() => /** @type {any} */ (globalThis).vm.disks);
    const known = disks.map((/** @type {any} */ { name, size, kind }) => [name, size, kind]);
    assert.deepEqual(known, [["data", SIZE << 20, "opfs"]]);
    await output(page, "mount /dev/vda /mnt && echo still here >/mnt/file && umount /mnt");
    await page.evaluate(() => /** @type {any} */ (globalThis).vm.sync());
    await visit(page, site);
    await booted(page, machine);
    assert.equal(await output(page, "mount -o ro /dev/vda /mnt && cat /mnt/file"), "still here\n");
    await dispose(page);
    // Of the image only what was read has come.
    const chunks = new Set(site.asked(/^\/chunks\//).map(({ path }) => path));
    const all = [...site.files.keys()].filter((path) => path.startsWith("/chunks/"));
    assert.ok(all.length > 32, "the content's, and the file system's");
    assert.ok(chunks.size > 0 && chunks.size < all.length / 2, `${chunks.size} chunks of ${all.length}`);
  }, { needs });

  it("a_disk_is_in_one_tab_at_a_time", async (session) => {
    const { site, chunked } = await ready(session);
    const [first, second] = [await openPage(session, site), await openPage(session, site)];
    const machine = { machine: chunked, persist: "shared" };
    await booted(first, machine);
    const refused = await boot(second, machine);
    assert.equal(refused.code, "locked", refused.message);
    assert.match(refused.message ?? "", /is in use, in another tab/);
    // By force, and then the first one knows.
    await booted(second, { ...machine, steal: true });
    await until("the first tab is told", async () =>
      (await told(first)).some(({ code }) => code === "locked"),
    );
    assert.equal(await output(second, "dd if=/dev/vda bs=512 count=1 2>/dev/null | wc -c"), "512\n");
    await dispose(second);
    // What is thrown away is open in the other tab, which needs a moment to close it.
    await booted(first, machine);
    await output(first, "echo written | dd of=/dev/vda conv=fsync 2>/dev/null");
    await booted(second, { ...machine, steal: true, discard: ["data"] });
    assert.equal(await output(second, "head -c 7 /dev/vda | tr '\\0' ."), ".......");
    await dispose(second);
    await booted(second, machine);
    await dispose(second);
  }, { needs });

  it(
    "a_full_storage_is_an_error_of_the_disk_and_no_more",
    async (session) => {
      const { site, chunked } = await ready(session);
      const page = await openPage(session, site);
      await booted(page, { machine: chunked, persist: "full" });
      await output(page, "mount /dev/vda /mnt && echo before >/mnt/before && sync");
      const { usage } = await page.evaluate(() => navigator.storage.estimate());
      const devtools = await page.createCDPSession();
      const quotaSize = (usage ?? 0) + (1 << 20);
      await devtools.send("Storage.overrideQuotaForOrigin", { origin: site.origin, quotaSize });
      const full = await run(page, "dd if=/dev/urandom of=/mnt/large bs=1M count=8 && sync");
      await until("the user is told", async () =>
        (await told(page)).some(({ code }) => code === "quota"),
      );
      await devtools.send("Storage.overrideQuotaForOrigin", { origin: site.origin });
      assert.notEqual((await run(page, "dmesg | grep -i 'I/O error'")).output, "", full.output);
      await dispose(page);
      await visit(page, site);
      await booted(page, { machine: chunked, persist: "full" });
      assert.equal(await output(page, "mount /dev/vda /mnt && cat /mnt/before"), "before\n");
      await dispose(page);
    },
    { only: ["chromium"], needs },
  );

  it(
    "a_full_storage_gives_a_disk_what_is_kept_of_its_image",
    async (session) => {
      const site = await serveSite(session);
      const manifest = addChunks(site, "data", randomBytes(SIZE << 20));
      const machine = addMachine(site, { disks: [{ name: "data", manifest }] });
      const page = await openPage(session, site);
      await booted(page, { machine, persist: "short" });
      await output(page, "cat /dev/vda >/dev/null");
      const usage = () => page.evaluate(async () => (await navigator.storage.estimate()).usage ?? 0);
      const before = await usage();
      assert.ok(before > SIZE << 20, `${before} bytes, and the image is not kept`);
      const devtools = await page.createCDPSession();
      await devtools.send("Storage.overrideQuotaForOrigin", { origin: site.origin, quotaSize: before + (1 << 20) });
      await output(page, "dd if=/dev/zero of=/dev/vda bs=1M count=8 conv=fsync 2>/dev/null");
      assert.deepEqual(await told(page), []);
      assert.ok((await usage()) < before);
      await dispose(page);
    },
    { only: ["chromium"] },
  );

  it("a_server_that_goes_away_stops_the_guest_until_it_is_back", async (session) => {
    session.expect(/Failed to load/);
    const { site, chunked } = await marked(session);
    const page = await openPage(session, site);
    await booted(page, { machine: chunked, persist: null });
    assert.equal(await output(page, readMark(MARKS[0])), `mark ${MARKS[0]}\n`);
    site.faults.down = true;
    const reading = output(page, readMark(MARKS[2]));
    await until("the user is told", async () =>
      (await told(page)).some(({ code, recovered }) => code === "offline" && !recovered),
    );
    site.faults.down = false;
    assert.equal(await reading, `mark ${MARKS[2]}\n`);
    assert.ok((await told(page)).some(({ recovered }) => recovered));
    await dispose(page);
  });

  it("a_corrupt_chunk_is_an_error_and_never_data", async (session) => {
    const { site, chunked } = await marked(session);
    const page = await openPage(session, site);
    await booted(page, { machine: chunked, persist: null });
    site.faults.corrupt = /^\/chunks\//;
    const found = await run(page, `dd if=/dev/vda bs=4k skip=${MARKS[2] * 256} count=1 | wc -c`);
    assert.match(found.output, /Input\/output error\n0\n/);
    assert.ok((await told(page)).some(({ code }) => code === "integrity"));
    site.faults.corrupt = undefined;
    assert.equal(await output(page, readMark(MARKS[2])), `mark ${MARKS[2]}\n`);
    await dispose(page);
  });

  it("an_image_is_read_in_parts", async (session) => {
    const { site, ranged } = await marked(session);
    const page = await openPage(session, site);
    await booted(page, { machine: ranged, persist: null });
    for (const at of MARKS) assert.equal(await output(page, readMark(at)), `mark ${at}\n`);
    assert.ok(site.asked(/disk\.img/).every(({ range }) => range !== undefined));
    await dispose(page);
  });

  it("an_image_that_was_replaced_ends_its_disk", async (session) => {
    const { site, image, ranged } = await marked(session);
    const page = await openPage(session, site);
    await booted(page, { machine: ranged, persist: null });
    const other = Buffer.from(image);
    other.write("of another image\n", MARKS[2] << 20);
    site.files.set("/disk.img", other);
    const found = await run(page, readMark(MARKS[2]));
    assert.doesNotMatch(found.output, /another image/);
    assert.ok((await told(page)).some(({ code }) => code === "changed"));
    // For good, even if it is the old one again.
    site.files.set("/disk.img", image);
    assert.doesNotMatch((await run(page, readMark(MARKS[3]))).output, /mark/);
    await dispose(page);
  });

  for (const kind of ["opfs", "indexeddb"]) it(`an_overlay_is_not_laid_over_another_image (${kind})`, async (session) => {
    const { site, image, chunked } = await marked(session);
    if (kind === "indexeddb") await withoutFiles(site);
    const page = await openPage(session, site);
    await booted(page, { machine: chunked, persist: "based" });
    await output(page, "echo written | dd of=/dev/vda conv=fsync 2>/dev/null");
    await dispose(page);
    const other = Buffer.from(image);
    other.write("of another image\n", MARKS[2] << 20);
    addChunks(site, "data", other);
    const refused = await boot(page, { machine: chunked, persist: "based" });
    assert.equal(refused.code, "overlay-base", refused.message);
    // What was written is handed out for whoever wants to keep it.
    const salvaged = await page.evaluate(async (machine) => {
      const scope = /** @type {any} */ (globalThis);
      const { Vm } = scope.virtarium;
      const { detail } = await Vm.create({ machine, persist: "based" }).catch((/** @type {any} */ e) => e);
      scope.kept = detail.overlay;
      return { disk: detail.disk, begins: await detail.overlay.slice(0, 6).text() };
    }, chunked);
    assert.deepEqual(salvaged, { disk: "data", begins: "VTROVL" });
    addChunks(site, "data", image);
    // It is all there.
    assert.deepEqual(await boot(page, { machine: chunked, persist: "other" }, { until: "created" }), {});
    await page.evaluate(async () => {
      const { vm, kept } = /** @type {any} */ (globalThis);
      await vm.importDisk("data", kept);
      await vm.start();
      await vm.whenReady({ signal: AbortSignal.timeout(90_000) });
    });
    assert.equal(await output(page, readMark(0)), "written\n");
    await dispose(page);
    await booted(page, { machine: chunked, persist: "based" });
    assert.equal(await output(page, readMark(0)), "written\n");
    await dispose(page);
    addChunks(site, "data", other);
    await booted(page, { machine: chunked, persist: "based", discard: ["data"] });
    assert.notEqual(await output(page, readMark(0)), "written\n");
    await dispose(page);
  });

  for (const [kind, persist] of [["opfs", "imported"], ["memory", null]]) it(`what_was_exported_can_be_imported_and_nothing_else (${kind})`, async (session) => {
    const { site, chunked } = await marked(session);
    const page = await openPage(session, site);
    await booted(page, { machine: chunked, persist });
    await output(page, "echo first | dd of=/dev/vda conv=fsync 2>/dev/null");
    const codes = await page.evaluate(async () => {
      const scope = /** @type {any} */ (globalThis);
      scope.kept = await scope.vm.exportDisk("data");
      await scope.vm.stop();
      const codes = [];
      for (const text of ["", "VTROVL\r\n and nothing else", "no overlay"]) {
        const taken = scope.vm.importDisk("data", new Blob([text]));
        codes.push(await taken.then(() => "taken", (/** @type {any} */ error) => error.code));
      }
      return codes;
    });
    assert.deepEqual(codes, ["bad-image", "bad-image", "bad-image"]);
    /** @param {string} [change] A method of the machine, which is off. */
    const again = (change) =>
      page.evaluate(async (change) => {
        const { vm, kept } = /** @type {any} */ (globalThis);
        if (vm.state !== "off" && vm.state !== "created") await vm.stop();
        if (change) await vm[change]("data", kept);
        await vm.start();
        await vm.whenReady({ signal: AbortSignal.timeout(90_000) });
      }, change);
    // Power off and on is all that this is, wherever a disk is kept.
    await again();
    assert.equal(await output(page, readMark(0)), "first\n");
    await output(page, "echo other | dd of=/dev/vda conv=fsync 2>/dev/null");
    await again("importDisk");
    assert.equal(await output(page, readMark(0)), "first\n");
    if (persist) {
      await dispose(page);
      assert.deepEqual(await boot(page, { machine: chunked, persist }, { until: "created" }), {});
    }
    await again("resetDisk");
    assert.notEqual(await output(page, readMark(0)), "first\n");
    await dispose(page);
  });

  it("without_a_file_system_a_disk_is_kept_in_the_database", async (session) => {
    const { site, chunked } = await marked(session);
    await withoutFiles(site);
    const page = await openPage(session, site);
    const machine = { machine: chunked, persist: "database" };
    await booted(page, machine);
    const kinds = () => page.evaluate(() => /** @type {any} */ (globalThis).vm.disks.map((/** @type {any} */ disk) => disk.kind));
    assert.deepEqual(await kinds(), ["indexeddb"]);
    await output(page, "echo written | dd of=/dev/vda conv=fsync 2>/dev/null");
    assert.equal(String((await exportRaw(session, site, page)).subarray(0, 8)), "written\n");
    assert.equal(await session.killWorkers(page), 1);
    await visit(page, site);
    await booted(page, machine);
    assert.equal(await output(page, readMark(0)), "written\n");
    await dispose(page);
  });

  it("a_disk_in_memory_can_be_exported", async (session) => {
    const { site, image, chunked } = await marked(session);
    const page = await openPage(session, site);
    await booted(page, { machine: chunked, persist: null });
    await output(page, "echo written | dd of=/dev/vda conv=fsync 2>/dev/null");
    const raw = await exportRaw(session, site, page);
    assert.equal(String(raw.subarray(0, 8)), "written\n");
    assert.ok(raw.subarray(4096).equals(image.subarray(4096)));
    await dispose(page);
  });

  it("what_cannot_be_flushed_can_be_exported", async (session) => {
    const { site, chunked } = await marked(session);
    // From a word of the page on, the browser makes nothing stable.
    await prefixWorker(site, `
      const { flush } = FileSystemSyncAccessHandle.prototype;
      let broken = false;
      new BroadcastChannel("break").onmessage = () => (broken = true);
      FileSystemSyncAccessHandle.prototype.flush = function () {
        if (broken) throw new DOMException("said the test", "UnknownError");
        return flush.call(this);
      };`);
    const page = await openPage(session, site);
    await booted(page, { machine: chunked, persist: "broken" });
    await output(page, "echo flushed | dd of=/dev/vda conv=fsync 2>/dev/null");
    await page.evaluate(() => new BroadcastChannel("break").postMessage(""));
    const written = await run(page, "echo written | dd of=/dev/vda bs=1M seek=2 conv=fsync");
    assert.match(written.output, /I\/O error|Input\/output error/);
    await until("the user is told", async () =>
      (await told(page)).some(({ code, error }) => code === "storage" && /said the test.*stopped and started/.test(error ?? "")),
    );
    const saved = (/** @type {Buffer} */ raw) => [0, 2].map((at) => String(raw.subarray(at << 20, (at << 20) + 8)));
    assert.deepEqual(saved(await exportRaw(session, site, page)), ["flushed\n", "written\n"]);
    // Also when it is off.
    await page.evaluate(() => /** @type {any} */ (globalThis).vm.stop().catch(() => {}));
    assert.deepEqual(saved(await exportRaw(session, site, page)), ["flushed\n", "written\n"]);
    await dispose(page);
  });

  it("a_page_that_sleeps_lets_go_of_its_disks_and_goes_on_with_them", async (session) => {
    const { site, chunked } = await marked(session);
    const page = await openPage(session, site);
    await booted(page, { machine: chunked, persist: "asleep" });
    await output(page, "echo before | dd of=/dev/vda conv=fsync 2>/dev/null");
    /** @param {string} type */
    const life = (type) => page.evaluate((type) => void document.dispatchEvent(new Event(type)), type);
    assert.equal(await locks(page), 1);
    await life("freeze");
    await until("the lock is given back", async () => (await locks(page)) === 0);
    await life("resume");
    await until("the lock is taken again", async () => (await locks(page)) === 1);
    assert.equal(await output(page, readMark(0)), "before\n");
    await output(page, "echo after | dd of=/dev/vda conv=fsync 2>/dev/null");
    assert.equal(await output(page, readMark(0)), "after\n");
    assert.deepEqual(await told(page), []);
    await dispose(page);
  });

  it("a_server_without_ranges_is_refused_with_a_remedy", async (session) => {
    const { site, ranged } = await marked(session);
    site.faults.ranges = false;
    const page = await openPage(session, site);
    const refused = await boot(page, { machine: ranged, persist: null });
    assert.equal(refused.code, "range", refused.message);
    assert.match(refused.message ?? "", /virtarium image chunk/);
  });

  it("what_is_missing_is_named", async (session) => {
    session.expect(/404/);
    const { site, chunked } = await marked(session);
    const page = await openPage(session, site);
    // The kernel first: it is kept once it has come.
    for (const missing of [/^\/files\//, /manifest\.txt$/, /chunked\.json$/, /virtarium\.wasm$/]) {
      site.faults.missing = missing;
      const { code, message } = await boot(page, { machine: chunked, persist: null });
      assert.equal(code, "not-found", `${missing}: ${message}`);
      assert.ok(message?.includes("404") && message.includes(site.origin), message);
    }
  });
});
