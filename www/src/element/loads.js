/** @import { ProgressEvent } from "../protocol.js" */
import { formatSize } from "../vm/size.js";
import { h } from "./dom.js";
import { plain } from "./text.js";

/** @type {Record<ProgressEvent["phase"], string>} */
const NAMES = {
  wasm: "The emulator", kernel: "The kernel", initrd: "The first file system", manifest: "The list of the disk's pieces",
  disk: "The disk", boot: "Starting",
};

/** The list of what is being downloaded, with bytes and per cent. */
export class Loads {
  /** @type {Map<string, {amount: HTMLElement, bar: HTMLProgressElement}>} */
  #rows = new Map();
  #list;
  #say;

  /**
   * @param {HTMLElement} list
   * @param {(words: string) => void} say
   */
  constructor(list, say) {
    this.#list = list;
    this.#say = say;
  }

  clear() {
    this.#rows.clear();
    this.#list.replaceChildren();
  }

  /**
   * @param {Pick<ProgressEvent, "phase"|"what"|"loaded"|"total"|"trouble">} event
   * @returns {string} the same in words
   */
  show({ phase, what, loaded, total, trouble }) {
    const key = `${phase} ${what}`;
    const name = NAMES[phase] ?? "A file";
    let row = this.#rows.get(key);
    if (!row) {
      row = { amount: h("span", { class: "amount" }), bar: h("progress", { max: 1, "aria-label": name }) };
      this.#rows.set(key, row);
      this.#list.append(h("li", {}, h("span", {}, name), row.amount, row.bar));
      this.#say(total ? `${name}, ${formatSize(total)}` : name);
    }
    if (trouble) {
      row.amount.textContent = "waiting";
      row.amount.title = plain(trouble, 300);
      return `${name}: the server has failed and is asked again`;
    }
    const amount = total ? `${formatSize(loaded)} of ${formatSize(total)}, ${Math.floor((100 * loaded) / total)} %` : formatSize(loaded);
    row.amount.textContent = total && loaded >= total ? formatSize(total) : amount;
    // A bar that nobody can fill says less than the number.
    row.bar.hidden = total === 0;
    if (total) row.bar.value = Math.min(1, loaded / total);
    return `${name}: ${amount}`;
  }
}
