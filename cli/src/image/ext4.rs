//! Writes ext4 file systems, without mounting anything.
//!
//! A wrapper over `arcbox-ext4` with what an image of packages needs: paths that cannot leave
//! the root, links of directories that are followed (`/bin` is a link), identifiers and times
//! that follow from the files (but for those of the root directory itself, which are the time
//! of writing). The file system has no journal; the guest adds one.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail, ensure};
use arcbox_ext4::constants::{file_mode, make_mode};
use arcbox_ext4::formatter::{FileTimestamps, FormatOptions, Formatter};

use super::digest::Sha256;

/// Smallest and largest file system that is written: below, the fixed structures leave no
/// room; above, the descriptors of its groups do not fit.
const SIZES: std::ops::RangeInclusive<u64> = 8 << 20..=1 << 40;
/// Links of directories that one path may go through.
const MAX_LINKS: usize = 16;

/// Owner, permissions and time of an entry.
#[derive(Clone, Copy, Debug)]
pub struct Attributes {
    /// Permission bits, with set-id and sticky bits.
    pub mode: u32,
    /// Numbers of the owner and the group.
    pub owner: (u32, u32),
    /// Seconds since 1970.
    pub time: u64,
}

impl Attributes {
    /// What belongs to root and has a fixed time.
    pub fn root(mode: u32) -> Self {
        Self {
            mode,
            owner: (0, 0),
            time: 0,
        }
    }
}

/// What lies at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Directory,
    File,
    Link(String),
}

/// A file system under construction.
pub struct Ext4 {
    formatter: Formatter,
    seen: BTreeMap<String, Kind>,
    /// Directories that were made for what lies in them, and were not added yet.
    implied: BTreeSet<String>,
}

impl Ext4 {
    /// Begins a file system of `size` bytes (rounded up to 128 MiB by its layout) in the
    /// new file `path`. `name` decides its identifier.
    ///
    /// # Errors
    /// If the size is out of range or the file cannot be written.
    pub fn create(path: &Path, size: u64, name: &str) -> Result<Self> {
        ensure!(
            SIZES.contains(&size),
            "a file system of {size} bytes cannot be made: it must have {} to {} bytes",
            SIZES.start(),
            SIZES.end()
        );
        let mut id = [0; 16];
        id.copy_from_slice(
            Sha256::of(name.as_bytes())
                .0
                .get(..16)
                .context("a hash has 32 bytes")?,
        );
        // RFC 9562, 5.8: version 8, whose bits are the maker's.
        id[6] = 0x80 | (id[6] & 0x0f);
        id[8] = 0x80 | (id[8] & 0x3f);
        let options = FormatOptions::new(size).uuid(uuid::Uuid::from_bytes(id));
        let formatter = Formatter::with_options(path, options)
            .map_err(|error| anyhow!("cannot write {}: {error}", path.display()))?;
        Ok(Self {
            formatter,
            seen: BTreeMap::new(),
            implied: BTreeSet::new(),
        })
    }

    /// Adds a directory; the attributes of one that is there stay.
    ///
    /// # Errors
    /// If something else lies there, or the image cannot be written.
    pub fn directory(&mut self, path: &str, attributes: Attributes) -> Result<()> {
        if path.is_empty() {
            return Ok(());
        }
        let path = self.place(path)?;
        match self.resolve(&path)? {
            Some((real, Kind::Directory)) => {
                if self.implied.remove(&real) {
                    self.entry(&real, file_mode::S_IFDIR, attributes, None, None)?;
                }
                return Ok(());
            }
            Some(_) => bail!("/{path} is a directory in one place and not in another"),
            None => {}
        }
        self.entry(&path, file_mode::S_IFDIR, attributes, None, None)?;
        self.seen.insert(path, Kind::Directory);
        Ok(())
    }

    /// Adds a regular file; it replaces one that is there.
    ///
    /// # Errors
    /// If a directory lies there, or the content or the image fails.
    pub fn file(
        &mut self,
        path: &str,
        attributes: Attributes,
        content: &mut dyn Read,
    ) -> Result<()> {
        let path = self.place(path)?;
        self.entry(&path, file_mode::S_IFREG, attributes, None, Some(content))?;
        self.seen.insert(path, Kind::File);
        Ok(())
    }

