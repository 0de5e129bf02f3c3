//! Files of a site: written at once or not at all, and only where they are not there already.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::bufread::GzDecoder;

use virtarium_backends::disk::Manifest;
use virtarium_backends::disk::chunks::{self, DEFAULT_CHUNK};

use super::machine::{Encoding, FileRef};
use super::record::{self, Record};
use crate::args::devices::ImageArg;
use crate::host::block::ImageFormat;
use crate::image::cache::{unwritable, write_atomically};
use crate::image::chunk::{Chunking, chunk};
use crate::image::digest::{Hashing, Sha256};
use crate::image::progress::Progress;

/// Bytes between two looks at the progress.
const STEP: usize = 256 << 10;

/// What is known of a disk's chunks, beside its manifest.
pub const RECORD: &str = ".record.json";

/// A folder that is being made.
pub struct Folder {
    root: PathBuf,
    progress: Progress,
    written: u64,
    kept: u64,
}

impl Folder {
    /// A folder, made if need be.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn open(root: &Path, progress: Progress) -> Result<Self> {
        std::fs::create_dir_all(root).map_err(|error| unwritable(root, error))?;
        let root = root.to_owned();
        Ok(Self {
            root,
            progress,
            written: 0,
            kept: 0,
        })
    }

    /// Puts a raw disk into the folder in chunks, which all disks share. The URL of its manifest is
    /// relative to a folder of the site. Where neither disk nor chunks have changed since the last
    /// time, nothing is read.
    ///
    /// # Errors
    /// If it cannot be read, or a chunk not written.
    pub fn put_disk(&mut self, name: &str, disk: &Path) -> Result<String> {
        let path = format!("disks/{name}/manifest.txt");
        let manifest = self.root.join(&path);
        if let Some(parent) = manifest.parent() {
            std::fs::create_dir_all(parent).map_err(|error| unwritable(parent, error))?;
        }
        let record = manifest.with_file_name(RECORD);
        let chunking = Chunking {
            image: ImageArg {
                path: disk.to_owned(),
                format: ImageFormat::Raw,
            },
            manifest,
            folder: "../../chunks/".to_owned(),
            chunk_size: DEFAULT_CHUNK,
            encoding: chunks::Encoding::Gzip,
        };
        if let Some(known) = Record::read(&record)
            && let Some((found, manifest)) = Record::of(disk, &chunking.manifest)
            && found == known
            && is_made_by(&manifest, &chunking)
        {
            self.kept += files_of(&manifest) + 1;
            return Ok(format!("../{path}"));
        }
        let settled = record::is_settled(disk);
        let before_disk = record::stamp_of(disk);
        let before = std::fs::read(&chunking.manifest).ok();
        let made = chunk(&chunking, &self.progress)?;
        let same = before.is_some() && before == std::fs::read(&chunking.manifest).ok();
        let manifest = made.manifest;
        self.written += made.written + u64::from(!same);
        self.kept += files_of(&manifest).saturating_sub(made.written) + u64::from(same);
        // Without a record everything is read the next time; that is all.
        if settled
            && record::make_stable(&manifest, &chunking.manifest).is_ok()
            && let Some((found, _)) = Record::of(disk, &chunking.manifest)
            && before_disk.is_some_and(|before| found.is_of(&before))
        {
            found.write(&record)?;
        }
        Ok(format!("../{path}"))
    }

    /// Files that were written, and that were there already.
    pub fn counts(&self) -> (u64, u64) {
        (self.written, self.kept)
    }

    /// Gives the file at `path` (with `/`) these bytes.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn put(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        let target = self.root.join(path);
        if std::fs::read(&target).is_ok_and(|there| there == bytes) {
            self.kept += 1;
            return Ok(());
        }
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).map_err(|error| unwritable(parent, error))?;
        }
        write_atomically(&target, bytes)?;
        self.written += 1;
        Ok(())
    }

    /// Puts a file under the name of its hash, packed. `what` names it to people. The URL is
    /// relative to a folder of the site.
    ///
    /// # Errors
    /// If it cannot be read, or the copy not written.
    pub fn put_by_hash(&mut self, what: &str, source: &Path) -> Result<FileRef> {
        let bytes =
            std::fs::read(source).with_context(|| format!("cannot read {}", source.display()))?;
        let sha256 = Sha256::of(&bytes);
        let path = format!("files/{sha256}.gz");
        if unpacks_to(&self.root.join(&path), sha256, bytes.len() as u64) {
            self.kept += 1;
        } else {
            let packed = self.pack(what, &bytes)?;
            self.put(&path, &packed)?;
        }
        Ok(FileRef {
            url: format!("../{path}"),
            sha256,
            size: bytes.len() as u64,
            encoding: Some(Encoding::Gzip),
        })
    }

    /// The same bytes give the same file: there is no name and no date in it.
    fn pack(&self, what: &str, bytes: &[u8]) -> Result<Vec<u8>> {
        let mut task = self
            .progress
            .bytes(format!("packing {what}"), bytes.len() as u64);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::best());
        for piece in bytes.chunks(STEP) {
            std::io::Write::write_all(&mut encoder, piece)?;
            task.add(piece.len() as u64);
        }
        Ok(encoder.finish()?)
    }
}

