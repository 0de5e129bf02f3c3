//! The bits of a page table entry (privileged architecture, 12.4; Svnapot, Svpbmt).

/// Valid.
pub const V: u64 = 1 << 0;
/// Readable.
pub const R: u64 = 1 << 1;
/// Writable.
pub const W: u64 = 1 << 2;
/// Executable.
pub const X: u64 = 1 << 3;
/// Accessible to user mode.
pub const U: u64 = 1 << 4;
/// In every address space.
pub const G: u64 = 1 << 5;
/// Accessed.
pub const A: u64 = 1 << 6;
/// Dirty.
pub const D: u64 = 1 << 7;
/// Bits 60 to 54, which no extension here gives a meaning.
pub const RESERVED: u64 = 0x7f << 54;
/// Memory type (Svpbmt).
pub const PBMT: u64 = 3 << 61;
/// Naturally aligned power of two (Svnapot).
pub const N: u64 = 1 << 63;

/// The physical page number, 44 bits.
#[inline(always)]
pub const fn ppn(pte: u64) -> u64 {
    pte >> 10 & ((1 << 44) - 1)
}
