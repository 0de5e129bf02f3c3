/**
 * Where a disk's changes live in this browser: the origin's private file system, a database, or
 * memory; and the lock that keeps other tabs out.
 */

import { Storage } from "virtarium-wasm";
import { Database } from "./database.js";
import { Lock } from "./lock.js";
import { Memory } from "./memory.js";
import { File } from "./opfs.js";

/**
 * A place for one disk.
 * @typedef {object} Place
 * @property {"opfs" | "indexeddb" | "memory"} kind
 * @property {Storage} storage for the machine, which takes it over
 * @property {Database | null} database takes the batches of a logged place
 * @property {File | null} file the file of a place that has one
 * @property {Memory | null} memory what is kept nowhere else
 * @property {Lock | null} lock
 */

/**
 * Opens the place for a disk, or the next best that this browser and page allow.
 * @param {string | null} persist name of the machine that is kept, or null to keep nothing
 * @param {string} disk
 * @param {{steal: boolean, discard: boolean, memories: Map<string, Memory>, onLost: () => void}} options
 *   `discard`: what was written is thrown away; `memories`: by disk; `onLost`: another tab has
 *   taken the disk
 * @returns {Promise<Place>}
 */
export async function openPlace(persist, disk, { steal, discard, memories, onLost }) {
  if (persist === null) {
    return inMemory(disk, memories, null);
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
      return { kind: "opfs", storage, database: null, file, memory: null, lock };
    }
    const database = await Database.open(`${persist}/${disk}`);
    if (database) {
      try {
        if (discard) {
          await database.delete(true);
        }
        const storage = Storage.memory(true);
        await database.restore(storage);
        return { kind: "indexeddb", storage, database, file: null, memory: null, lock };
      } catch (error) {
        database.close();
        throw error;
      }
    }
  } catch (error) {
    await lock?.release();
    throw error;
  }
  return inMemory(disk, memories, lock);
}

/**
 * @param {string} disk
 * @param {Map<string, Memory>} memories
 * @param {Lock | null} lock
 * @returns {Place}
 */
function inMemory(disk, memories, lock) {
  const memory = memories.get(disk) ?? new Memory();
  memories.set(disk, memory);
  return { kind: "memory", storage: memory.open(), database: null, file: null, memory, lock };
}
