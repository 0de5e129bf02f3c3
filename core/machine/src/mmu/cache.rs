//! The walk cache: a direct-mapped array of leaves for each page size.
//!
//! It is part of the guest's state, hashed and saved, so which entry a fill replaces depends on
//! the walks alone and never on hits.

use alloc::boxed::Box;
use alloc::vec;

use super::{Access, Dropped, pte};
use crate::arena::PAGE_SIZE;

/// Page sizes: 4 KiB, 2 MiB, 1 GiB, 512 GiB, 256 TiB.
const LEVELS: usize = 5;
/// Bits of a virtual page number under Sv57.
const VPN_BITS: u32 = 45;
/// The size of a NAPOT range in bytes.
const NAPOT: u64 = 64 * 1024;

/// A cached leaf; all zero where there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
struct Entry {
    /// The virtual page number at this page size, then 16 bits of ASID.
    tag: u64,
    /// The leaf as the walk returned it; V is set.
    pte: u64,
}

/// The leaves of one page size.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
struct Level {
    entries: Box<[Entry]>,
    /// A bit for each entry in use, so that emptying costs what is there.
    used: Box<[u64]>,
    live: u32,
}

/// A leaf found in the cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Hit {
    pub level: usize,
    pub pte: u64,
}

impl Hit {
    /// The physical address of `va`.
    #[inline(always)]
    pub fn physical(self, va: u64) -> u64 {
        let inside = size_of_level(self.level) - 1;
        (pte::ppn(self.pte) * PAGE_SIZE) | (va & inside)
    }
}

/// The translations that page walks of one hart have found, for fetches or for data.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct WalkCache {
    levels: [Level; LEVELS],
}

impl WalkCache {
    /// An empty cache for `access`: 1024 pages of 4 KiB for data, 512 for fetches; 64 of 2 MiB,
    /// 16 of 1 GiB, and 4 of each larger size.
    pub fn new(access: Access) -> Self {
        let pages = match access {
            Access::Fetch => 512,
            Access::Load | Access::Store => 1024,
        };
        Self {
            levels: [pages, 64, 16, 4, 4].map(Level::new),
        }
    }

    /// The number of translations held.
    pub fn len(&self) -> usize {
        self.levels.iter().map(|level| level.live as usize).sum()
    }

    /// Whether no translation is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The leaf for `va`, of the smallest page size that has one.
    #[inline(always)]
    pub(super) fn lookup(&self, va: u64, asid: u16) -> Option<Hit> {
        for (number, level) in self.levels.iter().enumerate() {
            if level.live != 0
                && let Some(pte) = level.lookup(vpn(va, number), asid)
            {
                return Some(Hit { level: number, pte });
            }
        }
        None
    }

    /// Puts a leaf in, and returns what faster caches must forget because of it.
    pub(super) fn fill(&mut self, va: u64, asid: u16, level: usize, pte: u64) -> Dropped {
        let Some(table) = self.levels.get_mut(level) else {
            return Dropped::None;
        };
        let new = Entry {
            tag: vpn(va, level) << 16 | u64::from(asid),
            pte,
        };
        let old = table.replace(new);
        // Shortcuts follow translations of the present address space only: a write to satp
        // empties them.
        let visible = old.pte & pte::G != 0 || old.tag as u16 == asid;
        // Setting D takes no right away and moves no page.
        let same = old.tag == new.tag && (old.pte ^ new.pte) & !pte::D == 0;
        if old.pte == 0 || !visible || same {
            return Dropped::None;
        }
        Dropped::range(old.start(level), size_of_level(level))
    }

    /// Removes the leaves for `va` of all page sizes but `level`'s.
    pub(super) fn remove_other_sizes(&mut self, va: u64, asid: u16, level: usize) -> Dropped {
        let mut dropped = Dropped::None;
        for (number, table) in self.levels.iter_mut().enumerate() {
            if number != level && table.lookup(vpn(va, number), asid).is_some() {
                table.remove(vpn(va, number));
                dropped = Dropped::All;
            }
        }
        dropped
    }

