/**
 * What a page and the worker that holds its machine say to each other.
 *
 * The page calls, `{id, call, args}`, and the worker answers each call once, in any order,
 * `{id, value}` or `{id, error}`. A call with id 0 gets no answer. Between these the worker says
 * what happens, `{event, ...}`. Bytes are transferred, not copied, and who sends an array has none;
 * but those of `create`, a kernel's and an initramfs's, are copied, and the page keeps its own.
 *
 * There is nothing else between the two: a worker that keeps to this file can stand in for
 * another (`test/mock-worker.js` does).
 */

/** The version of this protocol: `create` names it, and a worker of another one refuses. */
export const PROTOCOL = 1;

/** The console number of the UART, which is no virtio console. */
export const UART = -1;

/** A `write` carries at most so many bytes. */
export const WRITE_MAX = 65536;

/**
 * So many bytes of output of one console may be unacknowledged before the worker stops to take
 * more from the guest, whose driver then waits as it does for a slow terminal.
 */
export const OUTPUT_WINDOW = 262144;

/** The milliseconds after which a worker that does not answer `ping` counts as crashed. */
export const HEARTBEAT_LIMIT = 20000;

/**
 * Why something failed, for programs. `docs/page.md` says what each means and what to do.
 * @type {readonly ErrorCode[]}
 */
export const ERROR_CODES = Object.freeze([
  "no-wasm", "csp", "not-found", "offline", "integrity", "bad-machine", "bad-image", "memory",
  "quota", "storage", "locked", "overlay-base", "range", "changed", "crashed", "aborted",
  "unsupported",
]);

/**
 * @typedef {"no-wasm"|"csp"|"not-found"|"offline"|"integrity"|"bad-machine"|"bad-image"|"memory"
 *   |"quota"|"storage"|"locked"|"overlay-base"|"range"|"changed"|"crashed"|"aborted"
 *   |"unsupported"} ErrorCode
 */

/**
 * An error as it crosses. `detail` has what a program may want: `{url, status}` of a request,
 * `{needed, available}` in bytes, `{disk, overlay}` of a disk that does not open: its name, and
 * the file of what was written to it.
 * @typedef {{name: string, code: ErrorCode, message: string, detail?: Record<string, unknown>,
 *   stack?: string}} WireError
 */

/* ---- the machine file ------------------------------------------------------------------- */

/**
 * A file that the machine is given: fetched from `url`, or `bytes` as they are and nothing else.
 * `size` and `sha256` are of the bytes as the machine gets them, after `encoding` is undone.
 * @typedef {{url?: string, bytes?: Uint8Array, sha256?: string, size?: number,
 *   encoding?: "gzip"}} MachineFile
 */

/**
 * A disk: a streamed base with its manifest, a plain image on a server with Range, or an empty
 * disk of `size` ("256M" in a file; the page has made bytes of it).
 * @typedef {{name: string, manifest?: string, url?: string, size?: number, readonly?: boolean}} MachineDisk
 */

/**
 * A machine file as the page has resolved it: every URL absolute, every size in bytes, every
 * default filled in.
 * @typedef {object} Machine
 * @property {1} virtarium
 * @property {string} title
 * @property {number} memory      bytes
 * @property {number} cpus
 * @property {string} append      the kernel's command line
 * @property {MachineFile} kernel
 * @property {MachineFile} [initrd]
 * @property {MachineDisk[]} disks
 * @property {number} consoles    virtio consoles; the terminal is number 0
 * @property {number} [agent]     the console with a bare shell for `run`, `upload`, `download`
 * @property {boolean} rng
 * @property {string[]} [ready]   texts of which the terminal shows one when the guest is at its prompt
 * @property {string} [sources]   where the sources of the guest's programs are
 */

/* ---- calls ------------------------------------------------------------------------------ */

