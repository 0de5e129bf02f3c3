// What people see and type, where systems, screens and pages differ.

import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, describe, test } from "node:test";
import { build, found, launch, one, policy, serve, until } from "./lab.mjs";

let dir;

before(async () => { dir = await build(); });
after(() => dir && fs.rmSync(dir, { recursive: true }));

if (found.length === 0) test("looks in browsers", { skip: "no browser" }, () => {});

for (const which of found) {
  describe(which.name, { timeout: 900000 }, () => {
    let browser;
    before(async () => { browser = await launch(which); });
    after(() => browser?.close());

    /** A page for a test; what it complains about fails the test. `early` runs in it before its own scripts. */
    async function open(t, html, { size = { width: 1280, height: 800 }, path = "/page", early, inside = browser, ...how } = {}) {
      const site = await serve(dir, html ? { [path]: html } : {}, how);
      const page = await inside.newPage();
      const complaints = [];
      page.on("pageerror", (error) => complaints.push(error.message));
      page.on("console", (message) => { if (message.type() === "error") complaints.push(message.text()); });
      await page.setViewport(size);
      if (early) await page.evaluateOnNewDocument(early);
      await page.goto(site.origin + path);
      await page.evaluate(() => customElements.whenDefined("virtarium-vm").then(() => {}));
      t.after(async () => {
        await page.close();
        site.close();
        assert.deepEqual(complaints, []);
      });
      return { page, site, shot: (name) => shot(page, `${name}-${which.name}`) };
    }

    const press = (page, selector) => page.evaluate((s) => vm.shadowRoot.querySelector(s).click(), selector);
    const start = async (page) => {
      await press(page, ".start");
      await until(page, () => vm.state === "running");
    };
    const shows = (page, text) => until(page, (t) => vm.terminalText.includes(t), text);

    test("pasted text has no controls in it that a guest would take for the end of the pasting", async (t) => {
      const { page } = await open(t, one(), {
        early: () => { Object.defineProperty(navigator, "clipboard", { value: { readText: async () => "ls \x1b[201~rm\x9bx\x03\t|" } }); },
      });
      await start(page);
      await page.evaluate(() => {
        vm.send("raw \\e[?2004h\r");
      });
      // The mock shows an escape as ^[, a tabulator as ^I.
      const safe = "^[[200~ls [201~rmx^I|^[[201~";
      await until(page, (text) => {
        if (!vm.terminalText.includes("[200~")) {
          const data = "ls \x1b[201~rm\x9bx\x03\t|";
          const clipboardData = new DataTransfer();
          clipboardData.setData("text/plain", data);
          // Firefox takes the text by itself.
          vm.shadowRoot.querySelector("textarea").dispatchEvent(
            new ClipboardEvent("paste", { clipboardData, data, dataType: "text/plain", bubbles: true, cancelable: true, composed: true }));
        }
        return vm.terminalText.includes(text);
      }, safe);
      await page.evaluate(() => vm.send("echo next\r"));
      await page.evaluate(() => {
        vm.shadowRoot.querySelector("[aria-label=Menu]").click();
        [...vm.shadowRoot.querySelectorAll(".item")].find((button) => button.textContent.startsWith("Paste")).click();
      });
      await until(page, (text) => vm.terminalText.split(text).length === 3, safe);
    });

    test("a Mac's Option key types what the layout has on it, and is Meta where the user says so", async (t) => {
      const { page } = await open(t, one(), { early: () => Object.defineProperty(navigator, "platform", { value: "MacIntel" }) });
      await start(page);
      // As a German layout says Option+7.
      const typed = () => page.evaluate(() => {
        const area = vm.shadowRoot.querySelector("textarea");
        const how = { key: "|", code: "Digit7", altKey: true, bubbles: true, cancelable: true, composed: true };
        const down = area.dispatchEvent(new KeyboardEvent("keydown", { ...how, keyCode: 55 }));
        if (down) area.dispatchEvent(new KeyboardEvent("keypress", { ...how, charCode: 124, keyCode: 124 }));
      });
      await typed();
      await shows(page, "# |");
      const meta = () => page.evaluate(() => {
        vm.shadowRoot.querySelector("[aria-label=Menu]").click();
        const item = [...vm.shadowRoot.querySelectorAll(".item")].find((button) => button.textContent.startsWith("Option is Meta"));
        item.click();
        return item.getAttribute("aria-pressed");
      });
      assert.equal(await meta(), "false");
      await typed();
      await shows(page, "# |^[");
      assert.equal(await meta(), "true");
    });

    for (const theme of ["dark", "light"]) {
      test(`inverse text, and text on a coloured ground, can be read: ${theme}`, async (t) => {
        const { page, shot } = await open(t, one(`theme="${theme}"`));
        await start(page);
        await page.evaluate(() => vm.send(`raw \\e[7m^plain\\e[0m ${Array.from({ length: 8 }, (_, i) => `\\e[7;3${i}m^inv${i}\\e[0;4${i}m^bar${i}\\e[0;7;9${i}m^lit${i}`).join("")}\\e[0m\r`));
        await shows(page, "^lit7root");
        // The rows are drawn in a frame of their own.
        await until(page, () => [...vm.shadowRoot.querySelectorAll(".xterm-rows span")].some((span) => span.textContent === "^lit7"));
        await shot(`inverse-${theme}`);
        const got = await page.evaluate(() => {
          const light = (css) => {
            const [r, g, b] = css.match(/[\d.]+/g).map((n) => (n / 255 <= 0.04045 ? n / 255 / 12.92 : ((n / 255 + 0.055) / 1.055) ** 2.4));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          return [...vm.shadowRoot.querySelectorAll(".xterm-rows span")].filter((span) => /^\^\w+$/.test(span.textContent)).map((span) => {
            const { color, backgroundColor } = getComputedStyle(span);
            const [a, b] = [light(color), light(backgroundColor)].sort((x, y) => x - y);
            return { text: span.textContent.slice(1), ratio: (b + 0.05) / (a + 0.05) };
          });
        });
        assert.equal(got.length, 25, JSON.stringify(got));
        assert.deepEqual(got.filter(({ ratio }) => ratio < 4.5), []);
        const plain = got.find(({ text }) => text === "plain");
        assert.ok(plain.ratio > 12, `text and ground change places: ${plain.ratio}`);
      });
    }

    test("where the system says which colours there are, the terminal has them", async (t) => {
      // Firefox has a setting for it, Chromium a command.
      const forced = which.name === "firefox" ? await launch(which, { "browser.display.document_color_use": 2 }) : browser;
      if (forced !== browser) t.after(() => forced.close());
      const { page, shot } = await open(t, one('keybar="on"'), { inside: forced });
      if (which.name === "chrome") {
        await (await page.createCDPSession()).send("Emulation.setEmulatedMedia",
          { features: [{ name: "forced-colors", value: "active" }, { name: "prefers-color-scheme", value: "dark" }] });
      }
      assert.equal(await page.evaluate(() => matchMedia("(forced-colors: active)").matches), true);
      await start(page);
      await page.evaluate(() => vm.send("raw \\e[31mred\\e[0m \\e[7minverse\\e[0m find\r"));
      await shows(page, "red inverse find");
      await press(page, "[aria-label=Search]");
      await page.keyboard.type("find");
      await page.keyboard.press("Enter");
      await page.evaluate(() => vm.focus());
      await press(page, ".key[aria-label^=Ctrl]");
      await until(page, () => [...vm.shadowRoot.querySelectorAll(".xterm-rows span")].some((span) => span.textContent === "inverse"));
      await shot("forced");
      const got = await page.evaluate(() => {
        const probe = document.body.appendChild(document.createElement("i"));
        probe.style.forcedColorAdjust = "none";
        const system = (name) => {
          probe.style.color = name;
          return getComputedStyle(probe).color;
        };
        const part = (selector) => vm.shadowRoot.querySelector(selector);
        const span = (text) => getComputedStyle([...vm.shadowRoot.querySelectorAll(".xterm-rows span")].find((s) => s.textContent === text));
        const [canvas, text, highlight] = ["Canvas", "CanvasText", "Highlight"].map(system);
        const keys = [...vm.shadowRoot.querySelectorAll(".key")].map((key) => getComputedStyle(key));
        const ring = getComputedStyle(part(".terminal"), "::after");
        return {
          different: new Set([canvas, text, highlight]).size,
          text: getComputedStyle(part(".xterm-rows")).color === text,
          cursor: getComputedStyle(part(".xterm-cursor")).backgroundColor === text,
          inverse: span("inverse").backgroundColor === text && span("inverse").color === canvas,
          red: span("red").color !== text,
          // Mixed with the ground, where it is not opaque.
          selection: new Set([canvas, text, getComputedStyle(part(".xterm-selection div")).backgroundColor]).size === 3,
          ring: `${ring.outlineStyle} ${ring.outlineWidth}`,
          ctrl: keys.filter((key) => key.backgroundColor === highlight && key.textDecorationLine === "underline").length,
        };
      });
      assert.deepEqual(got, { different: 3, text: true, cursor: true, inverse: true, red: true, selection: true, ring: "solid 2px", ctrl: 1 });
    });

    test("the page of a site shows in forced colours too which machine it has", async (t) => {
      const forced = which.name === "firefox" ? await launch(which, { "browser.display.document_color_use": 2 }) : browser;
      if (forced !== browser) t.after(() => forced.close());
      const { page, shot } = await open(t, null, { path: "/", inside: forced });
      if (which.name === "chrome") {
        await (await page.createCDPSession()).send("Emulation.setEmulatedMedia", { features: [{ name: "forced-colors", value: "active" }] });
      }
      await until(page, () => document.querySelectorAll("nav a").length === 2);
      await shot("forced-page");
      const [current, other] = await page.evaluate(() => [...document.querySelectorAll("nav a")].map((link) => {
        const { backgroundColor, textDecorationLine } = getComputedStyle(link);
        return { backgroundColor, textDecorationLine };
      }));
      assert.notEqual(current.backgroundColor, other.backgroundColor);
      assert.deepEqual([current.textDecorationLine, other.textDecorationLine], ["underline", "none"]);
    });

    const menu = (page) => page.evaluate(() => {
      const { left, right, top, bottom } = vm.shadowRoot.querySelector(".menu").getBoundingClientRect();
      const button = vm.shadowRoot.querySelector("[aria-label=Menu]");
      return { open: !vm.shadowRoot.querySelector(".menu").hidden, said: button.getAttribute("aria-expanded"),
        seen: left >= 0 && top >= 0 && right <= document.documentElement.clientWidth && bottom <= innerHeight && right - left > 200,
        below: top >= button.getBoundingClientRect().bottom, at: Math.round(button.getBoundingClientRect().right - right) };
    });

    test("the menu stays when the window changes, as by a phone's keyboard, and is at its button", async (t) => {
      const { page } = await open(t, one(), { size: { width: 390, height: 480 } });
      await start(page);
      await press(page, "[aria-label=Menu]");
      assert.deepEqual(await menu(page), { open: true, said: "true", seen: true, below: true, at: 0 });
      await page.setViewport({ width: 500, height: 844 });
      await until(page, () => innerHeight === 844);
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve()))));
      assert.deepEqual(await menu(page), { open: true, said: "true", seen: true, below: true, at: 0 });
      await page.evaluate(() => {
        document.body.style.minHeight = "3000px";
        scrollTo(0, 60);
      });
      await until(page, () => scrollY === 60);
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve()))));
      assert.deepEqual(await menu(page), { open: true, said: "true", seen: true, below: true, at: 0 });
    });

    test("on a page from right to left the menu is in sight, and the element's words are in order", async (t) => {
      const html = (origin) => one('append="mock.fail=no-wasm"', "<p>שלום.</p>")(origin).replace("<html", '<html dir="rtl"');
      for (const width of [1280, 320]) {
        const { page, shot } = await open(t, html, { size: { width, height: 700 } });
        await press(page, "[aria-label=Menu]");
        // In a narrow window the menu is as wide as it.
        assert.deepEqual(await menu(page), { open: true, said: "true", seen: true, below: true, at: width < 400 ? -15 : 0 });
        await shot(`rtl-${width}`);
        await page.keyboard.press("Escape");
        const direction = (selector) => page.evaluate((s) => getComputedStyle(vm.querySelector(s) ?? vm.shadowRoot.querySelector(s)).direction, selector);
        assert.equal(await direction(".title"), "ltr");
        await page.evaluate(() => vm.start().catch(() => {}));
        await until(page, () => vm.querySelector("p").checkVisibility());
        assert.equal(await direction("p"), "rtl", "the author's own text");
      }
    });

    test("a menu that is open when its element moves is closed, and opens by one press", async (t) => {
      const { page } = await open(t, one("", "", '<div id="other"></div>'));
      await press(page, "[aria-label=Menu]");
      await page.evaluate(() => other.append(vm));
      const { open: shown, said } = await menu(page);
      assert.deepEqual([shown, said], [false, "false"]);
      await press(page, "[aria-label=Menu]");
      assert.deepEqual(await menu(page), { open: true, said: "true", seen: true, below: true, at: 0 });
    });

    test("an element that moves into a frame's document looks and works as before", async (t) => {
      const csp = (origin) => `${policy(origin)}; frame-src ${origin}`;
      const { page, site, shot } = await open(t, one("", "", '<iframe id="frame" title="frame" width="700" height="500"></iframe>'), { csp });
      site.pages["/frame"] = () => "<!doctype html><html lang=en><title>Frame</title><body></body></html>";
      await start(page);
      await page.evaluate(async () => {
        globalThis.machine = vm.vm;
        globalThis.element = vm;
        frame.src = "/frame";
        await new Promise((resolve) => { frame.onload = resolve; });
      });
      const look = () => page.evaluate(() => {
        const style = (selector) => getComputedStyle(element.shadowRoot.querySelector(selector));
        return [style(".toolbar").display, style(".toolbar").backgroundColor, style(".xterm-helper-textarea").opacity, style(".start").borderRadius];
      });
      const before = await look();
      const cols = await page.evaluate(() => element.shadowRoot.querySelector(".size").textContent);
      await page.evaluate(() => { frame.contentDocument.body.append(element); });
      assert.deepEqual(await look(), before);
      // The grid follows its new box.
      await until(page, (was) => element.shadowRoot.querySelector(".size").textContent !== was, cols);
      await page.evaluate(() => {
        element.shadowRoot.querySelector("[aria-label=Menu]").click();
        [...element.shadowRoot.querySelectorAll(".item")].find((button) => button.textContent.startsWith("Search")).click();
      });
      assert.equal(await page.evaluate(() => element.shadowRoot.querySelector(".search").hidden), false);
      await page.evaluate(() => element.send("echo in a frame\r"));
      await until(page, () => [...element.shadowRoot.querySelectorAll(".xterm-rows > div")].some((row) => row.textContent.startsWith("in a frame")));
      await shot("frame");
      await new Promise((resolve) => setTimeout(resolve, 1300));
      assert.equal(await page.evaluate(() => machine.state), "running");
      await page.evaluate(() => { document.body.append(element); });
      assert.deepEqual(await look(), before);
    });

    test("in full screen the browser's keys are the guest's, and only there", async (t) => {
      const { page } = await open(t, one("", "", '<virtarium-vm id="two" src="/machines/second.json"></virtarium-vm>'), {
        early: () => {
          globalThis.calls = [];
          const keyboard = { lock: async (keys) => { calls.push(keys.join()); }, unlock: () => calls.push("unlock") };
          Object.defineProperty(navigator, "keyboard", { value: keyboard });
        },
      });
      const button = await page.evaluateHandle(() => vm.shadowRoot.querySelector('[aria-label="Full screen"]'));
      await button.click();
      await until(page, () => vm.matches(":fullscreen") && calls.length > 0);
      assert.deepEqual(await page.evaluate(() => [...new Set(calls)]), ["Escape,KeyN,KeyT,KeyW"]);
      await button.click();
      await until(page, () => !document.fullscreenElement && calls.includes("unlock"));
      assert.equal(await page.evaluate(() => calls.filter((call) => call === "unlock").length), 1);
    });

    test("where elements have no full screen it fills the window, whatever its author says", async (t) => {
      const author = "virtarium-vm { display: inline-block; position: relative; block-size: 300px; inline-size: 50%; max-inline-size: 250px;"
        + " max-block-size: 310px; min-block-size: 200px; margin: 20px; padding: 5px; border: 3px solid red; transform: translateX(9px); }</style>";
      const html = (origin) => one('rows="10"')(origin).replace("</style>", author);
      const { page, shot } = await open(t, html, {
        size: { width: 390, height: 844 }, early: () => { Element.prototype.requestFullscreen = undefined; },
      });
      await start(page);
      await press(page, '[aria-label="Full screen"]');
      await until(page, () => Boolean(vm.shadowRoot.querySelector('[aria-label="Leave full screen"]')));
      const box = (selector) => page.evaluate((s) => {
        const { left, top, width, height } = (s ? vm.shadowRoot.querySelector(s) : vm).getBoundingClientRect();
        return [left, top, width, height];
      }, selector);
      assert.deepEqual(await box(), [0, 0, 390, 844]);
      assert.deepEqual(await box(".root"), [0, 0, 390, 844]);
      await shot("maximised");
      await press(page, '[aria-label="Leave full screen"]');
      assert.ok((await box())[3] < 400);
    });

    test("a number of rows that is none leaves the element its height", async (t) => {
      const { page } = await open(t, one("", "", '<virtarium-vm id="two" src="/machines/second.json" rows="0"></virtarium-vm>'));
      const heights = () => page.evaluate(() => [vm, vm.shadowRoot.querySelector(".root"), vm.shadowRoot.querySelector(".screen")].map((box) => Math.round(box.getBoundingClientRect().height)));
      const whole = await heights();
      assert.ok(whole[0] > 500 && whole[1] === whole[0] && whole[2] > 400, String(whole));
      assert.deepEqual(await page.evaluate(() => two.getBoundingClientRect().height), whole[0]);
      for (const rows of ["0", "600", "auto", ""]) {
        await page.evaluate((n) => vm.setAttribute("rows", n), rows);
        assert.deepEqual(await heights(), whole, rows);
      }
      await page.evaluate(() => { vm.rows = 10; });
      assert.ok((await heights())[0] < 300, "and a count counts");
      await start(page);
      await until(page, () => vm.shadowRoot.querySelector(".size").textContent.endsWith("×10"));
      assert.ok((await heights())[0] < 300);
      await page.evaluate(() => vm.setAttribute("rows", "none"));
      assert.deepEqual(await heights(), whole);
    });

    test("the page of a site keeps to its policy from the beginning", async (t) => {
      const { page } = await open(t, null, {
        path: "/", early: () => {
          globalThis.broken = [];
          document.addEventListener("securitypolicyviolation", (event) => broken.push(`${event.violatedDirective} ${event.blockedURI}`));
        },
      });
      await until(page, () => document.getElementById("embed").textContent !== "" && document.readyState === "complete");
      // A browser asks for an icon a little later.
      await new Promise((resolve) => setTimeout(resolve, 500));
      assert.deepEqual(await page.evaluate(() => broken), []);
    });

    test("two sites of one origin keep their machines' disks apart", async (t) => {
      for (const user of ["~alice", "~bob"]) {
        fs.symlinkSync(dir, `${dir}/${user}`);
        t.after(() => fs.rmSync(`${dir}/${user}`));
      }
      const { page } = await open(t, null, { path: "/~alice/index.html" });
      const name = async (path) => {
        await page.goto(new URL(path, page.url()).href);
        await until(page, () => Boolean(vm.persist));
        return page.evaluate(() => vm.persist);
      };
      const alice = await name("/~alice/index.html");
      const bob = await name("/~bob/index.html");
      for (const one of [alice, bob]) assert.match(one, /^test-[0-9a-f]{8}$/);
      assert.notEqual(alice, bob);
      assert.equal(await name("/~alice/index.html?machine=test#here"), alice);
      assert.notEqual(await name("/~alice/index.html?machine=second"), alice);
    });

    test("the page of a site says before the start whether files stay, and embeds a disk with its name", async (t) => {
      const file = `${dir}/machines/index.json`;
      const list = fs.readFileSync(file, "utf8");
      t.after(() => fs.writeFileSync(file, list));
      for (const [disks, seen] of [[true, "storage"], [false, "memory-only"], [undefined, ""]]) {
        fs.writeFileSync(file, JSON.stringify([{ name: "test", title: "Test Linux", url: "test.json", disks }]));
        const { page, shot } = await open(t, null, { path: "/" });
        await until(page, () => document.getElementById("embed").textContent !== "");
        const said = () => page.evaluate(() => [...document.querySelectorAll("#files p")].filter((p) => p.checkVisibility()).map((p) => p.id).join());
        assert.equal(await said(), seen);
        assert.equal(await page.evaluate(() => document.querySelector("#files h2").checkVisibility()), disks !== undefined);
        const embed = await page.evaluate(() => document.getElementById("embed").textContent.match(/ persist="(.*)"/)?.[1]);
        assert.equal(embed, disks === false ? undefined : await page.evaluate(() => vm.persist));
        await shot(`page-disks-${disks}`);
        await start(page);
        assert.equal(await said(), "storage", "what the machine has counts");
      }
    });

    // Some browsers lay the keyboard over the page, others make the window smaller.
    for (const [name, size, height, over] of [
      ["over the page", { width: 390, height: 844 }, 480, true], ["in a smaller window", { width: 390, height: 844 }, 480, false],
      ["over the page, lying", { width: 844, height: 390 }, 170, true], ["in a smaller window, lying", { width: 844, height: 390 }, 170, false],
    ]) {
      test(`a phone's keyboard leaves the cursor's row in sight: ${name}`, async (t) => {
        const { page, shot } = await open(t, null, {
          path: "/", size, early: () => {
            const { matchMedia } = globalThis;
            globalThis.matchMedia = (query) => query === "(pointer: coarse)" ? Object.assign(new EventTarget(), { matches: true }) : matchMedia(query);
          },
        });
        if (over) {
          await page.evaluate(() => {
            globalThis.laid = Object.assign(new EventTarget(), { height: innerHeight, scale: 1 });
            Object.defineProperty(globalThis, "visualViewport", { value: laid });
            // The element looks at it when it comes into the page.
            const node = vm;
            const home = node.parentNode;
            node.remove();
            return new Promise((resolve) => setTimeout(() => resolve(home.insertBefore(node, home.children[2])), 1200)).then(() => {});
          });
        }
        await until(page, () => Boolean(vm.src));
        await start(page);
        await page.evaluate(() => vm.send("flood 100\r"));
        await shows(page, "line 99");
        await page.evaluate(() => vm.focus());
        if (over) await page.evaluate((h) => { laid.height = h; laid.dispatchEvent(new Event("resize")); }, height);
        else await page.setViewport({ ...size, height });
        const seen = (h) => {
          const box = (part) => vm.shadowRoot.querySelector(part)?.getBoundingClientRect() ?? { top: -1, bottom: Infinity };
          const [cursor, keys] = [box(".xterm-cursor"), box(".keys")];
          return cursor.top >= 0 && cursor.bottom <= keys.top && keys.bottom <= h && keys.bottom > keys.top;
        };
        await until(page, seen, height);
        await shot(`keyboard-${name.replaceAll(/\W+/g, "-")}`);
        assert.equal(await page.evaluate(() => vm.shadowRoot.querySelector(".toolbar").checkVisibility()), height > 320);
        if (over) await page.evaluate((h) => { laid.height = h; laid.dispatchEvent(new Event("resize")); }, size.height);
        else await page.setViewport(size);
        await until(page, () => vm.shadowRoot.querySelector(".root").style.getPropertyValue("--_visible") === "");
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
