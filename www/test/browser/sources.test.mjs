// The sources in the browsers that they are for: caches, policies and other origins are theirs.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import path from "node:path";
import { gzipSync } from "node:zlib";

import { WWW, inBrowsers } from "./harness.mjs";
import { until } from "./machine.mjs";
import { policy } from "./server.mjs";

/** @typedef {import("./harness.mjs").Session} Session */

const FILE = Uint8Array.from({ length: 300_000 }, (_, i) => (i * i) >> 8);
const SHA256 = createHash("sha256").update(FILE).digest("hex");
const CHUNK = `/chunks/${SHA256.slice(0, 2)}/${SHA256}`;

/** What is asked of the worker, as text: a function over the sources' module. */
const WORKER = `
  import * as sources from "/source/index.js";
  const hash = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const tasks = {
    file: (info) => sources.fetchFile(info, { hash, patience }),
    chunk: async ([manifest, path]) =>
      new sources.ChunkSource(manifest, { chunkSize: 524288 }, { patience }).fetch(0, path),
    corrupt: async ([manifest, path]) => {
      const chunks = new sources.ChunkSource(manifest, { chunkSize: 524288 }, { patience });
      await chunks.fetch(0, path);
      return chunks.corrupt(0, path, "said the test");
    },
    part: async ([url, start, length]) => {
      const image = new sources.RangeSource(url, { patience, small: 1000 });
      await image.probe();
      return image.read(start, length);
    },
  };
  const patience = { attempts: 2, delay: 50, longest: 100 };
  onmessage = async ({ data: [task, argument] }) => {
    try {
      const bytes = await tasks[task](argument);
      const digest = [...await hash(bytes)].map((byte) => byte.toString(16).padStart(2, "0"));
      postMessage({ length: bytes.length, sha256: digest.join("") });
    } catch (error) {
      postMessage({ code: error.code ?? error.name, message: error.message });
    }
  };
`;

/**
 * A page with a worker that has the sources, and two servers.
 * @param {Session} session
 * @param {(origin: string, images: string) => string} [strict]
 */
async function ready(session, strict) {
  const files = new Map(
    /** @type {[string, string | Uint8Array][]} */ ([
      ["/index.html", '<!doctype html><title>sources</title><script type="module" src="page.js"></script>'],
      ["/page.js", 'globalThis.worker = new Worker("/worker.js", { type: "module" });'],
      ["/worker.js", WORKER],
    ]),
  );
  const images = new Map(
    /** @type {[string, Uint8Array][]} */ ([
      ["/file", FILE],
      ["/file.gz", gzipSync(FILE)],
      [CHUNK, FILE],
    ]),
  );
  const site = await session.serve({
    folders: { "/source/": path.join(WWW, "src/worker/source") },
    files: new Map([...files, ...images]),
  });
  const other = await session.serve({ files: images });
  site.faults.policy = strict?.(site.origin, other.origin);
  const page = await session.tab();
  await page.goto(`${site.origin}/`);
  /** @param {string} task @param {unknown} argument @returns {Promise<any>} */
  const ask = (task, argument) =>
    page.evaluate(
      (task, argument) =>
        new Promise((resolve) => {
          const { worker } = /** @type {any} */ (globalThis);
          worker.onmessage = (/** @type {MessageEvent} */ event) => resolve(event.data);
          worker.onerror = (/** @type {ErrorEvent} */ event) => resolve({ broken: event.message });
          worker.postMessage([task, argument]);
        }),
      task,
      argument,
    );
  return { site, other, page, ask };
}

const WHOLE = { length: FILE.length, sha256: SHA256 };
const INFO = { sha256: SHA256, size: FILE.length };

