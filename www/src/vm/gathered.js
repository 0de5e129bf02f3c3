/** Bytes that come in pieces, in one array: however small the pieces, it takes what they hold. */
export class Gathered {
  #bytes = new Uint8Array(4096);
  #length = 0;

  get length() {
    return this.#length;
  }

  /** @param {Uint8Array} piece */
  push(piece) {
    const length = this.#length + piece.length;
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(length, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(piece, this.#length);
    this.#length = length;
  }

  /** What has come; the next piece begins anew. */
  take() {
    const bytes = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return bytes;
  }
}