/// Number of files that the chunks have.
fn files_of(manifest: &Manifest) -> u64 {
    let files = (0..manifest.count()).filter_map(|index| manifest.hash(index));
    files.collect::<BTreeSet<_>>().len() as u64
}

/// Whether a manifest is of the shape that is to be made now.
fn is_made_by(manifest: &Manifest, chunking: &Chunking) -> bool {
    manifest.chunk_size() == chunking.chunk_size
        && manifest.encoding() == chunking.encoding
        && manifest.folder() == chunking.folder
}

/// Whether a packed file is there and whole, with nothing behind it.
fn unpacks_to(path: &Path, sha256: Sha256, size: u64) -> bool {
    let Ok(file) = std::fs::File::open(path) else {
        return false;
    };
    let mut file = BufReader::new(file);
    // One byte more than there should be shows that there is too much.
    let mut hashing = Hashing::new(GzDecoder::new(&mut file).take(size + 1));
    std::io::copy(&mut hashing, &mut std::io::sink()).is_ok()
        && hashing.finish() == (sha256, size)
        && file.fill_buf().is_ok_and(<[u8]>::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::testing::directory;

    fn folder(dir: &Path) -> Folder {
        Folder::open(dir, Progress::silent()).unwrap()
    }

    #[test]
    fn what_is_there_is_left_alone_and_what_is_damaged_is_not() {
        let dir = directory("site-folder");
        let source = dir.path().join("kernel");
        let bytes: Vec<u8> = (0..100_000u32).map(|n| (n / 7) as u8).collect();
        std::fs::write(&source, &bytes).unwrap();
        let site = dir.path().join("site");
        let mut first = folder(&site);
        let file = first.put_by_hash("kernel", &source).unwrap();
        first.put("a/b.txt", b"text").unwrap();
        assert_eq!(first.counts(), (2, 0));
        assert_eq!(file.sha256, Sha256::of(&bytes));
        assert_eq!(file.size, 100_000);
        let path = site.join("machines").join(&file.url);
        std::fs::create_dir(site.join("machines")).unwrap();
        let packed = std::fs::read(&path).unwrap();
        let mut unpacked = Vec::new();
        GzDecoder::new(&packed[..])
            .read_to_end(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, bytes);

        let mut again = folder(&site);
        assert_eq!(again.put_by_hash("kernel", &source).unwrap(), file);
        again.put("a/b.txt", b"text").unwrap();
        assert_eq!(again.counts(), (0, 2));

        // Cut, of another content, with something behind it there, and in the file.
        let other = again.pack("other", &bytes[1..]).unwrap();
        let longer = again
            .pack("longer", &[&bytes[..], b"more"].concat())
            .unwrap();
        let tail = [&packed[..], b"x"].concat();
        for damaged in [&packed[..packed.len() / 2], b"", &other, &longer, &tail] {
            std::fs::write(&path, damaged).unwrap();
            let mut folder = folder(&site);
            folder.put_by_hash("kernel", &source).unwrap();
            assert_eq!(folder.counts(), (1, 0));
            assert_eq!(std::fs::read(&path).unwrap(), packed);
        }
        // Disks have chunks, and share them.
        for (name, first) in [("one", 1), ("two", 1), ("three", 2)] {
            let disk = dir.path().join(name);
            let mut content = vec![first; 256 << 10];
            content.resize(600 << 10, 0);
            content.extend([7; 512]);
            std::fs::write(&disk, content).unwrap();
        }
        let mut disks = folder(&site);
        let mut put = |name: &str| {
            let before = disks.counts();
            let url = disks.put_disk(name, &dir.path().join(name)).unwrap();
            assert_eq!(url, format!("../disks/{name}/manifest.txt"));
            let (written, kept) = disks.counts();
            (written - before.0, kept - before.1)
        };
        assert_eq!(put("one"), (3, 0));
        assert_eq!(put("one"), (0, 3));
        assert_eq!(put("two"), (1, 2));
        assert_eq!(put("three"), (2, 1));
        let text = std::fs::read_to_string(site.join("disks/one/manifest.txt")).unwrap();
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        let chunk = site.join("disks/one").join(manifest.path_of(0));
        assert!(chunk.is_file(), "{}", chunk.display());

        let mut other = folder(&site);
        other.put("a/b.txt", b"other").unwrap();
        assert_eq!(other.counts(), (1, 0));
        assert_eq!(std::fs::read(site.join("a/b.txt")).unwrap(), b"other");
    }
}
