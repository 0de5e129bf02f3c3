//! A disk whose writes go to a copy-on-write file over a raw image that is only read.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use sha2::{Digest, Sha256};
use virtarium_backends::disk::overlay::OpenError;
use virtarium_backends::disk::{Base, BaseId, Overlay, OverlayOptions, Store, StoreError};
use virtarium_machine::host::{BlockRequest, BlockResult};

use super::file::{RawFile, read_at, write_at};
use super::{Backend, Disk};

/// Bytes that are hashed, or found to be zero, at once.
const PIECE: u64 = 64 * 1024;

/// An overlay with its base.
pub struct OverlayDisk(Overlay<OverlayFile, RawBase>);

impl OverlayDisk {
    /// Opens the overlay at `path` over the image at `base`, or creates it.
    pub fn open(base: &Path, raw: bool, path: &Path) -> Result<Self> {
        let image = RawBase::open(base, raw)?;
        let named = || format!("overlay {}", path.display());
        if path.is_dir() {
            bail!("{}: is a directory, not a file", named());
        }
        if !is_file_or_nothing(path) {
            bail!("{}: is no regular file; name one, or a new one", named());
        }
        let (file, new) = open_or_create(path).with_context(named)?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            bail!(
                "{}: another machine, or another disk of this one, uses it; end that one, or name another overlay file",
                named()
            );
        }
        let mut store = OverlayFile(file);
        // Nothing, or what a machine has left that was killed while it made it.
        let options = OverlayOptions::default();
        let fresh = Overlay::is_unfinished(&mut store, &image, &options)
            .inspect_err(|_| {
                if new {
                    let _ = std::fs::remove_file(path);
                }
            })
            .with_context(named)?;
        let overlay = match fresh {
            true => Overlay::create(store, image, &options)
                .map_err(|error| {
                    // What was written of it is of no use to anybody.
                    let _ = std::fs::remove_file(path);
                    anyhow!("{error}")
                })
                .with_context(named)?,
            false => match Overlay::open(store, image) {
                Ok(overlay) => overlay,
                Err(error @ OpenError::WrongBase { .. }) => bail!(
                    "{}: {error}; give it the image {} as it was, or another overlay file",
                    named(),
                    base.display()
                ),
                Err(error) => bail!("{}: {error}", named()),
            },
        };
        Ok(Self(overlay))
    }
}

impl Backend for OverlayDisk {
    fn capacity(&self) -> u64 {
        self.0.size()
    }

    fn execute(&mut self, request: &BlockRequest) -> BlockResult {
        self.0.execute(request)
    }
}

/// Anything else would be waited for, or replaced.
fn is_file_or_nothing(path: &Path) -> bool {
    std::fs::metadata(path).map_or(true, |metadata| metadata.is_file())
}

/// The file, or a new one where there is nothing at all: a link that leads nowhere must not have a
/// file made elsewhere (hostile inputs, V25). And whether it is new.
fn open_or_create(path: &Path) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    match options.open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Ok((options.create_new(true).open(path)?, true))
        }
        other => Ok((other?, false)),
    }
}

/// The overlay's file.
struct OverlayFile(File);

fn store_error(error: &io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            StoreError::NoSpace
        }
        _ => StoreError::Io,
    }
}

fn done<T>(result: io::Result<T>) -> Result<T, StoreError> {
    result.map_err(|error| store_error(&error))
}

impl Store for OverlayFile {
    fn read(&mut self, at: u64, buf: &mut [u8]) -> Result<(), StoreError> {
        done(read_at(&mut self.0, at, buf))
    }

    fn write(&mut self, at: u64, data: &[u8]) -> Result<(), StoreError> {
        done(write_at(&mut self.0, at, data))
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        done(self.0.sync_data())
    }

    fn len(&mut self) -> Result<u64, StoreError> {
        done(self.0.metadata()).map(|metadata| metadata.len())
    }

    fn set_len(&mut self, len: u64) -> Result<(), StoreError> {
        done(self.0.set_len(len))
    }
}

/// The image under an overlay.
struct RawBase {
    file: RawFile,
    id: BaseId,
}

