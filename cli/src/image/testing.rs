//! What the tests of images share: directories, packages made on the spot.

use std::io::Write;
use std::path::{Path, PathBuf};

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
    let path = super::cache::temporary_beside(&temporary);
    std::fs::create_dir(&path).unwrap();
    Directory(path)
}

/// A Debian package under construction.
pub struct DebBuilder {
    control: String,
    compression: &'static str,
    data: tar::Builder<Vec<u8>>,
}

impl DebBuilder {
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            control: format!("Package: {name}\nVersion: {version}\nArchitecture: riscv64\n"),
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

    pub fn write(self, path: &Path) {
        std::fs::write(path, self.bytes()).unwrap();
    }

    pub fn bytes(self) -> Vec<u8> {
        let mut control = tar::Builder::new(Vec::new());
        append(&mut control, "control", self.control.as_bytes());
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

fn append(tar: &mut tar::Builder<Vec<u8>>, path: &str, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
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
