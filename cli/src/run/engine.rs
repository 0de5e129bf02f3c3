//! The loop around the machine: slices of instructions, input and output between them, sleep
//! while the guest sleeps.

use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use super::back::Back;
use super::end::{End, Unmet};
use super::guest::{Exit, Guest};
use super::trace::Trace;
use crate::expect::Progress;
use crate::host::clock::{self, Clock};
use crate::host::input::{Event, HELP, Key, Leave, MONITOR};
use crate::host::terminal;
use virtarium_machine::machine::Halt;

/// Instructions between two looks at the world: a few milliseconds.
const SLICE: u64 = 1 << 19;
/// With a script the look is taken more often, so that a guest that is busy waiting is answered
/// soon; one that sleeps is answered at once ([`Host::may_skip`]).
///
/// [`Host::may_skip`]: virtarium_machine::host::Host::may_skip
const SCRIPT_SLICE: u64 = 1 << 17;

/// What the loop keeps to.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// The host's time for all.
    pub timeout: Option<Duration>,
    /// Instructions for all.
    pub max_instructions: Option<u64>,
    /// Instructions between two digests.
    pub digest_every: Option<u64>,
    /// Whether a reset of the guest's ends the run.
    pub no_reboot: bool,
    /// Whether a guest that resets itself is told the host's date again: not one that was given
    /// another.
    pub host_date: bool,
}

/// The world outside: what comes in, from threads of its own.
pub struct World {
    /// Input, keys, signals.
    pub events: Receiver<Event>,
    /// Lets the reader of standard input go on.
    pub leave: Option<Leave>,
}

/// A machine at work.
pub struct Engine<'a, G: Guest> {
    /// The machine.
    pub guest: &'a mut G,
    /// What stands behind its devices.
    pub back: &'a mut Back,
    /// What comes in from outside, if anything can.
    pub world: Option<World>,
    /// The time that the machine is given.
    pub clock: Clock,
    /// What the run keeps to.
    pub limits: Limits,
    /// Takes what is said beside the guest's output: digests and warnings.
    pub say: &'a mut dyn FnMut(&str),
    start: Instant,
    /// When the open expectation became it, and the step's number.
    step: (usize, Instant),
    /// Pieces of input whose sender waits until the guest has taken them.
    owed: usize,
    /// Whether standard input has ended.
    input_ended: bool,
    /// How long a sleep may last although nothing happens, if somebody else is to be heard.
    pub nap: Option<Duration>,
    /// Instructions before the last reset: with it the machine's own count begins again.
    earlier: u64,
    /// The count of the last digest.
    digested: u64,
    /// Whether the last slice did not end because of its length.
    rested: bool,
    /// The count at which something was typed last, if anything was.
    typed_at: Option<u64>,
}

/// What a slice came to.
#[derive(Debug)]
pub enum Turn {
    /// The machine goes on.
    Going,
    /// A debugger's stop.
    Halted(Halt),
    /// The run is over.
    Over(End),
}

impl<'a, G: Guest> Engine<'a, G> {
    /// A machine that starts now.
    pub fn new(
        guest: &'a mut G,
        back: &'a mut Back,
        world: Option<World>,
        clock: Clock,
        limits: Limits,
        say: &'a mut dyn FnMut(&str),
    ) -> Self {
        let now = Instant::now();
        Self {
            guest,
            back,
            input_ended: world.is_none(),
            world,
            clock,
            limits,
            say,
            start: now,
            step: (0, now),
            owed: 0,
            nap: None,
            earlier: 0,
            digested: 0,
            rested: true,
            typed_at: None,
        }
    }

    /// Runs the machine to its end.
    pub fn run(&mut self) -> End {
        loop {
            if let Turn::Over(end) = self.turn() {
                return end;
            }
        }
    }

    /// Runs a slice, and does what is to be done around it.
    pub fn turn(&mut self) -> Turn {
        let turn = self.slice_and_around();
        if let Turn::Over(_) = turn {
            self.back.consoles.pass_on();
            self.warn();
        }
        turn
    }

    /// What ends the run while the machine stands still for a debugger: keys, signals, the time.
    pub fn stand(&mut self) -> Option<End> {
        self.listen().or_else(|| self.timed_out())
    }

    /// Leaves out a time in which the machine stood still: the guest was not slow.
    pub fn leave_out(&mut self, stopped: Duration) {
        self.clock.leave_out(stopped);
        self.step.1 += stopped;
    }

