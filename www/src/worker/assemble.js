/** From what the page asks for to what the module builds a machine from. */

import { MachineOptions } from "virtarium-wasm";

/** @typedef {import("../protocol.js").CreateOptions} CreateOptions */
/** @typedef {import("./disks.js").PluggedDisk} PluggedDisk */

/** The wall clock, as guests are told it: seconds since 1970. */
export function epochNow() {
  return Math.floor(Date.now() / 1000);
}

/**
 * @param {CreateOptions} options
 * @param {{kernel: Uint8Array, initrd: Uint8Array | undefined}} parts
 * @param {{disk: import("virtarium-wasm").Disk, plugged: PluggedDisk}[]} disks
 */
export function assemble({ machine: info, clock, seed, epoch, cols, rows }, { kernel, initrd }, disks) {
  const deterministic = clock === "deterministic";
  const options = new MachineOptions();
  options.memory = info.memory;
  options.harts = info.cpus;
  options.hostClock = !deterministic;
  if (seed !== undefined) {
    options.seed = BigInt.asUintN(64, BigInt(seed));
  } else if (!deterministic) {
    options.seed = crypto.getRandomValues(new BigUint64Array(1))[0] ?? 0n;
  }
  if (epoch !== undefined) {
    options.epoch = epoch;
  } else if (!deterministic) {
    options.epoch = epochNow();
  }
  options.boot(kernel, initrd, info.append);
  for (const { disk, plugged } of disks) {
    options.addDisk(disk, plugged.info.readonly ?? false, plugged.name.slice(0, 20));
  }
  for (let console = 0; console < info.consoles; console += 1) {
    options.addConsole(console === 0 ? cols ?? 80 : 0, console === 0 ? rows ?? 24 : 0);
  }
  if (info.rng) {
    options.addEntropy();
  }
  return options;
}
