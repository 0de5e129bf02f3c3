//! Overlays into raw images, and raw images into overlays.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail, ensure};
use virtarium_backends::disk::overlay::{Extent, Place};
use virtarium_backends::disk::{Base, StoreError};
use virtarium_machine::host::{BlockRequest, SECTOR_SIZE};

use super::cache::unwritable;
use super::progress::{Progress, Task};
use crate::args::devices::ImageArg;
use crate::host::block::file::RawFile;
use crate::host::block::image::{Image, is_in_chunks};
use crate::host::block::overlay::OverlayDisk;
use crate::host::block::{Backend, Disk, ImageFormat};
use crate::host::files::directory_beside;

/// Bytes that are read at once.
const PIECE: u64 = 1 << 20;
/// What is compared, and left out where it is zero: what an overlay takes from its base at a time.
const PART: usize = 4096;

/// Writes the disk that an overlay and its base are into a raw image, with holes where it is zero.
///
/// # Errors
/// One line: an overlay of another base, a damaged one, a chunk that cannot be read, no space.
pub fn export(overlay: &Path, base: &ImageArg, output: &Path, progress: &Progress) -> Result<()> {
    let mut disk = OverlayDisk::open_existing(&base.path, base.format, overlay)?;
    for input in [overlay, &base.path] {
        ensure!(
            !is_same(input, output),
            "{} would be written over what is read; name another file",
            output.display()
        );
    }
    if let Ok(meta) = fs::metadata(output) {
        ensure!(
            meta.is_file(),
            "{} is no file: name one to be written",
            output.display()
        );
    }
    let label = format!("exporting {}", overlay.display());
    let scratch = directory_beside(output).map_err(|error| unwritable(output, error))?;
    let image = scratch.join("image");
    let made = flatten(&mut disk, overlay, &image, label, progress)
        .and_then(|()| fs::rename(&image, output).map_err(|error| unwritable(output, error)));
    let _ = fs::remove_dir_all(&scratch);
    made
}

