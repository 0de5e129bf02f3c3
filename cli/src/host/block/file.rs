//! A disk in a raw file, or on a block device of the host.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result, bail};
use virtarium_backends::disk::chunks::MAGIC;
use virtarium_machine::host::SECTOR_SIZE;

use super::Disk;

/// Bytes of zeroes that are written at once.
static ZEROES: [u8; 64 * 1024] = [0; 64 * 1024];

/// Other formats, told by their first bytes: (bytes, name). A guest can write these bytes to its
/// own disk, so that they only ever lead to a refusal: nothing of what follows them is read, and
/// least of all the name of another file (hostile inputs, V19).
const FORMATS: &[(&[u8], &str)] = &[
    (b"QFI\xfb", "qcow2"),
    (b"KDMV", "vmdk"),
    (b"COWD", "vmdk"),
    (b"conectix", "vpc"),
    (b"vhdxfile", "vhdx"),
    (b"<<< ", "vdi"),
];

/// The first bytes of an overlay of ours.
pub const OVERLAY: &[u8; 8] = b"VTROVL\r\n";

/// The file, locked against other machines for as long as it is open.
#[derive(Debug)]
pub struct RawFile {
    file: File,
    size: u64,
}

impl RawFile {
    /// Opens an image. With `raw`, its first bytes are not looked at.
    pub fn open(path: &Path, read_only: bool, raw: bool) -> Result<Self> {
        Self::try_open(path, read_only, raw).with_context(|| format!("disk {}", path.display()))
    }

    fn try_open(path: &Path, read_only: bool, raw: bool) -> Result<Self> {
        // Directories open for reading on some systems, and fail oddly for writing.
        if path.is_dir() {
            bail!("is a directory, not an image");
        }
        // Before it is opened: a pipe makes whoever opens it wait for its other end.
        if !has_a_place_for_each_byte(path) {
            bail!(
                "is no disk but a pipe or a device of characters; give a file or a disk's device"
            );
        }
        let opened = OpenOptions::new().read(true).write(!read_only).open(path);
        let mut file = match opened {
            Ok(file) => file,
            Err(error)
                if !read_only
                    && [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem]
                        .contains(&error.kind())
                    && File::open(path).is_ok() =>
            {
                bail!(
                    "cannot be written ({error}); add ,ro to read it only, or ,overlay=FILE or --snapshot to keep the writes elsewhere"
                );
            }
            Err(error) => return Err(error.into()),
        };
        let locked = match read_only {
            true => file.try_lock_shared(),
            false => file.try_lock(),
        };
        if let Err(TryLockError::WouldBlock) = locked {
            bail!(
                "another machine, or another disk of this one, uses it; end that one, or add ,ro to both"
            );
        }
        // Block devices have no length in their metadata, but an end.
        let size = file.seek(SeekFrom::End(0))?;
        if size == 0 {
            bail!("is empty; give it a size with `truncate -s 64M FILE`");
        }
        if !raw {
            let mut head = [0; 32];
            let head = &mut head[..size.min(32) as usize];
            file.seek(SeekFrom::Start(0))?;
            file.read_exact(head)?;
            if let Some((_, name)) = FORMATS.iter().find(|(magic, _)| head.starts_with(magic)) {
                bail!(
                    "begins like a {name} image; add ,format=raw if it is a raw disk, or, if you made it, convert it with `qemu-img convert -O raw`"
                );
            }
            if head.starts_with(MAGIC) {
                bail!(
                    "begins like the manifest of an image in chunks; add ,format=chunks if you made it, or ,format=raw if it is a raw disk"
                );
            }
            if head.starts_with(OVERLAY.as_slice()) {
                bail!(
                    "is an overlay, which is no disk without its image: give the image, with ,overlay=FILE; or add ,format=raw if it is a raw disk"
                );
            }
        }
        if !size.is_multiple_of(SECTOR_SIZE) {
            bail!(
                "{size} bytes are not a whole number of 512-byte sectors: is it cut off? `truncate -s %512 FILE` fills it up"
            );
        }
        Ok(Self { file, size })
    }

