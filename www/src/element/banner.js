import { h } from "./dom.js";

/**
 * A word at the foot of the screen that does not hide it, with buttons.
 * @typedef {{words: string, progress?: number, buttons?: {label: string, press: () => void, main?: boolean}[]}} Notice
 */

/** Shows the most important of what there is to say. */
export class Banner {
  #box;
  #say;
  /** The first that is there is shown. @type {Record<"transfer"|"trouble"|"note"|"state", Notice|undefined>} */
  #notices = { transfer: undefined, trouble: undefined, note: undefined, state: undefined };
  /** @type {Notice|undefined} */
  #shown;
  #words = h("span", { class: "words" });
  #progress = h("progress", { max: 1, value: 0, "aria-label": "Progress", hidden: true });
  #row = h("span", { class: "row" });

  /**
   * @param {HTMLElement} box
   * @param {(words: string) => void} say  for those who do not see it
   */
  constructor(box, say) {
    this.#box = box;
    this.#say = say;
    box.append(this.#words, this.#row, this.#progress);
  }

  /**
   * @param {"transfer"|"trouble"|"note"|"state"} kind
   * @param {Notice|undefined} notice
   */
  set(kind, notice) {
    this.#notices[kind] = notice;
    const next = this.#notices.transfer ?? this.#notices.trouble ?? this.#notices.note ?? this.#notices.state;
    if (next !== this.#shown) this.#show(next);
  }

  /** @param {string} words @param {number} fraction */
  progress(words, fraction) {
    this.#words.textContent = words;
    this.#progress.hidden = false;
    this.#progress.value = fraction;
  }

  /** @param {Notice|undefined} notice */
  #show(notice) {
    this.#shown = notice;
    this.#box.hidden = !notice;
    if (!notice) return;
    this.#words.textContent = notice.words;
    this.#progress.hidden = notice.progress === undefined;
    this.#progress.value = notice.progress ?? 0;
    this.#row.replaceChildren(...(notice.buttons ?? []).map(({ label, press, main }) =>
      h("button", { type: "button", class: main ? "push main" : "push", part: "button", onclick: press }, label)));
    this.#say(notice.words);
  }
}
