// A place for tests of the element: the built files with the worker that has no machine, a server
// on loopback, and the two browsers, driven over WebDriver BiDi.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import puppeteer from "puppeteer-core";

const WWW = fileURLToPath(new URL("../..", import.meta.url));
const TYPES = { ".js": "text/javascript", ".html": "text/html; charset=utf-8", ".css": "text/css", ".json": "application/json", ".wasm": "application/wasm" };

export const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };

/** The policy of the README, for a page and its files on one origin. */
export const policy = (origin) => [
  "default-src 'none'", `script-src ${origin} 'wasm-unsafe-eval'`, `connect-src ${origin}`,
  `style-src ${origin} 'unsafe-inline'`, `worker-src ${origin} blob:`,
].join("; ");

/** What the tests' machine is; words for the mock go into `append`. */
export const MACHINE = {
  virtarium: 1, title: "Test Linux", memory: "64M", append: "console=hvc0", kernel: { url: "../files/kernel.gz", size: 12400000 },
  disks: [{ name: "root", size: "64M" }], consoles: 2, agent: 1, ready: "\x1b[0m# ",
};

const BROWSERS = {
  chrome: { programs: ["chromium", "chromium-browser", "google-chrome"], args: [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-quic", "--no-first-run", "--disable-component-update", "--disable-sync",
  ] },
  firefox: { programs: ["firefox-esr", "firefox"], args: [] },
};

/** The browsers that are here. */
export const found = Object.entries(BROWSERS).flatMap(([name, { programs, args }]) => {
  const folders = (process.env.PATH ?? "").split(path.delimiter);
  const executablePath = programs.flatMap((program) => folders.map((folder) => path.join(folder, program))).find((file) => fs.existsSync(file));
  return executablePath ? [{ name, executablePath, args }] : [];
});

/** @param {{name: string, executablePath: string, args: string[]}} which */
export function launch({ name, executablePath, args }, preferences = {}) {
  return puppeteer.launch({ browser: name, executablePath, args, headless: true, protocol: "webDriverBiDi",
    extraPrefsFirefox: { "dom.events.asyncClipboard.readText": true, ...preferences } });
}

/** The built files, made once for a run. */
export async function build(dir = fs.mkdtempSync(path.join(os.tmpdir(), "virtarium-element-")), more = []) {
  await promisify(execFile)(process.execPath, [path.join(WWW, "build.mjs"), "--out", dir, "--worker", path.join(WWW, "test/mock-worker.js"), ...more]);
  fs.mkdirSync(path.join(dir, "machines"), { recursive: true });
  fs.writeFileSync(path.join(dir, "machines/test.json"), JSON.stringify(MACHINE));
  fs.writeFileSync(path.join(dir, "machines/second.json"), JSON.stringify({ ...MACHINE, title: "Second Linux", agent: undefined, sources: "../SOURCES.md" }));
  fs.writeFileSync(path.join(dir, "machines/index.json"), JSON.stringify([
    { name: "test", title: "Test Linux", url: "test.json" }, { name: "second", title: "Second Linux", url: "second.json" },
  ]));
  return dir;
}

/**
 * A server of `dir`; `pages` are texts by path, made when they are asked for.
 * @param {string} dir
 * @param {Record<string, (origin: string) => string>} [pages]
 * @param {{csp?: (origin: string) => string, cors?: boolean}} [options]
 */
export async function serve(dir, pages = {}, { csp = policy, cors = false } = {}) {
  const server = http.createServer((request, response) => {
    const name = decodeURIComponent(new URL(request.url ?? "/", "http://x").pathname);
    const origin = `http://127.0.0.1:${server.address().port}`;
    const headers = { "Content-Security-Policy": csp(origin), ...(cors ? { "Access-Control-Allow-Origin": "*" } : {}) };
    const made = pages[name];
    const file = path.join(dir, name === "/" ? "index.html" : name);
    if (made) return response.writeHead(200, { ...headers, "Content-Type": "text/html; charset=utf-8" }).end(made(origin));
    if (!file.startsWith(dir) || !fs.existsSync(file) || fs.statSync(file).isDirectory()) return response.writeHead(404, headers).end("no such file");
    response.writeHead(200, { ...headers, "Content-Type": TYPES[path.extname(file)] ?? "application/octet-stream" }).end(fs.readFileSync(file));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { origin: `http://127.0.0.1:${server.address().port}`, close: () => server.close(), pages };
}

/** A page with one element. */
export const one = (attributes = "", inside = "", more = "") => (origin) => `<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Test</title><link rel="icon" type="image/none" href="about:blank"><script type="module" src="${origin}/virtarium.js"></script>
<style>body { margin: 16px; background: light-dark(#fff, #101413); color: light-dark(#111, #eee); color-scheme: light dark; }</style></head>
<body><main><h1>A test</h1><virtarium-vm id="vm" src="/machines/test.json" ${attributes}>${inside}</virtarium-vm>${more}</main></body></html>`;

/** Waits until something in the page is true. */
export async function until(page, test, ...args) {
  const end = Date.now() + 45000;
  for (;;) {
    if (await page.evaluate(test, ...args)) return;
    if (Date.now() > end) throw new Error(`never: ${test}\n${await page.evaluate(() => `${vm.state} ${vm.error?.message} ${vm.terminalText}`)}`);
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}

/**
 * A page for a test; what it complains about fails the test.
 * @param {import("node:test").TestContext} t
 * @param {{browser: import("puppeteer-core").Browser, dir: string}} place
 */
export async function open(t, { browser, dir }, html, { size = SIZES.desktop, path = "/page", expected = [], ...how } = {}) {
  const site = await serve(dir, html ? { [path]: html } : {}, how);
  const page = await browser.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => { if (message.type() === "error") complaints.push(message.text()); });
  await page.setViewport(size);
  await page.goto(site.origin + path);
  if (how.wait !== false) await page.evaluate(() => customElements.whenDefined("virtarium-vm").then(() => {}));
  t.after(async () => {
    await page.close();
    site.close();
    assert.deepEqual(complaints.filter((text) => !expected.some((pattern) => pattern.test(text))), []);
  });
  return { page, site, complaints };
}

export const press = (page, selector) => page.evaluate((s) => vm.shadowRoot.querySelector(s).click(), selector);

/** Chooses from the menu. */
export const item = (page, label) => page.evaluate((l) => {
  vm.shadowRoot.querySelector("[aria-label=Menu]").click();
  [...vm.shadowRoot.querySelectorAll(".item")].find((button) => button.textContent.startsWith(l)).click();
}, label);

export const running = (page) => until(page, () => vm.state === "running");

export async function start(page) {
  await press(page, ".start");
  await running(page);
}

export const shows = (page, text) => until(page, (t) => vm.terminalText.includes(t), text);

/** What has the focus, within the element too. */
export const focused = (page) => page.evaluate(() => {
  let at = document.activeElement;
  while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
  return `${at?.tagName.toLowerCase()}.${at?.className}`;
});
