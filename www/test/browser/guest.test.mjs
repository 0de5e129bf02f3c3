// What the API does with a real guest: its shell, its files, and its reboot.

import assert from "node:assert/strict";

import { inBrowsers } from "./harness.mjs";
import { booted, dispose, guest, openPage, output, serveSite } from "./machine.mjs";

inBrowsers("guest", (it) => {
  it("a_guest_that_reboots_boots_again", async (session) => {
    const site = await serveSite(session);
    const page = await openPage(session, site);
    await booted(page, { machine: `machines/${guest()}.json`, persist: null });
    await output(page, "touch /tmp/before");
    const told = await page.evaluate(async () => {
      const { vm } = /** @type {any} */ (globalThis);
      /** @type {string[]} */
      const states = [];
      vm.addEventListener("state", (/** @type {CustomEvent} */ { detail }) => states.push(detail.state));
      // `-f`: the command does not come back, and the guest is gone.
      const [error, next] = await Promise.all([
        vm.run("reboot -f", { timeout: 60_000 }).catch((/** @type {any} */ e) => `${e.code}: ${e.message}`),
        vm.run("ls /tmp/before", { timeout: 90_000 }),
      ]);
      await vm.whenReady({ signal: AbortSignal.timeout(60_000) });
      return { error, code: next.code, states };
    });
    assert.equal(told.error, "aborted: the guest has restarted");
    assert.notEqual(told.code, 0, "the next guest has another /tmp");
    assert.deepEqual(told.states, ["booting", "running"]);
    await dispose(page);
  });

  it("files_go_in_and_out", async (session) => {
    const site = await serveSite(session);
    const page = await openPage(session, site);
    await booted(page, { machine: `machines/${guest()}.json`, persist: null });
    const told = await page.evaluate(async () => {
      const { vm } = /** @type {any} */ (globalThis);
      const fails = (/** @type {Promise<unknown>} */ promise) => promise.then(() => "done", (/** @type {any} */ e) => `${e.code}: ${e.message}`);
      const bytes = Uint8Array.from({ length: 150_000 }, (_, i) => (i * i) >> 3);
      await vm.upload("/tmp/a file", bytes);
      const back = new Uint8Array(await (await vm.download("/tmp/a file")).arrayBuffer());
      const version = await (await vm.download("/proc/version")).text();
      return {
        same: back.length === bytes.length && back.every((byte, i) => byte === bytes[i]),
        version: version === (await vm.run("cat /proc/version")).output,
        directory: await fails(vm.upload("/tmp", "x")),
        endless: await fails(vm.download("/dev/zero", { limit: 100_000 })),
        missing: await fails(vm.download("/tmp/none")),
        left: (await vm.run("ls -A /tmp")).output,
      };
    });
    const { missing, ...rest } = told;
    assert.deepEqual(rest, {
      same: true, version: true, directory: "not-found: /tmp cannot be written: it is a directory",
      endless: "memory: /dev/zero has more than 100000 bytes", left: "a file\n",
    });
    assert.match(missing, /^not-found: \/tmp\/none cannot be read: /);
    await dispose(page);
  });
});
