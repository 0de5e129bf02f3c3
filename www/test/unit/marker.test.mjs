import assert from "node:assert/strict";
import test from "node:test";
import { Base64Decoder, encodeLines } from "../../src/vm/base64.js";
import { Gathered } from "../../src/vm/gathered.js";
import { MarkerScanner, newNonce, quote, wrap } from "../../src/vm/marker.js";

const encode = (text) => new TextEncoder().encode(text);
const NONCE = "0123456789abcdef";

function scan(pieces) {
  let got = "";
  let status;
  const scanner = new MarkerScanner(NONCE, (bytes) => { got += new TextDecoder().decode(bytes); });
  for (const piece of pieces) status ??= scanner.push(encode(piece));
  return { got, status };
}

test("output between the marks is found wherever the pieces are cut", () => {
  const whole = `boot\x1e\x1enoise\x1e${NONCE}\x1eone\x1etwo\x1e${NONCE.slice(0, 8)}\x1e${NONCE} x\x1e${NONCE} 17\x1etail`;
  const expected = { got: `one\x1etwo\x1e${NONCE.slice(0, 8)}\x1e${NONCE} x`, status: 17 };
  for (let size = 1; size <= whole.length; size++) {
    const pieces = [];
    for (let at = 0; at < whole.length; at += size) pieces.push(whole.slice(at, at + size));
    assert.deepEqual(scan(pieces), expected, `pieces of ${size}`);
  }
});

test("an end without a beginning, another nonce and an endless mark are output or nothing", () => {
  assert.deepEqual(scan([`\x1e${NONCE} 0\x1e`]), { got: "", status: undefined });
  assert.deepEqual(scan([`\x1e${NONCE}\x1ea\x1efedcba9876543210 0\x1eb`]), { got: "a\x1efedcba9876543210 0\x1eb", status: undefined });
  const long = `\x1e${NONCE} ${"9".repeat(100)}`;
  assert.equal(scan([`\x1e${NONCE}\x1e`, long, "."]).got, `${long}.`);
});

test("what only looks like marks is given as it comes, not byte by byte", () => {
  for (const text of ["\x1e", `\x1e${NONCE.slice(0, 15)}`, `\x1e${NONCE} `, `\x1e${NONCE} 1234567890\x1e`]) {
    const piece = encode(text.repeat(Math.ceil(65536 / text.length)));
    const sizes = [];
    let size = 0;
    const scanner = new MarkerScanner(NONCE, (bytes) => { sizes.push(bytes.length); size += bytes.length; });
    scanner.push(encode(`\x1e${NONCE}\x1e`));
    for (let i = 0; i < 64; i++) assert.equal(scanner.push(piece), undefined);
    scanner.push(encode("."));
    assert.equal(size, 64 * piece.length + 1);
    assert.ok(sizes.length <= 65, `${JSON.stringify(text)}: ${sizes.length} pieces`);
  }
});

test("a scanner keeps nothing of a piece that is not its own", () => {
  let got = "";
  const scanner = new MarkerScanner(NONCE, (bytes) => { got += new TextDecoder().decode(bytes); });
  const piece = encode(`\x1e${NONCE}\x1eone\x1e${NONCE.slice(0, 3)}`);
  scanner.push(piece);
  piece.fill(0);
  assert.equal(scanner.push(encode(`${NONCE.slice(3)} 5\x1e`)), 5);
  assert.equal(got, "one");
});

test("pieces are gathered into one array, however small", () => {
  const gathered = new Gathered();
  const began = performance.now();
  for (let i = 0; i < 1_000_000; i++) gathered.push(Uint8Array.of(i & 255));
  // Far below a second; with a copy for each piece it is minutes.
  assert.ok(performance.now() - began < 20_000);
  gathered.push(new Uint8Array(0));
  assert.equal(gathered.length, 1_000_000);
  const bytes = gathered.take();
  assert.equal(bytes.length, 1_000_000);
  assert.ok(bytes.every((byte, i) => byte === (i & 255)));
  gathered.push(encode("next"));
  assert.deepEqual(gathered.take(), encode("next"));
});

test("the echo of a command holds no mark", () => {
  const line = wrap(NONCE, "echo hi");
  assert.deepEqual(scan([line]), { got: "", status: undefined });
  assert.equal(quote("it's"), "'it'\\''s'");
  assert.match(newNonce(), /^[0-9a-f]{16}$/);
});

test("base64 is what Node's is, in lines of 76, and back in any pieces", () => {
  for (const size of [0, 1, 2, 3, 56, 57, 58, 114, 1000]) {
    const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 7 + size) & 255);
    const lines = new TextDecoder().decode(encodeLines(bytes));
    assert.equal(lines.replaceAll("\n", ""), Buffer.from(bytes).toString("base64"));
    assert.ok(lines.split("\n").every((line) => line.length <= 76));
    for (const step of [1, 3, 5, 4096]) {
      const decoder = new Base64Decoder();
      const out = [];
      for (let at = 0; at < lines.length; at += step) out.push(...decoder.push(encode(lines.slice(at, at + step))));
      decoder.end();
      assert.deepEqual(Uint8Array.from(out), bytes);
    }
  }
});

test("what is no base64 is refused", () => {
  for (const bad of ["a*bc", "=abc", "ab==cd", "abc=d"]) {
    assert.throws(() => new Base64Decoder().push(encode(bad)), SyntaxError, bad);
  }
  for (const short of ["a", "ab", "abc", "ab="]) {
    const decoder = new Base64Decoder();
    decoder.push(encode(short));
    assert.throws(() => decoder.end(), SyntaxError, short);
  }
});
