/**
 * Where a disk's changes live in this browser: the origin's private file system, a database, or
 * memory; and the lock that keeps other tabs out.
 */

import { Storage } from "virtarium-wasm";
import { Database } from "./database.js";
import { Lock } from "./lock.js";
import { File } from "./opfs.js";

/**
 * A place for one disk.
 * @typedef {object} Place
 * @property {"opfs" | "indexeddb" | "memory"} kind
 * @property {import("virtarium-wasm").Storage} storage for the machine, which takes it over
 * @property {Database | null} database takes the batches of a logged place
 * @property {File | null} file the file of a place that has one
 * @property {Lock | null} lock
 */

/**
 * Opens the place for a disk, or the next best that this browser and page allow.
 * @param {string | null} persist name of the machine that is kept, or null to keep nothing
 * @param {string} disk
 * @param {{steal: boolean, discard: boolean, onLost: () => void}} options `discard`: what was
 *   written is thrown away; `onLost`: another tab has taken the disk
 * @returns {Promise<Place>}
 */
export async function openPlace(persist, disk, { steal, discard, onLost }) {
  if (persist === null) {
    return { kind: "memory", storage: Storage.memory(false), database: null, file: null, lock: null };
  }
  const lock = await Lock.take(`virtarium:${persist}/${disk}`, steal, onLost);
  try {
    const file = await File.open(persist, disk);
    if (file) {
      if (discard) {
        await file.delete();
      }
      await file.settle();
      const storage = Storage.fromHandle(await file.handle(steal));
      return { kind: "opfs", storage, database: null, file, lock };
    }
    const database = await Database.open(`${persist}/${disk}`);
    if (database) {
      try {
        if (discard) {
          await database.delete(true);
        }
        const storage = Storage.memory(true);
        await database.restore(storage);
        return { kind: "indexeddb", storage, database, file: null, lock };
      } catch (error) {
        database.close();
        throw error;
      }
    }
  } catch (error) {
    await lock?.release();
    throw error;
  }
  return { kind: "memory", storage: Storage.memory(false), database: null, file: null, lock };
}
