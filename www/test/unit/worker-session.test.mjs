import assert from "node:assert/strict";
import test from "node:test";
import { OUTPUT_WINDOW, UART } from "../../src/protocol.js";
import { Consoles } from "../../src/worker/consoles.js";
import { ECHO, ENDS, FLOOD, REBOOTS, WAIT } from "./guests.mjs";
import { PluggedDisk, session, until } from "./worker.mjs";

const sleep = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));

test("a guest that prints without end has so much on its way as the page takes", async (t) => {
  let unacknowledged = 0;
  let most = 0;
  let printed = 0;
  const { session: it, events } = await session(t, FLOOD, {
    onEvent(event) {
      if (event.event !== "output") return;
      assert.equal(event.console, UART);
      unacknowledged += event.bytes.length;
      printed += event.bytes.length;
      most = Math.max(most, unacknowledged);
      event.bytes = null;
    },
  });
  await it.start();
  await until(() => unacknowledged === OUTPUT_WINDOW, "the window is full");
  const { instructions } = it.stats();
  await sleep(50);
  assert.equal(it.stats().instructions, instructions, "the guest waits");
  for (let round = 0; round < 20; round++) {
    const before = printed;
    const taken = unacknowledged;
    unacknowledged = 0;
    it.ack(UART, taken);
    await until(() => printed > before, "the guest goes on");
  }
  assert.equal(most, OUTPUT_WINDOW);
  assert.ok(it.stats().memory < 64 << 20, `${it.stats().memory} bytes are held`);
  await it.stop();
  assert.equal(events.at(-1).state, "off");
});

test("what comes in one piece is sent as the page takes it, and whole", () => {
  const bytes = new Uint8Array(5 * OUTPUT_WINDOW + 123).map((_, i) => i * 7);
  const given = [bytes.slice()];
  const machine = /** @type {any} */ ({ takeOutput: (/** @type {number} */ console) => (console === 0 ? given.shift() : undefined) });
  /** @type {Uint8Array[]} */
  const sent = [];
  const consoles = new Consoles(machine, 1, (event) => sent.push(event.bytes));
  const length = () => sent.reduce((sum, part) => sum + part.length, 0);
  assert.equal(consoles.exchange(), true);
  assert.equal(length(), OUTPUT_WINDOW);
  assert.equal(consoles.ack(0, 1000), false);
  assert.equal(length(), OUTPUT_WINDOW + 1000, "the room that was made is used");
  assert.equal(consoles.ack(0, OUTPUT_WINDOW), false);
  assert.equal(length(), 2 * OUTPUT_WINDOW + 1000);
  consoles.finish();
  assert.deepEqual(Buffer.concat(sent), Buffer.from(bytes));
  assert.equal(consoles.ack(0, length()), true, "all is read: the guest may go on");
});

test("no acknowledgement makes the guest run while its disk is exported", async (t) => {
  let unacknowledged = 0;
  const { session: it } = await session(t, FLOOD, {
    machine: { disks: [{ name: "data", size: 1 << 20 }] },
    onEvent(event) {
      if (event.event === "output") unacknowledged += event.bytes.length;
    },
  });
  await it.start();
  await until(() => unacknowledged === OUTPUT_WINDOW, "the window is full");
  const { instructions } = it.stats();
  t.mock.method(PluggedDisk.prototype, "flush", () => sleep(50));
  const exported = it.exportDisk("data").then(() => it.stats().instructions, () => it.stats().instructions);
  await sleep(10);
  it.ack(UART, unacknowledged);
  assert.equal(await exported, instructions);
  await until(() => it.stats().instructions > instructions, "the guest goes on behind it");
});

test("the deterministic clock does not see when the machine is started, nor what was typed before", async (t) => {
  const digest = async (/** @type {number} */ late) => {
    const { session: it } = await session(t, WAIT, { clock: "deterministic" });
    await it.write(UART, new TextEncoder().encode("typed before"));
    if (late) t.mock.method(Date, "now", () => performance.timeOrigin + performance.now() + late);
    await it.start();
    t.mock.restoreAll();
    await sleep(20);
    await it.pause();
    return it.digest();
  };
  const soon = await digest(0);
  assert.equal(await digest(10_000), soon);
});

test("what was typed before a late start is there when the machine begins", async (t) => {
  let text = "";
  const { session: it } = await session(t, ECHO, {
    onEvent(event) {
      if (event.event === "output") text += Buffer.from(event.bytes).toString("latin1");
    },
  });
  await it.write(UART, new TextEncoder().encode("hello"));
  t.mock.method(Date, "now", () => performance.timeOrigin + performance.now() + 60_000);
  await it.start();
  await until(() => text === "hello", `it is echoed (${JSON.stringify(text)})`);
});

