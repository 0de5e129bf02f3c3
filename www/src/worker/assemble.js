/** From what the page asks for to a machine. */

import { Machine, MachineOptions } from "virtarium-wasm";
import { openDisks } from "./disks.js";
import { fetchParts } from "./parts.js";

/** @typedef {import("../protocol.js").CreateOptions} CreateOptions */
/** @typedef {import("./disks.js").PluggedDisk} PluggedDisk */

/** The wall clock, as guests are told it: seconds since 1970. */
export function epochNow() {
  return Math.floor(Date.now() / 1000);
}

/**
 * Fetches the files, opens the disks and builds the machine.
 * @param {CreateOptions} options
 * @param {object} how
 * @param {(event: import("../protocol.js").DiskEvent | import("../protocol.js").ProgressEvent) => void} how.post
 * @param {AbortSignal} how.signal ends it
 * @param {Map<string, import("./memory.js").Memory>} how.memories
 * @param {(disk: string) => void} how.onLost another tab has taken a disk, now or later
 * @param {() => void} how.check throws if that has happened already
 * @param {() => void} how.wake a disk has something for the machine
 * @param {(error: unknown) => void} how.onError the machine is broken
 * @returns {Promise<{machine: Machine, disks: PluggedDisk[]}>}
 */
export async function build(options, { post, signal, memories, onLost, check, wake, onError }) {
  const { machine: info, persist, steal = false, discard = [] } = options;
  const parts = await fetchParts(info, post, signal);
  const opened = await openDisks(info.disks, { persist, steal, discard, memories, onLost, tell: post, progress: post, signal, wake, onError });
  const disks = opened.map(({ plugged }) => plugged);
  const plan = new MachineOptions();
  try {
    for (const { disk, plugged } of opened) {
      plan.addDisk(disk, plugged.info.readonly ?? false, plugged.name.slice(0, 20));
    }
    check();
    configure(plan, options, parts);
  } catch (error) {
    // With the files of its disks, at once: whoever has taken one waits for that.
    plan.free();
    disks.forEach((disk) => disk.close());
    throw error;
  }
  try {
    const machine = new Machine(plan);
    disks.forEach((disk, number) => disk.plug(machine, number));
    return { machine, disks };
  } catch (error) {
    disks.forEach((disk) => disk.close());
    throw error;
  }
}

/**
 * @param {MachineOptions} plan that has its disks
 * @param {CreateOptions} options
 * @param {{kernel: Uint8Array, initrd: Uint8Array | undefined}} parts
 */
function configure(plan, { machine: info, clock, seed, epoch, cols, rows }, { kernel, initrd }) {
  const deterministic = clock === "deterministic";
  plan.memory = info.memory;
  plan.harts = info.cpus;
  plan.hostClock = !deterministic;
  if (seed !== undefined) {
    plan.seed = BigInt.asUintN(64, BigInt(seed));
  } else if (!deterministic) {
    plan.seed = crypto.getRandomValues(new BigUint64Array(1))[0] ?? 0n;
  }
  if (epoch !== undefined) {
    plan.epoch = epoch;
  } else if (!deterministic) {
    plan.epoch = epochNow();
  }
  plan.boot(kernel, initrd, info.append);
  for (let console = 0; console < info.consoles; console += 1) {
    plan.addConsole(console === 0 ? cols ?? 80 : 0, console === 0 ? rows ?? 24 : 0);
  }
  if (info.rng) {
    plan.addEntropy();
  }
}
