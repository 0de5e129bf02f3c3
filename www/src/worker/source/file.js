// A file that is wanted whole: a kernel, an initramfs, a manifest.

import { persist } from "./attempts.js";
import { SourceError, badStatus } from "./error.js";
import { Sink, exchange } from "./exchange.js";
import { gunzip, packedLimit, sniff } from "./gunzip.js";
import { browser } from "./host.js";
import { Store } from "./store.js";

/** @import { Patience, Trouble } from "./attempts.js" */
/** @import { Host } from "./host.js" */
/** @import { Limits, Pieces } from "./exchange.js" */

/** The cache of whole files, by hash. */
export const FILES = "virtarium-files";

/** No file of a machine is longer: it has to fit into the guest's memory. */
const LONGEST = 1 << 30;

/**
 * A file, as a machine file names it.
 * @typedef {object} FileInfo
 * @property {string} url Absolute.
 * @property {string} [sha256] Of the bytes as the machine gets them; without it nothing is
 *   verified and nothing is kept.
 * @property {number} [size] Of the same bytes.
 * @property {string} [encoding] `gzip`: so is the file on the server.
 */

/**
 * Calculates SHA-256: `crypto.subtle` is missing on insecure origins.
 * @callback Sha256
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {string | Uint8Array | Promise<string | Uint8Array>} The hash, or its hexadecimal
 *   digits in lower case.
 */

/**
 * @typedef {object} FileOptions
 * @property {Sha256} hash
 * @property {AbortSignal} [signal]
 * @property {boolean} [eager] As of `persist`.
 * @property {(progress: {loaded: number, total: number | undefined, cached: boolean}) => void}
 *   [onProgress] Bytes as the machine gets them.
 * @property {(trouble: Trouble) => void} [onTrouble]
 * @property {number} [limit] Of bytes where the size is not known.
 * @property {RequestCache} [cache] How the browser's own cache is used.
 * @property {Patience} [patience]
 * @property {Limits} [limits]
 * @property {Host} [host]
 */

/**
 * Fetches a file and verifies it.
 * @param {FileInfo} info
 * @param {FileOptions} options
 * @returns {Promise<Uint8Array<ArrayBuffer>>} The bytes as the machine gets them.
 * @throws {SourceError}
 */
export async function fetchFile(info, options) {
  const { url, sha256, size } = checked(info);
  const { hash, onProgress, host = browser } = options;
  const limit = size ?? Math.min(options.limit ?? LONGEST, LONGEST);
  const store = new Store(FILES, host);
  /** @param {Uint8Array<ArrayBuffer>} bytes */
  const found = async (bytes) => ({ length: bytes.length, sha256: hex(await hash(bytes)) });

  if (sha256 !== undefined) {
    const kept = await store.get(sha256, limit);
    if (kept) {
      if ((await found(kept)).sha256 === sha256) {
        onProgress?.({ loaded: kept.length, total: kept.length, cached: true });
        return kept;
      }
      await store.drop(sha256);
    }
  }

  let reload = false;
  for (;;) {
    try {
      const cache = reload ? "reload" : options.cache;
      const bytes = await persist(url, () => download(info, limit, { ...options, cache, host }), {
        ...options,
        host,
      });
      if (size !== undefined && bytes.length !== size) {
        throw wrong(url, `${size} bytes were expected, and ${bytes.length} found`);
      }
      if (sha256 !== undefined) {
        const is = await found(bytes);
        if (is.sha256 !== sha256) {
          throw wrong(url, `SHA-256 ${sha256} was expected, and ${is.sha256} found`);
        }
        // Not waited for: the machine can start meanwhile.
        void store.put(sha256, bytes.slice());
      }
      return bytes;
    } catch (error) {
      // What the browser or something on the way has kept may be older than the machine file.
      if (!(error instanceof SourceError) || error.code !== "integrity" || reload) throw error;
      reload = true;
    }
  }
}

/**
 * @param {FileInfo} info
 * @param {number} limit
 * @param {FileOptions & {host: Host}} options
 */
async function download({ url, size, encoding }, limit, { onProgress, cache, ...options }) {
  /** @param {number} loaded */
  const progress = (loaded) => onProgress?.({ loaded, total: size, cached: false });
  /** @param {Response} response @param {Pieces} pieces */
  const use = async (response, pieces) => {
    if (response.status !== 200) throw badStatus(response, url);
    const sink = room(url, limit, size);
    const body = encoding === "gzip" ? await sniff(pieces) : { gzip: false, pieces };
    const fits = body.gzip
      ? await gunzip(url, bounded(url, body.pieces, packedLimit(limit)), sink, progress)
      : await fill(body.pieces, sink, progress);
    if (!fits) throw wrong(url, `at most ${limit} bytes were expected, and there are more`);
    return sink.bytes();
  };
  progress(0);
  return exchange(url, { cache: cache ?? "default" }, use, options);
}

/**
 * @param {AsyncIterable<Uint8Array<ArrayBuffer>>} pieces
 * @param {Sink} sink
 * @param {(loaded: number) => void} progress
 */
async function fill(pieces, sink, progress) {
  for await (const piece of pieces) {
    if (!sink.push(piece)) return false;
    progress(sink.length);
  }
  return true;
}

/**
 * @param {string} url
 * @param {AsyncIterable<Uint8Array<ArrayBuffer>>} pieces
 * @param {number} limit
 */
async function* bounded(url, pieces, limit) {
  let length = 0;
  for await (const piece of pieces) {
    length += piece.length;
    if (length > limit) throw wrong(url, `more than ${limit} bytes of gzip are for no such file`);
    yield piece;
  }
}

/**
 * @param {string} url
 * @param {number} limit
 * @param {number | undefined} size
 */
function room(url, limit, size) {
  try {
    return new Sink(limit, size);
  } catch (cause) {
    throw new SourceError("memory", url, `no memory for ${limit} bytes`, { cause });
  }
}

/**
 * @param {FileInfo} info
 * @returns {FileInfo}
 */
function checked({ url, sha256, size, encoding }) {
  /** @param {string} what */
  const bad = (what) => new SourceError("bad-machine", String(url), what);
  if (!URL.canParse(url)) throw bad("not an absolute address");
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/.test(sha256)) {
    throw bad(`"sha256" is 64 hexadecimal digits in lower case, not ${JSON.stringify(sha256)}`);
  }
  if (size !== undefined && !(Number.isSafeInteger(size) && size > 0 && size <= LONGEST)) {
    throw bad(`"size" is a number from 1 to ${LONGEST}, not ${JSON.stringify(size)}`);
  }
  if (encoding !== undefined && encoding !== "gzip") {
    throw bad(`"encoding" is "gzip" or is not there, not ${JSON.stringify(encoding)}`);
  }
  return { url, sha256, size, encoding };
}

/**
 * @param {string} url
 * @param {string} what
 */
function wrong(url, what) {
  return new SourceError("integrity", url, what);
}

/** @param {string | Uint8Array} hash */
function hex(hash) {
  if (typeof hash === "string") return hash;
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
