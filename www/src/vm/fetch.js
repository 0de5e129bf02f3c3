import { VmError, abortError, throwIfAborted } from "./errors.js";

/**
 * Fetches a small file whole, and says why when it cannot.
 * @param {string} url
 * @param {{limit: number, signal?: AbortSignal}} options
 * @returns {Promise<{bytes: Uint8Array, url: string}>}
 */
export async function get(url, { limit, signal }) {
  throwIfAborted(signal);
  const refused = watchPolicy(/^(connect|default)-src/);
  let response;
  try {
    response = await fetch(url, { signal, credentials: "same-origin" });
  } catch (cause) {
    if (signal?.aborted) throw abortError(signal);
    // The report of a violation may come after the failure.
    await new Promise((resolve) => setTimeout(resolve, 0));
    const policy = refused.seen();
    if (policy) throw new VmError("csp", `the page's policy forbids ${url}: ${policy}`, { detail: { url, directive: policy }, cause });
    throw new VmError("offline", `${url} cannot be reached (${/** @type {Error} */ (cause).message})`, { detail: { url }, cause });
  } finally {
    refused.stop();
  }
  if (!response.ok) {
    const code = response.status >= 500 || response.status === 429 ? "offline" : "not-found";
    throw new VmError(code, `${url}: the server answers ${response.status} ${response.statusText}`.trim(), {
      detail: { url, status: response.status },
    });
  }
  try {
    const bytes = await readAll(response, limit);
    return { bytes, url: response.url || url };
  } catch (cause) {
    if (cause instanceof VmError) throw cause;
    if (signal?.aborted) throw abortError(signal);
    throw new VmError("offline", `${url} broke off`, { detail: { url }, cause });
  }
}

/**
 * @param {Response} response
 * @param {number} limit
 * @returns {Promise<Uint8Array>}
 */
async function readAll(response, limit) {
  const reader = response.body?.getReader();
  /** @type {Uint8Array[]} */
  const parts = [];
  let size = 0;
  while (reader) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > limit) {
      await reader.cancel();
      throw new VmError("bad-machine", `${response.url} has more than ${limit} bytes`, { detail: { url: response.url } });
    }
    parts.push(value);
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/**
 * Sees whether the page's content security policy refuses something from now on.
 * @param {RegExp} directives  by which it would refuse that: the page has other troubles too, as
 *   with a picture
 * @returns {{seen: () => string|undefined, stop: () => void}}
 */
export function watchPolicy(directives) {
  /** @type {string|undefined} */
  let directive;
  if (typeof document === "undefined") return { seen: () => undefined, stop() {} };
  const look = (/** @type {SecurityPolicyViolationEvent} */ event) => {
    if (event.disposition === "enforce" && directives.test(event.effectiveDirective)) directive = event.effectiveDirective;
  };
  document.addEventListener("securitypolicyviolation", look);
  return {
    seen: () => directive,
    stop: () => document.removeEventListener("securitypolicyviolation", look),
  };
}
