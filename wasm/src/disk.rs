//! A disk: an image that is fetched in pieces, and what the guest wrote over it.

use virtarium_backends::disk::chunks::{
    DEFAULT_CHUNK, Encoding, ManifestProblem, ManifestWriter, decode,
};
use virtarium_backends::disk::overlay::{CreateError, OpenError};
use virtarium_backends::disk::{BaseId, Manifest, OverlayOptions, StoreError, Streamed};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::error::error;
use crate::store::{Place, Refusal, Storage};

/// An image that is only read: what there is to know of it before any of it is there.
#[wasm_bindgen]
pub struct Base(Manifest);

#[wasm_bindgen]
impl Base {
    /// The image that a manifest describes (docs/image-format.md).
    ///
    /// # Errors
    /// `bad-image`, with the line.
    pub fn manifest(text: &[u8]) -> Result<Base, JsValue> {
        let manifest = Manifest::parse(text);
        let manifest = manifest.map_err(|problem| error("bad-image", &problem.to_string()))?;
        Ok(Self(manifest))
    }

    /// An image of `size` bytes on a server that hands out ranges of it; nothing says what is in
    /// it but `identity`: SHA-256, in hexadecimal, of whatever names this version of it.
    ///
    /// # Errors
    /// `bad-image` for sizes that cannot be.
    pub fn unverified(size: f64, chunk: u32, identity: &str) -> Result<Base, JsValue> {
        let id = from_hex(identity)
            .ok_or_else(|| error("bad-image", "an identity has 64 hexadecimal digits"))?;
        let manifest = Manifest::unverified(size as u64, chunk, BaseId(id));
        let manifest = manifest.map_err(|problem| error("bad-image", &problem.to_string()))?;
        Ok(Self(manifest))
    }

    /// An image of `size` bytes that are all zero, of which nothing is ever fetched. It has a
    /// manifest like any other, so that a disk over it opens in the terminal as well.
    ///
    /// # Errors
    /// `bad-image` for sizes that cannot be.
    pub fn zeros(size: f64) -> Result<Base, JsValue> {
        let manifest = zeros(size as u64);
        let manifest = manifest.map_err(|problem| error("bad-image", &problem.to_string()))?;
        Ok(Self(manifest))
    }

    /// Bytes of the image.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn size(&self) -> f64 {
        self.0.size() as f64
    }

    /// Bytes of a chunk.
    #[wasm_bindgen(getter, js_name = chunkSize)]
    #[must_use]
    pub fn chunk_size(&self) -> u32 {
        self.0.chunk_size()
    }
}

fn zeros(size: u64) -> Result<Manifest, ManifestProblem> {
    let mut writer = ManifestWriter::new(size, DEFAULT_CHUNK, Encoding::None)?;
    let chunks = size.div_ceil(u64::from(DEFAULT_CHUNK));
    writer.push_zeros(u32::try_from(chunks).unwrap_or(u32::MAX))?;
    Ok(writer.finish()?.0)
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    // A sign would pass for a digit.
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// A disk that can be plugged into a machine.
#[wasm_bindgen]
pub struct Disk(pub(crate) Streamed<Place>);

#[wasm_bindgen]
impl Disk {
    /// Opens the disk in `storage` over `base`, or makes one where there is nothing. At most
    /// `cache` bytes of the base are kept in memory.
    ///
    /// # Errors
    /// `overlay-base` if it was made over another image, `bad-image` if it is damaged, `quota` if
    /// there is no room, and `storage` where the host refuses, in its words.
    pub fn open(storage: Storage, base: Base, cache: u32) -> Result<Disk, JsValue> {
        let mut place = storage.0;
        let said = place.refusal();
        let manifest = base.0;
        let options = OverlayOptions::default();
        let cache = u64::from(cache);
        match Streamed::is_unfinished(&mut place, &manifest, &options) {
            Ok(true) => Streamed::create(place, manifest, &options, cache)
                .map_err(|problem| created(problem, &said)),
            Ok(false) => {
                Streamed::open(place, manifest, cache).map_err(|problem| opened(problem, &said))
            }
            Err(problem) => Err(created(problem, &said)),
        }
        .map(Self)
    }

    /// Bytes of the disk.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn size(&self) -> f64 {
        self.0.size() as f64
    }
}

impl Disk {
    pub(crate) fn place(&mut self) -> &mut Place {
        self.0.overlay_mut().store_mut()
    }

    /// Takes a chunk as it came from the server.
    pub(crate) fn arrived(&mut self, index: u32, encoded: &[u8]) -> Result<(), JsValue> {
        let bytes = decode(self.0.manifest(), index, encoded);
        let taken = bytes.and_then(|bytes| self.0.arrived(index, bytes));
        taken.map_err(|problem| error("integrity", &problem.to_string()))
    }
}

/// What the host said when it refused.
fn refusal(problem: StoreError, said: &Refusal) -> JsValue {
    let code = match problem {
        StoreError::NoSpace => "quota",
        _ => "storage",
    };
    match said.take() {
        Some(said) => error(code, &format!("{problem} ({said})")),
        None => error(code, &problem.to_string()),
    }
}

fn created(problem: CreateError, said: &Refusal) -> JsValue {
    match problem {
        CreateError::Store(problem) => refusal(problem, said),
        other => error("bad-machine", &other.to_string()),
    }
}

fn opened(problem: OpenError, said: &Refusal) -> JsValue {
    let text = problem.to_string();
    match problem {
        OpenError::Store(problem) => refusal(problem, said),
        OpenError::WrongBase { .. } => error("overlay-base", &text),
        _ => error("bad-image", &text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_without_an_image_have_a_manifest_of_zeros() {
        let manifest = zeros(100 << 20).unwrap();
        assert_eq!((manifest.size(), manifest.count()), (100 << 20, 400));
        assert!((0..400).all(|chunk| manifest.is_zero(chunk)));
        for wrong in [0, 511, u64::MAX] {
            assert!(zeros(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn identities_are_64_digits() {
        assert_eq!(from_hex(&"0f".repeat(32)), Some([15; 32]));
        for wrong in [
            "",
            "0f",
            &"0g".repeat(32),
            &"é".repeat(32),
            &"+f".repeat(32),
        ] {
            assert_eq!(from_hex(wrong), None, "{wrong}");
        }
    }
}
