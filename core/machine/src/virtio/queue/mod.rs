//! The split virtqueue, device side (2.7).
//!
//! State only: guest memory and the negotiated features are arguments. Whatever the driver wrote is
//! read once and checked before it is used.
//!
//! One thread runs the harts and the devices, in turn; the standard's barriers around the indices
//! are therefore program order here.

mod chain;
mod io;

use alloc::vec;
use alloc::vec::Vec;

pub use chain::Chain;
pub use io::{Reader, Segment, Writer};

use super::regs::Features;
use crate::mem::{Memory, NotRam, PhysAddr};

/// Bytes of a descriptor.
const DESCRIPTOR: u64 = 16;
/// VIRTQ_AVAIL_F_NO_INTERRUPT (2.7.6).
const NO_INTERRUPT: u16 = 1;

/// What a driver did to a queue that leaves no way on but a reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QueueError {
    /// The available index is further ahead than the queue has entries.
    AvailIndex,
    /// More chains in one go than the queue has entries: something overwrote the driver area.
    Overrun,
    /// A head or a `next` outside the table that it indexes.
    DescriptorIndex,
    /// A head that is in the device's hands already.
    InFlight,
    /// A chain with more descriptors than the queue has entries; loops are such chains.
    ChainLength,
    /// More than 4 GiB in one chain.
    ChainBytes,
    /// An indirect descriptor that may not be where it is, or a table of an impossible size.
    Indirect,
    /// A device-readable descriptor behind a device-writable one.
    Order,
    /// An address that is not RAM.
    NotRam,
    /// A buffer without the bytes that its device cannot do without.
    Request,
}

impl From<NotRam> for QueueError {
    fn from(_: NotRam) -> Self {
        Self::NotRam
    }
}

/// The number of entries of a split queue: a power of two, 1 to 32768 (2.7).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct QueueSize(u16);

impl QueueSize {
    /// The size, or `None` for what is no size at all or above `max`.
    pub fn new(entries: u32, max: u16) -> Option<Self> {
        let size = u16::try_from(entries).ok()?;
        (size.is_power_of_two() && size <= max.min(1 << 15)).then_some(Self(size))
    }

    /// The number of entries.
    pub fn get(self) -> u16 {
        self.0
    }

    /// The entry at which a free-running index points.
    fn slot(self, index: u16) -> u64 {
        u64::from(index & (self.0 - 1))
    }

    fn entries(self) -> u64 {
        u64::from(self.0)
    }
}

/// A queue whose rings have been found to be usable.
#[derive(Clone, Debug, Hash)]
struct Ring {
    size: QueueSize,
    desc: PhysAddr,
    driver: PhysAddr,
    device: PhysAddr,
    /// The next entry of the available ring to take.
    next_avail: u16,
    /// The next entry of the used ring to fill: the used index that the driver sees.
    next_used: u16,
    /// The used index when notification was last decided.
    decided: u16,
    /// One bit an entry: heads taken and not yet used.
    in_flight: Vec<u64>,
}

/// A queue: what the driver configured, and while it is ready the ring.
#[derive(Clone, Debug, Hash)]
pub struct Queue {
    max: u16,
    size: u32,
    desc: u64,
    driver: u64,
    device: u64,
    ring: Option<Ring>,
}

/// One of the three addresses of a queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Area {
    /// The descriptor table.
    Descriptors,
    /// The driver area: the available ring.
    Driver,
    /// The device area: the used ring.
    Device,
}

impl Queue {
    /// A queue of at most `max` entries, a power of two, in the state after a reset.
    pub fn new(max: u16) -> Self {
        Self {
            max,
            size: u32::from(max),
            desc: 0,
            driver: 0,
            device: 0,
            ring: None,
        }
    }

    /// QueueSizeMax.
    pub fn max(&self) -> u16 {
        self.max
    }

    /// Back to the state after a reset.
    pub fn reset(&mut self) {
        *self = Self::new(self.max);
    }

    /// Whether the queue is ready.
    pub fn is_ready(&self) -> bool {
        self.ring.is_some()
    }

    /// The number of entries while the queue is ready, else zero.
    pub fn entries(&self) -> u16 {
        self.ring.as_ref().map_or(0, |ring| ring.size.get())
    }

    /// QueueSize; ignored while the queue is ready (hostile inputs, V04).
    pub fn set_size(&mut self, size: u32) {
        if self.ring.is_none() {
            self.size = size;
        }
    }

    /// Half of an address; ignored while the queue is ready.
    pub fn set_address(&mut self, area: Area, high: bool, value: u32) {
        if self.ring.is_some() {
            return;
        }
        let address = match area {
            Area::Descriptors => &mut self.desc,
            Area::Driver => &mut self.driver,
            Area::Device => &mut self.device,
        };
        *address = if high {
            *address & 0xffff_ffff | u64::from(value) << 32
        } else {
            *address & !0xffff_ffff | u64::from(value)
        };
    }

    /// Makes the queue ready. Returns whether it is: the size must be a power of two within the
    /// maximum, and the three areas aligned, in RAM and apart from each other (2.7, 2.7.1).
    pub fn enable(&mut self, memory: &Memory<'_>) -> bool {
        if self.ring.is_none() {
            self.ring = self.validate(memory);
        }
        self.ring.is_some()
    }

    /// Makes the queue not ready. Size and addresses stay, the indices start again at zero.
    pub fn disable(&mut self) {
        self.ring = None;
    }

