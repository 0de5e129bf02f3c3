//! What the embedder implements: the back ends behind the devices.
//!
//! The core does no I/O. A device hands a request to the embedder and carries on; the answer
//! comes at once ([`Submitted::Done`]) or later, through `Machine::complete`, under the token
//! that the request was given. Requests are plain data: submitting one a second time (after a
//! restored snapshot) is harmless.

use alloc::vec::Vec;

use crate::time::Ticks;
use crate::trace::Event;

/// Names a request while it is under way. Never used twice in the life of a machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Token(pub u64);

/// Which stream of console bytes is meant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum ConsoleId {
    /// The ns16550a UART, which the SBI's debug console shares.
    Uart,
    /// The virtio console that was configured as the n-th, from 0.
    Virtio(usize),
}

/// Size of a sector in bytes: the unit of [`BlockRequest`] whatever the disk's block size.
pub const SECTOR_SIZE: u64 = 512;

/// What a disk is asked to do. Ranges have been checked against the capacity.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub enum BlockRequest {
    /// Read `len` bytes, a multiple of [`SECTOR_SIZE`].
    Read {
        /// First sector.
        sector: u64,
        /// Number of bytes.
        len: u64,
    },
    /// Write the bytes, a multiple of [`SECTOR_SIZE`]. Stable only after a later flush.
    Write {
        /// First sector.
        sector: u64,
        /// The bytes.
        data: Vec<u8>,
    },
    /// Make every completed write stable.
    Flush,
    /// The guest no longer needs these sectors; they may read as anything that was there or zero.
    Discard {
        /// First sector.
        sector: u64,
        /// Number of sectors.
        count: u64,
    },
    /// Make these sectors read as zero.
    WriteZeroes {
        /// First sector.
        sector: u64,
        /// Number of sectors.
        count: u64,
        /// Whether the space may be given back.
        unmap: bool,
    },
}

impl BlockRequest {
    /// Whether sectors may read as something else afterwards.
    pub fn changes(&self) -> bool {
        match self {
            Self::Write { .. } | Self::Discard { .. } | Self::WriteZeroes { .. } => true,
            Self::Read { .. } | Self::Flush => false,
        }
    }
}

/// What became of a [`BlockRequest`]: for a read, exactly the bytes asked for; else none.
pub type BlockResult = Result<Vec<u8>, BlockError>;

/// Why a disk did not do as it was asked. The guest sees an I/O error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlockError {
    /// The host could not read, write or flush.
    Io,
    /// The host has no space left.
    NoSpace,
    /// The disk cannot be written.
    ReadOnly,
    /// The disk cannot do this at all.
    Unsupported,
}

/// The embedder's answer to a submission.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Submitted {
    /// It is done, and this is the result.
    Done(BlockResult),
    /// `Machine::complete` will bring the result.
    Pending,
}

/// The embedder.
///
/// Every method returns without blocking on the guest: a terminal may make a file access take
/// its time, a browser may not.
pub trait Host {
    /// Begins a request to the disk that was configured as the n-th, from 0.
    ///
    /// Requests that are under way together may be done in any order and at the same time: no two
    /// of them have a sector in common that one of them changes. Such a request is held back until
    /// the earlier one is answered, so that what a guest reads does not depend on the host.
    fn block(&mut self, disk: usize, token: Token, request: &BlockRequest) -> Submitted;

    /// The guest no longer waits for this read or flush (its device was reset); it may be dropped.
    /// A result that comes all the same is ignored.
    ///
    /// Requests that change a disk are not abandoned: they have to take effect, and the machine
    /// waits for their results.
    fn abandon(&mut self, token: Token) {
        let _ = token;
    }

    /// The guest printed these bytes.
    fn console(&mut self, console: ConsoleId, bytes: &[u8]);

    /// Whether the embedder has as much output as it wants to hold. `run` then returns
    /// [`Exit::Budget`](crate::machine::Exit::Budget) before its budget is used up, as soon as the
    /// instruction that printed is done. A next call of `run` goes on all the same, and returns
    /// after the next that may print.
    fn is_full(&self) -> bool {
        false
    }

    /// With the deterministic clock: every hart waits, and guest time would jump to `until` now.
    /// `false` makes `run` return [`Exit::Idle`](crate::machine::Exit::Idle) instead, before any
    /// time has passed, so that input can be given at this very count; the machine asks again
    /// when it is run again.
    fn may_skip(&mut self, until: Ticks) -> bool {
        let _ = until;
        true
    }

    /// Something happened. Called for every event if [`Host::traces`].
    fn trace(&mut self, event: &Event) {
        let _ = event;
    }

    /// Whether events are wanted.
    fn traces(&self) -> bool {
        false
    }
}

/// An embedder with nothing behind it: disks fail, output is lost. For machines without devices.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHost;

impl Host for NoHost {
    fn block(&mut self, _: usize, _: Token, _: &BlockRequest) -> Submitted {
        Submitted::Done(Err(BlockError::Io))
    }

    fn console(&mut self, _: ConsoleId, _: &[u8]) {}
}
