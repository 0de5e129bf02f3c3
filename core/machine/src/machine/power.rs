//! Whether the machine is on, and what it leaves behind when it goes off.

use super::Exit;
use crate::devices::finisher::Finish;

/// The power switch, which the guest operates.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Power {
    /// On.
    On,
    /// Off, with an exit code; 0 means success.
    Off {
        /// The guest's exit code.
        code: u32,
    },
    /// The guest asked for a reset, which has not been done.
    Reset,
}

impl Power {
    pub(super) fn exit(self) -> Option<Exit> {
        match self {
            Self::On => None,
            Self::Off { code } => Some(Exit::PowerOff { code }),
            Self::Reset => Some(Exit::Reset),
        }
    }

    /// What the test finisher was told.
    pub(super) fn from_finish(finish: Finish) -> Self {
        match finish.exit_code() {
            Some(code) => Self::Off { code },
            None => Self::Reset,
        }
    }

    /// What was written to `tohost` ends the run when its lowest bit is set: 1 is success, else
    /// the rest is the code of the failure.
    pub(super) fn from_tohost(value: u64) -> Option<Self> {
        (value & 1 != 0).then(|| Self::Off {
            code: u32::try_from(value >> 1).unwrap_or(u32::MAX),
        })
    }
}
