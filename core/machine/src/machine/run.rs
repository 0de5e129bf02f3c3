//! The run loop: turns, deadlines, interrupts, idleness.

use super::board::BoardBus;
use super::power::Power;
use super::{Exit, Halt, HartState, Machine, Pace, WatchKind, tohost_offset};
use crate::cpu::{Cause, Effects};
use crate::host::Host;
use crate::interp::{Engine, Stop};
use crate::machine::Clock;
use crate::mem::{Memory, PhysAddr};
use crate::time::Ticks;
use crate::trace::Event;

/// What one hart's run came to.
enum Outcome {
    /// Nothing in particular: the limit, or something to look at.
    Continue,
    /// The hart gives up the rest of its turn.
    Yield,
    /// The debugger wants to know.
    Halt(Halt),
}

/// What one run of the engine came to.
struct Ran {
    /// Steps that were made.
    made: u64,
    stop: Stop,
    /// Whether a device was accessed.
    outside: bool,
    /// Whether `tohost` was written.
    told: bool,
    /// The watchpoint that was met.
    met: Option<(u64, WatchKind)>,
}

impl Machine {
    /// Does what is due, and then runs the hart whose turn it is, up to the count `end`.
    pub(super) fn advance(&mut self, end: u64, host: &mut dyn Host) -> Option<Exit> {
        if self.board.pending.is_draining() {
            return Some(Exit::Waiting);
        }
        if self.beats >= self.deadline() && !self.in_round() && self.deliver(host) {
            return Some(Exit::Waiting);
        }
        let id = self.turn.hart;
        let pace = self.stops.pace(id);
        if core::mem::take(&mut self.turn.sample) && self.sample(host) && pace == Pace::Step {
            return Some(Exit::Halted(Halt::Step { hart: id }));
        }
        if !self.is_ready(id) {
            return self.end_turn(host);
        }
        let steps = match pace {
            Pace::Step => (end - self.count).min(1),
            _ => end - self.count,
        };
        let steps = if self.harts.len() > 1 {
            steps.min(self.turn.left)
        } else {
            steps.min(self.deadline().saturating_sub(self.beats).max(1))
        };
        let before = self.count;
        let outcome = self.run_hart(id, steps, host);
        let yields = matches!(outcome, Outcome::Yield) || self.turn.left == 0;
        let exit = if self.harts.len() > 1 && yields {
            self.end_turn(host)
        } else {
            None
        };
        match outcome {
            Outcome::Halt(halt) => Some(Exit::Halted(halt)),
            _ if pace == Pace::Step && self.count != before => {
                Some(Exit::Halted(Halt::Step { hart: id }))
            }
            _ => exit,
        }
    }

    /// Whether some harts of the round have run and others not: time stands still.
    fn in_round(&self) -> bool {
        self.harts.len() > 1 && (self.turn.hart != 0 || self.turn.left != self.config.quantum)
    }

    /// Whether the hart has something to run.
    fn is_ready(&mut self, id: usize) -> bool {
        if self.stops.pace(id) == Pace::Hold {
            return false;
        }
        let (Some(hart), Some(state)) = (self.harts.get_mut(id), self.states.get_mut(id)) else {
            return false;
        };
        match state {
            HartState::Stopped => false,
            HartState::Started | HartState::Suspended { .. } if hart.waiting => {
                if !hart.wakes() {
                    return false;
                }
                hart.waiting = false;
                self.resume(id);
                true
            }
            _ => true,
        }
    }

    /// The next hart's turn; after the last one's a new round. Finds out whether all are idle.
    fn end_turn(&mut self, host: &mut dyn Host) -> Option<Exit> {
        if self.harts.len() > 1 {
            let share = self.config.quantum - self.turn.left;
            self.turn.longest = self.turn.longest.max(share);
            self.turn.ran |= share > 0;
            if let Some(hart) = self.harts.get_mut(self.turn.hart) {
                hart.reservation = None;
            }
            self.turn.hart += 1;
            self.turn.left = self.config.quantum;
            self.turn.sample = true;
            if self.turn.hart < self.harts.len() {
                return None;
            }
            self.turn.hart = 0;
            self.beats += core::mem::take(&mut self.turn.longest);
            if core::mem::take(&mut self.turn.ran) {
                return None;
            }
        }
        self.idle(host)
    }

    /// No hart has anything to run.
    fn idle(&mut self, host: &mut dyn Host) -> Option<Exit> {
        if self.is_held() {
            self.turn.sample = true;
            return Some(Exit::Idle { until: None });
        }
        self.statistics.idle += 1;
        let until = self.next_deadline();
        match (self.time.kind(), until) {
            (Clock::Deterministic, Some(until)) if host.may_skip(until) => {
                self.time.jump(self.beats, until);
                self.deadline = None;
                self.turn.sample = true;
                // Due now: `deliver` shows it, or says that the host is late.
                self.deliver(host).then_some(Exit::Waiting)
            }
            _ => {
                self.turn.sample = true;
                // What has arrived meanwhile is seen when `run` is called again.
                Some(Exit::Idle { until })
            }
        }
    }

