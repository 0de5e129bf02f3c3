// What a test says beside passing, as `virtarium_tests::notes` does for tests in Rust, and how much
// of a test is wanted.

import { appendFileSync } from "node:fs";

/** @param {string} name @param {string} reason */
export function skipped(name, reason) {
  append(`skip\t${name}\t${reason}\n`);
}

/** Says how many cases were looked at. @param {string} name @param {number} cases */
export function counted(name, cases) {
  console.log(`${name}: ${cases}`);
  append(`count\t${name}\t${cases}\n`);
}

/**
 * Says how long something took, for people to read; nothing passes or fails by it.
 * @param {string} name
 * @param {number} milliseconds
 */
export function took(name, milliseconds) {
  const figure = `${(milliseconds / 1000).toFixed(2)} s`;
  console.log(`${name}: ${figure}`);
  append(`figure\t${name}\t${figure}\n`);
}

/** @param {string} line */
function append(line) {
  const path = process.env.VIRTARIUM_NOTES;
  if (path) appendFileSync(path, line);
}

/** Whether the full counts are asked for. */
export const soak = Number(process.env.VIRTARIUM_SOAK ?? 0) !== 0;

/**
 * Random numbers in [0, 1) that a seed repeats: `VIRTARIUM_SEED`, or one from the clock, printed.
 * @param {string} what
 */
export function random(what) {
  const given = process.env.VIRTARIUM_SEED;
  let state = given ? BigInt(given) : BigInt(Date.now());
  console.log(`${what}: VIRTARIUM_SEED=0x${state.toString(16)}`);
  const mask = (1n << 64n) - 1n;
  return () => {
    // SplitMix64.
    state = (state + 0x9e3779b97f4a7c15n) & mask;
    let z = state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask;
    return Number((z ^ (z >> 31n)) >> 11n) / 2 ** 53;
  };
}
