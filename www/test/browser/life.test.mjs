// What happens to a machine when its page is left and shown again, and when the host sleeps.

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
/** Linux adds half a second to what its real-time clock says: that has whole ones (rtc_hctosys). */
const EARLY = 0.5;
/** How long a page is away. */
const AWAY = LATE + 3;
const HOUR = 3600;
/** Instructions of an idle guest that makes up for an hour, with room: in steps of a tick it is 450 million. */
const FEW = 300_000_000;

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
 * @param {() => number} [now]
 */
async function wrong(page, now = Date.now) {
  const before = now() / 1000;
  const date = Number(await output(page, "date +%s"));
  const late = before - date;
  return late > LATE ? late : Math.min(0, now() / 1000 + EARLY - date);
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

  it("a_host_that_slept_for_an_hour_is_not_caught_up_with_tick_by_tick", async (session) => {
    const site = await serveSite(session);
    const worker = await (await fetch(`${site.origin}/worker.js`)).text();
    site.files.set("/worker.js", `(${clocks})();\n${worker}`);
    const page = await openPage(session, site);
    await booted(page, { machine: `machines/${guest()}.json`, persist: null });
    const alarm = "(sleep 1800; echo rang >>/tmp/alarm) >/dev/null 2>&1 &";
    const busy = "timeout 600 sh -c 'while :; do :; done' >/dev/null 2>&1 &";
    let slept = 0;
    const now = () => Date.now() + slept * 1000;
    // Some hosts stop the monotonic clock while they sleep.
    for (const [n, goesOn] of [false, true].entries()) {
      await output(page, alarm);
      if (goesOn) await output(page, busy);
      const before = await instructions(page);
      await turn(page, HOUR, goesOn ? HOUR : 0);
      slept += HOUR;
      await until("the guest's clock is right", async () => (await wrong(page, now)) === 0, 60_000);
      const count = (await instructions(page)) - before;
      console.log(`instructions to make up for an hour, ${goesOn ? "busy" : "idle"}: ${count}`);
      assert.ok(goesOn || count < FEW, `${count} instructions`);
      // What was to happen meanwhile has happened, once.
      assert.equal(await output(page, "cat /tmp/alarm"), "rang\n".repeat(n + 1));
    }
    assert.equal(await complaints(page), "");
    // A wall clock that is set back is the host's affair: the guest's goes on.
    await turn(page, -HOUR, 0);
    await seconds(AWAY);
    assert.equal(await wrong(page, now), 0, "the guest's clock");
    assert.equal(await page.evaluate(() => /** @type {any} */ (globalThis).vm.state), "running");
    // Who switches it off and on does not want the time back in which it stood still.
    await page.evaluate(() => /** @type {any} */ (globalThis).vm.pause());
    await turn(page, HOUR, HOUR);
    await page.evaluate(async () => {
      const { vm } = /** @type {any} */ (globalThis);
      await vm.reset();
      await vm.start();
      await vm.whenReady({ signal: AbortSignal.timeout(90_000) });
    });
    assert.equal(await wrong(page, now), 0, "the clock of a guest that was reset");
    await dispose(page);
  });
});

/** Writes a line to the beginning of the guest's disk, and has it stay. @param {string} text */
const writeLine = (text) => `echo ${text} | dd of=/dev/vda conv=fsync 2>/dev/null`;

/** Reads the line that begins the guest's disk, past its caches. */
const readLine = "echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vda bs=512 count=1 2>/dev/null | head -n 1";

/** The instructions of a page's machine so far. @param {Page} page @returns {Promise<number>} */
async function instructions(page) {
  const { instructions } = await page.evaluate(() => /** @type {any} */ (globalThis).vm.statistics());
  return instructions;
}

/** In the worker, before anything of ours: clocks that can be turned. */
function clocks() {
  let [wall, monotonic] = [0, 0];
  const [date, time] = [Date.now, performance.now.bind(performance)];
  Date.now = () => date() + wall;
  performance.now = () => time() + monotonic;
  const channel = new BroadcastChannel("clocks");
  channel.onmessage = ({ data }) => {
    wall += data.wall;
    monotonic += data.monotonic;
    channel.postMessage("turned");
  };
}

/**
 * Turns the clocks of a page's worker, as a host that slept finds them.
 * @param {Page} page
 * @param {number} wall Seconds, as the other.
 * @param {number} monotonic
 */
function turn(page, wall, monotonic) {
  return page.evaluate(
    (turned) =>
      new Promise((resolve) => {
        const channel = new BroadcastChannel("clocks");
        channel.onmessage = () => resolve(channel.close());
        channel.postMessage(turned);
      }),
    { wall: wall * 1000, monotonic: monotonic * 1000 },
  );
}
