//! The block device (5.2).
//!
//! A request becomes a job, which goes to the embedder in pieces of bounded size, one at a
//! time; jobs overtake one another, but pieces for the same sectors take effect in the order in
//! which they were submitted. The guest's memory changes when a piece has come back, and not before.

mod config;
mod job;

use alloc::vec::Vec;

pub use config::{
    BLK_SIZE, BlockConfig, DISCARD, FLUSH, MAX_RANGE_SECTORS, MAX_RANGES, RO, SEG_MAX, WRITE_ZEROES,
};
use job::{Job, Range, Task};

use super::device::{DeviceCtx, VirtioDevice, read_bytes};
use super::queue::{Chain, QueueError, Reader, Writer};
use super::regs::Features;
use crate::error::ConfigError;
use crate::host::{BlockError, BlockResult, SECTOR_SIZE};
use crate::mem::{Memory, NotRam};

/// The request queue.
const REQUESTS: usize = 0;
/// Its size: chains of at most `SEG_MAX_VALUE + 2` descriptors.
const QUEUE_SIZE: u16 = 256;

/// Bytes of a piece at most.
pub const PIECE: u32 = 1024 * 1024;
/// Bytes of pieces under way above which no more chains are taken.
pub const IN_FLIGHT_LIMIT: u64 = 16 * 1024 * 1024;

/// Bytes of struct virtio_blk_req before its data.
const HEADER: usize = 16;
/// Bytes of struct virtio_blk_discard_write_zeroes.
const RANGE: usize = 16;
/// Bytes of the answer to GET_ID (5.2.6).
const ID_BYTES: usize = 20;

/// Types of requests (5.2.6).
mod kind {
    pub const IN: u32 = 0;
    pub const OUT: u32 = 1;
    pub const FLUSH: u32 = 4;
    pub const GET_ID: u32 = 8;
    pub const DISCARD: u32 = 11;
    pub const WRITE_ZEROES: u32 = 13;
}

/// The status byte of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum Status {
    /// VIRTIO_BLK_S_OK.
    Ok = 0,
    /// VIRTIO_BLK_S_IOERR.
    IoErr = 1,
    /// VIRTIO_BLK_S_UNSUPP.
    Unsupp = 2,
}

impl From<BlockError> for Status {
    fn from(error: BlockError) -> Self {
        match error {
            BlockError::Unsupported => Self::Unsupp,
            BlockError::Io | BlockError::NoSpace | BlockError::ReadOnly => Self::IoErr,
        }
    }
}

/// Why a request comes to nothing before it gets to the embedder.
enum Refusal {
    /// It is answered with a status.
    Status(Status),
    /// Its buffers are not what the walk said.
    NotRam,
}

impl From<NotRam> for Refusal {
    fn from(_: NotRam) -> Self {
        Self::NotRam
    }
}

/// A disk.
#[derive(Clone, Debug, Hash)]
pub struct Blk {
    config: BlockConfig,
    jobs: Vec<Job>,
    /// Bytes of the pieces under way.
    held: u64,
    /// Counts on through resets, so that a late result finds no request of a later life.
    next_tag: u32,
}

