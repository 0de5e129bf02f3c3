// The same guest in a terminal and in a tab: the state's digest after so many instructions is the
// same, whatever server and storage do meanwhile.

import assert from "node:assert/strict";

import { inBrowsers } from "./harness.mjs";
import { addChunks, addMachine, boot, dispose, machineFile, openPage, serveSite } from "./machine.mjs";
import { nativeDigests, unpacked } from "./native.mjs";

/** Instructions between two digests, and how many are compared at most: until the guest ends. */
const STEP = 40_000_000;
const STEPS = 20;
const SEED = "4660";
const EPOCH = 1_700_000_000;

/** An image without a file system: the guest reads its ends and writes to its middle. */
function image() {
  const bytes = Buffer.alloc(8 << 20);
  for (let at = 0; at < bytes.length; at += 512) bytes.writeUInt32LE(Math.imul(at, 2654435761) >>> 0, at);
  return bytes;
}

const COMMAND =
  "md5sum /dev/vda; dd if=/dev/urandom of=/dev/vda bs=64k seek=20 count=30 conv=fsync; md5sum /dev/vda";

/** @type {Promise<string[]> | undefined} */
let native;

inBrowsers("identity", (it) => {
  it(
    "the_digest_is_that_of_the_terminal",
    async (session) => {
      const site = await serveSite(session);
      const file = machineFile();
      // One console: in a terminal all of them have its size.
      const terminal = { consoles: 1, agent: undefined };
      const append = `${file.append.replace(/ virtarium\.agent=\S+/, "")} virtarium.run="${COMMAND}"`;
      const disks = [{ name: "data", manifest: addChunks(site, "data", image()) }];
      const machine = addMachine(site, { ...terminal, append, disks });
      native ??= nativeDigests({
        kernel: unpacked(session, file.kernel),
        initrd: file.initrd && unpacked(session, file.initrd),
        disk: image(),
        append,
        memory: file.memory,
        consoles: terminal.consoles,
        rng: file.rng,
        seed: SEED,
        epoch: EPOCH,
        step: STEP,
        steps: STEPS,
      });
      const expected = await native;
      assert.ok(expected.length > 3, `${expected}`);
      // Chunks come late, and not in order.
      site.faults.slow = /^\/chunks\/[0-7]/;
      site.faults.delay = 30;
      const page = await openPage(session, site);
      const options = { machine, persist: "identity", clock: "deterministic", seed: SEED, epoch: EPOCH };
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
        STEP,
        expected.length,
      );
      console.log(`${found.length} digests of ${STEP} instructions each (${session.name})`);
      assert.deepEqual(found, expected);
      assert.ok(site.asked(/^\/chunks\//).length > 8);
      await dispose(page);
    },
    { timeout: 180_000 },
  );
});
