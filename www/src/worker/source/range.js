// An image that lies on a server in one piece, read by HTTP Range (RFC 9110, 14). Nothing verifies
// these bytes, so an answer counts only if every word of it is right.

import { persist } from "./attempts.js";
import { SourceError, badStatus } from "./error.js";
import { Sink, exchange } from "./exchange.js";
import { browser } from "./host.js";
import {
  contentRange,
  isMultipart,
  sameFile,
  unreadable,
  validators,
  violation,
} from "./range-answer.js";

/** @import { Patience, Trouble } from "./attempts.js" */
/** @import { Limits, Pieces } from "./exchange.js" */
/** @import { Host } from "./host.js" */
/** @import { Validators } from "./range-answer.js" */

/** An image up to this size is taken whole from a server that does not know ranges. */
const SMALL = 16 << 20;
/** No read is longer: the largest chunk of a manifest. */
const LONGEST_READ = 4 << 20;
/** The largest disk, as in a manifest. */
const LARGEST = 2 ** 44;

/**
 * @typedef {object} RangeOptions
 * @property {(trouble: Trouble) => void} [onTrouble]
 * @property {Patience} [patience]
 * @property {Limits} [limits]
 * @property {Host} [host]
 * @property {number} [small]
 */

/**
 * What was found out about an image.
 * @typedef {object} Image
 * @property {number} size
 * @property {string} identity Address, validator and size: another text is another image.
 */

/** @typedef {Image & {validators: Validators}} Known */

/** An image behind one address. It stays the same image, or fails for good. */
export class RangeSource {
  /** @type {Known | undefined} */
  #image;
  /** All of it, from a server without ranges. @type {Uint8Array<ArrayBuffer> | undefined} */
  #whole;
  /** Set once the image on the server is another one. @type {SourceError | undefined} */
  #changed;

  /**
   * @param {string} url Absolute.
   * @param {RangeOptions} [options]
   */
  constructor(url, options = {}) {
    this.url = url;
    this.options = options;
    this.host = options.host ?? browser;
    /** Requests that gave bytes, and bytes, so far. */
    this.statistics = { fetched: 0, bytes: 0 };
  }

  /**
   * Asks how large the image is, and by what one sees that it was replaced. Comes first.
   * @param {{signal?: AbortSignal, eager?: boolean}} [options] `eager` as of `persist`
   * @returns {Promise<Image>}
   * @throws {SourceError}
   */
  async probe({ signal, eager } = {}) {
    if (!URL.canParse(this.url)) {
      throw new SourceError("bad-machine", String(this.url), "not an absolute address");
    }
    const found = await this.#persist(() => this.#ask(signal), signal, eager);
    const { size, validators: at } = found;
    const { etag, modified } = at;
    if (found.whole) {
      this.#whole = found.whole;
      this.statistics.fetched += 1;
      this.statistics.bytes += size;
    }
    if (size === 0 || size > LARGEST) {
      throw new SourceError("bad-image", this.url, `an image of ${size} bytes is no disk`);
    }
    if (etag === null && modified === null) {
      const what =
        "the server sends neither ETag nor Last-Modified (or does not expose ETag to other " +
        "origins), so that a replaced image would not be noticed";
      throw new SourceError("range", this.url, `${what}; ${REMEDY}`);
    }
    const identity = JSON.stringify([this.url, etag ?? modified, size]);
    this.#image = { size, identity, validators: at };
    return { size, identity };
  }

