//! What the chunks of a disk were made of: a disk that has not changed since is not read again, nor
//! are the chunks that have not.
//!
//! Nothing is taken for right because it is there. A record is written when every chunk has been
//! compared with the disk and is stable, and it holds for the very files that were there then: each
//! with its size, its times and, where there is one, its number.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use virtarium_backends::disk::Manifest;

use crate::host::block::chunked::{folder_of, read_manifest};
use crate::image::cache::write_atomically;
use crate::image::digest::Sha256;

/// The coarsest time of a last change that file systems keep (FAT: two seconds): what is younger may
/// change once more and not show it.
const TICK: Duration = Duration::from_secs(2);

/// A disk and its chunks, told apart from any others.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The disk's [`stamp`].
    disk: String,
    /// SHA-256 of the manifest.
    manifest: Sha256,
    /// SHA-256 of the names and stamps of the chunks' files.
    chunks: Sha256,
}

impl Record {
    /// The disk and the chunks as they are now, and the manifest. `None` if something is missing.
    pub fn of(disk: &Path, manifest: &Path) -> Option<(Self, Manifest)> {
        let found = read_manifest(manifest).ok()?;
        let mut files = String::new();
        for path in paths(&found, manifest) {
            let stamp = stamp(&fs::symlink_metadata(&path).ok()?)?;
            files.push_str(&format!("{} {stamp}\n", path.display()));
        }
        let record = Self {
            disk: stamp_of(disk)?,
            manifest: Sha256(found.id().0),
            chunks: Sha256::of(files.as_bytes()),
        };
        Some((record, found))
    }

    /// Whether it is of a disk with this stamp.
    pub fn is_of(&self, disk: &str) -> bool {
        self.disk == disk
    }

    /// The record in a file, if there is one.
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// Writes it down.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_atomically(path, &serde_json::to_vec(self)?)
    }
}

/// Whether a disk that is read from now on cannot change without another time of its last change.
pub fn is_settled(disk: &Path) -> bool {
    let modified = fs::metadata(disk).and_then(|metadata| metadata.modified());
    let age = modified.map(|modified| SystemTime::now().duration_since(modified));
    matches!(age, Ok(Ok(age)) if age >= TICK)
}

/// What changes when a disk does.
pub fn stamp_of(disk: &Path) -> Option<String> {
    stamp(&fs::metadata(disk).ok()?)
}

/// Has the chunks of a manifest, with their names, outlast a loss of power.
///
/// # Errors
/// What the file system says.
pub fn make_stable(manifest: &Manifest, at: &Path) -> io::Result<()> {
    let mut folders = BTreeSet::new();
    for path in paths(manifest, at) {
        // Not every system flushes what is open for reading only.
        OpenOptions::new().write(true).open(&path)?.sync_all()?;
        let parents = path.ancestors().skip(1).take(2);
        folders.extend(parents.map(Path::to_owned));
    }
    if cfg!(unix) {
        for folder in folders {
            File::open(folder)?.sync_all()?;
        }
    }
    Ok(())
}

/// The chunks' files, each once.
fn paths(manifest: &Manifest, at: &Path) -> BTreeSet<PathBuf> {
    let folder = folder_of(at);
    let indices = (0..manifest.count()).filter(|index| manifest.hash(*index).is_some());
    indices
        .map(|index| folder.join(manifest.path_of(index)))
        .collect()
}

/// What changes when a file does; `None` for what is no file.
fn stamp(metadata: &Metadata) -> Option<String> {
    if !metadata.is_file() {
        return None;
    }
    let modified = metadata.modified().ok()?;
    let since = modified.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let stamp = format!("{} {}", metadata.len(), since.as_nanos());
    #[cfg(unix)]
    let stamp = {
        use std::os::unix::fs::MetadataExt;
        // Whoever sets the one time cannot set the other.
        let (seconds, nanos) = (metadata.ctime(), metadata.ctime_nsec());
        format!("{stamp} {seconds}.{nanos:09} {}", metadata.ino())
    };
    Some(stamp)
}

#[cfg(test)]
mod tests {
    use virtarium_backends::disk::chunks::DEFAULT_CHUNK;

    use super::super::folder::{Folder, RECORD};
    use super::*;
    use crate::image::Progress;
    use crate::image::testing::{Directory, directory};

    const HOUR: Duration = Duration::from_secs(3600);

    struct Site {
        dir: Directory,
    }

