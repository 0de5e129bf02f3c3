import assert from "node:assert/strict";
import fs from "node:fs";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { ERROR_CODES } from "../../src/protocol.js";
import {
  SIZES, build, focused, found, item, launch, one, open as openPage, policy, press, running, serve, shows, start, until,
} from "./lab.mjs";

const AXE = fs.readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
let dir;

before(async () => { dir = await build(undefined, ["--single"]); });
after(() => dir && fs.rmSync(dir, { recursive: true }));

if (found.length === 0) test("the element in browsers", { skip: "no browser" }, () => {});

for (const which of found) {
  describe(which.name, { timeout: 900000 }, () => {
    let browser;
    before(async () => { browser = await launch(which); });
    after(() => browser?.close());

    const open = async (t, html, how) => {
      const opened = await openPage(t, { browser, dir }, html, how);
      return { ...opened, shot: (name) => shot(opened.page, `${name}-${which.name}`) };
    };

    test("a click starts the machine, keys reach it, and its output is on the screen", async (t) => {
      const { page } = await open(t, one());
      assert.equal(await page.evaluate(() => vm.state), "idle");
      await page.evaluate(() => {
        globalThis.seen = [];
        for (const type of ["vm-state", "vm-ready", "vm-progress", "vm-disk"]) {
          document.addEventListener(type, (event) => seen.push(`${type} ${event.detail.state ?? event.detail.phase ?? event.detail.kind ?? ""}`.trim()));
        }
      });
      const button = await page.evaluateHandle(() => vm.shadowRoot.querySelector(".start"));
      await button.click();
      await running(page);
      await page.keyboard.type("uname");
      await page.keyboard.press("Enter");
      await shows(page, "Linux mock 6.12.0 riscv64");
      const seen = await page.evaluate(() => [...new Set(seen)]);
      assert.deepEqual(seen, ["vm-state loading", "vm-progress wasm", "vm-progress kernel", "vm-progress initrd", "vm-disk memory",
        "vm-state booting", "vm-state running", "vm-ready"]);
      assert.equal(await page.evaluate(() => vm.matches(":state(running)") && !vm.matches(":state(booting)")), true);
      assert.equal(await page.evaluate(() => vm.shadowRoot.querySelector(".say").textContent), "Running");
    });

    test("progress says what is downloading, in bytes and per cent, and can be broken off", async (t) => {
      const { page } = await open(t, one('append="mock.hold=kernel"'));
      await press(page, ".start");
      await until(page, () => /The kernel5\.9 MB of 12 MB, 50 %/.test(vm.shadowRoot.querySelector(".loads").textContent));
      assert.match(await page.evaluate(() => vm.shadowRoot.querySelector(".say").textContent), /^The kernel: 5\.9 MB of 12 MB, 50 %$/);
      await page.evaluate(() => [...vm.shadowRoot.querySelectorAll("button")].find((b) => b.textContent === "Cancel").click());
      await until(page, () => vm.state === "idle" && !vm.shadowRoot.querySelector(".poster").hidden);
    });

    test("attributes and properties are in step, and one set before the definition counts", async (t) => {
      const html = (origin) => one('cols="90" theme="nonsense"')(origin).replace("</h1>",
        `</h1><script type="module" src="${origin}/early.js"></script>`).replace(/<script type="module" src="[^"]*virtarium.js"><\/script>/, "");
      fs.writeFileSync(`${dir}/early.js`, 'vm.memory = "32M"; vm.readonly = true; vm.machine = {virtarium: 1}; await import("./virtarium.js");');
      const { page } = await open(t, html);
      const got = await page.evaluate(() => {
        vm.persist = "lesson";
        vm.rows = 10;
        vm.autostart = false;
        vm.workerSrc = "w.js";
        return { memory: vm.getAttribute("memory"), readonly: vm.hasAttribute("readonly"), machine: vm.machine, cols: vm.cols, theme: vm.theme,
          persist: vm.getAttribute("persist"), rows: vm.getAttribute("rows"), auto: vm.autostart, worker: vm.getAttribute("worker-src"), own: Object.keys(vm) };
      });
      assert.deepEqual(got, { memory: "32M", readonly: true, machine: { virtarium: 1 }, cols: 90, theme: "auto", persist: "lesson",
        rows: "10", auto: false, worker: "w.js", own: [] });
    });

    test("run, expect, upload and download work beside the terminal", async (t) => {
      const { page } = await open(t, one());
      await start(page);
      const got = await page.evaluate(async () => {
        const bytes = Uint8Array.from({ length: 100000 }, (_, i) => i % 251);
        await vm.upload("/root/it's.bin", bytes);
        const back = new Uint8Array(await (await vm.download("/root/it's.bin")).arrayBuffer());
        const waits = vm.expect(/echoed (\w+)\r/);
        await vm.send("echo echoed twice\r");
        return { run: await vm.run("exit 3").then(({ code, output }) => ({ code, output })), same: back.length === 100000 && back.every((b, i) => b === i % 251), match: (await waits).groups[1],
          missing: await vm.download("/none").catch((error) => error.code), stats: (await vm.vm.statistics()).instructions };
      });
      assert.deepEqual(got, { run: { code: 3, output: "" }, same: true, match: "twice", missing: "not-found", stats: 1234567 });
    });

    test("each failure has a page of its own, with something to do", async (t) => {
      const { page } = await open(t, one("", "<p>Read the text instead.</p>"));
      const titles = new Set();
      for (const code of ERROR_CODES.filter((code) => code !== "aborted")) {
        await page.evaluate((c) => { vm.kernelAppend = `mock.fail=${c}`; return vm.start().catch(() => {}); }, code);
        const panel = await page.evaluate(() => {
          const box = vm.shadowRoot.querySelector("[part=panel]");
          return { hidden: box.hidden, title: box.querySelector("h2").textContent, what: box.querySelector(".what").textContent,
            buttons: [...box.querySelectorAll("button")].map((b) => b.textContent), state: vm.state, error: vm.error.code };
        });
        assert.equal(panel.hidden, false);
        assert.equal(panel.state, "failed");
        assert.equal(panel.error, code);
        assert.ok(panel.what.startsWith(`${code}: the mock fails`), panel.what);
        assert.ok(panel.buttons.length > 0, code);
        titles.add(panel.title);
      }
      assert.equal(titles.size, ERROR_CODES.length - 1);
      await page.evaluate(() => { vm.kernelAppend = "mock.fail=no-wasm"; return vm.start().catch(() => {}); });
      assert.equal(await page.evaluate(() => vm.querySelector("p").checkVisibility()), true, "the author's own text is shown where nothing can run");
      await page.evaluate(() => { vm.kernelAppend = ""; return vm.start(); });
      await running(page);
      assert.equal(await page.evaluate(() => vm.shadowRoot.querySelector("[part=panel]").hidden), true);
    });

    test("a browser without WebAssembly or workers is told so", async (t) => {
      const { page } = await open(t, one());
      const code = (name) => page.evaluate(async (n) => {
        delete globalThis[n];
        await vm.start().catch(() => {});
        return vm.error.code;
      }, name);
      assert.equal(await code("WebAssembly"), "no-wasm");
      assert.equal(await code("Worker"), "unsupported");
    });

    test("a sandboxed frame without an origin runs the machine too", async (t) => {
      const { page, site } = await open(t, () => `<!doctype html><html lang="en"><head><title>Frame</title><link rel="icon" type="image/none" href="about:blank">
        </head><body><iframe title="machine" sandbox="allow-scripts" src="/inner" width="600" height="500"></iframe></body></html>`,
      { cors: true, csp: (origin) => `${policy(origin)}; frame-src ${origin}`, wait: false });
      site.pages["/inner"] = one();
      await page.reload();
      for (let i = 0; i < 100 && !page.frames()[1]?.url().endsWith("/inner"); i++) await new Promise((resolve) => setTimeout(resolve, 50));
      const frame = page.frames()[1];
      await frame.evaluate(() => customElements.whenDefined("virtarium-vm").then(() => vm.start()));
      await until(frame, () => vm.state === "running");
    });

    test("a finger scrolls the terminal", { skip: which.name === "firefox" && "its desktop has no touch events" }, async (t) => {
      const { page } = await open(t, one());
      await start(page);
      await page.evaluate(() => vm.send("flood 200\r"));
      await shows(page, "line 199");
      const top = () => page.evaluate(() => vm.shadowRoot.querySelector(".xterm-rows").textContent.match(/line (\d+)/)[1]);
      const before = Number(await top());
      await page.evaluate(() => {
        const box = vm.shadowRoot.querySelector(".xterm-screen");
        const touch = (type, y) => box.dispatchEvent(new TouchEvent(type, { bubbles: true, cancelable: true, composed: true,
          touches: [new Touch({ identifier: 1, target: box, clientX: 100, clientY: y })] }));
        touch("touchstart", 100);
        for (let y = 110; y <= 300; y += 10) touch("touchmove", y);
      });
      await until(page, (was) => Number(vm.shadowRoot.querySelector(".xterm-rows").textContent.match(/line (\d+)/)[1]) < was - 5, before);
    });

    test("a machine of another tab can be taken", async (t) => {
      const { page } = await open(t, one('append="mock.fail=locked"'));
      await press(page, ".start");
      await until(page, () => vm.state === "failed");
      await page.evaluate(() => [...vm.shadowRoot.querySelectorAll("[part=panel] button")].find((b) => b.textContent === "Use it here").click());
      await running(page);
    });

    test("a machine whose disk another tab takes says so, and starts anew here", async (t) => {
      const { page } = await open(t, one('persist="t"'));
      await start(page);
      await page.evaluate(() => { globalThis.first = vm.vm; vm.send("disk locked\r"); });
      await until(page, () => first.state === "off");
      assert.equal(await page.evaluate(() => vm.state), "failed");
      assert.equal(await page.evaluate(() => vm.shadowRoot.querySelector("[part=panel] h2").checkVisibility()), true);
      await page.evaluate(() => vm.shadowRoot.querySelector("[part=panel] .main").click());
      await running(page);
      assert.equal(await page.evaluate(() => vm.vm !== first && first.state), "disposed");
    });

    test("a crash is said with its details, and the machine starts again", async (t) => {
      const { page } = await open(t, one(), { expected: [/the mock throws/] });
      await start(page);
      const waits = page.evaluate(() => vm.run("echo never").catch((error) => error.code));
      await page.evaluate(() => vm.send("crash\r"));
      await until(page, () => vm.state === "crashed");
      await waits;
      assert.match(await page.evaluate(() => vm.shadowRoot.querySelector(".what").textContent), /panicked at core/);
      assert.match(await page.evaluate(() => vm.error.workerStack), /virtarium.wasm/);
      await page.evaluate(() => [...vm.shadowRoot.querySelectorAll("[part=panel] button")].find((b) => b.textContent === "Restart").click());
      await running(page);
      await page.evaluate(() => vm.send("throw\r"));
      await until(page, () => vm.state === "crashed" && /the mock throws/.test(vm.error.message));
    });

    test("Tab belongs to the guest, and Escape, then Tab leaves the terminal", async (t) => {
      const { page } = await open(t, one("", "", '<button id="after">After</button>'));
      await start(page);
      await page.evaluate(() => vm.focus());
      await page.keyboard.press("Tab");
      assert.match(await focused(page), /^textarea/);
      await page.keyboard.press("Escape");
      await page.keyboard.press("Tab");
      assert.doesNotMatch(await focused(page), /^textarea/);
      await page.evaluate(() => vm.focus());
      await page.keyboard.press("Escape");
      await page.keyboard.press("x");
      await page.keyboard.press("Tab");
      assert.match(await focused(page), /^textarea/, "another key in between");
    });

    test("the key bar types what a phone's keyboard has not, and Ctrl holds for one key", async (t) => {
      const { page } = await open(t, one('keybar="on"'));
      await start(page);
      const key = (label) => press(page, `.key[aria-label="${label}"]`);
      await page.evaluate(() => vm.focus());
      await key("Bar");
      await key("Ctrl, for the next key");
      assert.equal(await page.evaluate(() => vm.shadowRoot.querySelector('.key[aria-pressed="true"]').textContent), "Ctrl");
      await page.keyboard.type("cc");
      await key("Up");
      await shows(page, "# |^Cc^[[A");
      assert.equal(await page.evaluate(() => vm.shadowRoot.querySelector('.key[aria-pressed="true"]')), null);
    });

    test("what a hostile guest prints stays text", async (t) => {
      const { page } = await open(t, one());
      await start(page);
      await page.evaluate(() => {
        globalThis.copied = 0;
        navigator.clipboard.writeText = async () => { copied++; };
        vm.send("raw \\e]2;<img src=x onerror=alert(1)>\u202eevil\\a\\e]52;c;aGFja2Vk\\a\r");
        vm.send("raw \\e]8;;javascript:alert(1)\\aclick\\e]8;;\\a\r");
      });
      await until(page, () => vm.shadowRoot.querySelector(".title").textContent.includes("<img"));
      assert.equal(await page.evaluate(() => vm.shadowRoot.querySelector(".title").textContent), "Test Linux: <img src=x onerror=alert(1)> evil");
      assert.equal(await page.evaluate(() => vm.shadowRoot.querySelectorAll("img").length), 0);
      assert.equal(await page.evaluate(() => document.title), "Test");
      assert.equal(await page.evaluate(() => copied), 0);
    });

    test("the guest learns the terminal's size, and fixed rows and columns hold", async (t) => {
      const { page } = await open(t, one());
      await start(page);
      const told = () => page.evaluate(async () => (await vm.download("/size")).text());
      const before = await told();
      await page.setViewport({ width: 700, height: 800 });
      await until(page, async (was) => (await (await vm.download("/size")).text()) !== was, before);
      const [cols] = (await told()).split(" ").map(Number);
      assert.ok(cols > 40 && cols < 95, String(cols));
      await page.evaluate(() => { vm.cols = 120; vm.rows = 12; });
      await until(page, async () => (await (await vm.download("/size")).text()) === "120 12");
      const fits = await page.evaluate(() => {
        const box = vm.shadowRoot.querySelector(".terminal").getBoundingClientRect();
        const grid = vm.shadowRoot.querySelector(".xterm-screen").getBoundingClientRect();
        return { wide: grid.right <= box.right + 1, high: grid.bottom <= box.bottom + 1, host: vm.getBoundingClientRect().height < 420 };
      });
      assert.deepEqual(fits, { wide: true, high: true, host: true }, "120 columns in a narrow box: smaller letters");
    });

    test("menu and search are used by keyboard alone", async (t) => {
      const { page } = await open(t, one('persist="t"'));
      await start(page);
      await page.evaluate(() => vm.shadowRoot.querySelector("[aria-label=Menu]").focus());
      await page.keyboard.press("Enter");
      assert.equal(await page.evaluate(() => vm.shadowRoot.activeElement.textContent), "Pause");
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("ArrowDown");
      assert.equal(await page.evaluate(() => vm.shadowRoot.activeElement.textContent), "Power off");
      assert.match(await page.evaluate(() => vm.shadowRoot.querySelector(".menu").textContent), /kept in this browser, on this device/);
      await page.keyboard.press("Escape");
      assert.equal(await page.evaluate(() => vm.shadowRoot.activeElement.title), "Menu");
      await press(page, "[aria-label=Menu]");
      await page.mouse.click(5, 5);
      assert.equal(await page.evaluate(() => vm.shadowRoot.querySelector(".menu").hidden), true, "a press elsewhere closes it");
      await press(page, "[aria-label=Search]");
      await page.keyboard.type("nowhere");
      assert.equal(await page.evaluate(() => vm.shadowRoot.querySelector(".none").textContent), "Not found");
      await page.keyboard.press("Escape");
      assert.match(await focused(page), /^textarea/);
    });

    test("files go in and out through dialogs, and their transfer is shown", async (t) => {
      const { page } = await open(t, one());
      await start(page);
      await page.evaluate(() => {
        globalThis.saved = [];
        HTMLAnchorElement.prototype.click = function () { saved.push(this.download); };
        const data = new DataTransfer();
        data.items.add(new File(["twelve bytes"], "no/tes.txt"));
        const to = vm.shadowRoot.querySelector(".screen");
        to.dispatchEvent(new DragEvent("dragover", { dataTransfer: data, bubbles: true, cancelable: true }));
        to.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
      });
      await until(page, () => vm.shadowRoot.querySelector("dialog").open);
      await page.evaluate(() => [...vm.shadowRoot.querySelectorAll("dialog button")].find((b) => b.textContent === "Upload").click());
      await until(page, () => /is in \/root now/.test(vm.shadowRoot.querySelector(".banner").textContent));
      assert.equal(await page.evaluate(async () => (await vm.download("/root/no_tes.txt")).text()), "twelve bytes");
      await item(page, "Get a file");
      await page.evaluate(() => { vm.shadowRoot.querySelector("dialog input").value = "/etc/motd"; });
      await page.keyboard.press("Enter");
      await until(page, () => /motd was downloaded/.test(vm.shadowRoot.querySelector(".banner").textContent));
      assert.deepEqual(await page.evaluate(() => saved), ["motd"]);
    });

    test("a disk is exported, reset after a question, and its trouble is said and over", async (t) => {
      const { page } = await open(t, one('persist="t"'));
      await start(page);
      await page.evaluate(() => {
        globalThis.saved = [];
        HTMLAnchorElement.prototype.click = function () { saved.push(this.download); };
        vm.send("disk quota\r");
      });
      const banner = (pattern) => until(page, (p) => new RegExp(p).test(vm.shadowRoot.querySelector(".banner:not([hidden])")?.textContent ?? ""), pattern);
      await banner("storage is full");
      await page.evaluate(() => vm.send("recovered quota\r"));
      await until(page, () => vm.shadowRoot.querySelector(".banner").hidden);
      await item(page, "Export what was written");
      await banner("root.overlay was saved");
      assert.deepEqual(await page.evaluate(() => saved), ["root.overlay"]);
      await item(page, "Reset the disk");
      await page.evaluate(() => vm.shadowRoot.querySelector("dialog .danger").click());
      await banner("as at first");
      assert.equal(await page.evaluate(() => vm.state), "off");
    });

    test("power off asks the guest where it can, and the user where it cannot", async (t) => {
      const { page } = await open(t, one());
      await start(page);
      await press(page, '[aria-label="Power off"]');
      await until(page, () => vm.state === "off");
      await page.evaluate(() => { vm.src = "/machines/second.json"; });
      await until(page, () => vm.state === "idle");
      await start(page);
      await press(page, '[aria-label="Power off"]');
      assert.match(await page.evaluate(() => vm.shadowRoot.querySelector("dialog").textContent), /type poweroff in the terminal/);
      await page.evaluate(() => vm.shadowRoot.querySelector("dialog .danger").click());
      await until(page, () => vm.state === "off");
      assert.equal(await page.evaluate(() => vm.run("x").catch((error) => error.code)), "unsupported");
    });

    test("a restart goes through the boot again", async (t) => {
      const { page } = await open(t, one());
      await start(page);
      await page.evaluate(() => {
        globalThis.states = [];
        vm.addEventListener("vm-state", (event) => states.push(event.detail.state));
        vm.send("raw \\e[?1049h\\e[?25l\r");
      });
      await until(page, () => !vm.terminalText.includes("Welcome"));
      await page.evaluate(() => vm.reset());
      await until(page, () => states.join() === "booting,running");
      assert.match(await page.evaluate(() => vm.terminalText), /Welcome[^]*Welcome/, "the old screen's text is above the new one's");
    });

    test("a guest that reboots is shown to start again", async (t) => {
      const { page } = await open(t, one());
      await start(page);
      const error = await page.evaluate(() => {
        globalThis.states = [];
        for (const type of ["vm-state", "vm-ready"]) vm.addEventListener(type, (event) => states.push(event.detail.state ?? type));
        return vm.run("reboot").catch(({ code, message }) => `${code}: ${message}`);
      });
      assert.equal(error, "aborted: the guest has restarted");
      await until(page, () => states.join() === "booting,running,vm-ready");
      assert.equal(await page.evaluate(() => vm.run("echo again").then(({ output }) => output)), "again\n");
    });

    test("a node that is moved keeps its machine, one that is removed ends it", async (t) => {
      const { page } = await open(t, one("", "", '<div id="other"></div>'));
      await start(page);
      await page.evaluate(() => { globalThis.machine = vm.vm; other.append(vm); });
      await new Promise((resolve) => setTimeout(resolve, 1300));
      assert.equal(await page.evaluate(() => machine.state), "running");
      await page.evaluate(() => { globalThis.node = vm; vm.remove(); });
      await new Promise((resolve) => setTimeout(resolve, 1300));
      assert.equal(await page.evaluate(() => machine.state), "disposed");
      await page.evaluate(() => { other.append(node); return node.start(); });
      await running(page);
    });

    test("a second machine of a page pauses the first, unless both may run", async (t) => {
      const { page } = await open(t, one("", "", '<virtarium-vm id="two" src="/machines/second.json"></virtarium-vm>'));
      await start(page);
      await page.evaluate(() => two.start());
      await until(page, () => two.state === "running" && vm.state === "paused");
      await page.evaluate(() => { two.multiple = true; return vm.start(); });
      await until(page, () => two.state === "running" && vm.state === "running");
    });

    test("a page that sleeps gives its disks back, and says when they are gone", async (t) => {
      const { page } = await open(t, one('append="mock.resume=locked" persist="t"'));
      await start(page);
      await page.evaluate(() => {
        dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true }));
        dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
      });
      await until(page, () => vm.error?.code === "locked");
      await page.evaluate(() => [...vm.shadowRoot.querySelectorAll("[part=panel] button")].find((b) => b.textContent === "Use it here").click());
      await running(page);
    });

    test("a flood of output is on the screen in the end, and the page answers meanwhile", async (t) => {
      const { page } = await open(t, one());
      await start(page);
      await page.evaluate(() => vm.send("flood 20000\r"));
      await shows(page, "line 19999 of a flood");
      assert.match(await page.evaluate(() => vm.terminalText.slice(-20)), /# $|#$/);
    });

    test("a page out of sight does not hold its guest back", async (t) => {
      const { page } = await open(t, one());
      await start(page);
      await page.evaluate(() => {
        // As browsers do it to hidden pages, and more so: xterm.js draws by timers.
        Object.defineProperty(document, "hidden", { value: true, configurable: true });
        const real = globalThis.setTimeout;
        globalThis.setTimeout = (then, ms = 0, ...rest) => real(then, ms + 60_000, ...rest);
        globalThis.printed = 0;
        vm.addEventListener("vm-output", ({ detail }) => { printed += detail.bytes.length; });
        return vm.send("flood 60000\r");
      });
      await until(page, () => printed > 1 << 20);
    });

    test("readonly types nothing; the screen reader's mode has the text", async (t) => {
      const { page } = await open(t, one("readonly screenreader"));
      await start(page);
      await page.evaluate(() => vm.focus());
      await page.keyboard.type("uname\n");
      await page.evaluate(() => vm.send("echo sent\r"));
      await shows(page, "sent");
      assert.doesNotMatch(await page.evaluate(() => vm.terminalText), /uname/);
      await until(page, () => /sent/.test(vm.shadowRoot.querySelector(".xterm-accessibility")?.textContent ?? ""));
    });

    test("the element works on a page of another origin", async (t) => {
      const library = await serve(dir, {}, { cors: true });
      t.after(() => library.close());
      const csp = (origin) => `default-src 'none'; script-src ${origin} ${library.origin} 'wasm-unsafe-eval'; connect-src ${library.origin}; style-src 'unsafe-inline'; worker-src blob:`;
      const { page } = await open(t, () => one(`src="${library.origin}/machines/test.json"`)(library.origin).replace('src="/machines/test.json" ', ""),
        { csp, expected: [/404|none\.js|NetworkError|module/] });
      assert.match(await page.evaluate(() => vm.shadowRoot.querySelector(".invite").textContent), /comes from 127\.0\.0\.1/);
      await start(page);
      await page.evaluate(async (lost) => {
        await vm.stop();
        vm.workerSrc = lost;
        vm.src = vm.src.replace("test", "second");
        await new Promise((resolve) => setTimeout(resolve, 100));
        await vm.start().catch(() => {});
      }, `${library.origin}/none.js`);
      await until(page, () => vm.error?.code === "not-found");
    });

    test("a single file from another origin needs no second request for its worker", async (t) => {
      const library = await serve(dir, {}, { cors: true });
      t.after(() => library.close());
      const csp = () => `default-src 'none'; script-src ${library.origin} 'wasm-unsafe-eval'; connect-src ${library.origin}; style-src 'unsafe-inline'; worker-src blob:`;
      const html = () => one()(library.origin).replace("virtarium.js", "virtarium.single.js").replace('src="/machines', `src="${library.origin}/machines`);
      const { page } = await open(t, html, { csp });
      await start(page);
    });

    test("a page that requires trusted types needs to name one policy", async (t) => {
      const library = await serve(dir, {}, { cors: true });
      t.after(() => library.close());
      const own = (names) => (origin) => `${policy(origin)}; require-trusted-types-for 'script'; trusted-types ${names}`;
      const foreign = (names) => (origin) => own(names)(origin).replaceAll(origin, `${origin} ${library.origin}`);
      const elsewhere = () => one()(library.origin).replace('src="/machines', `src="${library.origin}/machines`);
      for (const [html, csp] of [[one(), own], [elsewhere, foreign], [() => elsewhere().replace("virtarium.js", "virtarium.single.js"), foreign]]) {
        const { page } = await open(t, html, { csp: csp("virtarium") });
        await start(page);
        await page.evaluate(() => vm.send("echo trusted\r"));
        await shows(page, "trusted");
        const refused = await open(t, html, { csp: csp("another"), expected: [/trusted.?types|TrustedScriptURL|createPolicy|violates/i] });
        await press(refused.page, ".start");
        await until(refused.page, () => Boolean(vm.error));
        const error = await refused.page.evaluate(() => ({ code: vm.error.code, directive: vm.error.detail.directive,
          what: vm.shadowRoot.querySelector("[part=panel] .what").textContent }));
        assert.deepEqual([error.code, error.directive], ["csp", "trusted-types"], error.what);
        assert.match(error.what, /trusted-types must name virtarium/);
      }
    });

    test("trusted types that another script is refused are not the worker's trouble", async (t) => {
      const csp = (origin) => `${policy(origin)}; trusted-types virtarium`;
      const { page } = await open(t, one('worker-src="/none.js"'), { csp, expected: [/404|MIME|none\.js|NetworkError|trusted.?types|createPolicy/i] });
      await page.evaluate(() => {
        const again = setInterval(() => { try { trustedTypes.createPolicy("another", {}); } catch { /* refused, as it should be */ } }, 1);
        vm.addEventListener("vm-error", () => clearInterval(again));
        return vm.start().catch(() => {});
      });
      await until(page, () => Boolean(vm.error));
      assert.equal(await page.evaluate(() => vm.error.code), "not-found");
    });

    test("a policy without workers, and a worker that is not there, are told apart", async (t) => {
      const csp = (origin) => policy(origin).replace(/worker-src[^;]*/, "worker-src 'none'");
      const strict = await open(t, one(), { csp, expected: [/Content.Security.Policy|violates/i] });
      await strict.page.evaluate(() => vm.start().catch(() => {}));
      await until(strict.page, () => Boolean(vm.error));
      assert.equal(await strict.page.evaluate(() => vm.error.code), "csp");
      const lost = await open(t, one('worker-src="/none.js"'), { expected: [/404|MIME|none\.js|NetworkError/] });
      await lost.page.evaluate(() => vm.start().catch(() => {}));
      await until(lost.page, () => Boolean(vm.error));
      assert.equal(await lost.page.evaluate(() => vm.error.code), "not-found");
    });

    test("the page of a site lists its machines and takes the one that its address names", async (t) => {
      const { page } = await open(t, null, { path: "/?machine=second" });
      await until(page, () => document.getElementById("embed").textContent);
      assert.equal(await page.evaluate(() => document.querySelector("nav [aria-current]").textContent), "Second Linux");
      assert.match(await page.evaluate(() => document.getElementById("embed").textContent), /^<script type="module" src="http.*\/virtarium.js"><\/script>\n<virtarium-vm src="http.*\/machines\/second.json" persist="second-[0-9a-f]{8}"><\/virtarium-vm>$/);
      await start(page);
      assert.match(await page.evaluate(() => vm.persist), /^second-[0-9a-f]{8}$/);
    });

    for (const [name, size] of Object.entries(SIZES)) {
      for (const theme of ["dark", "light"]) {
        test(`axe finds nothing: ${name}, ${theme}`, async (t) => {
          const { page, shot } = await open(t, one(`theme="${theme}" keybar="on" persist="t"`), { size });
          const check = async (what) => {
            await shot(`${what}-${name}-${theme}`);
            await page.evaluate(AXE);
            const violations = await page.evaluate(async () => (await axe.run(document.getElementById("vm"))).violations
              .map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target.join(" ")} ${n.any[0]?.message ?? n.none[0]?.message ?? ""}`).join("; ")}`));
            assert.deepEqual(violations, [], what);
          };
          await check("poster");
          await start(page);
          await page.evaluate(() => vm.send("ls\r"));
          await shows(page, "notes.txt");
          await check("running");
          await press(page, "[aria-label=Menu]");
          await check("menu");
          await item(page, "Get a file");
          await check("dialog");
          await page.keyboard.press("Escape");
          await press(page, "[aria-label=Search]");
          await check("search");
          await page.evaluate(() => vm.send("disk quota\r"));
          await until(page, () => !vm.shadowRoot.querySelector(".banner").hidden);
          await check("banner");
          await page.evaluate(() => vm.send("crash\r"));
          await until(page, () => vm.state === "crashed");
          await check("panel");
          await page.evaluate(() => { vm.kernelAppend = "mock.hold=kernel"; vm.src = "/machines/second.json"; });
          await until(page, () => vm.state === "idle");
          await press(page, ".start");
          await until(page, () => /50 %/.test(vm.shadowRoot.querySelector(".loads").textContent));
          await check("progress");
        });
      }
      test(`axe finds nothing on the page of a site: ${name}`, async (t) => {
        const { page, shot } = await open(t, null, { path: "/", size });
        await until(page, () => document.getElementById("embed").textContent);
        await shot(`page-${name}`);
        await page.evaluate(AXE);
        assert.deepEqual(await page.evaluate(async () => (await axe.run()).violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" ")}`)), []);
      });
    }
  });
}

/** Pictures, where somebody wants to look: `VIRTARIUM_PICTURES=DIR`. */
async function shot(page, name) {
  const folder = process.env.VIRTARIUM_PICTURES;
  if (!folder) return;
  fs.mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: `${folder}/${name}.png` });
}