    fn validate(&self, memory: &Memory<'_>) -> Option<Ring> {
        let size = QueueSize::new(self.size, self.max)?;
        let n = size.entries();
        let areas = [
            (self.desc, DESCRIPTOR * n, 16),
            (self.driver, 6 + 2 * n, 2),
            (self.device, 6 + 8 * n, 4),
        ];
        for (at, len, align) in areas {
            if at % align != 0 || !memory.contains(PhysAddr(at), len) {
                return None;
            }
        }
        // No overflow: each area ends within RAM.
        let apart = |a: usize, b: usize| {
            areas[a].0 + areas[a].1 <= areas[b].0 || areas[b].0 + areas[b].1 <= areas[a].0
        };
        if !(apart(0, 1) && apart(0, 2) && apart(1, 2)) {
            return None;
        }
        Some(Ring {
            size,
            desc: PhysAddr(self.desc),
            driver: PhysAddr(self.driver),
            device: PhysAddr(self.device),
            next_avail: 0,
            next_used: 0,
            decided: 0,
            in_flight: vec![0; usize::from(size.get()).div_ceil(64)],
        })
    }

    /// Takes the next chain that the driver made available; `None` when there is none or the
    /// queue is not ready. With EVENT_IDX, `None` also means that the driver has been asked to
    /// notify the next one.
    ///
    /// Bounded by the size of the queue, which no chain exceeds.
    pub fn pop(
        &mut self,
        memory: &Memory<'_>,
        features: Features,
    ) -> Result<Option<Chain>, QueueError> {
        let Some(ring) = &mut self.ring else {
            return Ok(None);
        };
        if !ring.has_next(memory)? {
            if !features.contains(Features::EVENT_IDX) {
                return Ok(None);
            }
            // 2.7.10.2; then look again, for a driver that made one available before it saw this.
            memory.store(ring.avail_event(), ring.next_avail)?;
            if !ring.has_next(memory)? {
                return Ok(None);
            }
        }
        let entry = at(ring.driver, 4 + 2 * ring.size.slot(ring.next_avail));
        let head = memory.load::<u16>(entry)?;
        let chain = chain::walk(memory, features, ring.desc, ring.size, head)?;
        ring.take(head)?;
        ring.next_avail = ring.next_avail.wrapping_add(1);
        Ok(Some(chain))
    }

    /// Hands a chain back: `len` bytes were written from its first writable byte on. Does nothing
    /// when the queue is not ready or does not have the chain.
    pub fn push(&mut self, memory: &Memory<'_>, head: u16, len: u32) -> Result<(), QueueError> {
        let Some(ring) = &mut self.ring else {
            return Ok(());
        };
        if !ring.give_back(head) {
            return Ok(());
        }
        let entry = at(ring.device, 4 + 8 * ring.size.slot(ring.next_used));
        // struct virtq_used_elem { le32 id; le32 len; }
        memory.store(entry, u64::from(len) << 32 | u64::from(head))?;
        ring.next_used = ring.next_used.wrapping_add(1);
        // 2.7.8.2: idx after the entry. Flags in the same store: 0, as 2.7.10.2 has it with and
        // without EVENT_IDX for a device that wants to be notified.
        memory.store(ring.device, u32::from(ring.next_used) << 16)?;
        Ok(())
    }

    /// Whether the driver is to be interrupted for what was used since the last call (2.7.7.2).
    pub fn take_notification(
        &mut self,
        memory: &Memory<'_>,
        features: Features,
    ) -> Result<bool, QueueError> {
        let Some(ring) = &mut self.ring else {
            return Ok(false);
        };
        let (old, new) = (ring.decided, ring.next_used);
        if old == new {
            return Ok(false);
        }
        ring.decided = new;
        if features.contains(Features::EVENT_IDX) {
            let event = memory.load::<u16>(at(ring.driver, 4 + 2 * ring.size.entries()))?;
            // `event` is among the indices old, old + 1, ..., new - 1, in 16 bits.
            Ok(new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old))
        } else {
            Ok(memory.load::<u16>(ring.driver)? & NO_INTERRUPT == 0)
        }
    }
}

impl Ring {
    fn avail_event(&self) -> PhysAddr {
        at(self.device, 4 + 8 * self.size.entries())
    }

    fn has_next(&self, memory: &Memory<'_>) -> Result<bool, QueueError> {
        let index = memory.load::<u16>(at(self.driver, 2))?;
        let ahead = index.wrapping_sub(self.next_avail);
        if ahead > self.size.get() {
            return Err(QueueError::AvailIndex);
        }
        Ok(ahead != 0)
    }

    /// Notes a head as taken; once only until it is given back (hostile inputs, V10).
    fn take(&mut self, head: u16) -> Result<(), QueueError> {
        let bit = 1 << (head % 64);
        match self.in_flight.get_mut(usize::from(head / 64)) {
            Some(word) if *word & bit == 0 => {
                *word |= bit;
                Ok(())
            }
            _ => Err(QueueError::InFlight),
        }
    }

    fn give_back(&mut self, head: u16) -> bool {
        let bit = 1 << (head % 64);
        match self.in_flight.get_mut(usize::from(head / 64)) {
            Some(word) if *word & bit != 0 => {
                *word &= !bit;
                true
            }
            _ => false,
        }
    }
}

/// An address within an area that lies in RAM as a whole, so that it cannot wrap.
fn at(area: PhysAddr, offset: u64) -> PhysAddr {
    PhysAddr(area.0.wrapping_add(offset))
}

#[cfg(test)]
mod tests;