    /// Whether only harts that the debugger holds could run: then no time passes.
    fn is_held(&self) -> bool {
        let mut harts = self.harts.iter().zip(&self.states);
        self.stops.holds()
            && !harts.any(|(hart, state)| {
                self.stops.pace(hart.id) != Pace::Hold && *state != HartState::Stopped
            })
    }

    /// When something next falls due, in guest time.
    fn next_deadline(&self) -> Option<Ticks> {
        let now = self.now();
        let mtime = self.board.aclint.mtime(now);
        let timers = self.harts.iter().filter_map(|hart| {
            let at = hart.timer_deadline()?;
            let ahead = at.saturating_sub(mtime);
            // The highest value of `stimecmp` switches the timer off.
            (at != u64::MAX).then(|| now.after(Ticks(ahead)))
        });
        let completion = match self.time.kind() {
            Clock::Deterministic => self.board.pending.deadline(),
            Clock::Host => self.board.pending.deadline_ready(now),
        };
        timers
            .chain(completion)
            .chain(self.board.aclint.deadline(now))
            .chain(self.board.rtc.deadline(now))
            .min()
    }

    /// The same as a count of the clock; `u64::MAX` if nothing falls due.
    fn deadline(&mut self) -> u64 {
        match self.deadline {
            Some(count) => count,
            None => {
                let count = self
                    .next_deadline()
                    .map_or(u64::MAX, |ticks| self.time.count_at(ticks));
                self.deadline = Some(count);
                count
            }
        }
    }

    /// Shows the guest everything that is due. Returns whether it has to wait for the host.
    fn deliver(&mut self, host: &mut dyn Host) -> bool {
        self.deadline = None;
        self.turn.sample = true;
        let now = self.now();
        self.board.rtc.tick(now, &mut self.board.lines);
        let patient = self.time.kind() == Clock::Deterministic;
        // Bounded by the requests under way: a completion may lead to new ones, but with a due
        // time of their own that lies ahead, or with results that the next call shows.
        for _ in 0..self.board.pending.requests().len() {
            let completion = if patient {
                match self.board.pending.pop(now) {
                    Ok(completion) => completion,
                    Err(_) => return true,
                }
            } else {
                self.board.pending.pop_ready(now)
            };
            let Some(completion) = completion else {
                break;
            };
            self.statistics.completions += 1;
            let ram = self.arena.ram();
            self.board
                .with_slot(completion.slot, ram, now, host, |slot, cx| {
                    slot.complete(completion.tag, completion.result, cx);
                });
        }
        false
    }

    /// Carries lines and timers to the harts, and lets the hart whose turn it is take an
    /// interrupt. Returns whether it does.
    fn sample(&mut self, host: &mut dyn Host) -> bool {
        let now = self.now();
        let mtime = self.board.aclint.mtime(now);
        if self.board.lines.take_changed() {
            self.board.plic.sample(&self.board.lines);
        }
        for hart in &mut self.harts {
            let (meip, seip) = self.board.plic.external(hart.id);
            hart.meip = meip;
            hart.seip_external = seip;
            hart.msip = self.board.aclint.msip(hart.id);
            hart.mtip = self.board.aclint.mtip(hart.id, now);
            hart.set_time(mtime);
        }
        let id = self.turn.hart;
        if self.states.get(id) != Some(&HartState::Started) || self.stops.pace(id) == Pace::Hold {
            return false;
        }
        let interrupt = self
            .harts
            .get_mut(id)
            .and_then(|hart| hart.pending_interrupt());
        if let Some(interrupt) = interrupt {
            self.trap(id, Cause::from(interrupt), 0, host);
        }
        interrupt.is_some()
    }

    /// Has a hart enter a trap. Returns whether an interrupt is pending in the handler.
    pub(super) fn trap(&mut self, id: usize, cause: Cause, tval: u64, host: &mut dyn Host) -> bool {
        self.statistics.count_trap(cause);
        let Some(hart) = self.harts.get_mut(id) else {
            return false;
        };
        let pc = hart.pc;
        // What comes at this address from now on is not what stopped there.
        self.stops.take_pass(id);
        // A hart has no shortcut that depends on what a trap changes: they are kept by privilege
        // and context.
        let _ = hart.enter_trap(cause, tval);
        if host.traces() {
            host.trace(&Event::Trap {
                hart: id,
                cause: cause.code(),
                tval,
                pc,
                handler: hart.pc,
            });
        }
        hart.pending_interrupt().is_some()
    }

