//! Checks the signature of a clear-signed file, as the archive's `InRelease` is.
//!
//! The part of OpenPGP (RFC 9580) that this takes: armor, the cleartext framework, version 4
//! signatures of text by RSA (2048 bits and more) or Ed25519 with SHA-256 or SHA-512. The
//! arithmetic is that of `ring`, which TLS needs anyway. Anything else is no signature.
//!
//! Every key and subkey of a key ring is trusted: a key ring is a file that a person chose,
//! or the one of `guest/images`.

use anyhow::{Context, Result, bail, ensure};
use ring::signature::{
    ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents,
    UnparsedPublicKey,
};

/// Signatures and keys that are looked at: bounds what a hostile file can cost.
const MAX_PACKETS: usize = 256;

/// Packet types (RFC 9580, 5).
const TAG_SIGNATURE: u8 = 2;
const TAG_KEY: u8 = 6;
const TAG_SUBKEY: u8 = 14;

/// Public-key algorithms (9.1).
const RSA: u8 = 1;
const EDDSA_LEGACY: u8 = 22;
/// Hash algorithms (9.5).
const SHA256: u8 = 8;
const SHA512: u8 = 10;

/// Object identifier of Ed25519 in the older form of its keys (9.2).
const ED25519_OID: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];

const BEGIN_MESSAGE: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const BEGIN_SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";

/// The keys that may sign.
pub struct Keyring {
    keys: Vec<Key>,
}

#[derive(Debug)]
enum Key {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ed25519([u8; 32]),
}

impl Keyring {
    /// Reads keys, armored (one or several blocks) or binary.
    ///
    /// # Errors
    /// If there is no key that can be used.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut keys = Vec::new();
        match std::str::from_utf8(bytes) {
            Ok(text) => {
                let mut rest = text;
                while let Some(at) = rest.find("-----BEGIN PGP PUBLIC KEY BLOCK-----") {
                    let block = rest.get(at..).unwrap_or_default();
                    let (binary, tail) = dearmor(block)?;
                    read_keys(&binary, &mut keys)?;
                    rest = tail;
                }
            }
            Err(_) => read_keys(bytes, &mut keys)?,
        }
        ensure!(!keys.is_empty(), "the key ring holds no RSA or Ed25519 key");
        Ok(Self { keys })
    }

    /// The text of a clear-signed file, if at least one of its signatures is by one of these
    /// keys. What stands outside of the signed part is not in it.
    ///
    /// # Errors
    /// If the file is not clear-signed, or no signature holds.
    pub fn verified_text(&self, file: &str) -> Result<String> {
        let (text, signatures) = split(file)?;
        let signed = canonical(&text);
        let mut packets = Packets::new(&signatures);
        while let Some((tag, body)) = packets.next()? {
            if tag != TAG_SIGNATURE {
                continue;
            }
            // A signature of another kind is passed over; another one may hold.
            if let Some(signature) = Signature::parse(body)
                && self.keys.iter().any(|key| signature.holds(key, &signed))
            {
                return Ok(text);
            }
        }
        bail!("no signature on it is by a known key")
    }
}

fn read_keys(binary: &[u8], keys: &mut Vec<Key>) -> Result<()> {
    let mut packets = Packets::new(binary);
    while let Some((tag, body)) = packets.next()? {
        if matches!(tag, TAG_KEY | TAG_SUBKEY)
            && let Some(key) = Key::parse(body)
        {
            keys.push(key);
        }
    }
    Ok(())
}

impl Key {
    /// A version 4 public key (5.5.2.2).
    fn parse(body: &[u8]) -> Option<Self> {
        let mut at = Cursor(body);
        (at.byte()? == 4).then_some(())?;
        at.take(4)?;
        match at.byte()? {
            RSA => {
                let n = at.integer()?.to_vec();
                let e = at.integer()?.to_vec();
                Some(Self::Rsa { n, e })
            }
            EDDSA_LEGACY => {
                let length = usize::from(at.byte()?);
                (at.take(length)? == ED25519_OID).then_some(())?;
                // 0x40 says that the point is in its native form.
                let point = at.integer()?.strip_prefix(&[0x40])?;
                Some(Self::Ed25519(point.try_into().ok()?))
            }
            _ => None,
        }
    }
}

