// Where the output of a command begins and ends in what the agent's shell prints:
// RS nonce RS before it, RS nonce space status RS after it. The nonce is random for each command,
// so no output can hold one; an echo of the command holds `\036` as four characters, not the byte.

const RS = 0x1e;
const SPACE = 0x20;
const ZERO = 0x30;
/** A longer status is none. */
const STATUS_DIGITS = 9;

/** @returns {string} */
export function newNonce() {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * A word of a POSIX shell's that stands for exactly this text.
 * @param {string} text
 */
export function quote(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * The line that runs `command` between its marks. A subshell: `exit`, `cd` and a mistake of syntax
 * end with the command, and the agent's shell goes on. A trap is reset in it (POSIX 2.12), so that
 * the interrupt that the agent's shell ignores ends it.
 * @param {string} nonce
 * @param {string} command
 */
export function wrap(nonce, command) {
  return `printf '\\036${nonce}\\036'; (eval ${quote(command)}) </dev/null 2>&1; printf '\\036${nonce} %d\\036' "$?"\n`;
}

/** What a byte of RS can turn out to be. @typedef {{end: number, status?: number}|"output"|"more"} Mark */

/** Finds the marks of one command in pieces cut anywhere. */
export class MarkerScanner {
  /** The end of the last piece, if it may be the beginning of a mark: shorter than one. */
  #held = new Uint8Array();
  #begun = false;
  #nonce;
  #onBytes;

  /**
   * @param {string} nonce
   * @param {(bytes: Uint8Array) => void} onBytes  takes what lies between the marks, in pieces that
   *   are no smaller for what is in them, and that it must not keep
   */
  constructor(nonce, onBytes) {
    this.#nonce = new TextEncoder().encode(nonce);
    this.#onBytes = onBytes;
  }

  /**
   * @param {Uint8Array} piece
   * @returns {number|undefined} the status, when the end has been seen
   */
  push(piece) {
    const bytes = this.#held.length === 0 ? piece : join(this.#held, piece);
    this.#held = new Uint8Array();
    let from = 0;
    for (let at = bytes.indexOf(RS); at >= 0; at = bytes[at] === RS ? at : bytes.indexOf(RS, at)) {
      const mark = this.#look(bytes, at);
      if (mark === "output") {
        at += 1;
        continue;
      }
      this.#give(bytes.subarray(from, at));
      if (mark === "more") {
        this.#held = bytes.slice(at);
        return undefined;
      }
      if (mark.status !== undefined) return mark.status;
      this.#begun = true;
      from = at = mark.end;
    }
    this.#give(bytes.subarray(from));
    return undefined;
  }

  /**
   * @param {Uint8Array} bytes
   * @param {number} start  where an RS is
   * @returns {Mark}
   */
  #look(bytes, start) {
    let at = start + 1;
    for (let i = 0; i < this.#nonce.length; i++, at++) {
      if (at === bytes.length) return "more";
      if (bytes[at] !== this.#nonce[i]) return "output";
    }
    if (at === bytes.length) return "more";
    if (bytes[at] === RS) return { end: at + 1 };
    if (!this.#begun || bytes[at] !== SPACE) return "output";
    let status = 0;
    for (let digits = 0; ; digits++) {
      if (++at === bytes.length) return "more";
      const byte = bytes[at];
      if (byte === RS && digits > 0) return { end: at + 1, status };
      if (byte < ZERO || byte > ZERO + 9 || digits === STATUS_DIGITS) return "output";
      status = status * 10 + byte - ZERO;
    }
  }

  /** @param {Uint8Array} bytes */
  #give(bytes) {
    if (this.#begun && bytes.length > 0) this.#onBytes(bytes);
  }
}

/**
 * @param {Uint8Array} a
 * @param {Uint8Array} b
 */
function join(a, b) {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
