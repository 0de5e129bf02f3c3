// What the head of an answer to a Range request says.

import { SourceError } from "./error.js";

/**
 * By what one sees that a file was replaced (RFC 9110, 8.8).
 * @typedef {object} Validators
 * @property {string | null} etag Without the mark of a weak one: servers add and take it as they
 *   compress.
 * @property {string | null} modified
 * @property {string | null} strong What `If-Range` may say (RFC 9110, 13.1.5).
 */

/**
 * @param {Response} response
 * @returns {Validators}
 */
export function validators({ headers }) {
  const tag = headers.get("etag");
  const modified = headers.get("last-modified");
  const weak = tag !== null && /^\s*W\//.test(tag);
  const etag = tag === null ? null : tag.trim().replace(/^W\//, "");
  return { etag, modified, strong: weak ? modified : (etag ?? modified) };
}

/**
 * Whether an answer is of the file that was there at first. The ETag decides, the date only
 * where there is no ETag: servers of one farm have different dates.
 * @param {Validators} first
 * @param {Validators} now
 */
export function sameFile(first, now) {
  if (first.etag !== null && now.etag !== null) return first.etag === now.etag;
  return first.modified !== null && first.modified === now.modified;
}

/**
 * `bytes 0-0/1234` (RFC 9110, 14.4), with a total: one that changes or is unknown is no disk's.
 * @param {string} text
 */
export function contentRange(text) {
  const match = /^bytes ([0-9]{1,15})-([0-9]{1,15})\/([0-9]{1,15})$/.exec(text.trim());
  if (!match) return undefined;
  const [start, end, total] = match.slice(1).map(Number);
  return start <= end && end < total ? { start, end, total } : undefined;
}

/** @param {Headers} headers */
export function isMultipart(headers) {
  return /^\s*multipart\//i.test(headers.get("content-type") ?? "");
}

/**
 * An answer against the rules. Networks of caches give one now and then, so it is asked again.
 * @param {string} url
 * @param {string} what
 */
export function violation(url, what) {
  return new SourceError("range", url, what, { transient: true });
}

/** @param {string} url */
export function unreadable(url) {
  const what =
    "a server of another origin has to expose the headers Content-Range and ETag " +
    "(Access-Control-Expose-Headers)";
  return new SourceError("range", url, what);
}
