/** @import { Phase } from "./session.js" */
/** @import { View } from "./view.js" */
import { VmError } from "../vm/errors.js";
import { Actions } from "./actions.js";
import { ATTRIBUTES, defineProperties, upgradeProperties } from "./attributes.js";
import { Banner } from "./banner.js";
import { breathe, h, relabel } from "./dom.js";
import { DISK_TROUBLE } from "./failures.js";
import { Files, acceptDrops } from "./files.js";
import { buildKeyBar } from "./keybar.js";
import { Loads } from "./loads.js";
import { Menu } from "./menu.js";
import { menuSections } from "./menu-items.js";
import { showFailure } from "./panel.js";
import { buildSearchBar } from "./searchbar.js";
import { Session, quietly } from "./session.js";
import { Status, WORDS } from "./status.js";
import { TerminalView } from "./terminal.js";
import { plain } from "./text.js";
import { terminalTheme } from "./theme.js";
import { adoptStyles, buildView } from "./view.js";
import { followViewport, holdKeys, isFullscreen, toggleFullscreen } from "./viewport.js";

/** How long a node may be out of the page before its machine ends: frameworks move nodes. */
const GRACE_MS = 1000;
/** A row's height before there is a terminal to measure. */
const ROW_GUESS = 19;
/** Of `.terminal` in style.css, above and below. */
const SCREEN_PADDING = 16;

const FORCED_COLORS = "(forced-colors: active)";

const FLAGS = ["idle", "loading", "booting", "running", "paused", "off", "crashed", "failed"];

// The accessors that `defineProperties` makes.
/**
 * @typedef {object} Accessors
 * @property {string} src
 * @property {string} memory
 * @property {string} cpus
 * @property {string} kernelAppend
 * @property {string} persist
 * @property {string} label
 * @property {string} workerSrc
 * @property {string} wasmSrc
 * @property {boolean} autostart
 * @property {boolean} screenreader
 * @property {boolean} readonly
 * @property {boolean} multiple
 * @property {number} cols
 * @property {number} rows
 * @property {"auto"|"dark"|"light"} theme
 * @property {"full"|"none"} controls
 * @property {"auto"|"on"|"off"} keybar
 * @property {"lazy"|"eager"} loading
 */

/** Where a server makes the page there are no elements: the module loads, and none can be made. */
const Base = globalThis.HTMLElement ?? /** @type {typeof HTMLElement} */ (/** @type {unknown} */ (class {
  constructor() { throw new VmError("unsupported", "<virtarium-vm> is an element of a page, and there is no page here"); }
}));

/** `<virtarium-vm>`: a machine with its terminal. */
export class VirtariumVm extends Base {
  static observedAttributes = Object.values(ATTRIBUTES).map((row) => row.attribute);

  #internals = this.attachInternals();
  /** @type {View} */
  #view;
  /** @type {TerminalView|undefined} */
  #terminal;
  #session;
  #status;
  #banner;
  #loads;
  #files;
  #menu;
  #search;
  #actions;
  /** @type {object|undefined} */
  #machine;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #grace;
  /** @type {(() => void)[]} */
  #undo = [];
  /** Waits until the element comes into view. @type {IntersectionObserver|undefined} */
  #seen;
  #opening = false;
  /** Who pressed Start wants to type next. */
  #wantsFocus = false;

