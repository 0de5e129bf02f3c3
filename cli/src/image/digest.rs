//! SHA-256 as a value, and readers that compute it on the way.

use std::fmt;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

/// A SHA-256 digest; its text form is 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256(pub [u8; 32]);

impl Sha256 {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The digest of a file, read in pieces.
    ///
    /// # Errors
    /// Names the file.
    pub fn of_file(path: &Path) -> Result<Self> {
        let read = || -> io::Result<Self> {
            let mut hashing = Hashing::new(std::fs::File::open(path)?);
            io::copy(&mut hashing, &mut io::sink())?;
            Ok(hashing.finish().0)
        };
        read().with_context(|| format!("cannot read {}", path.display()))
    }

    /// The first 16 digits, for names of files that a person may look at.
    pub fn short(&self) -> String {
        self.to_string().chars().take(16).collect()
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Sha256> for String {
    fn from(value: Sha256) -> Self {
        value.to_string()
    }
}

impl TryFrom<String> for Sha256 {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl std::str::FromStr for Sha256 {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is not a SHA-256: 64 hexadecimal digits are");
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(bad());
        }
        let mut out = [0; 32];
        for (index, byte) in out.iter_mut().enumerate() {
            let digits = text.get(index * 2..index * 2 + 2).ok_or_else(bad)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| bad())?;
        }
        Ok(Self(out))
    }
}

/// A reader that hashes and counts what passes.
pub struct Hashing<R> {
    inner: R,
    hash: sha2::Sha256,
    length: u64,
}

impl<R: Read> Hashing<R> {
    /// Hashes everything that is read from `inner`.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            hash: sha2::Sha256::new(),
            length: 0,
        }
    }

    /// Digest and number of bytes read so far.
    pub fn finish(self) -> (Sha256, u64) {
        (Sha256(self.hash.finalize().into()), self.length)
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.hash.update(buf.get(..n).unwrap_or_default());
        self.length += n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_that_of_the_standard() {
        // FIPS 180-2, B.1.
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Sha256::of(b"abc").to_string(), text);
        assert_eq!(text.parse::<Sha256>().unwrap(), Sha256::of(b"abc"));
        assert!("é".repeat(32).parse::<Sha256>().is_err());
        assert!(text[1..].parse::<Sha256>().is_err());
    }
}