  /**
   * Reads a part of the image: exactly these bytes, or none.
   * @param {number} start
   * @param {number} length
   * @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<Uint8Array<ArrayBuffer>>}
   * @throws {SourceError}
   */
  async read(start, length, { signal } = {}) {
    const image = this.#image;
    if (!image) throw new TypeError("RangeSource: probe() comes before read()");
    if (!(start >= 0 && length > 0 && length <= LONGEST_READ && start + length <= image.size)) {
      throw new RangeError(`RangeSource: no ${length} bytes at ${start} of ${image.size}`);
    }
    if (this.#whole) return this.#whole.slice(start, start + length);
    const bytes = await this.#persist(() => this.#part(start, length, signal), signal);
    this.statistics.fetched += 1;
    this.statistics.bytes += length;
    return bytes;
  }

  /**
   * @template T
   * @param {() => Promise<T>} once
   * @param {AbortSignal | undefined} signal
   * @param {boolean} [eager]
   */
  #persist(once, signal, eager) {
    const all = () => {
      if (this.#changed) throw this.#changed;
      return once();
    };
    return persist(this.url, all, { ...this.options, host: this.host, signal, eager });
  }

  /**
   * Asks for the first byte.
   * @param {AbortSignal | undefined} signal
   * @returns {Promise<{size: number, validators: Validators, whole?: Uint8Array<ArrayBuffer>}>}
   */
  #ask(signal) {
    return this.#request({ range: "bytes=0-0" }, signal, async (response, pieces) => {
      if (response.status === 416) {
        // Not one byte is there (RFC 9110, 15.5.17).
        return { size: 0, validators: validators(response) };
      }
      if (response.status === 200) return this.#takeWhole(response, pieces);
      const { start, end, total } = this.#head(response);
      if (start !== 0 || end !== 0) {
        throw violation(this.url, `bytes 0-0 were asked for, and ${start}-${end} came`);
      }
      await this.#body(pieces, 1);
      return { size: total, validators: validators(response) };
    });
  }

  /**
   * A server that does not know ranges sends everything (RFC 9110, 14.2).
   * @param {Response} response
   * @param {Pieces} pieces
   */
  async #takeWhole(response, pieces) {
    const small = this.options.small ?? SMALL;
    const told = Number(response.headers.get("content-length") ?? 0);
    const sink = new Sink(small);
    let fits = told <= small;
    if (fits) {
      for await (const piece of pieces) {
        fits = sink.push(piece);
        if (!fits) break;
      }
    }
    if (!fits) {
      const what = `the server sends all of it (200) where a part was asked for (Range), and it is`;
      const size = told > small ? `${told} bytes` : `more than ${small} bytes`;
      throw new SourceError("range", this.url, `${what} ${size}; ${REMEDY}`);
    }
    return { size: sink.length, validators: validators(response), whole: sink.bytes() };
  }

  /**
   * @param {number} start
   * @param {number} length
   * @param {AbortSignal | undefined} signal
   */
  async #part(start, length, signal) {
    const image = /** @type {Known} */ (this.#image);
    const last = start + length - 1;
    /** @type {Record<string, string>} */
    const headers = { range: `bytes=${start}-${last}` };
    // If-Range asks other origins for permission first, which few servers give. What is
    // compared below says the same.
    const strong = image.validators.strong;
    if (strong !== null && new URL(this.url).origin === this.host.origin) {
      headers["if-range"] = strong;
    }
    /** @param {Response} response @param {Pieces} pieces */
    const use = async (response, pieces) => {
      if (response.status === 416 || response.status === 200) {
        if (response.status === 416 || !sameFile(image.validators, validators(response))) {
          return undefined;
        }
        throw violation(this.url, `bytes ${start}-${last} were asked for, and all of it came (200)`);
      }
      const head = this.#head(response);
      if (head.total !== image.size || !sameFile(image.validators, validators(response))) {
        return undefined;
      }
      if (head.start !== start || head.end !== last) {
        const came = `${head.start}-${head.end} came`;
        throw violation(this.url, `bytes ${start}-${last} were asked for, and ${came}`);
      }
      return this.#body(pieces, length);
    };
    const bytes = await this.#request(headers, signal, use);
    if (bytes) return bytes;
    await this.#confirmChange(image, signal);
    throw violation(this.url, "one answer was of another image, and the next was not");
  }

  /**
   * Once more, without conditions: the page of a hotel's network must not end a disk.
   * @param {Known} image
   * @param {AbortSignal | undefined} signal
   */
  async #confirmChange(image, signal) {
    const now = await this.#request({ range: "bytes=0-0" }, signal, async (response) => {
      if (response.status === 416) return { size: 0, at: validators(response) };
      if (response.status === 200) throw violation(this.url, "all of it came (200) for bytes 0-0");
      return { size: this.#head(response).total, at: validators(response) };
    });
    if (now.size === image.size && sameFile(image.validators, now.at)) return;
    const was = describe(image.size, image.validators);
    const is = describe(now.size, now.at);
    const what = `the image was replaced while it was used: it was ${was}, and is ${is}`;
    this.#changed = new SourceError("changed", this.url, what);
    throw this.#changed;
  }

  /**
   * What a 206 says of itself.
   * @param {Response} response
   */
  #head(response) {
    const { status, headers } = response;
    if (status !== 206) {
      if (status >= 400) throw badStatus(response, this.url);
      throw violation(this.url, `a part was asked for, and the server answers ${status}`);
    }
    if (isMultipart(headers)) {
      const what = "one part was asked for, and the server sends a list (multipart/byteranges)";
      throw new SourceError("range", this.url, `${what}; ${REMEDY}`);
    }
    const encoding = headers.get("content-encoding");
    if (encoding !== null && encoding !== "identity") {
      const what = `the server compresses parts (Content-Encoding: ${encoding})`;
      throw new SourceError("range", this.url, `${what}; ${REMEDY}`);
    }
    const text = headers.get("content-range");
    if (text === null) {
      if (response.type === "cors") throw unreadable(this.url);
      throw violation(this.url, "an answer without Content-Range");
    }
    const parsed = contentRange(text);
    if (!parsed) throw violation(this.url, `Content-Range: ${JSON.stringify(text)}`);
    return parsed;
  }

  /**
   * @param {Pieces} pieces
   * @param {number} length
   */
  async #body(pieces, length) {
    const sink = new Sink(length, length);
    for await (const piece of pieces) {
      if (!sink.push(piece)) throw violation(this.url, `more than the ${length} bytes asked for`);
    }
    if (sink.length === length) return sink.bytes();
    throw violation(this.url, `${sink.length} bytes of the ${length} asked for`);
  }

  /**
   * @template T
   * @param {Record<string, string>} headers
   * @param {AbortSignal | undefined} signal
   * @param {(response: Response, pieces: Pieces) => Promise<T>} use
   */
  #request(headers, signal, use) {
    // A cache may join parts of two images.
    const init = { headers, cache: /** @type {RequestCache} */ ("no-store") };
    const { limits } = this.options;
    return exchange(this.url, init, use, { host: this.host, signal, limits });
  }
}

/** What the owner of the image can do. */
const REMEDY = "cut the image into chunks (virtarium image chunk), which any server can serve";

/**
 * @param {number} size
 * @param {Validators} at
 */
function describe(size, { etag, modified }) {
  return `${size} bytes of ${etag ?? modified ?? "no date"}`;
}
