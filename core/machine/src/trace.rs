//! What can be watched at work: events for whoever asks for them, and no part of the state.

use crate::mem::Width;

/// Something that happened between a hart, its devices and their queues.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A hart entered a trap handler.
    Trap {
        /// The hart.
        hart: usize,
        /// The value of `mcause` or `scause`.
        cause: u64,
        /// The value of `mtval` or `stval`.
        tval: u64,
        /// Where it came from.
        pc: u64,
        /// Where it went.
        handler: u64,
    },
    /// A hart accessed a register of a device.
    Mmio {
        /// Physical address.
        at: u64,
        /// Width of the access.
        width: Width,
        /// The value read or written.
        value: u64,
        /// Whether it was a write.
        write: bool,
    },
    /// A device took a chain of descriptors from a queue.
    Taken {
        /// The virtio-mmio slot.
        slot: usize,
        /// The queue of the device.
        queue: usize,
        /// The chain's first descriptor.
        head: u16,
        /// Bytes that the device may read.
        readable: u64,
        /// Bytes that the device may write.
        writable: u64,
    },
    /// A device gave a chain back.
    Used {
        /// The virtio-mmio slot.
        slot: usize,
        /// The queue of the device.
        queue: usize,
        /// The chain's first descriptor.
        head: u16,
        /// Bytes that the device wrote.
        written: u32,
    },
}
