// Machines in a page, for the tests that boot one: the site, disks for it, and what tests ask of it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";

import { SITE, hasGuest } from "./harness.mjs";
import { toRaw, verify } from "./native.mjs";

/**
 * @typedef {import("./harness.mjs").Session} Session
 * @typedef {import("./harness.mjs").Page} Page
 * @typedef {import("./server.mjs").Site} Site
 */

/** Programs of e2fsprogs, which live where only root's path looks. */
const TOOLS = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };

/** The name of the guest that starts quickest of those that the site has. */
export function guest() {
  const name = ["small", "busybox"].find(hasGuest);
  assert.ok(name, `${SITE} has no machines: make it with virtarium site`);
  return name;
}

/** A kernel's command line without the disk of /root. @param {string} append */
export const withoutHome = (append) => append.replace(/ virtarium\.home=\S+/, "");

/** The machine file of that guest, or of another one. @returns {any} */
export function machineFile(name = guest()) {
  return JSON.parse(readFileSync(path.join(SITE, `machines/${name}.json`), "utf8"));
}

/** A page that has the module and nothing else. */
const PAGE = `<!doctype html><html lang="en"><title>test</title>
  <script type="module" src="test.js"></script></html>`;
const SCRIPT = `import * as virtarium from "./virtarium.js"; globalThis.virtarium = virtarium;`;

/**
 * The site on a server, with a page for tests at `test.html`.
 * @param {Session} session
 * @param {{at?: string}} [options] `at`: the path of the site.
 */
export async function serveSite(session, { at = "/" } = {}) {
  const site = await session.serve({ folders: { [at]: SITE } });
  site.files.set(`${at}test.html`, PAGE);
  site.files.set(`${at}test.js`, SCRIPT);
  return site;
}

/**
 * Puts a machine beside those of the site.
 * @param {Site} site
 * @param {object} changes To the quickest guest's file.
 * @param {string} [name]
 */
export function addMachine(site, changes, name = "test") {
  const own = machineFile();
  // The guest takes its own disk for /root; those of a test are the test's.
  if ("disks" in changes) own.append = withoutHome(own.append);
  const file = JSON.stringify({ ...own, ...changes });
  site.files.set(`/machines/${name}.json`, file);
  return `machines/${name}.json`;
}

/**
 * An ext4 file system, as one file.
 * @param {Session} session
 * @param {number} mebibytes
 * @param {Uint8Array} [content] of a file "content" in it.
 */
export function ext4(session, mebibytes, content) {
  const folder = mkdtempSync(path.join(tmpdir(), "virtarium-disk-"));
  session.defer(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, "disk.img");
  const options = ["-q", "-F", "-t", "ext4", "-E", "root_owner=0:0"];
  if (content) {
    const root = path.join(folder, "root");
    mkdirSync(root);
    writeFileSync(path.join(root, "content"), content);
    options.push("-d", root);
  }
  execFileSync("mke2fs", [...options, file, `${mebibytes}M`], { env: TOOLS });
  return file;
}

/**
 * Runs e2fsck as after a crash: the journal first, then everything. Throws what it complains of.
 * @param {string} file
 */
export function checkExt4(file) {
  for (const options of [["-E", "journal_only", "-fy"], ["-fn"]]) {
    try {
      execFileSync("e2fsck", [...options, file], { env: TOOLS, stdio: "pipe" });
    } catch (error) {
      const { status, stdout, stderr } = /** @type {any} */ (error);
      // 1: the journal was replayed.
      if (status === 1 && options.length > 1) continue;
      assert.fail(`e2fsck ${options.join(" ")}: status ${status}\n${stdout}${stderr}`);
    }
  }
}

/**
 * Puts an image on the server in chunks, as docs/image-format.md says, written a second time here.
 * @param {Site} site
 * @param {string} name
 * @param {Uint8Array} image
 */
export function addChunks(site, name, image) {
  const size = 131_072;
  const lines = ["virtarium-chunks 1", `size ${image.length}`, `chunk ${size}`, "encoding gzip"];
  lines.push("at ../../chunks/");
  let zeros = 0;
  const flush = () => {
    if (zeros > 0) lines.push(`- ${zeros}`);
    zeros = 0;
  };
  for (let at = 0; at < image.length; at += size) {
    const chunk = image.subarray(at, at + size);
    if (chunk.every((byte) => byte === 0)) {
      zeros += 1;
      continue;
    }
    flush();
    const hash = createHash("sha256").update(chunk).digest("hex");
    lines.push(hash);
    site.files.set(`/chunks/${hash.slice(0, 2)}/${hash}.gz`, gzipSync(chunk));
  }
  flush();
  site.files.set(`/disks/${name}/manifest.txt`, `${lines.join("\n")}\n`);
  return `../disks/${name}/manifest.txt`;
}

/**
 * Writes the disks that were put on a server into a folder, as they are there.
 * @param {Site} site
 * @param {string} folder
 */
