// Where the output of a command begins and ends in what the agent's shell prints:
// RS nonce RS before it, RS nonce space status RS after it. The nonce is random for each command,
// so no output can hold one; an echo of the command holds `\036` as four characters, not the byte.

const RS = 0x1e;
/** RS, 16 digits, space, a status of up to 10 characters, RS. */
const LONGEST = 1 + 16 + 1 + 10 + 1;

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

/** Finds the marks of one command in pieces cut anywhere. */
export class MarkerScanner {
  /** Bytes that may be the beginning of a mark. @type {number[]} */
  #held = [];
  #begun = false;
  #nonce;
  #onBytes;

  /**
   * @param {string} nonce
   * @param {(bytes: Uint8Array) => void} onBytes  takes what lies between the marks
   */
  constructor(nonce, onBytes) {
    this.#nonce = nonce;
    this.#onBytes = onBytes;
  }

  get begun() {
    return this.#begun;
  }

  /**
   * @param {Uint8Array} bytes
   * @returns {number|undefined} the status, when the end has been seen
   */
  push(bytes) {
    let from = 0;
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i];
      if (this.#held.length === 0) {
        if (byte !== RS) continue;
        this.#give(bytes.subarray(from, i));
        this.#held.push(byte);
        from = i + 1;
        continue;
      }
      from = i + 1;
      if (byte !== RS) {
        this.#held.push(byte);
        if (this.#held.length >= LONGEST || !this.#plausible()) this.#drop();
        continue;
      }
      const word = String.fromCharCode(...this.#held.slice(1));
      const status = this.#judge(word);
      if (status === "begin") {
        this.#begun = true;
        this.#held = [];
      } else if (status === "none") {
        // This RS may be the first of a mark itself.
        this.#drop();
        this.#held.push(byte);
      } else {
        this.#held = [];
        return status;
      }
    }
    this.#give(bytes.subarray(from));
    return undefined;
  }

  #plausible() {
    const at = this.#held.length - 2;
    return at >= 16 || this.#held[at + 1] === this.#nonce.charCodeAt(at);
  }

  /**
   * @param {string} word
   * @returns {number|"begin"|"none"}
   */
  #judge(word) {
    if (word === this.#nonce) return "begin";
    const found = /^([0-9a-f]{16}) (\d{1,9})$/.exec(word);
    return found && found[1] === this.#nonce && this.#begun ? Number(found[2]) : "none";
  }

  #drop() {
    this.#give(Uint8Array.from(this.#held));
    this.#held = [];
  }

  /** @param {Uint8Array} bytes */
  #give(bytes) {
    if (this.#begun && bytes.length > 0) this.#onBytes(bytes);
  }
}
