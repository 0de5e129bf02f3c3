/** @import { TerminalView } from "./terminal.js" */
import { h, iconButton } from "./dom.js";

/**
 * Searches the terminal and what has scrolled out of it.
 * @param {HTMLElement} box
 * @param {() => TerminalView|undefined} terminal
 */
export function buildSearchBar(box, terminal) {
  const none = h("span", { class: "none", role: "status" });
  const input = h("input", { type: "search", "aria-label": "Search the terminal", placeholder: "Search", autocomplete: "off", spellcheck: "false", enterkeyhint: "search" });
  const find = (/** @type {"next"|"previous"} */ where) => {
    const found = terminal()?.find(input.value, where) ?? true;
    none.textContent = found ? "" : "Not found";
  };
  const close = () => {
    box.hidden = true;
    terminal()?.endFind();
    terminal()?.focus();
  };
  input.addEventListener("input", () => find("previous"));
  box.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    else if (event.key === "Enter" && event.target === input) find(event.shiftKey ? "next" : "previous");
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  box.replaceChildren(input, none,
    iconButton("up", "Previous match", () => find("previous")), iconButton("down", "Next match", () => find("next")),
    iconButton("close", "Close the search", close));
  return {
    open() {
      box.hidden = false;
      none.textContent = "";
      input.focus();
      input.select();
    },
  };
}
