//! Making things stable: what is written when, and what waits for what.

use alloc::vec::Vec;

use super::entry::Entry;
use super::format::{HEADER_SLOT, JOURNAL_AT, PAGE};
use super::journal::{self, MAX_DIRTY};
use super::{Header, Overlay, format};
use crate::disk::{Base, Store, StoreError};

impl<S: Store, B: Base> Overlay<S, B> {
    /// Makes everything stable and empties the journal, so that the next opening has nothing to
    /// do. Gives free space at the end of the file back.
    ///
    /// # Errors
    /// Those of a flush; the overlay is as it was.
    pub fn close(&mut self) -> Result<(), StoreError> {
        self.usable()?;
        self.flush_store()?;
        if self.map.dirty().is_empty() {
            Ok(())
        } else {
            self.checkpoint()
        }
    }

    /// Makes everything stable.
    ///
    /// # Errors
    /// Nothing that a flush acknowledged is lost, and a later one may succeed (on a host that has
    /// space again, say) unless [`has_failed`](Overlay::has_failed) says otherwise.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        self.usable()?;
        self.flush_store()?;
        if !self.map.has_pending() {
            return Ok(());
        }
        // From here on the data that the map will name are stable.
        if self.map.dirty().len() >= MAX_DIRTY {
            return self.checkpoint();
        }
        let record = journal::encode(&self.map.runs(), self.sequence, self.header.epoch);
        if self.journal_used + record.len() > self.header.geometry.journal_len as usize {
            return self.checkpoint();
        }
        self.write_store(JOURNAL_AT + self.journal_used as u64, &record)?;
        self.flush_store()?;
        self.journal_used += record.len();
        self.sequence += 1;
        self.map.committed();
        self.space.settle();
        Ok(())
    }

    /// Writes the pages that differ, and then begins the journal anew. Writes at most
    /// [`MAX_DIRTY`] pages and two headers, so it takes no longer on a larger disk.
    ///
    /// Everything before it is stable. If it does not end, the journal still holds for the pages
    /// as far as they were written, for it says what each entry is, not how it changed.
    fn checkpoint(&mut self) -> Result<(), StoreError> {
        let epoch = self.header.epoch + 1;
        let mut bytes = [0; PAGE];
        for &number in self.map.dirty() {
            let Some(page) = self.map.page(number) else {
                continue;
            };
            page.encode(number, epoch, &mut bytes);
            let at = self.header.geometry.page_at(number, page.next_slot());
            self.unflushed = true;
            self.store.write(at, &bytes)?;
        }
        self.flush_store()?;
        self.map.pages_written();
        self.header.epoch = epoch;
        self.write_headers()?;
        self.map.committed();
        self.journal_used = 0;
        self.sequence = 0;
        self.space.settle();
        self.shorten();
        Ok(())
    }

    /// What a copy of the store lacks of this overlay, as bytes and their places: written over the
    /// copy, in any order, they make it hold what the overlay holds, which no flush has made stable.
    /// That is a checkpoint which is not carried out here. Nothing if nothing is lacking.
    ///
    /// For whoever has to save what is in memory when the store [failed](Overlay::has_failed) or
    /// is full. At most [`MAX_DIRTY`] pages and two headers.
    #[must_use]
    pub fn lacking(&self) -> Vec<(u64, Vec<u8>)> {
        if !self.failed && !self.map.has_pending() {
            return Vec::new();
        }
        let header = Header {
            generation: self.header.generation + 1,
            epoch: self.header.epoch + 1,
            ..self.header.clone()
        };
        let pages = self.map.dirty().iter().filter_map(|&number| {
            let page = self.map.page(number)?;
            let mut bytes = [0; PAGE];
            page.encode(number, header.epoch, &mut bytes);
            Some((
                header.geometry.page_at(number, page.next_slot()),
                bytes.to_vec(),
            ))
        });
        let headers = (0..2).map(|slot| (slot * HEADER_SLOT, header.encode().to_vec()));
        pages.chain(headers).collect()
    }

    /// Writes the header, one copy after the other, so that each alone will always do.
    ///
    /// An error leaves the two in doubt, and with them which epoch's records count.
    pub(super) fn write_headers(&mut self) -> Result<(), StoreError> {
        self.header.generation += 1;
        let bytes = self.header.encode();
        for slot in 0..2 {
            if let Err(error) = self.write_store(slot * HEADER_SLOT, &bytes) {
                self.failed = true;
                return Err(error);
            }
            self.flush_store()?;
        }
        Ok(())
    }

    /// Gives free space at the end of the file back, where it is worth a call. If the host does
    /// not do it, nothing is lost.
    fn shorten(&mut self) {
        const WORTH: u64 = 1 << 20;
        let geometry = &self.header.geometry;
        let end = geometry.location_at(self.space.highest() + 1);
        if self.store.len().is_ok_and(|len| len >= end + WORTH) {
            self.unflushed = true;
            let _ = self.store.set_len(end);
        }
    }

    /// Changes an entry; commits first if more pages would differ than a checkpoint may write.
    pub(super) fn set_entry(&mut self, cluster: u32, entry: Entry) -> Result<(), StoreError> {
        if self.map.get(cluster) == entry {
            return Ok(());
        }
        let page = cluster / format::PAGE_ENTRIES;
        if self.map.dirty().len() >= MAX_DIRTY && !self.map.dirty().contains(&page) {
            self.flush()?;
        }
        let old = self.map.get(cluster).location();
        if old != 0 && old != entry.location() {
            self.space.leave(old);
        }
        self.map.set(cluster, entry);
        Ok(())
    }

    /// A free place in the file.
    pub(super) fn take_place(&mut self) -> Result<u32, StoreError> {
        if let Some(location) = self.space.take_any() {
            return Ok(location);
        }
        // Every cluster of the disk has at most one place; those that are not free are leaving.
        if self.space.is_leaving() {
            self.flush()?;
        }
        self.space.take_any().ok_or(StoreError::NoSpace)
    }

    pub(super) fn write_store(&mut self, at: u64, data: &[u8]) -> Result<(), StoreError> {
        self.unflushed = true;
        self.store.write(at, data)
    }

    /// A flush that failed leaves a store of which nothing is known: some hosts drop what they
    /// could not write and then report the next flush as good. What the map would name could be
    /// anything, so nothing is written any more.
    fn flush_store(&mut self) -> Result<(), StoreError> {
        if self.unflushed {
            if let Err(error) = self.store.flush() {
                self.failed = true;
                return Err(error);
            }
            self.unflushed = false;
        }
        Ok(())
    }

    pub(super) fn usable(&self) -> Result<(), StoreError> {
        if self.failed {
            Err(StoreError::Io)
        } else {
            Ok(())
        }
    }
}