    fn slice_and_around(&mut self) -> Turn {
        if let Some(end) = self.listen() {
            return Turn::Over(end);
        }
        let count = self.guest.instructions();
        if self.rested || (self.at_slice_end() && self.typed_at != Some(count)) {
            self.type_in();
            self.typed_at = Some(count);
        }
        if let Some(end) = self.over() {
            return Turn::Over(end);
        }
        let mut budget = self.budget();
        if let Some(trace) = &mut self.back.trace
            && trace.wants_instructions()
        {
            trace.line(&self.guest.describe_next());
            budget = 1;
        }
        let now = self.clock.now();
        let exit = self.guest.run(budget, now, self.back);
        self.back.consoles.pass_on();
        self.warn();
        self.digest();
        if let Some(end) = self.judge() {
            return Turn::Over(end);
        }
        // A debugger's stop is none of the guest's: what is typed comes where it would without.
        self.rested = !matches!(exit, Exit::Budget | Exit::Halted(_));
        let over = match exit {
            Exit::Budget => None,
            Exit::Halted(halt) => return Turn::Halted(halt),
            Exit::PowerOff(code) => Some(self.or_unmet(End::PowerOff(code))),
            Exit::Reset if self.limits.no_reboot => Some(self.or_unmet(End::Rebooted)),
            Exit::Reset => self.reset(),
            Exit::Idle(until) => self.sleep(until),
            // Disks answer at once, so nothing can be waited for.
            Exit::Waiting => Some(End::Failed(
                "a disk's answer is missing (a bug of ours)".to_owned(),
            )),
        };
        over.map_or(Turn::Going, Turn::Over)
    }

    /// Switches the machine off and on.
    fn reset(&mut self) -> Option<End> {
        self.earlier = self.all_instructions();
        let epoch = match (self.clock, self.limits.host_date) {
            (Clock::Host { .. }, true) => Some(clock::epoch()),
            _ => None,
        };
        if let Err(error) = self.guest.reset(epoch, self.back) {
            return Some(End::Failed(format!(
                "the machine cannot be reset: {error:#}"
            )));
        }
        self.digested = self.guest.instructions();
        self.resize();
        None
    }

    /// Instructions since the start, however often the guest has rebooted.
    fn all_instructions(&self) -> u64 {
        self.earlier.saturating_add(self.guest.instructions())
    }

    fn slice(&self) -> u64 {
        match (self.clock, self.back.consoles.script()) {
            (Clock::Deterministic, Some(_)) => SCRIPT_SLICE,
            _ => SLICE,
        }
    }

    /// Slices end at fixed counts. What is typed at their ends, and nowhere between, is typed at
    /// the same counts in every run, wherever digests are printed.
    fn at_slice_end(&self) -> bool {
        self.guest.instructions().is_multiple_of(self.slice())
    }

    /// Instructions until something is to be looked at.
    fn budget(&self) -> u64 {
        let done = self.guest.instructions();
        let slice = self.slice();
        let mut until = (done / slice + 1) * slice;
        if let Some(most) = self.limits.max_instructions {
            until = until.min(most.saturating_sub(self.earlier));
        }
        if let Some(every) = self.limits.digest_every {
            until = until.min(self.digested.saturating_add(every));
        }
        until.saturating_sub(done).max(1)
    }

    /// Prints the digest whose time has come.
    fn digest(&mut self) {
        if let Some(every) = self.limits.digest_every {
            let done = self.guest.instructions();
            if done >= self.digested.saturating_add(every) {
                let digest = self.guest.digest();
                (self.say)(&format!("digest {done} {digest}"));
                self.digested = done - done % every;
            }
        }
    }

    /// Takes what has come in, without waiting.
    pub fn listen(&mut self) -> Option<End> {
        loop {
            let event = match self.world.as_ref()?.events.try_recv() {
                Ok(event) => event,
                Err(TryRecvError::Empty) => return None,
                Err(TryRecvError::Disconnected) => {
                    self.world = None;
                    self.input_ended = true;
                    return None;
                }
            };
            if let Some(end) = self.take(event) {
                return Some(end);
            }
        }
    }

    fn take(&mut self, event: Event) -> Option<End> {
        let consoles = &mut self.back.consoles;
        match event {
            Event::Input(bytes) => {
                consoles.type_in(&bytes);
                self.owed += 1;
            }
            Event::InputEnd => self.input_ended = true,
            Event::Key(Key::Quit) => return Some(self.or_unmet(End::Quit)),
            Event::Key(Key::Help) => consoles.say(HELP),
            Event::Key(Key::Monitor) => consoles.say(MONITOR),
            Event::Key(Key::NextConsole) => {
                let text = consoles.focus_next();
                consoles.say(&format!("{text}\n"));
            }
            Event::Key(Key::Sync) => {
                self.back.sync();
                self.back.consoles.say("the disks are flushed\n");
            }
            Event::Resize => self.resize(),
            Event::Signal(number) => return Some(End::Signal(number)),
        }
        None
    }

    /// Tells the consoles the size of the terminal, unless the run is to be the same everywhere.
    fn resize(&mut self) {
        if let (Clock::Host { .. }, Some(size)) = (self.clock, terminal::size()) {
            for console in self.back.consoles.sized() {
                self.guest.console_resize(console, size, self.back);
            }
        }
    }

