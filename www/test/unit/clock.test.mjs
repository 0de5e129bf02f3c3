// The guest's time, from a host whose clocks are turned.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Clock } from "../../src/worker/clock.js";

const HOUR = 3_600_000;

/** A clock, and the host's two, in milliseconds. */
function started() {
  const host = { at: 500, wallAt: 1_700_000_000_000, monotonic: () => host.at, wall: () => host.wallAt };
  /** @param {number} ms */
  const pass = (ms) => {
    host.at += ms;
    host.wallAt += ms;
  };
  const clock = new Clock(host);
  assert.equal(clock.now(), 500);
  return { host, pass, clock };
}

/**
 * Makes up for what is behind; the steps that it took.
 * @param {Clock} clock
 */
function steps(clock) {
  const steps = [];
  let before = clock.now();
  while (clock.behind > 0) {
    const now = clock.now();
    steps.push(now - before);
    before = now;
    assert.ok(steps.length < 100_000, "there is an end");
  }
  return steps;
}

test("time_passes_as_the_host_has_it", () => {
  const { pass, clock } = started();
  for (const ms of [0, 1, 8, 3999]) {
    const before = clock.now();
    pass(ms);
    assert.equal(clock.now() - before, ms);
    assert.equal(clock.behind, 0);
  }
});

test("an_hour_of_a_host_that_slept_comes_in_steps_that_a_watchdog_bears", () => {
  for (const goesOn of [false, true]) {
    const { host, clock } = started();
    host.wallAt += HOUR;
    if (goesOn) host.at += HOUR;
    const all = steps(clock);
    assert.ok(all.length > 800 && all.length < 1000, `${all.length} steps`);
    assert.ok(all.every((step) => step <= 4000 && step > 0));
    assert.equal(clock.now(), 500 + HOUR);
  }
});

test("a_week_takes_larger_steps_and_ends", () => {
  const { host, clock } = started();
  host.wallAt += 168 * HOUR;
  const all = steps(clock);
  assert.ok(all.every((step) => step <= 12_000 && step > 0), "what a watchdog bears");
  assert.ok(all.length < 60_000, `${all.length} steps`);
  assert.equal(clock.now(), 500 + 168 * HOUR);
});

test("a_guest_that_sleeps_leaps_as_far_as_it_slept", () => {
  const { pass, clock } = started();
  clock.sleeps(HOUR);
  pass(HOUR + 10);
  assert.equal(clock.now(), 500 + HOUR + 10);
  assert.equal(clock.behind, 0);
  // Once: what it does then is not slept.
  pass(HOUR);
  assert.equal(clock.now(), 500 + HOUR + 10 + 4000);
  assert.equal(clock.behind, HOUR - 4000);
  // With nothing to wake up for it leaps to whatever wakes it.
  clock.sleeps(Infinity);
  pass(HOUR);
  assert.equal(clock.now(), 500 + 3 * HOUR + 10);
});

test("who_wakes_early_is_told_the_time_as_it_is", () => {
  const { pass, clock } = started();
  clock.sleeps(HOUR);
  pass(5);
  assert.equal(clock.now(), 505);
  pass(5);
  assert.equal(clock.now(), 510);
  // And is awake: it is not what it wanted to sleep that it leaps by then.
  pass(HOUR);
  assert.equal(clock.now(), 4510);
  clock.sleeps(Infinity);
  clock.restart();
  assert.equal(clock.now(), 510 + HOUR);
  pass(HOUR);
  assert.equal(clock.now(), 510 + HOUR + 4000);
});

test("the_wall_clock_that_is_set_back_or_a_little_forward_is_not_followed", () => {
  const { host, clock } = started();
  for (const ms of [-HOUR, 900, -900]) {
    host.wallAt += ms;
    assert.equal(clock.now(), 500);
  }
  // Nor is it a jump when it is set right again, but for the guest it is as if the host had slept.
  host.wallAt += HOUR;
  steps(clock);
  assert.equal(clock.now(), 500 + HOUR);
});

test("a_machine_that_is_switched_on_later_begins_with_the_time_of_then", () => {
  const { pass, clock } = started();
  pass(HOUR);
  clock.restart();
  assert.equal(clock.now(), 500 + HOUR);
  assert.equal(clock.behind, 0);
});
