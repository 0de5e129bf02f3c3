import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import { gunzip } from "../../src/worker/source/gunzip.js";
import { fetchFile } from "../../src/worker/source/index.js";
import { failure, hash, hex, host, noise, quick, server } from "./source-server.mjs";

const FILE = noise(200_000);
const PACKED = gzipSync(FILE);
const INFO = { sha256: hex(FILE), size: FILE.length };

/** @param {Uint8Array} bytes @param {Record<string, string>} [headers] */
const sends = (bytes, headers = {}) =>
  /** @type {import("./source-server.mjs").Answer} */
  ((_, response) => response.writeHead(200, headers).end(bytes));

/** @param {Partial<Parameters<typeof fetchFile>[1]>} [more] */
const options = (more = {}) => ({ hash, host: host(), ...quick, ...more });

test("a_file_comes_whole_and_with_progress", async (t) => {
  const { origin } = await server(t, sends(FILE));
  /** @type {number[]} */
  const loaded = [];
  const onProgress = (/** @type {any} */ at) => {
    assert.equal(at.total, FILE.length);
    loaded.push(at.loaded);
  };
  const bytes = await fetchFile({ url: `${origin}/k`, ...INFO }, options({ onProgress }));
  assert.deepEqual(bytes, FILE);
  assert.equal(loaded[0], 0);
  assert.equal(loaded.at(-1), FILE.length);
  assert.ok(loaded.length > 2, `${loaded}`);
});

test("a_packed_file_is_unpacked", async (t) => {
  const { origin } = await server(t, sends(PACKED));
  const info = { url: `${origin}/k.gz`, ...INFO, encoding: "gzip" };
  assert.deepEqual(await fetchFile(info, options()), FILE);
});

test("a_packed_file_that_the_server_takes_for_an_encoding_is_taken_as_it_comes", async (t) => {
  const { origin } = await server(t, sends(PACKED, { "content-encoding": "gzip" }));
  const info = { url: `${origin}/k.gz`, ...INFO, encoding: "gzip" };
  assert.deepEqual(await fetchFile(info, options()), FILE);
});

test("what_unpacks_to_more_than_it_should_is_given_up_early", async (t) => {
  const bomb = gzipSync(new Uint8Array(64 << 20));
  const { origin } = await server(t, sends(bomb));
  const info = { url: `${origin}/k.gz`, ...INFO, encoding: "gzip" };
  let most = 0;
  const onProgress = (/** @type {any} */ at) => (most = Math.max(most, at.loaded));
  const error = await failure(fetchFile(info, options({ onProgress })));
  assert.equal(error.code, "integrity");
  assert.match(error.message, /at most 200000 bytes were expected, and there are more/);
  assert.ok(most <= FILE.length, `${most}`);
});

test("a_gzip_file_that_goes_on_with_nothing_in_it_is_given_up", async (t) => {
  const head = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3);
  // Stored blocks of no bytes (RFC 1951, 3.2.4), none of them the last.
  const nothing = Buffer.alloc(5 * 8192, Uint8Array.of(0, 0, 0, 0xff, 0xff));
  let sent = 0;
  const { origin } = await server(t, (_, response) => {
    response.writeHead(200).write(head);
    const more = () => {
      while (!response.destroyed && response.write(nothing)) sent += nothing.length;
    };
    response.on("drain", more);
    more();
  });
  const info = { url: `${origin}/k.gz`, ...INFO, encoding: "gzip" };
  const error = await failure(fetchFile(info, options()));
  assert.equal(error.code, "integrity");
  assert.match(error.message, /more than \d+ bytes of gzip are for no such file/);
  assert.ok(sent < 48 << 20, `${sent}`);
});

test("a_truncated_gzip_file_is_no_file", async (t) => {
  const { origin, log } = await server(t, sends(PACKED.subarray(0, PACKED.length - 9)));
  const info = { url: `${origin}/k.gz`, ...INFO, encoding: "gzip" };
  const error = await failure(fetchFile(info, options()));
  assert.equal(error.code, "integrity");
  assert.match(error.message, /a whole gzip file was expected/);
  assert.equal(log.length, 2);
});

test("a_body_without_an_end_is_given_up", async (t) => {
  let sent = 0;
  const { origin } = await server(t, (_, response) => {
    response.writeHead(200);
    const more = () => {
      while (!response.destroyed && response.write(noise(65536))) sent += 65536;
    };
    response.on("drain", more);
    more();
  });
  const error = await failure(fetchFile({ url: `${origin}/k`, ...INFO }, options()));
  assert.equal(error.code, "integrity");
  assert.ok(sent < 16 << 20, `${sent}`);
});

