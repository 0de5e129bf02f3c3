//! A 64-bit RISC-V computer with virtio devices.
#![no_std]
extern crate alloc;

pub mod float;
