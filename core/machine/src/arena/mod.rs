//! The arena: registers, inlined TLBs and guest RAM in one block of memory at constant offsets.
//!
//! This folder is the only part of the crate that touches raw memory. The block belongs to the
//! embedder ([`Storage`]); what is handed out are views whose borrow keeps the arena alive and
//! whose fields cannot be recombined, so that a TLB is only ever used with the RAM it was filled
//! for.
//!
//! ```text
//! 0x00_0000  header: pages of code that a device or another hart has written to
//! 0x01_0000  hart 0: x registers, f registers, data TLBs      (HART_SIZE each, MAX_HARTS of them)
//! 0x10_0000  guest RAM
//! ... + RAM  one byte of flags for each page of RAM
//! ```
#![allow(
    unsafe_code,
    reason = "the one place in the core that reads and writes memory which it does not own"
)]

#[cfg(test)]
mod guarded;
mod ram;
mod storage;
mod tlb;

use alloc::boxed::Box;
use core::ptr::NonNull;

#[cfg(test)]
pub use guarded::Guarded;
pub use ram::{PageFlags, Ram, Scalar};
pub use storage::{Heap, Storage};
pub use tlb::{AllTlbs, DataTlb, FAST_CONTEXTS, FAST_ENTRIES, TlbContext};

use crate::error::ConfigError;

/// The most harts that a machine can have.
pub const MAX_HARTS: usize = 8;
/// Size of a page of guest memory in bytes.
pub const PAGE_SIZE: u64 = 4096;
/// Offset of hart 0's block in the arena.
pub const HART_OFFSET: usize = 0x1_0000;
/// Bytes from one hart's block to the next.
pub const HART_SIZE: usize = 0x1_0000;
/// Offset of guest RAM in the arena.
pub const RAM_OFFSET: usize = 0x10_0000;

/// The integer or floating-point registers of a hart.
///
/// 256 entries, so that an index of type `u8` needs no bounds check; entries 0 to 31 are the
/// architecture's, [`SINK`] takes what is written to `x0`, and the others stay zero.
pub type Registers = [u64; 256];

/// Where a write to `x0` goes: an entry that nothing reads.
pub const SINK: u8 = 32;

/// A hart's part of the arena.
#[repr(C)]
struct HartBlock {
    x: Registers,
    f: Registers,
    data: tlb::Tables,
}

const _: () = assert!(size_of::<HartBlock>() <= HART_SIZE);
const _: () = assert!(HART_OFFSET + MAX_HARTS * HART_SIZE <= RAM_OFFSET);

/// One hart's registers, its data TLB and the RAM, borrowed together.
pub struct HartView<'a> {
    /// Integer registers; entry 0 reads as zero because nothing writes it.
    pub x: &'a mut Registers,
    /// Floating-point registers, NaN-boxed.
    pub f: &'a mut Registers,
    /// The inlined data TLBs.
    pub data: DataTlb<'a>,
    /// The data TLBs of every hart.
    pub all: AllTlbs<'a>,
    /// Guest RAM.
    pub ram: Ram<'a>,
}

/// Registers, inlined TLBs and guest RAM of one machine.
pub struct Arena {
    // Keeps the memory alive; `base` points into it.
    _storage: Box<dyn Storage>,
    base: NonNull<u8>,
    ram_size: u64,
}

impl Arena {
    /// Bytes of storage that a machine with `ram_size` bytes of RAM needs.
    pub fn storage_size(ram_size: u64) -> u64 {
        RAM_OFFSET as u64 + ram_size + ram_size / PAGE_SIZE
    }

    /// Takes a zeroed block of memory and lays the arena out in it.
    ///
    /// `ram_size` is in bytes, a multiple of [`PAGE_SIZE`]; the block holds at least
    /// [`Arena::storage_size`] bytes.
    pub fn new(storage: Box<dyn Storage>, ram_size: u64) -> Result<Self, ConfigError> {
        if ram_size == 0 || !ram_size.is_multiple_of(PAGE_SIZE) {
            return Err(ConfigError::MemorySize { bytes: ram_size });
        }
        let needed = Self::storage_size(ram_size);
        if (storage.len() as u64) < needed {
            return Err(ConfigError::MemoryUnavailable { bytes: needed });
        }
        let base = storage.base();
        assert!(
            base.as_ptr().addr().is_multiple_of(16),
            "storage is aligned"
        );
        let mut arena = Self {
            _storage: storage,
            base,
            ram_size,
        };
        for index in 0..MAX_HARTS {
            if let Some(view) = arena.hart(index) {
                view.data.clear();
            }
        }
        Ok(arena)
    }

    /// Zeroes everything, and empties the TLBs.
    pub fn clear(&mut self) {
        let bytes = Self::storage_size(self.ram_size) as usize;
        // SAFETY: `new` checked that the block is that long; the exclusive borrow covers it.
        unsafe { self.base.as_ptr().write_bytes(0, bytes) }
        for index in 0..MAX_HARTS {
            if let Some(view) = self.hart(index) {
                view.data.clear();
            }
        }
    }

    /// Size of guest RAM in bytes.
    pub fn ram_size(&self) -> u64 {
        self.ram_size
    }

    /// Guest RAM alone.
    pub fn ram(&mut self) -> Ram<'_> {
        // SAFETY: `new` checked that the block holds header, RAM and page flags, and the
        // exclusive borrow of `self` lasts as long as the view.
        unsafe { Ram::new(self.base, self.ram_size) }
    }

    /// The registers and TLBs of hart `index` with the RAM, or `None` beyond [`MAX_HARTS`].
    pub fn hart(&mut self, index: usize) -> Option<HartView<'_>> {
        if index >= MAX_HARTS {
            return None;
        }
        // SAFETY: the offset lies below RAM_OFFSET (const assertion above), hence in the block;
        // it is a multiple of 16 as the base is; every field of HartBlock is an integer, for
        // which the zeroed or previously written bytes are valid. Registers, TLB tables and RAM
        // do not overlap, and the exclusive borrow of `self` covers all of them.
        unsafe {
            let block = self
                .base
                .add(HART_OFFSET + index * HART_SIZE)
                .cast::<HartBlock>();
            Some(HartView {
                x: &mut (*block.as_ptr()).x,
                f: &mut (*block.as_ptr()).f,
                data: DataTlb::new(
                    NonNull::new_unchecked(&raw mut (*block.as_ptr()).data),
                    self.base,
                ),
                all: AllTlbs::new(self.base),
                ram: Ram::new(self.base, self.ram_size),
            })
        }
    }
}

#[cfg(test)]
mod tests;