test("a_wrong_hash_names_both_and_asks_past_the_cache_once", async (t) => {
  const other = noise(FILE.length, 2);
  const { origin, log } = await server(t, sends(other));
  /** @type {(RequestCache | undefined)[]} */
  const caches = [];
  const browser = host();
  const fetch = browser.fetch;
  browser.fetch = (url, init) => {
    caches.push(init.cache);
    return fetch(url, init);
  };
  const info = { url: `${origin}/k`, ...INFO };
  const error = await failure(fetchFile(info, options({ host: browser })));
  assert.equal(error.code, "integrity");
  for (const part of [info.url, INFO.sha256, hex(other)]) assert.ok(error.message.includes(part));
  assert.equal(log.length, 2);
  assert.deepEqual(caches, ["default", "reload"]);
});

test("a_stale_copy_in_the_http_cache_is_replaced", async (t) => {
  const { origin } = await server(t, (_, response, count) =>
    response.end(count === 0 ? noise(FILE.length, 2) : FILE),
  );
  assert.deepEqual(await fetchFile({ url: `${origin}/k`, ...INFO }, options()), FILE);
});

test("a_wrong_size_is_said", async (t) => {
  const { origin } = await server(t, sends(FILE.subarray(1)));
  const error = await failure(fetchFile({ url: `${origin}/k`, ...INFO }, options()));
  assert.equal(error.code, "integrity");
  assert.match(error.message, /200000 bytes were expected, and 199999 found/);
});

test("a_file_that_is_not_there_is_not_asked_for_again", async (t) => {
  const { origin, log } = await server(t, (_, response) => response.writeHead(404).end("no"));
  const error = await failure(fetchFile({ url: `${origin}/k`, ...INFO }, options()));
  assert.equal(error.code, "not-found");
  assert.ok(error.message.includes(`404 Not Found`) && error.message.includes(`${origin}/k`));
  assert.deepEqual(error.detail, { url: `${origin}/k`, status: 404 });
  assert.equal(log.length, 1);
});

test("a_server_that_is_busy_is_asked_again_when_it_says", async (t) => {
  const { origin, log } = await server(t, (_, response, count) =>
    count < 2
      ? response.writeHead(503, { "retry-after": "7" }).end()
      : response.writeHead(200).end(FILE),
  );
  const browser = host();
  const patience = { attempts: 3, delay: 1, longest: 9000 };
  /** @type {string[]} */
  const told = [];
  const onTrouble = (/** @type {any} */ trouble) => told.push(trouble.state);
  const more = options({ host: browser, patience, onTrouble });
  assert.deepEqual(await fetchFile({ url: `${origin}/k`, ...INFO }, more), FILE);
  assert.equal(log.length, 3);
  assert.deepEqual(browser.state.slept, [7000, 7000]);
  assert.deepEqual(told, ["retry", "retry", "over"]);
});

test("patience_with_a_broken_server_ends", async (t) => {
  const { origin, log } = await server(t, (_, response) => response.writeHead(500).end());
  const error = await failure(fetchFile({ url: `${origin}/k`, ...INFO }, options()));
  assert.equal(error.code, "offline");
  assert.match(error.message, /500 Internal Server Error/);
  assert.equal(log.length, quick.patience.attempts);
});

test("a_connection_that_breaks_is_made_again", async (t) => {
  const { origin } = await server(t, (_, response, count) => {
    response.writeHead(200, { "content-length": FILE.length });
    if (count > 0) response.end(FILE);
    else response.write(FILE.subarray(0, 5000), () => response.destroy());
  });
  assert.deepEqual(await fetchFile({ url: `${origin}/k`, ...INFO }, options()), FILE);
});

test("a_server_that_says_nothing_is_left", async (t) => {
  const { origin, log } = await server(t, () => {});
  const error = await failure(fetchFile({ url: `${origin}/k`, ...INFO }, options()));
  assert.equal(error.code, "offline");
  assert.match(error.message, /no answer came for 0.3 s/);
  assert.equal(log.length, quick.patience.attempts);
});

test("a_body_that_stands_still_is_left", async (t) => {
  const { origin } = await server(t, (_, response) => {
    response.writeHead(200, { "content-length": FILE.length });
    response.write(FILE.subarray(0, 1000));
  });
  const error = await failure(fetchFile({ url: `${origin}/k`, ...INFO }, options()));
  assert.equal(error.code, "offline");
  assert.match(error.message, /nothing came after byte 1000/);
});

test("without_a_network_it_waits_for_one_and_says_so", async (t) => {
  const { origin } = await server(t, sends(FILE));
  const browser = host();
  browser.state.online = false;
  const { fetch } = browser;
  browser.fetch = async (url, init) => {
    if (!browser.state.online) throw new TypeError("Failed to fetch");
    return fetch(url, init);
  };
  /** @type {string[]} */
  const told = [];
  const onTrouble = (/** @type {any} */ trouble) => {
    told.push(trouble.state);
    if (trouble.state === "offline") setTimeout(() => browser.wake(), 20);
  };
  const more = options({ host: browser, onTrouble, patience: { ...quick.patience, attempts: 1 } });
  assert.deepEqual(await fetchFile({ url: `${origin}/k`, ...INFO }, more), FILE);
  assert.deepEqual(told, ["offline", "over"]);
});

