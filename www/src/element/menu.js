import { h } from "./dom.js";

/**
 * @typedef {{label: string, press: () => void, disabled?: boolean, mark?: string, keys?: string, narrow?: boolean,
 *   pressed?: boolean}} Item
 * @typedef {{heading?: string, note?: string, items: Item[]}} Section
 */

/**
 * The menu: a list of buttons that a button opens. It closes by Escape, by a choice, and when the
 * focus or a press goes elsewhere.
 */
export class Menu {
  #box;
  #button;
  #sections;

  /**
   * @param {HTMLElement} box
   * @param {HTMLButtonElement} button
   * @param {() => Section[]} sections
   */
  constructor(box, button, sections) {
    this.#box = box;
    this.#button = button;
    this.#sections = sections;
    box.addEventListener("keydown", (event) => this.#key(event));
    box.addEventListener("focusout", (event) => {
      const to = event.relatedTarget;
      if (to instanceof Node && !box.contains(to) && to !== button) this.close(false);
    });
    (/** @type {ShadowRoot} */ (box.getRootNode())).addEventListener("pointerdown", (event) => {
      const to = /** @type {Node} */ (event.target);
      if (!box.hidden && !box.contains(to) && !button.contains(to)) this.close(false);
    });
  }

  toggle() {
    if (this.#box.hidden) this.open();
    else this.close();
  }

  open() {
    this.#box.replaceChildren(...this.#sections().filter((s) => s.items.length > 0 || s.note).map(({ heading, note, items }, i) => h("div", { role: "group", "aria-label": heading },
      i > 0 && h("hr"),
      heading ? h("div", { class: "head", "aria-hidden": "true" }, heading) : null,
      note ? h("p", {}, note) : null,
      ...items.map((item) => h("button", {
        type: "button", class: "item", part: "button", disabled: item.disabled,
        "aria-pressed": item.pressed === undefined ? undefined : String(item.pressed),
        onclick: () => {
          this.close();
          item.press();
        },
      }, item.label, item.keys ? h("kbd", {}, item.keys) : item.mark || item.pressed ? h("span", { class: "mark" }, item.mark ?? "on") : null)))));
    this.#box.hidden = false;
    this.#button.setAttribute("aria-expanded", "true");
    this.#box.scrollTop = 0;
    this.#items()[0]?.focus();
  }

  close(refocus = true) {
    if (this.#box.hidden) return;
    this.#box.hidden = true;
    this.#button.setAttribute("aria-expanded", "false");
    if (refocus) this.#button.focus();
  }

  /** @returns {HTMLButtonElement[]} */
  #items() {
    return [.../** @type {NodeListOf<HTMLButtonElement>} */ (this.#box.querySelectorAll("button:not(:disabled)"))];
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const items = this.#items();
    const at = items.indexOf(/** @type {HTMLButtonElement} */ (event.target));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 }[event.key];
    if (event.key === "Escape") this.close();
    else if (to !== undefined) items[to % items.length]?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
