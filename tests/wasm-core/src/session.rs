//! A case that runs.

use virtarium_machine::arena::Heap;
use virtarium_machine::host::{
    BlockError, BlockRequest, BlockResult, ConsoleId, Host, SECTOR_SIZE, Submitted, Token,
};
use virtarium_machine::machine::{Exit, Machine};
use virtarium_machine::time::Nanos;

use crate::Case;

/// Why a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It came to the instruction count that was asked for.
    Count,
    /// Every hart waits, and nothing will ever wake one.
    Idle,
    /// The guest switched itself off, with this code.
    Off(u32),
    /// The guest asked for a reset.
    Reset,
    /// The host owes a completion, which [`MemoryHost`] never does.
    Waiting,
}

impl End {
    /// The same as a number.
    #[must_use]
    pub fn to_number(self) -> u64 {
        match self {
            Self::Count => 0,
            Self::Idle => 1,
            Self::Reset => 2,
            Self::Waiting => 3,
            Self::Off(code) => 4 + u64::from(code),
        }
    }

    /// The inverse of [`End::to_number`].
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        match number {
            0 => Self::Count,
            1 => Self::Idle,
            2 => Self::Reset,
            3 => Self::Waiting,
            code => Self::Off((code - 4) as u32),
        }
    }
}

/// A disk in memory, and what was printed.
#[derive(Clone, Debug, Default)]
pub struct MemoryHost {
    /// The disk's content.
    pub disk: Vec<u8>,
    /// What all consoles printed.
    pub printed: Vec<u8>,
}

impl MemoryHost {
    /// A disk of so many bytes, on which no two sectors are alike.
    #[must_use]
    pub fn new(size: u64) -> Self {
        let words = (0..size / 8).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ n);
        Self {
            disk: words.flat_map(u64::to_le_bytes).collect(),
            printed: Vec::new(),
        }
    }

    /// Does what a disk is asked to do.
    pub fn perform(&mut self, request: &BlockRequest) -> BlockResult {
        match request {
            BlockRequest::Read { sector, len } => Ok(self.range(*sector, *len)?.to_vec()),
            BlockRequest::Write { sector, data } => {
                self.range(*sector, data.len() as u64)?
                    .copy_from_slice(data);
                Ok(Vec::new())
            }
            BlockRequest::Flush => Ok(Vec::new()),
            BlockRequest::Discard { sector, count }
            | BlockRequest::WriteZeroes { sector, count, .. } => {
                self.range(*sector, count * SECTOR_SIZE)?.fill(0);
                Ok(Vec::new())
            }
        }
    }

    fn range(&mut self, sector: u64, len: u64) -> Result<&mut [u8], BlockError> {
        let from = (sector * SECTOR_SIZE) as usize;
        let bytes = self.disk.get_mut(from..from + len as usize);
        bytes.ok_or(BlockError::Io)
    }
}

impl Host for MemoryHost {
    fn block(&mut self, _: usize, _: Token, request: &BlockRequest) -> Submitted {
        Submitted::Done(self.perform(request))
    }

    fn console(&mut self, _: ConsoleId, bytes: &[u8]) {
        self.printed.extend(bytes);
    }
}

/// A machine and its host, which answers at once unless another one is named.
pub struct Session<H = MemoryHost> {
    /// The machine.
    pub machine: Machine,
    /// Its host.
    pub host: H,
}

impl Session {
    /// Builds the machine and switches it on.
    ///
    /// # Errors
    /// The configuration's error, as text.
    pub fn new(case: &Case) -> Result<Self, String> {
        Self::with(case, MemoryHost::new(case.disk))
    }
}

impl<H: Host> Session<H> {
    /// Builds the machine of a case for this host and switches it on.
    ///
    /// # Errors
    /// The configuration's error, as text.
    pub fn with(case: &Case, host: H) -> Result<Self, String> {
        let text = |error: virtarium_machine::error::ConfigError| error.to_string();
        let storage = Heap::for_ram(case.config.ram_size).map_err(text)?;
        Ok(Self {
            machine: Machine::new(case.config.clone(), storage).map_err(text)?,
            host,
        })
    }

    /// Runs up to an instruction count, or to the guest's end if that comes first.
    pub fn run_to(&mut self, count: u64) -> End {
        let left = count.saturating_sub(self.machine.instructions());
        match self.machine.run(left, Nanos(0), &mut self.host) {
            Exit::Budget => End::Count,
            Exit::Idle { .. } => End::Idle,
            Exit::PowerOff { code } => End::Off(code),
            Exit::Reset => End::Reset,
            // Nobody sets breakpoints here.
            Exit::Waiting | Exit::Halted(_) => End::Waiting,
        }
    }
}
