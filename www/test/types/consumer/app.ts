// A program of somebody who uses the package: `test/unit/package.test.mjs` compiles it against what
// npm packs, with the libraries of a usual project and every declaration checked.

import { Vm, VmError, type Bytes, type MachineDescription, type RunResult, type VmEventMap } from "virtarium";
import { VirtariumVm, type VirtariumEvents } from "virtarium/element";
import description from "./machine.json";

const stored = { virtarium: 1, memory: "64M", kernel: { url: "kernel.gz", encoding: "gzip" }, disks: [{ name: "root", size: "64M" }] };
export const machines: MachineDescription[] = [description, stored, { virtarium: 1, kernel: new Uint8Array(8) }];

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
  await using vm = await Vm.create({ machine: description, memory: 64 << 20, cpus: "2" });
  try {
    return (await vm.run("uname -m")).output;
  } catch (error) {
    if (error instanceof VmError && error.code === "aborted") return "";
    throw error;
  }
}

export async function element(): Promise<void> {
  const vm: VirtariumVm = document.createElement("virtarium-vm");
  vm.cpus = 2;
  vm.memory = 64 << 20;
  vm.memory = "64M";
  vm.src = new URL("m.json", document.baseURI);
  vm.persist = null;
  const cpus: string = vm.cpus;
  vm.label = cpus;
  vm.machine = description;
  await document.querySelector("virtarium-vm")?.start();
  vm.addEventListener("vm-output", ({ detail }) => void new Blob([detail.bytes]));
  vm.addEventListener("vm-exit", ({ detail }) => void detail.code?.toFixed());
}

export function listeners(vm: Vm, shadow: ShadowRoot, ancestor: Element): void {
  document.addEventListener("vm-ready", ({ detail }) => void detail.vm.run("true"));
  document.body.addEventListener("vm-output", ({ detail }) => void new Blob([detail.bytes]));
  window.addEventListener("vm-error", ({ detail }) => void detail.error.code);
  shadow.addEventListener("vm-state", ({ detail }) => void detail.state.length);
  ancestor.addEventListener("vm-progress", ({ detail }) => void detail.loaded.toFixed());
  const once = ({ detail }: VirtariumEvents["vm-exit"]) => {
    window.removeEventListener("vm-exit", once);
    return detail.code;
  };
  window.addEventListener("vm-exit", once);
  const heard = ({ detail }: VmEventMap["state"]) => {
    if (detail.state === "off") vm.removeEventListener("state", heard);
  };
  vm.addEventListener("state", heard);
}
