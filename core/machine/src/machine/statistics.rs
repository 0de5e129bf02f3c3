//! Counts of what happened, for people: no part of the guest's state.

use crate::cpu::Cause;

/// How often things happened since the machine was switched on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Statistics {
    /// Instructions, traps included, of all harts.
    pub instructions: u64,
    /// Exceptions by code in `mcause`.
    pub exceptions: [u64; 16],
    /// Interrupts by code in `mcause`.
    pub interrupts: [u64; 16],
    /// Accesses to registers of devices.
    pub mmio: u64,
    /// Calls to the SBI.
    pub sbi: u64,
    /// Completions of requests that the guest was shown.
    pub completions: u64,
    /// Times that all harts waited.
    pub idle: u64,
}

impl Statistics {
    pub(super) fn count_trap(&mut self, cause: Cause) {
        let counters = match cause {
            Cause::Exception(_) => &mut self.exceptions,
            Cause::Interrupt(_) => &mut self.interrupts,
        };
        if let Some(counter) = counters.get_mut((cause.code() & 15) as usize) {
            *counter += 1;
        }
    }
}
