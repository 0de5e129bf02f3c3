export * from "./index.js";
export { VirtariumVm } from "./element/vm-element.js";
import { VirtariumVm } from "./element/vm-element.js";

// A page may load this twice, as two lessons from two places do; a server that makes pages has no elements.
if (globalThis.customElements && !customElements.get("virtarium-vm")) customElements.define("virtarium-vm", VirtariumVm);
