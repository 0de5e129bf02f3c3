import assert from "node:assert/strict";
import { test } from "node:test";

import { CHUNKS, ChunkSource, Store, giveBack } from "../../src/worker/source/index.js";
import { failure, hex, host, noise, quick, server } from "./source-server.mjs";

const SIZE = 131_072;
const CHUNK = noise(SIZE);
const HASH = hex(CHUNK);
const PATH = `../../chunks/${HASH.slice(0, 2)}/${HASH}`;

/** @param {string} origin @param {object} [more] */
const source = (origin, more = {}) =>
  new ChunkSource(
    `${origin}/disks/debian/manifest.txt`,
    { chunkSize: SIZE },
    { host: host(), ...quick, ...more },
  );

test("a_chunk_is_fetched_from_beside_the_manifest_and_kept", async (t) => {
  const { origin, log } = await server(t, (_, response) => response.end(CHUNK));
  const chunks = source(origin);
  assert.deepEqual(await chunks.fetch(7, PATH), CHUNK);
  assert.equal(log[0].url, `/chunks/${HASH.slice(0, 2)}/${HASH}`);
  assert.deepEqual(await chunks.fetch(7, PATH), CHUNK);
  assert.equal(log.length, 1);
  assert.deepEqual(chunks.statistics, { fetched: 1, cached: 1, bytes: SIZE });
});

test("another_server_need_not_send_what_is_kept", async (t) => {
  const browser = host();
  const one = await server(t, (_, response) => response.end(CHUNK));
  const two = await server(t, (_, response) => response.writeHead(500).end());
  await source(one.origin, { host: browser }).fetch(0, PATH);
  assert.deepEqual(await source(two.origin, { host: browser }).fetch(3, PATH), CHUNK);
  assert.equal(two.log.length, 0);
});

test("a_corrupt_copy_in_the_cache_is_fetched_past_every_cache", async (t) => {
  const { origin, log } = await server(t, (_, response) => response.end(CHUNK));
  const browser = host();
  /** @type {(RequestCache | undefined)[]} */
  const modes = [];
  const { fetch } = browser;
  browser.fetch = (url, init) => {
    modes.push(init.cache);
    return fetch(url, init);
  };
  await new Store(CHUNKS, browser).put(HASH, noise(SIZE, 2));
  const chunks = source(origin, { host: browser });
  assert.deepEqual(await chunks.fetch(0, PATH), noise(SIZE, 2));
  assert.deepEqual(await chunks.corrupt(0, PATH, "another hash"), CHUNK);
  chunks.good(0);
  assert.deepEqual(modes, ["reload"]);
  assert.deepEqual(await chunks.fetch(0, PATH), CHUNK);
  assert.equal(log.length, 1);
});

