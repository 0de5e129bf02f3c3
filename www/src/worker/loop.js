/**
 * The run loop: slices of instructions that leave room for messages between them, one timer while
 * the guest sleeps, nothing at all while it waits for input.
 */

import { Stop } from "virtarium-wasm";
import { Clock } from "./clock.js";

/** @typedef {import("virtarium-wasm").Machine} Machine */

/** What a slice should take: messages wait no longer than this. */
const SLICE_MS = 8;
const LEAST_BUDGET = 20_000;
const MOST_BUDGET = 20_000_000;
/** The budget of a slice while time is made up for: what the guest does at each tick, and little more. */
const STEP_BUDGET = 200_000;
/** The longest timer: a host that slept is noticed that late, for the timer slept with it. */
const MOST_TIMER_MS = 30_000;

export class Loop {
  #machine;
  #around;
  #onStop;
  /** Time goes through a channel: timers are clamped to 4 ms. */
  #channel = new MessageChannel();
  #budget = 500_000;
  #running = false;
  /** Whether a slice is on its way through the channel. */
  #posted = false;
  /** @type {ReturnType<typeof setTimeout> | null} */
  #timer = null;
  #clock = new Clock();
  #runsTo = Infinity;

  /**
   * @param {Machine} machine
   * @param {(took: number) => void} around does what is to be done behind a slice, which took so
   *   many milliseconds
   * @param {(stop: "off" | "reset" | "count" | Error) => void} onStop
   */
  constructor(machine, around, onStop) {
    this.#machine = machine;
    this.#around = around;
    this.#onStop = onStop;
    this.#channel.port1.onmessage = () => {
      this.#posted = false;
      this.#slice();
    };
  }

  get running() {
    return this.#running;
  }

  start() {
    this.#running = true;
    this.wake();
  }

  stop() {
    this.#running = false;
    this.#cancelTimer();
  }

  /** The machine was switched off and on: its time begins again. */
  restartClock() {
    this.#clock.restart();
  }

  /** The count of `runTo` counts no more. */
  forgetCount() {
    this.#runsTo = Infinity;
  }

  /**
   * Runs to an instruction count and then stops with `"count"`.
   * @param {number} count
   */
  runTo(count) {
    this.#runsTo = count;
    this.start();
  }

  /** Something came that the guest may be waiting for. */
  wake() {
    this.#cancelTimer();
    if (this.#running && !this.#posted) {
      this.#posted = true;
      this.#channel.port2.postMessage(null);
    }
  }

  close() {
    this.stop();
    this.#channel.port1.close();
  }

  #cancelTimer() {
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
  }

  #slice() {
    if (!this.#running) {
      return;
    }
    try {
      this.#run();
    } catch (error) {
      this.#running = false;
      this.#onStop(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #run() {
    const machine = this.#machine;
    const left = this.#runsTo - machine.instructions();
    if (left <= 0) {
      this.#runsTo = Infinity;
      this.#running = false;
      this.#onStop("count");
      return;
    }
    const before = performance.now();
    const count = machine.instructions();
    const now = this.#clock.now();
    const budget = Math.min(this.#clock.behind > 0 ? STEP_BUDGET : this.#budget, left);
    const stop = machine.run(budget, now);
    const took = performance.now() - before;
    this.#adapt(machine.instructions() - count, took);
    this.#around(took);
    switch (stop) {
      case Stop.Budget:
        this.wake();
        break;
      case Stop.Idle: {
        const wait = machine.idleFor();
        this.#clock.sleeps(wait ?? Infinity);
        // With the deterministic clock an idle machine has jumped already.
        if (wait !== undefined) {
          this.#sleep(wait - this.#clock.behind);
        }
        break;
      }
      case Stop.Waiting:
        // Whatever it waits for wakes the loop, unless it has come already.
        if (machine.touched) {
          this.wake();
        }
        break;
      case Stop.Off:
        this.#running = false;
        this.#onStop("off");
        break;
      case Stop.Reset:
        this.#onStop("reset");
        break;
    }
  }

  /** @param {number} ms */
  #sleep(ms) {
    if (ms <= 0) {
      this.wake();
    } else if (this.#timer === null && !this.#posted) {
      this.#timer = setTimeout(() => {
        this.#timer = null;
        this.wake();
      }, Math.min(Math.ceil(ms), MOST_TIMER_MS));
    }
  }

  /**
   * Brings the length of a slice to what it should take.
   * @param {number} count
   * @param {number} ms
   */
  #adapt(count, ms) {
    // A short slice says little, for the clock is coarse.
    if (count < LEAST_BUDGET) {
      return;
    }
    const fitting = (count * SLICE_MS) / Math.max(ms, 0.1);
    const next = (this.#budget * 3 + fitting) / 4;
    this.#budget = Math.round(Math.min(Math.max(next, LEAST_BUDGET), MOST_BUDGET));
  }
}
