/** @import { ErrorCode } from "../protocol.js" */

/**
 * What a failure means, and what can be done: for each code a heading, a sentence of advice and
 * the buttons.
 * @typedef {"retry"|"steal"|"restart"|"export"|"discard"|"details"|"fallback"} FailureAction
 * @typedef {{title: string, advice: string, actions: FailureAction[]}} Failure
 */

/** @type {Record<ErrorCode, Failure>} */
export const FAILURES = {
  "no-wasm": {
    title: "This browser cannot run the machine",
    advice: "It has no WebAssembly, or it is switched off: some browsers do that in a strict security mode (“lockdown”). Another browser, or another setting for this page, will do.",
    actions: ["fallback", "details"],
  },
  csp: {
    title: "This page does not permit the machine",
    advice: "The page's content security policy is too strict. Whoever keeps the page must allow script-src 'wasm-unsafe-eval', and the machine's address in connect-src and worker-src, or else what the line below names.",
    actions: ["fallback", "details"],
  },
  "not-found": {
    title: "A part of the machine was not found",
    advice: "The server has no such file. It may have been moved, or the page names it wrongly.",
    actions: ["retry", "details"],
  },
  offline: {
    title: "The server cannot be reached",
    advice: "Look whether this device is connected to the network, then try again. A server of another origin must also permit the request (CORS).",
    actions: ["retry", "details"],
  },
  integrity: {
    title: "A file is not what it should be",
    advice: "What arrived does not match its checksum, so it was not used. It may have been damaged on its way, or changed on the server.",
    actions: ["retry", "details"],
  },
  "bad-machine": {
    title: "The machine's description has a mistake",
    advice: "Whoever keeps the page can mend it; the line below says where.",
    actions: ["retry", "details"],
  },
  "bad-image": {
    title: "The machine's image cannot be used",
    advice: "The kernel, its first file system or a disk is not of a kind that this machine starts.",
    actions: ["retry", "export", "discard", "details"],
  },
  memory: {
    title: "There is not enough memory",
    advice: "The browser did not give the memory that the machine asks for. Close other tabs, or give the machine less (the attribute memory).",
    actions: ["retry", "details"],
  },
  quota: {
    title: "The browser's storage is full",
    advice: "What the machine writes can no longer be kept. Free some space on this device or in this browser's storage, then try again.",
    actions: ["retry", "export", "details"],
  },
  storage: {
    title: "The browser does not keep the disk",
    advice: "It refuses to read or write what it has stored for this page. A private window, or site data that is blocked or was cleared, can be the reason; the line below has the browser's own words.",
    actions: ["export", "retry", "details"],
  },
  locked: {
    title: "The machine's disk is in use elsewhere",
    advice: "A disk can be used in one place at a time: another tab has it, or another machine of this page. Close the other one, or use the machine here: it starts here, and the other one stops.",
    actions: ["steal", "retry"],
  },
  "overlay-base": {
    title: "Your changes belong to another version of the disk",
    advice: "The disk on the server has been replaced since you wrote to it, and what you wrote does not fit the new one. Export it to keep it, then begin anew with the disk as it is now.",
    actions: ["export", "discard", "details"],
  },
  range: {
    title: "The server cannot give parts of the disk",
    advice: "A disk without a manifest needs a server that answers Range requests, and gives the same file each time.",
    actions: ["retry", "details"],
  },
  changed: {
    title: "The disk on the server was replaced",
    advice: "It is another one than when the machine was started, and the two must not be mixed. Start the machine anew to use the new one.",
    actions: ["restart", "details"],
  },
  crashed: {
    title: "The machine has stopped working",
    advice: "This is a fault of the emulator and not of yours. What the guest had saved to its disk is kept.",
    actions: ["restart", "details"],
  },
  aborted: {
    title: "Starting was broken off",
    advice: "Nothing is lost.",
    actions: ["retry"],
  },
  unsupported: {
    title: "This browser lacks something that the machine needs",
    advice: "A newer version of the browser may have it.",
    actions: ["fallback", "retry", "details"],
  },
};

/** What a disk's trouble while the machine runs means. @type {Record<string, string>} */
export const DISK_TROUBLE = {
  quota: "The browser's storage is full: the guest's writes fail. Free some space, or export the disk.",
  storage: "The browser does not keep what is written any more. Export the disk now: what the machine has in memory is in it.",
  changed: "The disk on the server has been replaced. What has not been read yet cannot be read any more: reload the page.",
  offline: "The server cannot be reached: the guest waits for its disk.",
  integrity: "A piece of the disk arrived damaged, again and again: the guest sees a read error.",
  range: "The server no longer gives parts of the disk: the guest sees a read error.",
};

/** Where a disk's changes are kept, for people. */
export const STORAGE = {
  opfs: { short: "kept in this browser", long: "Changes are kept in this browser, on this device." },
  indexeddb: { short: "kept in this browser (slower)", long: "Changes are kept in this browser's database, because its file storage is missing here." },
  memory: { short: "not kept", long: "Changes are lost when the page is closed." },
};
