//! The state digest: one hash of everything that the guest could ever notice.
//!
//! Covered: registers, CSRs, walk caches, devices, requests under way with their due times, and
//! RAM. Not covered: what is a pure cache (inlined TLBs, decoded code), tokens, statistics.
//! RAM is hashed by page, and only pages that changed are hashed again. `docs/digest.md` has the
//! exact order of bytes.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};

use crate::arena::{PAGE_SIZE, PageFlags, Ram};

/// A BLAKE3 hash of a machine's state. Prints as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Feeds what `derive(Hash)` gives to BLAKE3, the same on every host: integers little-endian,
/// lengths and discriminants as 64 bits.
#[derive(Default)]
pub(super) struct StateHasher(blake3::Hasher);

impl StateHasher {
    pub(super) fn digest(&self) -> Digest {
        Digest(*self.0.finalize().as_bytes())
    }

    pub(super) fn absorb(&mut self, state: &impl Hash) {
        state.hash(self);
    }
}

// Not inlined: a state has hundreds of fields.
impl Hasher for StateHasher {
    #[inline(never)]
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    #[inline(never)]
    fn write_u16(&mut self, value: u16) {
        self.write(&value.to_le_bytes());
    }

    #[inline(never)]
    fn write_u32(&mut self, value: u32) {
        self.write(&value.to_le_bytes());
    }

    #[inline(never)]
    fn write_u64(&mut self, value: u64) {
        self.write(&value.to_le_bytes());
    }

    // Where a pointer is half as wide, a length must not hash differently.
    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_isize(&mut self, value: isize) {
        self.write_u64(value as i64 as u64);
    }

    /// Never asked: a state hash is 256 bits wide.
    fn finish(&self) -> u64 {
        0
    }
}

/// The hashes of the pages of RAM, as of the last digest.
#[derive(Clone, Debug)]
pub(super) struct PageHashes {
    pages: Vec<[u8; 32]>,
    zero: [u8; 32],
}

impl PageHashes {
    /// For RAM that is all zeros but for the pages that are flagged dirty.
    pub(super) fn new(ram_size: u64) -> Self {
        let zero = *blake3::hash(&[0; PAGE_SIZE as usize]).as_bytes();
        Self {
            pages: vec![zero; (ram_size / PAGE_SIZE) as usize],
            zero,
        }
    }

    /// Hashes the pages that were written since, and clears their flags. The caller drops the
    /// shortcuts for writing, so that the next write sets the flag again.
    pub(super) fn update(&mut self, ram: Ram<'_>) {
        let mut page = vec![0; PAGE_SIZE as usize];
        for (number, hash) in self.pages.iter_mut().enumerate() {
            let offset = number as u64 * PAGE_SIZE;
            if !ram.flags(offset).contains(PageFlags::DIRTY) {
                continue;
            }
            ram.clear_flags(offset, PageFlags::DIRTY);
            if ram.read(offset, &mut page).is_some() {
                *hash = if page.iter().all(|byte| *byte == 0) {
                    self.zero
                } else {
                    *blake3::hash(&page).as_bytes()
                };
            }
        }
    }

    pub(super) fn absorb_into(&self, hasher: &mut StateHasher) {
        for hash in &self.pages {
            hasher.write(hash);
        }
    }
}
