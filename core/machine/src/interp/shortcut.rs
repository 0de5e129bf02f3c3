//! The shortcut from a virtual page of code to its decoded slots: a pure cache, one a hart.

use crate::arena::PAGE_SIZE;

const ENTRIES: usize = 512;
const INVALID: u64 = u64::MAX;

#[derive(Clone, Copy)]
struct Entry {
    /// The page's address with the privilege in the low bits, or [`INVALID`].
    tag: u64,
    place: u32,
}

/// Where the code of virtual pages is kept.
#[derive(Clone)]
pub struct FetchShortcuts {
    entries: [Entry; ENTRIES],
    /// That of the code cache whose places are noted.
    generation: u64,
}

impl Default for FetchShortcuts {
    fn default() -> Self {
        Self {
            entries: [Entry {
                tag: INVALID,
                place: 0,
            }; ENTRIES],
            generation: 0,
        }
    }
}

impl FetchShortcuts {
    /// The place of the page of `pc`, executed with this privilege.
    #[inline(always)]
    pub fn find(&self, pc: u64, privilege: u64) -> Option<u32> {
        let entry = &self.entries[slot(pc)];
        (entry.tag == tag(pc, privilege)).then_some(entry.place)
    }

    /// Notes where the page of `pc` is kept.
    pub fn fill(&mut self, pc: u64, privilege: u64, place: u32) {
        self.entries[slot(pc)] = Entry {
            tag: tag(pc, privilege),
            place,
        };
    }

    /// Forgets everything if places have been given to other pages since.
    #[inline]
    pub fn renew(&mut self, generation: u64) {
        if self.generation != generation {
            self.generation = generation;
            self.clear();
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        for entry in &mut self.entries {
            entry.tag = INVALID;
        }
    }

    /// Forgets the pages in `[va, va + size)`; `size` is a power of two that divides `va`.
    pub fn drop_range(&mut self, va: u64, size: u64) {
        let mask = !(size.max(PAGE_SIZE) - 1);
        for entry in &mut self.entries {
            if entry.tag & mask == va & mask {
                entry.tag = INVALID;
            }
        }
    }
}

#[inline(always)]
fn slot(pc: u64) -> usize {
    (pc / PAGE_SIZE) as usize % ENTRIES
}

#[inline(always)]
fn tag(pc: u64, privilege: u64) -> u64 {
    pc & !(PAGE_SIZE - 1) | privilege
}
