//! How the hart reaches a device, and what a device may use while it is reached.

use crate::host::Host;
use crate::irq::Lines;
use crate::mem::{Memory, Width};
use crate::pending::Pending;
use crate::time::Ticks;

/// What a device is handed for the length of one call.
pub struct Ctx<'a> {
    /// Guest RAM, for devices that read and write it themselves.
    pub memory: Memory<'a>,
    /// The wires to the interrupt controller.
    pub lines: &'a mut Lines,
    /// Guest time: the `time` CSR.
    pub now: Ticks,
    /// The back ends.
    pub host: &'a mut dyn Host,
    /// Requests that are under way.
    pub pending: &'a mut Pending,
}

/// A chip with memory-mapped registers.
///
/// It does not know where it is mapped: offsets count from its first register. The bus passes
/// only widths that the address map allows for the device, and only offsets inside its window;
/// alignment is natural. Reads return the value in the low bits.
pub trait Device {
    /// The guest reads a register.
    fn read(&mut self, offset: u64, width: Width, cx: &mut Ctx<'_>) -> u64;
    /// The guest writes a register; bits above `width` are zero.
    fn write(&mut self, offset: u64, width: Width, value: u64, cx: &mut Ctx<'_>);
}
