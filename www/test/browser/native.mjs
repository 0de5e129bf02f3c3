// The program `virtarium`, for what a tab is compared with.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gunzipSync } from "node:zlib";

import { SITE, WWW } from "./harness.mjs";

/** Where it is: `VIRTARIUM_PROGRAM`, or as cargo builds it. */
function program() {
  const target = process.env.CARGO_TARGET_DIR ?? path.join(WWW, "../target");
  const built = ["debug", "release"].map((profile) => path.join(target, profile, "virtarium"));
  const found = process.env.VIRTARIUM_PROGRAM ?? built.find((file) => existsSync(file));
  assert.ok(found, `there is no virtarium in ${target}: cargo build -p virtarium`);
  return found;
}

/**
 * A file of the site, as the machine gets it.
 * @param {import("./harness.mjs").Session} session
 * @param {{url: string, encoding?: string}} file
 */
export function unpacked(session, file) {
  const packed = readFileSync(path.join(SITE, "machines", file.url));
  const folder = mkdtempSync(path.join(tmpdir(), "virtarium-file-"));
  session.defer(() => rmSync(folder, { recursive: true, force: true }));
  const out = path.join(folder, "file");
  writeFileSync(out, file.encoding === "gzip" ? gunzipSync(packed) : packed);
  return out;
}

/**
 * Runs a machine as the page would, and gives its digests as `count digest`.
 * @param {object} machine
 * @param {string} machine.kernel
 * @param {string} [machine.initrd]
 * @param {Uint8Array} machine.disk
 * @param {string} machine.append
 * @param {string} machine.memory
 * @param {number} machine.consoles
 * @param {boolean} machine.rng
 * @param {string} machine.seed
 * @param {number} machine.epoch
 * @param {number} machine.step
 * @param {number} machine.steps
 * @returns {Promise<string[]>}
 */
export async function nativeDigests(machine) {
  const folder = mkdtempSync(path.join(tmpdir(), "virtarium-native-"));
  const disk = path.join(folder, "disk");
  writeFileSync(disk, machine.disk);
  const line = ["run", "--kernel", machine.kernel];
  if (machine.initrd) line.push("--initrd", machine.initrd);
  line.push("--append", machine.append, "--memory", machine.memory, "--serial", "null");
  line.push("--clock", "deterministic", "--seed", machine.seed, "--epoch", String(machine.epoch));
  line.push("--snapshot", "--block", `path=${disk},id=data`);
  // Of a page's consoles, too, the first one is the terminal.
  for (let n = 0; n < machine.consoles; n += 1) line.push("--console", n === 0 ? "stdio" : "null");
  if (machine.rng) line.push("--rng");
  line.push("--digest-every", String(machine.step));
  line.push("--max-instructions", String(machine.step * machine.steps));
  try {
    const said = await new Promise((resolve, reject) => {
      const child = spawn(program(), line, { stdio: ["ignore", "ignore", "pipe"] });
      let text = "";
      child.stderr.on("data", (piece) => (text += piece));
      child.on("error", reject);
      child.on("close", () => resolve(text));
    });
    const digests = [...String(said).matchAll(/digest (\d+ [0-9a-f]+)/g)].map((match) => match[1]);
    assert.ok(digests.length > 0, `virtarium ${line.join(" ")}: ${said}`);
    return digests;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Lays an exported overlay over its image.
 * @param {string} manifest
 * @param {string} overlay
 * @param {string} raw
 */
export function toRaw(manifest, overlay, raw) {
  const line = ["image", "export", "--base", manifest, "--output", raw, overlay];
  rmSync(raw, { force: true });
  execFileSync(program(), line, { stdio: "pipe" });
  return raw;
}

/** Checks an overlay; throws what is wrong with it. @param {string} overlay */
export function verify(overlay) {
  execFileSync(program(), ["image", "verify", overlay], { stdio: "pipe" });
}
