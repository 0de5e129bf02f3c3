//! An image in chunks: cutting one up, and checking one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use virtarium_backends::disk::BaseId;
use virtarium_backends::disk::chunks::{Encoding, Manifest, ManifestWriter};

use super::cache::{unwritable, write_atomically};
use super::digest::Sha256;
use super::progress::{Progress, Task};
use crate::args::devices::ImageArg;
use crate::host::block::chunked::{folder_of, is_manifest, read_chunk, read_manifest};
use crate::host::block::file::RawFile;
use crate::host::block::{Disk, ImageFormat};
use crate::host::files;

/// What is to become of an image.
pub struct Chunking {
    /// The raw image.
    pub image: ImageArg,
    /// The manifest to write.
    pub manifest: PathBuf,
    /// The folder of the chunks, seen from the manifest, with `/` at its end.
    pub folder: String,
    /// Bytes of a chunk.
    pub chunk_size: u32,
    /// How the chunks are packed.
    pub encoding: Encoding,
}

/// What has become of it.
#[derive(Debug)]
pub struct Chunked {
    /// The manifest, which is written.
    pub manifest: Manifest,
    /// Files of chunks that were written: those that were there and right are kept.
    pub written: u64,
    /// Their size in bytes.
    pub bytes: u64,
}

/// The chunks of an image, taken one after the other by who has time.
struct Source {
    file: RawFile,
    at: u64,
    task: Task,
}

/// What all who pack chunks share.
struct Shared<'a> {
    source: Mutex<Source>,
    /// A manifest says how long a chunk is and where its file goes, once its hash is known.
    chunking: &'a Chunking,
    size: u64,
    found: Mutex<Found>,
    stop: AtomicBool,
}

#[derive(Default)]
struct Found {
    hashes: BTreeMap<u32, [u8; 32]>,
    written: u64,
    bytes: u64,
}

/// Cuts an image into chunks. Files of chunks come first and the manifest last, so that it never
/// names what is not there; a file that is there already and right is kept.
///
/// # Errors
/// One line: an image that cannot be read or has no such chunks, a place that cannot be written.
pub fn chunk(chunking: &Chunking, progress: &Progress) -> Result<Chunked> {
    let path = &chunking.image.path;
    if chunking.image.format == ImageFormat::Chunks
        || (chunking.image.format == ImageFormat::Found && is_manifest(path))
    {
        bail!(
            "{} is a manifest: its image is in chunks already",
            path.display()
        );
    }
    let file = RawFile::open(path, true, chunking.image.format == ImageFormat::Raw)?;
    let size = file.size();
    // What cannot be is said before anything is written.
    let mut writer = ManifestWriter::new(size, chunking.chunk_size, chunking.encoding)
        .and_then(|writer| writer.at(&chunking.folder))
        .map_err(|problem| anyhow!("{}: {problem}", path.display()))?;
    let folder = folder_of(&chunking.manifest).join(&chunking.folder);
    fs::create_dir_all(&folder).map_err(|error| unwritable(&folder, error))?;
    let task = progress.bytes(format!("chunking {}", path.display()), size);
    let shared = Shared {
        source: Mutex::new(Source { file, at: 0, task }),
        chunking,
        size,
        found: Mutex::new(Found::default()),
        stop: AtomicBool::new(false),
    };
    in_parallel(|| shared.work(&folder))?;
    let found = shared.found.into_inner();
    let found = found.unwrap_or_else(PoisonError::into_inner);
    let mut next = 0;
    for (index, hash) in &found.hashes {
        writer.push_zeros(index - next)?;
        writer.push_hash(*hash)?;
        next = index + 1;
    }
    let count = size.div_ceil(u64::from(chunking.chunk_size));
    writer.push_zeros((count - u64::from(next)) as u32)?;
    let (manifest, text) = writer.finish()?;
    write_atomically(&chunking.manifest, text.as_bytes())?;
    Ok(Chunked {
        manifest,
        written: found.written,
        bytes: found.bytes,
    })
}

/// Has a job done by as many threads as the host has processors.
fn in_parallel(job: impl Fn() -> Result<()> + Sync) -> Result<()> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(&job)).collect();
        let results = all.into_iter().map(|thread| match thread.join() {
            Ok(result) => result,
            Err(_) => bail!("a thread has ended before its time"),
        });
        // The first one to fail has stopped the others.
        results.collect::<Vec<_>>().into_iter().collect()
    })
}

