// Base64 (RFC 4648, 4) in pieces: a file crosses a console as lines of it.

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const CODES = Uint8Array.from(ALPHABET, (c) => c.charCodeAt(0));
const PAD = 61;
const BAD = 255;
const SKIP = 254;

const VALUES = new Uint8Array(256).fill(BAD);
CODES.forEach((code, value) => { VALUES[code] = value; });
for (const white of [9, 10, 13, 32]) VALUES[white] = SKIP;

/** Bytes of a line: 76 characters (RFC 2045, 6.8), below the limit of any line discipline. */
const LINE = 57;

/**
 * The lines, each ended by a newline, as bytes.
 * @param {Uint8Array} bytes
 * @returns {Uint8Array}
 */
export function encodeLines(bytes) {
  const lines = Math.ceil(bytes.length / LINE);
  const out = new Uint8Array(Math.ceil(bytes.length / 3) * 4 + lines);
  let to = 0;
  for (let start = 0; start < bytes.length; start += LINE) {
    const end = Math.min(start + LINE, bytes.length);
    for (let i = start; i < end; i += 3) {
      const left = end - i;
      const word = (bytes[i] << 16) | ((left > 1 ? bytes[i + 1] : 0) << 8) | (left > 2 ? bytes[i + 2] : 0);
      out[to++] = CODES[word >> 18];
      out[to++] = CODES[(word >> 12) & 63];
      out[to++] = left > 1 ? CODES[(word >> 6) & 63] : PAD;
      out[to++] = left > 2 ? CODES[word & 63] : PAD;
    }
    out[to++] = 10;
  }
  return out;
}

/** Takes base64 in pieces cut anywhere, gives the bytes. White space is skipped. */
export class Base64Decoder {
  #word = 0;
  #have = 0;
  #padded = 0;

  /**
   * @param {Uint8Array} text
   * @returns {Uint8Array}
   */
  push(text) {
    const out = new Uint8Array(Math.ceil(((text.length + this.#have) * 3) / 4));
    let to = 0;
    for (const byte of text) {
      const value = VALUES[byte];
      if (value === SKIP) continue;
      if (byte === PAD && this.#have >= 2) {
        this.#padded += 1;
        if (this.#have + this.#padded < 4) continue;
        if (this.#have === 3) {
          out[to++] = this.#word >> 10;
          out[to++] = (this.#word >> 2) & 255;
        } else {
          out[to++] = this.#word >> 4;
        }
        this.#word = this.#have = 0;
        continue;
      }
      if (value === BAD || this.#padded > 0) throw new SyntaxError(`byte ${byte} is not base64 here`);
      this.#word = (this.#word << 6) | value;
      if (++this.#have === 4) {
        out[to++] = (this.#word >> 16) & 255;
        out[to++] = (this.#word >> 8) & 255;
        out[to++] = this.#word & 255;
        this.#word = this.#have = 0;
      }
    }
    return out.subarray(0, to);
  }

  /** Says that all has been pushed. */
  end() {
    if (this.#have > 0) throw new SyntaxError("base64 ends within four characters");
  }
}
