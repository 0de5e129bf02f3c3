//! What can be wrong with a manifest, and with a chunk.

use alloc::string::String;
use core::fmt;

use super::{MAX_CHUNK, MAX_CHUNKS, MAX_FOLDER, MAX_SIZE, MIN_CHUNK};

/// Why a text is not a manifest: the line and what is wrong with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ManifestError {
    /// Number of the line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: ManifestProblem,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the manifest: {}", self.line, self.what)
    }
}

impl core::error::Error for ManifestError {}

/// One thing that no manifest says.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ManifestProblem {
    /// The first line is not that of a manifest.
    NotAManifest,
    /// Written by another version of this program.
    Version(String),
    /// The text ends before the image does, or within a line.
    CutOff {
        /// The chunks that it names.
        found: u32,
        /// Those that the image has.
        expected: u32,
    },
    /// The text ends within its last line.
    NoLineEnd,
    /// A line is not the one that belongs here.
    Expected(&'static str),
    /// The image has no bytes, or is not a whole number of sectors, or is too large.
    Size(u64),
    /// No chunk has this size.
    ChunkSize(u64),
    /// The image has more chunks than a manifest may name.
    TooManyChunks {
        /// Those that it has.
        found: u64,
        /// The least size of a chunk that will do, where there is one.
        remedy: Option<u32>,
    },
    /// The folder of the chunks has a name that it may not have.
    Folder,
    /// A run of zero chunks follows another one, or has no chunks.
    ZeroRun,
    /// More chunks are named than the image has.
    Beyond {
        /// Those that it has.
        expected: u32,
    },
}

impl fmt::Display for ManifestProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAManifest => f.write_str(
                "a manifest begins with `virtarium-chunks 1`; this is something else",
            ),
            Self::Version(found) => write!(
                f,
                "version {found:?} of the format; this program reads version {}",
                super::VERSION
            ),
            Self::CutOff { found, expected } => write!(
                f,
                "the text ends after {found} of {expected} chunks: it is cut off"
            ),
            Self::NoLineEnd => f.write_str("the line has no end: the text is cut off"),
            Self::Expected(what) => write!(f, "expected {what}"),
            Self::Size(found) => write!(
                f,
                "an image of {found} bytes; it has 512 to {MAX_SIZE}, a multiple of 512"
            ),
            Self::ChunkSize(found) => write!(
                f,
                "chunks of {found} bytes; a power of two from {MIN_CHUNK} to {MAX_CHUNK}"
            ),
            Self::TooManyChunks { found, remedy } => {
                write!(f, "{found} chunks are more than {MAX_CHUNKS}")?;
                match remedy {
                    Some(size) => write!(f, "; chunks of {size} bytes would do"),
                    None => f.write_str("; the image is too large"),
                }
            }
            Self::Folder => write!(
                f,
                "the folder of the chunks is relative and ends with `/`: `../` at the beginning, \
                 then names of letters, digits, `-`, `_` and `.`, at most {MAX_FOLDER} bytes"
            ),
            Self::ZeroRun => f.write_str(
                "a run of zero chunks has at least one of them, and the next line is not another run",
            ),
            Self::Beyond { expected } => {
                write!(f, "the image has {expected} chunks, and here is one more")
            }
        }
    }
}

impl core::error::Error for ManifestProblem {}

/// Why bytes are not the chunk that they should be.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ChunkError {
    /// The image has no such chunk, or it is zero and never fetched.
    NoSuchChunk {
        /// The number that was given.
        index: u32,
    },
    /// What came is no gzip file, or a damaged one.
    Encoding {
        /// Number of the chunk.
        index: u32,
        /// What is wrong.
        reason: &'static str,
    },
    /// The chunk has another length.
    Length {
        /// Number of the chunk.
        index: u32,
        /// Number of bytes that came, or a number that is too large.
        found: u64,
        /// What it should be.
        expected: u32,
    },
    /// The chunk's bytes have another SHA-256 than the manifest says.
    Hash {
        /// Number of the chunk.
        index: u32,
    },
}

impl fmt::Display for ChunkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchChunk { index } => write!(f, "chunk {index} is not one to be fetched"),
            Self::Encoding { index, reason } => write!(f, "chunk {index} is damaged: {reason}"),
            Self::Length {
                index,
                found,
                expected,
            } => write!(
                f,
                "chunk {index} is damaged: {found} bytes in place of {expected}"
            ),
            Self::Hash { index } => write!(
                f,
                "chunk {index} is damaged: its bytes are not those that the manifest names"
            ),
        }
    }
}

impl core::error::Error for ChunkError {}
