/** What takes a disk's place: an overlay that the user has, or nothing. */

import { Storage } from "virtarium-wasm";
import { storageOf } from "./database.js";
import { checkOverlay, withRoom } from "./disks.js";
import { failure } from "./failure.js";
import { MAGIC, bytesOf } from "./opfs.js";

/** @typedef {import("./disks.js").PluggedDisk} PluggedDisk */
/** @typedef {import("./storage.js").Memories} Memories */

/**
 * Puts an overlay into a disk's place, after it was checked.
 * @param {PluggedDisk} disk that lets go of its file, under its lock
 * @param {Blob} overlay
 * @param {Memories} memories
 * @param {() => void} check comes right before the disk changes; what it throws leaves it as it is
 * @param {AbortSignal} signal
 */
export async function importOverlay({ info, place, source }, overlay, memories, check, signal) {
  // An empty file would pass for a disk that was never begun.
  if (new TextDecoder().decode(await bytesOf(overlay.slice(0, MAGIC.length))) !== MAGIC) {
    throw failure("bad-image", `disk ${info.name}: the file is no overlay (docs/disk-format.md)`);
  }
  const { file, database } = place;
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
  } else {
    const memory = storageOf(await bytesOf(overlay));
    try {
      await checkOverlay(info, /** @type {Storage} */ (memory.again()), signal);
      check();
    } catch (error) {
      memory.free();
      throw error;
    }
    remember(memories, info.name, memory);
  }
}

/**
 * Forgets what was written to a disk.
 * @param {PluggedDisk} disk that lets go of its file, under its lock
 * @param {Memories} memories
 * @param {() => void} check as of {@link importOverlay}
 */
export async function forgetOverlay({ info, place }, memories, check) {
  check();
  await place.file?.delete();
  await place.database?.delete(false);
  remember(memories, info.name, undefined);
}

/**
 * @param {Memories} memories
 * @param {string} disk
 * @param {Storage | undefined} memory
 */
function remember(memories, disk, memory) {
  memories.get(disk)?.free();
  if (memory) {
    memories.set(disk, memory);
  } else {
    memories.delete(disk);
  }
}
