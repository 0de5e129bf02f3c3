/** What takes a disk's place: an overlay that the user has, or nothing. */

import { Storage } from "virtarium-wasm";
import { storageOf } from "./database.js";
import { checkOverlay, withRoom } from "./disks.js";
import { failure } from "./failure.js";
import { MAGIC, bytesOf } from "./opfs.js";

/** @typedef {import("./disks.js").PluggedDisk} PluggedDisk */

/**
 * Puts an overlay into a disk's place, after it was checked.
 * @param {PluggedDisk} disk that lets go of its file, under its lock
 * @param {Blob} overlay
 * @param {() => void} check comes right before the disk changes; what it throws leaves it as it is
 * @param {AbortSignal} signal
 */
export async function importOverlay({ info, place, source }, overlay, check, signal) {
  // An empty file would pass for a disk that was never begun.
  if (new TextDecoder().decode(await bytesOf(overlay.slice(0, MAGIC.length))) !== MAGIC) {
    throw failure("bad-image", `disk ${info.name}: the file is no overlay (docs/disk-format.md)`);
  }
  const { file, database, memory } = place;
  if (file) {
    const handle = await withRoom(source, () => file.stage(overlay));
    try {
      await checkOverlay(info, Storage.fromHandle(handle), signal);
      check();
      await file.approve();
    } catch (error) {
      // If it cannot be deleted, the next opening does it.
      await file.settle().catch(() => {});
      throw error;
    }
  } else if (database) {
    const bytes = await bytesOf(overlay);
    await checkOverlay(info, storageOf(bytes), signal);
    check();
    await withRoom(source, () => database.replace(bytes));
  } else if (memory) {
    const next = storageOf(await bytesOf(overlay));
    try {
      await checkOverlay(info, /** @type {Storage} */ (next.again()), signal);
      check();
    } catch (error) {
      next.free();
      throw error;
    }
    memory.replace(next);
  }
}

/**
 * Forgets what was written to a disk.
 * @param {PluggedDisk} disk that lets go of its file, under its lock
 * @param {() => void} check as of {@link importOverlay}
 */
export async function forgetOverlay({ place }, check) {
  check();
  await place.file?.delete();
  await place.database?.delete(false);
  place.memory?.delete();
}
