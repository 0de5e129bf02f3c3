/** @import { CreateOptions, DiskInfo, Machine, Stats, WorkerEvent } from "../protocol.js" */
/** @import { MachineChanges } from "./machine.js" */
import { PROTOCOL } from "../protocol.js";
import { Agent } from "./agent.js";
import { VmConsole } from "./console.js";
import { VmError, abortError, asVmError, deadline, throwIfAborted } from "./errors.js";
import { assets, startWorker } from "./launch.js";
import { watchLife } from "./life.js";
import { WorkerLink } from "./link.js";
import { resolveMachine } from "./machine.js";
import { checkOptions, isCount } from "./options.js";
import { TextFinder } from "./ready.js";

/** @typedef {"created"|"loading"|"booting"|"running"|"paused"|"off"|"crashed"|"disposed"} VmState */

/**
 * @typedef {object} VmOptions
 * @property {string|URL|object} machine     a machine file's address, or what one holds
 * @property {string|null} [persist]         the name under which disks are kept; null: they are not
 * @property {boolean} [steal]               take the disks from another tab
 * @property {string[]} [discard]            disks of which what was written is thrown away
 * @property {string|URL} [workerUrl]
 * @property {string|URL} [wasmUrl]
 * @property {string} [base]                 what relative addresses are relative to; the page's
 * @property {AbortSignal} [signal]          gives up the creation, later disposes of the machine
 * @property {(progress: import("../protocol.js").ProgressEvent) => void} [onProgress] as the event
 *   `progress`, also while there is no machine yet to listen to
 * @property {(disk: import("../protocol.js").DiskEvent) => void} [onDisk] the same for `disk`
 * @property {"host"|"deterministic"} [clock]
 * @property {string} [seed]
 * @property {number} [epoch]
 * @property {number} [cols]
 * @property {number} [rows]
 * @property {boolean} [watchdog]            false: a worker may be silent as long as it likes
 */

/** An abort ends the waiting: what the worker has been told it does. @typedef {{signal?: AbortSignal}} Waits */

/** A machine in a worker of its own. */
export class Vm extends EventTarget {
  /** @type {VmState} */
  #state = "loading";
  /** @type {VmError|undefined} */
  #error;
  /** @type {number|undefined} */
  #code;
  #ready = false;
  #link;
  /** @type {Map<string, DiskInfo>} */
  #disks = new Map();
  /** @type {Agent|undefined} */
  #agent;
  /** @type {() => void} */
  #stopWatching = () => {};
  #prompt;
  /** Settles when worker and disks are let go of. */
  #disposal = Promise.resolve();