  constructor() {
    super();
    const shadow = this.attachShadow({ mode: "open" });
    const view = buildView(shadow, (tool) => this.#press(tool));
    this.#view = view;
    this.#session = new Session(() => this.#vmOptions(), () => !this.#own.multiple, {
      phase: (phase) => this.#onPhase(phase),
      progress: (event) => {
        this.#status.loads = this.#loads.show(event);
        this.#status.show();
        this.#fire("vm-progress", event);
      },
      output: (console, bytes) => this.#onOutput(console, bytes),
      disk: (event) => this.#onDisk(event),
      activity: () => this.#status.flash(),
      error: (error) => this.#onError(error),
      exit: (code) => this.#fire("vm-exit", { code }),
      ready: () => this.#fire("vm-ready", { vm: this.vm }),
      created: (vm) => {
        this.#status.title = vm.machine.title;
        // What is not on the screen yet holds the guest back.
        vm.console.attach((bytes) => this.#terminal?.write(bytes));
        if (this.#terminal) void vm.resize(this.#terminal.cols, this.#terminal.rows).catch(() => {});
      },
    });
    this.#status = new Status(view, this.#session, this.#own);
    const say = (/** @type {string} */ words) => this.#say(words);
    this.#banner = new Banner(view.banner, say, () => this.focus());
    this.#loads = new Loads(view.loads, say);
    this.#files = new Files(view.dialog, this.#banner, () => this.vm);
    this.#search = buildSearchBar(view.search, () => this.#terminal);
    this.#actions = new Actions({
      session: this.#session, terminal: () => this.#terminal, dialog: view.dialog, banner: this.#banner,
      search: () => this.#search.open(), start: (how) => this.#begin(how),
      facts: () => ({ machine: this.#status.title, src: this.#own.src, browser: navigator.userAgent }),
    });
    this.#menu = new Menu(view.menu, view.tools.menu, () => menuSections(this, {
      session: this.#session, terminal: this.#terminal, files: this.#files, actions: this.#actions,
    }));
    buildKeyBar(view.keys, () => this.#terminal, this.#actions);
    acceptDrops(view.screen, view.drop, this.#files);
    view.loading.querySelector(".row")?.append(this.#button("Cancel", () => this.#session.cancel()));
    // Invoker commands: <button commandfor="vm" command="--send" value="ls">.
    this.addEventListener("command", (event) => this.#command(/** @type {any} */ (event)));
  }

  /** This, with the accessors that are made from the table. @returns {this & Accessors} */
  get #own() { return /** @type {any} */ (this); }

  /** The machine; undefined before it is loaded. */
  get vm() { return this.#session.vm; }
  /** @returns {Phase} */
  get state() { return this.#session.phase; }
  /** Why it failed. */
  get error() { return this.#session.error; }

  /** A machine as an object, instead of `src`. @returns {object|undefined} */
  get machine() { return this.#machine; }
  set machine(machine) {
    if (!machine && !this.#machine) return;
    this.#machine = machine ?? undefined;
    this.#rebuild();
  }

  /**
   * Loads the machine if need be, and runs it. Rejects if it does not come to that, with `aborted`
   * where it was broken off, paused or replaced meanwhile.
   */
  async start() { await this.#start(); }

  pause() { return this.#session.pause(); }
  reset() { return this.#session.reset(); }
  stop() { return this.#session.stop(); }

  /** Asks the guest to switch itself off, or the user. */
  powerOff() { return this.#actions.powerOff(); }

  /** @param {string|Uint8Array} text */
  async send(text) { return this.#need().send(text); }
  /** @type {import("../vm/vm.js").Vm["expect"]} */
  async expect(...args) { return this.#need().expect(...args); }
  /** @type {import("../vm/vm.js").Vm["run"]} */
  async run(...args) { return this.#need().run(...args); }
  /** @type {import("../vm/vm.js").Vm["upload"]} */
  async upload(...args) { return this.#need().upload(...args); }
  /** @type {import("../vm/vm.js").Vm["download"]} */
  async download(...args) { return this.#need().download(...args); }

  /** The text of the terminal with what has scrolled out of it. */
  get terminalText() { return this.#terminal?.text() ?? ""; }

  /** @override */
  focus() {
    const { panel, loading, poster, start } = this.#view;
    const cover = [panel, loading].find((box) => !box.hidden);
    if (cover) cover.querySelector("button")?.focus();
    else if (!poster.hidden) start.focus();
    else this.#terminal?.focus();
  }

  connectedCallback() {
    clearTimeout(this.#grace);
    // It was moved, perhaps while the terminal was on its way, or started outside of a page.
    if (this.#session.phase !== "idle") void this.#openTerminal();
    if (this.#undo.length > 0) return;
    upgradeProperties(this, ["machine"]);
    // What the author says comes first.
    this.#internals.role = "group";
    this.#listen();
    this.#look();
    this.#showPhase(this.#session.phase);
    this.#whenVisible();
  }

  disconnectedCallback() {
    clearTimeout(this.#grace);
    // A popover that leaves the page is gone.
    this.#menu.close(false);
    this.#grace = setTimeout(() => {
      for (const undo of this.#undo.splice(0)) undo();
      this.#status.end();
      void this.#session.discard();
      this.#terminal?.dispose();
      this.#terminal = undefined;
    }, GRACE_MS);
  }

  // A move by moveBefore() keeps everything.
  connectedMoveCallback() {}

  /** Into a frame's document, or a window of its own. */
  adoptedCallback() {
    if (this.shadowRoot) adoptStyles(this.shadowRoot, this.#own.rows > 0);
    this.#terminal?.moved();
    if (this.#undo.length === 0) return;
    for (const undo of this.#undo.splice(0)) undo();
    this.#listen();
    if (this.#own.loading === "eager" || this.#own.autostart) this.#whenVisible();
    this.#look();
  }

  /**
   * @param {string} name
   * @param {string|null} before
   * @param {string|null} after
   */
  attributeChangedCallback(name, before, after) {
    // Of `src` and `machine` the one that was set last counts.
    const instead = name === "src" && after !== null && this.#machine !== undefined;
    if (instead) this.#machine = undefined;
    if (before === after && !instead) return;
    // An address that did not count is taken away.
    if (name === "src" && after === null && this.#machine !== undefined) return;
    if (name === "src") this.#rebuild();
    else if (this.#undo.length === 0) return;
    else if (name === "autostart" || name === "loading") this.#whenVisible();
    else this.#look();
  }

  /** Another machine: the old one ends. */
  #rebuild() {
    this.#status.clear();
    this.#terminal?.clear();
    void this.#session.discard();
    this.#whenVisible();
  }

  #vmOptions() {
    const own = this.#own;
    if (!own.src && !this.#machine) throw new VmError("bad-machine", "the element has no src");
    return {
      machine: this.#machine ?? own.src, memory: own.memory, cpus: own.cpus, append: own.kernelAppend,
      persist: own.persist || null, workerUrl: own.workerSrc || undefined, wasmUrl: own.wasmSrc || undefined,
      cols: this.#terminal?.cols, rows: this.#terminal?.rows,
    };
  }

  /** @param {{steal?: boolean, discard?: string[]}} [how] */
  async #start(how) {
    void this.#openTerminal();
    await this.#session.start(how);
  }

  /** As {@link #start}, for a user, who wants to type next. @param {{steal?: boolean, discard?: string[]}} [how] */
  #begin(how) {
    this.#wantsFocus = true;
    // Where it was broken off there is a poster again.
    return quietly(this.#start(how)).then(() => this.#refocus());
  }

  #need() {
    if (this.vm) return this.vm;
    throw new VmError("unsupported", "the machine has not been started");
  }

  /** A question to the system, in the window that the element is in. @param {string} query */
  #media(query) { return (this.ownerDocument.defaultView ?? window).matchMedia(query); }

  #listen() {
    const { ownerDocument } = this;
    const dark = this.#media("(prefers-color-scheme: dark)");
    const coarse = this.#media("(pointer: coarse)");
    const forced = this.#media(FORCED_COLORS);
    const look = () => this.#look();
    const full = () => this.#onFullscreen();
    dark.addEventListener("change", look);
    coarse.addEventListener("change", look);
    forced.addEventListener("change", look);
    ownerDocument.addEventListener("fullscreenchange", full);
    // The colours of the terminal are read from the style, which tells nobody that it has changed.
    const restyled = new MutationObserver(look);
    restyled.observe(this, { attributes: true, attributeFilter: ["style", "class"] });
    this.#undo = [
      () => restyled.disconnect(),
      () => dark.removeEventListener("change", look), () => coarse.removeEventListener("change", look),
      () => forced.removeEventListener("change", look),
      () => ownerDocument.removeEventListener("fullscreenchange", full), () => this.#seen?.disconnect(),
      followViewport(this, this.#view.root, () => coarse.matches && this.shadowRoot?.activeElement !== null),
    ];
  }

  /** Begins by itself when it comes into view, as its attributes have it now. */
  #whenVisible() {
    this.#seen?.disconnect();
    this.#seen = undefined;
    if (this.#undo.length === 0) return;
    if (!this.#own.autostart && this.#own.loading !== "eager") return;
    const go = () => {
      const { phase } = this.#session;
      if (!this.isConnected) return;
      if (this.#own.autostart) {
        if (phase === "idle" || phase === "loading" || phase === "created") void quietly(this.start());
      } else if (phase === "idle") {
        void this.#openTerminal();
        void quietly(this.#session.load());
      }
    };
    const seen = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      seen.disconnect();
      go();
    }, { rootMargin: "200px" });
    seen.observe(this);
    this.#seen = seen;
  }

  /** In steps: no task on the page's thread may be longer than 50 ms, on a slow device too. */
  async #openTerminal() {
    if (this.#terminal?.opened || this.#opening) return;
    this.#opening = true;
    await breathe();
    const terminal = this.#terminal ??= this.#newTerminal();
    await breathe();
    this.#opening = false;
    // Outside of a page it has what the guest prints, and is opened when it comes into one.
    if (this.#terminal !== terminal || !this.isConnected) return;
    terminal.open();
    // What it has from the beginning it does not tell.
    this.#showSize(terminal.cols, terminal.rows);
    await breathe();
    if (this.#terminal === terminal) this.#look();
  }

  /** @param {number} cols @param {number} rows */
  #showSize(cols, rows) { this.#view.size.textContent = `${cols}×${rows}`; }

  #newTerminal() {
    return new TerminalView(this.#view.terminal, {
      data: (data) => { if (!this.#own.readonly) void this.vm?.send(data).catch(() => {}); },
      resize: (cols, rows) => {
        this.#showSize(cols, rows);
        void this.vm?.resize(cols, rows).catch(() => {});
      },
      title: (title) => {
        this.#status.guestTitle = plain(title);
        this.#status.show();
      },
      link: (address, hidden) => void this.#actions.openLink(address, hidden && this.#media("(pointer: coarse)").matches),
      // With the longest name that a host can have.
      hover: (address = "") => { this.#view.where.textContent = plain(address, 300); },
      height: (pixels) => this.#setHeight(pixels),
    });
  }

  /** Everything that follows from attributes and from the user's settings of the system. */
  #look() {
    const own = this.#own;
    const view = this.#view;
    const theme = own.theme === "auto" ? (this.#media("(prefers-color-scheme: dark)").matches ? "dark" : "light") : own.theme;
    view.root.dataset.theme = theme;
    view.toolbar.hidden = own.controls === "none";
    view.status.hidden = own.controls === "none";
    view.tools.search.disabled = !this.#terminal;
    view.keys.hidden = own.keybar === "off" || own.readonly || this.#session.phase === "idle"
      || (own.keybar === "auto" && !this.#media("(pointer: coarse)").matches);
    this.#internals.ariaLabel = own.label || this.#status.title || "Virtual machine";
    this.#terminal?.look({
      theme: terminalTheme(view.root, theme, this.#media(FORCED_COLORS).matches),
      font: getComputedStyle(view.root).getPropertyValue("--_font").trim(),
      screenReader: own.screenreader, readonly: own.readonly,
    });
    this.#terminal?.fix({ cols: own.cols || undefined, rows: own.rows || undefined });
    if (this.shadowRoot) adoptStyles(this.shadowRoot, own.rows > 0);
    if (!own.rows) view.screen.style.blockSize = "";
    else if (!this.#terminal) this.#setHeight(own.rows * ROW_GUESS);
    this.#status.show();
  }

  /** The element is as high as its rows. @param {number} pixels */
  #setHeight(pixels) {
    this.#view.screen.style.blockSize = `${pixels + SCREEN_PADDING}px`;
  }

  /** @param {Phase} phase */
  #onPhase(phase) {
    if (phase === "loading") this.#loads.clear();
    if (phase === "booting") this.#terminal?.fresh();
    this.#status.phase(phase);
    this.#showPhase(phase);
  }

  /** @param {Phase} phase */
  #showPhase(phase) {
    const view = this.#view;
    view.root.dataset.phase = phase;
    for (const flag of FLAGS) {
      // Older Chromium wants `--name`; without states the element works as well.
      try {
        if (flag === phase) this.#internals.states.add(flag);
        else this.#internals.states.delete(flag);
      } catch { /* no such state there */ }
    }
    view.poster.hidden = phase !== "idle" && phase !== "created";
    view.loading.hidden = phase !== "loading";
    view.bootBar.hidden = phase !== "booting";
    if (phase !== "failed" && phase !== "crashed") view.panel.hidden = true;
    const going = phase === "booting" || phase === "running";
    relabel(view.tools.run, going ? "pause" : "play", going ? "Pause" : phase === "paused" ? "Continue" : "Start");
    view.tools.run.disabled = phase === "loading";
    view.tools.reset.disabled = !going && phase !== "paused";
    view.tools.power.disabled = !going && phase !== "paused";
    view.terminal.inert = !view.poster.hidden || !view.loading.hidden || !view.panel.hidden;
    if (["idle", "off", "failed", "crashed"].includes(phase)) this.#banner.clear();
    const code = this.vm?.exitCode;
    this.#banner.set("state", phase === "paused" ? { words: "Paused.", buttons: [{ label: "Continue", press: () => void this.#begin(), main: true }] }
      : phase === "off" ? { words: code ? `The machine is off; the guest ended with ${code}.` : "The machine is off.",
        buttons: [{ label: "Start again", press: () => void this.#begin(), main: true }] } : undefined);
    if (phase !== "paused" && phase !== "off") this.#say(WORDS[phase]);
    this.#look();
    if (going) this.#refocus();
    this.#fire("vm-state", { state: phase });
  }

  /**
   * The button that somebody has pressed has gone: its focus goes to what is there now. Not if the
   * reader has gone on to something else meanwhile.
   */
  #refocus() {
    if (!this.#wantsFocus) return;
    this.#wantsFocus = false;
    const { activeElement: at, body } = this.ownerDocument;
    if (!at || at === body || at === this || this.shadowRoot?.activeElement) this.focus();
  }

  /**
   * @param {number} console
   * @param {Uint8Array} bytes
   */
  #onOutput(console, bytes) {
    if (console === 0 && this.#session.phase === "booting") this.#status.output(bytes);
    this.#fire("vm-output", { console, bytes });
  }

  /** @param {import("../protocol.js").DiskEvent} event */
  #onDisk(event) {
    const { name, code, recovered } = event;
    const key = `${code} ${name}`;
    // A disk that another machine has taken ends this one: the session says so.
    if (code && code !== "locked") {
      this.#banner.trouble(key, recovered ? undefined : {
        words: `${name}: ${DISK_TROUBLE[code] ?? code}`,
        buttons: [
          ...(code === "offline" ? [] : [{ label: "Export", press: () => void this.#actions.exportDisk(name) }]),
          { label: "Close", press: () => this.#banner.trouble(key, undefined) },
        ],
      });
    }
    this.#status.show();
    this.#fire("vm-disk", event);
  }

  /** @param {VmError} error */
  #onError(error) {
    this.#showFailure(error);
    this.#fire("vm-error", { code: error.code, message: error.message, detail: error.detail, error });
  }

  /** @param {VmError} error */
  #showFailure(error) {
    const canExport = Boolean(this.vm && this.vm.state !== "crashed" && this.vm.disks.length > 0);
    showFailure(this.#view.panel, error, (action, button) => void this.#actions.mend(error, action, button), this.#view, canExport);
    const typing = this.#view.terminal.contains(this.shadowRoot?.activeElement ?? null);
    this.#view.terminal.inert = true;
    this.#wantsFocus ||= typing;
    this.#refocus();
  }

  /** @param {import("./view.js").ToolName} tool */
  #press(tool) {
    const { phase } = this.#session;
    switch (tool) {
      case "run": return void (phase === "booting" || phase === "running" ? quietly(this.pause()) : this.#begin());
      case "start": return void this.#begin();
      case "reset": return void this.#actions.reset();
      case "power": return void quietly(this.#actions.powerOff());
      case "search": return this.#search.open();
      case "fullscreen": return void toggleFullscreen(this).then(() => this.#onFullscreen());
      case "menu": return this.#menu.toggle();
    }
  }

  #onFullscreen() {
    const full = isFullscreen(this);
    holdKeys(this);
    relabel(this.#view.tools.fullscreen, full ? "shrink" : "expand", full ? "Leave full screen" : "Full screen");
    this.#terminal?.fit();
  }

  /** @param {{command: string, source?: HTMLButtonElement}} event */
  #command({ command, source }) {
    const text = (source?.value ?? "").replaceAll("\n", "\r");
    switch (command) {
      case "--start": return void quietly(this.start());
      case "--pause": return void quietly(this.pause());
      case "--reset": return void quietly(this.reset());
      case "--stop": return void quietly(this.stop());
      case "--power-off": return void quietly(this.powerOff());
      case "--send": return void quietly(this.send(`${text}\r`));
      case "--type": return void quietly(this.send(text));
    }
  }

  /**
   * @param {string} label
   * @param {() => void} press
   */
  #button(label, press) {
    return h("button", { type: "button", class: "push", part: "button", onclick: press }, label);
  }

  /** @param {string} words */
  #say(words) {
    this.#view.live.textContent = words;
  }

  /**
   * @param {string} type
   * @param {unknown} detail
   */
  #fire(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }
}

defineProperties(VirtariumVm);
