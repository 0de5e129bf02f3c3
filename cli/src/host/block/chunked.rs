//! An image in chunks: a manifest, and a folder of files beside it.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use virtarium_backends::disk::chunks::{MAGIC, MAX_TEXT, decode};
use virtarium_backends::disk::{Base, BaseId, ChunkBase, Manifest, StoreError};

use super::Disk;

/// Bytes of chunks that are kept in memory: as many as a guest reads again and again.
const CACHE: u64 = 32 << 20;

/// The image. Its chunks are read when they are needed, and verified each time.
pub struct ChunkedImage {
    chunks: ChunkBase,
    /// The folder that the manifest is in.
    folder: PathBuf,
    trouble: Option<String>,
}

/// Whether a file begins as a manifest does.
pub fn is_manifest(path: &Path) -> bool {
    let mut head = [0; MAGIC.len()];
    path.is_file()
        && File::open(path).is_ok_and(|mut file| file.read_exact(&mut head).is_ok())
        && head == MAGIC
}

/// Reads a manifest. What it names is not looked at.
///
/// # Errors
/// Names the file and the line.
pub fn read_manifest(path: &Path) -> Result<Manifest> {
    let read = || {
        if !std::fs::metadata(path)?.is_file() {
            bail!("is no file");
        }
        let mut text = Vec::new();
        File::open(path)?.take(MAX_TEXT).read_to_end(&mut text)?;
        Ok(Manifest::parse(&text)?)
    };
    read().with_context(|| format!("manifest {}", path.display()))
}

/// The folder that a manifest's paths begin at.
pub fn folder_of(manifest: &Path) -> PathBuf {
    manifest.parent().unwrap_or(Path::new("")).to_path_buf()
}

/// Reads a chunk that is not zero out of its file, and verifies it.
///
/// # Errors
/// One line that names the file.
pub fn read_chunk(manifest: &Manifest, folder: &Path, index: u32) -> Result<Vec<u8>, String> {
    let path = folder.join(manifest.path_of(index));
    let wrong = |what: String| format!("{}: {what}", path.display());
    // More than gzip makes of bytes that it cannot pack; and a pipe would be waited for.
    let most = u64::from(manifest.len_of(index)) * 257 / 256 + 4096;
    let read = || -> io::Result<Vec<u8>> {
        if !std::fs::metadata(&path)?.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidData, "is no file"));
        }
        let mut bytes = Vec::new();
        File::open(&path)?.take(most + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let file = read().map_err(|error| match error.kind() {
        ErrorKind::NotFound => wrong("the chunk is missing".into()),
        _ => wrong(error.to_string()),
    })?;
    if file.len() as u64 > most {
        return Err(wrong(format!("chunk {index} is damaged: it is too long")));
    }
    let raw = decode(manifest, index, &file).map_err(|error| wrong(error.to_string()))?;
    let checked = manifest.check(index, &raw);
    checked.map_err(|error| wrong(error.to_string()))?;
    Ok(raw)
}

impl ChunkedImage {
    /// Opens the image of a manifest. None of its chunks is read.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self {
            chunks: ChunkBase::new(read_manifest(path)?, CACHE),
            folder: folder_of(path),
            trouble: None,
        })
    }

    /// The first byte from `at` on that is in a chunk that is not zero; `None` if only zeroes are
    /// left.
    pub fn next_data(&self, at: u64) -> Option<u64> {
        let manifest = self.chunks.manifest();
        if at >= manifest.size() {
            return None;
        }
        let mut chunks = manifest.chunk_at(at)..manifest.count();
        let chunk = chunks.find(|index| !manifest.is_zero(*index))?;
        Some(manifest.offset_of(chunk).max(at))
    }

    fn load(&mut self, index: u32) -> Result<(), StoreError> {
        if self.chunks.has(index) {
            return Ok(());
        }
        let chunk = read_chunk(self.chunks.manifest(), &self.folder, index);
        let chunk = chunk.and_then(|raw| {
            let taken = self.chunks.insert(index, raw);
            taken.map_err(|error| error.to_string())
        });
        chunk.map_err(|trouble| {
            self.trouble = Some(trouble);
            StoreError::Io
        })
    }

    /// What was wrong the last time, with the name of the file.
    pub fn trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }
}

impl Base for ChunkedImage {
    fn id(&self) -> BaseId {
        self.chunks.id()
    }

    fn size(&self) -> u64 {
        self.chunks.size()
    }

    fn read(&mut self, at: u64, buf: &mut [u8]) -> Result<(), StoreError> {
        let mut at = at;
        let mut rest = buf;
        // One chunk at a time: a long stretch may be more than there is memory for.
        while !rest.is_empty() {
            let manifest = self.chunks.manifest();
            let index = manifest.chunk_at(at);
            let end = manifest.offset_of(index) + u64::from(manifest.len_of(index));
            let there = end.checked_sub(at).ok_or(StoreError::Io)?;
            let (piece, others) = rest.split_at_mut(rest.len().min(there as usize));
            if piece.is_empty() {
                return Err(StoreError::Io);
            }
            self.load(index)?;
            self.chunks.read(at, piece)?;
            at += piece.len() as u64;
            rest = others;
        }
        Ok(())
    }
}

