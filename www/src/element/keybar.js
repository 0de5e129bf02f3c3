/** @import { TerminalView } from "./terminal.js" */
import { h } from "./dom.js";

/**
 * The keys that the keyboard of a phone has not. Pressing one leaves the focus where it is, so
 * that the phone's own keyboard stays.
 * @param {HTMLElement} box
 * @param {() => TerminalView|undefined} terminal
 * @param {import("./actions.js").Actions} actions
 */
export function buildKeyBar(box, terminal, actions) {
  const key = (/** @type {string} */ face, /** @type {string} */ name, /** @type {() => void} */ press) => {
    const button = h("button", { type: "button", class: "key", part: "button key", "aria-label": name, title: name, onclick: press }, face);
    // Without this the terminal would lose the focus, and the phone would put its keyboard away.
    button.addEventListener("pointerdown", (event) => event.preventDefault());
    return button;
  };
  const send = (/** @type {string} */ data) => () => terminal()?.type(data);
  const ctrl = key("Ctrl", "Ctrl, for the next key", () => {
    const view = terminal();
    if (!view) return;
    setCtrl(!view.ctrl);
    view.onCtrlUsed = () => setCtrl(false);
    view.focus();
  });
  const setCtrl = (/** @type {boolean} */ on) => {
    const view = terminal();
    if (view) view.ctrl = on;
    ctrl.setAttribute("aria-pressed", String(on));
  };
  ctrl.setAttribute("aria-pressed", "false");
  const arrow = (/** @type {"A"|"B"|"C"|"D"} */ code) => () => terminal()?.arrow(code);
  box.replaceChildren(
    key("Esc", "Esc", send("\x1b")), ctrl, key("Tab", "Tab", send("\t")),
    key("←", "Left", arrow("D")), key("↓", "Down", arrow("B")), key("↑", "Up", arrow("A")), key("→", "Right", arrow("C")),
    key("|", "Bar", send("|")), key("/", "Slash", send("/")), key("-", "Minus", send("-")),
    key("Copy", "Copy", () => actions.copy()), key("Paste", "Paste", () => actions.paste()),
  );
}
