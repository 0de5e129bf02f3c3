// A program of somebody who uses the package: `test/unit/package.test.mjs` compiles it against what
// npm packs, with the libraries of a usual project and every declaration checked.

import { Vm, VmError, type Bytes, type RunResult } from "virtarium";
import { VirtariumVm } from "virtarium/element";

export async function streams(vm: Vm): Promise<Blob> {
  const text: ReadableStream<string> = vm.console.readable.pipeThrough(new TextDecoderStream());
  await text.pipeTo(new WritableStream<string>());
  await new Blob(["ls\n"]).stream().pipeTo(vm.console.writable);
  vm.console.attach((bytes: Bytes) => void new Blob([bytes]));
  vm.addEventListener("output", ({ detail }) => void new Blob([detail.bytes]));
  const result: RunResult = await vm.run("cat /etc/motd");
  await crypto.subtle.digest("SHA-256", result.bytes);
  return new Blob([result.bytes]);
}

export async function scoped(): Promise<string> {
  await using vm = await Vm.create({ machine: "machines/busybox.json", memory: 64 << 20, cpus: "2" });
  try {
    return (await vm.run("uname -m")).output;
  } catch (error) {
    if (error instanceof VmError && error.code === "aborted") return "";
    throw error;
  }
}

export async function element(): Promise<void> {
  const vm: VirtariumVm = document.createElement("virtarium-vm");
  await document.querySelector("virtarium-vm")?.start();
  vm.addEventListener("vm-output", ({ detail }) => void new Blob([detail.bytes]));
  vm.addEventListener("vm-exit", ({ detail }) => void detail.code?.toFixed());
}
