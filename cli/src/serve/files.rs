//! Files of the folder that is served: found without leaving it, with a type and a tag.

use std::io::{self, Read};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, Metadata};
use std::path::Path;
use std::time::UNIX_EPOCH;

use crate::image::digest::Sha256;

/// Files up to this size are held in memory for an answer, and tagged by what is in them.
pub const SMALL: u64 = 4 << 20;

/// The folder. What is opened through it lies in it, whatever links say.
pub struct Folder(Dir);

/// What a path leads to.
pub enum Found {
    /// A small file: its bytes.
    Small(Vec<u8>),
    /// A large file: its size, and a tag by size and time of the last change.
    Large(File, u64, String),
    /// A folder, whose path wants a `/` at its end.
    Folder,
    /// Nothing that is served.
    Nothing,
}

impl Folder {
    /// Opens a folder.
    ///
    /// # Errors
    /// If it is not there.
    pub fn open(path: &Path) -> io::Result<Self> {
        Dir::open_ambient_dir(path, ambient_authority()).map(Self)
    }

    /// Opens what is at a path that [`super::path::resolve`] gave.
    pub fn find(&self, path: &str) -> Found {
        self.look(path).unwrap_or(Found::Nothing)
    }

    fn look(&self, path: &str) -> io::Result<Found> {
        // A pipe would be waited for.
        let there = self.0.metadata(path)?;
        if there.is_dir() {
            return Ok(Found::Folder);
        }
        if !there.is_file() {
            return Ok(Found::Nothing);
        }
        let mut file = self.0.open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(Found::Nothing);
        }
        if metadata.len() > SMALL {
            let tag = tag_by_time(&metadata);
            return Ok(Found::Large(file, metadata.len(), tag));
        }
        let mut bytes = Vec::new();
        // One that grows meanwhile is taken as far as it was.
        (&mut file).take(metadata.len()).read_to_end(&mut bytes)?;
        Ok(Found::Small(bytes))
    }
}

/// The tag of these bytes (RFC 9110, 8.8.3).
pub fn tag(bytes: &[u8]) -> String {
    format!("\"{}\"", Sha256::of(bytes).short())
}

fn tag_by_time(metadata: &Metadata) -> String {
    let time = metadata.modified().map(cap_std::time::SystemTime::into_std);
    let since = time
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let nanos = since.map_or(0, |since| since.as_nanos());
    format!("\"{:x}-{nanos:x}\"", metadata.len())
}

/// The type of a file, and whether it is text that packing makes much smaller.
pub fn kind(path: &str) -> (&'static str, bool) {
    let name = path.rsplit('/').next().unwrap_or(path);
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    KINDS
        .iter()
        .find(|(ends, ..)| ends.iter().any(|known| known.eq_ignore_ascii_case(end)))
        .map_or(("application/octet-stream", false), |(_, kind, text)| {
            (*kind, *text)
        })
}

/// By the end of the name. A `.gz` is not among them: it goes out as it is, for its hash to be
/// that of what arrives.
const KINDS: [(&[&str], &str, bool); 13] = [
    (&["html", "htm"], "text/html; charset=utf-8", true),
    (&["js", "mjs"], "text/javascript; charset=utf-8", true),
    (&["wasm"], "application/wasm", true),
    (&["json", "map"], "application/json", true),
    (&["css"], "text/css; charset=utf-8", true),
    (&["txt", "ts"], "text/plain; charset=utf-8", true),
    (&["md"], "text/markdown; charset=utf-8", true),
    (&["svg"], "image/svg+xml", true),
    (&["png"], "image/png", false),
    (&["jpg", "jpeg"], "image/jpeg", false),
    (&["ico"], "image/x-icon", false),
    (&["webp"], "image/webp", false),
    (&["woff2"], "font/woff2", false),
];
