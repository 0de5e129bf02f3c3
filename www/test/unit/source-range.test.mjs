import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import { RangeSource } from "../../src/worker/source/index.js";
import { failure, host, noise, quick, server } from "./source-server.mjs";

const SIZE = 1 << 20;
const IMAGE = noise(SIZE);
const MODIFIED = "Thu, 01 Jan 2026 00:00:00 GMT";

/**
 * @typedef {object} Behaviour
 * @property {Uint8Array} [image]
 * @property {Record<string, string | undefined>} [headers] Instead of the right ones.
 * @property {(part: Uint8Array) => Uint8Array} [body]
 * @property {number} [status]
 */

/**
 * A server that knows ranges, but for what `wrong` says of the request with this number.
 * @param {(count: number, range: string | undefined) => Behaviour | undefined} wrong
 * @returns {import("./source-server.mjs").Answer}
 */
function ranges(wrong = () => undefined) {
  return ({ headers: asked }, response, count) => {
    const { image = IMAGE, headers, body, status } = wrong(count, asked.range) ?? {};
    const etag = headers?.etag ?? '"v1"';
    const match = /^bytes=(\d+)-(\d+)$/.exec(asked.range ?? "");
    const current = asked["if-range"] === undefined || asked["if-range"] === etag;
    /** @type {Record<string, string | undefined>} */
    const all = { etag, "last-modified": MODIFIED, ...headers };
    let part = image;
    if (match && current && status !== 200) {
      const [from, to] = [Number(match[1]), Number(match[2])];
      part = image.subarray(from, to + 1);
      all["content-range"] ??= `bytes ${from}-${Math.min(to, image.length - 1)}/${image.length}`;
      if (from >= image.length) all["content-range"] = `bytes */${image.length}`;
      response.statusCode = status ?? (from >= image.length ? 416 : 206);
    } else {
      response.statusCode = status ?? 200;
    }
    for (const [name, value] of Object.entries(all)) if (value) response.setHeader(name, value);
    response.end(body ? body(part) : part);
  };
}

/**
 * @param {import("node:test").TestContext} t
 * @param {import("./source-server.mjs").Answer} answer
 * @param {object} [more]
 */
async function image(t, answer, more = {}) {
  const { origin, log } = await server(t, answer);
  const source = new RangeSource(`${origin}/disk.img`, {
    host: host({ origin }),
    ...quick,
    small: SIZE / 2,
    ...more,
  });
  return { origin, log, source, url: `${origin}/disk.img` };
}

/** Wrong but for the probe. @param {Behaviour} behaviour @param {number} [times] */
const afterProbe = (behaviour, times = Infinity) =>
  ranges((count) => (count >= 1 && count <= times ? behaviour : undefined));

test("parts_are_read_with_if_range", async (t) => {
  const { source, log, url } = await image(t, ranges());
  const { size, identity } = await source.probe();
  assert.equal(size, SIZE);
  assert.equal(identity, JSON.stringify([url, '"v1"', SIZE]));
  assert.deepEqual(await source.read(512, 4096), IMAGE.slice(512, 4608));
  assert.deepEqual(await source.read(SIZE - 512, 512), IMAGE.slice(-512));
  assert.deepEqual(log.map(({ range }) => range), [
    "bytes=0-0",
    "bytes=512-4607",
    `bytes=${SIZE - 512}-${SIZE - 1}`,
  ]);
  assert.deepEqual(log.map(({ ifRange }) => ifRange), [undefined, '"v1"', '"v1"']);
  assert.deepEqual(source.statistics, { fetched: 2, bytes: 4608 });
});

test("another_origin_is_not_asked_with_if_range", async (t) => {
  // The header would want permission first; the answer's validator is compared all the same.
  const { source, log } = await image(t, ranges(), { host: host() });
  await source.probe();
  assert.deepEqual(await source.read(0, 512), IMAGE.slice(0, 512));
  assert.deepEqual(log.map(({ ifRange }) => ifRange), [undefined, undefined]);
});

