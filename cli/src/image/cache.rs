//! The cache: a directory of verified downloads and built images that survives runs.
//!
//! ```text
//! ROOT/packages/  package files as they came, named as in the pool; `.part` while they come
//! ROOT/images/    NAME-KEY/ with the files of one built image and a manifest
//! ROOT/locks/     empty files that processes lock
//! ROOT/debian.lock  the local lock, if pinned packages were gone
//! ```
//! A file appears under its name only when it is complete (rename), and a reader needs no
//! lock, so a complete cache may be read-only.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use super::progress::Progress;
use crate::host::files;

/// The environment variable that names the cache.
pub const VARIABLE: &str = "VIRTARIUM_CACHE";

/// The cache's directory.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

/// Held while one process works on a name; released on drop.
pub struct Guard {
    _file: File,
}

impl Cache {
    /// The cache at `option`, else `VIRTARIUM_CACHE`, else `virtarium` below the user's
    /// cache directory (`XDG_CACHE_HOME`, else `~/.cache`). Nothing is created yet.
    ///
    /// # Errors
    /// If none of these is known.
    pub fn find(option: Option<&Path>) -> Result<Self> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let root = option
            .map(Path::to_path_buf)
            .or_else(|| variable(VARIABLE).map(PathBuf::from))
            .or_else(|| {
                // XDG base directories: a relative path is to be ignored.
                let xdg = PathBuf::from(variable("XDG_CACHE_HOME")?);
                xdg.is_absolute().then(|| xdg.join("virtarium"))
            })
            .or_else(|| {
                let home = variable("HOME").or_else(|| variable("USERPROFILE"))?;
                Some(PathBuf::from(home).join(".cache/virtarium"))
            })
            .ok_or_else(|| anyhow!("no cache directory is known: set {VARIABLE} to one"))?;
        Ok(Self { root })
    }

    /// The cache at a directory.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path in the cache; nothing is created.
    pub fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    /// A directory in the cache, created if need be.
    ///
    /// # Errors
    /// Names the directory and the remedy.
    pub fn dir(&self, below: &str) -> Result<PathBuf> {
        let path = self.root.join(below);
        fs::create_dir_all(&path).map_err(|error| unwritable(&path, error))?;
        Ok(path)
    }

    /// Waits until no other process works on `name`.
    ///
    /// # Errors
    /// If the lock file cannot be made.
    pub fn lock(&self, name: &str, progress: &Progress) -> Result<Guard> {
        let path = self.dir("locks")?.join(name);
        let file = files::without_links(&mut OpenOptions::new())
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| unwritable(&path, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                progress.note(&format!("waiting for another virtarium that makes {name}"));
                file.lock()
                    .with_context(|| format!("cannot lock {}", path.display()))?;
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        Ok(Guard { _file: file })
    }
}

/// The error of a write, with what can be done about it.
pub fn unwritable(path: &Path, error: io::Error) -> anyhow::Error {
    let remedy = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "free some space, or name another place"
        }
        io::ErrorKind::AlreadyExists => "remove it, or name another place",
        _ => "name a place that can be written",
    };
    anyhow!(
        "cannot write {}: {error}; {remedy} ({VARIABLE}=DIR for the cache)",
        path.display()
    )
}

/// Writes `bytes` to `path` at once: a new file beside it, then a rename.
///
/// # Errors
/// Names the file and the remedy.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    files::replace(path, bytes).map_err(|error| unwritable(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_waits_for_the_first() {
        let dir = super::super::testing::directory("cache-lock");
        let cache = Cache::at(dir.path());
        let guard = cache.lock("x", &Progress::silent()).unwrap();
        let other = cache.clone();
        let (send, receive) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let _guard = other.lock("x", &Progress::silent()).unwrap();
            send.send(()).unwrap();
        });
        let early = receive.recv_timeout(std::time::Duration::from_millis(100));
        assert!(early.is_err(), "the lock was given twice");
        drop(guard);
        receive.recv().unwrap();
        thread.join().unwrap();
    }

    #[test]
    fn a_cache_that_cannot_be_made_names_the_remedy() {
        let dir = super::super::testing::directory("cache-bad");
        let file = dir.path().join("file");
        write_atomically(&file, b"x").unwrap();
        let error = Cache::at(&file).dir("packages").unwrap_err().to_string();
        assert!(error.starts_with("cannot write"), "{error}");
        assert!(error.contains(VARIABLE), "{error}");
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let error = unwritable(&file, full).to_string();
        assert!(error.contains("free some space"), "{error}");
    }
}
