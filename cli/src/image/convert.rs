//! Building blocks: an initramfs or a file system from files of one's own.

use std::fs::{self, File};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::cache::{unwritable, write_atomically};
use super::cpio::Archive;
use super::deb::{clean, decompress};
use super::ext4::{Attributes, Ext4};
use crate::host::files::{directory_beside, without_links};

/// Directories within one another that are followed.
const MAX_DEPTH: usize = 64;
/// What an initramfs may take; it must fit into memory, here and in the guest.
const MAX_INITRAMFS: u64 = 1 << 30;

/// One file below a directory.
struct Found {
    /// Path below the directory, with `/`.
    name: String,
    path: PathBuf,
    meta: fs::Metadata,
}

/// Packs the files of a directory into an initramfs, as root's.
///
/// # Errors
/// If a file cannot be read, or is neither a file, a directory nor a link.
pub fn initramfs(directory: &Path, output: &Path) -> Result<()> {
    let mut archive = Archive::new();
    let mut total = 0;
    for found in walk(directory)? {
        let kind = found.meta.file_type();
        if kind.is_dir() {
            archive.directory(&found.name, mode(&found.meta))?;
        } else if kind.is_symlink() {
            archive.link(&found.name, &link_target(&found.path)?)?;
        } else {
            total += found.meta.len();
            ensure!(
                total <= MAX_INITRAMFS,
                "the files of {} take more than {MAX_INITRAMFS} bytes, which is too much for \
                 an initramfs: make an ext4 image of them",
                directory.display()
            );
            let mut content = Vec::new();
            open(&found.path)?
                .take(found.meta.len())
                .read_to_end(&mut content)
                .with_context(|| format!("cannot read {}", found.path.display()))?;
            archive.file(&found.name, mode(&found.meta), &content)?;
        }
    }
    if !archive.contains("dev/console") {
        // Without it the first process has no standard input and output.
        archive.device("dev/console", 0o600, 5, 1)?;
    }
    write_atomically(output, &archive.finish())
}

/// Makes an ext4 file system of `size` bytes with the files of a directory, as root's, or
/// of a tar archive (plain, `.gz`, `.xz` or `.zst`), with the owners that it names.
///
/// # Errors
/// If a file cannot be read, has no place in a file system, or the size does not do.
pub fn ext4(source: &Path, size: u64, output: &Path) -> Result<()> {
    if let Ok(meta) = fs::metadata(output) {
        ensure!(
            meta.is_file(),
            "{} is no file: name one to be written",
            output.display()
        );
    }
    // What writes the file system follows links, so it gets a place where nobody can put one.
    let scratch = directory_beside(output).map_err(|error| unwritable(output, error))?;
    let image = scratch.join("image");
    let made = fill(source, size, &image)
        .and_then(|()| fs::rename(&image, output).map_err(|error| unwritable(output, error)));
    let _ = fs::remove_dir_all(&scratch);
    made
}

fn fill(source: &Path, size: u64, image: &Path) -> Result<()> {
    let meta = fs::metadata(source).with_context(|| format!("cannot read {}", source.display()))?;
    let mut files = Ext4::create(image, size, &source.to_string_lossy())?;
    if meta.is_dir() {
        from_directory(&mut files, source)?;
    } else {
        from_tar(&mut files, source)
            .with_context(|| format!("{} is not a good tar archive", source.display()))?;
    }
    files.finish()?;
    // The layout grows a file system that is too small for its files.
    let got = fs::metadata(image)?.len();
    let rounded = size.next_multiple_of(128 << 20);
    ensure!(
        got <= rounded,
        "the files of {} need {got} bytes: give a --size of at least that",
        source.display()
    );
    Ok(())
}

fn from_directory(files: &mut Ext4, source: &Path) -> Result<()> {
    for found in walk(source)? {
        let kind = found.meta.file_type();
        let attributes = Attributes::root(mode(&found.meta));
        if kind.is_dir() {
            files.directory(&found.name, attributes)?;
        } else if kind.is_symlink() {
            files.link(&found.name, &link_target(&found.path)?, attributes)?;
        } else {
            let mut content = open(&found.path)?;
            files.file(&found.name, attributes, &mut content)?;
        }
    }
    Ok(())
}

