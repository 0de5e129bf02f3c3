/**
 * One machine in this worker, from its files to its end.
 *
 * Calls that change what the machine does run one after the other (`#inTurn`): a page may call
 * `stop` while `create` still downloads.
 */

import { PROTOCOL } from "../protocol.js";
import { build, epochNow } from "./assemble.js";
import { Consoles } from "./consoles.js";
import { DiskSet, takenOver } from "./disk-set.js";
import { failure } from "./failure.js";
import { Loop } from "./loop.js";
import { loadModule } from "./parts.js";
import { forgetOverlay, importOverlay } from "./replace.js";
import { Usage } from "./usage.js";

/** @typedef {import("virtarium-wasm").Machine} Machine */
/** @typedef {import("../protocol.js").CreateOptions} CreateOptions */
/** @typedef {import("../protocol.js").WorkerEvent} WorkerEvent */
/** @typedef {import("../protocol.js").WorkerState} WorkerState */

/** A machine that is started so long after it was built has its clock set again. */
const LATE_MS = 2000;

export class Session {
  #post;
  /** @type {CreateOptions | null} */
  #options = null;
  /** @type {WorkerState} */
  #state = "loading";
  /** @type {Machine | null} */
  #machine = null;
  /** @type {Loop | null} */
  #loop = null;
  #disks = new DiskSet();
  /** @type {Consoles | null} */
  #consoles = null;
  #usage = new Usage();
  /** Whether the machine ran when the page went to sleep; null if it is awake. @type {boolean | null} */
  #asleep = null;
  /** The page is awake, and could not have its disks back. */
  #shutOut = false;
  /** The machine stands still for a moment, whatever its state. */
  #held = false;
  /** Ends the downloads of a machine that is being built, or of a disk that is imported. @type {AbortController | null} */
  #building = null;
  /** What `runTo` waits for. @type {{resolve: (count: number) => void, reject: (error: Error) => void} | null} */
  #counting = null;
  /** @type {Promise<unknown>} */
  #turn = Promise.resolve();
  #panic = "";
  /** How often a guest has begun. */
  #life = 0;
  /** The disks that are kept in memory, of this machine and the next. @type {Map<string, import("./memory.js").Memory>} */
  #memories = new Map();
  /** When the machine was built, as the wall clock has it. */
  #builtAt = 0;
  /** A disk that another tab took. */
  #lostName = "";

  /** @param {(event: WorkerEvent, transfer?: Transferable[]) => void} post */
  constructor(post) {
    this.#post = post;
  }