fn is_same(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

fn flatten(
    disk: &mut OverlayDisk,
    overlay: &Path,
    image: &Path,
    label: String,
    progress: &Progress,
) -> Result<()> {
    let size = disk.capacity();
    let mut file = File::create_new(image).map_err(|error| unwritable(image, error))?;
    file.set_len(size)
        .map_err(|error| unwritable(image, error))?;
    let mut task = progress.bytes(label, size);
    let mut bytes = vec![0; PIECE as usize];
    let mut at = 0;
    while let Some(extent) = disk.overlay().extent(at, size) {
        let end = extent.at + extent.len;
        while at < end {
            let Some(data) = next_data(disk, &extent, at)? else {
                break;
            };
            at = data;
            let piece = PIECE.min(end - at);
            let bytes = &mut bytes[..piece as usize];
            let read = disk.overlay().read_at(at, bytes);
            read.map_err(|error| cannot_read(overlay, error, disk.trouble()))?;
            write_sparse(&mut file, at, bytes).map_err(|error| unwritable(image, error))?;
            at += piece;
            task.set(at);
        }
        at = end;
        task.set(at);
    }
    file.sync_all().map_err(|error| unwritable(image, error))
}

/// The first byte from `at` on in an extent that may be other than zero.
fn next_data(disk: &mut OverlayDisk, extent: &Extent, at: u64) -> Result<Option<u64>> {
    let data = match extent.place {
        Place::Zero => None,
        Place::File(_) => Some(at),
        Place::Base => disk.overlay().base().next_data(at).context("the base")?,
    };
    Ok(data.filter(|data| *data < extent.at + extent.len))
}

fn cannot_read(path: &Path, error: StoreError, trouble: Option<String>) -> anyhow::Error {
    let why = trouble.unwrap_or_else(|| error.to_string());
    anyhow!("cannot read {}: {why}", path.display())
}

/// Writes the parts that are not zero, neighbours in one piece.
fn write_sparse(file: &mut File, at: u64, bytes: &[u8]) -> std::io::Result<()> {
    for (start, run) in runs(bytes, |part, _| part.iter().any(|byte| *byte != 0)) {
        file.seek(SeekFrom::Start(at + start as u64))?;
        file.write_all(run)?;
    }
    Ok(())
}

/// The longest stretches of whole parts that `wanted` takes, with their places.
fn runs(bytes: &[u8], wanted: impl Fn(&[u8], usize) -> bool) -> Vec<(usize, &[u8])> {
    let mut runs: Vec<(usize, &[u8])> = Vec::new();
    for (number, part) in bytes.chunks(PART).enumerate() {
        let start = number * PART;
        if !wanted(part, start) {
            continue;
        }
        let end = start + part.len();
        match runs.last_mut() {
            Some((first, run)) if *first + run.len() == start => *run = &bytes[*first..end],
            _ => runs.push((start, &bytes[start..end])),
        }
    }
    runs
}

/// Writes a new overlay of what a raw image has that its base has not.
///
/// # Errors
/// One line: an image that is smaller than its base, a file that cannot be read, no space.
pub fn import(image: &ImageArg, base: &ImageArg, output: &Path, progress: &Progress) -> Result<()> {
    if is_in_chunks(&image.path, image.format) {
        bail!(
            "{} is a manifest: an overlay is made of a raw image",
            image.path.display()
        );
    }
    let mut file = RawFile::open(&image.path, true, image.format == ImageFormat::Raw)?;
    let below = Image::open(&base.path, base.format)?;
    let (size, base_size) = (file.size(), below.size());
    ensure!(
        size >= base_size,
        "{} has {size} bytes, and its base {} has {base_size}: an overlay is at least as large; \
         `truncate -s {base_size} {}` makes the image so",
        image.path.display(),
        base.path.display(),
        image.path.display()
    );
    // It is data, and not to be made anew from other files.
    if fs::symlink_metadata(output).is_ok() {
        let error = std::io::ErrorKind::AlreadyExists.into();
        return Err(unwritable(output, error));
    }
    let scratch = directory_beside(output).map_err(|error| unwritable(output, error))?;
    let path = scratch.join("overlay");
    let label = format!("importing {}", image.path.display());
    let made = OverlayDisk::create(below, size, &path).and_then(|mut disk| {
        let task = progress.bytes(label, size);
        difference(&mut file, image, base, &mut disk, task)?;
        let closed = disk.overlay().close();
        closed.with_context(|| format!("overlay {}", output.display()))
    });
    let made =
        made.and_then(|()| fs::rename(&path, output).map_err(|error| unwritable(output, error)));
    let _ = fs::remove_dir_all(&scratch);
    made
}

/// Writes what `file` has and the disk has not, of which nothing was written yet.
fn difference(
    file: &mut RawFile,
    image: &ImageArg,
    base: &ImageArg,
    disk: &mut OverlayDisk,
    mut task: Task,
) -> Result<()> {
    let size = file.size();
    let cannot = || format!("cannot read {}", image.path.display());
    let mut ours = vec![0; PIECE as usize];
    let mut theirs = vec![0; PIECE as usize];
    let mut at = 0;
    while at < size {
        // Where both have a hole there is nothing to compare.
        let data = file.next_data(at).with_context(cannot)?;
        let other = match at < disk.overlay().base().size() {
            true => disk.overlay().base().next_data(at).context("the base")?,
            false => None,
        };
        let Some(next) = data.into_iter().chain(other).min() else {
            break;
        };
        at = at.max(next - next % PIECE);
        let len = PIECE.min(size - at);
        let ours = &mut ours[..len as usize];
        file.read(at, ours).with_context(cannot)?;
        let theirs = &mut theirs[..len as usize];
        let read = disk.overlay().read_at(at, theirs);
        read.map_err(|error| cannot_read(&base.path, error, disk.trouble()))?;
        let differs = |part: &[u8], start: usize| part != &theirs[start..start + part.len()];
        let is_zero = |part: &[u8]| part.iter().all(|byte| *byte == 0);
        let mut write = |request: BlockRequest| {
            let done = disk.execute(&request).map(drop);
            done.map_err(|_| anyhow!("the overlay cannot be written: is there space for it?"))
        };
        for (start, run) in runs(ours, |part, start| differs(part, start) && !is_zero(part)) {
            let sector = (at + start as u64) / SECTOR_SIZE;
            let data = run.to_vec();
            write(BlockRequest::Write { sector, data })?;
        }
        for (start, run) in runs(ours, |part, start| differs(part, start) && is_zero(part)) {
            let sector = (at + start as u64) / SECTOR_SIZE;
            let count = run.len() as u64 / SECTOR_SIZE;
            let unmap = true;
            write(BlockRequest::WriteZeroes {
                sector,
                count,
                unmap,
            })?;
        }
        at += len;
        task.set(at);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
