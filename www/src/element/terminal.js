import { Terminal } from "@xterm/xterm";
import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { CONTRAST, mendContrast } from "./contrast.js";
import { pasteable, webAddress } from "./text.js";
import { scrollByTouch } from "./touch.js";

const SCROLLBACK = 5000;
const FONT_SIZE = 14;
const FONT_LEAST = 7;
/** In a box narrower than this letters are smaller from the start: fifty columns on a phone. */
const NARROW = 480;
const FONT_NARROW = 12;
/**
 * Bytes that a page out of sight may be behind with drawing before the guest waits: xterm.js gives
 * up at 50 MB, and this much is drawn in a second or two when the page is looked at again.
 */
const HIDDEN_BACKLOG = 16 << 20;
/** Out of the alternate screen, soft reset (DECSTR), no mouse, no bracketed paste, a new line. */
const FRESH = "\x1b[?1049l\x1b[!p\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?2004l\r\n";

/**
 * @typedef {object} TerminalEvents
 * @property {(data: string|Uint8Array) => void} data       what the user typed
 * @property {(cols: number, rows: number) => void} resize
 * @property {(title: string) => void} title                as the guest says it: not yet plain
 * @property {(address: string|undefined) => void} hover    the address under the pointer
 * @property {(address: string, hidden: boolean) => void} link  is to be opened; `hidden`: the text of
 *   the link may say another one
 * @property {(pixels: number) => void} height      what a fixed number of rows needs
 */

/** xterm.js with what this element makes of it. */
export class TerminalView {
  #term;
  #fit = new FitAddon();
  #search = new SearchAddon();
  #box;
  #on;
  /** The last key was Escape: Tab now leaves the terminal (WCAG 2.1.2). */
  #escaped = false;
  #frame = 0;
  #observer = new ResizeObserver(() => this.fit());
  /** The box stays when this ends, and may have another then. */
  #end = new AbortController();
  /** @type {{cols?: number, rows?: number}} */
  #fixed = {};
  #fontSize = FONT_SIZE;
  /** Bytes that are written and not drawn. */
  #behind = 0;
  /** The next character is typed with Ctrl. */
  ctrl = false;
  /** Called when `ctrl` has been used up. @type {() => void} */
  onCtrlUsed = () => {};

