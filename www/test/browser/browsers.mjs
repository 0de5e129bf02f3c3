// The browsers that tests run in, both driven over WebDriver BiDi.

import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import puppeteer from "puppeteer-core";

/** @typedef {"chromium" | "firefox"} Name */

/** @type {Record<Name, string[]>} */
const PROGRAMS = {
  chromium: ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
  firefox: ["firefox-esr", "firefox"],
};

/** What Chromium would do beside its work: nothing in a test leaves the machine. */
const CHROMIUM = [
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-default-apps",
  "--disable-extensions",
  "--disable-gpu",
  "--disable-quic",
  "--disable-sync",
  // A page in the background has to run as one in front: tests have several.
  "--disable-backgrounding-occluded-windows",
  "--disable-renderer-backgrounding",
  "--disable-background-timer-throttling",
];

/** The same for Firefox. */
const FIREFOX = {
  "app.normandy.enabled": false,
  "app.update.auto": false,
  "browser.safebrowsing.malware.enabled": false,
  "browser.safebrowsing.phishing.enabled": false,
  "browser.safebrowsing.downloads.remote.enabled": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "extensions.getAddons.cache.enabled": false,
  "extensions.update.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "network.dns.disablePrefetch": true,
  "network.prefetch-next": false,
  "services.settings.server": "http://127.0.0.1:9/",
  "toolkit.telemetry.server": "http://127.0.0.1:9/",
};

/**
 * Where a browser is installed: `VIRTARIUM_CHROMIUM` or `VIRTARIUM_FIREFOX`, or what the path has.
 * @param {Name} name
 */
export function find(name) {
  const given = process.env[`VIRTARIUM_${name.toUpperCase()}`];
  if (given) return given;
  return PROGRAMS[name].map(inPath).find((file) => file !== undefined);
}

/**
 * Where a program is; those for file systems are where only root's path looks.
 * @param {string} program
 */
export function inPath(program) {
  const folders = (process.env.PATH ?? "").split(path.delimiter);
  for (const folder of [...folders, "/usr/sbin", "/sbin"]) {
    const file = path.join(folder, program);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not here.
    }
  }
  return undefined;
}

/**
 * Starts a browser with a profile of its own, which `close` removes.
 * @param {Name} name
 * @param {string} executablePath
 * @param {{profile?: string}} [options] A profile that stays, to start with it again.
 */
export async function launch(name, executablePath, { profile } = {}) {
  const userDataDir = profile ?? mkdtempSync(path.join(tmpdir(), `virtarium-${name}-`));
  // Chromium's sandbox refuses to run as root, as in a container it is.
  const root = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  const browser = await puppeteer.launch({
    browser: name === "chromium" ? "chrome" : "firefox",
    executablePath,
    headless: true,
    protocol: "webDriverBiDi",
    // A call may wait for a boot: how long is for the test to say.
    protocolTimeout: 0,
    userDataDir,
    args: name === "chromium" ? [...CHROMIUM, ...root] : [],
    ...(name === "firefox" && { extraPrefsFirefox: FIREFOX }),
  });
  const close = async () => {
    await browser.close();
    if (profile === undefined) rmSync(userDataDir, { recursive: true, force: true, maxRetries: 9 });
  };
  return { browser, close };
}