inBrowsers("sources", (it) => {
  it("files_are_kept_by_hash", async (session) => {
    const { site, other, ask } = await ready(session);
    const packed = { url: `${other.origin}/file.gz`, ...INFO, encoding: "gzip" };
    assert.deepEqual(await ask("file", packed), WHOLE);
    // Kept without waiting for it.
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.deepEqual(await ask("file", { url: `${site.origin}/file`, ...INFO }), WHOLE);
    assert.equal(site.asked(/^\/file/).length, 0);
  });

  it("chunks_are_kept_and_a_corrupt_one_is_asked_for_again", async (session) => {
    const { site, ask } = await ready(session);
    const chunk = [`${site.origin}/disks/d/manifest.txt`, `../../${CHUNK.slice(1)}`];
    assert.deepEqual(await ask("chunk", chunk), WHOLE);
    assert.deepEqual(await ask("chunk", chunk), WHOLE);
    assert.equal(site.asked(/^\/chunks/).length, 1);
    assert.deepEqual(await ask("corrupt", chunk), WHOLE);
    assert.equal(site.asked(/^\/chunks/).length, 2);
  });

  it("parts_come_from_here_and_from_another_origin", async (session) => {
    const { site, other, ask } = await ready(session);
    const sha256 = createHash("sha256").update(FILE.subarray(512, 1536)).digest("hex");
    for (const { origin } of [site, other]) {
      const found = await ask("part", [`${origin}/file`, 512, 1024]);
      assert.deepEqual(found, { length: 1024, sha256 });
    }
    // Not one request more, as a preflight would be.
    assert.deepEqual(other.log.map(({ method }) => method), ["GET", "GET"]);
  });

  it("a_server_without_range_is_refused_early", async (session) => {
    const { other, ask } = await ready(session);
    other.faults.ranges = false;
    const { code, message } = await ask("part", [`${other.origin}/file`, 512, 1024]);
    assert.equal(code, "range", message);
    assert.match(message, /300000 bytes.*virtarium image chunk/);
  });

  it("a_server_that_is_not_for_this_origin_is_named", async (session) => {
    session.expect(/CORS|Failed to load|Cross-Origin/);
    const { site, other, ask } = await ready(session);
    other.faults.cors = false;
    const { code, message } = await ask("file", { url: `${other.origin}/file`, ...INFO });
    assert.equal(code, "offline", message);
    assert.ok(message.includes(site.origin) && message.includes("CORS"), message);
  });

  it("a_policy_allows_what_it_names_and_is_named_where_it_does_not", async (session) => {
    session.expect(/Content.Security.Policy|Refused to connect|violates/);
    const { site, other, ask } = await ready(session, (origin, images) => policy(origin, images));
    assert.deepEqual(await ask("file", { url: `${other.origin}/file`, ...INFO }), WHOLE);
    const elsewhere = await session.serve({ files: site.files });
    const url = `${elsewhere.origin}/file`;
    const { code, message } = await ask("file", { url, ...INFO, sha256: undefined });
    assert.equal(code, "csp", message);
    assert.match(message, /connect-src/);
    assert.equal(elsewhere.log.length, 0);
  });

  it("a_server_that_goes_away_and_comes_back_is_waited_for", async (session) => {
    session.expect(/Failed to load/);
    const { site, other, ask } = await ready(session);
    other.faults.down = true;
    const answer = ask("file", { url: `${other.origin}/file`, ...INFO });
    await until("it was asked", () => other.log.length > 0);
    other.faults.down = false;
    assert.deepEqual(await answer, WHOLE);
    other.faults.down = true;
    const chunk = [`${other.origin}/manifest.txt`, CHUNK];
    const { code, message } = await ask("chunk", chunk);
    assert.equal(code, "offline", message);
    assert.equal(site.asked(/^\/chunks/).length, 0);
  });

  it("a_file_that_is_not_there_is_not_found", async (session) => {
    session.expect(/404/);
    const { other, ask } = await ready(session);
    other.faults.missing = /file/;
    const { code } = await ask("file", { url: `${other.origin}/file`, ...INFO });
    assert.equal(code, "not-found");
  });
});
