//! What a manifest says.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use super::{ChunkError, MAX_CHUNK, MAX_CHUNKS, MAX_SIZE, MIN_CHUNK, ManifestProblem};
use crate::disk::BaseId;

/// How a chunk's bytes stand in its file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Encoding {
    /// As they are.
    None,
    /// As the one member of a gzip file (RFC 1952).
    #[default]
    Gzip,
}

impl Encoding {
    /// Its name in a manifest.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
        }
    }

    /// What the name of a chunk's file ends with.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
        }
    }

    /// Where a chunk with this hash is, seen from the folder of the chunks.
    #[must_use]
    pub fn path_of(self, hash: &[u8; 32]) -> String {
        let name = BaseId(*hash);
        format!("{:02x}/{name}{}", hash[0], self.suffix())
    }
}

/// Chunks without bytes of their own, one behind the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ZeroRun {
    /// The first of them.
    pub first: u32,
    /// How many.
    pub len: u32,
    /// How many zero chunks come before the first.
    pub before: u32,
}

/// What an image is made of. Takes memory in proportion to its text, whatever the image's size.
///
/// ```
/// use virtarium_backends::disk::chunks::Manifest;
///
/// let text = b"virtarium-chunks 1\nsize 262656\nchunk 131072\nencoding gzip\n- 2\n\
///     076a27c79e5ace2a3d47f9dd2e83e4ff6ea8872b3c2218f66c92b89b55f36560\n";
/// let manifest = Manifest::parse(text)?;
/// assert_eq!((manifest.count(), manifest.len_of(2)), (3, 512));
/// assert!(manifest.is_zero(1) && !manifest.is_zero(2));
/// assert_eq!(
///     manifest.path_of(2),
///     "chunks/07/076a27c79e5ace2a3d47f9dd2e83e4ff6ea8872b3c2218f66c92b89b55f36560.gz"
/// );
/// # Ok::<(), virtarium_backends::disk::chunks::ManifestError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manifest {
    pub(super) shape: Shape,
    pub(super) id: BaseId,
    pub(super) encoding: Encoding,
    pub(super) folder: String,
    /// `None` where nobody says what the chunks' bytes are.
    pub(super) content: Option<Content>,
}

/// Size of an image and of its chunks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shape {
    pub size: u64,
    pub chunk: u32,
    pub count: u32,
}

impl Shape {
    pub fn new(size: u64, chunk: u32) -> Result<Self, ManifestProblem> {
        if !chunk.is_power_of_two() || !(MIN_CHUNK..=MAX_CHUNK).contains(&chunk) {
            return Err(ManifestProblem::ChunkSize(u64::from(chunk)));
        }
        if size == 0 || size > MAX_SIZE {
            return Err(ManifestProblem::Size(size));
        }
        let found = size.div_ceil(u64::from(chunk));
        let count = u32::try_from(found)
            .ok()
            .filter(|count| *count <= MAX_CHUNKS)
            .ok_or_else(|| ManifestProblem::TooManyChunks {
                found,
                remedy: remedy(size),
            })?;
        Ok(Self { size, chunk, count })
    }
}

/// The least size of a chunk with which the image does not have too many.
fn remedy(size: u64) -> Option<u32> {
    let chunk = size.div_ceil(u64::from(MAX_CHUNKS)).next_power_of_two();
    u32::try_from(chunk)
        .ok()
        .filter(|chunk| *chunk <= MAX_CHUNK)
}

/// The chunks of an image in their order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Content {
    /// Ascending, with other chunks between any two.
    pub zeros: Vec<ZeroRun>,
    /// Those of the chunks that are not in `zeros`.
    pub hashes: Vec<[u8; 32]>,
}

impl Content {
    /// Number of chunks so far.
    pub fn count(&self) -> u32 {
        self.hashes.len() as u32 + self.zero_count()
    }

    fn zero_count(&self) -> u32 {
        self.zeros.last().map_or(0, |run| run.before + run.len)
    }

    /// Whether the last chunk so far is zero.
    pub fn ends_with_zeros(&self) -> bool {
        let last = self.zeros.last();
        last.is_some_and(|run| run.first + run.len == self.count())
    }

    /// Appends zero chunks; `len` is not 0, and the sum stays below 2^32.
    pub fn push_zeros(&mut self, len: u32) {
        if self.ends_with_zeros()
            && let Some(run) = self.zeros.last_mut()
        {
            run.len += len;
            return;
        }
        let (first, before) = (self.count(), self.zero_count());
        self.zeros.push(ZeroRun { first, len, before });
    }