test("a_policy_that_forbids_the_address_is_named", async () => {
  const browser = host();
  browser.state.blocked = true;
  browser.fetch = async () => {
    throw new TypeError("Failed to fetch");
  };
  const info = { url: "https://images.example/k", ...INFO };
  const error = await failure(fetchFile(info, options({ host: browser })));
  assert.equal(error.code, "csp");
  assert.match(error.message, /connect-src.*https:\/\/images\.example\/k/);
});

test("it_stops_when_it_is_told_to", async (t) => {
  const stop = new AbortController();
  let closed = false;
  const { origin } = await server(t, (_, response) => {
    response.on("close", () => (closed = true));
    response.writeHead(200).write("x", () => stop.abort());
  });
  const error = await failure(
    fetchFile({ url: `${origin}/k`, ...INFO }, options({ signal: stop.signal })),
  );
  assert.equal(error.code, "aborted");
  const before = await failure(
    fetchFile({ url: `${origin}/k`, ...INFO }, options({ signal: stop.signal })),
  );
  assert.equal(before.code, "aborted");
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(closed);
});

test("a_file_is_kept_by_its_hash_and_verified_on_the_way_in", async (t) => {
  const { origin, log } = await server(t, sends(FILE));
  const browser = host();
  const more = options({ host: browser });
  await fetchFile({ url: `${origin}/a`, ...INFO }, more);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(await fetchFile({ url: `${origin}/b`, ...INFO }, more), FILE);
  assert.equal(log.length, 1);
  const entries = /** @type {Map<string, Uint8Array>} */ (browser.kept.get("virtarium-files"));
  for (const key of entries.keys()) entries.set(key, noise(FILE.length, 3));
  assert.deepEqual(await fetchFile({ url: `${origin}/c`, ...INFO }, more), FILE);
  assert.equal(log.length, 2);
});

test("half_of_the_quota_is_left_to_disks", async (t) => {
  const { origin } = await server(t, sends(FILE));
  const browser = host({ quota: FILE.length });
  await fetchFile({ url: `${origin}/a`, ...INFO }, options({ host: browser }));
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(browser.kept.get("virtarium-files")?.size ?? 0, 0);
});

test("without_a_cache_it_is_fetched_again", async (t) => {
  const { origin, log } = await server(t, sends(FILE));
  const more = options({ host: host({ caches: false }) });
  await fetchFile({ url: `${origin}/a`, ...INFO }, more);
  await fetchFile({ url: `${origin}/a`, ...INFO }, more);
  assert.equal(log.length, 2);
});

test("a_machine_file_that_says_nonsense_is_refused", async () => {
  for (const [info, says] of /** @type {[any, RegExp][]} */ ([
    [{ url: "k" }, /not an absolute address: k/],
    [{ url: undefined }, /not an absolute address/],
    [{ url: "http://a.example/", sha256: "AB" }, /"sha256" is 64 hexadecimal digits.*"AB"/],
    [{ url: "http://a.example/", size: 2 ** 40 }, /"size" is a number from 1 to/],
    [{ url: "http://a.example/", size: "1" }, /"size" is a number from 1 to .*"1"/],
    [{ url: "http://a.example/", encoding: "br" }, /"encoding" is "gzip".*"br"/],
  ])) {
    const error = await failure(fetchFile(info, options()));
    assert.equal(error.code, "bad-machine");
    assert.match(error.message, says);
  }
});

test("a_sink_that_throws_ends_the_unpacking_with_what_it_threw", { timeout: 10_000 }, async () => {
  const packed = gzipSync(Buffer.alloc(4 << 20));
  const sink = /** @type {any} */ ({
    length: 0,
    push() {
      throw new RangeError("no room");
    },
  });
  await assert.rejects(gunzip("https://example.test/a.gz", pieces(packed), sink), /no room/);
  async function* pieces(/** @type {Buffer} */ bytes) {
    for (let at = 0; at < bytes.length; at += 1000) yield new Uint8Array(bytes.subarray(at, at + 1000));
  }
});

test("a_policy_that_only_reports_has_refused_nothing", async (t) => {
  /** @type {((event: object) => void)[]} */
  const listeners = [];
  const scope = /** @type {any} */ (globalThis);
  scope.addEventListener = (/** @type {string} */ _, /** @type {any} */ listener) => listeners.push(listener);
  t.after(() => delete scope.addEventListener);
  const { browser } = await import(`../../src/worker/source/host.js?${Math.random()}`);
  const url = "https://example.test/disk";
  for (const [disposition, refused] of [["report", false], ["enforce", true]]) {
    for (const listener of listeners) listener({ blockedURI: url, disposition });
    assert.equal(await browser.blocked(url), refused, String(disposition));
  }
});