impl Shared<'_> {
    /// Packs chunk after chunk until there is none.
    fn work(&self, folder: &Path) -> Result<()> {
        while !self.stop.load(Ordering::Relaxed) {
            let result = self.next().and_then(|chunk| match chunk {
                Some((index, raw)) => self.pack(folder, index, &raw).map(|()| true),
                None => Ok(false),
            });
            match result {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    self.stop.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// The next chunk that is not zero. Holes of the image cost no reading.
    fn next(&self) -> Result<Option<(u32, Vec<u8>)>> {
        let named = || format!("cannot read {}", self.chunking.image.path.display());
        let chunk = u64::from(self.chunking.chunk_size);
        let mut source = lock(&self.source);
        loop {
            let data = match source.at < self.size {
                true => source.file.next_data(source.at).with_context(named)?,
                false => None,
            };
            let Some(data) = data else {
                source.at = self.size;
                source.task.set(self.size);
                return Ok(None);
            };
            let at = data - data % chunk;
            let mut raw = vec![0; chunk.min(self.size - at) as usize];
            source.file.read(at, &mut raw).with_context(named)?;
            source.at = at + raw.len() as u64;
            let done = source.at;
            source.task.set(done);
            if raw.iter().any(|byte| *byte != 0) {
                // Fewer than 2^32: the manifest has taken the sizes.
                return Ok(Some(((at / chunk) as u32, raw)));
            }
        }
    }

    /// Writes a chunk's file, unless it is there.
    fn pack(&self, folder: &Path, index: u32, raw: &[u8]) -> Result<()> {
        let hash = Sha256::of(raw).0;
        let encoding = self.chunking.encoding;
        let path = folder.join(encoding.path_of(&hash));
        let mut bytes = 0;
        if !holds(&path, encoding, raw) {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(|error| unwritable(parent, error))?;
            }
            let packed = pack(encoding, raw)?;
            let file = packed.as_deref().unwrap_or(raw);
            // What a loss of power leaves is not right, and written anew the next time.
            files::place(&path, file).map_err(|error| unwritable(&path, error))?;
            bytes = file.len() as u64;
        }
        let mut found = lock(&self.found);
        found.hashes.insert(index, hash);
        found.written += u64::from(bytes > 0);
        found.bytes += bytes;
        Ok(())
    }
}

/// What stands in the file of a chunk; `None` for the bytes as they are. The same bytes always
/// become the same file: it has no date and no name in it.
fn pack(encoding: Encoding, raw: &[u8]) -> Result<Option<Vec<u8>>> {
    if encoding == Encoding::None {
        return Ok(None);
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(raw)?;
    Ok(Some(packed.finish()?))
}

/// Whether the file of a chunk is there and holds its bytes, and nothing behind them.
fn holds(path: &Path, encoding: Encoding, raw: &[u8]) -> bool {
    let is_file = fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let Some(file) = is_file.then(|| File::open(path).ok()).flatten() else {
        return false;
    };
    let most = raw.len() as u64 + 1;
    let mut file = BufReader::new(file);
    let mut bytes = Vec::new();
    let read = match encoding {
        Encoding::None => (&mut file).take(most).read_to_end(&mut bytes),
        // Reads to the checksum, and sees that it is right.
        Encoding::Gzip => GzDecoder::new(&mut file).take(most).read_to_end(&mut bytes),
    };
    read.is_ok() && bytes == raw && file.fill_buf().is_ok_and(<[u8]>::is_empty)
}

/// What [`verify_chunks`] has found.
#[derive(Debug)]
pub struct ChunkReport {
    /// The image.
    pub id: BaseId,
    /// Number of chunks, each counted once.
    pub checked: usize,
    /// A line for each that is not right.
    pub wrong: Vec<String>,
}

/// Reads every chunk that a manifest names.
///
/// # Errors
/// If the manifest cannot be read, or is none.
pub fn verify_chunks(path: &Path, progress: &Progress) -> Result<ChunkReport> {
    let manifest = read_manifest(path)?;
    let folder = folder_of(path);
    let mut seen = BTreeSet::new();
    let chunks = (0..manifest.count()).filter(|index| {
        let hash = manifest.hash(*index);
        hash.is_some_and(|hash| seen.insert(hash))
    });
    let chunks: Vec<u32> = chunks.collect();
    let total = chunks.len() as u64 * u64::from(manifest.chunk_size());
    let task = progress.bytes(format!("checking {}", path.display()), total);
    let shared = Mutex::new((chunks.iter(), task, BTreeMap::new()));
    in_parallel(|| {
        loop {
            let next = lock(&shared).0.next().copied();
            let Some(index) = next else {
                return Ok(());
            };
            let result = read_chunk(&manifest, &folder, index);
            let mut shared = lock(&shared);
            shared.1.add(u64::from(manifest.chunk_size()));
            if let Err(line) = result {
                shared.2.insert(index, line);
            }
        }
    })?;
    let (_, _, wrong) = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(ChunkReport {
        id: manifest.id(),
        checked: chunks.len(),
        wrong: wrong.into_values().collect(),
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What a thread that has ended left is not used: its end is an error.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod tests;
