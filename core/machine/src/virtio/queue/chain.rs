//! The walk over a descriptor chain: once, eagerly, every descriptor read exactly once.

use alloc::vec::Vec;

use super::io::{Reader, Segment, Writer};
use super::{DESCRIPTOR, QueueError, QueueSize};
use crate::mem::{Memory, PhysAddr};
use crate::virtio::regs::Features;

/// VIRTQ_DESC_F_NEXT (2.7.5).
const NEXT: u16 = 1;
/// VIRTQ_DESC_F_WRITE.
const WRITE: u16 = 2;
/// VIRTQ_DESC_F_INDIRECT.
const INDIRECT: u16 = 4;

/// A request as the driver framed it: bytes to read, then bytes to write.
#[derive(Clone, Debug)]
pub struct Chain {
    /// The index of the first descriptor, by which the chain is handed back.
    pub head: u16,
    /// The device-readable part.
    pub reader: Reader,
    /// The device-writable part.
    pub writer: Writer,
}

/// struct virtq_desc; reserved flags mean nothing.
#[derive(Clone, Copy)]
struct Descriptor {
    address: PhysAddr,
    len: u32,
    flags: u16,
    next: u16,
}

impl Descriptor {
    fn load(memory: &Memory<'_>, table: PhysAddr, index: u16) -> Result<Self, QueueError> {
        let at = table
            .checked_add(DESCRIPTOR * u64::from(index))
            .ok_or(QueueError::NotRam)?;
        let mut raw = [0; DESCRIPTOR as usize];
        memory.read(at, &mut raw)?;
        let raw = u128::from_le_bytes(raw);
        Ok(Self {
            address: PhysAddr(raw as u64),
            len: (raw >> 64) as u32,
            flags: (raw >> 96) as u16,
            next: (raw >> 112) as u16,
        })
    }

    fn is(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }
}

/// Walks the chain that begins at `head`. Takes at most as many steps as the queue has entries,
/// wherever the descriptors lie (2.7.5.3.1).
pub(super) fn walk(
    memory: &Memory<'_>,
    features: Features,
    descriptors: PhysAddr,
    size: QueueSize,
    head: u16,
) -> Result<Chain, QueueError> {
    let mut parts = Parts::default();
    let (mut table, mut entries) = (descriptors, u32::from(size.get()));
    let mut index = head;
    let mut indirect = false;
    let mut steps = 0;
    loop {
        if u32::from(index) >= entries {
            return Err(QueueError::DescriptorIndex);
        }
        let descriptor = Descriptor::load(memory, table, index)?;
        if descriptor.is(INDIRECT) {
            // 2.7.5.3.1: only if negotiated, only one level, not with NEXT. 2.7.5.3.2: WRITE is
            // ignored here, and direct descriptors may come first.
            let len = descriptor.len;
            if !features.contains(Features::INDIRECT_DESC)
                || indirect
                || descriptor.is(NEXT)
                || len == 0
                || !len.is_multiple_of(DESCRIPTOR as u32)
                || len / DESCRIPTOR as u32 > u32::from(size.get())
                || !memory.contains(descriptor.address, u64::from(len))
            {
                return Err(QueueError::Indirect);
            }
            (table, entries) = (descriptor.address, len / DESCRIPTOR as u32);
            (index, indirect) = (0, true);
            continue;
        }
        steps += 1;
        if steps > size.get() {
            return Err(QueueError::ChainLength);
        }
        parts.add(memory, &descriptor)?;
        if !descriptor.is(NEXT) {
            break;
        }
        index = descriptor.next;
    }
    Ok(Chain {
        head,
        reader: Reader::new(parts.readable),
        writer: Writer::new(parts.writable),
    })
}

#[derive(Default)]
struct Parts {
    readable: Vec<Segment>,
    writable: Vec<Segment>,
    writing: bool,
    bytes: u32,
}

impl Parts {
    fn add(&mut self, memory: &Memory<'_>, descriptor: &Descriptor) -> Result<(), QueueError> {
        let write = descriptor.is(WRITE);
        // 2.7.4.2.
        if self.writing && !write {
            return Err(QueueError::Order);
        }
        self.writing = write;
        // 2.7.5.2 forbids more than 2^32 bytes; 2^32 itself has no used length.
        self.bytes = self
            .bytes
            .checked_add(descriptor.len)
            .ok_or(QueueError::ChainBytes)?;
        // Nothing moves through an empty buffer, so its address means nothing.
        if descriptor.len == 0 {
            return Ok(());
        }
        if !memory.contains(descriptor.address, u64::from(descriptor.len)) {
            return Err(QueueError::NotRam);
        }
        let segment = Segment {
            address: descriptor.address,
            len: descriptor.len,
        };
        if write {
            self.writable.push(segment);
        } else {
            self.readable.push(segment);
        }
        Ok(())
    }
}