impl Blk {
    /// A disk with nothing under way.
    pub fn new(config: BlockConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {
            config,
            jobs: Vec::new(),
            held: 0,
            next_tag: 0,
        })
    }

    /// How it is configured.
    pub fn config(&self) -> &BlockConfig {
        &self.config
    }

    /// Requests under way.
    pub fn in_flight(&self) -> usize {
        self.jobs.len()
    }

    /// Takes chains until there are none, or enough is under way; a completion takes it up again.
    fn take(&mut self, cx: &mut DeviceCtx<'_>) -> Result<(), QueueError> {
        while self.held < IN_FLIGHT_LIMIT {
            let Some(chain) = cx.pop(REQUESTS)? else {
                break;
            };
            self.start(chain, cx)?;
        }
        Ok(())
    }

    fn start(&mut self, chain: Chain, cx: &mut DeviceCtx<'_>) -> Result<(), QueueError> {
        let Chain {
            head,
            mut reader,
            mut writer,
        } = chain;
        // struct virtio_blk_req { le32 type; le32 reserved; le64 sector; u8 data[]; u8 status; }
        let mut header = [0; HEADER];
        let complete = reader.read(&cx.memory, &mut header)? == HEADER;
        if !complete || writer.is_empty() {
            // No request, or nowhere to say what became of it.
            return Err(QueueError::Request);
        }
        let header = u128::from_le_bytes(header);
        let (kind, sector) = (header as u32, (header >> 64) as u64);
        let task = self.task((kind, sector), reader, &mut writer, &cx.memory, cx.features);
        let (task, refused) = match task {
            Ok(task) => (task, None),
            Err(Refusal::Status(status)) => (Task::Nothing, Some(status)),
            Err(Refusal::NotRam) => return Err(QueueError::NotRam),
        };
        // 5.2.6.2: without FLUSH a write is stable when it is reported done.
        let through = task.writes() && !cx.features.contains(FLUSH);
        let job = Job::new(head, writer, task, through || kind == kind::FLUSH);
        match refused {
            None => self.advance(job, cx),
            Some(status) => finish(job, status, cx),
        }
    }

    /// What a request asks for, or why it is refused. Changes nothing but, for GET_ID, the answer.
    fn task(
        &self,
        (kind, sector): (u32, u64),
        reader: Reader,
        writer: &mut Writer,
        memory: &Memory<'_>,
        features: Features,
    ) -> Result<Task, Refusal> {
        match kind {
            kind::IN => {
                // The status byte is the last one.
                let len = writer.len().saturating_sub(1);
                self.check(sector, u64::from(len))?;
                Ok(Task::Read { sector, len })
            }
            kind::OUT => {
                self.check_writable()?;
                self.check(sector, u64::from(reader.remaining()))?;
                Ok(Task::Write { sector, reader })
            }
            kind::FLUSH => Ok(Task::Nothing),
            kind::GET_ID => {
                let mut id = [0; ID_BYTES];
                for (to, from) in id.iter_mut().zip(self.config.id.bytes()) {
                    *to = from;
                }
                let room = writer.len().saturating_sub(1) as usize;
                writer.write(memory, id.get(..room).unwrap_or(&id))?;
                Ok(Task::Nothing)
            }
            kind::DISCARD if features.contains(DISCARD) => {
                self.ranges(reader, memory, false).map(Task::Discard)
            }
            kind::WRITE_ZEROES if features.contains(WRITE_ZEROES) => {
                self.ranges(reader, memory, true).map(Task::WriteZeroes)
            }
            // 5.2.6.2: whatever else, now or in times to come.
            _ => Err(Refusal::Status(Status::Unsupp)),
        }
    }

    /// 5.2.6.2: the medium decides, whether or not the driver acknowledged RO (V14).
    fn check_writable(&self) -> Result<(), Refusal> {
        if self.config.read_only {
            Err(Refusal::Status(Status::IoErr))
        } else {
            Ok(())
        }
    }

    /// Whether bytes from `sector` on are whole sectors of the disk.
    fn check(&self, sector: u64, bytes: u64) -> Result<(), Refusal> {
        let end = sector.checked_add(bytes / SECTOR_SIZE);
        if bytes.is_multiple_of(SECTOR_SIZE) && end.is_some_and(|end| end <= self.config.sectors) {
            Ok(())
        } else {
            Err(Refusal::Status(Status::IoErr))
        }
    }

    /// The ranges of a discard or write-zeroes request, all of them good; the last one first.
    fn ranges(
        &self,
        mut reader: Reader,
        memory: &Memory<'_>,
        zeroes: bool,
    ) -> Result<Vec<Range>, Refusal> {
        self.check_writable()?;
        let bytes = reader.remaining();
        let count = bytes / RANGE as u32;
        if bytes == 0 || !bytes.is_multiple_of(RANGE as u32) || count > MAX_RANGES {
            return Err(Refusal::Status(Status::IoErr));
        }
        let mut ranges = Vec::with_capacity(count as usize);
        let mut refusal = Ok(());
        for _ in 0..count {
            // { le64 sector; le32 num_sectors; le32 flags; }
            let mut raw = [0; RANGE];
            reader.read(memory, &mut raw)?;
            let raw = u128::from_le_bytes(raw);
            let range = Range {
                sector: raw as u64,
                count: u64::from((raw >> 64) as u32),
                unmap: raw >> 96 & 1 != 0,
            };
            // 5.2.6.2: unknown flags, and unmap for a discard, are unsupported wherever they are.
            if raw >> 97 != 0 || (range.unmap && !zeroes) {
                return Err(Refusal::Status(Status::Unsupp));
            }
            if range.count > u64::from(MAX_RANGE_SECTORS) {
                refusal = Err(Refusal::Status(Status::IoErr));
            }
            refusal = refusal.and(self.check(range.sector, range.count * SECTOR_SIZE));
            ranges.push(range);
        }
        ranges.reverse();
        refusal.map(|()| ranges)
    }

    /// Submits the next piece of a job, or finishes it.
    fn advance(&mut self, mut job: Job, cx: &mut DeviceCtx<'_>) -> Result<(), QueueError> {
        let Some((request, bytes)) = job.next_piece(&cx.memory)? else {
            return finish(job, Status::Ok, cx);
        };
        job.tag = self.next_tag;
        job.held = bytes;
        self.next_tag = self.next_tag.wrapping_add(1);
        self.held += u64::from(bytes);
        cx.submit(job.tag, self.config.disk, request);
        self.jobs.push(job);
        Ok(())
    }
}

