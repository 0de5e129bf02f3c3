import { asVmError } from "./errors.js";

/**
 * What a page's life does to a machine. Held locks and open files keep a page out of the
 * back/forward cache, or are lost in it: they are given back before, and taken again after.
 * @param {{suspend(): Promise<void>, resume(): Promise<void>, sync(): Promise<void>}} vm
 * @param {(error: import("./errors.js").VmError) => void} onError
 * @returns {() => void}
 */
export function watchLife(vm, onError) {
  let asleep = false;
  const sleep = () => {
    if (asleep) return;
    asleep = true;
    vm.suspend().catch(() => {});
  };
  const wake = () => {
    if (!asleep) return;
    asleep = false;
    vm.resume().catch((error) => onError(asVmError(error, "locked")));
  };
  /** @param {PageTransitionEvent} event */
  const hide = (event) => (event.persisted ? sleep() : void vm.sync().catch(() => {}));
  /** @param {PageTransitionEvent} event */
  const show = (event) => event.persisted && wake();
  const listeners = /** @type {[EventTarget, string, any][]} */ ([
    [window, "pagehide", hide], [window, "pageshow", show],
    [document, "freeze", sleep], [document, "resume", wake],
  ]);
  for (const [target, type, listener] of listeners) target.addEventListener(type, listener);
  return () => {
    for (const [target, type, listener] of listeners) target.removeEventListener(type, listener);
  };
}
