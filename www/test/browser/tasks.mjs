// How long the tasks on a page's thread are: what a person feels as a page that does not answer.

/** @typedef {import("puppeteer-core").Page} Page */

/**
 * @typedef {object} Event
 * @property {string} name
 * @property {number} pid
 * @property {number} tid
 * @property {number} ts Microseconds, as the following.
 * @property {number} [dur]
 * @property {number} [tdur] Of the processor.
 * @property {{name?: string}} [args]
 */

/**
 * Traces a page of Chromium's while `body` runs, and gives its longest task in milliseconds: by
 * the clock, and of the processor, which is what counts where the machine has other work too.
 * @param {Page} page
 * @param {() => Promise<void>} body
 */
export async function longestTask(page, body) {
  const devtools = await page.createCDPSession();
  /** @type {Event[]} */
  const events = [];
  devtools.on("Tracing.dataCollected", ({ value }) => events.push(.../** @type {any} */ (value)));
  await devtools.send("Tracing.start", {
    transferMode: "ReportEvents",
    traceConfig: { includedCategories: ["toplevel", "disabled-by-default-devtools.timeline", "blink.user_timing"] },
  });
  // Which of the threads is the page's.
  await page.evaluate(() => performance.mark("virtarium-page"));
  await body();
  const complete = new Promise((resolve) => devtools.once("Tracing.tracingComplete", resolve));
  await devtools.send("Tracing.end");
  await complete;
  await devtools.detach();
  const mark = events.find(({ name }) => name === "virtarium-page");
  const tasks = events.filter(
    ({ name, pid, tid }) => /RunTask$/.test(name) && pid === mark?.pid && tid === mark.tid,
  );
  const most = (/** @type {(task: Event) => number} */ of) => Math.max(0, ...tasks.map(of)) / 1000;
  return { count: tasks.length, clock: most(({ dur = 0 }) => dur), processor: most(({ tdur = 0 }) => tdur) };
}