export function writeDisks(site, folder) {
  for (const [name, bytes] of site.files) {
    if (!/^\/(disks|chunks)\//.test(name)) continue;
    mkdirSync(path.join(folder, path.dirname(name)), { recursive: true });
    writeFileSync(path.join(folder, name), bytes);
  }
}

/**
 * A tab with the module in it.
 * @param {Session} session
 * @param {Site} site
 * @param {string} [at]
 */
export async function openPage(session, site, at = "/") {
  const page = await session.tab();
  await visit(page, site, at);
  return page;
}

/**
 * Goes to the page for tests, anew if it is there already.
 * @param {Page} page
 * @param {Site} site
 * @param {string} [at]
 */
export async function visit(page, site, at = "/") {
  await page.goto(`${site.origin}${at}test.html`);
  await page.waitForFunction(() => "virtarium" in globalThis, { timeout: 20_000 });
}

/**
 * Loads a machine in a page, as `globalThis.vm`, and starts it. What its disks say from then on
 * is in `globalThis.told`.
 * @param {Page} page
 * @param {Record<string, unknown>} options Of `Vm.create`.
 * @param {{until?: "created" | "ready", within?: number}} [how] `within`: milliseconds to the prompt.
 * @returns {Promise<{code?: string, message?: string}>} What it failed with, if it did.
 */
export function boot(page, options, { until = "ready", within = 90_000 } = {}) {
  return page.evaluate(
    async (options, until, within) => {
      const scope = /** @type {any} */ (globalThis);
      scope.told = [];
      try {
        scope.vm = await scope.virtarium.Vm.create(options);
        scope.vm.addEventListener("disk", (/** @type {CustomEvent} */ event) =>
          scope.told.push(event.detail),
        );
        if (until === "created") return {};
        await scope.vm.start();
        await scope.vm.whenReady({ signal: AbortSignal.timeout(within) });
        return {};
      } catch (error) {
        const { code, message } = /** @type {any} */ (error);
        return { code, message };
      }
    },
    options,
    until,
    within,
  );
}

/**
 * The same, and it has to work.
 * @param {Page} page
 * @param {Record<string, unknown>} options
 * @param {{within?: number}} [how]
 */
export async function booted(page, options, how) {
  assert.deepEqual(await boot(page, options, how), {});
}

/**
 * Runs a command in the guest of a page.
 * @param {Page} page
 * @param {string} command
 * @returns {Promise<{code: number, output: string}>}
 */
export function run(page, command) {
  return page.evaluate(async (command) => {
    const { vm } = /** @type {any} */ (globalThis);
    return vm.run(command, { timeout: 60_000 });
  }, command);
}

/** The same, and it has to succeed. @param {Page} page @param {string} command */
export async function output(page, command) {
  const result = await run(page, command);
  assert.equal(result.code, 0, `${command}: ${result.output}`);
  return result.output;
}

/**
 * What the disks of a page's machine said.
 * @param {Page} page
 * @returns {Promise<{name: string, code?: string, error?: string, recovered?: boolean}[]>}
 */
export function told(page) {
  return page.evaluate(() => /** @type {any} */ (globalThis).told);
}

/**
 * How many locks of disks somebody of a page's origin holds.
 * @param {Page} page
 * @returns {Promise<number | undefined>}
 */
export function locks(page) {
  return page.evaluate(async () => {
    const { held } = await navigator.locks.query();
    return held?.filter(({ name }) => name?.startsWith("virtarium:")).length;
  });
}

/** Ends the machine of a page. @param {Page} page */
export function dispose(page) {
  return page.evaluate(() => /** @type {any} */ (globalThis).vm.dispose());
}

/**
 * What was written to a disk, as a file of docs/disk-format.md.
 * @param {Page} page
 * @param {string} disk
 */
export async function exportDisk(page, disk) {
  const text = await page.evaluate(async (disk) => {
    const blob = await /** @type {any} */ (globalThis).vm.exportDisk(disk);
    const bytes = new Uint8Array(await blob.arrayBuffer());
    let text = "";
    for (let at = 0; at < bytes.length; at += 32_768) {
      text += String.fromCharCode(...bytes.subarray(at, at + 32_768));
    }
    return btoa(text);
  }, disk);
  return Buffer.from(text, "base64");
}

/**
 * The disk "data" of a page as a raw image: exported, checked, and laid over its image.
 * @param {Session} session
 * @param {Site} site
 * @param {Page} page
 */
export async function exportRaw(session, site, page) {
  const folder = mkdtempSync(path.join(tmpdir(), "virtarium-export-"));
  session.defer(() => rmSync(folder, { recursive: true, force: true }));
  writeDisks(site, folder);
  const overlay = path.join(folder, "overlay");
  writeFileSync(overlay, await exportDisk(page, "data"));
  verify(overlay);
  const raw = toRaw(path.join(folder, "disks/data/manifest.txt"), overlay, path.join(folder, "raw"));
  return readFileSync(raw);
}

/**
 * Waits until something holds.
 * @param {string} what
 * @param {() => unknown} holds
 * @param {number} [milliseconds]
 */
export async function until(what, holds, milliseconds = 30_000) {
  const end = Date.now() + milliseconds;
  while (!(await holds())) {
    assert.ok(Date.now() < end, `waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
