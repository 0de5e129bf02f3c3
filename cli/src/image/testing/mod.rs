//! What the tests of images share: directories, packages made on the spot.

use std::io::Write;
use std::path::{Path, PathBuf};

pub mod server;

/// A directory that is removed with its value.
pub struct Directory(PathBuf);

impl Directory {
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A new directory; `name` is for people who look at leftovers.
pub fn directory(name: &str) -> Directory {
    let temporary = std::env::temp_dir().join(format!("virtarium-{name}"));
    let path = crate::host::files::temporary_beside(&temporary);
    std::fs::create_dir(&path).unwrap();
    Directory(path)
}

/// A Debian package under construction.
pub struct DebBuilder {
    control: String,
    control_files: Vec<(String, Vec<u8>)>,
    compression: &'static str,
    data: tar::Builder<Vec<u8>>,
}

impl DebBuilder {
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            control: format!("Package: {name}\nVersion: {version}\nArchitecture: riscv64\n"),
            control_files: Vec::new(),
            compression: ".gz",
            data: tar::Builder::new(Vec::new()),
        }
    }

    /// `""` or `".gz"`.
    pub fn compression(mut self, end: &str) -> Self {
        self.compression = if end.is_empty() { "" } else { ".gz" };
        self
    }

    pub fn file(mut self, path: &str, content: &[u8]) -> Self {
        append(&mut self.data, path, content);
        self
    }

    /// A field of the control paragraph.
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.control.push_str(&format!("{name}: {value}\n"));
        self
    }

    /// Another control file.
    pub fn control(mut self, name: &str, content: &[u8]) -> Self {
        self.control_files.push((name.to_owned(), content.to_vec()));
        self
    }

    /// An entry of any kind and path, also such as no package may have.
    pub fn entry(mut self, kind: tar::EntryType, path: &str, target: &str) -> Self {
        let mut header = header();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(0);
        let old = header.as_old_mut();
        old.name[..path.len()].copy_from_slice(path.as_bytes());
        old.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        self.data.append(&header, std::io::empty()).unwrap();
        self
    }

    pub fn write(self, path: &Path) {
        std::fs::write(path, self.bytes()).unwrap();
    }

    pub fn bytes(self) -> Vec<u8> {
        let mut control = tar::Builder::new(Vec::new());
        append(&mut control, "control", self.control.as_bytes());
        for (name, content) in &self.control_files {
            append(&mut control, name, content);
        }
        let end = self.compression;
        let mut out = b"!<arch>\n".to_vec();
        member(&mut out, "debian-binary", b"2.0\n");
        let control = compress(end, control.into_inner().unwrap());
        member(&mut out, &format!("control.tar{end}"), &control);
        let data = compress(end, self.data.into_inner().unwrap());
        member(&mut out, &format!("data.tar{end}"), &data);
        out
    }
}

fn header() -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn append(tar: &mut tar::Builder<Vec<u8>>, path: &str, content: &[u8]) {
    let mut header = header();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    let path = format!("./{path}");
    tar.append_data(&mut header, path, content).unwrap();
}

fn compress(end: &str, bytes: Vec<u8>) -> Vec<u8> {
    if end.is_empty() {
        return bytes;
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&bytes).unwrap();
    encoder.finish().unwrap()
}

/// An xz stream of the content.
pub fn xz(content: &[u8]) -> Vec<u8> {
    use lzma_rust2::{XzOptions, XzWriter};
    let mut writer = XzWriter::new(Vec::new(), XzOptions::with_preset(0)).unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

fn member(out: &mut Vec<u8>, name: &str, content: &[u8]) {
    let size = content.len();
    let head = format!(
        "{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n",
        0, 0, 0, "100644"
    );
    assert_eq!(head.len(), 60);
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(content);
    if size % 2 == 1 {
        out.push(b'\n');
    }
}

/// An OpenPGP key that signs what tests take for an archive's index.
pub struct Signer(ring::signature::Ed25519KeyPair);

impl Signer {
    /// The key that follows from `seed`.
    pub fn new(seed: u8) -> Self {
        Self(ring::signature::Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    /// The key ring that holds this key alone, binary.
    pub fn public_key(&self) -> Vec<u8> {
        use ring::signature::KeyPair;
        let mut body = vec![4, 0, 0, 0, 0, 22, 9];
        body.extend([0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01]);
        body.extend([1, 7, 0x40]); // 263 bits: 0x40 and 32 bytes
        body.extend(self.0.public_key().as_ref());
        packet(6, &body)
    }

    /// The signature packet over a text.
    pub fn signature(&self, text: &str) -> Vec<u8> {
        // Version, of a text, EdDSA, SHA-512; a time as the one hashed subpacket.
        let head = [4, 1, 22, 10, 0, 6, 5, 2, 1, 2, 3, 4];
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        let mut message = lines.join("\r\n").into_bytes();
        message.extend(head);
        message.extend([4, 0xff, 0, 0, 0, head.len() as u8]);
        let hash = ring::digest::digest(&ring::digest::SHA512, &message);
        let signature = self.0.sign(hash.as_ref());
        let mut body = head.to_vec();
        body.extend([0, 0]); // nothing that is not hashed
        body.extend(&hash.as_ref()[..2]);
        for half in signature.as_ref().chunks(32) {
            body.extend([1, 0]); // 256 bits, zeros in front or not
            body.extend(half);
        }
        packet(2, &body)
    }

    /// A clear-signed file.
    pub fn clear_sign(&self, text: &str) -> String {
        self.armor(text, &self.signature(text))
    }

    /// A clear-signed file with a signature of the caller's.
    pub fn armor(&self, text: &str, signature: &[u8]) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut base64 = String::new();
        for three in signature.chunks(3) {
            let mut bits = [0; 4];
            bits[1..=three.len()].copy_from_slice(three);
            let bits = u32::from_be_bytes(bits);
            for digit in 0..=three.len() {
                let value = bits >> (18 - 6 * digit) & 63;
                base64.push(char::from(DIGITS[value as usize]));
            }
        }
        let escaped: String = text
            .lines()
            .map(|line| match line.starts_with('-') {
                true => format!("- {line}\n"),
                false => format!("{line}\n"),
            })
            .collect();
        format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{escaped}\
             -----BEGIN PGP SIGNATURE-----\n\n{base64}\n-----END PGP SIGNATURE-----\n"
        )
    }
}

fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0xc0 | tag, body.len() as u8];
    assert!(body.len() < 192, "one byte of length");
    out.extend_from_slice(body);
    out
}
