// Decompression with a bound: what a few kilobytes unpack to is for their author to choose.

import { SourceError } from "./error.js";

/** @import { Pieces, Sink } from "./exchange.js" */

/** So much is unpacked before the bound is looked at: deflate gives 1032 bytes for one at most. */
const STEP = 16_384;

/**
 * Unpacks one gzip file (RFC 1952) into a sink.
 * @param {string} url
 * @param {AsyncIterable<Uint8Array<ArrayBuffer>>} pieces
 * @param {Sink} sink
 * @param {(loaded: number) => void} [onProgress]
 * @returns {Promise<boolean>} False if there is more in it than the sink takes.
 */
export async function gunzip(url, pieces, sink, onProgress) {
  const { readable, writable } = new DecompressionStream("gzip");
  const writer = writable.getWriter();
  const reader = readable.getReader();
  let fits = true;
  /** What the sink threw. @type {{error: unknown} | undefined} */
  let broken;
  const drained = (async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      try {
        fits = sink.push(value);
        if (fits) onProgress?.(sink.length);
      } catch (error) {
        broken = { error };
      }
      if (!fits || broken) {
        // Otherwise whoever writes would wait for somebody who reads.
        await reader.cancel();
        return;
      }
    }
  })();
  // Whoever waits for it comes later.
  drained.catch(() => {});
  try {
    for await (const piece of pieces) {
      for (let at = 0; at < piece.length && fits; at += STEP) {
        try {
          await writer.write(piece.subarray(at, at + STEP));
        } catch (cause) {
          if (fits && !broken) throw notGzip(url, cause);
        }
        if (broken) throw broken.error;
      }
      if (!fits) return false;
    }
    try {
      await writer.close();
      await drained;
    } catch (cause) {
      if (fits && !broken) throw notGzip(url, cause);
    }
    if (broken) throw broken.error;
  } finally {
    // Where the pieces broke off; it does nothing after `close`.
    writer.abort().catch(() => {});
  }
  return fits;
}

/**
 * @param {string} url
 * @param {unknown} cause
 */
function notGzip(url, cause) {
  const said = cause instanceof Error ? cause.message : String(cause);
  return new SourceError("integrity", url, `a whole gzip file was expected (${said})`, { cause });
}

/**
 * Whether these bytes begin a gzip file. A server may have unpacked one on the way, as it does
 * where it takes `.gz` for an encoding of the file and not for the file.
 * @param {Uint8Array} bytes
 */
export function isGzip(bytes) {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/**
 * The longest gzip file of so many bytes that a sensible writer makes: stored blocks add five
 * bytes for every 16 KiB or more, and the head may hold a name.
 * @param {number} size
 */
export function packedLimit(size) {
  return size + (size >> 10) + 4096;
}

/**
 * The same pieces, after a look at the first two bytes.
 * @param {Pieces} pieces
 * @returns {Promise<{gzip: boolean, pieces: AsyncIterable<Uint8Array<ArrayBuffer>>}>}
 */
export async function sniff(pieces) {
  /** @type {Uint8Array<ArrayBuffer>} */
  let head = new Uint8Array(0);
  while (head.length < 2) {
    const { done, value } = await pieces.next();
    if (done) break;
    const longer = new Uint8Array(head.length + value.length);
    longer.set(head);
    longer.set(value, head.length);
    head = longer;
  }
  async function* all() {
    yield head;
    yield* pieces;
  }
  return { gzip: isGzip(head), pieces: all() };
}
