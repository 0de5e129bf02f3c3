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
 * the clock, and of the processor, which is what counts where the machine has other work too;
 * and what that was busy with.
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
  const most = (/** @type {(task: Event) => number} */ of) => Math.max(0, ...tasks.map(of));
  const processor = most(({ tdur = 0 }) => tdur);
  const longest = tasks.find(({ tdur }) => tdur === processor);
  return {
    count: tasks.length,
    clock: most(({ dur = 0 }) => dur) / 1000,
    processor: processor / 1000,
    inside: longest ? inside(longest, events) : [],
  };
}

/**
 * What a task was busy with: the events within it that took a good part of it.
 * @param {Event} task
 * @param {Event[]} events
 */
function inside(task, events) {
  const { pid, tid, ts, dur = 0, tdur = 0 } = task;
  return events
    .filter((event) => event !== task && event.pid === pid && event.tid === tid)
    .filter((event) => event.ts >= ts && event.ts + (event.dur ?? 0) <= ts + dur)
    .filter((event) => (event.tdur ?? 0) > tdur / 5)
    .map((event) => `${event.name} ${(event.tdur ?? 0) / 1000} ms`);
}
