import assert from "node:assert/strict";
import test from "node:test";
import { lastLine, pasteable, plain, webAddress } from "../../src/element/text.js";

test("a guest's text is one short line without escapes, controls and tricks of direction", () => {
  const cases = [
    ["plain", "plain"], ["\x1b[1;31mred\x1b[0m", "red"], ["\x1b]2;title\x07after", "after"], ["a\x1bPq\x1b\\b", "ab"],
    ["user\u202efdp.exe", "user fdp.exe"], ["a\u200bb\u2066c\ufeffd", "a b c d"], ["one\r\n\ttwo  three", "one two three"],
    ["\x00\x07\x9b", ""], ["ü – 漢", "ü – 漢"],
  ];
  for (const [text, expected] of cases) assert.equal(plain(text), expected, JSON.stringify(text));
  assert.equal(plain("x".repeat(500)).length, 80);
  assert.equal(plain("x".repeat(81)).at(-1), "…");
});

test("a long hostile line is dealt with at once", () => {
  const began = Date.now();
  for (const text of ["\x1b]".repeat(100000), "\x1b[".repeat(100000), "\x1bP".repeat(100000), " ".repeat(200000)]) {
    plain(text);
    lastLine(text);
  }
  assert.ok(Date.now() - began < 500, `${Date.now() - began} ms`);
});

test("what is pasted keeps its lines and loses its controls", () => {
  assert.equal(pasteable("a\tb\r\nc\n"), "a\tb\r\nc\n");
  assert.equal(pasteable("a\x1b[201~b\x9b201~c\x03\x00\x7fd\x0b"), "a[201~b201~cd");
  assert.equal(pasteable("ü漢🙂"), "ü漢🙂");
});

test("the last line that says something", () => {
  assert.equal(lastLine("one\r\n[  0.1] two\r\n\r\n\x1b[0m"), "[ 0.1] two");
  assert.equal(lastLine("\r\n"), "");
});

test("only addresses of the web are opened", () => {
  assert.equal(webAddress("https://example.org/a b"), "https://example.org/a%20b");
  assert.equal(webAddress("http://example.org"), "http://example.org/");
  for (const bad of ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "blob:https://a/b", "vbscript:x", "/relative", ""]) {
    assert.equal(webAddress(bad), undefined, bad);
  }
});
