// How people and the authors of pages use the element: the keyboard, words, colours, commands.

import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, describe, test } from "node:test";
import { build, focused, found, launch, one, open as openPage, running, shows, start, until } from "./lab.mjs";

let dir;

before(async () => { dir = await build(); });
after(() => dir && fs.rmSync(dir, { recursive: true }));

if (found.length === 0) test("the element's use in browsers", { skip: "no browser" }, () => {});

for (const which of found) {
  describe(which.name, { timeout: 600000 }, () => {
    let browser;
    before(async () => { browser = await launch(which); });
    after(() => browser?.close());
    const open = (t, html, how) => openPage(t, { browser, dir }, html, how);

    /** By the keyboard, as somebody without a mouse does. */
    const enter = async (page, label) => {
      await page.evaluate((l) => [...vm.shadowRoot.querySelectorAll("button")]
        .find((b) => b.checkVisibility() && (b.textContent === l || b.title === l)).focus(), label);
      await page.keyboard.press("Enter");
    };
    const pressWord = (page, label) => page.evaluate((l) => [...vm.shadowRoot.querySelectorAll("button")].find((b) => b.textContent === l).click(), label);
    const word = (page) => page.evaluate(() => vm.shadowRoot.activeElement?.textContent);

    test("Start, Continue and Start again bring who pressed them to the terminal", async (t) => {
      const { page } = await open(t, one());
      await enter(page, "Start");
      await running(page);
      assert.match(await focused(page), /^textarea/);
      await enter(page, "Pause");
      await until(page, () => vm.state === "paused");
      await page.evaluate(() => vm.shadowRoot.activeElement.blur());
      await enter(page, "Continue");
      await running(page);
      assert.match(await focused(page), /^textarea/);
      await page.evaluate(() => vm.stop());
      await enter(page, "Start again");
      await running(page);
      assert.match(await focused(page), /^textarea/);
      await page.evaluate(() => vm.stop());
      await enter(page, "Menu");
      await page.keyboard.press("Enter");
      await running(page);
      assert.match(await focused(page), /^textarea/, "by the menu");
    });

    test("where a start fails or is broken off, the focus is on what can be done", async (t) => {
      const { page } = await open(t, one('append="mock.fail=offline"', "", '<button id="elsewhere">Elsewhere</button>'));
      await enter(page, "Start");
      await until(page, () => vm.state === "failed");
      assert.equal(await word(page), "Try again");
      await page.keyboard.press("Enter");
      await until(page, () => vm.state === "loading");
      await until(page, () => vm.state === "failed");
      assert.equal(await word(page), "Try again");
      await page.keyboard.press("Enter");
      await page.evaluate(() => elsewhere.focus());
      await until(page, () => vm.state === "failed");
      assert.equal(await page.evaluate(() => document.activeElement.id), "elsewhere", "who has gone on is left there");
      await page.evaluate(() => vm.focus());
      assert.equal(await word(page), "Try again");
      await page.evaluate(() => { vm.kernelAppend = "mock.hold=kernel"; });
      await page.keyboard.press("Enter");
      await until(page, () => /50 %/.test(vm.shadowRoot.querySelector(".loads").textContent));
      await page.evaluate(() => vm.focus());
      assert.equal(await word(page), "Cancel");
      await page.keyboard.press("Enter");
      await until(page, () => vm.state === "idle" && vm.shadowRoot.activeElement !== null);
      assert.match(await focused(page), /^button\.start/);
      await page.evaluate(() => { vm.kernelAppend = ""; });
      await page.keyboard.press("Enter");
      await running(page);
      assert.match(await focused(page), /^textarea/);
    });

    test("a button of a notice that goes away leaves the focus in the terminal", async (t) => {
      const { page } = await open(t, one('persist="t"', "", '<button id="elsewhere">Elsewhere</button>'));
      await start(page);
      await page.evaluate(() => {
        vm.vm.run = () => new Promise(() => {});
        vm.vm.upload = (path, file, { signal }) => new Promise((resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
        return vm.send("disk quota\rdisk offline\r");
      });
      const offered = (label) => until(page, (l) => [...vm.shadowRoot.querySelectorAll(".banner:not([hidden]) button")].some((b) => b.textContent === l), label);
      const gone = async (label) => {
        await offered(label);
        await enter(page, label);
        await until(page, (l) => [...vm.shadowRoot.querySelectorAll(".banner:not([hidden]) button")].every((b) => b.textContent !== l), label);
        assert.match(await focused(page), /^textarea/, label);
      };
      await offered("Close");
      await page.evaluate(() => elsewhere.focus());
      await page.evaluate(() => vm.send("recovered offline\r"));
      await offered("Export");
      assert.equal(await page.evaluate(() => document.activeElement.id), "elsewhere", "who is elsewhere stays there");
      await gone("Close");
      await page.evaluate(() => {
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File(["text"], "notes.txt"));
        vm.shadowRoot.querySelector(".screen").dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
        [...vm.shadowRoot.querySelectorAll("dialog button")].find((b) => b.textContent === "Upload").click();
      });
      await until(page, () => vm.shadowRoot.querySelector(".banner progress")?.checkVisibility());
      await gone("Cancel");
      await gone("Close");
      await page.evaluate(() => { void vm.powerOff(); });
      await gone("Switch off now");
    });

    test("what was to be said of a machine goes with it, and what is said then is not under the failure", async (t) => {
      const { page } = await open(t, one('persist="t"'));
      await start(page);
      await page.evaluate(() => {
        HTMLAnchorElement.prototype.click = () => {};
        return vm.send("disk quota\r");
      });
      await until(page, () => !vm.shadowRoot.querySelector(".banner").hidden);
      await page.evaluate(() => vm.send("disk locked\r"));
      await until(page, () => vm.state === "failed");
      assert.equal(await page.evaluate(() => vm.shadowRoot.querySelector(".banner").hidden), true);
      await page.evaluate(() => vm.shadowRoot.querySelector("[aria-label=Menu]").click());
      await pressWord(page, "Export what was written…");
      await until(page, () => !vm.shadowRoot.querySelector(".banner").hidden);
      assert.equal(await page.evaluate(() => {
        const { left, top } = vm.shadowRoot.querySelector(".banner button").getBoundingClientRect();
        return vm.shadowRoot.elementFromPoint(left + 4, top + 4).textContent;
      }), "Close");
    });

    test("a guest that has not switched itself off in time is said so, one that has crashed meanwhile is not", async (t) => {
      const { page } = await open(t, one());
      const wait = "not switched itself off yet";
      for (const crashes of [false, true]) {
        await page.evaluate(() => vm.start());
        await running(page);
        await page.evaluate(() => {
          vm.vm.run = () => new Promise(() => {});
          const real = globalThis.setTimeout;
          globalThis.setTimeout = (then, ms, ...rest) => real(() => {
            then(...rest);
            globalThis.rang ||= ms === 15000;
          }, ms === 15000 ? 600 : ms);
          globalThis.rang = false;
          void vm.powerOff();
          globalThis.setTimeout = real;
        });
        if (crashes) await page.evaluate(() => vm.send("crash\r"));
        await until(page, () => rang);
        const banner = await page.evaluate(() => vm.shadowRoot.querySelector(".banner:not([hidden])")?.textContent ?? "");
        assert.deepEqual([await page.evaluate(() => vm.state), banner.includes(wait)], crashes ? ["crashed", false] : ["running", true]);
        if (crashes) continue;
        await pressWord(page, "Wait");
        assert.equal(await page.evaluate(() => vm.shadowRoot.querySelector(".banner").hidden), true);
        await page.evaluate(() => vm.stop());
      }
    });

    test("a disk that is in use is not said to be in another tab, for it may be in this page", async (t) => {
      const { page } = await open(t, one('append="mock.fail=locked"'));
      await page.evaluate(() => vm.start().catch(() => {}));
      const said = await page.evaluate(() => ["h2", "p"].map((tag) => vm.shadowRoot.querySelector(`[part=panel] ${tag}`).textContent));
      assert.match(said[0], /^The machine's disk is in use elsewhere$/);
      assert.match(said[1], /another tab has it, or another machine of this page/);
    });

    test("the status line shows the terminal's size from the beginning, and its changes", async (t) => {
      const { page } = await open(t, one('cols="80" rows="24"'));
      const size = () => page.evaluate(() => vm.shadowRoot.querySelector(".size").textContent);
      await start(page);
      assert.equal(await size(), "80×24");
      await page.evaluate(() => { vm.cols = 90; });
      await until(page, () => vm.shadowRoot.querySelector(".size").textContent === "90×24");
    });

    test("the terminal follows colours that change while the machine runs", async (t) => {
      const { page } = await open(t, (origin) => one()(origin).replace("</style>", "virtarium-vm.warm { --vm-bg: rgb(30, 20, 10); }</style>"));
      await start(page);
      const ground = (colour) => until(page, (c) => [...vm.shadowRoot.querySelectorAll(".xterm *")].some((node) => getComputedStyle(node).backgroundColor === c), colour);
      await page.evaluate(() => { vm.style.setProperty("--vm-bg", "rgb(10, 20, 30)"); });
      await ground("rgb(10, 20, 30)");
      await page.evaluate(() => { vm.removeAttribute("style"); vm.className = "warm"; });
      await ground("rgb(30, 20, 10)");
    });

    test("a button of the page can do all that needs no answer", async (t) => {
      const { page } = await open(t, one("", "", '<button id="invoker">Do it</button>'));
      // Not every browser here sends the event by itself.
      const command = (name, value = "") => page.evaluate((n, v) => {
        invoker.value = v;
        vm.dispatchEvent(Object.assign(new Event("command"), { command: n, source: invoker }));
      }, name, value);
      const state = (wanted) => until(page, (w) => vm.state === w, wanted);
      await command("--type", "too early");
      await command("--start");
      await state("running");
      await command("--type", "una");
      await shows(page, "# una");
      assert.doesNotMatch(await page.evaluate(() => vm.terminalText), /not found/);
      await command("--send", "me\nuname");
      await until(page, () => vm.terminalText.match(/Linux mock/g)?.length === 2);
      await command("--pause");
      await state("paused");
      await command("--start");
      await state("running");
      await page.evaluate(() => { vm.addEventListener("vm-state", ({ detail }) => { globalThis.last = detail.state; }); });
      await command("--reset");
      await until(page, () => globalThis.last === "running");
      await command("--power-off");
      await until(page, () => vm.state === "off" && vm.vm.exitCode === 0);
      await command("--start");
      await state("running");
      await command("--stop");
      await until(page, () => vm.state === "off" && vm.vm.exitCode === undefined);
    });

    test("a second question answers the first with no, and has an answer of its own", async (t) => {
      const { page } = await open(t, (origin) => one()(origin).replace("test.json", "second.json"));
      await start(page);
      await page.evaluate(() => {
        globalThis.first = vm.powerOff().then(() => vm.state);
        globalThis.second = vm.powerOff();
      });
      assert.equal(await page.evaluate(() => first), "running");
      // The browser's event of the first comes meanwhile.
      await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 200)));
      assert.match(await page.evaluate(() => vm.shadowRoot.querySelector("dialog[open]").textContent), /^Power off\?/);
      await page.evaluate(() => {
        // This one was answered, and the browser has not told it yet when the next comes.
        vm.shadowRoot.querySelector("dialog .danger").click();
        vm.powerOff();
        return second;
      });
      assert.deepEqual(await page.evaluate(() => [vm.state, vm.shadowRoot.querySelector("dialog[open] h2").textContent]), ["off", "Power off?"]);
    });

    test("a disk's trouble that is over leaves the others' said", async (t) => {
      const { page } = await open(t, one('persist="t"'));
      await start(page);
      const says = (pattern) => until(page, (p) => new RegExp(p).test(vm.shadowRoot.querySelector(".banner:not([hidden])")?.textContent ?? ""), pattern);
      await page.evaluate(() => vm.send("disk storage\rdisk offline\r"));
      await says("^root: The server cannot be reached");
      await page.evaluate(() => vm.send("recovered offline\r"));
      await says("^root: The browser does not keep");
      await pressWord(page, "Close");
      assert.equal(await page.evaluate(() => vm.shadowRoot.querySelector(".banner").hidden), true);
    });

    test("a pause is said, and Continue offered, beside a note", async (t) => {
      const { page } = await open(t, one('persist="t" controls="none"'));
      await start(page);
      await page.evaluate(() => {
        HTMLAnchorElement.prototype.click = () => {};
        return vm.send("disk quota\r");
      });
      await until(page, () => !vm.shadowRoot.querySelector(".banner").hidden);
      await pressWord(page, "Export");
      await page.evaluate(() => vm.pause());
      const words = /^root: The browser's storage is full: .*\. Paused\.$/;
      assert.match(await page.evaluate(() => vm.shadowRoot.querySelector(".banner .words").textContent), words);
      assert.match(await page.evaluate(() => vm.shadowRoot.querySelector("[aria-live]").textContent), words);
      await pressWord(page, "Close");
      await until(page, () => /^root.overlay was saved .* Paused\.$/.test(vm.shadowRoot.querySelector(".banner .words").textContent));
      await pressWord(page, "Continue");
      await running(page);
      assert.doesNotMatch(await page.evaluate(() => vm.shadowRoot.querySelector(".banner").textContent), /Paused|Continue/);
    });

    test("where a link of the guest's leads is shown without a status line too", async (t) => {
      for (const controls of ["none", "full"]) {
        const { page } = await open(t, one(`controls="${controls}"`));
        await start(page);
        await page.evaluate(() => vm.send("raw \\e]8;;https://evil.example/path\\abank.example\\e]8;;\\a\r"));
        await until(page, () => {
          globalThis.link = [...vm.shadowRoot.querySelectorAll(".xterm-rows span")].find(({ textContent }) => textContent === "bank.example");
          return Boolean(globalThis.link);
        });
        const { x, y } = await page.evaluate(() => {
          const { left, top, width, height } = link.getBoundingClientRect();
          return { x: left + width / 2, y: top + height / 2 };
        });
        await page.mouse.move(x - 4, y);
        await page.mouse.move(x, y);
        await until(page, () => {
          const where = vm.shadowRoot.querySelector(".where");
          return where?.textContent === "https://evil.example/path" && where.checkVisibility();
        });
        await page.mouse.move(5, 5);
        await until(page, () => !vm.shadowRoot.querySelector(".where").checkVisibility());
      }
    });

    test("where a link leads that a finger taps is asked before it is opened", async (t) => {
      const { page } = await open(t, one());
      await start(page);
      await page.evaluate(() => {
        // What is drawn again is another one.
        globalThis.link = () => [...vm.shadowRoot.querySelectorAll(".xterm-rows span")].find(({ textContent }) => textContent === "bank.example");
        globalThis.opened = [];
        globalThis.open = (...how) => { globalThis.opened.push(how.join(" ")); };
        const { matchMedia } = globalThis;
        globalThis.matchMedia = (query) => query === "(pointer: coarse)" ? Object.assign(new EventTarget(), { matches: globalThis.finger }) : matchMedia(query);
      });
      await page.evaluate(() => vm.send("raw \\e]8;;https://evil.example/path\\abank.example\\e]8;;\\a\r"));
      const tap = async (finger) => {
        await until(page, () => Boolean(link()));
        const { x, y } = await page.evaluate((finger) => {
          globalThis.finger = finger;
          const { left, top, width, height } = link().getBoundingClientRect();
          return { x: left + width / 2, y: top + height / 2 };
        }, finger);
        await page.mouse.move(x - 4, y);
        await page.mouse.click(x, y);
        await page.mouse.move(5, 5);
      };
      const opened = "https://evil.example/path _blank noopener,noreferrer";
      await tap(false);
      await until(page, () => globalThis.opened.length === 1);
      await tap(true);
      await until(page, () => vm.shadowRoot.querySelector("dialog[open]")?.textContent.includes("https://evil.example/path"));
      await page.evaluate(() => vm.shadowRoot.querySelector("dialog .push:not(.main)").click());
      await until(page, () => !vm.shadowRoot.querySelector("dialog[open]"));
      assert.deepEqual(await page.evaluate(() => globalThis.opened), [opened]);
      await tap(true);
      await until(page, () => Boolean(vm.shadowRoot.querySelector("dialog[open] .main")));
      await page.evaluate(() => vm.shadowRoot.querySelector("dialog .main").click());
      await until(page, () => globalThis.opened.length === 2);
      assert.deepEqual(await page.evaluate(() => globalThis.opened), [opened, opened]);
    });

    test("the menu leads to the sources of the guest, where they are on the web", async (t) => {
      const { page, site } = await open(t, (origin) => one()(origin).replace("test.json", "second.json"));
      const entry = () => page.evaluate(() => {
        vm.shadowRoot.querySelector("[aria-label=Menu]").click();
        const found = [...vm.shadowRoot.querySelectorAll(".item")].find((b) => b.textContent === "Sources and licences");
        if (found) found.click();
        else vm.shadowRoot.querySelector("[aria-label=Menu]").click();
        return found !== undefined;
      });
      await page.evaluate(() => {
        globalThis.opened = [];
        window.open = (...args) => { opened.push(args); return null; };
      });
      await start(page);
      assert.equal(await entry(), true);
      assert.deepEqual(await page.evaluate(() => opened), [[`${site.origin}/SOURCES.md`, "_blank", "noopener,noreferrer"]]);
      for (const sources of [undefined, "data:text/html,<script>alert(1)</script>"]) {
        await page.evaluate((where) => {
          vm.machine = { virtarium: 1, kernel: "/files/kernel.gz", sources: where };
          return vm.start();
        }, sources);
        assert.equal(await entry(), false, String(sources));
      }
    });
  });
}
