//! The two halves of a chain as streams of bytes, whatever their framing (2.7.4).

use alloc::vec::Vec;

use crate::mem::{Memory, NotRam, PhysAddr};

/// A run of bytes in RAM.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Segment {
    /// The first byte.
    pub address: PhysAddr,
    /// The number of bytes; not zero.
    pub len: u32,
}

/// The runs of bytes of one half of a chain, and its length: below 4 GiB, as the walk saw to.
#[derive(Clone, Debug, Default, Hash)]
struct Segments {
    list: Vec<Segment>,
    len: u32,
}

impl Segments {
    fn new(list: Vec<Segment>) -> Self {
        let len = list
            .iter()
            .fold(0u32, |sum, segment| sum.saturating_add(segment.len));
        Self { list, len }
    }

    /// Calls `each` with the address of every contiguous run of the `len` bytes from `offset` on,
    /// and with its range within those bytes. Stops where the half ends.
    ///
    /// Bounded by the number of descriptors.
    fn runs(
        &self,
        offset: u32,
        len: usize,
        mut each: impl FnMut(PhysAddr, core::ops::Range<usize>) -> Result<(), NotRam>,
    ) -> Result<(), NotRam> {
        let mut skip = u64::from(offset);
        let mut done = 0;
        for segment in &self.list {
            let here = u64::from(segment.len);
            if skip >= here {
                skip -= here;
                continue;
            }
            if done == len {
                break;
            }
            // At most 4 GiB - 1 and at most `len`: fits.
            let run = ((here - skip) as usize).min(len - done);
            // The segment lies in RAM, so the sum cannot wrap.
            each(
                PhysAddr(segment.address.0.wrapping_add(skip)),
                done..done + run,
            )?;
            done += run;
            skip = 0;
        }
        Ok(())
    }
}

/// The device-readable half of a chain, read from front to back.
#[derive(Clone, Debug, Default, Hash)]
pub struct Reader {
    segments: Segments,
    position: u32,
}

impl Reader {
    pub(super) fn new(list: Vec<Segment>) -> Self {
        Self {
            segments: Segments::new(list),
            position: 0,
        }
    }

    /// Bytes not yet read.
    pub fn remaining(&self) -> u32 {
        self.segments.len.saturating_sub(self.position)
    }

    /// Reads the next bytes, as many as there are and `out` takes; returns how many.
    pub fn read(&mut self, memory: &Memory<'_>, out: &mut [u8]) -> Result<usize, NotRam> {
        let len = out.len().min(self.remaining() as usize);
        self.segments.runs(self.position, len, |address, range| {
            match out.get_mut(range) {
                Some(part) => memory.read(address, part),
                None => Ok(()),
            }
        })?;
        // `len` is at most what remained.
        self.position = self.position.saturating_add(len as u32);
        Ok(len)
    }
}

/// The device-writable half of a chain.
#[derive(Clone, Debug, Default, Hash)]
pub struct Writer {
    segments: Segments,
    written: u32,
}

impl Writer {
    pub(super) fn new(list: Vec<Segment>) -> Self {
        Self {
            segments: Segments::new(list),
            written: 0,
        }
    }

    /// Bytes in all, written or not.
    pub fn len(&self) -> u32 {
        self.segments.len
    }

    /// Whether there is nothing to write to.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the next bytes, as many as there is room for; returns how many.
    pub fn write(&mut self, memory: &Memory<'_>, bytes: &[u8]) -> Result<usize, NotRam> {
        let at = self.written;
        let len = bytes.len().min(self.len().saturating_sub(at) as usize);
        self.write_at(memory, at, bytes)?;
        Ok(len)
    }

    /// Writes bytes at an offset; what lies beyond the end is dropped.
    pub fn write_at(
        &mut self,
        memory: &Memory<'_>,
        offset: u32,
        bytes: &[u8],
    ) -> Result<(), NotRam> {
        let room = self.len().saturating_sub(offset) as usize;
        let len = bytes.len().min(room);
        self.segments
            .runs(offset, len, |address, range| match bytes.get(range) {
                Some(part) => memory.write(address, part),
                None => Ok(()),
            })?;
        if offset <= self.written {
            // At most the length of the half.
            self.written = self.written.max(offset.saturating_add(len as u32));
        }
        Ok(())
    }

    /// How many bytes have been written without a gap from the first on: the length to report
    /// in the used ring, which may never be more (2.7.8.2).
    pub fn written(&self) -> u32 {
        self.written
    }
}
