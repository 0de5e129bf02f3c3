//! A 64-bit RISC-V computer with virtio devices.
//!
//! The crate does no I/O and reads no clock: time, input and the results of requests are handed
//! in by the embedder, and everything else follows from them. The same inputs at the same
//! instruction counts give the same state, natively and in WebAssembly.
#![no_std]
extern crate alloc;

pub mod arena;
pub mod boot;
pub mod bus;
pub mod cpu;
pub mod devices;
pub mod error;
pub mod fdt;
pub mod float;
pub mod host;
pub mod interp;
pub mod irq;
pub mod isa;
pub mod machine;
pub mod map;
pub mod mem;
pub mod mmu;
pub mod pending;
#[cfg(test)]
mod testing;
pub mod time;
pub mod trace;
pub mod virtio;
