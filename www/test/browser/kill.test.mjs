// A worker that ends at any moment: what the guest had synced is there afterwards, and the file
// system is whole.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

import { inBrowsers } from "./harness.mjs";
import {
  addChunks,
  addMachine,
  boot,
  checkExt4,
  dispose,
  exportDisk,
  ext4,
  openPage,
  output,
  serveSite,
  visit,
  writeDisks,
} from "./machine.mjs";
import { toRaw } from "./native.mjs";
import { counted, random, soak } from "./notes.mjs";

const KILLS = soak ? 200 : 10;
/** The longest that a guest writes before it is killed, in milliseconds. */
const LONGEST = 2000;

/**
 * Writes without end, from number `from` on; says a number when it is synced. Files are created,
 * overwritten, renamed and deleted, so that the journal of ext4 has something to do.
 * @param {number} from
 */
const writer = (from) =>
  `i=${from}; while :; do i=$((i+1)); dd if=/dev/urandom of=/mnt/f$((i%7)) bs=8k count=$((i%5+1)) 2>/dev/null; ` +
  `echo $i >/mnt/new; mv /mnt/new /mnt/count; rm -f /mnt/f$(((i+3)%7)); sync; echo synced=$i; done\n`;

inBrowsers("kills", (it) => {
  it(
    "what_was_synced_survives_the_worker",
    async (session) => {
      const site = await serveSite(session);
      const file = ext4(session, 24);
      const image = readFileSync(file);
      const manifest = addChunks(site, "data", image);
      const folder = path.dirname(file);
      writeDisks(site, folder);
      const machine = addMachine(site, { disks: [{ name: "data", manifest }] });
      const page = await openPage(session, site);
      const chance = random(`kills in ${session.name}`);
      let synced = 0;
      for (let round = 0; round <= KILLS; round += 1) {
        assert.deepEqual(await boot(page, { machine, persist: "kill" }, { until: "created" }), {});
        if (round > 0) {
          // Before the guest repairs anything.
          const overlay = `${file}.overlay`;
          writeFileSync(overlay, await exportDisk(page, "data"));
          checkExt4(toRaw(path.join(folder, "disks/data/manifest.txt"), overlay, `${file}.raw`));
        }
        await page.evaluate(async () => {
          const { vm } = /** @type {any} */ (globalThis);
          await vm.start();
          await vm.whenReady({ signal: AbortSignal.timeout(90_000) });
        });
        const text = await output(page, "mount /dev/vda /mnt && cat /mnt/count 2>/dev/null || echo 0");
        const count = Number(text);
        assert.ok(count >= synced, `${synced} was synced, and ${text} is there`);
        if (round === KILLS) break;
        synced = count;
        await page.evaluate((line) => {
          const scope = /** @type {any} */ (globalThis);
          scope.synced = 0;
          let text = "";
          scope.vm.addEventListener("output", (/** @type {CustomEvent} */ event) => {
            if (event.detail.console !== 0) return;
            text = (text + new TextDecoder().decode(event.detail.bytes)).slice(-4096);
            for (const [, number] of text.matchAll(/synced=(\d+)\r?\n/g)) scope.synced = Number(number);
          });
          return scope.vm.send(line);
        }, writer(count));
        await new Promise((resolve) => setTimeout(resolve, chance() * LONGEST));
        assert.equal(await session.killWorkers(page), 1);
        synced = Math.max(synced, await page.evaluate(() => /** @type {any} */ (globalThis).synced));
        await visit(page, site);
      }
      await dispose(page);
      counted(`kills of a worker that writes (${session.name})`, KILLS);
      assert.ok(synced > KILLS / 2, `only ${synced} syncs in ${KILLS} rounds`);
    },
    { needs: ["mke2fs", "e2fsck"], timeout: 120_000 + KILLS * 60_000 },
  );
});
