// The public API of virtarium. `test/types` holds it against the sources.
// For `await using`: a project whose `lib` is an edition of ECMAScript has no `Symbol.asyncDispose`.
/// <reference lib="esnext.disposable" />

/** A `Uint8Array` that no other thread shares, as a `Blob` and a `TextDecoderStream` want it; before TypeScript 5.7 just that. */
export type Bytes = ReturnType<Uint8ArrayConstructor["of"]>;

export type ErrorCode =
  | "no-wasm" | "csp" | "not-found" | "offline" | "integrity" | "bad-machine" | "bad-image" | "memory"
  | "quota" | "storage" | "locked" | "overlay-base" | "range" | "changed" | "crashed" | "aborted"
  | "unsupported";

export const ERROR_CODES: readonly ErrorCode[];
export const PROTOCOL: number;

/** `name` is "AbortError" for `aborted`, else "VmError". */
export class VmError extends Error {
  constructor(code: ErrorCode, message: string, more?: { detail?: Record<string, unknown>; cause?: unknown });
  readonly code: ErrorCode;
  /** What a program may want: `url` and `status`, `field`, `disk`, … */
  readonly detail: Record<string, unknown>;
  /** The stack in the worker, where the error is from there. */
  readonly workerStack?: string;
}

export interface MachineFile {
  url?: string;
  /** As they are, and then nothing else. */
  bytes?: Uint8Array;
  sha256?: string;
  size?: number;
  encoding?: "gzip";
}

/** As a machine file has it; `encoding` is "gzip" or nothing, and text in what is imported from JSON. */
export interface MachineFileDescription extends Omit<MachineFile, "encoding"> {
  encoding?: MachineFile["encoding"] | (string & {});
}

/** A machine file, as docs/machine-file.md says. */
export interface MachineDescription {
  /** 1; a number in what is imported from JSON. */
  virtarium: number;
  title?: string;
  memory?: string | number;
  cpus?: number;
  append?: string;
  kernel: MachineFileDescription | string | Uint8Array;
  initrd?: MachineFileDescription | string | Uint8Array;
  disks?: { name: string; manifest?: string; url?: string; size?: string | number; readonly?: boolean }[];
  consoles?: number;
  agent?: number;
  rng?: boolean;
  /** What the terminal shows when the guest can be used: a text, or some. */
  ready?: string | string[];
  sources?: string;
}

/** The same with every address absolute, every size in bytes and every default filled in. */
export interface Machine {
  virtarium: 1;
  title: string;
  memory: number;
  cpus: number;
  append: string;
  kernel: MachineFile;
  initrd?: MachineFile;
  disks: { name: string; manifest?: string; url?: string; size?: number; readonly?: boolean }[];
  consoles: number;
  agent?: number;
  rng: boolean;
  ready?: string[];
  sources?: string;
}

export interface MachineChanges {
  memory?: string | number;
  cpus?: string | number;
  /** More words for the kernel's command line. */
  append?: string;
}

export interface Progress {
  phase: "wasm" | "kernel" | "initrd" | "manifest" | "disk" | "boot";
  what: string;
  loaded: number;
  /** 0 where the server did not say. */
  total: number;
  /** Why the server is asked again. */
  trouble?: string;
}

export type StorageKind = "opfs" | "indexeddb" | "memory";

export interface DiskInfo {
  name: string;
  size: number;
  kind: StorageKind;
  /** The browser has promised not to throw it away. */
  persisted: boolean;
  readonly?: boolean;
}

export interface DiskNews {
  name: string;
  kind: StorageKind;
  persisted: boolean;
  code?: "quota" | "locked" | "storage" | "changed" | "offline" | "integrity" | "range";
  error?: string;
  recovered?: boolean;
}

export interface VmOptions extends MachineChanges {
  machine: string | URL | MachineDescription;
  /** The name under which disks are kept; null: they are not. */
  persist?: string | null;
  /** Take the disks from another tab. */
  steal?: boolean;
  /** Names of disks of which what was written is thrown away. */
  discard?: string[];
  workerUrl?: string | URL;
  wasmUrl?: string | URL;
  /** What relative addresses are relative to; the page's. */
  base?: string;
  /** Gives up the creation, later disposes of the machine. */
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
  onDisk?: (news: DiskNews) => void;
  clock?: "host" | "deterministic";
  seed?: string;
  epoch?: number;
  cols?: number;
  rows?: number;
  watchdog?: boolean;
}

