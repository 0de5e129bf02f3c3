//! An image that is only read: what is under an overlay.

use std::io;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use virtarium_backends::disk::{Base, BaseId, StoreError};

use super::chunked::{ChunkedImage, is_manifest};
use super::file::RawFile;
use super::overlay::done;
use super::{Disk, ImageFormat};

/// Bytes that are hashed, or found to be zero, at once.
const PIECE: u64 = 64 * 1024;

/// The image, in one file or in many.
pub enum Image {
    /// A raw file, and the hash of its content.
    Raw(RawFile, BaseId),
    /// A manifest and its chunks.
    Chunks(Box<ChunkedImage>),
}

/// Whether an image is a manifest. A guest can write the first bytes of one to its own raw disk, so
/// that these alone are not believed (hostile inputs, V19): the name of the file must agree, which is
/// the host's.
pub fn is_in_chunks(path: &Path, format: ImageFormat) -> bool {
    match format {
        ImageFormat::Raw => false,
        ImageFormat::Chunks => true,
        ImageFormat::Found => path.extension().is_some_and(|end| end == "txt") && is_manifest(path),
    }
}

impl Image {
    /// Opens an image, and says which it is: a raw one is read for that.
    pub fn open(path: &Path, format: ImageFormat) -> Result<Self> {
        let named = || format!("disk {}", path.display());
        if is_in_chunks(path, format) {
            let image = ChunkedImage::open(path).with_context(named)?;
            return Ok(Self::Chunks(Box::new(image)));
        }
        let mut file = RawFile::open(path, true, format == ImageFormat::Raw)?;
        let id = identity(&mut file).with_context(named)?;
        Ok(Self::Raw(file, id))
    }

    /// The first byte from `at` on that may be other than zero; `None` if only zeroes are left.
    pub fn next_data(&self, at: u64) -> io::Result<Option<u64>> {
        match self {
            Self::Raw(file, _) => file.next_data(at),
            Self::Chunks(image) => Ok(image.next_data(at)),
        }
    }

    /// Why it could not be read the last time, where more is known than that.
    pub fn trouble(&mut self) -> Option<String> {
        match self {
            Self::Raw(..) => None,
            Self::Chunks(image) => image.trouble(),
        }
    }
}

impl Base for Image {
    fn id(&self) -> BaseId {
        match self {
            Self::Raw(_, id) => *id,
            Self::Chunks(image) => image.id(),
        }
    }

    fn size(&self) -> u64 {
        match self {
            Self::Raw(file, _) => file.size(),
            Self::Chunks(image) => Base::size(image.as_ref()),
        }
    }

    fn read(&mut self, at: u64, buf: &mut [u8]) -> Result<(), StoreError> {
        match self {
            Self::Raw(file, _) => done(file.read(at, buf)),
            Self::Chunks(image) => Base::read(image.as_mut(), at, buf),
        }
    }
}

/// The hash of an image's content: SHA-256 over its length and, for each piece of 64 KiB that is
/// not all zero, its offset and its bytes. Holes are zeroes, and cost no reading.
fn identity(file: &mut RawFile) -> io::Result<BaseId> {
    let size = file.size();
    let mut hash = Sha256::new();
    hash.update(size.to_le_bytes());
    let mut bytes = vec![0; PIECE as usize];
    let mut at = 0;
    while at < size {
        let Some(data) = file.next_data(at)? else {
            break;
        };
        at = data - data % PIECE;
        let len = PIECE.min(size - at);
        let piece = &mut bytes[..len as usize];
        file.read(at, piece)?;
        if piece.iter().any(|byte| *byte != 0) {
            hash.update(at.to_le_bytes());
            hash.update(&*piece);
        }
        at += len;
    }
    Ok(BaseId(hash.finalize().into()))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use virtarium_backends::disk::chunks::{Encoding, ManifestWriter};

    use super::super::file::write_at;
    use super::*;

    // Hostile inputs, V19.
    #[test]
    fn raw_disk_that_a_guest_turns_into_a_manifest_is_not_taken_for_one() {
        let dir = tempfile::tempdir().unwrap();
        let (raw, named) = (dir.path().join("disk.img"), dir.path().join("manifest.txt"));
        // All that a guest could write: a sound manifest, as long as a disk.
        let mut writer = ManifestWriter::new(1 << 20, 1 << 17, Encoding::None).unwrap();
        writer = writer.at("../../chunks/").unwrap();
        let mut text = String::new();
        for index in 0..8 {
            writer.push_hash([index; 32]).unwrap();
            text = match writer.clone().finish() {
                Ok((_, text)) => text,
                Err(_) => text,
            };
        }
        let mut bytes = text.into_bytes();
        std::fs::write(&named, &bytes).unwrap();
        bytes.resize(1024, b'\n');
        std::fs::write(&raw, &bytes).unwrap();
        let open = |path: &Path, format| Image::open(path, format).map_err(|e| format!("{e:#}"));
        let refused = open(&raw, ImageFormat::Found).map(drop).unwrap_err();
        assert!(refused.contains("format=chunks"), "{refused}");
        assert!(refused.contains("format=raw"), "{refused}");
        assert!(matches!(open(&raw, ImageFormat::Raw), Ok(Image::Raw(..))));
        // The host's names say otherwise.
        assert!(matches!(
            open(&named, ImageFormat::Found),
            Ok(Image::Chunks(_))
        ));
        std::fs::copy(&named, dir.path().join("m")).unwrap();
        let other = dir.path().join("m");
        assert!(matches!(
            open(&other, ImageFormat::Chunks),
            Ok(Image::Chunks(_))
        ));
        // A raw disk may be called anything.
        std::fs::write(&named, [7; 1024]).unwrap();
        assert!(matches!(
            open(&named, ImageFormat::Found),
            Ok(Image::Raw(..))
        ));
    }

    #[test]
    fn identity_is_that_of_the_content_and_not_of_its_holes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        let id = || identity(&mut RawFile::open(&path, true, false).unwrap()).unwrap();
        let mut bytes = vec![0; 1 << 20];
        bytes[500_000] = 1;
        std::fs::write(&path, &bytes).unwrap();
        let full = id();
        let file = File::create(&path).unwrap();
        file.set_len(1 << 20).unwrap();
        let mut file = file;
        write_at(&mut file, 500_000, &[1]).unwrap();
        assert_eq!(id(), full);
        file.set_len(2 << 20).unwrap();
        assert_ne!(id(), full);
    }
}
