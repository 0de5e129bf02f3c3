/** What keeps two tabs from using one disk. */

import { failure, isNamed } from "./failure.js";

/** What is said where a disk cannot be gone on with. */
export const TAKEN = "the disk was used elsewhere meanwhile; restart the machine to go on with what is on it now";

/**
 * A name for what this worker has open, which no other one has; always as long, so that it can be
 * written over another one where there is no room.
 */
export function session() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A disk that only one tab may have. */
export class Lock {
  #name;
  /** @type {(() => void) | null} */
  #release = null;
  /** Settled when others can have the lock. */
  #gone = Promise.resolve();

  /** @param {string} name */
  constructor(name) {
    this.#name = name;
  }

  /**
   * Takes the lock. Null where the browser has none (a page that is not secure, blocked site
   * data): the private file system is missing there as well, and a database knows its owner.
   * @param {string} name
   * @param {boolean} steal
   * @param {() => void} onLost
   */
  static async take(name, steal, onLost) {
    if (!navigator.locks) {
      return null;
    }
    const lock = new Lock(name);
    try {
      await lock.#hold(steal, onLost);
    } catch (error) {
      // Site data that is blocked: there is nothing to lock either.
      if (isNamed(error, "SecurityError")) {
        return null;
      }
      throw error;
    }
    return lock;
  }

  /**
   * Takes the lock again after it was released; fails with `locked` if another tab has it.
   * @param {() => void} onLost
   */
  async retake(onLost) {
    await this.#gone;
    await this.#hold(false, onLost);
  }

  /** Gives it back; settled when others can have it. */
  release() {
    this.#release?.();
    this.#release = null;
    return this.#gone;
  }

  /**
   * @param {boolean} steal
   * @param {() => void} onLost
   */
  #hold(steal, onLost) {
    return new Promise((resolve, reject) => {
      const options = steal ? { steal: true } : { ifAvailable: true };
      const held = navigator.locks.request(this.#name, options, (lock) => {
        if (!lock) {
          reject(failure("locked", `the disk ${this.#name.slice("virtarium:".length)} is in use, in another tab or in another machine of this page`));
          return undefined;
        }
        resolve(undefined);
        return new Promise((release) => {
          this.#release = () => release(undefined);
        });
      });
      this.#gone = held.then(
        () => {},
        () => {},
      );
      held.catch((error) => {
        // Stolen: the promise of whoever held it is rejected.
        if (this.#release) {
          this.#release = null;
          onLost();
        }
        reject(error);
      });
    });
  }
}
