//! An image that comes in pieces, each named by the hash of its bytes.
//!
//! `docs/image-format.md` gives the text of a manifest and the reasons. In short: an image is cut
//! into chunks of the same size; its [`Manifest`] lists their SHA-256, and leaves out those that
//! are zero; [`decode`] takes a chunk out of the file that it came in; a [`ChunkBase`] keeps those
//! that are verified, as many as there is memory for. Who fetches them, and from where, is the
//! embedder's business.

mod base;
mod decode;
mod manifest;
mod parse;
mod problem;
mod write;

pub use base::ChunkBase;
pub use decode::decode;
pub use manifest::{Encoding, Manifest};
pub use problem::{ChunkError, ManifestError, ManifestProblem};
pub use write::ManifestWriter;

/// Version of the format that is written, and the only one that is read.
pub const VERSION: u32 = 1;
/// The first bytes of every manifest, of whatever version.
pub const MAGIC: &[u8] = b"virtarium-chunks ";
/// The least size of a chunk in bytes.
pub const MIN_CHUNK: u32 = 128 << 10;
/// The greatest size of a chunk in bytes.
pub const MAX_CHUNK: u32 = 4 << 20;
/// The size of a chunk in bytes where nobody says another.
pub const DEFAULT_CHUNK: u32 = 256 << 10;
/// The most chunks that an image may have.
pub const MAX_CHUNKS: u32 = 1 << 22;
/// The greatest size of an image in bytes.
pub const MAX_SIZE: u64 = MAX_CHUNK as u64 * MAX_CHUNKS as u64;
/// The longest name of the folder of the chunks, in bytes.
pub const MAX_FOLDER: usize = 255;
/// The longest text of a manifest in bytes: a line for each chunk, and the head.
pub const MAX_TEXT: u64 = 65 * MAX_CHUNKS as u64 + 1024;
/// The folder of the chunks where a manifest names none, relative to it.
pub const DEFAULT_FOLDER: &str = "chunks/";