    /// Hands typed bytes to the guest, as many as it takes.
    fn type_in(&mut self) {
        if let Some((console, mut bytes)) = self.back.consoles.take_typed() {
            let taken = self.guest.console_input(console, &bytes, self.back);
            bytes.drain(..taken.min(bytes.len()));
            self.back.consoles.put_back(bytes, taken == 0);
        }
        if self.back.consoles.has_typed() {
            return;
        }
        let leave = self.world.as_ref().and_then(|world| world.leave.as_ref());
        for _ in 0..std::mem::take(&mut self.owed) {
            if let Some(leave) = leave {
                leave.taken();
            }
        }
    }

    /// Whether a limit is reached.
    fn over(&mut self) -> Option<End> {
        if let Some(most) = self.limits.max_instructions
            && self.all_instructions() >= most
        {
            return Some(End::OutOfInstructions(most));
        }
        if let Some(end) = self.timed_out() {
            return Some(end);
        }
        let (step, pattern, limit) = {
            let script = self.back.consoles.script()?;
            let (step, pattern) = script.open()?;
            (step, pattern.to_owned(), script.timeout()?)
        };
        if self.step.0 != step {
            self.step = (step, Instant::now());
        }
        (self.step.1.elapsed() >= limit).then_some(End::Unmet {
            step,
            pattern,
            why: Unmet::TimedOut(limit),
        })
    }

    fn timed_out(&self) -> Option<End> {
        let limit = self.limits.timeout?;
        (self.start.elapsed() >= limit).then_some(End::TimedOut(limit))
    }

    /// What the output of a slice means.
    fn judge(&mut self) -> Option<End> {
        if let Some(error) = self.back.consoles.take_error() {
            // Whoever read our output has had enough: the end of a pipe by its usual name.
            return Some(match error.kind() {
                std::io::ErrorKind::BrokenPipe => End::Signal(13),
                _ => End::Failed(format!("the guest's output cannot be written: {error}")),
            });
        }
        // A trace with a hole is of no use, and the guest may never end.
        if self.back.trace.as_ref().is_some_and(Trace::has_failed) {
            return Some(End::Failed("the trace cannot be written".to_owned()));
        }
        match self.back.consoles.progress()? {
            Progress::Waiting | Progress::Sent => None,
            Progress::Matched => Some(End::Matched),
            Progress::Panicked => Some(self.unmet(Unmet::Panicked)),
        }
    }

    /// Waits until the guest has something to do.
    fn sleep(&mut self, until: Option<virtarium_machine::time::Nanos>) -> Option<End> {
        let mut wait = match (self.clock, until) {
            // It was to be typed to before it jumps over its idle time.
            (Clock::Deterministic, Some(_)) => return None,
            (_, until) => until.map(|until| self.clock.until(until)),
        };
        if wait == Some(Duration::ZERO) {
            return None;
        }
        if until.is_none()
            && self.nap.is_none()
            && self.input_ended
            && !self.back.consoles.has_typed()
        {
            return Some(self.or_unmet(End::Asleep));
        }
        let left = self
            .limits
            .timeout
            .map(|limit| limit.saturating_sub(self.start.elapsed()));
        let step = self.back.consoles.script().and_then(|script| {
            script.open()?;
            Some(script.timeout()?.saturating_sub(self.step.1.elapsed()))
        });
        for other in [left, step, self.nap].into_iter().flatten() {
            wait = Some(wait.map_or(other, |wait| wait.min(other)));
        }
        let event = match (&self.world, wait) {
            (Some(world), Some(wait)) => world.events.recv_timeout(wait),
            (Some(world), None) => world.events.recv().map_err(Into::into),
            (None, Some(wait)) => {
                std::thread::sleep(wait);
                return None;
            }
            (None, None) => return None,
        };
        match event {
            Ok(event) => self.take(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                self.world = None;
                self.input_ended = true;
                None
            }
        }
    }

    fn warn(&mut self) {
        for warning in std::mem::take(&mut self.back.warnings) {
            (self.say)(&warning);
        }
    }

    /// `end`, unless an expectation is open, which is then what counts.
    fn or_unmet(&self, end: End) -> End {
        let why = match &end {
            End::PowerOff(code) => Unmet::PowerOff(*code),
            End::Rebooted => Unmet::Rebooted,
            End::Quit => Unmet::Quit,
            End::Asleep => Unmet::Asleep,
            _ => return end,
        };
        match self.back.consoles.progress() {
            Some(Progress::Waiting) => self.unmet(why),
            _ => end,
        }
    }

    fn unmet(&self, why: Unmet) -> End {
        let open = self.back.consoles.script().and_then(|script| script.open());
        let (step, pattern) = open.unwrap_or_default();
        End::Unmet {
            step,
            pattern: pattern.to_owned(),
            why,
        }
    }
}
