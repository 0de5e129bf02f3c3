import { h } from "./dom.js";

/**
 * Asks, and waits for the answer. One at a time: a second question answers the first with no.
 * @param {HTMLDialogElement} dialog
 * @param {{title: string, text?: (string|Node)[], field?: {label: string, value: string},
 *   buttons: {label: string, value: string, look?: "main"|"danger"}[]}} question
 * @returns {Promise<{button: string, field: string}|undefined>} undefined: it was put away
 */
export function ask(dialog, { title, text = [], field, buttons }) {
  if (dialog.open) dialog.close("");
  // The browser tells who still waits later, when this question is there.
  dialog.dispatchEvent(new Event("close"));
  const input = field ? h("input", { value: field.value, autocomplete: "off", autocapitalize: "off", spellcheck: "false" }) : undefined;
  const heading = h("h2", { id: "question" }, title);
  const form = h("form", { method: "dialog" }, heading, ...text.map((part) => h("p", {}, part)),
    input && h("label", { class: "field" }, field?.label ?? "", input),
    h("div", { class: "row" },
      h("button", { type: "button", class: "push", part: "button", onclick: () => dialog.close("") }, "Cancel"),
      ...buttons.map(({ label, value, look }) => h("button", { class: `push ${look ?? ""}`, part: "button", value }, label))));
  dialog.setAttribute("aria-labelledby", "question");
  dialog.replaceChildren(form);
  dialog.returnValue = "";
  dialog.showModal();
  input?.select();
  return new Promise((resolve) => {
    dialog.addEventListener("close", function closed() {
      // Of the question before.
      if (dialog.open) return;
      dialog.removeEventListener("close", closed);
      const button = dialog.returnValue;
      dialog.replaceChildren();
      resolve(button ? { button, field: input?.value.trim() ?? "" } : undefined);
    });
  });
}

/**
 * Lets the user choose files.
 * @param {{multiple?: boolean, accept?: string}} [options]
 * @returns {Promise<File[]>}
 */
export function chooseFiles({ multiple = false, accept } = {}) {
  return new Promise((resolve) => {
    const input = h("input", { type: "file", multiple, accept });
    input.addEventListener("change", () => resolve([...(input.files ?? [])]));
    input.addEventListener("cancel", () => resolve([]));
    input.click();
  });
}

/**
 * Gives the user a file, as a download of the browser's.
 * @param {Blob} blob
 * @param {string} name
 */
export function saveFile(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name, rel: "noopener" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}
