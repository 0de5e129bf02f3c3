//! A disk whose writes go to a copy-on-write file over an image that is only read.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use virtarium_backends::disk::overlay::{OpenError, Report};
use virtarium_backends::disk::{Overlay, OverlayOptions, Store, StoreError};
use virtarium_machine::host::{BlockRequest, BlockResult};

use super::file::{OVERLAY, read_at, write_at};
use super::image::Image;
use super::{Backend, ImageFormat};

/// An overlay with its base.
pub struct OverlayDisk(Overlay<OverlayFile, Image>);

impl OverlayDisk {
    /// Opens the overlay at `path` over the image at `base`, or creates it.
    pub fn open(base: &Path, format: ImageFormat, path: &Path) -> Result<Self> {
        let image = Image::open(base, format)?;
        let named = || format!("overlay {}", path.display());
        let (mut store, new) = locked(path, open_or_create)?;
        // Nothing, or what a machine has left that was killed while it made it.
        let options = OverlayOptions::default();
        let fresh = Overlay::is_unfinished(&mut store, &image, &options)
            .inspect_err(|_| {
                if new {
                    let _ = std::fs::remove_file(path);
                }
            })
            .with_context(named)?;
        match fresh {
            true => create(store, image, &options, path),
            false => open(store, image, base, path),
        }
    }

    /// Opens an overlay that is there.
    pub fn open_existing(base: &Path, format: ImageFormat, path: &Path) -> Result<Self> {
        let existing = |path: &Path| {
            let file = OpenOptions::new().read(true).write(true).open(path)?;
            Ok((file, false))
        };
        let (store, _) = locked(path, existing)?;
        open(store, Image::open(base, format)?, base, path)
    }

    /// Makes a new overlay, of a disk of `size` bytes, where no file is.
    pub fn create(image: Image, size: u64, path: &Path) -> Result<Self> {
        let new = |path: &Path| {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create_new(true);
            Ok((options.open(path)?, true))
        };
        let (store, _) = locked(path, new)?;
        let options = OverlayOptions {
            size: Some(size),
            ..OverlayOptions::default()
        };
        create(store, image, &options, path)
    }

    /// The overlay itself.
    pub fn overlay(&mut self) -> &mut Overlay<OverlayFile, Image> {
        &mut self.0
    }
}

/// Everything that is wrong with an overlay, whatever its base; `None` for another kind of file.
/// Writes nothing.
pub fn verify(path: &Path) -> Result<Option<Report>> {
    let named = || format!("overlay {}", path.display());
    if !std::fs::metadata(path).with_context(named)?.is_file() {
        return Ok(None);
    }
    let mut file = File::open(path).with_context(named)?;
    let mut head = [0; OVERLAY.len()];
    if read_at(&mut file, 0, &mut head).is_err() || head != *OVERLAY {
        return Ok(None);
    }
    if let Err(TryLockError::WouldBlock) = file.try_lock_shared() {
        bail!("{}: a machine uses it; end that one first", named());
    }
    let report = Overlay::<_, Image>::verify(&mut OverlayFile(file));
    report.map(Some).with_context(named)
}

/// A file for an overlay, by the way in which it is to be opened, and whether it is new.
fn locked(
    path: &Path,
    open: impl Fn(&Path) -> io::Result<(File, bool)>,
) -> Result<(OverlayFile, bool)> {
    let named = || format!("overlay {}", path.display());
    if path.is_dir() {
        bail!("{}: is a directory, not a file", named());
    }
    if !is_file_or_nothing(path) {
        bail!("{}: is no regular file; name one, or a new one", named());
    }
    let (file, new) = open(path).with_context(named)?;
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        bail!(
            "{}: another machine, or another disk of this one, uses it; end that one, or name another overlay file",
            named()
        );
    }
    Ok((OverlayFile(file), new))
}

fn create(
    store: OverlayFile,
    image: Image,
    options: &OverlayOptions,
    path: &Path,
) -> Result<OverlayDisk> {
    let made = Overlay::create(store, image, options);
    let made = made.map_err(|error| {
        // What was written of it is of no use to anybody.
        let _ = std::fs::remove_file(path);
        anyhow!("{error}")
    });
    made.map(OverlayDisk)
        .with_context(|| format!("overlay {}", path.display()))
}

fn open(store: OverlayFile, image: Image, base: &Path, path: &Path) -> Result<OverlayDisk> {
    let named = || format!("overlay {}", path.display());
    match Overlay::open(store, image) {
        Ok(overlay) => Ok(OverlayDisk(overlay)),
        Err(error @ OpenError::WrongBase { .. }) => bail!(
            "{}: {error}; give it the image {} as it was, or another overlay file",
            named(),
            base.display()
        ),
        Err(error) => bail!("{}: {error}", named()),
    }
}

impl Backend for OverlayDisk {
    fn capacity(&self) -> u64 {
        self.0.size()
    }

    fn execute(&mut self, request: &BlockRequest) -> BlockResult {
        self.0.execute(request)
    }

    fn trouble(&mut self) -> Option<String> {
        self.0.base_mut().trouble()
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
pub struct OverlayFile(File);

fn store_error(error: &io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            StoreError::NoSpace
        }
        _ => StoreError::Io,
    }
}

/// The host's error as a store's.
pub fn done<T>(result: io::Result<T>) -> Result<T, StoreError> {
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
        match OverlayDisk::open(base, ImageFormat::Found, overlay) {
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
        let mut disk = OverlayDisk::open(&base, ImageFormat::Found, &overlay).unwrap();
        disk.execute(&write(5, 9)).unwrap();
        disk.execute(&BlockRequest::Flush).unwrap();
        assert!(refusal(&base, &overlay).contains("another machine"));
        drop(disk);
        let mut disk = OverlayDisk::open(&base, ImageFormat::Found, &overlay).unwrap();
        assert_eq!((read(&mut disk, 5), read(&mut disk, 6)), (9, 7));
        assert_eq!(std::fs::read(&base).unwrap(), vec![7; 1 << 20]);
    }

    #[test]
    fn overlay_of_another_base_and_a_file_that_is_none_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("base");
        let overlay = dir.path().join("overlay");
        std::fs::write(&base, vec![7; 1 << 20]).unwrap();
        drop(OverlayDisk::open(&base, ImageFormat::Found, &overlay).unwrap());
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
        drop(OverlayDisk::open(&base, ImageFormat::Found, &overlay).unwrap());
        let whole = std::fs::metadata(&overlay).unwrap().len();
        for len in [0, 1, 4096, whole - 1, whole] {
            let file = File::create(&overlay).unwrap();
            file.set_len(len).unwrap();
            let mut disk = OverlayDisk::open(&base, ImageFormat::Found, &overlay).unwrap();
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
            drop(OverlayDisk::open(&path("base"), ImageFormat::Found, &path(name)).unwrap());
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
        drop(OverlayDisk::open(&path("base"), ImageFormat::Found, &path("elsewhere")).unwrap());
        drop(OverlayDisk::open(&path("base"), ImageFormat::Found, &path("overlay")).unwrap());
        // A file that is something else is not taken for a new overlay, whoever links to it.
        std::fs::write(path("victim"), "mine").unwrap();
        std::os::unix::fs::symlink(path("victim"), path("planted")).unwrap();
        assert!(refusal(&path("base"), &path("planted")).contains("cannot be used"));
        assert_eq!(std::fs::read(path("victim")).unwrap(), b"mine");
    }
}
