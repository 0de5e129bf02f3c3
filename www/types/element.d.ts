import type { Bytes, DiskNews, ErrorCode, MachineDescription, Progress, Vm, VmError } from "./index.js";

export * from "./index.js";

export type Phase = "idle" | "loading" | "created" | "booting" | "running" | "paused" | "off" | "crashed" | "failed";

/** `<virtarium-vm>`. */
export class VirtariumVm extends HTMLElement {
  static observedAttributes: string[];

  // As attributes they are text; what is set becomes text, and null or undefined takes the attribute away.
  get src(): string;
  set src(value: string | URL | null | undefined);
  get memory(): string;
  set memory(value: string | number | null | undefined);
  get cpus(): string;
  set cpus(value: string | number | null | undefined);
  /** The attribute `append`: more words for the kernel's command line. */
  get kernelAppend(): string;
  set kernelAppend(value: string | null | undefined);
  get persist(): string;
  set persist(value: string | null | undefined);
  get label(): string;
  set label(value: string | null | undefined);
  get workerSrc(): string;
  set workerSrc(value: string | URL | null | undefined);
  get wasmSrc(): string;
  set wasmSrc(value: string | URL | null | undefined);
  autostart: boolean;
  screenreader: boolean;
  readonly: boolean;
  multiple: boolean;
  cols: number;
  rows: number;
  theme: "auto" | "dark" | "light";
  controls: "full" | "none";
  keybar: "auto" | "on" | "off";
  loading: "lazy" | "eager";

  /** A machine as an object, instead of `src`. */
  machine: MachineDescription | undefined;
  /** Undefined before it is loaded. */
  readonly vm: Vm | undefined;
  readonly state: Phase;
  readonly error: VmError | undefined;
  readonly terminalText: string;

  /** Loads the machine if need be, and runs it; rejects, with `aborted` where somebody else wanted otherwise meanwhile. */
  start(): Promise<void>;
  pause(): Promise<void>;
  reset(): Promise<void>;
  stop(): Promise<void>;
  /** Asks the guest to switch itself off, or the user whether to pull the plug. */
  powerOff(): Promise<void>;
  send: Vm["send"];
  expect: Vm["expect"];
  run: Vm["run"];
  upload: Vm["upload"];
  download: Vm["download"];
}

export interface VirtariumEvents {
  "vm-ready": CustomEvent<{ vm: Vm }>;
  "vm-progress": CustomEvent<Progress>;
  "vm-state": CustomEvent<{ state: Phase }>;
  "vm-output": CustomEvent<{ console: number; bytes: Bytes }>;
  "vm-exit": CustomEvent<{ code?: number }>;
  "vm-error": CustomEvent<{ code: ErrorCode; message: string; detail: Record<string, unknown>; error: VmError }>;
  "vm-disk": CustomEvent<DiskNews>;
}

declare global {
  interface HTMLElementTagNameMap {
    "virtarium-vm": VirtariumVm;
  }
  // They bubble and are composed: every ancestor hears them, up to document and window.
  interface GlobalEventHandlersEventMap extends VirtariumEvents {}
  interface ElementEventMap extends VirtariumEvents {}
  interface ShadowRootEventMap extends VirtariumEvents {}
}
