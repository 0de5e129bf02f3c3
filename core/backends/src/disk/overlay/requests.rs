//! What each request does to the disk.

use alloc::vec;
use alloc::vec::Vec;
use virtarium_machine::host::{BlockError, BlockRequest, BlockResult, SECTOR_SIZE};

use super::Overlay;
use super::entry::Entry;
use super::extent::Place;
use crate::disk::{Base, Store, StoreError};

impl From<StoreError> for BlockError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Io => Self::Io,
            StoreError::NoSpace => Self::NoSpace,
        }
    }
}

/// Bytes to be written to one cluster, which has a place for them.
struct Chunk {
    cluster: u32,
    /// The entry once they are there.
    entry: Entry,
    /// Whether the place was taken for them.
    fresh: bool,
    /// Where in the file they go.
    at: u64,
    /// The part of the request's bytes.
    data: core::ops::Range<usize>,
    /// Those bytes with what surrounds them, where a part of the cluster is first written.
    filled: Option<Vec<u8>>,
}

impl<S: Store, B: Base> Overlay<S, B> {
    /// Does what the guest asks. The time is bounded by the size of the request; a large one may
    /// commit what has piled up, which writes at most 1 MiB of metadata each time.
    ///
    /// Doing a request a second time is harmless. A write that fails may have been done in part,
    /// sector by sector.
    ///
    /// # Errors
    /// [`BlockError::Io`] for a range beyond the disk, or what the store or the base say.
    pub fn execute(&mut self, request: &BlockRequest) -> BlockResult {
        match request {
            BlockRequest::Read { sector, len } => {
                let at = self.range(*sector, *len)?.start;
                let mut bytes = zeroed(*len)?;
                self.read_at(at, &mut bytes)?;
                return Ok(bytes);
            }
            BlockRequest::Write { sector, data } => {
                let at = self.range(*sector, data.len() as u64)?.start;
                self.write_at(at, data)?;
            }
            BlockRequest::Flush => self.flush()?,
            BlockRequest::Discard { sector, count } => {
                let range = self.sectors(*sector, *count)?;
                self.whole_parts(range, |present, zeroed, parts, location| {
                    // What is in the base costs nothing where it is.
                    let gone = present & parts;
                    let present = present & !parts;
                    let keep = if present == 0 { 0 } else { location };
                    Entry::new(keep, present, zeroed | gone)
                })?;
            }
            BlockRequest::WriteZeroes {
                sector,
                count,
                unmap,
            } => {
                let range = self.sectors(*sector, *count)?;
                self.write_zeroes(range, *unmap)?;
            }
        }
        Ok(Vec::new())
    }

    /// The stretches of the base, as first byte and length, that [`Overlay::execute`] would read
    /// for this request. For an embedder that must fetch them first.
    pub fn base_ranges(&self, request: &BlockRequest) -> Vec<(u64, u64)> {
        let mut ranges = Vec::new();
        let mut add = |start: u64, end: u64| {
            let mut at = start;
            while let Some(extent) = self.extent(at, end) {
                let len = self.header.base_size.saturating_sub(at).min(extent.len);
                if extent.place == Place::Base && len > 0 {
                    ranges.push((at, len));
                }
                at += extent.len;
            }
        };
        let part = self.header.geometry.part_size();
        // Only what a request touches without covering it is filled from the base.
        let mut edges = |start: u64, end: u64| {
            let head = start - start % part;
            let tail = end - end % part;
            add(head, start);
            if tail < end && end < self.size() {
                add(end, tail + part);
            }
        };
        match request {
            BlockRequest::Read { sector, len } => {
                if let Ok(range) = self.range(*sector, *len) {
                    add(range.start, range.end);
                }
            }
            BlockRequest::Write { sector, data } => {
                if let Ok(range) = self.range(*sector, data.len() as u64)
                    && !range.is_empty()
                {
                    edges(range.start, range.end);
                }
            }
            BlockRequest::WriteZeroes { sector, count, .. } => {
                if let Ok(range) = self.sectors(*sector, *count)
                    && !range.is_empty()
                {
                    edges(range.start, range.end);
                }
            }
            BlockRequest::Flush | BlockRequest::Discard { .. } => {}
        }
        ranges
    }

    fn sectors(&self, sector: u64, count: u64) -> Result<core::ops::Range<u64>, StoreError> {
        self.range(
            sector,
            count.checked_mul(SECTOR_SIZE).ok_or(StoreError::Io)?,
        )
    }