/// A version 4 signature (5.2.3).
struct Signature<'a> {
    algorithm: u8,
    hash: u8,
    /// What is hashed after the text (5.2.4): the head up to the hashed subpackets.
    head: &'a [u8],
    /// The integers of the signature.
    rest: &'a [u8],
}

impl<'a> Signature<'a> {
    fn parse(body: &'a [u8]) -> Option<Self> {
        let mut at = Cursor(body);
        let (version, kind) = (at.byte()?, at.byte()?);
        let (algorithm, hash) = (at.byte()?, at.byte()?);
        // 0x01: of a text, with lines that end in CR LF.
        (version == 4 && kind == 1).then_some(())?;
        let length = usize::from(at.short()?);
        subpackets_are_known(at.take(length)?)?;
        let head = body.get(..6 + length)?;
        let unhashed = usize::from(at.short()?);
        at.take(unhashed)?;
        at.take(2)?; // the first bits of the hash, a hint only
        Some(Self {
            algorithm,
            hash,
            head,
            rest: at.0,
        })
    }

    fn holds(&self, key: &Key, text: &[u8]) -> bool {
        self.check(key, text).is_some()
    }

    fn check(&self, key: &Key, text: &[u8]) -> Option<()> {
        let mut message = text.to_vec();
        message.extend_from_slice(self.head);
        message.extend_from_slice(&[4, 0xff]);
        message.extend_from_slice(&u32::try_from(self.head.len()).ok()?.to_be_bytes());
        let mut at = Cursor(self.rest);
        match (key, self.algorithm) {
            (Key::Rsa { n, e }, RSA) => {
                let signature = padded(at.integer()?, n.len())?;
                let parameters = match self.hash {
                    SHA256 => &RSA_PKCS1_2048_8192_SHA256,
                    SHA512 => &RSA_PKCS1_2048_8192_SHA512,
                    _ => return None,
                };
                RsaPublicKeyComponents { n, e }
                    .verify(parameters, &message, &signature)
                    .ok()
            }
            (Key::Ed25519(point), EDDSA_LEGACY) => {
                let mut signature = padded(at.integer()?, 32)?;
                signature.extend(padded(at.integer()?, 32)?);
                let algorithm = match self.hash {
                    SHA256 => &ring::digest::SHA256,
                    SHA512 => &ring::digest::SHA512,
                    _ => return None,
                };
                let hash = ring::digest::digest(algorithm, &message);
                UnparsedPublicKey::new(&ED25519, point)
                    .verify(hash.as_ref(), &signature)
                    .ok()
            }
            _ => None,
        }
    }
}

/// A critical subpacket that is not understood makes the signature none (5.2.3.7).
fn subpackets_are_known(bytes: &[u8]) -> Option<()> {
    let mut at = Cursor(bytes);
    while !at.0.is_empty() {
        let length = at.new_length()?;
        let body = at.take(length)?;
        let kind = *body.first()?;
        // Time, issuer, fingerprint of the issuer; of an expiry nothing is known here.
        let known = matches!(kind & 0x7f, 2 | 16 | 33);
        if kind & 0x80 != 0 && !known {
            return None;
        }
        if kind & 0x7f == 3 && body.get(1..).is_some_and(|time| time != [0; 4]) {
            return None;
        }
    }
    Some(())
}

/// An integer with the zeros in front that its form drops.
fn padded(integer: &[u8], length: usize) -> Option<Vec<u8>> {
    let missing = length.checked_sub(integer.len())?;
    let mut bytes = vec![0; missing];
    bytes.extend_from_slice(integer);
    Some(bytes)
}