    /// Adds a symbolic link; it replaces a file or link that is there.
    ///
    /// # Errors
    /// If a directory lies there, or the image cannot be written.
    pub fn link(&mut self, path: &str, target: &str, attributes: Attributes) -> Result<()> {
        let path = self.place(path)?;
        let attributes = Attributes {
            mode: 0o777,
            ..attributes
        };
        self.entry(&path, file_mode::S_IFLNK, attributes, Some(target), None)?;
        self.seen.insert(path, Kind::Link(target.to_owned()));
        Ok(())
    }

    /// Adds another name of the file at `target`.
    ///
    /// # Errors
    /// If there is no file at `target`.
    pub fn hard_link(&mut self, path: &str, target: &str) -> Result<()> {
        let (path, target) = (self.place(path)?, self.place(target)?);
        ensure!(
            self.seen.get(&target) == Some(&Kind::File),
            "/{path} is another name of /{target}, which is no file"
        );
        self.formatter
            .link(&format!("/{path}"), &format!("/{target}"))
            .map_err(|error| anyhow!("cannot add /{path}: {error}"))?;
        self.seen.insert(path, Kind::File);
        Ok(())
    }

    /// Writes the structures of the file system.
    ///
    /// # Errors
    /// If the image cannot be written.
    pub fn finish(self) -> Result<()> {
        self.formatter
            .close()
            .map_err(|error| anyhow!("cannot finish the file system: {error}"))
    }

    fn entry(
        &mut self,
        path: &str,
        kind: u16,
        attributes: Attributes,
        link: Option<&str>,
        content: Option<&mut dyn Read>,
    ) -> Result<()> {
        ensure!(
            path.len() < 4096 && path.split('/').all(|part| part.len() <= 255),
            "the path /{path} is too long"
        );
        // Seconds of the 21st century; what lies outside is clamped.
        let time = u32::try_from(attributes.time).unwrap_or(u32::MAX);
        let times = FileTimestamps {
            access_lo: time,
            access_hi: 0,
            modification_lo: time,
            modification_hi: 0,
            creation_lo: time,
            creation_hi: 0,
            now_lo: time,
            now_hi: 0,
        };
        let permissions = (attributes.mode & 0o7777) as u16;
        self.formatter
            .create(
                &format!("/{path}"),
                make_mode(kind, permissions),
                link,
                Some(times),
                content,
                Some(attributes.owner.0),
                Some(attributes.owner.1),
                None,
            )
            .map_err(|error| anyhow!("cannot add /{path}: {error}"))
    }

    /// The path with the links of its directories followed, and these directories made.
    /// Recursion is bounded by the parts of a path, of which [`Self::entry`] takes 4096 bytes.
    fn place(&mut self, path: &str) -> Result<String> {
        let plain = !path.is_empty()
            && path.len() < 4096
            && !path.contains('\0')
            && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
        ensure!(plain, "{path:?} is not a path within a file system");
        let Some((parent, name)) = path.rsplit_once('/') else {
            return Ok(path.to_owned());
        };
        match self.resolve(parent)? {
            Some((real, Kind::Directory)) if real.is_empty() => Ok(name.to_owned()),
            Some((real, Kind::Directory)) => Ok(format!("{real}/{name}")),
            Some(_) => bail!("/{path} lies below what is no directory"),
            None => {
                let parent = self.place(parent)?;
                ensure!(
                    !self.seen.contains_key(&parent),
                    "/{path} lies below a link that leads nowhere"
                );
                self.entry(
                    &parent,
                    file_mode::S_IFDIR,
                    Attributes::root(0o755),
                    None,
                    None,
                )?;
                self.seen.insert(parent.clone(), Kind::Directory);
                self.implied.insert(parent.clone());
                Ok(format!("{parent}/{name}"))
            }
        }
    }

    /// What lies at the end of the links at `path`, and where. At most [`MAX_LINKS`] links.
    fn resolve(&self, path: &str) -> Result<Option<(String, Kind)>> {
        let mut todo: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut real: Vec<String> = Vec::new();
        let mut links = 0;
        let mut kind = Kind::Directory;
        while let Some(part) = todo.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    real.pop();
                    continue;
                }
                _ => real.push(part),
            }
            let Some(found) = self.seen.get(&real.join("/")) else {
                return Ok(None);
            };
            kind = found.clone();
            if let Kind::Link(target) = found {
                links += 1;
                ensure!(links <= MAX_LINKS, "/{path} goes through too many links");
                if target.starts_with('/') {
                    real.clear();
                } else {
                    real.pop();
                }
                todo.extend(target.split('/').rev().map(str::to_owned));
                kind = Kind::Directory;
            }
        }
        Ok(Some((real.join("/"), kind)))
    }
}

#[cfg(test)]
mod tests;
