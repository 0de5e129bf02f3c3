//! Stores and bases in memory: for `-snapshot`, for a browser without storage, and for tests.

use alloc::vec::Vec;

use super::store::{Base, BaseId, Store, StoreError};

/// A store in memory; a flush has nothing to do.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MemStore {
    /// The content.
    pub bytes: Vec<u8>,
}

impl MemStore {
    /// A store with this content.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    fn grow(&mut self, len: usize) -> Result<(), StoreError> {
        if let Some(more) = len.checked_sub(self.bytes.len()) {
            self.bytes
                .try_reserve(more)
                .map_err(|_| StoreError::NoSpace)?;
            self.bytes.resize(len, 0);
        }
        Ok(())
    }
}

fn range(at: u64, len: usize) -> Option<core::ops::Range<usize>> {
    let start = usize::try_from(at).ok()?;
    Some(start..start.checked_add(len)?)
}

fn read(bytes: &[u8], at: u64, buf: &mut [u8]) -> Result<(), StoreError> {
    let from = range(at, buf.len())
        .and_then(|range| bytes.get(range))
        .ok_or(StoreError::Io)?;
    buf.copy_from_slice(from);
    Ok(())
}

impl Store for MemStore {
    fn read(&mut self, at: u64, buf: &mut [u8]) -> Result<(), StoreError> {
        read(&self.bytes, at, buf)
    }

    fn write(&mut self, at: u64, data: &[u8]) -> Result<(), StoreError> {
        let range = range(at, data.len()).ok_or(StoreError::NoSpace)?;
        self.grow(range.end)?;
        let to = self.bytes.get_mut(range).ok_or(StoreError::Io)?;
        to.copy_from_slice(data);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn len(&mut self) -> Result<u64, StoreError> {
        Ok(self.bytes.len() as u64)
    }

    fn set_len(&mut self, len: u64) -> Result<(), StoreError> {
        let len = usize::try_from(len).map_err(|_| StoreError::NoSpace)?;
        self.grow(len)?;
        self.bytes.truncate(len);
        Ok(())
    }
}

/// An image in memory.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MemBase {
    /// Which image this is.
    pub id: BaseId,
    /// The content.
    pub bytes: Vec<u8>,
}

impl Base for MemBase {
    fn id(&self) -> BaseId {
        self.id
    }

    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read(&mut self, at: u64, buf: &mut [u8]) -> Result<(), StoreError> {
        read(&self.bytes, at, buf)
    }
}

/// No image: an overlay on it is a disk that begins as zeros.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NoBase;

impl Base for NoBase {
    fn id(&self) -> BaseId {
        BaseId([0; 32])
    }

    fn size(&self) -> u64 {
        0
    }

    fn read(&mut self, _: u64, buf: &mut [u8]) -> Result<(), StoreError> {
        if buf.is_empty() {
            Ok(())
        } else {
            Err(StoreError::Io)
        }
    }
}
