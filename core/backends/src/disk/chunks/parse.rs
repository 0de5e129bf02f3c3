//! A manifest out of its text. Each manifest has one text, so that its hash says which it is.

use alloc::string::String;

use sha2::{Digest, Sha256};

use super::manifest::{Content, Shape};
use super::{
    DEFAULT_FOLDER, Encoding, MAGIC, MAX_FOLDER, Manifest, ManifestError, ManifestProblem, VERSION,
};
use crate::disk::BaseId;

impl Manifest {
    /// Reads a manifest. Takes memory and time in proportion to the text.
    ///
    /// # Errors
    /// The first line that is not as `docs/image-format.md` says, and why.
    pub fn parse(text: &[u8]) -> Result<Self, ManifestError> {
        let mut lines = Lines { text, line: 0 };
        let manifest = parse(text, &mut lines);
        manifest.map_err(|what| ManifestError {
            line: lines.line,
            what,
        })
    }
}

/// The lines of a text, counted.
struct Lines<'a> {
    text: &'a [u8],
    /// Number of the last line that was given, from 1.
    line: usize,
}

impl<'a> Lines<'a> {
    /// The next line without its end; `None` behind the last.
    fn next(&mut self) -> Result<Option<&'a [u8]>, ManifestProblem> {
        self.line += 1;
        if self.text.is_empty() {
            return Ok(None);
        }
        // The longest line is that of a folder; what is longer is none of ours, and not searched.
        let most = self.text.len().min(MAX_FOLDER + 8);
        let (head, _) = self.text.split_at(most);
        match head.iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                let (line, rest) = self.text.split_at(end);
                self.text = &rest[1..];
                Ok(Some(line))
            }
            None if most == self.text.len() => Err(ManifestProblem::NoLineEnd),
            None => Err(ManifestProblem::Expected("a shorter line")),
        }
    }

    /// The value of a line `KEY VALUE`.
    fn value(&mut self, key: &str, what: &'static str) -> Result<&'a [u8], ManifestProblem> {
        let line = self.next()?.unwrap_or_default();
        strip(line, key).ok_or(ManifestProblem::Expected(what))
    }
}

/// What follows a key and a space.
fn strip<'a>(line: &'a [u8], key: &str) -> Option<&'a [u8]> {
    line.strip_prefix(key.as_bytes())?.strip_prefix(b" ")
}

/// A decimal number without zeros before it.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || (digits.len() > 1 && digits[0] == b'0') {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// A hash as 64 lower-case hexadecimal digits.
fn hash(digits: &[u8]) -> Option<[u8; 32]> {
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    let mut bytes = [0; 32];
    if pairs.len() != bytes.len() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = hex(*high)? << 4 | hex(*low)?;
    }
    Some(bytes)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Whether the chunks may be in a folder of this name: one that means the same in a URL and in a
/// file system, and cannot lead to another host or to the root of one.
pub(super) fn is_folder(name: &str) -> bool {
    if name.len() > MAX_FOLDER {
        return false;
    }
    let Some(name) = name.strip_suffix('/') else {
        return false;
    };
    let mut names = name.split('/').skip_while(|name| *name == "..");
    names.all(|name| {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        !["", ".", ".."].contains(&name) && name.bytes().all(good)
    })
}

fn parse(text: &[u8], lines: &mut Lines<'_>) -> Result<Manifest, ManifestProblem> {
    const HASH: &str = "a chunk: 64 hexadecimal digits, or `- ` and a number of zero chunks";
    let first = lines.next().ok().flatten().unwrap_or_default();
    let version = first
        .strip_prefix(MAGIC)
        .ok_or(ManifestProblem::NotAManifest)?;
    if number(version) != Some(u64::from(VERSION)) {
        let version = String::from_utf8_lossy(version.get(..16).unwrap_or(version));
        return Err(ManifestProblem::Version(version.into_owned()));
    }
    let size = number(lines.value("size", "`size ` and the bytes of the image")?);
    let size = size.ok_or(ManifestProblem::Expected("a number of bytes"))?;
    if !size.is_multiple_of(512) || size == 0 || size > super::MAX_SIZE {
        return Err(ManifestProblem::Size(size));
    }
    let chunk = number(lines.value("chunk", "`chunk ` and the bytes of a chunk")?);
    let chunk = chunk.ok_or(ManifestProblem::Expected("a number of bytes"))?;
    let small = u32::try_from(chunk).map_err(|_| ManifestProblem::ChunkSize(chunk))?;
    let shape = Shape::new(size, small)?;
    let encoding = match lines.value("encoding", "`encoding gzip` or `encoding none`")? {
        b"gzip" => Encoding::Gzip,
        b"none" => Encoding::None,
        _ => return Err(ManifestProblem::Expected("gzip or none")),
    };
    let mut line = lines.next()?;
    let mut folder = DEFAULT_FOLDER;
    if let Some(name) = line.and_then(|line| strip(line, "at")) {
        folder = core::str::from_utf8(name).map_err(|_| ManifestProblem::Folder)?;
        // The default has no line, so that no two texts say the same.
        if !is_folder(folder) || folder == DEFAULT_FOLDER {
            return Err(ManifestProblem::Folder);
        }
        line = lines.next()?;
    }
    let mut content = Content::default();
    let expected = shape.count;
    let mut found = 0;
    while let Some(chunk) = line {
        if found == expected {
            return Err(ManifestProblem::Beyond { expected });
        }
        if let Some(count) = chunk.strip_prefix(b"- ") {
            let count = number(count).ok_or(ManifestProblem::Expected(HASH))?;
            if count == 0 || content.ends_with_zeros() {
                return Err(ManifestProblem::ZeroRun);
            }
            if count > u64::from(expected - found) {
                return Err(ManifestProblem::Beyond { expected });
            }
            content.push_zeros(count as u32);
            found += count as u32;
        } else {
            let hash = hash(chunk).ok_or(ManifestProblem::Expected(HASH))?;
            content.hashes.push(hash);
            found += 1;
        }
        line = lines.next()?;
    }
    if found != expected {
        return Err(ManifestProblem::CutOff { found, expected });
    }
    Ok(Manifest {
        shape,
        id: BaseId(Sha256::digest(text).into()),
        encoding,
        folder: folder.into(),
        content: Some(content),
    })
}
