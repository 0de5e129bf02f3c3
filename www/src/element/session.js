/** @import { DiskEvent, ProgressEvent } from "../protocol.js" */
/** @import { VmOptions } from "../vm/vm.js" */
import { VmError, asVmError, orAbort } from "../vm/errors.js";
import { Vm } from "../vm/vm.js";

/** @typedef {"idle"|"loading"|"created"|"booting"|"running"|"paused"|"off"|"crashed"|"failed"} Phase */

/**
 * For those who have no use for the outcome: a failure is shown.
 * @param {Promise<unknown>} promise
 * @returns {Promise<void>}
 */
export const quietly = (promise) => promise.then(() => {}, () => {});

/** Sessions whose machine runs, or is about to. @type {Set<Session>} */
const running = new Set();

/**
 * @typedef {object} SessionEvents
 * @property {(phase: Phase) => void} phase
 * @property {(event: ProgressEvent) => void} progress
 * @property {(console: number, bytes: Uint8Array) => void} output
 * @property {(event: DiskEvent) => void} disk
 * @property {(event: import("../protocol.js").ActivityEvent) => void} activity
 * @property {(error: VmError) => void} error
 * @property {(code: number|undefined) => void} exit
 * @property {() => void} ready
 * @property {(vm: Vm) => void} created
 */

/** One machine of an element, from its loading to its end, and again. */
export class Session {
  /** @type {Phase} */
  phase = "idle";
  /** @type {Vm|undefined} */
  vm;
  /** @type {VmError|undefined} */
  error;
  #on;
  /** @type {AbortController|undefined} */
  #control;
  /** @type {Promise<void>|undefined} */
  #creating;
  #options;
  /** Of the machine that is there. @type {Record<string, unknown>} */
  #built = {};
  #alone;
  /** It is to run as soon as it is loaded: what is shown goes from `loading` to `booting`. */
  #wanted = false;
  /** @type {Promise<void>|undefined} */
  #starting;
  /** The end of the machine before, which may still have the disks. @type {Promise<void>|undefined} */
  #ending;

  /**
   * @param {() => VmOptions & import("../vm/machine.js").MachineChanges} options
   * @param {() => boolean} alone  whether others must pause while this one runs
   * @param {SessionEvents} on
   */
  constructor(options, alone, on) {
    this.#options = options;
    this.#alone = alone;
    this.#on = on;
  }

  /**
   * Loads the machine, if there is none. Who calls need not show the failure: that is done.
   * @param {{steal?: boolean, discard?: string[]}} [how]
   * @returns {Promise<void>}
   */
  load(how = {}) {
    if (this.vm) return Promise.resolve();
    if (this.#creating) return this.#creating;
    const control = new AbortController();
    this.#control = control;
    const creating = this.#create(control, how).finally(() => {
      if (this.#creating === creating) this.#creating = undefined;
    });
    this.#creating = creating;
    this.#set("loading");
    return creating;
  }

  /**
   * Runs the machine, whatever state it is in; rejects where it does not come to that, with
   * `aborted` if that was somebody's wish. A guest that has lost its disks to another machine
   * begins anew when it takes them back: they have changed.
   * @param {{steal?: boolean, discard?: string[]}} [how]
   * @returns {Promise<void>}
   */
  start(how = {}) {
    const ended = this.phase === "failed" || this.phase === "crashed";
    const fresh = this.phase === "off" || this.phase === "created";
    if (ended || (fresh && this.#changed())) void this.discard();
    // A loading that was broken off is nobody's any more.
    else if (this.#creating && this.#control?.signal.aborted) void this.#forget(undefined);
    this.#claim();
    if (this.vm) return this.#do((vm) => vm.start());
    this.#wanted = true;
    // Who hears that it loads may ask for it too.
    const loaded = this.load(how);
    if (this.#starting) return this.#starting;
    const starting = this.#runAfter(loaded).finally(() => {
      if (this.#starting === starting) this.#starting = undefined;
    });
    this.#starting = starting;
    return starting;
  }

  /** @param {Promise<void>} loaded */
  async #runAfter(loaded) {
    await loaded;
    if (!this.#wanted) {
      if (this.vm) this.#set("created");
      throw new VmError("aborted", "the machine was paused before it ran");
    }
    this.#wanted = false;
    await this.#do((vm) => vm.start());
  }

  /** A machine that is not loaded yet will not run then. */
  async pause() {
    this.#wanted = false;
    running.delete(this);
    const { vm } = this;
    let unkept;
    await this.#do(async () => {
      await vm?.pause().catch((error) => {
        // It stands still, and lives: its disk has said what it could not keep.
        if (vm.state !== "paused") throw error;
        unkept = error;
      });
    });
    if (unkept) throw unkept;
  }

  /** Gives up the loading too. */
  async stop() {
    this.cancel();
    await this.#creating?.catch(() => {});
    await this.#do((vm) => vm.stop());
  }