    /// The first byte from `at` on that may be other than zero; `None` if only a hole is left.
    pub fn next_data(&self, at: u64) -> io::Result<Option<u64>> {
        #[cfg(target_os = "linux")]
        {
            use rustix::io::Errno;
            match rustix::fs::seek(&self.file, rustix::fs::SeekFrom::Data(at)) {
                Ok(data) => return Ok(Some(data)),
                Err(Errno::NXIO) => return Ok(None),
                // A block device or a file system without holes.
                Err(_) => {}
            }
        }
        Ok(Some(at))
    }
}

/// Whether what `path` leads to is a file or a block device; or nothing, which opening it tells.
pub fn has_a_place_for_each_byte(path: &Path) -> bool {
    let Ok(metadata) = std::fs::metadata(path) else {
        return true;
    };
    #[cfg(unix)]
    if std::os::unix::fs::FileTypeExt::is_block_device(&metadata.file_type()) {
        return true;
    }
    metadata.is_file()
}

impl Disk for RawFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        read_at(&mut self.file, offset, bytes)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        write_at(&mut self.file, offset, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn discard(&mut self, offset: u64, len: u64) -> io::Result<()> {
        // A hint: what the file system cannot give back stays.
        match punch(&self.file, offset, len) {
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(()),
            result => result,
        }
    }

    fn write_zeroes(&mut self, offset: u64, len: u64, unmap: bool) -> io::Result<()> {
        let quick = match unmap {
            true => punch(&self.file, offset, len),
            false => zero(&self.file, offset, len),
        };
        match quick {
            Err(error) if error.kind() == ErrorKind::Unsupported => {}
            result => return result,
        }
        let mut at = offset;
        let mut left = len;
        while left > 0 {
            let step = left.min(ZEROES.len() as u64);
            write_at(&mut self.file, at, &ZEROES[..step as usize])?;
            at += step;
            left -= step;
        }
        Ok(())
    }
}

