// What a machine takes from a browser, on a page without cross-origin isolation.

import assert from "node:assert/strict";

import { inBrowsers } from "./harness.mjs";
import { longestTask } from "./tasks.mjs";

inBrowsers("platform", (it) => {
  it("a_worker_from_a_blob_writes_to_its_files_and_compiles", async (session) => {
    const files = new Map([["/index.html", "<!doctype html><title>platform</title>"]]);
    const site = await session.serve({ files });
    const page = await session.tab();
    await page.goto(`${site.origin}/`);
    const found = await page.evaluate(async () => {
      const source = async () => {
        const root = await navigator.storage.getDirectory();
        // Of workers only, which these types do not know.
        const file = /** @type {any} */ (await root.getFileHandle("disk", { create: true }));
        const handle = await file.createSyncAccessHandle();
        const written = handle.write(new Uint8Array(4096), { at: 4096 });
        handle.flush();
        const size = handle.getSize();
        handle.close();
        const wasm = new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
        const locked = await navigator.locks.request("disk", { ifAvailable: true }, (lock) => !!lock);
        const compiled = wasm instanceof WebAssembly.Module;
        postMessage({ written, size, compiled, locked, isolated: globalThis.crossOriginIsolated });
      };
      const text = `(${source})().catch((error) => postMessage(String(error)))`;
      const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
      const worker = new Worker(url);
      return new Promise((resolve) => (worker.onmessage = (event) => resolve(event.data)));
    });
    const expected = { written: 4096, size: 8192, compiled: true, locked: true, isolated: false };
    assert.deepEqual(found, expected);
    assert.equal(await session.killWorkers(page), 1);
    assert.ok((await session.picture(page, "platform")).endsWith(".png"));
  });

  it(
    "a_long_task_is_seen",
    async (session) => {
      const files = new Map([["/index.html", "<!doctype html><title>tasks</title>"]]);
      const site = await session.serve({ files });
      const page = await session.tab();
      await page.goto(`${site.origin}/`);
      const { processor, clock } = await longestTask(page, () =>
        page.evaluate(() => {
          const end = performance.now() + 400;
          while (performance.now() < end);
        }),
      );
      assert.ok(clock >= 400 && processor > 50, `${clock} ms, ${processor} of the processor`);
    },
    { only: ["chromium"] },
  );
});