test("a machine that cannot be built again is off, and says so", async (t) => {
  let gone = false;
  const image = Buffer.alloc(1 << 20, 7);
  const { session: it, events } = await session(t, WAIT, {
    machine: { disks: [{ name: "data", url: "PLACE/disk.img" }] }, create: false,
    answer(request, response) {
      if (gone) return void response.writeHead(404).end();
      const range = /^bytes=(\d+)-(\d+)$/.exec(String(request.headers.range));
      if (!range) return void response.writeHead(400).end();
      const [from, to] = [Number(range[1]), Number(range[2])];
      response.writeHead(206, { etag: '"x"', "content-range": `bytes ${from}-${to}/${image.length}`, "content-length": to - from + 1 });
      response.end(image.subarray(from, to + 1));
    },
  }).then(async (made) => {
    made.options.machine.disks[0].url = `${made.origin}/disk.img`;
    await made.session.create(made.options);
    return made;
  });
  gone = true;
  await assert.rejects(it.resetDisk("data"), { code: "not-found" });
  assert.equal(events.at(-1).state, "off");
  await assert.rejects(it.start(), { code: "not-found" });
  assert.equal(events.at(-1).state, "off");
  await assert.rejects(it.exportDisk("data"), { code: "unsupported", message: /start the machine first/ });
  gone = false;
  await it.start();
  assert.equal(events.at(-1).state, "running");
});

test("stop ends the downloads of a machine that is being built", async (t) => {
  let asked = 0;
  const { session: it, options, origin } = await session(t, WAIT, { create: false, answer: () => { asked += 1; } });
  options.machine.kernel = { url: `${origin}/kernel` };
  const created = it.create(options);
  created.catch(() => {});
  await until(() => asked > 0, "the kernel is asked for");
  await it.stop();
  await assert.rejects(created, { code: "aborted" });
});

test("a server that fails is said to, and a browser without network is not waited for", async (t) => {
  const { session: it, options, origin, events } = await session(t, WAIT, {
    create: false, answer: (_, response) => response.writeHead(503).end(),
  });
  options.machine.kernel = { url: `${origin}/kernel` };
  const created = it.create(options);
  created.catch(() => {});
  await until(() => events.some((event) => event.event === "progress" && /answers 503/.test(event.trouble)), "the trouble is told");
  await it.stop();
  await assert.rejects(created, { code: "aborted" });

  const offline = await session(t, WAIT, { create: false, answer: (request) => request.socket.destroy() });
  offline.options.machine.kernel = { url: `${offline.origin}/kernel` };
  const had = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  Object.defineProperty(globalThis, "navigator", { value: { onLine: false }, configurable: true });
  t.after(() => (had ? Object.defineProperty(globalThis, "navigator", had) : Reflect.deleteProperty(globalThis, "navigator")));
  await assert.rejects(offline.session.create(offline.options), { code: "offline" });
});

test("a page that could not have its disks back can ask again by starting", async (t) => {
  const { session: it } = await session(t, WAIT, { machine: { disks: [{ name: "data", size: 1 << 20 }] } });
  await it.start();
  await it.suspend();
  const taken = t.mock.method(PluggedDisk.prototype, "attach", () => Promise.reject(Object.assign(new Error("taken"), { code: "locked" })));
  await assert.rejects(it.resume(), { code: "locked" });
  await assert.rejects(it.start(), { code: "locked" });
  const { instructions } = it.stats();
  await it.write(UART, new TextEncoder().encode("anybody there?"));
  await sleep(20);
  assert.equal(it.stats().instructions, instructions, "it stands still");
  taken.mock.restore();
  await it.start();
  await until(() => it.stats().instructions > instructions, "it goes on");
});

test("a guest's reboot is told between its output and the next guest's", async (t) => {
  const { session: it, events } = await session(t, REBOOTS);
  await it.start();
  await until(() => events.length > 30, "it reboots");
  await it.pause();
  const said = events.filter(({ event }) => event === "output" || event === "reset").map(({ event, bytes }) => (event === "reset" ? "reset" : String.fromCharCode(...bytes)));
  assert.deepEqual(said.slice(0, 6), ["x", "reset", "x", "reset", "x", "reset"]);
  assert.deepEqual(events.filter(({ event }) => event === "state").map(({ state }) => state), ["loading", "created", "running", "paused"]);
});

test("a reset that comes before the guest's own end is told begins another life", async (t) => {
  let printed = "";
  const { session: it, events } = await session(t, ENDS, {
    machine: { disks: [{ name: "data", size: 1 << 20 }] },
    onEvent(event) {
      if (event.event === "output") printed += Buffer.from(event.bytes).toString("latin1");
    },
  });
  const states = () => events.filter(({ event }) => event === "state").map(({ state }) => state);
  const slow = t.mock.method(PluggedDisk.prototype, "flush", () => sleep(100));
  await it.start();
  const synced = it.sync();
  const reset = it.reset();
  await until(() => printed === "x", "the guest ends");
  await sleep(20);
  assert.deepEqual(states().slice(2), ["running"], "that has its turn later");
  slow.mock.restore();
  await Promise.all([synced, reset]);
  await until(() => states().includes("off"), "the second life ends");
  assert.equal(printed, "xx");
  assert.deepEqual(states().slice(2), ["running", "off"]);
});

test("however a machine comes to run, what is typed reaches it", async (t) => {
  const type = async (/** @type {(it: any) => Promise<void>} */ how) => {
    let text = "";
    const { session: it } = await session(t, ECHO, {
      onEvent(event) {
        if (event.event === "output") text += Buffer.from(event.bytes).toString("latin1");
      },
    });
    await how(it);
    await it.write(UART, new TextEncoder().encode("hello"));
    await until(() => text === "hello", `it is echoed (${how})`);
    // Several that never sleep would leave Node.js no time.
    await it.dispose();
  };
  await type((it) => it.start());
  await type(async (it) => {
    await it.start();
    await it.stop();
    await it.reset();
  });
  await type(async (it) => {
    await it.suspend();
    await it.start();
    await it.resume();
  });
});
