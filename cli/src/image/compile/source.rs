//! Debian's source package of the kernel: a compressed tar archive within a package, unpacked
//! on the way, without what this kernel is not made of.
//!
//! Nothing is written outside of the tree: names that leave it are refused, every file is a new
//! one, and links are not made, so that no name leads through one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::image::cache::unwritable;
use crate::image::deb::{Bounded, Deb, clean, decompress};
use crate::image::progress::{Progress, Task};

/// What the sources may unpack to; those of Linux 6.12 are 1.5 GB.
const MAX_SOURCE: u64 = 6 << 30;
/// What one file may take; the largest has 24 MB.
const MAX_FILE: u64 = 256 << 20;
/// Entries that the archive may have; that of Linux 6.12 has 92,000.
const MAX_ENTRIES: usize = 500_000;
/// What a path may have, in bytes and in parts.
const MAX_PATH: (usize, usize) = (1024, 32);

/// Folders that this kernel is not made of: a third of the files, half of the bytes.
const LEFT_OUT: [&str; 4] = [
    "Documentation",
    "drivers/gpu/drm/amd",
    "samples",
    "tools/testing",
];
/// The architecture whose folder stays.
const ARCHITECTURE: &str = "riscv";
/// Beginnings of names that stay everywhere, for options and rules are read as a whole: there is
/// a Makefile outside of `arch/um` that includes one within.
const RULES: [&str; 3] = ["Kconfig", "Makefile", "Kbuild"];
/// End of names that stay everywhere: what system calls there should be is compared with x86's.
const TABLES: &str = ".tbl";

/// Unpacks the sources in `package` into the new folder `tree`. Gives their date in seconds
/// since 1970.
///
/// # Errors
/// If the package is damaged, is none of sources, or wants to write elsewhere; if the disk
/// does not take it.
pub fn unpack(package: &Path, tree: &Path, progress: &Progress) -> Result<u64> {
    fs::create_dir_all(tree).map_err(|error| unwritable(tree, error))?;
    let deb = Deb::open(package)?;
    let found = find(&deb, tree, progress)
        .with_context(|| format!("{} cannot be unpacked", package.display()))?;
    let date =
        found.with_context(|| format!("{} has no sources of a kernel", package.display()))?;
    for needed in ["Makefile", "Kconfig", "arch/riscv/Makefile"] {
        ensure!(
            tree.join(needed).is_file(),
            "the sources in {} have no {needed}",
            package.display()
        );
    }
    Ok(date)
}

/// Finds the archive of sources in the package and unpacks it.
fn find(deb: &Deb, tree: &Path, progress: &Progress) -> Result<Option<u64>> {
    for entry in deb.data()?.entries()? {
        let entry = entry?;
        let path = clean(&entry.path()?)?;
        let Some(name) = path.strip_prefix("usr/src/linux-source-") else {
            continue;
        };
        if name.contains('/') || !name.contains(".tar") {
            continue;
        }
        let task = progress.bytes("unpacking the kernel's sources", entry.size());
        let counted = BufReader::with_capacity(256 << 10, Counting { inner: entry, task });
        let plain = Bounded::new(decompress(name, counted)?, MAX_SOURCE);
        return sources(plain, tree).map(Some);
    }
    Ok(None)
}

/// Unpacks the archive of sources. Gives the latest date in it.
fn sources(plain: impl Read, tree: &Path) -> Result<u64> {
    let mut archive = tar::Archive::new(plain);
    let mut date = 0;
    for (count, entry) in archive.entries()?.enumerate() {
        ensure!(
            count < MAX_ENTRIES,
            "it has more than {MAX_ENTRIES} entries"
        );
        let mut entry = entry?;
        let path = clean(&entry.path()?)?;
        ensure!(
            path.len() <= MAX_PATH.0 && path.split('/').count() <= MAX_PATH.1,
            "the path {:?}... is too long",
            path.chars().take(80).collect::<String>()
        );
        // Everything lies in one folder, whose name tells the version.
        let Some((_, name)) = path.split_once('/') else {
            continue;
        };
        let header = entry.header();
        let kind = header.entry_type();
        match kind {
            tar::EntryType::Directory | tar::EntryType::XGlobalHeader => {}
            tar::EntryType::Symlink | tar::EntryType::Link => {
                let target = entry.link_name()?.context("a link without a target")?;
                ensure!(
                    stays_inside(&path, &target, kind == tar::EntryType::Link),
                    "the link {path} leads out of the sources, to {}",
                    target.display()
                );
            }
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                let (size, mode, time) = (entry.size(), header.mode()?, header.mtime()?);
                date = date.max(time);
                ensure!(size <= MAX_FILE, "the file {path} has {size} bytes");
                if is_needed(name) {
                    let file = tree.join(name);
                    write(&file, &mut entry, mode & 0o111 != 0)?;
                    let got = fs::metadata(&file).map_or(0, |meta| meta.len());
                    ensure!(got == size, "the file {path} is cut off");
                }
            }
            other => bail!("{path}: entries of type {other:?} are none of sources"),
        }
    }
    // The checksum comes at the end of the compressed stream.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    Ok(date)
}

/// Whether the kernel is made of this file.
fn is_needed(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or_default();
    if RULES.iter().any(|rule| file.starts_with(rule)) || file.ends_with(TABLES) {
        return true;
    }
    let within = |folder: &str| {
        name.strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    let other = name
        .strip_prefix("arch/")
        .and_then(|rest| rest.split_once('/'))
        .is_some_and(|(architecture, _)| architecture != ARCHITECTURE);
    !other && !LEFT_OUT.into_iter().any(within)
}

/// Whether a link at `path` leads to a place within the top folder. Targets of hard links begin
/// at the archive's root.
fn stays_inside(path: &str, target: &Path, hard: bool) -> bool {
    use std::path::Component;
    let mut depth = match hard {
        true => 0,
        false => path.split('/').count() - 1,
    };
    for part in target.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(_) => depth += 1,
            // The top folder itself is the highest place, the root of the archive not inside.
            Component::ParentDir if depth > 1 => depth -= 1,
            _ => return false,
        }
    }
    depth > 0
}

/// Writes a new file and the folders above it.
fn write(path: &Path, content: &mut impl Read, executable: bool) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|error| unwritable(parent, error))?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    set_mode(&mut options, executable);
    let file = options.open(path);
    let mut file = match file {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            bail!("{} is there twice", path.display())
        }
        file => file.map_err(|error| unwritable(path, error))?,
    };
    copy(content, &mut file, path)
}

/// As `io::copy`, with errors that tell the archive's from the disk's.
fn copy(content: &mut impl Read, file: &mut File, path: &Path) -> Result<()> {
    let mut buffer = [0; 32 << 10];
    loop {
        let n = match content.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        io::Write::write_all(file, buffer.get(..n).unwrap_or_default())
            .map_err(|error| unwritable(path, error))?;
    }
}

#[cfg(unix)]
fn set_mode(options: &mut OpenOptions, executable: bool) {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(if executable { 0o755 } else { 0o644 });
}

#[cfg(not(unix))]
fn set_mode(_: &mut OpenOptions, _: bool) {}

/// A reader that tells a task how far it is.
struct Counting<R> {
    inner: R,
    task: Task,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.task.add(n as u64);
        Ok(n)
    }
}

#[cfg(test)]
mod tests;