  async reset() {
    if (!["booting", "running", "paused"].includes(this.phase)) return this.start();
    this.#claim();
    await this.#do(async (vm) => {
      await vm.reset();
      // One that was paused would stand at its first instruction.
      if (vm.state === "paused") await vm.start();
    });
  }

  /** Gives up the loading, also that of a machine which was off. */
  cancel() {
    if (!this.vm) this.#control?.abort();
    else if (this.vm.state === "loading") void quietly(this.vm.stop());
  }

  /** Ends the machine; the session is as new. */
  async discard() {
    const { vm } = this;
    this.cancel();
    this.vm = undefined;
    const ending = this.#forget(vm?.dispose());
    this.#set("idle");
    await ending;
  }

  /** @param {Promise<void>|undefined} end  when the machine has let go of its disks */
  #forget(end) {
    this.#ending = Promise.all([this.#ending, end, this.#creating?.catch(() => {})]).then(() => {});
    this.vm = this.error = this.#control = this.#creating = this.#starting = undefined;
    this.#wanted = false;
    running.delete(this);
    return this.#ending;
  }

  /**
   * @param {AbortController} control
   * @param {{steal?: boolean, discard?: string[]}} how
   */
  async #create(control, { steal = false, discard }) {
    try {
      await orAbort(this.#ending ?? Promise.resolve(), control.signal);
      const options = this.#options();
      this.#built = { ...options };
      const vm = await Vm.create({
        ...options, steal, discard, signal: control.signal,
        onProgress: (event) => this.#control === control && this.#on.progress(event),
        onDisk: (event) => this.#control === control && this.#disk(event),
      });
      if (this.#control !== control) {
        void vm.dispose();
        throw new VmError("aborted", "the element has another machine now");
      }
      this.vm = vm;
      this.#listen(vm);
      this.#on.created(vm);
      if (!this.#wanted) this.#set("created");
    } catch (error) {
      const why = asVmError(error);
      // Who broke it off has something else in mind already.
      if (this.#control === control) this.#fail(why);
      throw why;
    }
  }

  /** @param {Vm} vm */
  #listen(vm) {
    /** @param {string} type @param {(detail: any) => void} then */
    const on = (type, then) => vm.addEventListener(type, (event) => {
      if (this.vm === vm) then(/** @type {CustomEvent} */ (event).detail);
    });
    let wasReady = false;
    on("state", ({ state }) => {
      if (state === "disposed") {
        // The page has disposed of it: Start makes another.
        void this.#forget(new Promise((resolve) => vm.addEventListener("disposed", () => resolve(), { once: true })));
        return this.#set("idle");
      }
      // A machine that has lost its disk stays `failed`, whatever its worker still says.
      if (this.phase === "failed") return;
      if (state === "off" || state === "crashed") running.delete(this);
      if (state !== "crashed") this.#set(state);
      if (vm.ready && !wasReady) this.#on.ready();
      wasReady = vm.ready;
    });
    on("output", ({ console, bytes }) => this.#on.output(console, bytes));
    on("activity", (event) => this.#on.activity(event));
    on("exit", ({ code }) => this.#on.exit(code));
    on("error", (error) => this.#fail(error));
  }

  /** @param {DiskEvent} event */
  #disk(event) {
    this.#on.disk(event);
    if (event.code !== "locked" || event.recovered || !this.vm) return;
    running.delete(this);
    this.#fail(new VmError("locked", event.error ?? "another machine has taken the disk", { detail: { disk: event.name } }));
  }

  /** @param {(vm: Vm) => Promise<unknown>} action */
  async #do(action) {
    const { vm } = this;
    try {
      if (vm) await action(vm);
    } catch (error) {
      const why = asVmError(error);
      if (this.vm === vm) this.#fail(why);
      throw why;
    }
  }

  /** The next machine would be built in another way; the terminal's size is told to this one too. */
  #changed() {
    return Object.entries(this.#options()).some(([name, value]) => name !== "cols" && name !== "rows" && value !== this.#built[name]);
  }

  /** At most one machine runs in a page, unless the page says otherwise. */
  #claim() {
    if (this.#alone()) {
      for (const other of running) if (other !== this && other.#alone()) void quietly(other.pause());
    }
    running.add(this);
  }

  /** @param {VmError} error */
  #fail(error) {
    // The machine says so, and so does the call that waited for it.
    if (error === this.error) return;
    this.#wanted = false;
    if (error.code === "aborted" && (!this.vm || this.vm.state === "disposed")) {
      running.delete(this);
      return this.#set("idle");
    }
    if (error.code === "aborted" && this.vm?.state === "off") return this.#set("off");
    if (!this.vm || this.vm.state === "crashed") running.delete(this);
    this.error = error;
    this.#set(this.vm?.state === "crashed" ? "crashed" : "failed");
    this.#on.error(error);
  }

  /** @param {Phase} phase */
  #set(phase) {
    if (phase === this.phase) return;
    this.phase = phase;
    this.#on.phase(phase);
  }
}