    /// What the manifest says of a chunk; `None` beyond the last.
    fn get(&self, index: u32) -> Option<Chunk> {
        let next = self.zeros.partition_point(|run| run.first <= index);
        let run = next.checked_sub(1).and_then(|last| self.zeros.get(last));
        let skipped = match run {
            Some(run) if index - run.first < run.len => return Some(Chunk::Zero),
            Some(run) => run.before + run.len,
            None => 0,
        };
        let hash = self.hashes.get((index - skipped) as usize)?;
        Some(Chunk::Hash(*hash))
    }
}

enum Chunk {
    Zero,
    Hash([u8; 32]),
}

impl Manifest {
    /// The chunks of an image of which nothing but its size is known, for a server that gives
    /// ranges of one file. What comes is taken for right if its length is. `size` need not be a
    /// multiple of 512; `id` is the identity of the image for overlays: whoever makes it up sees to
    /// it that another content has another one.
    ///
    /// # Errors
    /// A size of 0 or above [`MAX_SIZE`], a chunk size that is none, too many chunks.
    pub fn unverified(size: u64, chunk_size: u32, id: BaseId) -> Result<Self, ManifestProblem> {
        Ok(Self {
            shape: Shape::new(size, chunk_size)?,
            id,
            encoding: Encoding::None,
            folder: String::new(),
            content: None,
        })
    }

    /// Size of the image in bytes, not 0.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.shape.size
    }

    /// Size of a chunk in bytes, a power of two; the last one may be shorter.
    #[must_use]
    pub fn chunk_size(&self) -> u32 {
        self.shape.chunk
    }

    /// Number of chunks, those that are zero included.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.shape.count
    }

    /// The identity of the image: SHA-256 of the manifest's text.
    #[must_use]
    pub fn id(&self) -> BaseId {
        self.id
    }

    /// How the chunks stand in their files.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The folder of the chunks, relative to the manifest, with `/` at its end.
    #[must_use]
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// Whether hashes are known: false for [`Manifest::unverified`].
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.content.is_some()
    }

    /// SHA-256 of a chunk's bytes; `None` if it is zero, beyond the end, or not known.
    #[must_use]
    pub fn hash(&self, index: u32) -> Option<[u8; 32]> {
        match self.content.as_ref()?.get(index)? {
            Chunk::Zero => None,
            Chunk::Hash(hash) => Some(hash),
        }
    }

    /// Whether a chunk is known to be zero, so that it has no file.
    #[must_use]
    pub fn is_zero(&self, index: u32) -> bool {
        let chunk = self.content.as_ref().and_then(|all| all.get(index));
        matches!(chunk, Some(Chunk::Zero))
    }

    /// Number of bytes of a chunk; 0 beyond the last.
    #[must_use]
    pub fn len_of(&self, index: u32) -> u32 {
        let rest = self.size().saturating_sub(self.offset_of(index));
        rest.min(u64::from(self.shape.chunk)) as u32
    }

    /// The first byte of the image that is in a chunk.
    #[must_use]
    pub fn offset_of(&self, index: u32) -> u64 {
        u64::from(index) * u64::from(self.shape.chunk)
    }

    /// The chunk that has a byte of the image, which lies before its end.
    #[must_use]
    pub fn chunk_at(&self, byte: u64) -> u32 {
        // At most 2^22 chunks.
        (byte / u64::from(self.shape.chunk)) as u32
    }

    /// Where a chunk's file is, as a relative URL or path with `/`, seen from the manifest. Empty
    /// if it has none.
    #[must_use]
    pub fn path_of(&self, index: u32) -> String {
        match self.hash(index) {
            Some(hash) => format!("{}{}", self.folder, self.encoding.path_of(&hash)),
            None => String::new(),
        }
    }

    /// Whether these are the bytes of a chunk.
    ///
    /// # Errors
    /// What is wrong with them; or that no bytes of this chunk are to be had.
    pub fn check(&self, index: u32, raw: &[u8]) -> Result<(), ChunkError> {
        if index >= self.count() || self.is_zero(index) {
            return Err(ChunkError::NoSuchChunk { index });
        }
        let expected = self.len_of(index);
        if raw.len() as u64 != u64::from(expected) {
            return Err(ChunkError::Length {
                index,
                found: raw.len() as u64,
                expected,
            });
        }
        match self.hash(index) {
            Some(hash) if hash != <[u8; 32]>::from(Sha256::digest(raw)) => {
                Err(ChunkError::Hash { index })
            }
            _ => Ok(()),
        }
    }
}
