import assert from "node:assert/strict";
import test from "node:test";
import { TextFinder } from "../../src/vm/ready.js";

const encode = (text) => new TextEncoder().encode(text);

/** After how many bytes one of the texts is complete, with pieces of `size`. */
function found(texts, bytes, size) {
  const finder = new TextFinder(texts);
  for (let at = 0; at < bytes.length; at += size) if (finder.push(bytes.subarray(at, at + size))) return at;
  return undefined;
}

test("a text is found wherever it lies and the pieces are cut", () => {
  const cases = [
    [["# "], "## ", true], [["aab"], "aaaab", true], [["abcabd"], "abcabcabd", true], [["abab"], "abaabba", false],
    [["login: ", "ü~# "], "xü~# ", true], [["\x1b[0m# "], "\x1b[0m\x1b[0m# ", true], [[".*"], "everything", false], [["(a+)+b"], "aab", false],
  ];
  for (const [texts, output, is] of cases) {
    const bytes = encode(output);
    for (let size = 1; size <= bytes.length; size++) {
      assert.equal(found(texts, bytes, size) !== undefined, is, `${texts} in ${output}, pieces of ${size}`);
    }
  }
});

test("any short text is found where `includes` finds it", () => {
  const words = Array.from({ length: 4096 }, (_, i) => i.toString(2));
  for (const text of ["1", "101", "11011", "0100100", "111011101110"]) {
    for (const word of words) assert.equal(found([text], encode(word), 3) !== undefined, word.includes(text), `${text} in ${word}`);
  }
});

test("a text begins anew after `clear`, and without texts the first byte is enough", () => {
  const finder = new TextFinder(["ready"]);
  assert.equal(finder.push(encode("rea")), false);
  finder.clear();
  assert.equal(finder.push(encode("dy")), false);
  assert.equal(finder.push(encode("ready")), true);
  assert.equal(new TextFinder([]).push(encode("")), false);
  assert.equal(new TextFinder([]).push(encode("x")), true);
});

test("hostile texts and output take time in proportion to the output", () => {
  const texts = [`b${"a".repeat(4095)}`, `${"a".repeat(4095)}b`, `${"ab".repeat(2047)}b`];
  for (const output of ["a", "ab"]) {
    const bytes = encode(output.repeat(4_000_000 / output.length));
    const began = performance.now();
    assert.equal(found(texts, bytes, 65536), undefined);
    // A second or so; looked for at each place, it is minutes.
    assert.ok(performance.now() - began < 20_000, `${performance.now() - began} ms`);
  }
});