  /**
   * Loads and builds a machine; `start` runs it.
   * @param {VmOptions & MachineChanges} options
   * @returns {Promise<Vm>}
   */
  static async create(options) {
    const { signal } = options;
    throwIfAborted(signal);
    checkOptions(options);
    const base = options.base ?? (typeof document === "undefined" ? import.meta.url : document.baseURI);
    const { workerUrl, wasmUrl } = assets(options, base);
    const machine = await resolveMachine(options.machine, { base, signal, changes: options });
    const vm = new Vm(machine, startWorker(workerUrl), workerUrl ?? "the worker in this file", options);
    const onAbort = () => vm.dispose();
    signal?.addEventListener("abort", onAbort, { once: true });
    vm.addEventListener("disposed", () => signal?.removeEventListener("abort", onAbort));
    try {
      await vm.#create({
        protocol: PROTOCOL, wasmUrl, machine, persist: options.persist ?? null, steal: options.steal, discard: options.discard,
        clock: options.clock, seed: options.seed, epoch: options.epoch, cols: options.cols, rows: options.rows,
      }, signal);
      return vm;
    } catch (error) {
      const why = signal?.aborted ? abortError(signal) : vm.#error ?? asVmError(error);
      vm.#end("disposed", why);
      throw why;
    }
  }

  /**
   * Of `create` only.
   * @param {Machine} machine
   * @param {Worker} worker
   * @param {string} workerName
   * @param {VmOptions} options
   */
  constructor(machine, worker, workerName, options) {
    super();
    /** The machine as it was built. @readonly */
    this.machine = machine;
    this.#prompt = new TextFinder(machine.ready ?? []);
    this.#link = new WorkerLink(worker, workerName, {
      onEvent: (event) => this.#onEvent(event, options),
      onCrash: (error) => this.#crash(error),
      watchdog: options.watchdog !== false,
    });
    /** Its virtio consoles; the first is the terminal. @readonly */
    this.consoles = Array.from({ length: machine.consoles }, (_, i) => new VmConsole(i,
      (bytes) => this.#call("write", [i, bytes], { transfer: [bytes.buffer] }),
      (count) => this.#link.rpc.tell("ack", [i, count])));
    if (machine.agent !== undefined) this.#agent = new Agent(this.consoles[machine.agent]);
  }

  /** @returns {VmState} */
  get state() {
    return this.#state;
  }

  /** The guest has come to its prompt. */
  get ready() {
    return this.#ready;
  }

  /** Why it is `crashed`. */
  get error() {
    return this.#error;
  }

  /** What the guest ended with, where it said so. */
  get exitCode() {
    return this.#code;
  }

  /** The terminal. */
  get console() {
    return this.consoles[0];
  }

  /** Whether `run`, `upload` and `download` have somebody to talk to. */
  get hasAgent() {
    return this.#agent !== undefined;
  }

  /** Each disk, and where what is written to it is kept. */
  get disks() {
    return [...this.#disks.values()].map((disk) => ({ ...disk }));
  }

  /** @param {Waits} [options] */
  start(options) { return this.#call("start", [], options); }

  /** @param {Waits} [options] */
  pause(options) { return this.#call("pause", [], options); }

  /** A power cycle; the disks stay as they are. @param {Waits} [options] */
  reset(options) { return this.#call("reset", [], options); }

  /** Switches off at once, as by pulling the plug. The guest's own `poweroff` is kinder. @param {Waits} [options] */
  stop(options) { return this.#call("stop", [], options); }

  /** Flushes all disks to the browser's storage. @param {Waits} [options] */
  sync(options) { return this.#call("sync", [], options); }

  /** @param {Waits} [options] @returns {Promise<Stats>} */
  statistics(options) { return this.#call("stats", [], options); }

  /** The digest of the state, of a machine that does not run. @param {Waits} [options] @returns {Promise<string>} */
  digest(options) { return this.#call("digest", [], options); }

  /**
   * Runs to that count of instructions; with the deterministic clock only.
   * @param {number} instructions
   * @param {Waits} [options]
   * @returns {Promise<number>}
   */
  async runTo(instructions, options) {
    // The worker would never come to a fraction.
    if (!isCount(instructions)) throw new VmError("unsupported", `runTo takes a count of instructions, and ${String(instructions)} is none`);
    return this.#call("runTo", [instructions], options);
  }

  /**
   * @param {number} cols
   * @param {number} rows
   * @param {number} [console]
   */
  resize(cols, rows, console = 0) { return this.#call("resize", [console, cols, rows]); }

  /**
   * Types into the terminal.
   * @param {string|Uint8Array} text
   * @param {Waits} [options]
   */
  send(text, options) { return this.console.write(text, options); }

  /**
   * Waits until the terminal shows something.
   * @param {RegExp|string} pattern
   * @param {{timeout?: number, signal?: AbortSignal}} [options]
   */
  expect(pattern, options) { return this.console.expect(pattern, options); }

  /**
   * Runs a command in the guest, beside whoever uses the terminal.
   * @param {string} command
   * @param {{timeout?: number, signal?: AbortSignal, limit?: number}} [options]
   */
  async run(command, options) { return this.#withAgent().run(command, options); }

  /**
   * @param {string} path
   * @param {Blob|Uint8Array|ArrayBuffer|string} data
   * @param {{timeout?: number, signal?: AbortSignal, onProgress?: import("./agent.js").OnProgress}} [options]
   */
  async upload(path, data, options) { return this.#withAgent().upload(path, data, options); }

  /**
   * @param {string} path
   * @param {{timeout?: number, signal?: AbortSignal, limit?: number, onProgress?: import("./agent.js").OnProgress}} [options]
   */
  async download(path, options) { return this.#withAgent().download(path, options); }

  /**
   * What was written to a disk, as a file of docs/disk-format.md.
   * @param {string} name
   * @param {Waits} [options]
   */
  exportDisk(name, options) { return this.#call("exportDisk", [name], options); }

  /**
   * Replaces what was written to a disk; the machine must be off.
   * @param {string} name
   * @param {Blob} overlay
   * @param {Waits} [options]
   */
  importDisk(name, overlay, options) { return this.#call("importDisk", [name, overlay], options); }

  /**
   * Forgets what was written to a disk; the machine must be off.
   * @param {string} name
   * @param {Waits} [options]
   */
  resetDisk(name, options) { return this.#call("resetDisk", [name], options); }

  /** Gives locks and files back while the page sleeps; `resume` takes them again. */
  suspend() { return this.#call("suspend", []); }

  resume() { return this.#call("resume", []); }

  /**
   * Resolves when the guest is at its prompt; fails when the machine goes off before.
   * @param {{timeout?: number, signal?: AbortSignal}} [options]
   * @returns {Promise<void>}
   */
  whenReady({ signal, timeout } = {}) {
    const limit = deadline(signal, timeout);
    return new Promise((resolve, reject) => {
      const look = (/** @type {Event} */ event) => {
        if (this.#ready) finish(resolve);
        else if (limit.signal.aborted) finish(() => reject(abortError(limit.signal)));
        else if (event.type === "state" && this.#state === "off") finish(() => reject(new VmError("aborted", "the machine is off")));
        else if (this.#state === "crashed" || this.#state === "disposed") {
          finish(() => reject(this.#error ?? new VmError("aborted", "the machine was disposed of")));
        }
      };
      const finish = (/** @type {() => void} */ then) => {
        this.removeEventListener("state", look);
        limit.signal.removeEventListener("abort", look);
        limit.done();
        then();
      };
      this.addEventListener("state", look);
      limit.signal.addEventListener("abort", look);
      look(new Event("now"));
    });
  }

  /** Ends the machine and its worker. Disks are flushed first, if the worker still answers. */
  dispose() {
    if (this.#state !== "disposed") {
      // At once where the worker has crashed: nothing is sent to it any more.
      const told = this.#link.rpc.call("dispose", [], { signal: AbortSignal.timeout(3000) });
      this.#disposal = told.catch(() => {}).then(() => this.#end("disposed", new VmError("aborted", "the machine was disposed of")));
      this.#set("disposed");
    }
    return this.#disposal;
  }

  [Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]() {
    return this.dispose();
  }

  /**
   * @param {CreateOptions} options
   * @param {AbortSignal|undefined} signal
   */
  async #create(options, signal) {
    const created = await this.#call("create", [options], { signal });
    for (const disk of created.disks) {
      // What was said of it since is newer, but an event tells no size.
      const { kind, persisted } = this.#disks.get(disk.name) ?? disk;
      this.#disks.set(disk.name, { ...disk, kind, persisted });
    }
    this.#set("created");
    if (typeof window !== "undefined") {
      this.#stopWatching = watchLife(this, (error) => this.#fire("error", error));
    }
  }

  /** @type {import("./rpc.js").Rpc["call"]} */
  #call(...args) {
    if (this.#state === "disposed") return Promise.reject(new VmError("aborted", "the machine was disposed of"));
    return this.#link.rpc.call(...args);
  }

  #withAgent() {
    if (this.#agent) return this.#agent;
    throw new VmError("unsupported", 'this machine has no console for an agent: its file needs "agent"');
  }

  /**
   * @param {WorkerEvent} event
   * @param {VmOptions} options
   */
  #onEvent(event, { onProgress, onDisk }) {
    switch (event.event) {
      case "output":
        return this.#output(event.console, event.bytes);
      case "progress":
        onProgress?.(event);
        return this.#fire("progress", event);
      case "reset":
        this.#rewind("the guest has restarted");
        for (const console of this.consoles) console.forget();
        if (this.#state === "running") this.#set("booting");
        return;
      case "activity":
        return this.#fire("activity", event);
      case "disk": {
        const known = this.#disks.get(event.name) ?? { name: event.name, size: 0, kind: event.kind, persisted: false };
        this.#disks.set(event.name, { ...known, kind: event.kind, persisted: event.persisted });
        onDisk?.(event);
        return this.#fire("disk", event);
      }
      case "crash": {
        const error = new VmError("crashed", event.message);
        error.workerStack = event.stack;
        return this.#crash(error);
      }
      case "state":
        return this.#workerState(event.state, event.code);
    }
  }

  /**
   * @param {import("../protocol.js").WorkerState} state
   * @param {number|undefined} code
   */
  #workerState(state, code) {
    if (state === "crashed") return this.#crash(new VmError("crashed", "the machine stopped working"));
    const ran = this.#state !== "off" && this.#state !== "loading";
    if (state === "off") {
      if (ran) this.#code = code;
      this.#rewind("the machine is off");
      for (const console of this.consoles) console.off(new VmError("aborted", "the machine is off"));
    } else if (this.#state === "off") {
      for (const console of this.consoles) console.forget();
    }
    this.#set(state === "running" && !this.#ready ? "booting" : state);
    if (state === "off" && ran) this.#fire("exit", { code });
  }

  /**
   * @param {number} index
   * @param {Uint8Array<ArrayBuffer>} bytes
   */
  #output(index, bytes) {
    const console = this.consoles[index];
    if (index === 0 && !this.#ready) this.#ready = this.#prompt.push(bytes);
    if (console) console.receive(bytes);
    else this.#link.rpc.tell("ack", [index, bytes.length]);
    this.#fire("output", { console: index, bytes });
    if (this.#ready && this.#state === "booting") this.#set("running");
  }

  /** @param {string} why */
  #rewind(why) {
    this.#ready = false;
    this.#prompt.clear();
    for (const console of this.consoles) console.restart();
    this.#agent?.restart(new VmError("aborted", why));
  }

  /** @param {VmError} error */
  #crash(error) {
    if (this.#state === "crashed" || this.#state === "disposed") return;
    this.#error = error;
    this.#end("crashed", error);
    this.#fire("error", error);
  }

  /**
   * @param {"crashed"|"disposed"} state
   * @param {VmError} error
   */
  #end(state, error) {
    this.#stopWatching();
    this.#link.close(error);
    this.#agent?.end(error);
    for (const console of this.consoles) console.end(error);
    this.#set(state);
    if (state === "disposed") this.dispatchEvent(new Event("disposed"));
  }

  /** @param {VmState} state */
  #set(state) {
    const previous = this.#state;
    if (state === previous) return;
    this.#state = state;
    this.#agent?.hold(state === "created" || state === "loading" || state === "paused");
    this.#fire("state", { state, previous, code: this.#code });
  }

  /**
   * @param {string} type
   * @param {unknown} detail
   */
  #fire(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