/**
 * @typedef {object} CreateOptions
 * @property {number} protocol          `PROTOCOL`
 * @property {string} wasmUrl           absolute
 * @property {Machine} machine          memory, cpus and append already as the page wants them
 * @property {string|null} persist      the name of the folder of overlays; null: nothing is kept
 * @property {boolean} [steal]          take the disks from another tab that has them
 * @property {string[]} [discard]       names of disks of which what was written is thrown away
 * @property {"host"|"deterministic"} [clock]  default "host"
 * @property {string} [seed]            decimal or 0x hexadecimal, 64 bits
 * @property {number} [epoch]           seconds since 1970 that the guest's clock starts at
 * @property {number} [cols]
 * @property {number} [rows]
 */

/**
 * @typedef {object} DiskInfo
 * @property {string} name
 * @property {number} size              bytes that the guest sees
 * @property {"opfs"|"indexeddb"|"memory"} kind  where what the guest writes is kept
 * @property {boolean} persisted        the browser has promised not to evict it
 * @property {boolean} [readonly]
 */

/** @typedef {{disks: DiskInfo[], consoles: number}} Created */

/**
 * @typedef {object} Stats
 * @property {number} instructions      retired since power on
 * @property {number} guestTime         seconds on the guest's clock since power on
 * @property {number} busy              share of the last second that instructions ran in, 0 to 1
 * @property {number} memory            bytes of linear memory that the worker holds
 * @property {number} longestSlice      milliseconds
 * @property {{name: string, reads: number, writes: number, bytesRead: number,
 *   bytesWritten: number, fetched: number, bytesFetched: number, chunks: number,
 *   chunksPresent: number, overlayBytes: number}[]} disks
 */

/**
 * Every call with its arguments and its value.
 *
 * - `create` loads and builds the machine; it does not start it. Everything that can fail before
 *   the guest's first instruction fails here. Once per worker.
 * - `start` runs it, from `created`, `paused` or `off` (then as after `reset`).
 * - `pause` answers when no instruction runs any more and all disks are flushed.
 * - `reset` is a power cycle: the same machine from its first instruction, disks as they are; it
 *   runs afterwards if it ran before or was off.
 * - `stop` switches off: state `off`, disks flushed and their locks given back.
 * - `suspend` is for a page that goes into the back/forward cache or is frozen: as `pause`, and
 *   locks and file handles are given back, but the state that is told stays. `resume` takes them
 *   again (error `locked` if another tab was faster; the machine then stays suspended), sets the
 *   guest's clock right and goes on if it ran.
 * - A machine whose disk another tab has taken says `disk` with code `locked` and runs no further:
 *   what its guest remembers of the disk is no longer true. Only a new machine can steal it back.
 * - `dispose` is `stop`, and the worker closes itself after its answer.
 * - `write` answers when the console has taken all of it, so that who waits for the answer never has
 *   more than one piece on its way. The console keeps some for a driver that is slow, or not there
 *   yet: that the guest has read it nobody is told. `console` may be `UART`.
 * - `ack` (id 0) says that the page has consumed so many bytes of output: see `OUTPUT_WINDOW`.
 * - `runTo` (deterministic clock only) runs to that count of instructions and answers there.
 * - `digest` is the state's digest in hexadecimal, of a machine that does not run.
 * - `exportDisk` answers with the overlay as a file, as docs/disk-format.md says. `importDisk`
 *   replaces it and `resetDisk` empties it; both need a machine that is `created` or `off`.
 * - `sync` flushes all disks as a guest's flush would.
 * - `ping` answers at once.
 *
 * @typedef {object} Calls
 * @property {(options: CreateOptions) => Created} create
 * @property {() => void} start
 * @property {() => void} pause
 * @property {() => void} reset
 * @property {() => void} stop
 * @property {() => void} suspend
 * @property {() => void} resume
 * @property {() => void} dispose
 * @property {(console: number, bytes: Uint8Array) => void} write
 * @property {(console: number, cols: number, rows: number) => void} resize
 * @property {(console: number, bytes: number) => void} ack
 * @property {() => Stats} stats
 * @property {() => string} digest
 * @property {(instructions: number) => number} runTo
 * @property {(name: string) => Blob} exportDisk
 * @property {(name: string, overlay: Blob) => void} importDisk
 * @property {(name: string) => void} resetDisk
 * @property {() => void} sync
 * @property {() => void} ping
 */