fn from_tar(files: &mut Ext4, source: &Path) -> Result<()> {
    let name = source.to_string_lossy();
    let raw = BufReader::new(File::open(source)?);
    let mut archive = tar::Archive::new(decompress(&name, raw)?);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = clean(&entry.path()?)?;
        let header = entry.header();
        let attributes = Attributes {
            mode: header.mode()?,
            owner: (u32::try_from(header.uid()?)?, u32::try_from(header.gid()?)?),
            time: header.mtime()?,
        };
        let link = |entry: &tar::Entry<'_, _>| -> Result<String> {
            let target = entry.link_name()?.context("a link without a target")?;
            Ok(target
                .to_str()
                .context("a link's target is not text")?
                .to_owned())
        };
        match header.entry_type() {
            tar::EntryType::Directory => files.directory(&name, attributes)?,
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                files.file(&name, attributes, &mut entry)?;
            }
            tar::EntryType::Symlink => {
                let target = link(&entry)?;
                files.link(&name, &target, attributes)?;
            }
            tar::EntryType::Link => {
                let target = clean(Path::new(&link(&entry)?))?;
                files.hard_link(&name, &target)?;
            }
            tar::EntryType::XGlobalHeader => {}
            other => bail!("/{name}: entries of type {other:?} cannot be taken"),
        }
    }
    Ok(())
}

/// Copies a file and leaves out what is zero, so that an image stays as small as it is.
///
/// # Errors
/// Names the file that fails.
pub fn copy_sparse(from: &Path, to: &Path) -> Result<()> {
    let input = File::open(from).with_context(|| format!("cannot read {}", from.display()))?;
    let output = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(to)
        .map_err(|error| unwritable(to, error))?;
    copy((input, from), (output, to)).inspect_err(|_| {
        // Half a copy would only stand in the way of the next.
        let _ = fs::remove_file(to);
    })
}

fn copy((mut input, from): (File, &Path), (mut output, to): (File, &Path)) -> Result<()> {
    let source = || format!("cannot read {}", from.display());
    let mut chunk = vec![0; 1 << 20];
    let mut at = 0_u64;
    loop {
        let n = input.read(&mut chunk).with_context(source)?;
        let bytes = chunk.get(..n).unwrap_or_default();
        if n == 0 {
            break;
        }
        if bytes.iter().any(|byte| *byte != 0) {
            output
                .seek(SeekFrom::Start(at))
                .and_then(|_| output.write_all(bytes))
                .map_err(|error| unwritable(to, error))?;
        }
        at += n as u64;
    }
    output.set_len(at).map_err(|error| unwritable(to, error))
}

/// Everything below a directory, parents first, sorted; links are not followed.
fn walk(directory: &Path) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    let mut todo = vec![(String::new(), directory.to_path_buf(), 0)];
    while let Some((name, path, depth)) = todo.pop() {
        let cannot = || format!("cannot read {}", path.display());
        ensure!(depth <= MAX_DEPTH, "{} lies too deep", path.display());
        let mut below = Vec::new();
        for entry in fs::read_dir(&path).with_context(cannot)? {
            let entry = entry.with_context(cannot)?;
            let own = entry.file_name();
            let own = own.to_str().with_context(|| {
                format!("{} has a name that is not text", entry.path().display())
            })?;
            let name = match name.as_str() {
                "" => own.to_owned(),
                parent => format!("{parent}/{own}"),
            };
            let path = entry.path();
            let meta = fs::symlink_metadata(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let kind = meta.file_type();
            if !kind.is_dir() && !kind.is_file() && !kind.is_symlink() {
                bail!("{} is no file, directory or link", path.display());
            }
            below.push(Found { name, path, meta });
        }
        below.sort_by(|a, b| a.name.cmp(&b.name));
        for entry in below {
            if entry.meta.is_dir() {
                todo.push((entry.name.clone(), entry.path.clone(), depth + 1));
            }
            found.push(entry);
        }
    }
    Ok(found)
}

/// Opens a file that was found, and not what a link leads to that has come in its place.
fn open(path: &Path) -> Result<File> {
    let file = without_links(fs::OpenOptions::new().read(true)).open(path);
    file.with_context(|| format!("cannot read {}", path.display()))
}

