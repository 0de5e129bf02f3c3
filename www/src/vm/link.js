/** @import { WorkerEvent } from "../protocol.js" */
import { VmError } from "./errors.js";
import { watchPolicy } from "./fetch.js";
import { NOT_LOADED, WORKER_DIRECTIVES } from "./launch.js";
import { Rpc } from "./rpc.js";
import { Watchdog } from "./watchdog.js";

/** A worker and the calls to it; sees when it is no longer there. */
export class WorkerLink {
  #worker;
  #watchdog;
  #refused;
  #heard = false;

  /**
   * @param {Worker} worker
   * @param {string} name  for messages
   * @param {{onEvent: (event: WorkerEvent) => void, onCrash: (error: VmError) => void,
   *   watchdog: boolean}} options
   */
  constructor(worker, name, { onEvent, onCrash, watchdog }) {
    this.#worker = worker;
    this.rpc = new Rpc((message, transfer) => worker.postMessage(message, transfer), onEvent);
    this.#watchdog = new Watchdog(() => this.rpc.call("ping", []), (ms) => {
      onCrash(new VmError("crashed", `the machine's worker has not answered for ${ms / 1000} s`));
    });
    const refused = this.#refused = watchPolicy(WORKER_DIRECTIVES);
    worker.onmessage = (event) => {
      if (!this.#heard) {
        this.#heard = true;
        refused.stop();
        if (watchdog) this.#watchdog.start();
      }
      this.rpc.receive(event.data);
    };
    worker.onmessageerror = () => onCrash(new VmError("crashed", "a message of the machine's worker could not be read"));
    worker.onerror = (event) => {
      event.preventDefault?.();
      refused.stop();
      const policy = refused.seen();
      if (policy) {
        return onCrash(new VmError("csp", `the page's policy forbids the worker ${name}: ${policy}`, { detail: { directive: policy } }));
      }
      if (!this.#heard && (!event.message || event.message.includes(NOT_LOADED))) {
        return onCrash(new VmError("not-found", `the worker ${name} cannot be loaded ${event.message ?? ""}`.trim(), { detail: { url: name } }));
      }
      const error = new VmError("crashed", event.message || "the machine's worker failed");
      error.workerStack = event.filename ? `${event.filename}:${event.lineno}:${event.colno}` : undefined;
      onCrash(error);
    };
  }

  /** @param {VmError} error */
  close(error) {
    this.#refused.stop();
    this.#watchdog.stop();
    this.rpc.close(error);
    this.#worker.terminate();
  }
}
