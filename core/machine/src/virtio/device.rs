//! What a device is to the transport, and what the transport lends to it.

use alloc::vec::Vec;

use super::blk::Blk;
use super::console::Console;
use super::queue::{Chain, Queue, QueueError};
use super::regs::Features;
use super::rng::Rng;
use crate::host::{BlockRequest, BlockResult, Host};
use crate::mem::Memory;
use crate::pending::Pending;
use crate::time::Ticks;
use crate::trace::Event;

/// The most queues that a device has.
pub const MAX_QUEUES: usize = 8;

/// A device behind a transport. It knows its queues by number and its requests by tag; where its
/// registers lie, what was negotiated and whether it may work at all is the transport's business:
/// [`notify`](Self::notify) and [`complete`](Self::complete) are only called between DRIVER_OK and
/// reset or error.
///
/// An error stands for what no status of a request can tell: the transport stops the device and
/// sets DEVICE_NEEDS_RESET.
pub trait VirtioDevice {
    /// The device ID (5).
    fn id(&self) -> u32;

    /// The device's own features; the transport adds its own.
    fn features(&self) -> Features;

    /// QueueSizeMax of each queue, a power of two; at most [`MAX_QUEUES`] of them.
    fn queue_sizes(&self) -> &'static [u16];

    /// Reads the configuration space from `offset` on; what lies beyond its end reads as zero.
    /// `out` is zero on entry.
    fn read_config(&self, offset: u64, out: &mut [u8]);

    /// Writes to the configuration space, at any time, set up or not.
    fn write_config(&mut self, offset: u64, bytes: &[u8], host: &mut dyn Host) {
        let _ = (offset, bytes, host);
    }

    /// Takes what a queue has to offer. Called more often than the driver notifies.
    fn notify(&mut self, queue: usize, cx: &mut DeviceCtx<'_>) -> Result<(), QueueError>;

    /// A request that the device submitted under `tag` has its result.
    fn complete(
        &mut self,
        tag: u32,
        result: BlockResult,
        cx: &mut DeviceCtx<'_>,
    ) -> Result<(), QueueError> {
        let _ = (tag, result, cx);
        Ok(())
    }

    /// The driver resets the device. The transport takes back what is under way.
    fn reset(&mut self);

    /// The driver resets one queue: forgets its requests, and returns the tags of those that are
    /// under way.
    fn reset_queue(&mut self, queue: usize) -> Vec<u32> {
        let _ = queue;
        Vec::new()
    }

    /// The machine is switched off and on again.
    fn power_cycle(&mut self) {
        self.reset();
    }
}

/// What a device is lent for one call.
pub struct DeviceCtx<'a> {
    /// Guest RAM.
    pub memory: Memory<'a>,
    /// What the driver accepted.
    pub features: Features,
    /// The back ends.
    pub host: &'a mut dyn Host,
    pub(super) slot: usize,
    pub(super) now: Ticks,
    pub(super) pending: &'a mut Pending,
    pub(super) queues: &'a mut [Queue],
    pub(super) left: [u16; MAX_QUEUES],
}

impl DeviceCtx<'_> {
    /// Takes the next chain of a queue; `None` when the driver has made no more available.
    ///
    /// In one call a device gets as many chains of a queue as that has entries. A driver cannot
    /// offer more, so that more are a sign of rings that the device's own writes hit.
    pub fn pop(&mut self, queue: usize) -> Result<Option<Chain>, QueueError> {
        let (Some(ring), Some(left)) = (self.queues.get_mut(queue), self.left.get_mut(queue))
        else {
            return Ok(None);
        };
        let chain = ring.pop(&self.memory, self.features)?;
        if let Some(chain) = &chain {
            *left = left.checked_sub(1).ok_or(QueueError::Overrun)?;
            if self.host.traces() {
                self.host.trace(&Event::Taken {
                    slot: self.slot,
                    queue,
                    head: chain.head,
                    readable: chain.reader.remaining().into(),
                    writable: chain.writer.len().into(),
                });
            }
        }
        Ok(chain)
    }

    /// Hands a chain back to the driver, with the number of bytes written from its first writable
    /// byte on.
    pub fn push(&mut self, queue: usize, head: u16, written: u32) -> Result<(), QueueError> {
        if self.host.traces() {
            self.host.trace(&Event::Used {
                slot: self.slot,
                queue,
                head,
                written,
            });
        }
        match self.queues.get_mut(queue) {
            Some(ring) => ring.push(&self.memory, head, written),
            None => Ok(()),
        }
    }

    /// Hands a request to the embedder, under a tag that is unique among those under way.
    pub fn submit(&mut self, tag: u32, disk: usize, request: BlockRequest) {
        self.pending
            .submit(self.host, self.now, (self.slot, tag), disk, request);
    }
}

/// The devices that there are.
#[derive(Clone, Debug, Hash)]
pub enum DeviceKind {
    /// A disk.
    Block(Blk),
    /// A console.
    Console(Console),
    /// A source of random bytes.
    Entropy(Rng),
}

impl DeviceKind {
    /// The device as the transport sees it.
    pub fn device(&self) -> &dyn VirtioDevice {
        match self {
            Self::Block(device) => device,
            Self::Console(device) => device,
            Self::Entropy(device) => device,
        }
    }

    /// As [`DeviceKind::device`], to change it.
    pub fn device_mut(&mut self) -> &mut dyn VirtioDevice {
        match self {
            Self::Block(device) => device,
            Self::Console(device) => device,
            Self::Entropy(device) => device,
        }
    }
}

/// Reads from a configuration space that is these bytes.
pub(super) fn read_bytes(config: &[u8], offset: u64, out: &mut [u8]) {
    let Ok(offset) = usize::try_from(offset) else {
        return;
    };
    let bytes = config.get(offset..).unwrap_or_default();
    for (to, from) in out.iter_mut().zip(bytes) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests;