    fn range(&self, sector: u64, len: u64) -> Result<core::ops::Range<u64>, StoreError> {
        let start = sector.checked_mul(SECTOR_SIZE).ok_or(StoreError::Io)?;
        let end = start.checked_add(len).ok_or(StoreError::Io)?;
        if end > self.size() || !len.is_multiple_of(SECTOR_SIZE) {
            return Err(StoreError::Io);
        }
        Ok(start..end)
    }

    /// Fills `buf` with the disk's bytes from byte `at`, of any alignment.
    ///
    /// # Errors
    /// A range beyond the disk, or what the store or the base say.
    pub fn read_at(&mut self, at: u64, buf: &mut [u8]) -> Result<(), StoreError> {
        let end = at.checked_add(buf.len() as u64).ok_or(StoreError::Io)?;
        if end > self.size() {
            return Err(StoreError::Io);
        }
        let mut rest = buf;
        let mut at = at;
        while let Some(extent) = self.extent(at, end) {
            let Some((part, others)) = rest.split_at_mut_checked(extent.len as usize) else {
                return Err(StoreError::Io);
            };
            match extent.place {
                Place::Zero => part.fill(0),
                Place::File(byte) => self.store.read(byte, part)?,
                Place::Base => self.read_base(at, part)?,
            }
            at += extent.len;
            rest = others;
        }
        Ok(())
    }

    fn read_base(&mut self, at: u64, buf: &mut [u8]) -> Result<(), StoreError> {
        let there = self.header.base_size.saturating_sub(at);
        let there = there.min(buf.len() as u64) as usize;
        let (from, beyond) = buf.split_at_mut(there);
        beyond.fill(0);
        if from.is_empty() {
            return Ok(());
        }
        self.base.read(at, from)
    }

    /// Writes sectors: `at` and the length are multiples of 512, and the range is on the disk.
    fn write_at(&mut self, at: u64, data: &[u8]) -> Result<(), StoreError> {
        self.usable()?;
        let mut chunks = Vec::new();
        let mut done = 0;
        let mut result = self
            .plan(at, data, &mut chunks)
            .and_then(|()| self.write_chunks(&chunks, data));
        if result.is_ok() {
            for chunk in &chunks {
                result = self.set_entry(chunk.cluster, chunk.entry);
                if result.is_err() {
                    break;
                }
                done += 1;
            }
        }
        for chunk in chunks.iter().skip(done).filter(|chunk| chunk.fresh) {
            self.space.release(chunk.entry.location());
        }
        result
    }

    /// Finds a place for each cluster's share of the bytes.
    fn plan(&mut self, at: u64, data: &[u8], chunks: &mut Vec<Chunk>) -> Result<(), StoreError> {
        let geometry = self.header.geometry;
        let part = geometry.part_size();
        let end = at + data.len() as u64;
        let mut from = at;
        while from < end {
            let cluster = (from >> geometry.cluster_bits) as u32;
            let start = u64::from(cluster) << geometry.cluster_bits;
            let limit = start + geometry.cluster_len(cluster);
            let to = end.min(limit);
            let old = self.map.get(cluster);
            let in_file = |byte: u64| old.present() >> ((byte - start) / part) & 1 != 0;
            // Parts that are not in the file are written whole.
            let head = from - (from - start) % part;
            let head = if in_file(from) { from } else { head };
            let tail = start + (to - start).next_multiple_of(part).min(limit - start);
            let tail = if in_file(to - 1) { to } else { tail };
            let data_range = (from - at) as usize..(to - at) as usize;
            let filled = if (head, tail) == (from, to) {
                None
            } else {
                let mut bytes = vec![0; (tail - head) as usize];
                let middle = (from - head) as usize..(to - head) as usize;
                let (before, rest) = bytes.split_at_mut(middle.start);
                let (own, after) = rest.split_at_mut(middle.len());
                self.read_at(head, before)?;
                self.read_at(to, after)?;
                own.copy_from_slice(data.get(data_range.clone()).ok_or(StoreError::Io)?);
                Some(bytes)
            };
            let fresh = old.location() == 0;
            let location = if fresh {
                self.take_place()?
            } else {
                old.location()
            };
            let parts = mask((from - start) / part, (to - start).div_ceil(part));
            chunks.push(Chunk {
                cluster,
                entry: Entry::new(location, old.present() | parts, old.zeroed() & !parts),
                fresh,
                at: geometry.location_at(location) + (head - start),
                data: data_range,
                filled,
            });
            from = to;
        }
        Ok(())
    }

