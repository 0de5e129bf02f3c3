//! The host's side of the machine's devices: files, the terminal, the clock, memory.

pub mod block;
pub mod clock;
pub mod files;
pub mod input;
pub mod signals;
pub mod storage;
pub mod terminal;
