//! What the loop needs of a machine, so that it can be tested with one that does as told.

use anyhow::Result;
use virtarium_machine::host::{ConsoleId, Host};
use virtarium_machine::time::Nanos;

/// Why a slice ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The instructions of the slice are used up.
    Budget,
    /// Every hart waits; until then at the latest, if a timer runs.
    Idle(Option<Nanos>),
    /// A request to the host is due that was not answered.
    Waiting,
    /// The guest switched itself off with this code.
    PowerOff(u32),
    /// The guest asked for a reset.
    Reset,
    /// A debugger's stop.
    Stopped,
}

/// A machine.
pub trait Guest {
    /// Runs at most `budget` instructions from the host's time `now`.
    fn run(&mut self, budget: u64, now: Nanos, host: &mut dyn Host) -> Exit;
    /// Types into a console; returns how many bytes were taken.
    fn console_input(&mut self, console: ConsoleId, bytes: &[u8]) -> usize;
    /// Tells a console its size.
    fn console_resize(&mut self, console: ConsoleId, cols: u16, rows: u16);
    /// Switches the machine off and on.
    fn reset(&mut self) -> Result<()>;
    /// Instructions so far, of all harts.
    fn instructions(&self) -> u64;
    /// The digest of the machine's state, in hexadecimal.
    fn digest(&mut self) -> String;
}
