// What happens to a machine when its page is left and shown again.

import assert from "node:assert/strict";

import { inBrowsers } from "./harness.mjs";
import {
  addMachine,
  booted,
  dispose,
  guest,
  locks,
  openPage,
  output,
  serveSite,
  told,
  until,
} from "./machine.mjs";

/** @typedef {import("./harness.mjs").Page} Page */
/** @typedef {import("./server.mjs").Site} Site */

/**
 * Seconds that a guest's clock may be late: it begins at a whole one, when the machine is built, which
 * runs up to two later; the kernel takes whole ones of it, and they are what `date` says.
 */
const LATE = 5;
/** How long a page is away. */
const AWAY = LATE + 3;

/**
 * Follows a link to another page of the site.
 * @param {Page} page
 * @param {Site} site
 */
async function leave(page, site) {
  await page.evaluate(() => void (/** @type {any} */ (globalThis).here = true));
  await page.goto(`${site.origin}/away.html`);
}

/**
 * Goes back in the history; whether the page is the one that was left, or another one of its address.
 * @param {Page} page
 * @returns {Promise<boolean>}
 */
async function comeBack(page) {
  // A page that comes out of the cache is not loaded, which `goBack` would wait for.
  await page.evaluate(() => void setTimeout(() => history.back()));
  const there = () => page.evaluate(() => "virtarium" in globalThis).catch(() => false);
  await until("the page is there again", there);
  return page.evaluate(() => "here" in globalThis);
}

/**
 * Leaves a page and comes back until the browser has kept it, which it need not: one that is busy
 * takes its time, and a page that takes too long is not kept.
 * @param {() => Promise<boolean>} visit Whether it was kept; from the start of the machine on.
 */
async function untilKept(visit) {
  for (let times = 0; times < 3; times += 1) if (await visit()) return;
  assert.fail("the browser does not keep the page");
}

/** A site with a page to go to. @param {import("./harness.mjs").Session} session */
async function served(session) {
  const site = await serveSite(session);
  site.files.set("/away.html", `<!doctype html><html lang="en"><title>away</title></html>`);
  return site;
}

const seconds = (/** @type {number} */ count) => new Promise((resolve) => setTimeout(resolve, count * 1000));

/**
 * By how many seconds the guest's clock is wrong: behind, or ahead if it is negative.
 * @param {Page} page
 */
async function wrong(page) {
  const before = Date.now() / 1000;
  const date = Number(await output(page, "date +%s"));
  const late = before - date;
  return late > LATE ? late : Math.min(0, Date.now() / 1000 - date);
}

/** What the kernel complained of, beside what it says in any boot. @param {Page} page */
const complaints = (page) => output(page, "dmesg | grep -iwE 'bug|stalls?|hung|blocked' || true");

inBrowsers("life", (it) => {
  it("a_page_in_the_cache_goes_on_where_it_was", async (session) => {
    const site = await served(session);
    const page = await openPage(session, site);
    await untilKept(async () => {
      await booted(page, { machine: `machines/${guest()}.json`, persist: null });
      await output(page, "echo before >/tmp/file");
      await leave(page, site);
      await seconds(AWAY);
      return comeBack(page);
    });
    assert.equal(await output(page, "cat /tmp/file"), "before\n");
    assert.equal(await wrong(page), 0, "the guest's clock");
    assert.equal(await complaints(page), "");
    await dispose(page);
  });

  it(
    "a_page_in_the_cache_lets_go_of_its_disk_and_goes_on_with_it",
    async (session) => {
      const site = await served(session);
      const machine = addMachine(site, { disks: [{ name: "data", size: "8M" }] });
      const page = await openPage(session, site);
      await untilKept(async () => {
        await booted(page, { machine, persist: "kept" });
        assert.equal(await locks(page), 1);
        await output(page, `${writeLine("before")}; echo here >/tmp/file`);
        await leave(page, site);
        await until("the lock is given back", async () => (await locks(page)) === 0);
        await seconds(AWAY);
        return comeBack(page);
      });
      await until("the lock is taken again", async () => (await locks(page)) === 1);
      assert.equal(await output(page, `cat /tmp/file; ${readLine}`), "here\nbefore\n");
      await output(page, writeLine("after"));
      assert.equal(await output(page, readLine), "after\n");
      assert.equal(await wrong(page), 0, "the guest's clock");
      assert.deepEqual(await told(page), []);
      await dispose(page);
      assert.equal(await locks(page), 0);
    },
    { only: ["chromium"] },
  );

  it(
    "a_page_that_is_not_kept_leaves_no_lock_and_begins_anew",
    async (session) => {
      const site = await served(session);
      const machine = addMachine(site, { disks: [{ name: "data", size: "8M" }] });
      const page = await openPage(session, site);
      await booted(page, { machine, persist: "left" });
      assert.equal(await locks(page), 1);
      await output(page, writeLine("before"));
      await leave(page, site);
      await until("the lock is given back", async () => (await locks(page)) === 0);
      // Firefox keeps no page that holds a lock when it is left.
      assert.equal(await comeBack(page), false);
      await booted(page, { machine, persist: "left" });
      assert.equal(await output(page, readLine), "before\n");
      await dispose(page);
    },
    { only: ["firefox"] },
  );

  it(
    "a_page_whose_disk_was_used_meanwhile_says_so_and_begins_anew",
    async (session) => {
      const site = await served(session);
      const machine = addMachine(site, { disks: [{ name: "data", size: "8M" }] });
      const page = await openPage(session, site);
      await untilKept(async () => {
        await booted(page, { machine, persist: "used" });
        await page.evaluate(() => {
          const scope = /** @type {any} */ (globalThis);
          scope.errors = [];
          const note = (/** @type {CustomEvent} */ event) => scope.errors.push(event.detail.code);
          scope.vm.addEventListener("error", note);
        });
        await leave(page, site);
        await until("the lock is given back", async () => (await locks(page)) === 0);
        const other = await openPage(session, site);
        await booted(other, { machine, persist: "used" });
        await output(other, writeLine("of the other"));
        await dispose(other);
        return comeBack(page);
      });
      const errors = () => page.evaluate(() => /** @type {any} */ (globalThis).errors);
      await until("the page is told", async () => (await errors()).length > 0);
      assert.deepEqual(await errors(), ["locked"]);
      assert.equal(await locks(page), 0);
      await page.evaluate(async () => {
        const { vm } = /** @type {any} */ (globalThis);
        await vm.stop();
        await vm.start();
        await vm.whenReady({ signal: AbortSignal.timeout(90_000) });
      });
      assert.equal(await output(page, readLine), "of the other\n");
      await dispose(page);
    },
    { only: ["chromium"] },
  );
});

/** Writes a line to the beginning of the guest's disk, and has it stay. @param {string} text */
const writeLine = (text) => `echo ${text} | dd of=/dev/vda conv=fsync 2>/dev/null`;

/** Reads the line that begins the guest's disk, past its caches. */
const readLine = "echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vda bs=512 count=1 2>/dev/null | head -n 1";
