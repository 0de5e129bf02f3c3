/** @import { VmError } from "../vm/errors.js" */
/** @import { FailureAction } from "./failures.js" */
import { h, icon } from "./dom.js";
import { FAILURES } from "./failures.js";
import { plain } from "./text.js";

/** @type {Record<FailureAction, string>} */
const LABELS = {
  retry: "Try again", steal: "Use it here", restart: "Restart", export: "Export what was written",
  discard: "Begin anew", details: "Copy details", fallback: "",
};

/**
 * Says what failed, why, and what can be done.
 * @param {HTMLElement} box
 * @param {VmError} error
 * @param {(action: FailureAction, button: HTMLButtonElement) => void} act
 * @param {{fallback: HTMLSlotElement, home: HTMLElement}} author  what the page's author has for
 *   those who cannot run this, and where it is while it is not shown
 * @param {boolean} canExport
 */
export function showFailure(box, error, act, { fallback, home }, canExport) {
  home.append(fallback);
  const { title, advice, actions } = FAILURES[error.code] ?? FAILURES.crashed;
  // Some are about a disk that does not open: the worker says which, and what was written to it.
  const possible = (/** @type {FailureAction} */ action) =>
    action === "export" ? canExport || error.detail.overlay instanceof Blob
      : action === "discard" ? typeof error.detail.disk === "string" : action !== "fallback";
  const buttons = actions.filter(possible).map((action, i) => {
    const button = h("button", { type: "button", class: i === 0 && action !== "details" ? "push main" : "push", part: "button",
      onclick: () => act(action, button) }, LABELS[action]);
    return button;
  });
  const more = actions.includes("fallback") && fallback.assignedNodes({ flatten: true }).some((node) => node.textContent?.trim());
  box.replaceChildren(h("div", { class: "card", role: "alert" },
    h("h2", {}, icon("warn"), title), h("p", {}, advice),
    h("p", { class: "what", tabindex: "0", role: "note", "aria-label": "What happened" }, `${error.code}: ${plain(error.message, 600)}`),
    more && fallback, h("div", { class: "row" }, ...buttons)));
  box.hidden = false;
}

/**
 * What somebody who reports the failure should send.
 * @param {VmError} error
 * @param {Record<string, unknown>} facts
 */
export function details(error, facts) {
  const lines = [`${error.code}: ${error.message}`];
  const { overlay, ...detail } = error.detail;
  if (overlay instanceof Blob) lines.push(`overlay: ${overlay.size} bytes`);
  for (const [name, value] of Object.entries({ ...detail, ...facts })) lines.push(`${name}: ${String(value)}`);
  if (error.workerStack) lines.push("", "in the worker:", error.workerStack);
  if (error.stack) lines.push("", error.stack);
  return lines.join("\n");
}
