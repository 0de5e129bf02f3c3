import assert from "node:assert/strict";
import http from "node:http";
import test from "node:test";
import { checkMachine, resolveMachine } from "../../src/vm/machine.js";
import { formatSize, parseSize } from "../../src/vm/size.js";

const BASE = "https://host.example/site/machines/a.json";
const LEAST = { virtarium: 1, kernel: { url: "../files/k.gz" } };

test("addresses are relative to the file, defaults are filled in", () => {
  const machine = checkMachine({
    virtarium: 1, title: "Debian", memory: "256M", cpus: 2, append: "console=hvc0",
    kernel: { url: "../files/k.gz", sha256: "a".repeat(64), size: 100, encoding: "gzip" }, initrd: { url: "../files/i" },
    disks: [{ name: "root", manifest: "../disks/debian/manifest.txt" }, { name: "d", url: "../x.img", readonly: true }, { name: "s", size: "2M" }],
    consoles: 2, agent: 1, ready: ["(a+)+$", "# "], sources: "../SOURCES.md",
  }, BASE);
  assert.deepEqual(machine, {
    virtarium: 1, title: "Debian", memory: 268435456, cpus: 2, append: "console=hvc0",
    kernel: { url: "https://host.example/site/files/k.gz", sha256: "a".repeat(64), size: 100, encoding: "gzip" },
    initrd: { url: "https://host.example/site/files/i" },
    disks: [
      { name: "root", manifest: "https://host.example/site/disks/debian/manifest.txt" },
      { name: "d", url: "https://host.example/site/x.img", readonly: true }, { name: "s", size: 2097152 },
    ],
    consoles: 2, agent: 1, rng: true, ready: ["(a+)+$", "# "], sources: "https://host.example/site/SOURCES.md",
  });
  assert.equal(checkMachine(LEAST, BASE).memory, 134217728);
  assert.deepEqual(["login: ", "", []].map((ready) => checkMachine({ ...LEAST, ready }, BASE).ready), [["login: "], undefined, undefined]);
});

test("a page gives a file's bytes as they are", () => {
  const bytes = new Uint8Array(3);
  const machine = checkMachine({ ...LEAST, kernel: bytes, initrd: { bytes, size: undefined } }, BASE);
  assert.deepEqual([machine.kernel, machine.initrd], [{ bytes }, { bytes }]);
});

test("the page's changes come before the file's values", () => {
  const machine = checkMachine(LEAST, BASE, { memory: "64M", cpus: "3", append: "quiet" });
  assert.deepEqual([machine.memory, machine.cpus, machine.append], [67108864, 3, "console=hvc0 quiet"]);
  const file = { ...LEAST, memory: "32M", cpus: 2 };
  assert.equal(checkMachine(file, BASE, { memory: "", cpus: "" }).memory, 33554432);
  assert.equal(checkMachine(LEAST, BASE, { append: null }).append, "console=hvc0");
  assert.throws(() => checkMachine(LEAST, BASE, { append: 5 }), /append is 5 and should be a text/);
  assert.throws(() => checkMachine(LEAST, BASE, { cpus: "two" }), /cpus is "two"/);
  assert.throws(() => checkMachine(LEAST, BASE, { memory: 0 }), /memory is 0/);
  assert.throws(() => checkMachine(LEAST, BASE, { memory: "3G" }), /memory is "3G" and should be a size from 8M to 1792M/);
});

