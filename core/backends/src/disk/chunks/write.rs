//! A manifest as text.

use alloc::format;
use alloc::string::String;

use sha2::{Digest, Sha256};

use super::manifest::{Content, Shape};
use super::parse::is_folder;
use super::{DEFAULT_FOLDER, Encoding, Manifest, ManifestProblem, VERSION};
use crate::disk::BaseId;

/// Makes a manifest, chunk by chunk.
///
/// ```
/// use virtarium_backends::disk::chunks::{Encoding, Manifest, ManifestWriter};
///
/// let mut writer = ManifestWriter::new(300_032, 131_072, Encoding::Gzip)?;
/// writer.push_zeros(1)?;
/// writer.push(&[7; 131_072])?;
/// writer.push(&[0; 37_888])?;
/// let (manifest, text) = writer.finish()?;
/// assert!(manifest.is_zero(0) && manifest.is_zero(2));
/// assert_eq!(Manifest::parse(text.as_bytes()), Ok(manifest));
/// # Ok::<(), virtarium_backends::disk::chunks::ManifestProblem>(())
/// ```
#[derive(Clone, Debug)]
pub struct ManifestWriter {
    shape: Shape,
    encoding: Encoding,
    folder: String,
    content: Content,
}

impl ManifestWriter {
    /// Begins the manifest of an image of `size` bytes, a multiple of 512.
    ///
    /// # Errors
    /// Sizes that cannot be.
    pub fn new(size: u64, chunk_size: u32, encoding: Encoding) -> Result<Self, ManifestProblem> {
        if !size.is_multiple_of(512) {
            return Err(ManifestProblem::Size(size));
        }
        Ok(Self {
            shape: Shape::new(size, chunk_size)?,
            encoding,
            folder: DEFAULT_FOLDER.into(),
            content: Content::default(),
        })
    }

    /// Has the chunks in another folder than `chunks/`.
    ///
    /// # Errors
    /// A name that a folder may not have.
    pub fn at(mut self, folder: &str) -> Result<Self, ManifestProblem> {
        if !is_folder(folder) {
            return Err(ManifestProblem::Folder);
        }
        self.folder = folder.into();
        Ok(self)
    }

    /// The next chunk has these bytes. Gives its hash if it is not zero.
    ///
    /// # Errors
    /// Another number of bytes than the chunk has, or a chunk beyond the last.
    pub fn push(&mut self, raw: &[u8]) -> Result<Option<[u8; 32]>, ManifestProblem> {
        if raw.iter().all(|byte| *byte == 0) {
            self.push_zeros(1)?;
            return Ok(None);
        }
        let hash = Sha256::digest(raw).into();
        self.push_hash(hash)?;
        Ok(Some(hash))
    }

    /// The next chunk has bytes with this hash.
    ///
    /// # Errors
    /// A chunk beyond the last.
    pub fn push_hash(&mut self, hash: [u8; 32]) -> Result<(), ManifestProblem> {
        self.room(1)?;
        self.content.hashes.push(hash);
        Ok(())
    }

    /// The next chunks are zero.
    ///
    /// # Errors
    /// Chunks beyond the last.
    pub fn push_zeros(&mut self, count: u32) -> Result<(), ManifestProblem> {
        self.room(count)?;
        if count > 0 {
            self.content.push_zeros(count);
        }
        Ok(())
    }

    fn room(&self, count: u32) -> Result<(), ManifestProblem> {
        let expected = self.shape.count;
        if expected - self.content.count() < count {
            return Err(ManifestProblem::Beyond { expected });
        }
        Ok(())
    }

    /// The manifest and its text.
    ///
    /// # Errors
    /// Chunks that are missing.
    pub fn finish(self) -> Result<(Manifest, String), ManifestProblem> {
        let (found, expected) = (self.content.count(), self.shape.count);
        if found != expected {
            return Err(ManifestProblem::CutOff { found, expected });
        }
        let mut manifest = Manifest {
            shape: self.shape,
            id: BaseId::default(),
            encoding: self.encoding,
            folder: self.folder,
            content: Some(self.content),
        };
        let text = manifest.to_text();
        manifest.id = BaseId(Sha256::digest(&text).into());
        Ok((manifest, text))
    }
}

impl Manifest {
    /// The text that [`Manifest::parse`] reads; there is no other text of the same manifest. Of one
    /// without hashes, the head alone.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "virtarium-chunks {VERSION}\nsize {}\nchunk {}\nencoding {}\n",
            self.size(),
            self.chunk_size(),
            self.encoding.name()
        );
        if self.folder != DEFAULT_FOLDER {
            text.push_str(&format!("at {}\n", self.folder));
        }
        let Some(content) = &self.content else {
            return text;
        };
        text.reserve(content.hashes.len() * 65 + content.zeros.len() * 10);
        let mut runs = content.zeros.iter().peekable();
        let mut index = 0;
        let mut zeros = |index: &mut u32, text: &mut String| {
            if let Some(run) = runs.next_if(|run| run.first == *index) {
                text.push_str(&format!("- {}\n", run.len));
                *index += run.len;
            }
        };
        for hash in &content.hashes {
            zeros(&mut index, &mut text);
            text.push_str(&hex(hash));
            text.push('\n');
            index += 1;
        }
        zeros(&mut index, &mut text);
        text
    }
}

fn hex(hash: &[u8; 32]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = hash.iter().flat_map(|byte| {
        let digit = |value: u8| char::from(DIGITS[usize::from(value & 15)]);
        [digit(byte >> 4), digit(*byte)]
    });
    digits.collect()
}
