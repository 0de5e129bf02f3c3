// What goes wrong between a machine and the server that its files come from.

/**
 * The codes that a source can report; docs/page.md says what each means for the user.
 * @typedef {"not-found" | "offline" | "integrity" | "changed" | "range" | "csp" | "memory" |
 *   "bad-machine" | "bad-image" | "aborted"} SourceCode
 */

/** A failure that names the address, what was expected there and what was found. */
export class SourceError extends Error {
  /**
   * @param {SourceCode} code
   * @param {string} url
   * @param {string} what A sentence without the address and without a full stop.
   * @param {{transient?: boolean, network?: boolean, after?: number, status?: number,
   *   cause?: unknown}} [more]
   *   `transient`: another attempt may succeed, `after` so many milliseconds; `network`: nobody
   *   answered.
   */
  constructor(code, url, what, more = {}) {
    super(`${what}: ${url}`, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = "SourceError";
    /** @readonly */
    this.code = code;
    /** For programs. @readonly */
    this.detail = more.status === undefined ? { url } : { url, status: more.status };
    /** @readonly */
    this.transient = more.transient ?? false;
    /** @readonly */
    this.network = more.network ?? false;
    /** @readonly */
    this.after = more.after ?? 0;
  }
}

/**
 * The caller has changed its mind.
 * @param {string} url
 */
export function aborted(url) {
  return new SourceError("aborted", url, "given up because it was asked for");
}

/**
 * What a status means that is not the one that was asked for.
 * @param {Response} response
 * @param {string} url
 */
export function badStatus(response, url) {
  const { status } = response;
  const said = `the server answers ${status}${response.statusText ? ` ${response.statusText}` : ""}`;
  // RFC 9110, 15.5.9 and 15.6; RFC 8470 (425); RFC 6585 (429): these pass.
  if (status >= 500 || status === 408 || status === 425 || status === 429) {
    const after = retryAfter(response.headers.get("retry-after"));
    return new SourceError("offline", url, said, { transient: true, after, status });
  }
  if (status === 404 || status === 410) {
    return new SourceError("not-found", url, `there is nothing (${said})`, { status });
  }
  return new SourceError("not-found", url, `a file was expected, and ${said}`, { status });
}

/**
 * RFC 9110, 10.2.3, in milliseconds. A date is left to our own delays: the clocks may differ.
 * @param {string | null} value
 */
function retryAfter(value) {
  return value !== null && /^[0-9]{1,6}$/.test(value) ? Number(value) * 1000 : 0;
}