test("a mistake in a machine file names its field and its value", () => {
  const bytes = new Uint8Array(3);
  const ring = {};
  ring.ring = ring;
  const cases = [
    [null, /not an object/], [[], /not an object/], [{}, /"virtarium" is undefined/], [{ virtarium: 2 }, /"virtarium" is 2/],
    [{ virtarium: 1 }, /"kernel" is missing/], [{ ...LEAST, kernel: 5 }, /"kernel" is 5/],
    [{ ...LEAST, kernel: { url: "javascript:alert(1)" } }, /"kernel".url is "javascript/],
    [{ ...LEAST, kernel: { url: "file:///etc/passwd" } }, /"kernel".url/],
    [{ ...LEAST, kernel: { url: "k", sha256: "xyz" } }, /"kernel".sha256/],
    [{ ...LEAST, kernel: { url: "k", encoding: "br" } }, /"kernel".encoding is "br"/],
    [{ ...LEAST, memory: "lots" }, /"memory" is "lots"/], [{ ...LEAST, memory: "1M" }, /"memory" is "1M"/],
    [{ ...LEAST, cpus: 0 }, /"cpus" is 0/], [{ ...LEAST, cpus: 1.5 }, /"cpus" is 1.5/],
    [{ ...LEAST, append: 1 }, /"append" is 1/], [{ ...LEAST, disks: {} }, /"disks"/],
    [{ ...LEAST, disks: Array(9).fill({ size: "1M" }) }, /at most 8/],
    [{ ...LEAST, disks: [{ name: "../up", size: "1M" }] }, /disks\[0\].name is "..\/up"/],
    [{ ...LEAST, disks: [{ name: "a", size: "1M" }, { name: "a", size: "1M" }] }, /disks\[1\].name/],
    [{ ...LEAST, disks: [{ name: "a" }] }, /one of "manifest", "url" and "size"/],
    [{ ...LEAST, disks: [{ name: "a", size: "1M", url: "b" }] }, /one of/],
    [{ ...LEAST, disks: [null] }, /disks\[0\] is null/],
    // What would be another machine than the one that was meant.
    [{ ...LEAST, rng: "no" }, /"rng" is "no" and should be true or false/], [{ ...LEAST, rng: null }, /"rng" is null/],
    [{ ...LEAST, disks: [{ name: "a", size: "1M", readonly: "yes" }] }, /disks\[0\].readonly is "yes"/],
    [{ ...LEAST, disks: [{ size: "1M" }] }, /disks\[0\].name is missing/], [{ ...LEAST, disks: null }, /"disks" should be a list/],
    [{ ...LEAST, disks: [{ name: "a", size: "1M", read_only: true }] }, /disks\[0\]."read_only" is no field/],
    [{ ...LEAST, memory: 0 }, /"memory" is 0/], [{ ...LEAST, memory: "" }, /"memory" is ""/], [{ ...LEAST, memory: null }, /"memory" is null/],
    [{ ...LEAST, cpus: "2" }, /"cpus" is "2"/], [{ ...LEAST, cpus: null }, /"cpus" is null/],
    [{ ...LEAST, consoles: "2" }, /"consoles" is "2"/], [{ ...LEAST, consoles: "" }, /"consoles" is ""/],
    [{ ...LEAST, disk: [] }, /"disk" is no field; there are virtarium, title/],
    [{ ...LEAST, kernel: { url: "k", sha265: "a".repeat(64) } }, /"kernel"."sha265" is no field/],
    [{ ...LEAST, kernel: { url: 5 } }, /"kernel".url is 5/], [{ ...LEAST, sources: {} }, /"sources" is \{\}/],
    [{ ...LEAST, kernel: [] }, /"kernel" is \[\]/],
    [{ ...LEAST, consoles: 2, agent: 2 }, /"agent" is 2/], [{ ...LEAST, ready: 5 }, /"ready" is 5 and should be a text/],
    [{ ...LEAST, ready: ["# ", ""] }, /"ready"\[1\] is ""/], [{ ...LEAST, ready: [null] }, /"ready"\[0\] is null/],
    [{ ...LEAST, ready: Array(9).fill("# ") }, /"ready" should be at most 8 texts/],
    // What only an object can hold.
    [{ ...LEAST, memory: 128n << 20n }, /"memory" is 134217728n and should be a size/], [{ ...LEAST, cpus: ring }, /"cpus" is no JSON and should be a number/],
    [{ ...LEAST, kernel: { bytes, sha256: "a".repeat(64) } }, /"kernel".sha256 stands beside "bytes"/],
    [{ ...LEAST, initrd: { bytes, encoding: "gzip" } }, /"initrd".encoding stands beside/],
    [{ ...LEAST, kernel: { bytes, size: 3 } }, /"kernel".size stands/], [{ ...LEAST, kernel: { bytes, url: "k" } }, /"kernel".url stands/],
    [{ ...LEAST, kernel: { bytes: bytes.buffer } }, /"kernel".bytes is \{\} and should be a Uint8Array/],
    [{ ...LEAST, title: [1n] }, /"title" is no JSON/], [{ ...LEAST, sources: Symbol("x") }, /"sources" is Symbol\(x\)/],
  ];
  for (const [value, message] of cases) {
    assert.throws(() => checkMachine(value, BASE), (e) => e.code === "bad-machine" && message.test(e.message), String(message));
  }
});

test("a machine file that cannot be had says why", async (t) => {
  const server = http.createServer((request, response) => {
    const answer = { "/ok": [200, JSON.stringify(LEAST)], "/text": [200, "<html>"], "/busy": [503, ""], "/big": [200, " ".repeat(2 << 20)] }[request.url] ?? [404, "no"];
    response.writeHead(answer[0]).end(answer[1]);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const base = `http://127.0.0.1:${server.address().port}/`;
  const ask = (path, options = {}) => resolveMachine(path, { base, ...options });
  assert.equal((await ask("ok")).kernel.url, `http://127.0.0.1:${server.address().port}/files/k.gz`);
  await assert.rejects(ask("none"), (e) => e.code === "not-found" && e.detail.status === 404);
  await assert.rejects(ask("busy"), { code: "offline" });
  await assert.rejects(ask("text"), { code: "bad-machine" });
  await assert.rejects(ask("big"), { code: "bad-machine" });
  await assert.rejects(ask("http://127.0.0.1:1/"), { code: "offline" });
  await assert.rejects(ask("ok", { signal: AbortSignal.abort() }), { code: "aborted" });
});

test("sizes are read as on the command line and written for people", () => {
  assert.deepEqual(["128M", "1g", "4096", "2 KiB", 7, "x", "-1", "1.5M", "", null, -1].map(parseSize),
    [134217728, 1073741824, 4096, 2048, 7, undefined, undefined, undefined, undefined, undefined, undefined]);
  assert.deepEqual([0, 999, 1000, 10240, 12400000, 2147483648].map(formatSize), ["0 bytes", "999 bytes", "1.0 KB", "10 KB", "12 MB", "2.0 GB"]);
});