export type VmState = "created" | "loading" | "booting" | "running" | "paused" | "off" | "crashed" | "disposed";

/** An abort ends the waiting: what the machine has been told it does. */
export interface Abortable {
  signal?: AbortSignal;
}

export interface Waiting extends Abortable {
  /** Milliseconds. */
  timeout?: number;
}

export interface Match {
  text: string;
  before: string;
  groups: string[];
}

export interface RunResult {
  code: number;
  output: string;
  bytes: Bytes;
}

export type OnProgress = (progress: { loaded: number; total: number }) => void;

export interface Statistics {
  instructions: number;
  guestTime: number;
  busy: number;
  memory: number;
  longestSlice: number;
  disks: {
    name: string; reads: number; writes: number; bytesRead: number; bytesWritten: number; fetched: number;
    bytesFetched: number; chunks: number; chunksPresent: number; overlayBytes: number;
  }[];
}

export class VmConsole {
  private constructor();
  readonly index: number;
  readonly readable: ReadableStream<Bytes>;
  readonly writable: WritableStream<Uint8Array | string>;
  /** What was printed and no `expect` has consumed. */
  readonly text: string;
  write(data: Uint8Array | string, options?: Abortable): Promise<void>;
  expect(pattern: RegExp | string, options?: Waiting): Promise<Match>;
  /** Takes every piece of output; a promise holds back the next, what it throws is reported. Returns how to take it away again. */
  attach(sink: (bytes: Bytes) => void | Promise<void>): () => void;
}

export interface VmEventMap {
  state: CustomEvent<{ state: VmState; previous: VmState; code?: number }>;
  output: CustomEvent<{ console: number; bytes: Bytes }>;
  progress: CustomEvent<Progress>;
  disk: CustomEvent<DiskNews>;
  activity: CustomEvent<{ reads: number; writes: number; fetches: number; bytesFetched: number }>;
  exit: CustomEvent<{ code?: number }>;
  error: CustomEvent<VmError>;
}

export class Vm extends EventTarget {
  private constructor();
  /** Loads and builds a machine; `start` runs it. */
  static create(options: VmOptions): Promise<Vm>;

  readonly machine: Machine;
  readonly state: VmState;
  readonly ready: boolean;
  readonly error: VmError | undefined;
  readonly exitCode: number | undefined;
  readonly consoles: VmConsole[];
  readonly console: VmConsole;
  readonly hasAgent: boolean;
  readonly disks: DiskInfo[];

  start(options?: Abortable): Promise<void>;
  pause(options?: Abortable): Promise<void>;
  reset(options?: Abortable): Promise<void>;
  stop(options?: Abortable): Promise<void>;
  sync(options?: Abortable): Promise<void>;
  suspend(): Promise<void>;
  resume(): Promise<void>;
  dispose(): Promise<void>;
  whenReady(options?: Abortable & { timeout?: number }): Promise<void>;

  resize(cols: number, rows: number, console?: number): Promise<void>;
  send(text: string | Uint8Array, options?: Abortable): Promise<void>;
  expect(pattern: RegExp | string, options?: Waiting): Promise<Match>;
  run(command: string, options?: Waiting & { limit?: number }): Promise<RunResult>;
  upload(path: string, data: Blob | Uint8Array | ArrayBuffer | string, options?: Waiting & { onProgress?: OnProgress }): Promise<void>;
  download(path: string, options?: Waiting & { limit?: number; onProgress?: OnProgress }): Promise<Blob>;

  exportDisk(name: string, options?: Abortable): Promise<Blob>;
  importDisk(name: string, overlay: Blob, options?: Abortable): Promise<void>;
  resetDisk(name: string, options?: Abortable): Promise<void>;

  statistics(options?: Abortable): Promise<Statistics>;
  digest(options?: Abortable): Promise<string>;
  runTo(instructions: number, options?: Abortable): Promise<number>;

  addEventListener<K extends keyof VmEventMap>(type: K, listener: (event: VmEventMap[K]) => void, options?: boolean | AddEventListenerOptions): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void;
  removeEventListener<K extends keyof VmEventMap>(type: K, listener: (event: VmEventMap[K]) => void, options?: boolean | EventListenerOptions): void;
  removeEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | EventListenerOptions): void;

  [Symbol.asyncDispose](): Promise<void>;
}

/** Reads a machine file, or checks an object, and makes every address absolute. */
export function resolveMachine(
  source: string | URL | object,
  options: { base: string; signal?: AbortSignal; changes?: MachineChanges },
): Promise<Machine>;
