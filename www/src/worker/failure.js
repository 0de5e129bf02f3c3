/** Errors with a code, as docs/page.md lists them. */

/**
 * @param {string} code
 * @param {string} message
 * @returns {Error & {code: string}}
 */
export function failure(code, message) {
  return Object.assign(new Error(message), { code });
}

/**
 * Whether the browser says this.
 * @param {unknown} error
 * @param {string} name
 */
export function isNamed(error, name) {
  return error instanceof DOMException && error.name === name;
}
