//! A store that fails when it is told to.

use virtarium_backends::disk::{Store, StoreError};

/// How a [`Faulty`] store fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Not at all.
    None,
    /// The host has this many bytes left for blocks of 512 that were never written: a write
    /// takes what it needs, does as much as there is room for, and fails.
    Space(u64),
    /// This many more writes succeed, and then none; half of the failing one is done.
    Writes(u64),
    /// This many more flushes succeed, and then none.
    Flushes(u64),
}

/// A store that does what it is asked to with another one until its fault sets in.
#[derive(Clone, Debug)]
pub struct Faulty<S> {
    inner: S,
    /// What is wrong from now on.
    pub fault: Fault,
    /// A bit for each block of 512 bytes that takes space.
    taken: std::collections::BTreeSet<u64>,
}

impl<S: Store> Faulty<S> {
    /// A store without fault so far. What `inner` holds takes no space.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            fault: Fault::None,
            taken: std::collections::BTreeSet::new(),
        }
    }

    /// The store within.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// The store within.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Store> Store for Faulty<S> {
    fn read(&mut self, at: u64, buf: &mut [u8]) -> Result<(), StoreError> {
        self.inner.read(at, buf)
    }

    fn write(&mut self, at: u64, data: &[u8]) -> Result<(), StoreError> {
        match &mut self.fault {
            Fault::Writes(0) => {
                self.inner.write(at, &data[..data.len() / 1024 * 512])?;
                return Err(StoreError::Io);
            }
            Fault::Writes(left) => *left -= 1,
            Fault::None | Fault::Space(_) | Fault::Flushes(_) => {}
        }
        let end = at + data.len() as u64;
        for block in at / 512..end.div_ceil(512) {
            if self.taken.contains(&block) {
                continue;
            }
            if let Fault::Space(left) = &mut self.fault {
                if *left < 512 {
                    let done = (block * 512).saturating_sub(at) as usize;
                    self.inner.write(at, &data[..done])?;
                    return Err(StoreError::NoSpace);
                }
                *left -= 512;
            }
            self.taken.insert(block);
        }
        self.inner.write(at, data)
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        match &mut self.fault {
            Fault::Flushes(0) => return Err(StoreError::Io),
            Fault::Flushes(left) => *left -= 1,
            Fault::None | Fault::Space(_) | Fault::Writes(_) => {}
        }
        self.inner.flush()
    }

    fn len(&mut self) -> Result<u64, StoreError> {
        self.inner.len()
    }

    fn set_len(&mut self, len: u64) -> Result<(), StoreError> {
        self.taken.split_off(&len.div_ceil(512));
        self.inner.set_len(len)
    }
}