  /**
   * @param {HTMLElement} box
   * @param {TerminalEvents} on
   */
  constructor(box, on) {
    this.#box = box;
    this.#on = on;
    const open = (/** @type {string} */ text, /** @type {boolean} */ hidden) => {
      const address = webAddress(text);
      if (address) on.link(address, hidden);
    };
    this.#term = new Terminal({
      allowProposedApi: true,
      // A cursor that blinks is an animation that never ends: 7 % of a core in Chromium.
      cursorBlink: false,
      scrollback: SCROLLBACK, fontSize: this.#fontSize, lineHeight: 1.15, minimumContrastRatio: CONTRAST,
      rightClickSelectsWord: false,
      // OSC 8: what the text says and where it leads may differ, so the address is shown.
      linkHandler: { activate: (_event, text) => open(text, true), hover: (_event, text) => on.hover(webAddress(text)), leave: () => on.hover(undefined), allowNonHttpProtocols: false },
    });
    this.#term.loadAddon(this.#fit);
    this.#term.loadAddon(this.#search);
    this.#term.loadAddon(new WebLinksAddon((_event, text) => open(text, false), {
      hover: (_event, text) => on.hover(webAddress(text)), leave: () => on.hover(undefined),
    }));
    this.#term.attachCustomKeyEventHandler((event) => this.#key(event));
    this.#term.onData((data) => this.#typed(data));
    this.#term.onBinary((data) => on.data(Uint8Array.from(data, (c) => c.charCodeAt(0) & 255)));
    this.#term.onResize(({ cols, rows }) => on.resize(cols, rows));
    this.#term.onTitleChange((title) => on.title(title));
  }

  /** Puts it into its box; a task of its own, because the first time takes a while. */
  open() {
    const box = this.#box;
    if (box.clientWidth > 0 && box.clientWidth < NARROW) this.setFontSize(FONT_NARROW);
    this.#term.open(box);
    mendContrast(this.#term);
    const { signal } = this.#end;
    // Before xterm.js, which hands controls on.
    box.addEventListener("paste", (event) => {
      event.preventDefault();
      event.stopPropagation();
      this.paste(event.clipboardData?.getData("text/plain") ?? "");
    }, { capture: true, signal });
    const area = this.#term.textarea;
    if (area) {
      area.setAttribute("aria-label", "Terminal");
      area.setAttribute("aria-description", "Press Escape and then Tab to leave the terminal.");
      area.addEventListener("blur", () => { this.#escaped = false; });
    }
    scrollByTouch(box, {
      lineHeight: () => (box.querySelector(".xterm-screen")?.getBoundingClientRect().height ?? 0) / this.#term.rows,
      scroll: (lines) => {
        const before = this.#term.buffer.active.viewportY;
        this.#term.scrollLines(lines);
        return this.#term.buffer.active.viewportY !== before;
      },
    }, signal);
    this.#observer.observe(box);
  }

  /** Its box is in another document, as a window of its own has one. */
  moved() {
    // The frame that was asked for in the old window never comes if that has been closed.
    this.#frame = 0;
    // xterm.js then has that window's frames and times.
    if (this.#term.element) this.#term.open(this.#box);
    this.fit();
  }

  get opened() { return this.#term.element !== undefined; }
  get cols() { return this.#term.cols; }
  get rows() { return this.#term.rows; }
  get selection() { return this.#term.getSelection(); }
  get fontSize() { return this.#fontSize; }

  /**
   * A Mac's Option key types what the layout has on it, such as | and @ on a German one, unless the
   * user wants it to be Meta.
   */
  get optionIsMeta() { return this.#term.options.macOptionIsMeta === true; }
  set optionIsMeta(on) { this.#term.options.macOptionIsMeta = on; }

  /**
   * @param {Uint8Array|string} data
   * @returns {Promise<void>} when it is on the screen, or would be if the page were in sight
   */
  write(data) {
    this.#behind += data.length;
    const done = new Promise((/** @type {(value: void) => void} */ resolve) => this.#term.write(data, () => {
      this.#behind -= data.length;
      resolve();
    }));
    // The browser gives a hidden page so little time that the guest would wait for its terminal.
    return this.#box.ownerDocument.hidden && this.#behind < HIDDEN_BACKLOG ? Promise.resolve() : done;
  }

  /** What is in sight. */
  screen() {
    const { viewportY } = this.#term.buffer.active;
    return this.text(viewportY, viewportY + this.#term.rows);
  }

  /** The lines from one to before another, with what has scrolled out of sight. */
  text(from = 0, to = this.#term.buffer.active.length) {
    const buffer = this.#term.buffer.active;
    const lines = [];
    for (let i = from; i < to; i++) lines.push(buffer.getLine(i)?.translateToString(true) ?? "");
    return lines.join("\n").trimEnd();
  }

  focus() { this.#term.focus(); }
  clear() { this.#term.reset(); }

  /** A machine starts again: what the last one did to the terminal is undone, its text stays. */
  fresh() {
    const { baseY, cursorX, cursorY } = this.#term.buffer.active;
    if (baseY + cursorX + cursorY > 0) this.#term.write(FRESH);
  }

  /** @param {string} text as the clipboard has it */
  paste(text) { this.#term.paste(pasteable(text)); }

  /**
   * As if it had been typed; with the sticky Ctrl.
   * @param {string} data
   */
  type(data) { this.#term.input(data, true); }

  /** The code of an arrow depends on the mode that the guest has set. @param {"A"|"B"|"C"|"D"} arrow */
  arrow(arrow) { this.type(`\x1b${this.#term.modes.applicationCursorKeysMode ? "O" : "["}${arrow}`); }

  /** @param {{theme?: import("@xterm/xterm").ITheme, font?: string, screenReader?: boolean, readonly?: boolean}} look */
  look({ theme, font, screenReader, readonly }) {
    const options = this.#term.options;
    if (theme) options.theme = theme;
    if (font && options.fontFamily !== font) options.fontFamily = font;
    if (screenReader !== undefined) options.screenReaderMode = screenReader;
    if (readonly !== undefined) options.disableStdin = readonly;
    this.fit();
  }

  /** @param {number} size */
  setFontSize(size) {
    this.#fontSize = Math.min(32, Math.max(FONT_LEAST, size));
    this.#term.options.fontSize = this.#fontSize;
    this.fit();
  }

  /**
   * A fixed number of columns or rows; what is not fixed follows the box.
   * @param {{cols?: number, rows?: number}} fixed
   */
  fix(fixed) {
    this.#fixed = fixed;
    this.fit();
  }

  /** Makes the grid fill the box, in the next frame. */
  fit() {
    if (this.#frame) return;
    this.#frame = this.#window.requestAnimationFrame(() => {
      this.#frame = 0;
      this.#fitNow();
    });
  }

  get #window() { return this.#box.ownerDocument.defaultView ?? window; }

  #fitNow() {
    const { cols, rows } = this.#fixed;
    const options = this.#term.options;
    if (!this.#term.element || !this.#box.isConnected || this.#box.clientWidth < 20) return;
    let fits = this.#fit.proposeDimensions();
    if (!fits || !Number.isFinite(fits.cols) || !Number.isFinite(fits.rows)) return;
    if (cols) {
      // Fixed columns in a narrow box: smaller letters, down to what can be read.
      const size = Math.floor(((options.fontSize ?? FONT_SIZE) * fits.cols * 2) / cols) / 2;
      const want = Math.max(FONT_LEAST, Math.min(this.#fontSize, size));
      if (want !== options.fontSize && (fits.cols < cols || want > (options.fontSize ?? 0))) {
        options.fontSize = want;
        fits = this.#fit.proposeDimensions() ?? fits;
      }
    }
    const next = { cols: cols ?? Math.max(20, fits.cols), rows: rows ?? Math.max(4, fits.rows) };
    if (next.cols !== this.#term.cols || next.rows !== this.#term.rows) this.#term.resize(next.cols, next.rows);
    const screen = this.#box.querySelector(".xterm-screen");
    if (rows && screen) this.#on.height(Math.ceil(screen.getBoundingClientRect().height));
  }

  /**
   * @param {string} text
   * @param {"next"|"previous"} where
   * @returns {boolean}
   */
  find(text, where) {
    if (!text) {
      this.#search.clearDecorations();
      this.#term.clearSelection();
      return true;
    }
    return where === "next" ? this.#search.findNext(text) : this.#search.findPrevious(text);
  }

  endFind() { this.#search.clearDecorations(); }

  dispose() {
    this.#window.cancelAnimationFrame(this.#frame);
    this.#observer.disconnect();
    this.#end.abort();
    this.#term.dispose();
  }

  /** @param {string} data */
  #typed(data) {
    if (this.ctrl && data.length === 1) {
      const code = data.toUpperCase().charCodeAt(0);
      this.ctrl = false;
      this.onCtrlUsed();
      if (data === " ") return this.#on.data("\0");
      if (code >= 64 && code < 96) return this.#on.data(String.fromCharCode(code - 64));
    }
    this.#on.data(data);
  }

  /**
   * @param {KeyboardEvent} event
   * @returns {boolean} whether the terminal takes it
   */
  #key(event) {
    const key = event.key.toLowerCase();
    if (event.type === "keydown" && event.ctrlKey && event.shiftKey && !event.altKey && !event.metaKey) {
      if (key === "c") {
        event.preventDefault();
        if (this.selection) void this.copy();
        return false;
      }
      // The browser pastes by itself, without asking for the clipboard.
      if (key === "v") return false;
    }
    if (key === "tab" && this.#escaped && !event.ctrlKey && !event.altKey) return false;
    if (event.type === "keydown" && key !== "shift") this.#escaped = key === "escape";
    return true;
  }

  /**
   * Copies the selection; without one, which fingers cannot make, the screen.
   * @returns {Promise<"selection"|"screen">}
   */
  async copy() {
    const selected = this.selection;
    if (!selected) {
      await navigator.clipboard.writeText(this.screen());
      return "screen";
    }
    try {
      await navigator.clipboard.writeText(selected);
    } catch {
      // No secure context, or a frame without the permission: xterm.js answers the event.
      this.#box.ownerDocument.execCommand("copy");
    }
    return "selection";
  }
}
