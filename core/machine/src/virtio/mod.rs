//! virtio devices behind virtio-mmio version 2, with split rings.
//!
//! ```text
//! mmio    the transport, one for all devices: registers, negotiation, interrupts
//! device  what a device is to the transport; blk, console and rng are such devices
//! queue   the split ring: bounded walk of a chain into Reader and Writer, used ring
//! regs    the register table, status and feature bits
//! ```
//!
//! Devices do not know the transport, the queue knows neither. What a driver can break by itself
//! (a chain that loops, a ring outside RAM) ends in DEVICE_NEEDS_RESET and a device that stands
//! still until it is reset; what only a request gets wrong is that request's status.
//!
//! Section numbers in this folder are those of virtio 1.2.

pub mod blk;
pub mod console;
pub mod device;
pub mod mmio;
pub mod queue;
pub mod regs;
pub mod rng;

pub use blk::BlockConfig;
pub use console::ConsoleConfig;
pub use device::DeviceKind;
pub use mmio::Slot;

#[cfg(test)]
mod hostile;
#[cfg(test)]
#[allow(dead_code, reason = "a tool box")]
mod testing;
