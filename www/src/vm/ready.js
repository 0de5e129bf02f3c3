/**
 * Waits for the first of some texts in bytes that come in pieces: in as many steps as there are
 * bytes, whatever the texts and the bytes are (Knuth, Morris, Pratt), for both come from elsewhere.
 */
export class TextFinder {
  /** @type {{bytes: Uint8Array, back: Uint16Array, seen: number}[]} */
  #texts;

  /** @param {readonly string[]} texts  none of them empty; without any, the first byte is enough */
  constructor(texts) {
    this.#texts = texts.map((text) => {
      const bytes = new TextEncoder().encode(text);
      return { bytes, back: fallbacks(bytes), seen: 0 };
    });
  }

  /**
   * @param {Uint8Array} piece
   * @returns {boolean} whether one of the texts is complete
   */
  push(piece) {
    if (this.#texts.length === 0) return piece.length > 0;
    for (const text of this.#texts) {
      const { bytes, back } = text;
      let { seen } = text;
      for (let i = 0; i < piece.length; i++) {
        while (seen > 0 && bytes[seen] !== piece[i]) seen = back[seen - 1];
        if (bytes[seen] === piece[i] && ++seen === bytes.length) return true;
      }
      text.seen = seen;
    }
    return false;
  }

  /** What has come so far does not count. */
  clear() {
    for (const text of this.#texts) text.seen = 0;
  }
}

/**
 * For each beginning of the text the length of its longest proper end that is a beginning too.
 * @param {Uint8Array} bytes
 */
function fallbacks(bytes) {
  const back = new Uint16Array(bytes.length);
  for (let i = 1, seen = 0; i < bytes.length; i++) {
    while (seen > 0 && bytes[i] !== bytes[seen]) seen = back[seen - 1];
    if (bytes[i] === bytes[seen]) seen += 1;
    back[i] = seen;
  }
  return back;
}