  /** @param {CreateOptions} options */
  create(options) {
    return this.#inTurn(async () => {
      if (this.#options) {
        throw failure("unsupported", "this worker has a machine already; make another worker");
      }
      if (options.protocol !== PROTOCOL) {
        throw failure("unsupported", `the page speaks version ${options.protocol} of the protocol and the worker ${PROTOCOL}: the two files are of different releases`);
      }
      this.#options = options;
      this.#say("loading");
      await loadModule(options.wasmUrl, (event) => this.#post(event), (message) => (this.#panic = message));
      await this.#build();
      // Only a new machine takes a disk from another tab.
      this.#options = { ...options, steal: false, discard: [] };
      this.#say("created");
      return {
        consoles: options.machine.consoles,
        disks: this.#disks.describe(),
      };
    });
  }

  start() {
    return this.#inTurn(async () => {
      if (this.#state === "running" && !this.#shutOut) {
        return;
      }
      if (this.#asleep !== null) {
        this.#asleep = true;
        if (this.#shutOut) {
          await this.#wakeUp();
        }
        // Otherwise its disks are not there before the page wakes up.
        this.#say("running");
        return;
      }
      if (this.#state === "off") {
        await this.#rebuild();
      } else if (this.#state === "created" && Date.now() - this.#builtAt > LATE_MS && this.#followsHost()) {
        // The guest's clock begins when the machine does.
        this.#powerCycle();
      }
      this.#run();
    });
  }

  pause() {
    return this.#inTurn(async () => {
      if (this.#state !== "running") {
        return;
      }
      if (this.#asleep !== null) {
        this.#asleep = false;
        this.#say("paused");
        return;
      }
      this.#loop?.stop();
      this.#stopCounting();
      this.#around(0);
      this.#say("paused");
      await this.#disks.flush();
    });
  }

  reset() {
    return this.#inTurn(async () => {
      if (this.#state === "off") {
        await this.#rebuild();
        this.#run();
        return;
      }
      this.#powerCycle();
      // The guest may have ended just before.
      this.#goOn();
    });
  }

  stop() {
    this.#building?.abort();
    return this.#inTurn(() => this.#switchOff(undefined));
  }

  dispose() {
    this.#building?.abort();
    return this.#inTurn(async () => {
      try {
        if (this.#machine && this.#state !== "crashed") {
          await this.#switchOff(undefined);
        }
      } finally {
        this.#tearDown();
      }
    });
  }

  suspend() {
    return this.#inTurn(async () => {
      if (this.#asleep !== null || !this.#machine || this.#state === "off") {
        return;
      }
      // The loop itself may stand still because the page lags behind.
      this.#asleep = this.#state === "running";
      this.#shutOut = false;
      this.#loop?.stop();
      this.#around(0);
      try {
        await this.#disks.flush();
      } finally {
        this.#disks.detach();
      }
    });
  }

  resume() {
    return this.#inTurn(async () => {
      if (this.#asleep !== null) {
        await this.#wakeUp();
      }
    });
  }

  /**
   * @param {number} console
   * @param {Uint8Array} bytes
   */
  write(console, bytes) {
    this.#need();
    if (this.#state === "off") {
      throw failure("unsupported", "the machine is off: nobody reads what is typed");
    }
    const written = this.#consoles?.write(console, bytes);
    this.#loop?.wake();
    return written;
  }

  /**
   * @param {number} console
   * @param {number} cols
   * @param {number} rows
   */
  resize(console, cols, rows) {
    if (console === 0 && this.#options) {
      this.#options = { ...this.#options, cols, rows };
    }
    this.#consoles?.resize(console, cols, rows);
    this.#loop?.wake();
  }

  /**
   * @param {number} console
   * @param {number} bytes
   */
  ack(console, bytes) {
    if (this.#consoles?.ack(console, bytes)) {
      this.#goOn();
    }
  }

  stats() {
    return this.#usage.stats(this.#need(), this.#disks.all);
  }

  digest() {
    if (this.#loop?.running) {
      throw failure("unsupported", "the digest of a machine that runs is of no use: pause it first");
    }
    return this.#need().digest();
  }

  /** @param {number} count */
  runTo(count) {
    this.#need();
    if (this.#options?.clock !== "deterministic") {
      throw failure("unsupported", 'runTo needs the clock "deterministic": with the host\'s no count is the same twice');
    }
    if (this.#counting || this.#held || this.#asleep !== null || (this.#state !== "created" && this.#state !== "paused")) {
      throw failure("unsupported", "runTo needs a machine that is created or paused, and no disk that is being exported, and counts once at a time");
    }
    return new Promise((resolve, reject) => {
      this.#counting = { resolve, reject };
      this.#consoles?.open();
      this.#say("running");
      this.#loop?.runTo(count);
    });
  }

  /** @param {string} name */
  exportDisk(name) {
    return this.#inTurn(async () => {
      const disk = this.#disk(name);
      if (this.#state === "off") {
        return this.#disks.exportDetached(disk);
      }
      this.#held = true;
      this.#loop?.stop();
      const release = disk.hold();
      try {
        // What does not become stable is in the file all the same: whoever exports may do it
        // because the storage is full or broken, and is told so by the disk.
        await disk.flush().catch((error) => this.look(error));
        return await disk.exportOverlay();
      } finally {
        release();
        this.#held = false;
        this.#goOn();
      }
    });
  }

  /**
   * @param {string} name
   * @param {Blob} overlay
   */
  importDisk(name, overlay) {
    return this.#inTurn(() =>
      this.#replace(name, async (disk, check) => {
        // `stop` and `dispose` break it off.
        this.#building = new AbortController();
        try {
          await importOverlay(disk, overlay, check, this.#building.signal);
        } finally {
          this.#building = null;
        }
      }),
    );
  }

  /** @param {string} name */
  resetDisk(name) {
    return this.#inTurn(() => this.#replace(name, forgetOverlay));
  }

  sync() {
    return this.#inTurn(() => this.#disks.flush());
  }

  /**
   * Anything that a call threw: an error of the module's ends the machine.
   * @param {unknown} error
   */
  look(error) {
    if (error instanceof WebAssembly.RuntimeError) {
      this.#crash(error);
    }
  }

  /**
   * @template T
   * @param {() => Promise<T>} call
   * @returns {Promise<T>}
   */
  #inTurn(call) {
    const result = this.#turn.then(call);
    this.#turn = result.catch(() => {});
    return result;
  }

  #need() {
    if (!this.#machine) {
      throw failure("unsupported", "there is no machine yet");
    }
    return this.#machine;
  }

  /** @param {string} name */
  #disk(name) {
    return this.#disks.find(name, this.#options?.machine.disks ?? []);
  }

  /** Fetches the files and builds the machine out of them. */
  async #build() {
    const options = /** @type {CreateOptions} */ (this.#options);
    this.#lostName = "";
    this.#building = new AbortController();
    try {
      const { machine, disks } = await build(options, {
        post: (event) => this.#post(event),
        signal: this.#building.signal,
        memories: this.#memories,
        onLost: (name) => this.#lost(name),
        check: () => {
          if (this.#lostName) {
            throw takenOver(this.#lostName);
          }
        },
        wake: () => this.#loop?.wake(),
        onError: (error) => this.look(error),
      });
      this.#machine = machine;
      this.#disks = new DiskSet(disks);
    } finally {
      this.#building = null;
    }
    this.#builtAt = Date.now();
    this.#life += 1;
    this.#usage = new Usage();
    this.#consoles = new Consoles(this.#machine, options.machine.consoles, (event, transfer) => this.#post(event, transfer));
    this.#loop = new Loop(this.#machine, (took) => this.#around(took), (stop) => this.#stopped(stop));
    this.#disks.inform();
  }

  async #rebuild() {
    this.#say("loading");
    this.#tearDown();
    try {
      await this.#build();
    } catch (error) {
      this.#say("off");
      throw error;
    }
  }

  #run() {
    this.#consoles?.open();
    this.#say("running");
    this.#loop?.start();
  }

  /** The loop goes on, if nothing but what has just ended kept it. */
  #goOn() {
    if (this.#state === "running" && this.#asleep === null && !this.#held) {
      this.#loop?.start();
    }
  }

  /** Takes the disks again that were let go of for the page's sleep, and goes on as before. */
  async #wakeUp() {
    this.#shutOut = true;
    await this.#disks.attach((name) => this.#lost(name));
    const ran = this.#asleep;
    this.#awake();
    if (ran) {
      this.#consoles?.open();
      this.#loop?.start();
    }
  }

  /** There is nothing to wake up from. */
  #awake() {
    this.#asleep = null;
    this.#shutOut = false;
  }

  /** Whether the guest's clock is the host's, and nobody has said what it shows. */
  #followsHost() {
    return this.#options?.clock !== "deterministic" && this.#options?.epoch === undefined;
  }

  /**
   * What is done behind a slice.
   * @param {number} took milliseconds
   */
  #around(took) {
    this.#usage.slice(took);
    const flooded = this.#consoles?.exchange();
    this.#disks.serve();
    if (this.#machine) {
      const activity = this.#usage.activity(this.#machine, this.#disks.all);
      if (activity) {
        this.#post(activity);
      }
    }
    if (flooded) {
      // The page lags behind: as with a slow terminal, the guest waits.
      this.#loop?.stop();
    }
  }

  /** @param {"off" | "reset" | "count" | Error} stop */
  #stopped(stop) {
    if (stop instanceof Error) {
      this.#crash(stop);
    } else if (stop === "count") {
      this.#counted();
    } else if (stop === "reset") {
      this.#powerCycle();
      this.#loop?.wake();
    } else {
      this.#counted();
      const code = this.#need().exitCode;
      const life = this.#life;
      // What was called before has its turn first, and may begin another life.
      void this.#inTurn(async () => life === this.#life && this.#switchOff(code)).catch((error) => this.look(error));
    }
  }

  /** Switches the machine off and on: with the time and the size of the terminal as they are now. */
  #powerCycle() {
    const machine = this.#need();
    if (this.#state !== "created") {
      this.#consoles?.finish();
      this.#post({ event: "reset" });
    }
    const { cols, rows } = /** @type {CreateOptions} */ (this.#options);
    if (this.#followsHost()) {
      machine.setEpoch(epochNow());
    }
    machine.reset();
    this.#life += 1;
    this.#loop?.restartClock();
    this.#consoles?.forget();
    if (cols !== undefined && rows !== undefined) {
      this.#consoles?.resize(0, cols, rows);
    }
  }

  /** Whoever waits for a count waits no more. */
  #stopCounting() {
    this.#counting?.reject(failure("aborted", "the machine was stopped before it came to that count"));
    this.#counting = null;
    this.#loop?.forgetCount();
  }

  #counted() {
    if (this.#counting) {
      const { resolve } = this.#counting;
      this.#counting = null;
      this.#say("paused");
      resolve(this.#need().instructions());
    }
  }

  /** @param {number | undefined} code */
  async #switchOff(code) {
    if (this.#state === "off" || this.#state === "crashed" || !this.#machine) {
      return;
    }
    this.#loop?.stop();
    this.#stopCounting();
    this.#around(0);
    this.#consoles?.finish();
    try {
      await this.#disks.flush();
    } finally {
      this.#disks.detach();
      this.#consoles?.forget();
      this.#awake();
      this.#say("off", code);
    }
  }

  /**
   * Another tab has taken a disk: nothing may be written any more.
   * @param {string} name
   */
  #lost(name) {
    this.#lostName = name;
    if (this.#disks.all.length === 0) {
      // It is being built: that ends when it comes to that.
      return;
    }
    this.#loop?.stop();
    this.#stopCounting();
    this.#consoles?.forget();
    this.#disks.detach();
    this.#disk(name).say("locked", takenOver(name).message);
    this.#awake();
    this.#say("off");
  }

  /**
   * Puts something else into a disk's place, and builds the machine again if it was there.
   * @param {string} name
   * @param {Parameters<DiskSet["replace"]>[1]} change
   */
  async #replace(name, change) {
    if (this.#state !== "created" && this.#state !== "off") {
      throw failure("unsupported", "a disk can be replaced while the machine is off: stop it first");
    }
    const disk = this.#disk(name);
    try {
      await this.#disks.replace(disk, change);
    } finally {
      if (this.#state === "created") {
        this.#tearDown();
        try {
          await this.#build();
        } catch (error) {
          this.#say("off");
          throw error;
        }
      }
    }
  }

  #tearDown() {
    this.#awake();
    this.#consoles?.forget();
    this.#stopCounting();
    this.#loop?.close();
    this.#disks.close();
    if (this.#state !== "crashed") {
      this.#machine?.free();
    }
    this.#machine = null;
    this.#loop = null;
    this.#consoles = null;
    this.#disks = new DiskSet();
  }

  /** @param {Error} error */
  #crash(error) {
    if (this.#state === "crashed") {
      return;
    }
    this.#loop?.stop();
    this.#counting?.reject(Object.assign(error, { code: "crashed" }));
    this.#counting = null;
    this.#post({ event: "crash", message: this.#panic || error.message, stack: error.stack ?? "" });
    this.#say("crashed");
  }

  /**
   * @param {WorkerState} state
   * @param {number} [code]
   */
  #say(state, code) {
    this.#state = state;
    this.#post({ event: "state", state, ...(code === undefined ? {} : { code }) });
  }
}
