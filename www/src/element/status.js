/** @import { Phase, Session } from "./session.js" */
/** @import { View } from "./view.js" */
import { STORAGE } from "./failures.js";
import { lastLine } from "./text.js";

/** While the guest boots, the status line shows its last line so often. */
const LINE_MS = 100;

/** What each phase is called: in the status line, and aloud. @type {Record<Phase, string>} */
export const WORDS = {
  idle: "Not started", loading: "Loading", created: "Loaded", booting: "Starting", running: "Running", paused: "Paused",
  off: "Off", crashed: "Stopped working", failed: "Failed",
};

/** The title above the screen, the line below it, and the words on the poster. */
export class Status {
  /** The machine's own name, from its file. */
  title = "";
  /** What the guest calls its terminal. */
  guestTitle = "";
  /** What is being loaded. */
  loads = "";
  #view;
  #session;
  #author;
  /** What the guest printed last, while it boots. */
  #line = "";
  #decoder = new TextDecoder();
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #soon;
  /** @type {ReturnType<typeof setInterval>|undefined} */
  #clock;

  /**
   * @param {View} view
   * @param {Session} session
   * @param {{src: string, label: string}} author  what the page's author has said
   */
  constructor(view, session, author) {
    this.#view = view;
    this.#session = session;
    this.#author = author;
  }

  /** Another machine. */
  clear() { this.title = this.guestTitle = ""; }

  /** Nothing is counted any more. */
  end() { this.#count(false); }

  /** @param {Phase} phase */
  phase(phase) {
    if (phase === "booting") this.#line = "";
    if (phase === "off" || phase === "idle") this.guestTitle = "";
    this.#count(phase === "booting");
  }

  /** What the guest prints on its terminal while it boots. @param {Uint8Array} bytes */
  output(bytes) {
    const line = lastLine(this.#decoder.decode(bytes, { stream: true }));
    if (!line) return;
    this.#line = line;
    this.#view.wait.hidden = true;
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      this.show();
    }, LINE_MS);
  }

  show() {
    const view = this.#view;
    const { phase, vm } = this.#session;
    const own = this.#author.label || this.title;
    const name = own || "Linux";
    view.title.textContent = this.guestTitle && this.guestTitle !== name ? `${name}: ${this.guestTitle}` : name;
    view.inviteTitle.textContent = own;
    view.inviteTitle.hidden = own === "";
    view.inviteText.textContent = `A computer that runs inside this page. Nothing is installed.${this.#foreignHost()}`;
    const doing = phase === "booting" && this.#line ? `: ${this.#line}` : "";
    view.say.textContent = phase === "loading" && this.loads ? this.loads : `${WORDS[phase]}${doing}`;
    const kinds = new Set(vm?.disks.filter((disk) => !disk.readonly).map((disk) => disk.kind));
    const kind = ["memory", "indexeddb", "opfs"].find((k) => kinds.has(/** @type {any} */ (k)));
    view.kept.hidden = kind === undefined;
    if (kind) {
      const words = STORAGE[/** @type {keyof typeof STORAGE} */ (kind)];
      view.kept.replaceChildren(view.diskLight, `Disk ${words.short}`);
      view.kept.title = words.long;
    }
  }

  /** A disk is at work. */
  flash() {
    const { diskLight } = this.#view;
    diskLight.classList.add("on");
    setTimeout(() => diskLight.classList.remove("on"), 120);
  }

  /** A kernel may print nothing for seconds: that it is at work is said instead. @param {boolean} on */
  #count(on) {
    if (on === (this.#clock !== undefined)) return;
    clearInterval(this.#clock);
    this.#clock = undefined;
    const { wait } = this.#view;
    wait.hidden = true;
    if (!on) return;
    const began = performance.now();
    this.#clock = setInterval(() => {
      wait.textContent = `${this.title || "Linux"} is starting: ${Math.round((performance.now() - began) / 1000)} s`;
      wait.hidden = this.#line !== "";
    }, 1000);
  }

  /** A machine of another site says so before it is started. */
  #foreignHost() {
    try {
      const url = new URL(this.#author.src, document.baseURI);
      return url.origin === location.origin || !url.host ? "" : ` It comes from ${url.host}.`;
    } catch {
      return "";
    }
  }
}
