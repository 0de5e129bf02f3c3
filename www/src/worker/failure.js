/** Errors with a code, as docs/page.md lists them. */

/**
 * @param {string} code
 * @param {string} message
 * @returns {Error & {code: string}}
 */
export function failure(code, message) {
  return Object.assign(new Error(message), { code });
}
