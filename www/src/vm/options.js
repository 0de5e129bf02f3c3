import { VmError } from "./errors.js";

/** A name that becomes one of a folder and of a lock. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** What each option of `Vm.create` has to be, where it is given. */
const CHECKS = /** @type {[string, (value: unknown) => boolean, string][]} */ ([
  ["persist", (v) => typeof v === "string" && NAME.test(v), 'a name of letters, digits, ".", "_" and "-"'],
  ["clock", (v) => v === "host" || v === "deterministic", '"host" or "deterministic"'],
  ["seed", isSeed, "a text with a number of 64 bits, decimal or 0x hexadecimal"],
  ["epoch", (v) => isCount(v), "a whole number of seconds"],
  ["cols", (v) => isCount(v) && v <= 0xffff, "a number of columns"],
  ["rows", (v) => isCount(v) && v <= 0xffff, "a number of rows"],
]);

/**
 * Refuses options that the worker would stumble over, or take for something else.
 * @param {object} options
 */
export function checkOptions(options) {
  const given = /** @type {Record<string, unknown>} */ (options);
  for (const [field, fits, wanted] of CHECKS) {
    const value = given[field];
    if (value === undefined || value === null || fits(value)) continue;
    const shown = typeof value === "string" ? JSON.stringify(value.slice(0, 60)) : String(value);
    throw new VmError("bad-machine", `${field} is ${shown} and should be ${wanted}`, { detail: { field } });
  }
}

/**
 * @param {unknown} value
 * @returns {value is number}
 */
export function isCount(value) {
  return Number.isSafeInteger(value) && /** @type {number} */ (value) >= 0;
}

/** @param {unknown} value */
function isSeed(value) {
  return typeof value === "string" && /^(\d{1,20}|0x[\da-f]{1,16})$/i.test(value) && BigInt(value) < 1n << 64n;
}
