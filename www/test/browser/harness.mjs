// Tests in real browsers: one browser for the tests of a file, and for each test a page and a
// server of its own, whose port makes it an origin of its own.

import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { find, inPath, launch } from "./browsers.mjs";
import { skipped } from "./notes.mjs";
import { Site } from "./server.mjs";

/**
 * @typedef {import("./browsers.mjs").Name} Name
 * @typedef {import("puppeteer-core").Page} Page
 */

/** The folder `www`. */
export const WWW = fileURLToPath(new URL("../..", import.meta.url));
const TARGET = process.env.CARGO_TARGET_DIR ?? path.join(WWW, "../target");
/** What `cargo xtask test` makes with `virtarium site`. */
export const SITE = process.env.VIRTARIUM_SITE ?? path.join(TARGET, "test/site");
/** Where pictures go. */
const PICTURES = process.env.VIRTARIUM_PICTURES ?? path.join(TARGET, "pictures");

/** What a test gets. */
export class Session {
  /** What the page and its workers complained about. @type {string[]} */
  complaints = [];
  /** Complaints that belong to the test. @type {RegExp[]} */
  #expected = [];
  /** @type {(() => unknown)[]} */
  #ends = [];

  /**
   * @param {Name} name
   * @param {import("puppeteer-core").Browser} browser
   * @param {string} title
   */
  constructor(name, browser, title) {
    this.name = name;
    this.browser = browser;
    this.title = title;
  }

  /** A server that ends with the test. @param {ConstructorParameters<typeof Site>[0]} options */
  async serve(options) {
    const site = await new Site(options).listen();
    this.#ends.push(() => site.close());
    return site;
  }

  /** A new tab, whose complaints fail the test. */
  async tab() {
    const page = await this.browser.newPage();
    this.#ends.push(() => page.close().catch(() => {}));
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") this.complaints.push(message.text());
    });
    await page.evaluateOnNewDocument(remember);
    return page;
  }

  /** The test provokes this. @param {RegExp} pattern */
  expect(pattern) {
    this.#expected.push(pattern);
  }

  /** Ends every worker of a page, as a crash would. @param {Page} page */
  async killWorkers(page) {
    return page.evaluate(() => {
      const workers = /** @type {any} */ (globalThis).virtariumWorkers.splice(0);
      for (const worker of workers) worker.terminate();
      return workers.length;
    });
  }

  /** Calls back when the test ends. @param {() => unknown} end */
  defer(end) {
    this.#ends.push(end);
  }

  /**
   * A picture of what the page looks like, in `target/pictures`.
   * @param {Page} page
   * @param {string} name
   */
  async picture(page, name) {
    mkdirSync(PICTURES, { recursive: true });
    const file = /** @type {`${string}.png`} */ (path.join(PICTURES, `${name}-${this.name}.png`));
    await page.screenshot({ path: file });
    return file;
  }

  /**
   * Runs a test, which fails too where a page complained about what was not expected.
   * @param {(session: Session) => Promise<void>} body
   */
  async run(body) {
    /** @type {unknown} */
    let failed;
    try {
      await body(this);
    } catch (error) {
      failed = error;
    }
    for (const end of this.#ends.reverse()) await end();
    const open = this.complaints.filter((text) => !this.#expected.some((p) => p.test(text)));
    if (failed === undefined) return assert.deepEqual(open, [], "the page complained");
    for (const text of open) console.log(`the page complained: ${text}`);
    throw failed;
  }
}

/** In the page, before its own scripts: keeps its workers where `killWorkers` finds them. */
function remember() {
  const scope = /** @type {any} */ (globalThis);
  scope.virtariumWorkers = [];
  const Real = scope.Worker;
  if (!Real) return;
  scope.Worker = class Worker extends Real {
    /** @param {any[]} options */
    constructor(...options) {
      super(...options);
      scope.virtariumWorkers.push(this);
    }
  };
}

// What a failed test leaves running does not hold up the files behind it.
after(() => setTimeout(() => process.exit(), 5000).unref());

/** Whether the site has a guest. @param {string} name */
export function hasGuest(name) {
  return existsSync(path.join(SITE, `machines/${name}.json`));
}

/**
 * Why a test cannot run here.
 * @param {string[]} needs Programs.
 * @param {string} [guest]
 */
function lacks(needs, guest) {
  const absent = needs.find((program) => inPath(program) === undefined);
  if (absent !== undefined) return `${absent} is not installed`;
  if (guest !== undefined && !hasGuest(guest)) return `the site has no guest ${guest}`;
  return undefined;
}

/**
 * Runs the tests of a file in each browser. One that is not installed is skipped, but not in CI.
 * @param {string} what
 * @param {(it: It) => void} define
 *
 * @typedef {object} Options
 * @property {Name[]} [only] The browsers that can do it.
 * @property {string[]} [needs] Programs without which it is skipped, but not in CI.
 * @property {string} [guest] One that the site may lack: then it is skipped, but not in CI.
 * @property {number} [timeout]
 * @callback It
 * @param {string} name
 * @param {(session: Session) => Promise<void>} body
 * @param {Options} [options]
 */
export function inBrowsers(what, define) {
  for (const name of /** @type {Name[]} */ (["chromium", "firefox"])) {
    const program = find(name);
    if (program === undefined && !process.env.CI) {
      skipped(`${what} in ${name}`, `${name} is not installed`);
      test(`${what} in ${name}`, { skip: `${name} is not installed` }, () => {});
      continue;
    }
    describe(`${what} in ${name}`, () => {
      /** @type {Awaited<ReturnType<typeof launch>>} */
      let running;
      before(async () => {
        assert.ok(program, `${name} is not installed`);
        running = await launch(name, program);
      });
      after(async () => running?.close());
      define((title, body, { only, needs = [], guest, timeout = 180_000 } = {}) => {
        if (only && !only.includes(name)) return;
        const absent = lacks(needs, guest);
        if (absent !== undefined && !process.env.CI) {
          skipped(`${title} in ${name}`, absent);
          return test(title, { skip: absent }, () => {});
        }
        test(title, { timeout }, async () => {
          await new Session(name, running.browser, title).run(body);
        });
      });
    });
  }
}
