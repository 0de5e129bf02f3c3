import { VmError } from "./errors.js";

/** What a page names in `trusted-types`. */
const POLICY = "virtarium";

/**
 * The policy that trusts a worker's address, which the page's author has chosen; null: refused.
 * Nobody else gets it.
 * @type {{createScriptURL: (url: string) => unknown}|null|undefined}
 */
let policy;

function ownPolicy() {
  if (policy !== undefined) return policy;
  const { trustedTypes } = /** @type {any} */ (globalThis);
  try {
    policy = trustedTypes?.createPolicy(POLICY, { createScriptURL: (/** @type {string} */ url) => url }) ?? null;
  } catch {
    // Perhaps the page requires none, or has a default policy that will do.
    policy = null;
  }
  return policy;
}

/**
 * A worker, also where the page requires trusted types for such an address.
 * @param {string} url
 * @param {WorkerOptions} options
 * @returns {Worker}
 */
export function newWorker(url, options) {
  const own = ownPolicy();
  if (own) return new Worker(/** @type {string} */ (own.createScriptURL(url)), options);
  try {
    return new Worker(url, options);
  } catch (cause) {
    // What else is refused is no TypeError.
    if (!(cause instanceof TypeError) || !("trustedTypes" in globalThis)) throw cause;
    throw new VmError("csp", `the page requires trusted types and its policy forbids ours: trusted-types must name ${POLICY}, with 'allow-duplicates' where this script is loaded twice`, {
      detail: { directive: "trusted-types" }, cause,
    });
  }
}