test("a_weak_etag_is_compared_but_not_sent", async (t) => {
  const weak = ranges((count) => ({ headers: { etag: count < 2 ? 'W/"v1"' : '"v1"' } }));
  // Node's server above compares If-Range with the ETag, so a date is answered with 200.
  const { source, log } = await image(t, weak, { host: host() });
  await source.probe();
  for (const at of [0, 512]) assert.deepEqual(await source.read(at, 512), IMAGE.slice(at, at + 512));
  assert.equal(log.length, 3);
});

test("if_range_says_the_date_where_the_etag_is_weak", async (t) => {
  const { source, log } = await image(t, ranges(() => ({ headers: { etag: 'W/"v1"' } })));
  await source.probe();
  await failure(source.read(0, 512));
  assert.equal(log[1].ifRange, MODIFIED);
});

test("a_small_image_is_taken_whole_from_a_server_without_ranges", async (t) => {
  const small = IMAGE.subarray(0, SIZE / 2);
  const { source, log } = await image(t, ranges(() => ({ status: 200, image: small })));
  assert.equal((await source.probe()).size, SIZE / 2);
  assert.deepEqual(await source.read(512, 512), IMAGE.slice(512, 1024));
  assert.equal(log.length, 1);
});

test("a_large_image_without_ranges_is_refused_and_not_downloaded", async (t) => {
  for (const told of [true, false]) {
    let sent = 0;
    const { source, log } = await image(t, (_, response) => {
      response.writeHead(200, { etag: '"v1"', ...(told && { "content-length": 1 << 30 }) });
      const more = () => {
        while (!response.destroyed && response.write(noise(65536))) sent += 65536;
      };
      response.on("drain", more);
      more();
    });
    const error = await failure(source.probe());
    assert.equal(error.code, "range");
    assert.match(error.message, /sends all of it \(200\).*virtarium image chunk.*disk\.img/);
    assert.match(error.message, told ? /1073741824 bytes/ : /more than 524288 bytes/);
    assert.equal(log.length, 1);
    assert.ok(sent < 16 << 20, `${sent}`);
  }
});

test("a_server_that_forgets_ranges_now_and_then_is_asked_again", async (t) => {
  const { source, log } = await image(t, afterProbe({ status: 200 }, 2));
  await source.probe();
  assert.deepEqual(await source.read(0, 512), IMAGE.slice(0, 512));
  assert.equal(log.length, 4);
});

test("a_server_that_forgets_ranges_for_good_is_given_up", async (t) => {
  const { source } = await image(t, afterProbe({ status: 200 }));
  await source.probe();
  const error = await failure(source.read(0, 512));
  assert.equal(error.code, "range");
  assert.match(error.message, /bytes 0-511 were asked for, and all of it came \(200\)/);
});

for (const [name, behaviour, says] of /** @type {[string, Behaviour, RegExp][]} */ ([
  ["without_content_range", { headers: { "content-range": "" } }, /without Content-Range/],
  ["of_other_bytes", { headers: { "content-range": `bytes 1-512/${SIZE}` } }, /1-512 came/],
  ["of_fewer_bytes", { headers: { "content-range": `bytes 0-99/${SIZE}` } }, /0-99 came/],
  ["without_a_total", { headers: { "content-range": "bytes 0-511/*" } }, /0-511\/\*/],
  ["beyond_its_total", { headers: { "content-range": "bytes 0-511/100" } }, /0-511\/100/],
  ["in_other_units", { headers: { "content-range": "lines 0-511/1000" } }, /lines 0-511/],
  ["that_is_too_short", { body: (part) => part.subarray(1) }, /511 bytes of the 512 asked for/],
  ["that_is_empty", { body: () => new Uint8Array(0) }, /0 bytes of the 512 asked for/],
  ["that_is_too_long", { body: () => IMAGE.subarray(0, 513) }, /more than the 512 bytes/],
  ["of_no_content", { status: 204, body: () => new Uint8Array(0) }, /answers 204/],
])) {
  test(`an_answer_${name}_is_asked_for_again_and_then_an_error`, async (t) => {
    const once = await image(t, afterProbe(behaviour, 1));
    await once.source.probe();
    assert.deepEqual(await once.source.read(0, 512), IMAGE.slice(0, 512));
    const always = await image(t, afterProbe(behaviour));
    await always.source.probe();
    const error = await failure(always.source.read(0, 512));
    assert.equal(error.code, "range");
    assert.match(error.message, says);
    assert.ok(error.message.endsWith(always.url));
    assert.equal(always.log.length, 1 + quick.patience.attempts);
  });
}