/// Separates a clear-signed file into its text, unescaped, and its signature packets (7).
fn split(file: &str) -> Result<(String, Vec<u8>)> {
    let mut lines = file.lines();
    ensure!(
        lines.next().map(str::trim_end) == Some(BEGIN_MESSAGE),
        "it is not a clear-signed file"
    );
    // Armor headers (`Hash:`) up to an empty line.
    for line in lines.by_ref() {
        if line.trim_end().is_empty() {
            break;
        }
        ensure!(
            line.starts_with("Hash:"),
            "it has an unexpected header before the text"
        );
    }
    let mut text = String::new();
    let mut ended = false;
    for line in lines {
        if line.trim_end() == BEGIN_SIGNATURE {
            ended = true;
            break;
        }
        let line = match line.strip_prefix("- ") {
            Some(escaped) => escaped,
            None if line.starts_with('-') => bail!("a line of it is not escaped"),
            None => line,
        };
        text.push_str(line);
        text.push('\n');
    }
    ensure!(ended, "its signature is missing");
    let at = file
        .find(BEGIN_SIGNATURE)
        .context("its signature is missing")?;
    let (signatures, _) = dearmor(file.get(at..).unwrap_or_default())?;
    Ok((text, signatures))
}

/// The form that is signed: no blanks at the ends of lines, CR LF between them, none after
/// the last one.
fn canonical(text: &str) -> Vec<u8> {
    let lines: Vec<&str> = text
        .lines()
        .map(|line| line.trim_end_matches([' ', '\t', '\r']))
        .collect();
    lines.join("\r\n").into_bytes()
}

/// The bytes of the first armored block (6.2), and the text after it. The optional checksum
/// is not looked at, as RFC 9580 6.1 has it.
fn dearmor(block: &str) -> Result<(Vec<u8>, &str)> {
    let mut at = 0;
    let mut in_body = false;
    let mut digits = Vec::new();
    for (number, line) in block.split_inclusive('\n').enumerate() {
        at += line.len();
        let line = line.trim();
        if number == 0 {
            continue;
        }
        if line.starts_with("-----END PGP") {
            return Ok((base64(&digits)?, block.get(at..).unwrap_or_default()));
        }
        if !in_body {
            in_body = line.is_empty();
        } else if !line.starts_with('=') {
            digits.extend_from_slice(line.as_bytes());
        }
    }
    bail!("its armor has no end")
}

fn base64(digits: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(digits.len() / 4 * 3);
    let mut bits = 0_u32;
    let mut count = 0;
    for digit in digits.iter().filter(|digit| **digit != b'=') {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => bail!("its armor is not base64"),
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Ok(out)
}

/// Packets of a binary stream; at most [`MAX_PACKETS`].
struct Packets<'a> {
    at: Cursor<'a>,
    count: usize,
}

impl<'a> Packets<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            at: Cursor(bytes),
            count: 0,
        }
    }

    /// Tag and body of the next packet (4.2).
    fn next(&mut self) -> Result<Option<(u8, &'a [u8])>> {
        if self.at.0.is_empty() {
            return Ok(None);
        }
        self.count += 1;
        ensure!(self.count <= MAX_PACKETS, "it has too many packets");
        self.read().context("a packet of it is cut off").map(Some)
    }

    fn read(&mut self) -> Option<(u8, &'a [u8])> {
        let head = self.at.byte()?;
        (head & 0x80 != 0).then_some(())?;
        if head & 0x40 != 0 {
            let length = self.at.new_length()?;
            return Some((head & 0x3f, self.at.take(length)?));
        }
        let length = match head & 3 {
            0 => usize::from(self.at.byte()?),
            1 => usize::from(self.at.short()?),
            2 => self.at.long()?,
            _ => return None,
        };
        Some((head >> 2 & 0xf, self.at.take(length)?))
    }
}

/// A position in bytes; reading past the end gives `None`.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn short(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn long(&mut self) -> Option<usize> {
        usize::try_from(u32::from_be_bytes(self.take(4)?.try_into().ok()?)).ok()
    }

    /// A length in the newer form (4.2.1); partial lengths are not taken.
    fn new_length(&mut self) -> Option<usize> {
        match self.byte()? {
            first @ 0..=191 => Some(usize::from(first)),
            first @ 192..=223 => {
                Some(((usize::from(first) - 192) << 8) + usize::from(self.byte()?) + 192)
            }
            255 => self.long(),
            _ => None,
        }
    }

    /// A multiprecision integer (3.2), without zeros in front.
    fn integer(&mut self) -> Option<&'a [u8]> {
        let bits = usize::from(self.short()?);
        let bytes = self.take(bits.div_ceil(8))?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        bytes.get(zeros..)
    }
}

#[cfg(test)]
mod tests;
