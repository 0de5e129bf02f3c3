//! The chips of the board, one a file.
//!
//! Each is plain data and knows nothing of the others: wires, time, memory and back ends are
//! handed in. A register that does not exist reads as zero and ignores writes; so do a
//! write-only register that is read and a read-only one that is written, unless its file says
//! otherwise.

pub mod aclint;
pub mod finisher;
pub mod plic;
pub mod rom;
pub mod rtc;
pub mod uart;

#[cfg(test)]
mod bench;

/// The part of `old` that a write of `bytes` bytes at byte `shift` leaves, with `value` put in.
fn merge(old: u64, shift: u64, bytes: u64, value: u64) -> u64 {
    let mask = (u64::MAX >> (64 - 8 * bytes)) << (8 * shift);
    (old & !mask) | ((value << (8 * shift)) & mask)
}
