// What becomes of a machine: starts, pauses, failures and changes that meet each other.

import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, describe, test } from "node:test";
import { build, found, launch, one, open as openPage, press, running, start, until } from "./lab.mjs";

let dir;

before(async () => { dir = await build(); });
after(() => dir && fs.rmSync(dir, { recursive: true }));

if (found.length === 0) test("the element's life in browsers", { skip: "no browser" }, () => {});

for (const which of found) {
  describe(which.name, { timeout: 600000 }, () => {
    let browser;
    before(async () => { browser = await launch(which); });
    after(() => browser?.close());
    const open = (t, html, how) => openPage(t, { browser, dir }, html, how);

    /** Another element in place of the page's, and what it says from its beginning. */
    const renew = (page, attributes) => page.evaluate((all) => {
      vm.remove();
      const next = document.createElement("virtarium-vm");
      next.id = "vm";
      const mine = globalThis.seen = [];
      next.addEventListener("vm-state", (event) => mine.push(event.detail.state));
      next.addEventListener("vm-error", (event) => mine.push(`error ${event.detail.code}`));
      for (const [name, value] of Object.entries(all)) next.setAttribute(name, value);
      document.querySelector("main").append(next);
    }, { src: "/machines/test.json", ...attributes });
    const seen = (page) => page.evaluate(() => seen);
    const pressWord = (page, word) => page.evaluate((w) => [...vm.shadowRoot.querySelectorAll("button")].find((b) => b.textContent === w).click(), word);

    test("a start right behind a stop is the last word", async (t) => {
      const { page } = await open(t, one('append="mock.slow=50"'));
      assert.equal(await page.evaluate(async () => {
        const first = vm.start().catch((error) => error.code);
        void vm.stop().catch(() => {});
        await vm.start();
        return first;
      }), "aborted");
      await running(page);
    });

    test("a machine that was off can be left alone while it is built again", async (t) => {
      const { page } = await open(t, one('append="mock.rebuild=60000"'));
      await start(page);
      await page.evaluate(() => {
        globalThis.events = [];
        for (const type of ["vm-error", "vm-exit"]) vm.addEventListener(type, () => events.push(type));
        return vm.stop();
      });
      await page.evaluate(() => { globalThis.again = vm.start().catch((error) => error.code); });
      await until(page, () => vm.state === "loading");
      await page.evaluate(() => [...vm.shadowRoot.querySelectorAll("button")].find((b) => b.textContent === "Cancel").click());
      assert.equal(await page.evaluate(() => again), "aborted");
      assert.deepEqual(await page.evaluate(() => [vm.state, vm.error, events]), ["off", undefined, ["vm-exit"]]);
    });

    test("a pause that cannot keep what was written leaves a machine that goes on", async (t) => {
      const { page } = await open(t, one('append="mock.unkept=quota"'));
      await start(page);
      assert.equal(await page.evaluate(() => vm.pause().catch((error) => error.code)), "quota");
      assert.deepEqual(await page.evaluate(() => [vm.state, vm.error]), ["paused", undefined]);
      await page.evaluate(() => vm.start());
      await running(page);
    });

    test("an address that does not count can be taken away", async (t) => {
      const { page } = await open(t, one());
      await page.evaluate(() => {
        vm.machine = { virtarium: 1, kernel: "/k" };
        return vm.start();
      });
      await page.evaluate(() => vm.removeAttribute("src"));
      assert.notEqual(await page.evaluate(() => vm.state), "idle");
    });

    test("a machine that was paused runs when it is restarted", async (t) => {
      const { page } = await open(t, one());
      await start(page);
      await page.evaluate(() => vm.pause());
      await page.evaluate(() => vm.reset());
      await running(page);
    });

    test("a machine that fails while it is loaded ahead has failed, once", async (t) => {
      const { page } = await open(t, one());
      await renew(page, { loading: "eager", append: "mock.fail=not-found" });
      await until(page, () => !vm.shadowRoot.querySelector("[part=panel]").hidden);
      assert.deepEqual(await page.evaluate(() => ({ state: vm.state, flag: vm.matches(":state(failed)"), code: vm.error.code,
        start: vm.shadowRoot.querySelector(".tool").disabled })), { state: "failed", flag: true, code: "not-found", start: false });
      assert.deepEqual(await seen(page), ["idle", "loading", "failed", "error not-found"]);
      await page.evaluate(() => { navigator.clipboard.writeText = async (text) => { globalThis.copied = text; }; });
      await pressWord(page, "Copy details");
      await until(page, () => /^not-found: the mock fails/.test(globalThis.copied ?? ""));
      await page.evaluate(() => Object.defineProperty(navigator, "clipboard", { value: undefined }));
      await pressWord(page, "Copied");
      await until(page, () => /^Detailsnot-found: the mock fails/.test(vm.shadowRoot.querySelector("dialog[open]")?.textContent ?? ""));
    });

    test("a machine that is loaded ahead can be broken off, and then started", async (t) => {
      const { page } = await open(t, one());
      await renew(page, { loading: "eager", append: "mock.hold=kernel" });
      await until(page, () => /50 %/.test(vm.shadowRoot.querySelector(".loads").textContent));
      await pressWord(page, "Cancel");
      await until(page, () => vm.state === "idle");
      assert.deepEqual(await page.evaluate(() => ["panel", "poster"].map((part) => vm.shadowRoot.querySelector(`[part=${part}]`).hidden)), [true, false]);
      await page.evaluate(() => { vm.kernelAppend = ""; });
      await start(page);
      assert.deepEqual(await seen(page), ["idle", "loading", "idle", "loading", "booting", "running"]);
    });

    test("who starts a machine while it is loaded ahead hears of its failure once", async (t) => {
      const { page } = await open(t, one());
      await renew(page, { loading: "eager", append: "mock.fail=integrity mock.slow=30" });
      await until(page, () => vm.state === "loading");
      await page.evaluate(() => vm.start().catch(() => {}));
      assert.deepEqual(await seen(page), ["idle", "loading", "failed", "error integrity"]);
    });

    test("of two machines that load only the one that was started last runs", async (t) => {
      const { page } = await open(t, one('append="mock.slow=30"', "", '<virtarium-vm id="two" src="/machines/second.json"></virtarium-vm>'));
      await press(page, ".start");
      await until(page, () => vm.state === "loading");
      await page.evaluate(() => two.start());
      await until(page, () => vm.state === "created" && two.state === "running");
      await start(page);
      assert.equal(await page.evaluate(() => two.state), "paused");
    });

    test("of two machines that start by themselves one runs", async (t) => {
      const { page } = await open(t, one("autostart", "", '<virtarium-vm id="two" src="/machines/second.json" autostart></virtarium-vm>'));
      await until(page, () => [vm, two].filter(({ state }) => state === "running").length === 1);
      await until(page, () => [vm, two].filter(({ state }) => state === "created" || state === "paused").length === 1);
    });

    test("a pause while the machine loads is not lost, and a start after it counts", async (t) => {
      const { page } = await open(t, one('append="mock.slow=30"'));
      await renew(page, { append: "mock.slow=30" });
      const states = await page.evaluate(async () => {
        const started = vm.start().catch((error) => error.code);
        await vm.pause();
        return [...seen, await started, ...seen.slice(2)];
      });
      assert.deepEqual(states, ["idle", "loading", "aborted", "created"]);
      await start(page);
      await renew(page, { append: "mock.slow=30" });
      await page.evaluate(async () => {
        vm.addEventListener("vm-state", ({ detail }) => { if (detail.state === "loading") void vm.start(); });
        void vm.start().catch(() => {});
        await vm.pause();
        await vm.start();
      });
      await running(page);
      assert.deepEqual(await seen(page), ["idle", "loading", "booting", "running"]);
    });

    test("a stop while the machine loads gives it up", async (t) => {
      const { page } = await open(t, one('append="mock.hold=kernel"'));
      await press(page, ".start");
      await until(page, () => /50 %/.test(vm.shadowRoot.querySelector(".loads").textContent));
      await page.evaluate(() => vm.stop());
      assert.equal(await page.evaluate(() => vm.state), "idle");
    });

    test("a start can be broken off while the machine before still ends", async (t) => {
      const { page } = await open(t, one('append="mock.end=2500"'));
      await start(page);
      const took = await page.evaluate(async () => {
        vm.src = "/machines/second.json";
        const began = performance.now();
        const started = vm.start().catch((error) => error.code);
        await vm.stop();
        return [vm.state, await started, performance.now() - began < 2000];
      });
      assert.deepEqual(took, ["idle", "aborted", true]);
    });

    test("another machine that is started while one loads is the one that runs", async (t) => {
      const { page } = await open(t, one('append="mock.hold=kernel"'));
      await press(page, ".start");
      await until(page, () => /50 %/.test(vm.shadowRoot.querySelector(".loads").textContent));
      await page.evaluate(() => {
        vm.kernelAppend = "";
        vm.src = "/machines/second.json";
        return vm.start();
      });
      await running(page);
      assert.equal(await page.evaluate(() => vm.vm.machine.title), "Second Linux");
    });

    test("the methods tell whoever calls them of a failure, and the element's own callers hear nothing", async (t) => {
      const { page } = await open(t, one("", "", '<button id="invoker">Start</button>'), { expected: [/404/] });
      await page.evaluate(() => {
        globalThis.unheard = 0;
        addEventListener("unhandledrejection", () => { unheard++; });
        vm.src = "/machines/none.json";
      });
      assert.deepEqual(await page.evaluate(() => vm.start().catch((error) => [error.code, error === vm.error])), ["not-found", true]);
      await renew(page, { src: "/machines/none.json", autostart: "" });
      await until(page, () => vm.state === "failed");
      const again = async (act, ...args) => {
        const before = (await seen(page)).length;
        await page.evaluate(act, ...args);
        await until(page, (n) => seen.slice(n).includes("error not-found"), before);
      };
      await again(() => vm.dispatchEvent(Object.assign(new Event("command"), { command: "--start" })));
      await again(() => [...vm.shadowRoot.querySelectorAll("[part=panel] button")].find((b) => b.textContent === "Try again").click());
      await again(() => vm.shadowRoot.querySelector("[aria-label=Start]").click());
      await again(() => {
        vm.shadowRoot.querySelector("[aria-label=Menu]").click();
        [...vm.shadowRoot.querySelectorAll(".item")].find((b) => b.textContent === "Start").click();
      });
      await page.evaluate(() => { vm.src = "/machines/test.json"; return vm.start(); });
      await running(page);
      const codes = await page.evaluate(async () => {
        vm.send("crash\r");
        while (vm.state !== "crashed") await new Promise((resolve) => setTimeout(resolve, 20));
        return Promise.all(["pause", "stop"].map((name) => vm[name]().catch((error) => error.code)));
      });
      assert.deepEqual(codes, ["crashed", "crashed"]);
      assert.equal((await seen(page)).filter((word) => word === "error crashed").length, 1);
      assert.equal(await page.evaluate(() => unheard), 0);
    });

    test("a machine that the page disposes of is gone, and Start makes another", async (t) => {
      const { page } = await open(t, one());
      await start(page);
      const gone = await page.evaluate(async () => {
        globalThis.first = vm.vm;
        await first.dispose();
        return { state: vm.state, none: vm.vm === undefined, poster: !vm.shadowRoot.querySelector(".poster").hidden };
      });
      assert.deepEqual(gone, { state: "idle", none: true, poster: true });
      await start(page);
      await page.evaluate(async () => {
        globalThis.order = [];
        vm.vm.addEventListener("disposed", () => order.push("disposed"));
        vm.addEventListener("vm-progress", () => order.push("progress"));
        void vm.vm.dispose();
        await vm.start();
      });
      await running(page);
      assert.deepEqual(await page.evaluate(() => [...new Set(order)]), ["disposed", "progress"], "the old one lets go of its disks first");
    });

    test("what is loaded ahead follows a change of src, and loading may be set later", async (t) => {
      const { page } = await open(t, one());
      await page.evaluate(() => { vm.loading = "eager"; });
      await until(page, () => vm.state === "created");
      await page.evaluate(() => { vm.src = "/machines/second.json"; });
      await until(page, () => vm.state === "created" && vm.vm.machine.title === "Second Linux");
    });

    test("autostart waits until the element comes into view, after a change of src too", async (t) => {
      const { page } = await open(t, one());
      await page.evaluate(() => {
        vm.style.marginBlockStart = "300vh";
        vm.autostart = true;
        vm.src = "/machines/second.json";
      });
      await new Promise((resolve) => setTimeout(resolve, 500));
      assert.equal(await page.evaluate(() => vm.state), "idle");
      await page.evaluate(() => vm.scrollIntoView());
      await running(page);
      await page.evaluate(() => { vm.src = "/machines/test.json"; });
      await until(page, () => vm.state === "running" && vm.vm.machine.title === "Test Linux");
    });

    test("what a machine is built with counts from the next Start of one that is off", async (t) => {
      const { page } = await open(t, one('loading="eager"'));
      const built = () => page.evaluate(() => { const { memory, cpus } = vm.vm.machine; return `${memory >> 20} ${cpus}`; });
      await until(page, () => vm.state === "created");
      await page.evaluate(() => { vm.cpus = "2"; });
      await start(page);
      assert.equal(await built(), "64 2", "it was only loaded");
      const first = await page.evaluateHandle(() => vm.vm);
      await page.evaluate(async () => {
        vm.memory = "96M";
        await vm.pause();
        await vm.start();
        await vm.reset();
      });
      await running(page);
      assert.equal(await built(), "64 2");
      await page.evaluate(() => vm.stop());
      await page.evaluate(() => vm.start());
      await running(page);
      assert.equal(await built(), "96 2");
      assert.equal(await page.evaluate((was) => was.state, first), "disposed");
      const second = await page.evaluateHandle(() => vm.vm);
      await page.evaluate(async () => {
        vm.cols = 90;
        await vm.stop();
        await vm.start();
      });
      assert.equal(await page.evaluate((was) => was === vm.vm, second), true, "the terminal's size is not a new machine");
    });

    test("a machine that is started outside of the page has its text in the terminal when its element comes there", async (t) => {
      const { page } = await open(t, one());
      const drawn = (text) => until(page, (wanted) => vm.shadowRoot.querySelector(".xterm-rows")?.textContent.includes(wanted), text);
      await page.evaluate(() => {
        vm.remove();
        globalThis.vm = document.createElement("virtarium-vm");
        vm.src = "/machines/test.json";
        return vm.start();
      });
      await running(page);
      await page.evaluate(() => document.querySelector("main").append(vm));
      await drawn("root@mock");
      assert.match(await page.evaluate(() => vm.terminalText), /^\[ +0\.0+\] Linux version [^]*Welcome[^]*# ?$/, "from its first line");
      await page.evaluate(() => vm.focus());
      await page.keyboard.type("echo here\n");
      await drawn("here");
      await page.evaluate(() => vm.remove());
      await until(page, () => vm.state === "idle");
      await page.evaluate(() => vm.start());
      await running(page);
      await page.evaluate(() => document.querySelector("main").append(vm));
      await drawn("root@mock");
    });

    test("a terminal that has ended listens no more", async (t) => {
      const { page } = await open(t, one());
      await page.evaluate(() => {
        globalThis.heard = [];
        const box = vm.shadowRoot.querySelector(".terminal");
        const real = box.addEventListener;
        box.addEventListener = function (type, then, how) {
          heard.push({ type, signal: how?.signal });
          return real.call(box, type, then, how);
        };
        globalThis.node = vm;
      });
      const listens = () => page.evaluate(() => heard.filter(({ signal }) => !signal?.aborted).map(({ type }) => type).sort().join());
      await start(page);
      assert.equal(await listens(), "paste,touchmove,touchstart");
      await page.evaluate(() => node.remove());
      await until(page, () => node.state === "idle");
      assert.equal(await listens(), "");
      const pasted = () => page.evaluate(() => !node.shadowRoot.querySelector(".terminal").dispatchEvent(new Event("paste", { cancelable: true })));
      assert.equal(await pasted(), false);
      await page.evaluate(() => {
        document.querySelector("main").append(node);
        return node.start();
      });
      await running(page);
      assert.equal(await listens(), "paste,touchmove,touchstart");
      assert.equal(await pasted(), true);
    });

    test("another address ends the machine of an element outside of the page", async (t) => {
      const { page } = await open(t, one());
      const ended = await page.evaluate(async () => {
        const next = document.createElement("virtarium-vm");
        const ends = async (change) => {
          await next.start();
          const { vm: before } = next;
          change();
          return [before.state, next.state, next.terminalText];
        };
        next.src = "/machines/test.json";
        return [await ends(() => { next.src = "/machines/second.json"; }), await ends(() => { next.machine = { virtarium: 1, kernel: "/k" }; })];
      });
      assert.deepEqual(ended, [["disposed", "idle", ""], ["disposed", "idle", ""]]);
    });

    test("of src and machine the one that was set last counts", async (t) => {
      const { page } = await open(t, one());
      const title = async (change) => {
        await page.evaluate(change);
        await page.evaluate(() => vm.start());
        return page.evaluate(() => vm.vm.machine.title);
      };
      assert.equal(await title(() => { vm.machine = { virtarium: 1, title: "An object", kernel: "/files/kernel.gz" }; }), "An object");
      assert.equal(await title(() => { vm.setAttribute("src", vm.src); }), "Test Linux");
      assert.equal(await title(() => { vm.machine = { virtarium: 1, title: "Another", kernel: "/files/kernel.gz" }; vm.removeAttribute("src"); }), "Another");
      const early = await page.evaluate(async () => {
        const next = document.createElement("virtarium-vm");
        next.machine = { virtarium: 1, title: "Early", kernel: "/files/kernel.gz" };
        next.src = "/machines/second.json";
        document.body.append(next);
        await next.start();
        return next.vm.machine.title;
      });
      assert.equal(early, "Second Linux");
    });
  });
}