test("a_body_without_an_end_is_cut", async (t) => {
  let sent = 0;
  const { source } = await image(t, (request, response, count) => {
    if (count === 0) return ranges()(request, response, count);
    response.writeHead(206, { etag: '"v1"', "content-range": `bytes 0-511/${SIZE}` });
    const more = () => {
      while (!response.destroyed && response.write(noise(65536))) sent += 65536;
    };
    response.on("drain", more);
    more();
  });
  await source.probe();
  assert.equal((await failure(source.read(0, 512))).code, "range");
  assert.ok(sent < 48 << 20, `${sent}`);
});

test("a_list_of_parts_is_refused", async (t) => {
  const headers = { "content-type": "multipart/byteranges; boundary=x" };
  const { source, log } = await image(t, afterProbe({ headers }));
  await source.probe();
  const error = await failure(source.read(0, 512));
  assert.equal(error.code, "range");
  assert.match(error.message, /multipart\/byteranges.*virtarium image chunk/);
  assert.equal(log.length, 2);
});

test("compressed_parts_are_refused", async (t) => {
  // Either the part was compressed, or this is a part of what was: one cannot see which.
  const headers = { "content-encoding": "gzip" };
  const body = (/** @type {Uint8Array} */ part) => gzipSync(part);
  for (const from of [0, 1]) {
    const { source, log } = await image(
      t,
      ranges((count) => (count >= from ? { headers, body } : undefined)),
    );
    const error = await failure(source.probe().then(() => source.read(0, 512)));
    assert.equal(error.code, "range");
    assert.match(error.message, /compresses parts \(Content-Encoding: gzip\)/);
    assert.equal(log.length, from + 1);
  }
});

for (const [name, behaviour, says] of /** @type {[string, Behaviour, RegExp][]} */ ([
  ["has_another_etag", { headers: { etag: '"v2"' } }, /"v1".*is 1048576 bytes of "v2"/],
  ["has_another_size", { image: IMAGE.subarray(0, 700_000) }, /is 700000 bytes/],
  ["has_become_shorter", { image: IMAGE.subarray(0, 512) }, /is 512 bytes/],
  ["has_become_empty", { image: IMAGE.subarray(0, 0) }, /is 0 bytes/],
])) {
  test(`an_image_that_${name}_is_another_one_for_good`, async (t) => {
    const { source, log } = await image(t, afterProbe(behaviour));
    await source.probe();
    const error = await failure(source.read(4096, 512));
    assert.equal(error.code, "changed");
    assert.match(error.message, /the image was replaced while it was used/);
    assert.match(error.message, says);
    assert.equal(log.length, 3);
    assert.equal((await failure(source.read(0, 512))).code, "changed");
    assert.equal(log.length, 3);
  });
}

test("an_image_without_etag_is_told_by_its_date", async (t) => {
  const dated = (/** @type {string} */ date) => ({ headers: { etag: "", "last-modified": date } });
  const later = "Fri, 02 Jan 2026 00:00:00 GMT";
  const answer = ranges((count) => dated(count < 2 ? MODIFIED : later));
  const { source } = await image(t, answer, { host: host() });
  assert.ok((await source.probe()).identity.includes(MODIFIED));
  assert.deepEqual(await source.read(0, 512), IMAGE.slice(0, 512));
  assert.equal((await failure(source.read(0, 512))).code, "changed");
});