    /// Forgets translations, as SFENCE.VMA orders: those of the page at `va`, or all; those of
    /// one address space except global ones, or all (12.2.1). Returns what faster caches must
    /// forget.
    pub fn fence(&mut self, va: Option<u64>, asid: Option<u16>) -> Dropped {
        let condemned = |entry: &Entry| {
            asid.is_none_or(|asid| entry.pte & pte::G == 0 && entry.tag as u16 == asid)
        };
        let mut dropped = Dropped::None;
        let Some(va) = va else {
            for level in &mut self.levels {
                if level.remove_where(condemned) {
                    dropped = Dropped::All;
                }
            }
            return dropped;
        };
        for (number, level) in self.levels.iter_mut().enumerate() {
            if let Some(entry) = level.get(vpn(va, number))
                && condemned(&entry)
            {
                level.remove(vpn(va, number));
                dropped = dropped.and(Dropped::range(entry.start(number), size_of_level(number)));
            }
        }
        // Svnapot: any page of the range may have been cached from another page's entry, so an
        // order for one covers them all.
        let Some(pages) = self.levels.first_mut().filter(|level| level.live != 0) else {
            return dropped;
        };
        let range = va & !(NAPOT - 1);
        for page in 0..NAPOT / PAGE_SIZE {
            let vpn = vpn(range + page * PAGE_SIZE, 0);
            if let Some(entry) = pages.get(vpn)
                && entry.pte & pte::N != 0
                && condemned(&entry)
            {
                pages.remove(vpn);
                let start = entry.start(0) & !(NAPOT - 1);
                dropped = dropped.and(Dropped::range(start, NAPOT));
            }
        }
        dropped
    }
}

impl Level {
    fn new(entries: usize) -> Self {
        Self {
            entries: vec![Entry::default(); entries].into_boxed_slice(),
            used: vec![0; entries.div_ceil(64)].into_boxed_slice(),
            live: 0,
        }
    }

    #[inline(always)]
    fn slot(&self, vpn: u64) -> usize {
        // The length is a power of two.
        vpn as usize & (self.entries.len() - 1)
    }

    #[inline(always)]
    fn lookup(&self, vpn: u64, asid: u16) -> Option<u64> {
        let entry = self.entries.get(self.slot(vpn))?;
        let other = entry.tag ^ (vpn << 16 | u64::from(asid));
        let hit = other == 0 || (other >> 16 == 0 && entry.pte & pte::G != 0);
        (hit && entry.pte != 0).then_some(entry.pte)
    }

    /// The entry whose page number is `vpn`, of whatever address space.
    fn get(&self, vpn: u64) -> Option<Entry> {
        let entry = *self.entries.get(self.slot(vpn))?;
        (entry.pte != 0 && entry.tag >> 16 == vpn).then_some(entry)
    }

    /// Puts `new` in its slot and returns what was there.
    fn replace(&mut self, new: Entry) -> Entry {
        let slot = self.slot(new.tag >> 16);
        let Some(entry) = self.entries.get_mut(slot) else {
            return Entry::default();
        };
        let old = core::mem::replace(entry, new);
        if old.pte == 0 {
            self.live += 1;
            if let Some(word) = self.used.get_mut(slot / 64) {
                *word |= 1 << (slot % 64);
            }
        }
        old
    }

    /// Empties the slot of `vpn`.
    fn remove(&mut self, vpn: u64) {
        let slot = self.slot(vpn);
        if let Some(entry) = self.entries.get_mut(slot)
            && entry.pte != 0
        {
            *entry = Entry::default();
            self.live -= 1;
            if let Some(word) = self.used.get_mut(slot / 64) {
                *word &= !(1 << (slot % 64));
            }
        }
    }

    /// Removes what `condemned` names, and returns whether there was any.
    fn remove_where(&mut self, condemned: impl Fn(&Entry) -> bool) -> bool {
        let before = self.live;
        for (group, word) in self.used.iter_mut().enumerate() {
            let mut rest = *word;
            // At most 64 rounds: each clears a bit.
            while rest != 0 {
                let bit = rest.trailing_zeros();
                rest &= rest - 1;
                if let Some(entry) = self.entries.get_mut(group * 64 + bit as usize)
                    && condemned(entry)
                {
                    *entry = Entry::default();
                    *word &= !(1 << bit);
                    self.live -= 1;
                }
            }
        }
        self.live != before
    }
}

impl Entry {
    /// The first virtual address of the page.
    fn start(&self, level: usize) -> u64 {
        let vpn = self.tag >> 16 << (9 * level);
        ((vpn << (64 - VPN_BITS)) as i64 >> (64 - VPN_BITS - 12)) as u64
    }
}

/// The number of `va`'s page of this level's size, out of 45 bits.
#[inline(always)]
fn vpn(va: u64, level: usize) -> u64 {
    va << (64 - VPN_BITS - 12) >> (64 - VPN_BITS) >> (9 * level)
}

/// The size of a page in bytes.
#[inline(always)]
fn size_of_level(level: usize) -> u64 {
    PAGE_SIZE << (9 * level)
}
