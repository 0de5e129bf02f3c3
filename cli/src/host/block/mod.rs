//! Disks: what stands behind a virtio block device.

pub mod chunked;
pub mod file;
pub mod image;
pub mod memory;
pub mod overlay;

use std::io;

use virtarium_machine::host::{BlockError, BlockRequest, BlockResult, SECTOR_SIZE};

/// What kind of file an image is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ImageFormat {
    /// A raw one; or one in chunks, where the name says that it may be (`.txt`) and the file does.
    #[default]
    Found,
    /// A raw one, whatever it begins with.
    Raw,
    /// A manifest, with the chunks that it names.
    Chunks,
}

/// A disk, in bytes. Ranges lie within its length.
pub trait Disk: Send {
    /// Its length in bytes, a multiple of [`SECTOR_SIZE`].
    fn size(&self) -> u64;
    /// Fills `bytes` from `offset`.
    fn read(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;
    /// Writes `bytes` at `offset`.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes every write so far survive a loss of power.
    fn flush(&mut self) -> io::Result<()>;
    /// These bytes are no longer needed; afterwards they may read as anything that was there or
    /// zero.
    fn discard(&mut self, offset: u64, len: u64) -> io::Result<()>;
    /// Makes these bytes read as zero; with `unmap` their space may be given back.
    fn write_zeroes(&mut self, offset: u64, len: u64, unmap: bool) -> io::Result<()>;
    /// Why it failed the last time, in words, where it knows more than the host's error says.
    fn trouble(&mut self) -> Option<String> {
        None
    }
}

/// What stands behind one block device.
pub trait Backend: Send {
    /// Its length in bytes, a multiple of [`SECTOR_SIZE`].
    fn capacity(&self) -> u64;
    /// Does what the device asks for.
    fn execute(&mut self, request: &BlockRequest) -> BlockResult;
    /// Why it failed the last time, in words, where more is known than the result says.
    fn trouble(&mut self) -> Option<String>;
}

impl<D: Disk> Backend for D {
    fn capacity(&self) -> u64 {
        self.size()
    }

    fn execute(&mut self, request: &BlockRequest) -> BlockResult {
        submit(self, request)
    }

    fn trouble(&mut self) -> Option<String> {
        Disk::trouble(self)
    }
}

fn submit(disk: &mut dyn Disk, request: &BlockRequest) -> BlockResult {
    let result = match request {
        BlockRequest::Read { sector, len } => {
            let len = usize::try_from(*len).map_err(|_| BlockError::Io)?;
            let mut bytes = vec![0; len];
            disk.read(byte(*sector)?, &mut bytes).map(|()| bytes)
        }
        BlockRequest::Write { sector, data } => {
            disk.write(byte(*sector)?, data).map(|()| Vec::new())
        }
        BlockRequest::Flush => disk.flush().map(|()| Vec::new()),
        BlockRequest::Discard { sector, count } => {
            let (offset, len) = (byte(*sector)?, byte(*count)?);
            disk.discard(offset, len).map(|()| Vec::new())
        }
        BlockRequest::WriteZeroes {
            sector,
            count,
            unmap,
        } => {
            let (offset, len) = (byte(*sector)?, byte(*count)?);
            disk.write_zeroes(offset, len, *unmap).map(|()| Vec::new())
        }
    };
    result.map_err(|error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            BlockError::NoSpace
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => BlockError::ReadOnly,
        io::ErrorKind::Unsupported => BlockError::Unsupported,
        _ => BlockError::Io,
    })
}

fn byte(sector: u64) -> Result<u64, BlockError> {
    sector.checked_mul(SECTOR_SIZE).ok_or(BlockError::Io)
}