/// Reads at an offset, whatever the file's own position is.
#[cfg(unix)]
pub fn read_at(file: &mut File, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

/// Writes at an offset, whatever the file's own position is.
#[cfg(unix)]
pub fn write_at(file: &mut File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

/// Reads at an offset, moving the file's own position.
#[cfg(not(unix))]
pub fn read_at(file: &mut File, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(bytes)
}

/// Writes at an offset, moving the file's own position.
#[cfg(not(unix))]
pub fn write_at(file: &mut File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    io::Write::write_all(file, bytes)
}

/// Gives the space of a range back; it reads as zero afterwards.
#[cfg(target_os = "linux")]
fn punch(file: &File, offset: u64, len: u64) -> io::Result<()> {
    use rustix::fs::FallocateFlags;
    allocate(
        file,
        FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
        offset,
        len,
    )
}

/// Makes a range read as zero without giving its space back.
#[cfg(target_os = "linux")]
fn zero(file: &File, offset: u64, len: u64) -> io::Result<()> {
    use rustix::fs::FallocateFlags;
    allocate(
        file,
        FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE,
        offset,
        len,
    )
}

#[cfg(target_os = "linux")]
fn allocate(
    file: &File,
    flags: rustix::fs::FallocateFlags,
    offset: u64,
    len: u64,
) -> io::Result<()> {
    use rustix::io::Errno;
    if len == 0 {
        return Ok(());
    }
    match rustix::fs::fallocate(file, flags, offset, len) {
        // Not this file system, or not this kind of file.
        Err(Errno::OPNOTSUPP | Errno::NODEV | Errno::INVAL | Errno::NOSYS) => {
            Err(ErrorKind::Unsupported.into())
        }
        result => Ok(result?),
    }
}

#[cfg(not(target_os = "linux"))]
fn punch(_: &File, _: u64, _: u64) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
fn zero(_: &File, _: u64, _: u64) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    fn refusal(path: &Path) -> String {
        format!("{:#}", RawFile::open(path, false, false).unwrap_err())
    }

    #[test]
    fn what_was_written_is_read_and_is_in_the_file() {
        let file = image(&[0; 4096]);
        let mut disk = RawFile::open(file.path(), false, false).unwrap();
        assert_eq!(disk.size(), 4096);
        disk.write(512, &[7; 1024]).unwrap();
        disk.flush().unwrap();
        let mut bytes = [0; 512];
        disk.read(1024, &mut bytes).unwrap();
        assert_eq!(bytes, [7; 512]);
        let content = std::fs::read(file.path()).unwrap();
        assert_eq!(content[512..1536], [7; 1024]);
        assert_eq!(content.len(), 4096);
    }

    #[test]
    fn zeroed_ranges_read_as_zero_and_their_neighbours_stay() {
        for unmap in [true, false] {
            let file = image(&[7; 256 * 1024]);
            let mut disk = RawFile::open(file.path(), false, false).unwrap();
            disk.write_zeroes(512, 200 * 1024, unmap).unwrap();
            let content = std::fs::read(file.path()).unwrap();
            assert_eq!(content.len(), 256 * 1024);
            assert!(content[..512].iter().all(|byte| *byte == 7));
            assert!(content[512..512 + 200 * 1024].iter().all(|byte| *byte == 0));
            assert!(content[512 + 200 * 1024..].iter().all(|byte| *byte == 7));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn discarded_space_goes_back_to_the_host() {
        use std::os::unix::fs::MetadataExt;
        let file = image(&[7; 1 << 20]);
        let mut disk = RawFile::open(file.path(), false, false).unwrap();
        disk.flush().unwrap();
        let before = file.as_file().metadata().unwrap().blocks();
        disk.discard(0, 1 << 20).unwrap();
        let after = file.as_file().metadata().unwrap().blocks();
        assert!(after < before, "{before} blocks before, {after} after");
    }

    #[test]
    fn images_that_cannot_be_disks_are_refused_with_a_remedy() {
        let dir = tempfile::tempdir().unwrap();
        assert!(refusal(dir.path()).contains("is a directory"));
        assert!(refusal(&dir.path().join("none")).contains("none"));
        assert!(refusal(image(&[]).path()).contains("is empty"));
        assert!(refusal(image(&[0; 1000]).path()).contains("cut off"));
        let mut qcow = [0; 1024];
        qcow[..4].copy_from_slice(b"QFI\xfb");
        let qcow = image(&qcow);
        assert!(refusal(qcow.path()).contains("qemu-img convert"));
        assert!(RawFile::open(qcow.path(), false, true).is_ok());
    }

    // Hostile inputs, V19.
    #[test]
    fn disk_on_which_a_guest_writes_the_head_of_another_format_stays_raw() {
        let mut heads: Vec<&[u8]> = FORMATS.iter().map(|(magic, _)| *magic).collect();
        heads.extend([OVERLAY.as_slice(), MAGIC]);
        for head in heads {
            let file = image(&[0x11; 4096]);
            // In QEMU's formats the header goes on with the name of a file.
            let mut sector = [0; 512];
            sector[..head.len()].copy_from_slice(head);
            sector[64..75].copy_from_slice(b"/etc/passwd");
            let mut disk = RawFile::open(file.path(), false, false).unwrap();
            disk.write(0, &sector).unwrap();
            let mut bytes = [0; 512];
            disk.read(0, &mut bytes).unwrap();
            assert_eq!(bytes, sector);
            drop(disk);
            // The next time it is refused, whatever is behind the head; or raw, if that is said.
            let before = std::fs::read(file.path()).unwrap();
            assert!(refusal(file.path()).contains("format=raw"));
            let mut disk = RawFile::open(file.path(), false, true).unwrap();
            assert_eq!(disk.size(), 4096);
            disk.read(0, &mut bytes).unwrap();
            assert_eq!(bytes, sector);
            assert_eq!(std::fs::read(file.path()).unwrap(), before);
        }
    }

    #[test]
    fn disk_in_use_is_not_opened_a_second_time() {
        let file = image(&[0; 512]);
        let first = RawFile::open(file.path(), false, false).unwrap();
        assert!(refusal(file.path()).contains("another machine"));
        drop(first);
        let _reader = RawFile::open(file.path(), true, false).unwrap();
        let _other = RawFile::open(file.path(), true, false).unwrap();
    }
}
