//! Writer of `newc` cpio archives, the form of an initramfs (Linux,
//! `Documentation/driver-api/early-userspace/buffer-format.rst`).
//!
//! Owners, times and inode numbers are fixed, so that the same files give the same bytes.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

/// File types of `st_mode`.
const S_IFDIR: u32 = 0o040_000;
const S_IFREG: u32 = 0o100_000;
const S_IFLNK: u32 = 0o120_000;
const S_IFCHR: u32 = 0o020_000;

/// An archive under construction. Parent directories are made where they are missing.
#[derive(Default)]
pub struct Archive {
    out: Vec<u8>,
    names: BTreeSet<String>,
}

impl Archive {
    /// An empty archive.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a directory with permissions `mode`.
    ///
    /// # Errors
    /// If the path is not a relative one of plain names, or is there already.
    pub fn directory(&mut self, path: &str, mode: u32) -> Result<()> {
        self.entry(path, S_IFDIR | (mode & 0o7777), (0, 0), &[])
    }

    /// Adds a regular file with permissions `mode`.
    ///
    /// # Errors
    /// As [`Archive::directory`]; also if the content is 4 GiB or larger.
    pub fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<()> {
        self.entry(path, S_IFREG | (mode & 0o7777), (0, 0), content)
    }

    /// Adds a symbolic link.
    ///
    /// # Errors
    /// As [`Archive::directory`].
    pub fn link(&mut self, path: &str, target: &str) -> Result<()> {
        self.entry(path, S_IFLNK | 0o777, (0, 0), target.as_bytes())
    }

    /// Adds a character device.
    ///
    /// # Errors
    /// As [`Archive::directory`].
    pub fn device(&mut self, path: &str, mode: u32, major: u32, minor: u32) -> Result<()> {
        self.entry(path, S_IFCHR | (mode & 0o7777), (major, minor), &[])
    }

    /// Whether the path is there.
    pub fn contains(&self, path: &str) -> bool {
        self.names.contains(path)
    }

    /// The bytes of the archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.append("TRAILER!!!", 0, (0, 0), &[]);
        self.out
    }

    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), content: &[u8]) -> Result<()> {
        ensure!(
            !path.is_empty()
                && !path.contains('\0')
                && path.split('/').all(|part| !matches!(part, "" | "." | "..")),
            "{path:?} is not a path for an initramfs: it must be relative, without `.` and `..`"
        );
        ensure!(
            u32::try_from(content.len()).is_ok() && path.len() < 4096,
            "{path:?} is too large for an initramfs"
        );
        if let Some((parent, _)) = path.rsplit_once('/')
            && !self.names.contains(parent)
        {
            self.directory(parent, 0o755)?;
        }
        ensure!(
            self.names.insert(path.to_owned()),
            "{path:?} would be twice in the initramfs"
        );
        self.append(path, mode, device, content);
        Ok(())
    }

    fn append(&mut self, name: &str, mode: u32, (major, minor): (u32, u32), content: &[u8]) {
        let links = if mode & S_IFDIR == S_IFDIR { 2 } else { 1 };
        let fields = [
            self.names.len(), // inode: the number of the entry
            mode as usize,
            0, // uid
            0, // gid
            links,
            0, // mtime
            content.len(),
            0, // major and minor of the file system
            0,
            major as usize,
            minor as usize,
            name.len() + 1,
            0, // checksum, of the other format only
        ];
        self.out.extend_from_slice(b"070701");
        for field in fields {
            self.out
                .extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(0);
        self.pad();
        self.out.extend_from_slice(content);
        self.pad();
    }

    /// Names and contents begin at multiples of four.
    fn pad(&mut self) {
        while !self.out.len().is_multiple_of(4) {
            self.out.push(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_that_of_newc() {
        let mut archive = Archive::new();
        archive.file("a/b", 0o755, b"hello").unwrap();
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        let text = String::from_utf8_lossy(&bytes);
        // The parent directory comes first, then the file, then the trailer.
        let at = |what: &str| text.find(what).unwrap();
        assert!(at("a\0") < at("a/b\0") && at("a/b\0") < at("TRAILER!!!"));
        let file = at("a/b\0") - 110;
        assert_eq!(&text[file..file + 6], "070701");
        assert_eq!(&text[file + 14..file + 22], "000081ED", "mode");
        assert_eq!(&text[file + 54..file + 62], "00000005", "size");
        assert_eq!(
            &text[file + 94..file + 102],
            "00000004",
            "length of the name"
        );
        assert_eq!(at("hello") % 4, 0);
    }

    #[test]
    fn odd_paths_and_doubles_are_refused() {
        let mut archive = Archive::new();
        for bad in ["", "/a", "a//b", "../a", "a/.", "a\0"] {
            assert!(archive.file(bad, 0o644, b"").is_err(), "{bad:?}");
        }
        archive.file("x", 0o644, b"").unwrap();
        assert!(archive.link("x", "y").is_err());
        assert!(archive.contains("x"));
    }

    #[test]
    fn same_files_give_same_bytes() {
        let make = || {
            let mut archive = Archive::new();
            archive.device("dev/console", 0o600, 5, 1).unwrap();
            archive.link("bin/sh", "busybox").unwrap();
            archive.finish()
        };
        assert_eq!(make(), make());
    }
}
