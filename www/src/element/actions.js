/** @import { Banner } from "./banner.js" */
/** @import { FailureAction } from "./failures.js" */
/** @import { Session } from "./session.js" */
/** @import { TerminalView } from "./terminal.js" */
/** @import { Vm } from "../vm/vm.js" */
import { VmError } from "../vm/errors.js";
import { formatSize } from "../vm/size.js";
import { ask, chooseFiles, saveFile } from "./dialogs.js";
import { details } from "./panel.js";
import { quietly } from "./session.js";
import { plain } from "./text.js";

/** How long a guest has to power itself off before the page offers to pull the plug. */
const POWER_OFF_MS = 15000;

/**
 * What the actions act on.
 * @typedef {object} Parts
 * @property {Session} session
 * @property {() => TerminalView|undefined} terminal
 * @property {HTMLDialogElement} dialog
 * @property {Banner} banner
 * @property {() => void} search  opens the search
 * @property {(how?: {steal?: boolean, discard?: string[]}) => Promise<void>} start
 *   starts the machine for a user who wants to type next
 * @property {() => Record<string, unknown>} facts  what the report of a failure should say
 */

/** What menu, key bar, toolbar and failure panels share: what a user does, with the questions and answers. */
export class Actions {
  #session;
  #terminal;
  #dialog;
  #banner;
  #facts;
  search;
  start;

  /** @param {Parts} parts */
  constructor({ session, terminal, dialog, banner, search, start, facts }) {
    this.#session = session;
    this.#terminal = terminal;
    this.#dialog = dialog;
    this.#banner = banner;
    this.#facts = facts;
    this.search = search;
    this.start = start;
  }

  /** @param {string} words */
  note(words) {
    this.#banner.set("note", { words, buttons: [{ label: "Close", press: () => this.#banner.set("note", undefined) }] });
  }

