//! A request that is being done, piece by piece.

use alloc::vec;
use alloc::vec::Vec;

use super::PIECE;
use crate::host::{BlockRequest, SECTOR_SIZE};
use crate::mem::{Memory, NotRam};
use crate::virtio::queue::{Reader, Writer};

/// A run of sectors to discard or to zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub(super) struct Range {
    pub sector: u64,
    pub count: u64,
    pub unmap: bool,
}

/// What is left to do. Everything in it has been checked against the disk.
#[derive(Clone, Debug, Hash)]
pub(super) enum Task {
    /// Read `len` bytes from `sector` on; the writer knows how far it is.
    Read { sector: u64, len: u32 },
    /// Write what the reader has left, from `sector` on.
    Write { sector: u64, reader: Reader },
    /// Discard the ranges, the last one first.
    Discard(Vec<Range>),
    /// Zero the ranges, the last one first.
    WriteZeroes(Vec<Range>),
    /// Nothing, or nothing but a flush.
    Nothing,
}

impl Task {
    /// Whether the disk changes.
    pub fn writes(&self) -> bool {
        match self {
            Self::Write { .. } | Self::Discard(_) | Self::WriteZeroes(_) => true,
            Self::Read { .. } | Self::Nothing => false,
        }
    }
}

/// A request between its chain being taken and handed back.
#[derive(Clone, Debug, Hash)]
pub(super) struct Job {
    /// The name of the piece under way.
    pub tag: u32,
    /// Its bytes.
    pub held: u32,
    pub head: u16,
    pub writer: Writer,
    task: Task,
    /// Whether a flush is to follow.
    flush: bool,
}

impl Job {
    pub fn new(head: u16, writer: Writer, task: Task, flush: bool) -> Self {
        Self {
            tag: 0,
            held: 0,
            head,
            writer,
            task,
            flush,
        }
    }

    /// The next piece and its bytes, or `None` when all is done. The data of a write is taken
    /// from the guest here, once.
    pub fn next_piece(
        &mut self,
        memory: &Memory<'_>,
    ) -> Result<Option<(BlockRequest, u32)>, NotRam> {
        match &mut self.task {
            Task::Read { sector, len } => {
                let done = self.writer.written();
                let piece = len.saturating_sub(done).min(PIECE);
                if piece > 0 {
                    let request = BlockRequest::Read {
                        sector: *sector + u64::from(done) / SECTOR_SIZE,
                        len: u64::from(piece),
                    };
                    return Ok(Some((request, piece)));
                }
            }
            Task::Write { sector, reader } => {
                let piece = reader.remaining().min(PIECE);
                if piece > 0 {
                    let mut data = vec![0; piece as usize];
                    reader.read(memory, &mut data)?;
                    let request = BlockRequest::Write {
                        sector: *sector,
                        data,
                    };
                    *sector += u64::from(piece) / SECTOR_SIZE;
                    return Ok(Some((request, piece)));
                }
            }
            Task::Discard(ranges) => {
                if let Some(Range { sector, count, .. }) = ranges.pop() {
                    return Ok(Some((BlockRequest::Discard { sector, count }, 0)));
                }
            }
            Task::WriteZeroes(ranges) => {
                if let Some(range) = ranges.pop() {
                    let request = BlockRequest::WriteZeroes {
                        sector: range.sector,
                        count: range.count,
                        unmap: range.unmap,
                    };
                    return Ok(Some((request, 0)));
                }
            }
            Task::Nothing => {}
        }
        let flush = core::mem::take(&mut self.flush);
        Ok(flush.then_some((BlockRequest::Flush, 0)))
    }

    /// Whether a result is one of the piece under way: a read brings what was asked for, anything
    /// else nothing.
    pub fn accepts(&self, data: &[u8]) -> bool {
        match self.task {
            Task::Read { .. } => data.len() == self.held as usize,
            _ => data.is_empty(),
        }
    }
}