/** @typedef {keyof Calls} CallName */

/** @typedef {{id: number, call: CallName, args: unknown[]}} CallMessage */

/** @typedef {{id: number, value?: unknown, error?: WireError}} AnswerMessage */

/* ---- events ----------------------------------------------------------------------------- */

/**
 * `running` is said when instructions run, also while the guest boots: that it is at its prompt
 * only the page sees.
 * @typedef {"created"|"loading"|"running"|"paused"|"off"|"crashed"} WorkerState
 */

/**
 * `code` with `off`: what the guest ended with, where it said so.
 * @typedef {{event: "state", state: WorkerState, code?: number}} StateEvent
 */

/**
 * `total` is 0 where the server did not say. `what` is a name for people: a file, a disk. With
 * `trouble` the server has failed so far, and is asked again.
 * @typedef {{event: "progress", phase: "wasm"|"kernel"|"initrd"|"manifest"|"disk"|"boot",
 *   what: string, loaded: number, total: number, trouble?: string}} ProgressEvent
 */

/** @typedef {{event: "output", console: number, bytes: Uint8Array<ArrayBuffer>}} OutputEvent */

/**
 * The machine begins again at its first instruction, because of a call or of its guest (SBI 2.0,
 * 10: system reset). Output before this is of the guest that was; what was typed and not yet read
 * is gone, and its writes are answered after this.
 * @typedef {{event: "reset"}} ResetEvent
 */

/**
 * Said once after `create` for each disk, and whenever something changes. With `code` it is
 * trouble that the guest sees as an I/O error (`quota`, `offline`, `integrity`, `range`), or that
 * ends its writing (`storage`, `changed`, `locked`); with `recovered` it is over.
 * @typedef {{event: "disk", name: string, kind: "opfs"|"indexeddb"|"memory", persisted: boolean,
 *   code?: "quota"|"storage"|"locked"|"changed"|"offline"|"integrity"|"range",
 *   error?: string, recovered?: boolean}} DiskEvent
 */

/**
 * What moved since the last one; at most ten a second, none while nothing moves.
 * @typedef {{event: "activity", reads: number, writes: number, fetches: number,
 *   bytesFetched: number}} ActivityEvent
 */

/** The last thing that a worker says. @typedef {{event: "crash", message: string, stack: string}} CrashEvent */

/** @typedef {StateEvent|ProgressEvent|OutputEvent|ResetEvent|DiskEvent|ActivityEvent|CrashEvent} WorkerEvent */

/** @typedef {AnswerMessage|WorkerEvent} WorkerMessage */

/* ---- errors ----------------------------------------------------------------------------- */

/**
 * An error as it crosses from the worker. What has no code of ours counts as `crashed`.
 * @param {unknown} error
 * @returns {WireError}
 */
export function toWire(error) {
  const e = /** @type {{name?: unknown, code?: unknown, message?: unknown, stack?: unknown,
    detail?: unknown}} */ (typeof error === "object" && error !== null ? error : { message: error });
  const known = ERROR_CODES.find((code) => code === e.code);
  /** @type {WireError} */
  const wire = {
    name: String(e.name ?? "Error"),
    code: known ?? (e.name === "AbortError" ? "aborted" : e.name === "QuotaExceededError" ? "quota" : "crashed"),
    message: String(e.message ?? error),
  };
  if (typeof e.stack === "string") wire.stack = e.stack;
  if (typeof e.detail === "object" && e.detail !== null) {
    wire.detail = /** @type {Record<string, unknown>} */ (e.detail);
  }
  return wire;
}