    impl Site {
        /// A disk of two chunks that was written an hour ago, and a folder for it.
        fn new(name: &str) -> Self {
            let site = Self {
                dir: directory(name),
            };
            let mut bytes = vec![1; DEFAULT_CHUNK as usize];
            bytes.extend(vec![2; DEFAULT_CHUNK as usize]);
            site.write_disk(&bytes);
            site
        }

        fn disk(&self) -> PathBuf {
            self.dir.path().join("disk")
        }

        fn write_disk(&self, bytes: &[u8]) {
            fs::write(self.disk(), bytes).unwrap();
            set_modified(&self.disk(), SystemTime::now() - HOUR);
        }

        fn manifest(&self) -> PathBuf {
            self.dir.path().join("site/disks/name/manifest.txt")
        }

        fn record(&self) -> PathBuf {
            self.manifest().with_file_name(RECORD)
        }

        fn chunks(&self) -> Vec<PathBuf> {
            let manifest = read_manifest(&self.manifest()).unwrap();
            paths(&manifest, &self.manifest()).into_iter().collect()
        }

        /// Puts the disk into the folder: files that were written, and kept.
        fn put(&self) -> (u64, u64) {
            let root = self.dir.path().join("site");
            let mut folder = Folder::open(&root, Progress::silent()).unwrap();
            folder.put_disk("name", &self.disk()).unwrap();
            folder.counts()
        }
    }

    fn set_modified(path: &Path, time: SystemTime) {
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.set_modified(time).unwrap();
    }

    #[test]
    fn what_a_record_vouches_for_is_not_read() {
        let site = Site::new("site-record");
        assert_eq!(site.put(), (3, 0));
        assert_eq!(site.put(), (0, 3));
        // Were it read, this would be found.
        let chunk = &site.chunks()[0];
        fs::write(chunk, "damaged").unwrap();
        let (record, _) = Record::of(&site.disk(), &site.manifest()).unwrap();
        record.write(&site.record()).unwrap();
        assert_eq!(site.put(), (0, 3));
        fs::remove_file(site.record()).unwrap();
        assert_eq!(site.put(), (1, 2));
        assert_ne!(fs::read(chunk).unwrap(), b"damaged");
    }

    #[test]
    fn what_has_changed_since_is_read() {
        let site = Site::new("site-changed");
        site.put();
        let chunk = site.chunks().remove(0);
        let packed = fs::read(&chunk).unwrap();
        let time = fs::metadata(&chunk).unwrap().modified().unwrap();

        fs::write(&chunk, &packed[..packed.len() / 2]).unwrap();
        set_modified(&chunk, time);
        assert_eq!(site.put(), (1, 2), "cut");
        fs::remove_file(&chunk).unwrap();
        assert_eq!(site.put(), (1, 2), "missing");
        fs::write(&chunk, vec![0; packed.len()]).unwrap();
        assert_eq!(site.put(), (1, 2), "overwritten");
        fs::write(site.manifest(), "virtarium-chunks 1\n").unwrap();
        assert_eq!(site.put(), (1, 2), "another manifest");
        fs::write(site.record(), "{}").unwrap();
        assert_eq!(site.put(), (0, 3), "no record");
        assert!(Record::read(&site.record()).is_some());

        let mut bytes = fs::read(site.disk()).unwrap();
        bytes[7] = 7;
        site.write_disk(&bytes);
        assert_eq!(site.put(), (2, 1), "another disk");
        assert_eq!(site.put(), (0, 3));
    }

    /// With its size and the time of its last change as they were.
    #[cfg(unix)]
    #[test]
    fn disk_that_was_changed_behind_its_time_is_read() {
        let site = Site::new("site-behind");
        let time = fs::metadata(site.disk()).unwrap().modified().unwrap();
        assert_eq!(site.put(), (3, 0));
        let mut bytes = fs::read(site.disk()).unwrap();
        bytes[7] = 7;
        fs::write(site.disk(), &bytes).unwrap();
        set_modified(&site.disk(), time);
        assert_eq!(site.put(), (2, 1));
    }

    #[test]
    fn disk_that_may_change_unseen_gets_no_record() {
        let site = Site::new("site-young");
        set_modified(&site.disk(), SystemTime::now());
        assert_eq!(site.put(), (3, 0));
        assert!(!site.record().exists());
        // Nor one whose time is to come.
        set_modified(&site.disk(), SystemTime::now() + HOUR);
        assert_eq!(site.put(), (0, 3));
        assert!(!site.record().exists());
    }
}
