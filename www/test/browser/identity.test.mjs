// The same guest in a terminal and in a tab: the state's digest after so many instructions is the
// same, whatever server and storage do meanwhile.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";

import { WWW, inBrowsers } from "./harness.mjs";
import { addChunks, addMachine, boot, dispose, machineFile, openPage, serveSite, withoutHome } from "./machine.mjs";
import { nativeDigests, unpacked } from "./native.mjs";

/**
 * What is run, and what is compared: every so many instructions, so many times at most, until the
 * guest ends. `tests/tests/bit_identity/command.rs` compares the same with the module in wasmtime.
 */
const CASE = JSON.parse(readFileSync(path.join(WWW, "../tests/data/identity.json"), "utf8"));

/** An image without a file system: the guest reads its ends and writes to its middle. */
function image() {
  const bytes = Buffer.alloc(CASE.disk);
  for (let at = 0; at < bytes.length; at += 512) bytes.writeUInt32LE(Math.imul(at, 2654435761) >>> 0, at);
  return bytes;
}

/** @type {Promise<string[]> | undefined} */
let native;

inBrowsers("identity", (it) => {
  it(
    "the_digest_is_that_of_the_terminal",
    async (session) => {
      const site = await serveSite(session);
      const file = machineFile(CASE.guest);
      const append = `${withoutHome(file.append)} virtarium.run="${CASE.command}"`;
      const disks = [{ name: "data", manifest: addChunks(site, "data", image()) }];
      const machine = addMachine(site, { ...file, append, disks });
      native ??= nativeDigests({
        kernel: unpacked(session, file.kernel),
        initrd: file.initrd && unpacked(session, file.initrd),
        disk: image(),
        append,
        memory: file.memory,
        consoles: file.consoles,
        rng: file.rng,
        seed: CASE.seed,
        epoch: CASE.epoch,
        step: CASE.step,
        steps: CASE.steps,
      });
      const expected = await native;
      assert.ok(expected.length > 3 && expected.length < CASE.steps, `${expected}`);
      assert.equal(file.consoles, 2, "a terminal, and a console for programs");
      // Chunks come late, and not in order.
      site.faults.slow = /^\/chunks\/[0-7]/;
      site.faults.delay = 30;
      const page = await openPage(session, site);
      const { seed, epoch } = CASE;
      const options = { machine, persist: "identity", clock: "deterministic", seed, epoch };
      const loaded = await boot(page, { ...options, cols: 80, rows: 24 }, { until: "created" });
      assert.deepEqual(loaded, {});
      const found = await page.evaluate(
        async (step, steps) => {
          const { vm } = /** @type {any} */ (globalThis);
          const digests = [];
          for (let n = 1; n <= steps; n += 1) {
            const count = await vm.runTo(n * step);
            digests.push(`${count} ${await vm.digest()}`);
          }
          return digests;
        },
        CASE.step,
        expected.length,
      );
      console.log(`${found.length} digests of ${CASE.step} instructions each (${session.name})`);
      assert.deepEqual(found, expected);
      assert.ok(site.asked(/^\/chunks\//).length > 8);
      await dispose(page);
    },
    { timeout: 180_000 },
  );
});
