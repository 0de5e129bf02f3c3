// How long a page takes from the click to the prompt, and what an idle guest costs: in each browser,
// with a new profile each time, so that nothing is cached. `cargo xtask bench --web` runs it.
//
//   node bench/web.mjs --site DIR --guest NAME [--repeat N] [--idle SECONDS] [--out FILE]

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

import { find, launch } from "../test/browser/browsers.mjs";
import { Site } from "../test/browser/server.mjs";
import { longestTask } from "../test/browser/tasks.mjs";

/** @typedef {import("../test/browser/browsers.mjs").Name} Name */

/** After the prompt the guest's last services and the browser's own work come to an end. */
const SETTLE_MS = 15_000;
/** After a pause, or its end, the page draws. */
const CALM_MS = 2_000;
/** Seconds in one piece of watching: short, for what a browser does of its own comes and goes. */
const WINDOW = 10;
const BOOT_MS = 180_000;
/** Ticks of /proc/PID/stat in a second, on every Linux. */
const TICKS = 100;

const { values } = parseArgs({
  options: {
    site: { type: "string" },
    guest: { type: "string", default: "small" },
    repeat: { type: "string", default: "5" },
    idle: { type: "string", default: "40" },
    out: { type: "string" },
  },
});
if (!values.site) {
  console.error("web.mjs: --site DIR is missing (virtarium site makes one)");
  process.exit(2);
}

/**
 * One boot in a new browser.
 * @param {Name} name
 * @param {string} program
 * @param {Site} site
 * @param {number} idle seconds to watch the idle guest, and as long the paused machine, at least; 0
 *   for none
 */
async function boot(name, program, site, idle) {
  const { browser, close } = await launch(name, program);
  try {
    const page = await browser.newPage();
    await page.goto(`${site.origin}/?machine=${values.guest}`);
    await page.waitForSelector("virtarium-vm >>> button.start", { visible: true });
    const pid = browser.process()?.pid ?? 0;
    /** Seconds of the processor that the browser takes while nothing is asked of it. */
    const spent = async () => {
      await new Promise((resolve) => setTimeout(resolve, CALM_MS));
      const before = processorTime(pid);
      await new Promise((resolve) => setTimeout(resolve, WINDOW * 1000));
      return processorTime(pid) - before;
    };
    const call = (/** @type {"pause"|"start"} */ name) =>
      page.evaluate((call) => /** @type {any} */ (document.querySelector("virtarium-vm"))[call](), name);
    let took = 0;
    const start = async () => {
      took = await page.evaluate(async () => {
        const element = /** @type {any} */ (document.querySelector("virtarium-vm"));
        const begin = performance.now();
        element.shadowRoot.querySelector("button.start").click();
        while (!element.vm?.ready) {
          if (element.error) throw element.error;
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        return performance.now() - begin;
      });
    };
    page.setDefaultTimeout(BOOT_MS);
    const task = name === "chromium" ? await longestTask(page, start) : await start();
    if (idle === 0) return { took, task: task?.processor, shares: [] };
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    // A browser is busy with itself for minutes, and less and less: running, paused, paused, running.
    const windows = Math.ceil(idle / WINDOW / 2) * 2;
    let [running, paused] = [0, 0];
    for (let pair = 0; pair < windows / 2; pair += 1) {
      running += await spent();
      await call("pause");
      paused += (await spent()) + (await spent());
      await call("start");
      running += await spent();
    }
    return { took, task: task?.processor, shares: [paused, running].map((time) => time / windows / WINDOW) };
  } finally {
    await close();
  }
}

/**
 * Seconds of the processor that a process and all below it have had.
 * @param {number} root
 */
function processorTime(root) {
  const processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  /** @type {Map<number, {parent: number, ticks: number}>} */
  const all = new Map();
  for (const pid of processes) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      // The name, in parentheses, may have anything in it.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      all.set(Number(pid), { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) });
    } catch {
      // It has ended.
    }
  }
  const below = (/** @type {number} */ pid) => {
    for (let at = pid; at > 1; at = all.get(at)?.parent ?? 0) if (at === root) return true;
    return false;
  };
  let ticks = 0;
  for (const [pid, process] of all) if (below(pid)) ticks += process.ticks;
  return ticks / TICKS;
}

/** @param {number[]} numbers */
const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? NaN;

const site = await new Site({ folders: { "/": values.site } }).listen();
const lines = [
  `# From the click to the prompt: ${values.guest}`,
  "",
  `${os.cpus()[0]?.model.trim()}, ${os.cpus().length} processors, load ${os.loadavg()[0]?.toFixed(2)}; ` +
    `${values.repeat} boots each, a new profile for each, from a server on this machine`,
  "",
  "The last two columns are what the whole browser takes of a core, with the machine paused and with",
  "its guest at the prompt: what an idle guest costs is the difference.",
  "",
  "| browser | median | from | to | longest task (processor) | paused | idle guest |",
  "|---|---|---|---|---|---|---|",
];
for (const name of /** @type {Name[]} */ (["chromium", "firefox"])) {
  const program = find(name);
  if (!program) {
    lines.push(`| ${name} | not installed | | | | | |`);
    continue;
  }
  const times = [];
  let task = 0;
  /** @type {number[]} */
  let shares = [];
  for (let round = 0; round < Number(values.repeat); round += 1) {
    const last = round === Number(values.repeat) - 1;
    const result = await boot(name, program, site, last ? Number(values.idle) : 0);
    console.error(`${name} ${round + 1}: ${(result.took / 1000).toFixed(2)} s`);
    times.push(result.took / 1000);
    task = Math.max(task, result.task ?? NaN);
    shares = result.shares;
  }
  const seconds = (/** @type {number} */ s) => `${s.toFixed(2)} s`;
  const row = [name, seconds(median(times)), seconds(Math.min(...times)), seconds(Math.max(...times))];
  row.push(Number.isNaN(task) ? "not traced" : `${task.toFixed(1)} ms`);
  for (const share of shares) row.push(`${(share * 100).toFixed(2)} %`);
  lines.push(`| ${row.join(" | ")} |`);
}
await site.close();
const text = `${lines.join("\n")}\n`;
if (values.out) writeFileSync(path.resolve(values.out), text);
console.log(text);
process.exit(0);