    /// Writes the bytes where they go, neighbours in one piece.
    fn write_chunks(&mut self, chunks: &[Chunk], data: &[u8]) -> Result<(), StoreError> {
        let mut piece: Option<(u64, core::ops::Range<usize>)> = None;
        for chunk in chunks {
            if let Some(filled) = &chunk.filled {
                self.write_store(chunk.at, filled)?;
                continue;
            }
            piece = match piece {
                Some((at, range))
                    if range.end == chunk.data.start && at + range.len() as u64 == chunk.at =>
                {
                    Some((at, range.start..chunk.data.end))
                }
                Some((at, range)) => {
                    self.write_store(at, data.get(range).ok_or(StoreError::Io)?)?;
                    Some((chunk.at, chunk.data.clone()))
                }
                None => Some((chunk.at, chunk.data.clone())),
            };
        }
        if let Some((at, range)) = piece {
            self.write_store(at, data.get(range).ok_or(StoreError::Io)?)?;
        }
        Ok(())
    }

    fn write_zeroes(
        &mut self,
        range: core::ops::Range<u64>,
        unmap: bool,
    ) -> Result<(), StoreError> {
        self.usable()?;
        let part = self.header.geometry.part_size();
        let whole_from = range.start.next_multiple_of(part);
        let whole_to = if range.end == self.size() {
            range.end
        } else {
            range.end - range.end % part
        };
        // Within one part, or across the border of two: no whole part between.
        if whole_from >= whole_to {
            let border = whole_from.min(range.end);
            self.zero_bytes(range.start, border)?;
            return self.zero_bytes(border, range.end);
        }
        self.zero_bytes(range.start, whole_from)?;
        self.whole_parts(whole_from..whole_to, |present, zeroed, parts, location| {
            let present = present & !parts;
            let keep = if present == 0 && unmap { 0 } else { location };
            Entry::new(keep, present, zeroed | parts)
        })?;
        self.zero_bytes(whole_to, range.end)
    }

    /// Makes some of the bytes of a part zero.
    fn zero_bytes(&mut self, from: u64, to: u64) -> Result<(), StoreError> {
        match self.extent(from, to) {
            None => Ok(()),
            Some(extent) if extent.place == Place::Zero => Ok(()),
            Some(_) => self.write_at(from, &vec![0; (to - from) as usize]),
        }
    }

    /// Changes the entries of all parts that lie wholly in the range: `change` is given what is
    /// present and zeroed, the parts concerned and the location.
    fn whole_parts(
        &mut self,
        range: core::ops::Range<u64>,
        change: impl Fn(u16, u16, u16, u32) -> Entry,
    ) -> Result<(), StoreError> {
        self.usable()?;
        let geometry = self.header.geometry;
        let part = geometry.part_size();
        let mut at = range.start.next_multiple_of(part);
        while at < range.end {
            let cluster = (at >> geometry.cluster_bits) as u32;
            let start = u64::from(cluster) << geometry.cluster_bits;
            let limit = start + geometry.cluster_len(cluster);
            let last = if range.end >= limit {
                (limit - start).div_ceil(part)
            } else {
                (range.end - start) / part
            };
            let parts = mask((at - start) / part, last);
            let old = self.map.get(cluster);
            let new = change(old.present(), old.zeroed(), parts, old.location());
            self.set_entry(cluster, new)?;
            at = start + geometry.cluster_size();
        }
        Ok(())
    }
}

/// A buffer for a read. A large one may be more than there is memory for; a small one is taken as
/// zeroed memory, which need not be touched twice.
fn zeroed(len: u64) -> Result<Vec<u8>, BlockError> {
    const SMALL: usize = 1 << 20;
    let len = usize::try_from(len).map_err(|_| BlockError::Io)?;
    if len <= SMALL {
        return Ok(vec![0; len]);
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| BlockError::Io)?;
    bytes.resize(len, 0);
    Ok(bytes)
}

/// Bits `from` to `to - 1` of at most 16.
fn mask(from: u64, to: u64) -> u16 {
    (((1u32 << to.min(16)) - 1) & !((1u32 << from.min(16)) - 1)) as u16
}
