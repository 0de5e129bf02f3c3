/** The disks of one machine, all together. */

import { failure } from "./failure.js";

/** @typedef {import("./disks.js").PluggedDisk} PluggedDisk */

export class DiskSet {
  /** In the order of the machine's slots. */
  all;
  /** Those that were replaced, which only another machine opens. @type {Set<string>} */
  #replaced = new Set();

  /** @param {PluggedDisk[]} disks */
  constructor(disks = []) {
    this.all = disks;
  }

  /** What the page is told of them. */
  describe() {
    return this.all.map(({ name, size, place, persisted, info }) => ({ name, size, kind: place.kind, persisted, readonly: info.readonly }));
  }

  /**
   * @param {string} name
   * @param {{name: string}[]} declared those of the machine file
   */
  find(name, declared) {
    const disk = this.all.find((disk) => disk.name === name);
    if (!disk) {
      if (declared.some((disk) => disk.name === name)) {
        throw failure("unsupported", `the disk ${name} is not open: start the machine first`);
      }
      throw failure("not-found", `the machine has no disk ${JSON.stringify(name)}; it has ${declared.map((disk) => disk.name).join(", ") || "none"}`);
    }
    return disk;
  }

  /** Starts what the machine wants of servers and databases. */
  serve() {
    for (const disk of this.all) {
      disk.serve();
    }
  }

  /** Says of each where it is kept. */
  inform() {
    for (const disk of this.all) {
      disk.inform();
    }
  }

  async flush() {
    for (const disk of this.all) {
      await disk.flush();
    }
  }

  /** Lets go of their files, and of their locks. */
  detach() {
    for (const disk of this.all) {
      disk.detach();
    }
  }

  /**
   * Takes them again, all or none.
   * @param {(disk: string) => void} onLost
   */
  async attach(onLost) {
    try {
      for (const disk of this.all) {
        await disk.attach(() => onLost(disk.name));
      }
    } catch (error) {
      this.detach();
      throw error;
    }
  }

  /** The end. */
  close() {
    for (const disk of this.all) {
      disk.close();
    }
  }

  /**
   * The overlay of a disk that is let go of.
   * @param {PluggedDisk} disk
   */
  async exportDetached(disk) {
    if (this.#replaced.has(disk.name)) {
      throw failure("unsupported", `the disk ${disk.name} was replaced: start the machine once, then export it`);
    }
    await disk.attach(() => disk.detach());
    try {
      return await disk.exportOverlay();
    } finally {
      disk.detach();
    }
  }

  /**
   * Puts something else into a disk's place. This machine does not run with it: all are let go of.
   * @param {PluggedDisk} disk
   * @param {(disk: PluggedDisk, check: () => void) => Promise<void>} change `check` comes right
   *   before the disk changes, and fails once another tab has taken it
   */
  async replace(disk, change) {
    const { lock } = disk.place;
    let lost = false;
    this.detach();
    try {
      await lock?.retake(() => (lost = true));
      await change(disk, () => {
        if (lost) {
          throw takenOver(disk.name);
        }
        // Even if it fails now: nobody knows what is there then.
        this.#replaced.add(disk.name);
      });
    } finally {
      await lock?.release();
    }
  }
}

/**
 * The error of a disk that somebody else has now.
 * @param {string} disk
 */
export function takenOver(disk) {
  return failure("locked", `the disk ${disk} was taken over, by another tab or by another machine of this page`);
}