    /// Runs a hart for `steps` steps at most.
    fn run_hart(&mut self, id: usize, steps: u64, host: &mut dyn Host) -> Outcome {
        let single = self.harts.len() == 1;
        let mut left = steps;
        while left > 0 {
            let end = self.beats + left;
            let Some(ran) = self.run_engine(id, left, end, host) else {
                return Outcome::Yield;
            };
            left -= ran.made;
            self.step(id, ran.made);
            match ran.stop {
                Stop::Budget => return Outcome::Continue,
                Stop::Attention => {
                    // Nothing of what the debugger or the cache of code asks for may show.
                    let visible = ran.outside || ran.told;
                    if visible {
                        self.turn.sample = true;
                        self.deadline = None;
                        self.look(ran.told);
                    }
                    if let Some(halt) = watchpoint(id, ran.met) {
                        return Outcome::Halt(halt);
                    }
                    if visible {
                        return Outcome::Continue;
                    }
                }
                Stop::Breakpoint => {
                    let pc = self.harts.get(id).map(|hart| hart.pc);
                    self.stops.let_pass(id, pc);
                    return Outcome::Halt(Halt::Breakpoint { hart: id });
                }
                Stop::Trap { exception, tval } => {
                    left -= 1;
                    self.step(id, 1);
                    if self.trap(id, Cause::from(exception), tval, host) {
                        self.turn.sample = true;
                        return Outcome::Continue;
                    }
                }
                Stop::System { inst, length } => {
                    let done = self.system(id, &inst, length, host);
                    left -= 1;
                    self.step(id, 1);
                    if done.deadline {
                        self.deadline = None;
                    }
                    if let Some(halt) = watchpoint(id, done.met) {
                        return Outcome::Halt(halt);
                    }
                    if done.yields {
                        return Outcome::Yield;
                    }
                    if done.sample {
                        self.turn.sample = true;
                        return Outcome::Continue;
                    }
                    if done.deadline && single {
                        return Outcome::Continue;
                    }
                }
            }
        }
        Outcome::Continue
    }

    /// Counts steps of a hart.
    fn step(&mut self, id: usize, steps: u64) {
        self.count += steps;
        self.statistics.instructions += steps;
        if let Some(hart) = self.harts.get_mut(id) {
            hart.retired += steps;
        }
        if self.harts.len() > 1 {
            self.turn.left -= steps;
        } else {
            self.beats += steps;
        }
    }

    fn run_engine(&mut self, id: usize, steps: u64, end: u64, host: &mut dyn Host) -> Option<Ran> {
        let still = self.harts.len() > 1;
        let pass = match self.stops.pace(id) {
            // The debugger knows what the hart stands before.
            Pace::Step => self.harts.get(id).map(|hart| hart.pc),
            _ => self.stops.take_pass(id),
        };
        let view = self.arena.hart(id)?;
        let ram = view.ram;
        let mut bus = BoardBus {
            board: &mut self.board,
            ram,
            host,
            time: &self.time,
            end: if still { self.beats } else { end },
            still,
            accesses: 0,
            stops: &self.stops,
            tohost: tohost_offset(&self.symbols),
            told: false,
            met: None,
        };
        let mut engine = Engine {
            hart: self.harts.get_mut(id)?,
            view,
            code: &mut self.code,
            shortcuts: self.shortcuts.get_mut(id)?,
            bus: &mut bus,
            breakpoints: self.stops.breakpoints(),
            pass,
        };
        let (made, stop) = engine.run(steps);
        self.statistics.mmio += bus.accesses;
        Some(Ran {
            made,
            stop,
            outside: bus.accesses > 0,
            told: bus.told,
            met: bus.met,
        })
    }

    /// What may have come of a device access or of a store to `tohost`.
    fn look(&mut self, told: bool) {
        if let Some(finish) = self.board.finisher.take() {
            self.power = Power::from_finish(finish);
        }
        if told
            && let Some(tohost) = self.symbols.tohost
            && let Ok(value) = Memory::new(self.arena.ram()).load::<u64>(PhysAddr(tohost))
            && let Some(power) = Power::from_tohost(value)
        {
            self.power = power;
        }
    }

    /// Does to a hart's caches what an instruction or the SBI asks for.
    pub(super) fn apply(&mut self, id: usize, effects: Effects) {
        if let (Some(view), Some(shortcuts)) = (self.arena.hart(id), self.shortcuts.get_mut(id)) {
            crate::interp::apply(view.data, shortcuts, effects);
        }
    }
}

/// The stop at a watchpoint, if one was met.
fn watchpoint(hart: usize, met: Option<(u64, WatchKind)>) -> Option<Halt> {
    met.map(|(address, kind)| Halt::Watchpoint {
        hart,
        address,
        kind,
    })
}