/// Writes the status byte, the last of the writable ones, and hands the chain back.
fn finish(mut job: Job, status: Status, cx: &mut DeviceCtx<'_>) -> Result<(), QueueError> {
    let last = job.writer.len().saturating_sub(1);
    job.writer.write_at(&cx.memory, last, &[status as u8])?;
    cx.push(REQUESTS, job.head, job.writer.written())
}

impl VirtioDevice for Blk {
    fn id(&self) -> u32 {
        2
    }

    fn features(&self) -> Features {
        self.config.features()
    }

    fn queue_sizes(&self) -> &'static [u16] {
        &[QUEUE_SIZE]
    }

    fn read_config(&self, offset: u64, out: &mut [u8]) {
        read_bytes(&self.config.space(), offset, out);
    }

    fn notify(&mut self, queue: usize, cx: &mut DeviceCtx<'_>) -> Result<(), QueueError> {
        match queue {
            REQUESTS => self.take(cx),
            _ => Ok(()),
        }
    }

    fn complete(
        &mut self,
        tag: u32,
        result: BlockResult,
        cx: &mut DeviceCtx<'_>,
    ) -> Result<(), QueueError> {
        let Some(at) = self.jobs.iter().position(|job| job.tag == tag) else {
            return Ok(());
        };
        let mut job = self.jobs.swap_remove(at);
        self.held = self.held.saturating_sub(u64::from(job.held));
        match result {
            Ok(data) if job.accepts(&data) => {
                job.writer.write(&cx.memory, &data)?;
                self.advance(job, cx)?;
            }
            // An embedder that returns fewer or more bytes than asked for has read nothing.
            Ok(_) => finish(job, Status::IoErr, cx)?,
            Err(error) => finish(job, error.into(), cx)?,
        }
        self.take(cx)
    }

    fn reset(&mut self) {
        self.jobs.clear();
        self.held = 0;
    }

    fn reset_queue(&mut self, _: usize) -> Vec<u32> {
        let tags = self.jobs.iter().map(|job| job.tag).collect();
        self.reset();
        tags
    }
}

#[cfg(test)]
mod tests;
