//! The chunks that are in memory.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{ChunkError, Manifest};
use crate::disk::{Base, BaseId, StoreError};

/// An image of which some chunks are in memory. Those that are zero are always there, and take
/// none. The others come in through [`ChunkBase::insert`], which verifies them, and go when there
/// is no room: the one that was not used for the longest time first, and none that is pinned.
#[derive(Clone, Debug)]
pub struct ChunkBase {
    manifest: Manifest,
    /// Bytes that the chunks may take, those that are pinned aside.
    limit: u64,
    bytes: u64,
    chunks: BTreeMap<u32, Chunk>,
    /// The chunks by the time of their last use, which is never the same for two.
    order: BTreeMap<u64, u32>,
    time: u64,
    /// How often a chunk is pinned; it need not be there.
    pins: BTreeMap<u32, u32>,
}

#[derive(Clone, Debug)]
struct Chunk {
    bytes: Vec<u8>,
    used: u64,
}

impl ChunkBase {
    /// The image of a manifest, without any of its chunks. They may take `limit` bytes.
    #[must_use]
    pub fn new(manifest: Manifest, limit: u64) -> Self {
        Self {
            manifest,
            limit,
            bytes: 0,
            chunks: BTreeMap::new(),
            order: BTreeMap::new(),
            time: 0,
            pins: BTreeMap::new(),
        }
    }

    /// What the image is made of.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether a chunk can be read: it is in memory or zero.
    #[must_use]
    pub fn has(&self, index: u32) -> bool {
        self.chunks.contains_key(&index) || self.manifest.is_zero(index)
    }

    /// Number of chunks in memory, and the bytes that they take.
    #[must_use]
    pub fn present(&self) -> (usize, u64) {
        (self.chunks.len(), self.bytes)
    }

    /// Bytes that the chunks may take.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// The chunks that have bytes of a stretch, which lies within the image.
    pub fn chunks_of(&self, at: u64, len: u64) -> core::ops::Range<u32> {
        if len == 0 {
            return 0..0;
        }
        self.manifest.chunk_at(at)..self.manifest.chunk_at(at + len - 1) + 1
    }

    /// Takes a chunk in, if it is the right one. Others may have to go; if all that are there are
    /// pinned and leave no room, this one goes again.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn insert(&mut self, index: u32, raw: Vec<u8>) -> Result<(), ChunkError> {
        self.manifest.check(index, &raw)?;
        self.remove(index);
        self.bytes += raw.len() as u64;
        let used = self.tick(index);
        self.chunks.insert(index, Chunk { bytes: raw, used });
        self.evict();
        Ok(())
    }

    /// Has a chunk stay, once it is there, until it is unpinned as often.
    pub fn pin(&mut self, index: u32) {
        *self.pins.entry(index).or_default() += 1;
    }

    /// Takes one pin off a chunk.
    pub fn unpin(&mut self, index: u32) {
        let Some(pins) = self.pins.get_mut(&index) else {
            return;
        };
        *pins -= 1;
        if *pins == 0 {
            self.pins.remove(&index);
            self.evict();
        }
    }

    /// Number of chunks that are pinned, whether they are there or not.
    #[must_use]
    pub fn pinned(&self) -> usize {
        self.pins.len()
    }

    /// Whether a chunk is pinned.
    #[must_use]
    pub fn is_pinned(&self, index: u32) -> bool {
        self.pins.contains_key(&index)
    }

    fn tick(&mut self, index: u32) -> u64 {
        self.time += 1;
        self.order.insert(self.time, index);
        self.time
    }

    fn remove(&mut self, index: u32) {
        if let Some(chunk) = self.chunks.remove(&index) {
            self.order.remove(&chunk.used);
            self.bytes -= chunk.bytes.len() as u64;
        }
    }

    /// Lets chunks go until the others have room. Looks at pinned ones, of which there are as many
    /// as requests under way need.
    fn evict(&mut self) {
        while self.bytes > self.limit {
            let mut oldest = self.order.values();
            let Some(index) = oldest.find(|index| !self.pins.contains_key(index)) else {
                return;
            };
            self.remove(*index);
        }
    }
}

impl Base for ChunkBase {
    fn id(&self) -> BaseId {
        self.manifest.id()
    }

    fn size(&self) -> u64 {
        self.manifest.size()
    }

    fn read(&mut self, at: u64, buf: &mut [u8]) -> Result<(), StoreError> {
        let end = at.checked_add(buf.len() as u64);
        if end.is_none_or(|end| end > self.size()) {
            return Err(StoreError::Io);
        }
        let mut at = at;
        let mut rest = buf;
        while !rest.is_empty() {
            let index = self.manifest.chunk_at(at);
            let inside = (at - self.manifest.offset_of(index)) as usize;
            let there = self.manifest.len_of(index) as usize - inside;
            let (piece, others) = rest.split_at_mut(there.min(rest.len()));
            if self.manifest.is_zero(index) {
                piece.fill(0);
            } else {
                let used = self.chunks.get(&index).ok_or(StoreError::Io)?.used;
                self.order.remove(&used);
                let used = self.tick(index);
                let chunk = self.chunks.get_mut(&index).ok_or(StoreError::Io)?;
                chunk.used = used;
                let from = chunk.bytes.get(inside..inside + piece.len());
                piece.copy_from_slice(from.ok_or(StoreError::Io)?);
            }
            at += piece.len() as u64;
            rest = others;
        }
        Ok(())
    }
}
