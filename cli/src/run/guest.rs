//! What the loop needs of a machine, so that it can be tested with one that does as told.

use anyhow::Result;
use virtarium_machine::host::{ConsoleId, Host};
use virtarium_machine::isa;
use virtarium_machine::machine::{self, Halt, Machine};
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
    /// What a debugger asked for has happened.
    Halted(Halt),
}

/// A machine.
pub trait Guest {
    /// Runs at most `budget` instructions from the host's time `now`.
    fn run(&mut self, budget: u64, now: Nanos, host: &mut dyn Host) -> Exit;
    /// Types into a console; returns how many bytes were taken.
    fn console_input(&mut self, console: ConsoleId, bytes: &[u8], host: &mut dyn Host) -> usize;
    /// Tells a console its size in columns and rows.
    fn console_resize(&mut self, console: ConsoleId, size: (u16, u16), host: &mut dyn Host);
    /// Switches the machine off and on. The guest's clock begins where it did, or at `epoch` in
    /// seconds since 1970.
    fn reset(&mut self, epoch: Option<u64>, host: &mut dyn Host) -> Result<()>;
    /// Instructions so far, of all harts.
    fn instructions(&self) -> u64;
    /// The digest of the machine's state, in hexadecimal.
    fn digest(&mut self) -> String;
    /// The instruction that is next: its number, hart, address and text.
    fn describe_next(&mut self) -> String;
}

impl Guest for Machine {
    fn run(&mut self, budget: u64, now: Nanos, host: &mut dyn Host) -> Exit {
        match Machine::run(self, budget, now, host) {
            machine::Exit::Budget => Exit::Budget,
            machine::Exit::Idle { until } => Exit::Idle(until.map(|ticks| ticks.to_nanos())),
            machine::Exit::Waiting => Exit::Waiting,
            machine::Exit::PowerOff { code } => Exit::PowerOff(code),
            machine::Exit::Reset => Exit::Reset,
            machine::Exit::Halted(halt) => Exit::Halted(halt),
        }
    }

    fn console_input(&mut self, console: ConsoleId, bytes: &[u8], host: &mut dyn Host) -> usize {
        Machine::console_input(self, console, bytes, host)
    }

    fn console_resize(
        &mut self,
        console: ConsoleId,
        (cols, rows): (u16, u16),
        host: &mut dyn Host,
    ) {
        Machine::console_resize(self, console, cols, rows, host);
    }

    fn reset(&mut self, epoch: Option<u64>, host: &mut dyn Host) -> Result<()> {
        if let Some(epoch) = epoch {
            self.set_epoch(epoch);
        }
        Ok(Machine::reset(self, host)?)
    }

    fn instructions(&self) -> u64 {
        Machine::instructions(self)
    }

    fn digest(&mut self) -> String {
        Machine::digest(self).to_string()
    }

    fn describe_next(&mut self) -> String {
        let count = Machine::instructions(self);
        let id = self.current_hart();
        let Some(pc) = self.harts().get(id).map(|hart| hart.pc) else {
            return String::new();
        };
        let mut bytes = [0; 4];
        let text = match self.read_virtual(id, pc, &mut bytes) {
            0 | 1 => "(not readable)".to_owned(),
            _ => {
                let word = u32::from_le_bytes(bytes);
                let word = if isa::decode::length(word) == 2 {
                    word & 0xffff
                } else {
                    word
                };
                isa::disassemble::disassemble(pc, word)
            }
        };
        format!("{count} hart={id} {pc:#x} {text}")
    }
}
