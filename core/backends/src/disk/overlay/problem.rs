//! What can be wrong with an overlay file.

use alloc::string::String;
use core::fmt;

use crate::disk::{BaseId, StoreError};

/// One thing that is wrong with an overlay file: what, and at which byte or cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Problem {
    /// The file does not begin as an overlay does.
    NotAnOverlay,
    /// Written by another version of this program.
    Version {
        /// The version of the format.
        found: u32,
    },
    /// Uses features that this version does not know.
    Features {
        /// The bits that are set.
        found: u32,
    },
    /// Neither copy of the header can be used.
    Header {
        /// What is wrong with the first.
        reason: String,
    },
    /// One copy of the header is damaged; the other one is used, and opening repairs it.
    HeaderCopy {
        /// Byte of the file at which the damaged copy begins.
        at: u64,
    },
    /// The two copies of the header describe different disks.
    HeadersDiffer,
    /// The file ends before its data begin.
    Truncated {
        /// Length of the file in bytes.
        len: u64,
        /// The least it must have.
        needed: u64,
    },
    /// A page of the map is damaged, and not as a crash does it.
    MapPage {
        /// Number of the page.
        page: u32,
        /// Byte of the file at which the damaged copy begins.
        at: u64,
    },
    /// A whole record of the journal says what no record can.
    Record {
        /// Byte of the file at which it begins.
        at: u64,
        /// What it says.
        reason: &'static str,
    },
    /// A record is damaged, and not as a crash does it: later ones are whole.
    JournalGap {
        /// Byte of the file at which the damaged one begins.
        at: u64,
        /// Byte of the file at which the next whole one begins.
        next: u64,
    },
    /// An entry of the map says what no entry can.
    Entry {
        /// Number of the cluster of the disk.
        cluster: u32,
        /// What it says.
        reason: &'static str,
    },
    /// A cluster's data lie beyond the end of the file.
    OutsideFile {
        /// Number of the cluster of the disk.
        cluster: u32,
        /// Byte at which the data end.
        end: u64,
        /// Length of the file in bytes.
        len: u64,
    },
    /// Two clusters of the disk have their data in the same place.
    CrossLinked {
        /// Byte of the file at which the place begins.
        at: u64,
        /// Numbers of the two clusters of the disk.
        clusters: (u32, u32),
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnOverlay => f.write_str("not an overlay file, or its creation never ended"),
            Self::Version { found } => write!(
                f,
                "version {found} of the overlay format; this program reads version {}",
                super::format::VERSION
            ),
            Self::Features { found } => write!(
                f,
                "the overlay uses features {found:#x} that this program does not know"
            ),
            Self::Header { reason } => write!(f, "both copies of the header are damaged: {reason}"),
            Self::HeaderCopy { at } => write!(
                f,
                "the copy of the header at byte {at} is damaged; opening the overlay repairs it"
            ),
            Self::HeadersDiffer => {
                f.write_str("the two copies of the header describe different disks")
            }
            Self::Truncated { len, needed } => write!(
                f,
                "the file is cut off: {len} bytes, and its map alone ends at {needed}"
            ),
            Self::MapPage { page, at } => {
                write!(f, "page {page} of the map, at byte {at}, is damaged")
            }
            Self::Record { at, reason } => {
                write!(f, "the journal record at byte {at} {reason}")
            }
            Self::JournalGap { at, next } => write!(
                f,
                "the journal record at byte {at} is damaged, and a later one at byte {next} is not"
            ),
            Self::Entry { cluster, reason } => {
                write!(f, "the map's entry for cluster {cluster} {reason}")
            }
            Self::OutsideFile { cluster, end, len } => write!(
                f,
                "the data of cluster {cluster} end at byte {end}, and the file at {len}"
            ),
            Self::CrossLinked {
                at,
                clusters: (a, b),
            } => {
                write!(f, "clusters {a} and {b} both have their data at byte {at}")
            }
        }
    }
}

impl core::error::Error for Problem {}

/// Why an overlay cannot be opened.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The host's file cannot be used.
    Store(StoreError),
    /// The file cannot be used. [`Overlay::verify`](super::Overlay::verify) lists all problems.
    Damaged(Problem),
    /// The overlay belongs to another base.
    WrongBase {
        /// Identity and size in bytes of the base that it was made on.
        expected: (BaseId, u64),
        /// Those of the base that was given.
        found: (BaseId, u64),
    },
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Problem> for OpenError {
    fn from(problem: Problem) -> Self {
        Self::Damaged(problem)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => write!(f, "the overlay cannot be read: {error}"),
            Self::Damaged(problem) => write!(f, "the overlay cannot be used: {problem}"),
            Self::WrongBase { expected, found } => write!(
                f,
                "the overlay was made on another base: on {} of {} bytes, not on {} of {} bytes",
                expected.0, expected.1, found.0, found.1
            ),
        }
    }
}

impl core::error::Error for OpenError {}

/// Why an overlay cannot be created.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CreateError {
    /// The host's file cannot be used.
    Store(StoreError),
    /// No overlay has these sizes.
    Options(String),
}

impl From<StoreError> for CreateError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => write!(f, "the overlay cannot be created: {error}"),
            Self::Options(reason) => write!(f, "the overlay cannot be created: {reason}"),
        }
    }
}

impl core::error::Error for CreateError {}