test("servers_of_a_farm_may_have_other_dates", async (t) => {
  const later = { headers: { "last-modified": "Fri, 02 Jan 2026 00:00:00 GMT" } };
  const { source } = await image(t, afterProbe(later));
  await source.probe();
  assert.deepEqual(await source.read(0, 512), IMAGE.slice(0, 512));
});

test("the_page_of_a_captive_portal_does_not_end_a_disk", async (t) => {
  const answer = ranges();
  const { source, log } = await image(t, (request, response, count) => {
    if (count !== 1) return answer(request, response, count);
    response.writeHead(200, { "content-type": "text/html", etag: '"login"' }).end("<p>Log in");
  });
  await source.probe();
  assert.deepEqual(await source.read(0, 512), IMAGE.slice(0, 512));
  assert.equal(log.length, 4);
});

test("an_image_by_which_a_change_is_not_seen_is_refused", async (t) => {
  const { source } = await image(t, ranges(() => ({ headers: { etag: "", "last-modified": "" } })));
  const error = await failure(source.probe());
  assert.equal(error.code, "range");
  assert.match(error.message, /neither ETag nor Last-Modified/);
});

test("an_empty_image_is_no_disk", async (t) => {
  const { source } = await image(t, ranges(() => ({ image: IMAGE.subarray(0, 0) })));
  const error = await failure(source.probe());
  assert.equal(error.code, "bad-image");
});

test("a_redirect_is_followed", async (t) => {
  const answer = ranges();
  const { source } = await image(t, (request, response, count) => {
    if (request.url === "/moved.img") return answer(request, response, count);
    response.writeHead(302, { location: "/moved.img" }).end();
  });
  await source.probe();
  assert.deepEqual(await source.read(512, 512), IMAGE.slice(512, 1024));
});

test("a_redirect_in_a_circle_ends", async (t) => {
  const { source } = await image(t, (_, response) =>
    response.writeHead(302, { location: "/disk.img" }).end(),
  );
  const error = await failure(source.probe());
  assert.equal(error.code, "offline");
});

test("an_image_that_is_not_there_is_said_at_once", async (t) => {
  const { source, log, url } = await image(t, (_, response) => response.writeHead(404).end());
  const error = await failure(source.probe());
  assert.equal(error.code, "not-found");
  assert.ok(error.message.includes(url));
  assert.equal(log.length, 1);
});

test("headers_that_another_origin_does_not_expose_are_named", async () => {
  const browser = host();
  browser.fetch = async () => {
    const response = new Response(new Uint8Array(1), { status: 206 });
    Object.defineProperty(response, "type", { value: "cors" });
    return response;
  };
  const source = new RangeSource("https://images.example/disk.img", { ...quick, host: browser });
  const error = await failure(source.probe());
  assert.equal(error.code, "range");
  assert.match(error.message, /Access-Control-Expose-Headers/);
});

test("a_read_outside_of_the_image_is_a_mistake_of_the_caller", async (t) => {
  const { source } = await image(t, ranges());
  await assert.rejects(source.read(0, 512), TypeError);
  await source.probe();
  await assert.rejects(source.read(SIZE - 511, 512), RangeError);
  await assert.rejects(source.read(0, (4 << 20) + 1), RangeError);
  await assert.rejects(source.read(-1, 512), RangeError);
});

test("an_image_is_no_larger_than_one_in_chunks_can_be", async (t) => {
  // docs/image-format.md: at most 2^44 bytes.
  for (const [size, code] of /** @type {const} */ ([[2 ** 44, undefined], [2 ** 44 + 512, "bad-image"]])) {
    const answer = ranges(() => ({ headers: { "content-range": `bytes 0-0/${size}` } }));
    const { source } = await image(t, answer);
    const found = await source.probe().then(() => undefined, (error) => error.code);
    assert.equal(found, code, `${size}`);
  }
});