test("a_chunk_that_is_corrupt_on_the_server_fails_the_second_time", async (t) => {
  const { origin, log } = await server(t, (_, response) => response.end(noise(SIZE, 2)));
  const browser = host();
  const chunks = source(origin, { host: browser });
  await chunks.fetch(4, PATH);
  await chunks.corrupt(4, PATH, "SHA-256 is 00");
  const error = await failure(chunks.corrupt(4, PATH, "SHA-256 is 00"));
  assert.equal(error.code, "integrity");
  assert.match(error.message, /chunk 4 is corrupt on the server: SHA-256 is 00: http.*\/chunks\//);
  assert.equal(log.length, 2);
  // Neither copy stays, and another try is a new one.
  assert.equal(browser.kept.get(CHUNKS)?.size, 0);
  await chunks.fetch(4, PATH);
  await chunks.corrupt(4, PATH, "SHA-256 is 00");
  assert.equal(log.length, 4);
});

test("a_chunk_is_not_read_beyond_what_a_chunk_can_be", async (t) => {
  let sent = 0;
  const { origin, log } = await server(t, (_, response) => {
    const more = () => {
      while (!response.destroyed && response.write(noise(65536))) sent += 65536;
    };
    response.on("drain", more);
    more();
  });
  const error = await failure(source(origin).fetch(0, PATH));
  assert.equal(error.code, "integrity");
  assert.match(error.message, /a chunk has at most \d+ bytes on its way, and there are more/);
  assert.equal(log.length, 2);
  assert.ok(sent < 16 << 20, `${sent}`);
});

test("a_copy_in_the_cache_that_is_too_long_is_dropped", async (t) => {
  const { origin, log } = await server(t, (_, response) => response.end(CHUNK));
  const browser = host();
  await new Store(CHUNKS, browser).put(HASH, noise(SIZE * 2));
  assert.deepEqual(await source(origin, { host: browser }).fetch(0, PATH), CHUNK);
  assert.equal(log.length, 1);
});

test("a_chunk_that_is_not_there_names_its_address", async (t) => {
  const { origin, log } = await server(t, (_, response) => response.writeHead(404).end());
  const error = await failure(source(origin).fetch(0, PATH));
  assert.equal(error.code, "not-found");
  assert.ok(error.message.includes(`${origin}/chunks/`));
  assert.equal(log.length, 1);
});

test("a_network_that_comes_and_goes_is_waited_for", async (t) => {
  const { origin } = await server(t, (_, response, count) =>
    count < 2 ? response.destroy() : response.end(CHUNK),
  );
  const browser = host();
  /** @type {any[]} */
  const told = [];
  const onTrouble = (/** @type {any} */ trouble) => told.push(trouble);
  const chunks = source(origin, { host: browser, onTrouble });
  assert.deepEqual(await chunks.fetch(0, PATH), CHUNK);
  assert.deepEqual(told.map((trouble) => trouble.state), ["retry", "retry", "over"]);
  // Twice as long the second time.
  assert.deepEqual(browser.state.slept, [1, 2]);
});

test("patience_ends_with_the_signal", async (t) => {
  const { origin } = await server(t, (_, response) => response.destroy());
  const stop = new AbortController();
  const onTrouble = () => stop.abort();
  const patience = { attempts: 1000, delay: 1, longest: 1 };
  const chunks = source(origin, { onTrouble, patience });
  const error = await failure(chunks.fetch(0, PATH, { signal: stop.signal }));
  assert.equal(error.code, "aborted");
});

test("a_path_that_is_none_is_an_error_of_the_image", async () => {
  const error = await failure(source("http://a.example").fetch(0, "http://[/x"));
  assert.equal(error.code, "bad-image");
  assert.match(error.message, /"http:\/\/\[\/x".*manifest\.txt/);
});

test("a_full_storage_is_left_alone", async (t) => {
  const { origin, log } = await server(t, (_, response) => response.end(CHUNK));
  const browser = host();
  const real = browser.caches;
  browser.caches = () => ({
    ...real(),
    open: async (/** @type {string} */ name) => ({
      ...(await real().open(name)),
      put: async () => {
        throw new DOMException("full", "QuotaExceededError");
      },
    }),
  });
  const chunks = source(origin, { host: browser });
  assert.deepEqual(await chunks.fetch(0, PATH), CHUNK);
  assert.deepEqual(await chunks.fetch(1, PATH), CHUNK);
  assert.equal(log.length, 2);
  assert.ok(chunks.store.full);
});

test("what_is_kept_is_given_back_to_a_disk_that_has_no_room", async (t) => {
  const { origin, log } = await server(t, (_, response) => response.end(CHUNK));
  const browser = host();
  const chunks = source(origin, { host: browser });
  await chunks.fetch(0, PATH);
  assert.equal(browser.kept.get(CHUNKS)?.size, 1);
  assert.equal(await giveBack(chunks), true);
  assert.equal(await giveBack(chunks), false, "there is no more");
  // And from then on nothing is kept.
  await chunks.fetch(0, PATH);
  assert.equal(browser.kept.get(CHUNKS)?.size, 0);
  assert.equal(log.length, 2);
});
