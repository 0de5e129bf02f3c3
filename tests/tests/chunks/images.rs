//! Images for tests, and their manifests.

use virtarium_backends::disk::chunks::{Encoding, ManifestWriter};
use virtarium_backends::disk::{Manifest, MemBase};
use virtarium_tests::random::Rng;

pub const CHUNK: usize = 128 << 10;

/// An image of some chunks; those for which `zero` says so are zero, the others have random bytes.
pub struct Image {
    pub manifest: Manifest,
    pub bytes: Vec<u8>,
}

impl Image {
    pub fn new(size: usize, seed: u64, zero: impl Fn(u32) -> bool) -> Self {
        let mut rng = Rng::new(seed);
        let mut bytes = Vec::with_capacity(size);
        while bytes.len() < size {
            let len = CHUNK.min(size - bytes.len());
            let index = (bytes.len() / CHUNK) as u32;
            let mut word = || if zero(index) { 0 } else { rng.next() };
            let words = (0..len / 8).flat_map(|_| word().to_le_bytes());
            let chunk: Vec<u8> = words.collect();
            bytes.extend(chunk);
        }
        let mut writer = ManifestWriter::new(size as u64, CHUNK as u32, Encoding::Gzip)
            .expect("the size is possible");
        for chunk in bytes.chunks(CHUNK) {
            writer.push(chunk).expect("as many chunks as there are");
        }
        let (manifest, text) = writer.finish().expect("all chunks are there");
        assert_eq!(Manifest::parse(text.as_bytes()), Ok(manifest.clone()));
        Self { manifest, bytes }
    }

    pub fn chunk(&self, index: u32) -> Vec<u8> {
        let start = index as usize * CHUNK;
        self.bytes[start..self.bytes.len().min(start + CHUNK)].to_vec()
    }

    /// The same image, all of it in memory.
    pub fn base(&self) -> MemBase {
        MemBase {
            id: self.manifest.id(),
            bytes: self.bytes.clone(),
        }
    }
}
