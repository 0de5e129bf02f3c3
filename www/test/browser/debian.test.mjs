// A whole Debian on a disk of two gibibytes, of which a page fetches what is read.

import assert from "node:assert/strict";
import { statSync } from "node:fs";
import path from "node:path";

import { SITE, inBrowsers } from "./harness.mjs";
import { booted, dispose, openPage, output, serveSite, told, visit } from "./machine.mjs";
import { took } from "./notes.mjs";

const MACHINE = { machine: "machines/debian.json", persist: "debian" };
/** To the login, in milliseconds: it is 3.4 billion instructions, and the host may be busy. */
const within = 300_000;
/** Bytes of its disk, and what may be fetched of it: to the login it is 16 MB, with Python 20. */
const DISK = 2 ** 31;
const SMALL = 64e6;
/** A program that takes its time from many files of the disk, and one that nothing else prints. */
const PYTHON = `python3 -c 'import json, sys; print(json.dumps({"answer": 6 * 7}), sys.version_info >= (3, 13))'`;

/** The bytes of the disk that a server was asked for. @param {import("./server.mjs").Site} site */
function fetched(site) {
  const sizes = site.asked(/^\/chunks\//).map((entry) => statSync(path.join(SITE, entry.path)).size);
  return sizes.reduce((sum, size) => sum + size, 0);
}

inBrowsers("debian", (it) => {
  it(
    "it_boots_from_a_disk_of_which_little_is_fetched",
    async (session) => {
      const site = await serveSite(session);
      const page = await openPage(session, site);
      const begin = performance.now();
      await booted(page, MACHINE, { within });
      took(`to the login of a whole Debian in ${session.name}`, performance.now() - begin);
      assert.match(await output(page, "cat /etc/os-release"), /^ID=debian$/m);
      assert.equal(await output(page, PYTHON), '{"answer": 42} True\n');
      assert.equal(await output(page, "cat /proc/1/comm"), "systemd\n");
      const [disk] = await page.evaluate(async () => {
        const { vm } = /** @type {any} */ (globalThis);
        const { disks } = await vm.statistics();
        return disks.map((/** @type {any} */ disk, /** @type {number} */ n) => ({ ...disk, ...vm.disks[n] }));
      });
      assert.equal(disk.size, DISK);
      assert.equal(disk.kind, "opfs");
      const bytes = fetched(site);
      console.log(`fetched of Debian's disk in ${session.name}: ${(bytes / 1e6).toFixed(1)} MB`);
      assert.ok(bytes > 1e6 && bytes < SMALL, `${bytes} bytes were fetched`);
      // Some that were asked for may be on their way.
      assert.ok(disk.bytesFetched > bytes / 2 && disk.bytesFetched <= bytes, `${disk.bytesFetched} of ${bytes}`);
      assert.deepEqual(await told(page), []);
      if (session.name !== "chromium") return dispose(page);
      // What is kept differs little from browser to browser, and the small disks' tests have both.
      await output(page, "echo written >/root/kept && sync");
      await visit(page, site);
      await booted(page, MACHINE, { within });
      assert.equal(await output(page, "cat /root/kept"), "written\n");
      await output(page, "systemctl is-system-running --wait");
      assert.ok(fetched(site) < SMALL, `${fetched(site)} bytes were fetched twice`);
      await dispose(page);
    },
    { guest: "debian", timeout: 3 * within },
  );
});