impl RawBase {
    fn open(path: &Path, raw: bool) -> Result<Self> {
        let mut file = RawFile::open(path, true, raw)?;
        let id = identity(&mut file).with_context(|| format!("disk {}", path.display()))?;
        Ok(Self { file, id })
    }
}

impl Base for RawBase {
    fn id(&self) -> BaseId {
        self.id
    }

    fn size(&self) -> u64 {
        self.file.size()
    }

    fn read(&mut self, at: u64, buf: &mut [u8]) -> Result<(), StoreError> {
        done(self.file.read(at, buf))
    }
}

/// The hash of an image's content: SHA-256 over its length and, for each piece of 64 KiB that is
/// not all zero, its offset and its bytes. Holes are zeroes, and cost no reading.
fn identity(file: &mut RawFile) -> io::Result<BaseId> {
    let size = file.size();
    let mut hash = Sha256::new();
    hash.update(size.to_le_bytes());
    let mut bytes = vec![0; PIECE as usize];
    let mut at = 0;
    while at < size {
        let Some(data) = file.next_data(at)? else {
            break;
        };
        at = data - data % PIECE;
        let len = PIECE.min(size - at);
        let piece = &mut bytes[..len as usize];
        file.read(at, piece)?;
        if piece.iter().any(|byte| *byte != 0) {
            hash.update(at.to_le_bytes());
            hash.update(&*piece);
        }
        at += len;
    }
    Ok(BaseId(hash.finalize().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(sector: u64, byte: u8) -> BlockRequest {
        let data = vec![byte; 512];
        BlockRequest::Write { sector, data }
    }

    fn read(disk: &mut OverlayDisk, sector: u64) -> u8 {
        let read = BlockRequest::Read { sector, len: 512 };
        disk.execute(&read).unwrap()[0]
    }

    fn refusal(base: &Path, overlay: &Path) -> String {
        match OverlayDisk::open(base, false, overlay) {
            Ok(_) => panic!("opened"),
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn writes_go_to_the_overlay_and_are_there_the_next_time() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("base");
        let overlay = dir.path().join("overlay");
        std::fs::write(&base, vec![7; 1 << 20]).unwrap();
        let mut disk = OverlayDisk::open(&base, false, &overlay).unwrap();
        disk.execute(&write(5, 9)).unwrap();
        disk.execute(&BlockRequest::Flush).unwrap();
        assert!(refusal(&base, &overlay).contains("another machine"));
        drop(disk);
        let mut disk = OverlayDisk::open(&base, false, &overlay).unwrap();
        assert_eq!((read(&mut disk, 5), read(&mut disk, 6)), (9, 7));
        assert_eq!(std::fs::read(&base).unwrap(), vec![7; 1 << 20]);
    }

    #[test]
    fn overlay_of_another_base_and_a_file_that_is_none_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("base");
        let overlay = dir.path().join("overlay");
        std::fs::write(&base, vec![7; 1 << 20]).unwrap();
        drop(OverlayDisk::open(&base, false, &overlay).unwrap());
        // One byte of the base is another one.
        let mut bytes = vec![7; 1 << 20];
        bytes[777_777] = 8;
        std::fs::write(&base, &bytes).unwrap();
        let text = refusal(&base, &overlay);
        assert!(
            text.contains("another base") && text.contains("overlay"),
            "{text}"
        );
        std::fs::write(&overlay, vec![1; 100_000]).unwrap();
        assert!(refusal(&base, &overlay).contains("cannot be used"));
        assert_eq!(std::fs::read(&overlay).unwrap(), vec![1; 100_000]);
        assert!(refusal(&base, dir.path()).contains("is a directory"));
    }

    #[test]
    fn overlay_whose_making_was_cut_short_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("base");
        let overlay = dir.path().join("overlay");
        std::fs::write(&base, vec![7; 1 << 20]).unwrap();
        drop(OverlayDisk::open(&base, false, &overlay).unwrap());
        let whole = std::fs::metadata(&overlay).unwrap().len();
        for len in [0, 1, 4096, whole - 1, whole] {
            let file = File::create(&overlay).unwrap();
            file.set_len(len).unwrap();
            let mut disk = OverlayDisk::open(&base, false, &overlay).unwrap();
            assert_eq!(read(&mut disk, 5), 7);
        }
        // But a longer file of zeroes is somebody's disk, and any other byte somebody's data.
        let file = File::create(&overlay).unwrap();
        file.set_len(whole + 1).unwrap();
        assert!(refusal(&base, &overlay).contains("cannot be used"));
        file.set_len(whole - 1).unwrap();
        let mut file = file;
        write_at(&mut file, whole - 2, &[1]).unwrap();
        assert!(refusal(&base, &overlay).contains("cannot be used"));
        assert_eq!(std::fs::metadata(&overlay).unwrap().len(), whole - 1);
    }

    #[test]
    fn image_that_is_too_large_for_an_overlay_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let (base, overlay) = (dir.path().join("base"), dir.path().join("overlay"));
        // Not every file system takes a file of this length.
        if File::create(&base).unwrap().set_len(5 << 40).is_err() {
            return;
        }
        let text = refusal(&base, &overlay);
        assert!(text.contains("4096 GiB"), "{text}");
        assert!(!overlay.exists());
    }

    /// Everything in a directory: names and contents.
    fn all(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
        let mut all: Vec<_> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), std::fs::read(&path).unwrap_or_default()))
            .collect();
        all.sort();
        all
    }

    // Hostile inputs, V19.
    #[test]
    fn overlays_of_themselves_and_of_one_another_are_refused_and_stay_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("base"), vec![7; 1 << 20]).unwrap();
        std::fs::write(path("raw"), vec![8; 1 << 20]).unwrap();
        for name in ["a", "b"] {
            drop(OverlayDisk::open(&path("base"), false, &path(name)).unwrap());
        }
        let before = all(dir.path());
        // An image on itself, by its own name and by another.
        assert!(refusal(&path("raw"), &path("raw")).contains("another machine"));
        std::fs::hard_link(path("raw"), path("link")).unwrap();
        assert!(refusal(&path("raw"), &path("link")).contains("another machine"));
        std::fs::remove_file(path("link")).unwrap();
        // An overlay on itself, two on one another, and a chain of them.
        for (base, overlay) in [("a", "a"), ("a", "b"), ("b", "a")] {
            let text = refusal(&path(base), &path(overlay));
            assert!(text.contains("is an overlay"), "{text}");
        }
        assert!(refusal(&path("a"), &path("c")).contains("is an overlay"));
        assert!(all(dir.path()) == before, "something was written");
    }

    // Hostile inputs, V25.
    #[cfg(unix)]
    #[test]
    fn link_in_the_place_of_a_new_overlay_makes_no_file_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("base"), vec![7; 1 << 20]).unwrap();
        std::os::unix::fs::symlink(path("elsewhere"), path("overlay")).unwrap();
        assert!(refusal(&path("base"), &path("overlay")).contains("overlay"));
        assert!(!path("elsewhere").exists());
        // What was made on purpose may be reached through a link.
        drop(OverlayDisk::open(&path("base"), false, &path("elsewhere")).unwrap());
        drop(OverlayDisk::open(&path("base"), false, &path("overlay")).unwrap());
        // A file that is something else is not taken for a new overlay, whoever links to it.
        std::fs::write(path("victim"), "mine").unwrap();
        std::os::unix::fs::symlink(path("victim"), path("planted")).unwrap();
        assert!(refusal(&path("base"), &path("planted")).contains("cannot be used"));
        assert_eq!(std::fs::read(path("victim")).unwrap(), b"mine");
    }

    #[test]
    fn identity_is_that_of_the_content_and_not_of_its_holes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        let id = || identity(&mut RawFile::open(&path, true, false).unwrap()).unwrap();
        let mut bytes = vec![0; 1 << 20];
        bytes[500_000] = 1;
        std::fs::write(&path, &bytes).unwrap();
        let full = id();
        let file = File::create(&path).unwrap();
        file.set_len(1 << 20).unwrap();
        let mut file = file;
        write_at(&mut file, 500_000, &[1]).unwrap();
        assert_eq!(id(), full);
        file.set_len(2 << 20).unwrap();
        assert_ne!(id(), full);
    }
}
