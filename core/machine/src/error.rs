//! Errors of the crate, by who must react to them.
//!
//! A guest's mistake is never an error here: it becomes a trap or a device status.

use alloc::string::String;
use core::fmt;

/// A configuration that no machine can be built from. Names the field and the value.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// The size of RAM is zero, not a multiple of 4 KiB, or more than a machine can have.
    MemorySize {
        /// The size asked for.
        bytes: u64,
    },
    /// The host has no block of memory of this size.
    MemoryUnavailable {
        /// The size asked for, with registers and flags.
        bytes: u64,
    },
    /// The number of harts is not between 1 and 8.
    Harts {
        /// The number asked for.
        count: usize,
    },
    /// More devices than there are virtio-mmio slots, or two in one slot.
    Slot {
        /// The slot asked for.
        slot: usize,
        /// Why it cannot be had.
        reason: &'static str,
    },
    /// A file to load (kernel, firmware, initrd, device tree) cannot be used.
    Image {
        /// Which one.
        what: &'static str,
        /// What is wrong with it, and where.
        reason: String,
    },
    /// Another field has a value that cannot be used.
    Field {
        /// The field.
        field: &'static str,
        /// The value, and why it cannot be used.
        reason: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MemorySize { bytes } => write!(
                f,
                "memory of {bytes} bytes: needs to be a multiple of 4096, at least 4096 and at most 3 GiB"
            ),
            Self::MemoryUnavailable { bytes } => {
                write!(f, "the host has no {bytes} bytes of memory for the machine")
            }
            Self::Harts { count } => write!(f, "{count} harts: a machine has 1 to 8"),
            Self::Slot { slot, reason } => write!(f, "virtio-mmio slot {slot}: {reason}"),
            Self::Image { what, reason } => write!(f, "{what}: {reason}"),
            Self::Field { field, reason } => write!(f, "{field}: {reason}"),
        }
    }
}

impl core::error::Error for ConfigError {}