  /**
   * Opens a link of the guest's.
   * @param {string} address
   * @param {boolean} unseen  a finger does not rest on a link: nobody has seen where it leads
   */
  async openLink(address, unseen) {
    if (unseen && !(await ask(this.#dialog, {
      title: "Open this address?", text: [address], buttons: [{ label: "Open", value: "yes", look: "main" }],
    }))) return;
    window.open(address, "_blank", "noopener,noreferrer");
  }

  async reset() {
    const answer = await ask(this.#dialog, {
      title: "Restart the machine?", text: ["As by its reset button: what the guest has not yet saved to its disk is lost."],
      buttons: [{ label: "Restart", value: "yes", look: "main" }],
    });
    if (answer) await quietly(this.#session.reset());
  }

  /** Asks the guest to switch itself off, or the user. */
  async powerOff() {
    const { vm, phase } = this.#session;
    if (!vm) return;
    const plug = { label: "Switch off now", press: () => void quietly(this.#session.stop()) };
    const paused = phase === "paused";
    if (!vm.hasAgent || !vm.ready || paused) {
      const answer = await ask(this.#dialog, {
        title: "Power off?",
        text: [paused || !vm.ready ? "The guest cannot be asked now." : "To let the guest finish first, type poweroff in the terminal.",
          "Switching off now is like pulling the plug: what the guest has not yet saved is lost."],
        buttons: [{ label: plug.label, value: "yes", look: "danger" }],
      });
      if (answer) await this.#session.stop();
      return;
    }
    this.#banner.set("note", { words: "The guest was asked to switch off…", buttons: [plug] });
    const asked = vm.run("poweroff", { timeout: POWER_OFF_MS }).catch(() => {});
    const off = new Promise((resolve) => vm.addEventListener("exit", resolve, { once: true }));
    const late = new Promise((resolve) => setTimeout(resolve, POWER_OFF_MS, "late"));
    // One that has crashed or lost its disk is not waited for.
    if ((await Promise.race([off, late])) === "late" && this.#session.vm === vm && ["booting", "running", "paused"].includes(this.#session.phase)) {
      this.#banner.set("note", { words: "The guest has not switched itself off yet.", buttons: [plug,
        { label: "Wait", press: () => this.#banner.set("note", undefined) }] });
    }
    await asked;
  }

  async copy() {
    const terminal = this.#terminal();
    try {
      if ((await terminal?.copy()) === "screen") this.note("Nothing was selected: what is on the screen was copied.");
    } catch {
      this.note("The browser does not let a page write to the clipboard here.");
    }
    terminal?.focus();
  }

  async paste() {
    const terminal = this.#terminal();
    try {
      terminal?.paste(await navigator.clipboard.readText());
      terminal?.focus();
    } catch {
      this.note("The browser does not let a page read the clipboard here. Press Ctrl+Shift+V, or hold the screen and choose Paste.");
    }
  }

  /** @param {string} name */
  async exportDisk(name) {
    try {
      const blob = await this.#need().exportDisk(name);
      saveFile(blob, `${name}.overlay`);
      this.note(`${name}.overlay was saved (${formatSize(blob.size)}). It opens in the terminal's virtarium too.`);
    } catch (error) {
      this.note(`${name} could not be exported: ${plain(String(/** @type {Error} */ (error).message), 200)}`);
    }
  }

  /** @param {string} name */
  async importDisk(name) {
    const [file] = await chooseFiles({ accept: ".overlay" });
    if (!file) return;
    await this.#changeDisk(`Replace what was written to ${name}?`, `By the content of ${plain(file.name)} (${formatSize(file.size)}). The machine is switched off for it.`,
      "Replace", (vm) => vm.importDisk(name, file), `${name} was replaced.`);
  }

  /** @param {string} name */
  async resetDisk(name) {
    await this.#changeDisk(`Forget everything that was written to ${name}?`, "The disk is then as it was at first. This cannot be undone; the machine is switched off for it.",
      "Forget it", (vm) => vm.resetDisk(name), `${name} is as at first.`);
  }

  /** Asks the browser to keep what it stores for this page. */
  async keep() {
    const kept = await navigator.storage?.persist?.().catch(() => false);
    this.note(kept ? "The browser will keep it until you remove it." : "The browser promised nothing: it may throw this away when space is short. Export what matters.");
  }

  /**
   * What a button of a failure's panel does.
   * @param {VmError} error  the one that is shown
   * @param {FailureAction} action
   * @param {HTMLButtonElement} button
   */
  async mend(error, action, button) {
    if (action === "details") {
      const text = details(error, this.#facts());
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        // No permission, or no clipboard at all: only a secure context has one.
        await ask(this.#dialog, { title: "Details", text: [text], buttons: [] });
      }
    } else if (action === "export") {
      const { disk, overlay } = error.detail;
      if (overlay instanceof Blob) saveFile(overlay, `${disk}.overlay`);
      for (const disk of this.#session.vm?.disks ?? []) await this.exportDisk(disk.name);
    } else if (action === "discard") {
      const disk = String(error.detail.disk);
      const answer = await ask(this.#dialog, {
        title: `Forget everything that was written to ${plain(disk)}?`,
        text: ["The disk is then as it is on the server now. This cannot be undone."],
        buttons: [{ label: "Forget it", value: "forget", look: "danger" }],
      });
      if (answer) await this.start({ discard: [disk] });
    } else {
      await this.start({ steal: action === "steal" });
    }
  }

  /**
   * @param {string} title
   * @param {string} text
   * @param {string} label
   * @param {(vm: Vm) => Promise<void>} change
   * @param {string} done
   */
  async #changeDisk(title, text, label, change, done) {
    const answer = await ask(this.#dialog, { title, text: [text], buttons: [{ label, value: "yes", look: "danger" }] });
    if (!answer) return;
    try {
      const vm = this.#need();
      if (vm.state !== "created" && vm.state !== "off") {
        // It is off also where its flush has failed: whoever forgets what was written may want room.
        await vm.stop().catch((error) => { if (vm.state !== "off") throw error; });
      }
      await change(vm);
      this.note(done);
    } catch (error) {
      this.note(`That did not work: ${plain(String(/** @type {Error} */ (error).message), 300)}`);
    }
  }

  #need() {
    if (this.#session.vm) return this.#session.vm;
    throw new VmError("unsupported", "the machine has not been started");
  }
}
