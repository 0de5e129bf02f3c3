//! The map in memory: where each cluster of the disk is, and what of that is not yet in the file.
//!
//! About 4.1 KiB for each 31.5 MiB of the disk (at 64 KiB a cluster) in which anything was ever
//! written, so at most 13 MiB for 100 GiB.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use super::entry::Entry;
use super::format::{Kind, PAGE, PAGE_ENTRIES, PREFIX, Prefix, checksum, put, u64_at};

const ENTRIES: usize = PAGE_ENTRIES as usize;

/// A page of the map.
#[derive(Clone, Debug)]
pub struct Page {
    entries: [Entry; ENTRIES],
    /// A bit for each entry that neither the journal nor the page in the file has.
    pending: [u64; ENTRIES.div_ceil(64)],
    /// The slot that counts in the file; `None` if the page was never written.
    pub slot: Option<usize>,
    /// That slot's count of writes.
    pub sequence: u64,
}

impl Page {
    pub fn empty() -> Box<Self> {
        Box::new(Self {
            entries: [Entry::BASE; ENTRIES],
            pending: [0; ENTRIES.div_ceil(64)],
            slot: None,
            sequence: 0,
        })
    }

    /// The page in these bytes, which begin with `prefix`; `None` if the checksum is not theirs.
    pub fn decode(bytes: &[u8], prefix: &Prefix, slot: usize) -> Option<Box<Self>> {
        let body = bytes.get(PREFIX..PAGE)?;
        if checksum(body) != prefix.body {
            return None;
        }
        let mut page = Self::empty();
        for (entry, bytes) in page.entries.iter_mut().zip(body.chunks_exact(8)) {
            *entry = Entry(u64_at(bytes, 0));
        }
        page.slot = Some(slot);
        page.sequence = prefix.sequence;
        Some(page)
    }

    /// The slot to write next: never the one that counts.
    pub fn next_slot(&self) -> usize {
        match self.slot {
            Some(0) => 1,
            _ => 0,
        }
    }

    /// The bytes for [`Page::next_slot`].
    pub fn encode(&self, number: u32, epoch: u64, bytes: &mut [u8; PAGE]) {
        for (i, entry) in self.entries.iter().enumerate() {
            put(bytes, PREFIX + 8 * i, &entry.0.to_le_bytes());
        }
        let prefix = Prefix {
            kind: Kind::Page,
            number,
            sequence: self.sequence + 1,
            epoch,
            body: checksum(&bytes[PREFIX..]),
        };
        put(bytes, 0, &prefix.encode());
    }

    /// Notes that what [`Page::encode`] gave is stable in [`Page::next_slot`].
    fn written(&mut self) {
        self.slot = Some(self.next_slot());
        self.sequence += 1;
    }

    pub fn entries(&self) -> &[Entry; ENTRIES] {
        &self.entries
    }
}

/// `count` clusters from `first`, the first with `entry` and each next with its
/// [`Entry::step`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    pub first: u32,
    pub count: u32,
    pub entry: Entry,
}

/// The whole map.
#[derive(Clone, Debug)]
pub struct Map {
    pages: Vec<Option<Box<Page>>>,
    pending: BTreeSet<u32>,
    dirty: BTreeSet<u32>,
}

impl Map {
    pub fn new(pages: u32) -> Self {
        Self {
            pages: vec![None; pages as usize],
            pending: BTreeSet::new(),
            dirty: BTreeSet::new(),
        }
    }

    pub fn page(&self, number: u32) -> Option<&Page> {
        self.pages.get(number as usize)?.as_deref()
    }

    /// Puts a page in that was read from the file.
    pub fn insert(&mut self, number: u32, page: Box<Page>) {
        if let Some(place) = self.pages.get_mut(number as usize) {
            *place = Some(page);
        }
    }

    pub fn get(&self, cluster: u32) -> Entry {
        self.page(cluster / PAGE_ENTRIES)
            .and_then(|page| page.entries.get((cluster % PAGE_ENTRIES) as usize))
            .copied()
            .unwrap_or_default()
    }

    fn place(&mut self, number: u32) -> Option<&mut Box<Page>> {
        let place = self.pages.get_mut(number as usize)?;
        Some(place.get_or_insert_with(Page::empty))
    }

    /// Sets an entry that the journal already has.
    pub fn replay(&mut self, cluster: u32, entry: Entry) {
        let (number, at) = (cluster / PAGE_ENTRIES, (cluster % PAGE_ENTRIES) as usize);
        let Some(page) = self.place(number) else {
            return;
        };
        if let Some(place) = page.entries.get_mut(at) {
            *place = entry;
            self.dirty.insert(number);
        }
    }

    /// Sets an entry that neither the journal nor the file has.
    pub fn set(&mut self, cluster: u32, entry: Entry) {
        let (number, at) = (cluster / PAGE_ENTRIES, (cluster % PAGE_ENTRIES) as usize);
        if self.get(cluster) == entry {
            return;
        }
        let Some(page) = self.place(number) else {
            return;
        };
        if let (Some(place), Some(word)) = (page.entries.get_mut(at), page.pending.get_mut(at / 64))
        {
            *place = entry;
            *word |= 1 << (at % 64);
        }
        self.pending.insert(number);
        self.dirty.insert(number);
    }

    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The entries that no journal has, in ascending order.
    pub fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for &number in &self.pending {
            let Some(page) = self.page(number) else {
                continue;
            };
            for (at, &entry) in page.entries.iter().enumerate() {
                let word = page.pending.get(at / 64).copied().unwrap_or_default();
                if word >> (at % 64) & 1 == 0 {
                    continue;
                }
                let cluster = number * PAGE_ENTRIES + at as u32;
                match runs.last_mut() {
                    Some(run)
                        if run.first + run.count == cluster
                            && run.entry.step(run.count) == Some(entry) =>
                    {
                        run.count += 1;
                    }
                    _ => runs.push(Run {
                        first: cluster,
                        count: 1,
                        entry,
                    }),
                }
            }
        }
        runs
    }

    /// Notes that the journal or the pages in the file have everything.
    pub fn committed(&mut self) {
        for number in core::mem::take(&mut self.pending) {
            if let Some(Some(page)) = self.pages.get_mut(number as usize) {
                page.pending = [0; ENTRIES.div_ceil(64)];
            }
        }
    }

    /// Makes the next checkpoint write this page, whatever it holds.
    pub fn mark_dirty(&mut self, number: u32) {
        if self.place(number).is_some() {
            self.dirty.insert(number);
        }
    }

    /// The pages that the file has otherwise, in ascending order.
    pub fn dirty(&self) -> &BTreeSet<u32> {
        &self.dirty
    }

    /// Notes that the dirty pages are stable in their next slots.
    pub fn pages_written(&mut self) {
        for number in core::mem::take(&mut self.dirty) {
            if let Some(Some(page)) = self.pages.get_mut(number as usize) {
                page.written();
            }
        }
    }

    /// Every cluster that is not wholly in the base, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Entry)> + '_ {
        (0..).zip(&self.pages).flat_map(|(number, page)| {
            page.iter().flat_map(move |page| {
                let first = number * PAGE_ENTRIES;
                (first..)
                    .zip(page.entries.iter().copied())
                    .filter(|(_, entry)| *entry != Entry::BASE)
            })
        })
    }
}
