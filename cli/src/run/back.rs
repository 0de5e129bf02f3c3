//! What stands behind the machine's devices.

use virtarium_machine::host::{
    BlockError, BlockRequest, BlockResult, ConsoleId, Host, Submitted, Token,
};
use virtarium_machine::time::Ticks;
use virtarium_machine::trace::Event;

use super::console::Consoles;
use super::trace::Trace;
use crate::host::block::Backend;

/// A disk with what a message calls it.
pub struct NamedDisk {
    /// The file's name.
    pub name: String,
    /// The disk.
    pub disk: Box<dyn Backend>,
    /// Whether a failure was reported, so that it is reported once.
    pub reported: bool,
}

/// Disks and consoles. Disks answer at once.
pub struct Back {
    /// The disks, in the order of their numbers.
    pub disks: Vec<NamedDisk>,
    /// The consoles.
    pub consoles: Consoles,
    /// The trace that is written, if one is.
    pub trace: Option<Trace>,
    /// Failures of disks to be told, in words.
    pub warnings: Vec<String>,
}

impl Back {
    /// Makes every write so far survive a loss of power.
    pub fn sync(&mut self) {
        for disk in 0..self.disks.len() {
            let _ = self.answer(disk, &BlockRequest::Flush);
        }
    }

    fn answer(&mut self, disk: usize, request: &BlockRequest) -> BlockResult {
        let Some(named) = self.disks.get_mut(disk) else {
            return Err(BlockError::Io);
        };
        let result = named.disk.execute(request);
        // The guest sees an I/O error; who runs it learns where that came from.
        if let Err(error @ (BlockError::Io | BlockError::NoSpace)) = &result
            && !named.reported
        {
            named.reported = true;
            let what = match request {
                BlockRequest::Read { .. } => "cannot be read",
                BlockRequest::Flush => "cannot be flushed",
                _ => "cannot be written",
            };
            let why = named.disk.trouble().unwrap_or_else(|| match error {
                BlockError::NoSpace => "the host's disk is full; make room and repeat".into(),
                _ => "the host reports an input/output error".into(),
            });
            self.warnings
                .push(format!("disk {} {what}: {why}", named.name));
        }
        result
    }
}

impl Host for Back {
    fn block(&mut self, disk: usize, _: Token, request: &BlockRequest) -> Submitted {
        Submitted::Done(self.answer(disk, request))
    }

    fn console(&mut self, console: ConsoleId, bytes: &[u8]) {
        self.consoles.print(console, bytes);
    }

    fn trace(&mut self, event: &Event) {
        if let Some(trace) = &mut self.trace {
            trace.event(event);
        }
    }

    fn traces(&self) -> bool {
        self.trace.as_ref().is_some_and(Trace::wants_events)
    }

    fn may_skip(&mut self, _: Ticks) -> bool {
        !self.consoles.has_work()
    }
}
