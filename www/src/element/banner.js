import { h } from "./dom.js";

/**
 * A word at the foot of the screen that does not hide it, with buttons.
 * @typedef {{words: string, progress?: number, buttons: {label: string, press: () => void, main?: boolean}[]}} Notice
 */

/** Shows the most important of what there is to say, and the machine's state where that is worth a word. */
export class Banner {
  #box;
  #say;
  #leave;
  /** @type {Record<"transfer"|"note"|"state", Notice|undefined>} */
  #notices = { transfer: undefined, note: undefined, state: undefined };
  /** What is wrong with which disk: the end of one is not the others'. @type {Map<string, Notice>} */
  #troubles = new Map();
  /** @type {Notice[]} */
  #shown = [];
  #words = h("span", { class: "words" });
  #progress = h("progress", { max: 1, value: 0, "aria-label": "Progress", hidden: true });
  #row = h("span", { class: "row" });

  /**
   * @param {HTMLElement} box
   * @param {(words: string) => void} say  for those who do not see it
   * @param {() => void} leave  a button that had the focus has gone
   */
  constructor(box, say, leave) {
    this.#box = box;
    this.#say = say;
    this.#leave = leave;
    box.append(this.#words, this.#row, this.#progress);
  }

  /**
   * @param {"transfer"|"note"|"state"} kind
   * @param {Notice|undefined} notice
   */
  set(kind, notice) {
    this.#notices[kind] = notice;
    this.#choose();
  }

  /**
   * @param {string} key
   * @param {Notice|undefined} notice  undefined: it is over
   */
  trouble(key, notice) {
    // Said once, however often it is met.
    if (notice && this.#troubles.has(key)) return;
    if (notice) this.#troubles.set(key, notice);
    else this.#troubles.delete(key);
    this.#choose();
  }

  /** Nothing of this holds for the next machine. */
  clear() {
    this.#troubles.clear();
    this.set("note", undefined);
  }

  #choose() {
    const { transfer, note, state } = this.#notices;
    const next = [transfer ?? [...this.#troubles.values()].pop() ?? note, state].filter((notice) => notice !== undefined);
    if (next.length !== this.#shown.length || next.some((notice, i) => notice !== this.#shown[i])) this.#show(next);
  }

  /** How far the transfer is. @param {string} words @param {number} progress */
  progress(words, progress) {
    Object.assign(this.#notices.transfer ?? {}, { words, progress });
    this.#words.textContent = words;
    this.#progress.value = progress;
  }

  /** @param {Notice[]} notices */
  #show(notices) {
    const focused = this.#row.matches(":focus-within");
    this.#shown = notices;
    this.#box.hidden = notices.length === 0;
    const words = notices.map((notice) => notice.words).join(" ");
    this.#words.textContent = words;
    this.#progress.hidden = notices[0]?.progress === undefined;
    this.#progress.value = notices[0]?.progress ?? 0;
    this.#row.replaceChildren(...notices.flatMap(({ buttons }) => buttons).map(({ label, press, main }) =>
      h("button", { type: "button", class: main ? "push main" : "push", part: "button", onclick: press }, label)));
    if (words) this.#say(words);
    if (focused) this.#leave();
  }
}