impl Disk for ChunkedImage {
    fn size(&self) -> u64 {
        self.chunks.size()
    }

    fn read(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        Base::read(self, offset, bytes).map_err(|_| ErrorKind::InvalidData.into())
    }

    fn write(&mut self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(ErrorKind::ReadOnlyFilesystem.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn discard(&mut self, _: u64, _: u64) -> io::Result<()> {
        Err(ErrorKind::ReadOnlyFilesystem.into())
    }

    fn write_zeroes(&mut self, _: u64, _: u64, _: bool) -> io::Result<()> {
        Err(ErrorKind::ReadOnlyFilesystem.into())
    }

    fn trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }
}

#[cfg(test)]
mod tests {
    use virtarium_backends::disk::chunks::{Encoding, ManifestWriter};

    use super::*;

    const CHUNK: usize = 128 << 10;

    /// A directory with an image of three chunks, of which the second one is zero and the others
    /// have the bytes 1 and 3.
    fn image() -> (tempfile::TempDir, PathBuf, Manifest) {
        let dir = tempfile::tempdir().unwrap();
        let mut writer =
            ManifestWriter::new(3 * CHUNK as u64, CHUNK as u32, Encoding::None).unwrap();
        for byte in [1, 0, 3] {
            writer.push(&[byte; CHUNK]).unwrap();
        }
        let (manifest, text) = writer.finish().unwrap();
        let path = dir.path().join("manifest.txt");
        std::fs::write(&path, text).unwrap();
        for (index, byte) in [(0, 1), (2, 3)] {
            let file = dir.path().join(manifest.path_of(index));
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, [byte; CHUNK]).unwrap();
        }
        (dir, path, manifest)
    }

    #[test]
    fn image_is_read_across_its_chunks_and_never_written() {
        let (_dir, path, _) = image();
        let mut disk = ChunkedImage::open(&path).unwrap();
        assert_eq!(Disk::size(&disk), 3 * CHUNK as u64);
        let mut bytes = vec![9; CHUNK + 1024];
        Disk::read(&mut disk, CHUNK as u64 - 512, &mut bytes).unwrap();
        let expected = [vec![1; 512], vec![0; CHUNK], vec![3; 512]].concat();
        assert!(bytes == expected);
        assert!(Disk::read(&mut disk, 3 * CHUNK as u64 - 512, &mut bytes).is_err());
        for result in [
            disk.write(0, &[1; 512]),
            disk.discard(0, 512),
            disk.write_zeroes(0, 512, true),
        ] {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
        }
        let data = |at| disk.next_data(at);
        let chunk = CHUNK as u64;
        assert_eq!(
            (data(5), data(chunk), data(3 * chunk)),
            (Some(5), Some(2 * chunk), None)
        );
    }

    #[test]
    fn chunk_that_is_damaged_or_missing_is_an_error_that_names_its_file() {
        let (dir, path, manifest) = image();
        let file = dir.path().join(manifest.path_of(2));
        let damage: [(&str, &dyn Fn()); 5] = [
            ("not those", &|| std::fs::write(&file, [4; CHUNK]).unwrap()),
            ("131071 bytes", &|| {
                std::fs::write(&file, [3; CHUNK - 1]).unwrap()
            }),
            ("too long", &|| {
                File::create(&file).unwrap().set_len(1 << 40).unwrap()
            }),
            ("missing", &|| std::fs::remove_file(&file).unwrap()),
            ("no file", &|| std::fs::create_dir(&file).unwrap()),
        ];
        let mut disk = ChunkedImage::open(&path).unwrap();
        let mut bytes = [0; 512];
        for (word, damage) in damage {
            damage();
            assert!(Disk::read(&mut disk, 2 * CHUNK as u64, &mut bytes).is_err());
            let trouble = Disk::trouble(&mut disk).unwrap();
            assert!(
                trouble.starts_with(&file.display().to_string()),
                "{trouble}"
            );
            assert!(trouble.contains(word), "{trouble}");
            // The others are not concerned.
            Disk::read(&mut disk, 0, &mut bytes).unwrap();
            assert_eq!((bytes, Disk::trouble(&mut disk)), ([1; 512], None));
        }
        // Once it is there again it is read again.
        std::fs::remove_dir(&file).unwrap();
        std::fs::write(&file, [3; CHUNK]).unwrap();
        Disk::read(&mut disk, 2 * CHUNK as u64, &mut bytes).unwrap();
        assert_eq!(bytes, [3; 512]);
    }

    #[test]
    fn manifest_that_is_none_is_refused_with_its_line() {
        let (dir, path, _) = image();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(is_manifest(&path) && !is_manifest(dir.path()));
        std::fs::write(&path, text.replace("encoding", "packing")).unwrap();
        let refused = |path: &Path| match ChunkedImage::open(path) {
            Ok(_) => panic!("opened"),
            Err(error) => format!("{error:#}"),
        };
        let error = refused(&path);
        assert!(
            error.contains("manifest.txt") && error.contains("line 4"),
            "{error}"
        );
        assert!(refused(dir.path()).contains("is no file"));
        assert!(refused(&dir.path().join("none")).contains("none"));
    }
}
