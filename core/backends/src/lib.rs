//! What stands behind the machine's devices and is the same everywhere.
#![no_std]
extern crate alloc;

pub mod disk;
