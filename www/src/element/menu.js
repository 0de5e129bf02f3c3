import { h } from "./dom.js";

/**
 * @typedef {{label: string, press: () => void, disabled?: boolean, mark?: string, keys?: string, pressed?: boolean}} Item
 * @typedef {{heading?: string, note?: string, items: Item[]}} Section
 */

/** Pixels between the menu and the edge of the window, and how high it is at least. */
const EDGE = 8;
const ROOM = 320;

/**
 * The menu: a list of buttons that a button opens. It closes by Escape, by a choice, and when the
 * focus or a press goes elsewhere.
 */
export class Menu {
  #box;
  #button;
  #sections;
  /** Ends what the open menu listens to. */
  #open = new AbortController();

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
    this.#open = new AbortController();
    this.#box.ownerDocument.addEventListener("pointerdown", this.#outside, { capture: true, signal: this.#open.signal });
    this.#raise();
    this.#button.setAttribute("aria-expanded", "true");
    this.#box.scrollTop = 0;
    this.#items()[0]?.focus();
  }

  close(refocus = true) {
    if (this.#box.hidden) return;
    if (this.#box.popover) this.#box.hidePopover();
    this.#open.abort();
    this.#box.hidden = true;
    this.#button.setAttribute("aria-expanded", "false");
    if (refocus) this.#button.focus();
  }

  /** Over everything, so that a small element does not cut it; within the element in older browsers. */
  #raise() {
    const box = this.#box;
    if (!box.showPopover) return;
    box.popover = "manual";
    box.showPopover();
    this.#place();
    // A phone's keyboard goes away when the focus leaves the terminal for the menu.
    const { signal } = this.#open;
    const { defaultView } = box.ownerDocument;
    defaultView?.addEventListener("resize", () => this.#place(), { signal });
    defaultView?.addEventListener("scroll", () => this.#place(), { signal });
  }

  /** At its button, and within the window. */
  #place() {
    const box = this.#box;
    const { documentElement, defaultView } = box.ownerDocument;
    const { clientWidth } = documentElement;
    const innerHeight = defaultView?.innerHeight ?? documentElement.clientHeight;
    const { right, bottom } = this.#button.getBoundingClientRect();
    const height = Math.min(box.scrollHeight + 2, innerHeight - 2 * EDGE);
    const top = Math.max(EDGE, Math.min(bottom + 4, innerHeight - Math.max(height, 0) - EDGE));
    // Below its button if there is room for a good part of it, else as far up as it needs.
    const roomy = bottom >= 0 && innerHeight - bottom - EDGE >= Math.min(height, ROOM);
    box.style.top = `${roomy ? bottom + 4 : top}px`;
    box.style.left = `${Math.max(EDGE, Math.min(right, clientWidth - EDGE) - box.offsetWidth)}px`;
    box.style.maxHeight = `${innerHeight - (roomy ? bottom + 4 : top) - EDGE}px`;
  }

  #outside = (/** @type {Event} */ event) => {
    const path = event.composedPath();
    if (!path.includes(this.#box) && !path.includes(this.#button)) this.close(false);
  };

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
