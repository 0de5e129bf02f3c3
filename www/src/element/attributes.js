// The attributes, and the properties that keep in step with them. One row each.

/**
 * @typedef {{attribute: string, kind: "text"|"flag"|"count"|"choice", choices?: string[]}} Row
 * @type {Record<string, Row>}
 */
export const ATTRIBUTES = {
  src: { attribute: "src", kind: "text" },
  memory: { attribute: "memory", kind: "text" },
  cpus: { attribute: "cpus", kind: "text" },
  // `append` is a method of every element.
  kernelAppend: { attribute: "append", kind: "text" },
  persist: { attribute: "persist", kind: "text" },
  label: { attribute: "label", kind: "text" },
  workerSrc: { attribute: "worker-src", kind: "text" },
  wasmSrc: { attribute: "wasm-src", kind: "text" },
  autostart: { attribute: "autostart", kind: "flag" },
  screenreader: { attribute: "screenreader", kind: "flag" },
  readonly: { attribute: "readonly", kind: "flag" },
  multiple: { attribute: "multiple", kind: "flag" },
  cols: { attribute: "cols", kind: "count" },
  rows: { attribute: "rows", kind: "count" },
  theme: { attribute: "theme", kind: "choice", choices: ["auto", "dark", "light"] },
  controls: { attribute: "controls", kind: "choice", choices: ["full", "none"] },
  keybar: { attribute: "keybar", kind: "choice", choices: ["auto", "on", "off"] },
  loading: { attribute: "loading", kind: "choice", choices: ["lazy", "eager"] },
};

/** No terminal is larger. */
const COUNT_MAX = 500;

/**
 * @param {HTMLElement} element
 * @param {Row} row
 */
function read(element, { attribute, kind, choices }) {
  const value = element.getAttribute(attribute);
  switch (kind) {
    case "flag": return value !== null;
    case "count": {
      const n = Number(value);
      return value && Number.isInteger(n) && n > 0 && n <= COUNT_MAX ? n : 0;
    }
    // The first is the default, as for an enumerated attribute of HTML.
    case "choice": return choices?.find((choice) => choice === value) ?? choices?.[0];
    default: return value ?? "";
  }
}

/**
 * @param {typeof HTMLElement} type
 */
export function defineProperties(type) {
  for (const [name, row] of Object.entries(ATTRIBUTES)) {
    Object.defineProperty(type.prototype, name, {
      configurable: true,
      enumerable: true,
      /** @this {HTMLElement} */
      get() { return read(this, row); },
      /** @this {HTMLElement} @param {unknown} value */
      set(value) {
        if (row.kind === "flag") this.toggleAttribute(row.attribute, Boolean(value));
        else if (value === null || value === undefined || (row.kind === "count" && !value)) this.removeAttribute(row.attribute);
        else this.setAttribute(row.attribute, String(value));
      },
    });
  }
}

/**
 * A property that was set before the element was defined hides the accessor: set it again.
 * @param {HTMLElement} element
 * @param {string[]} more
 */
export function upgradeProperties(element, more) {
  const own = /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (element));
  // In the order in which they were set: of some the last one counts.
  for (const name of Object.keys(element)) {
    if (!Object.hasOwn(ATTRIBUTES, name) && !more.includes(name)) continue;
    const value = own[name];
    delete own[name];
    own[name] = value;
  }
}