fn link_target(path: &Path) -> Result<String> {
    let target = fs::read_link(path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = target.to_str();
    Ok(text
        .with_context(|| format!("{} has a target that is not text", path.display()))?
        .to_owned())
}

#[cfg(unix)]
fn mode(meta: &fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    meta.permissions().mode() & 0o7777
}

/// Where the host has no modes, everything may be executed.
#[cfg(not(unix))]
fn mode(_: &fs::Metadata) -> u32 {
    0o755
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::testing::directory;

    #[test]
    fn a_directory_becomes_an_initramfs_and_a_file_system() {
        let dir = directory("convert");
        let source = dir.path().join("in");
        fs::create_dir_all(source.join("a/b")).unwrap();
        fs::write(source.join("a/b/c"), "content").unwrap();
        let cpio = dir.path().join("out.cpio");
        initramfs(&source, &cpio).unwrap();
        let bytes = fs::read(&cpio).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("a/b/c\0") && text.contains("content"));
        assert!(text.contains("dev/console\0"));

        let disk = dir.path().join("out.img");
        ext4(&source, 64 << 20, &disk).unwrap();
        let mut reader = arcbox_ext4::Reader::new(&disk).unwrap();
        assert_eq!(reader.read_file("/a/b/c", 0, None).unwrap(), b"content");
        assert!(ext4(&dir.path().join("nothing"), 64 << 20, &disk).is_err());
        assert!(initramfs(&dir.path().join("nothing"), &cpio).is_err());
    }

    // Hostile inputs, V25.
    #[cfg(unix)]
    #[test]
    fn links_in_the_place_of_an_image_are_not_followed() {
        use std::os::unix::fs::symlink;
        let dir = directory("convert-links");
        let source = dir.path().join("in");
        fs::create_dir(&source).unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, "mine").unwrap();
        // In the place of the output, and of the files that come before it.
        for output in ["out.img", "out.cpio", "out.copy"] {
            let output = dir.path().join(output);
            let next = crate::host::files::temporary_beside(&output);
            let (stem, count) = next.to_str().unwrap().rsplit_once('-').unwrap();
            let next = format!("{stem}-{}", count.parse::<u64>().unwrap() + 1);
            symlink(&victim, next).unwrap();
            symlink(&victim, &output).unwrap();
        }
        let _ = ext4(&source, 64 << 20, &dir.path().join("out.img"));
        let _ = initramfs(&source, &dir.path().join("out.cpio"));
        assert!(copy_sparse(&victim, &dir.path().join("out.copy")).is_err());
        assert_eq!(fs::read(&victim).unwrap(), b"mine");
        ext4(&source, 64 << 20, &dir.path().join("out.img")).unwrap();
        assert!(arcbox_ext4::Reader::new(&dir.path().join("out.img")).is_ok());
        assert_eq!(fs::read(&victim).unwrap(), b"mine");
        assert!(ext4(&source, 64 << 20, Path::new("/dev/null")).is_err());
    }

    #[test]
    fn a_tar_archive_keeps_its_owners() {
        let dir = directory("convert-tar");
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(3);
        header.set_mode(0o640);
        header.set_uid(5);
        header.set_gid(6);
        header.set_mtime(7);
        tar.append_data(&mut header, "x", &b"abc"[..]).unwrap();
        let source = dir.path().join("in.tar");
        fs::write(&source, tar.into_inner().unwrap()).unwrap();
        let disk = dir.path().join("out.img");
        ext4(&source, 64 << 20, &disk).unwrap();
        let mut reader = arcbox_ext4::Reader::new(&disk).unwrap();
        let (_, inode) = reader.stat("/x").unwrap();
        assert_eq!((inode.uid, inode.mode & 0o7777), (5, 0o640));
        fs::write(&source, [7; 2000]).unwrap();
        let error = ext4(&source, 64 << 20, &disk).unwrap_err();
        assert!(
            format!("{error:#}").contains("not a good tar archive"),
            "{error:#}"
        );
        let left = fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(
            left, 2,
            "the archive and the earlier image, nothing half made"
        );
    }

    #[test]
    fn zeros_take_no_room_in_a_copy() {
        let dir = directory("convert-sparse");
        let (from, to) = (dir.path().join("a"), dir.path().join("b"));
        let file = File::create(&from).unwrap();
        file.set_len(5 << 20).unwrap();
        (&file).write_all(b"head").unwrap();
        copy_sparse(&from, &to).unwrap();
        assert_eq!(fs::read(&from).unwrap(), fs::read(&to).unwrap());
    }

    #[test]
    fn a_copy_that_fails_leaves_nothing_and_one_that_is_there_stays() {
        let dir = directory("convert-half");
        let (folder, to) = (dir.path().join("folder"), dir.path().join("to"));
        fs::create_dir(&folder).unwrap();
        // Opens and cannot be read.
        assert!(copy_sparse(&folder, &to).is_err());
        assert!(!to.exists());
        let from = dir.path().join("from");
        fs::write(&from, "new").unwrap();
        fs::write(&to, "mine").unwrap();
        let error = copy_sparse(&from, &to).unwrap_err().to_string();
        assert!(error.contains("remove it"), "{error}");
        assert_eq!(fs::read(&to).unwrap(), b"mine");
    }
}
