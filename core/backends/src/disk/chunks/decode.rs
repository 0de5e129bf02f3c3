//! A chunk out of the file that it came in.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::{ChunkError, Encoding, Manifest};

/// The bytes of a chunk, from what its file holds. That they are the right ones is seen where they
/// go, by [`Manifest::check`]. Whatever comes, no more memory is taken than the chunk has bytes.
///
/// # Errors
/// What is wrong with the file.
pub fn decode(manifest: &Manifest, index: u32, file: &[u8]) -> Result<Vec<u8>, ChunkError> {
    if index >= manifest.count() || manifest.is_zero(index) {
        return Err(ChunkError::NoSuchChunk { index });
    }
    let expected = manifest.len_of(index);
    let length = |found| ChunkError::Length {
        index,
        found,
        expected,
    };
    match manifest.encoding() {
        Encoding::None if file.len() as u64 == u64::from(expected) => Ok(file.to_vec()),
        Encoding::None => Err(length(file.len() as u64)),
        Encoding::Gzip => gunzip(file, expected as usize).map_err(|problem| match problem {
            Problem::Length(found) => length(found),
            Problem::Damaged(reason) => ChunkError::Encoding { index, reason },
        }),
    }
}

enum Problem {
    /// Unpacked it has this number of bytes, or at least this one.
    Length(u64),
    Damaged(&'static str),
}

impl From<&'static str> for Problem {
    fn from(reason: &'static str) -> Self {
        Self::Damaged(reason)
    }
}

/// Unpacks a gzip file of one member with `expected` bytes.
fn gunzip(file: &[u8], expected: usize) -> Result<Vec<u8>, Problem> {
    let packed = member(file)?;
    let mut state = Box::<DecompressorOxide>::default();
    let mut bytes = vec![0; expected];
    let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let (status, used, written) = decompress(&mut state, packed, &mut bytes, 0, flags);
    match status {
        TINFLStatus::Done => {}
        TINFLStatus::HasMoreOutput => return Err(Problem::Length(expected as u64 + 1)),
        TINFLStatus::FailedCannotMakeProgress | TINFLStatus::NeedsMoreInput => {
            return Err("the file is cut off".into());
        }
        _ => return Err("the file is not packed as gzip does it".into()),
    }
    if written != expected {
        return Err(Problem::Length(written as u64));
    }
    // RFC 1952, 2.3.1: CRC32 and ISIZE follow the packed bytes.
    let trailer = packed.get(used..).and_then(<[u8]>::first_chunk::<8>);
    let [a, b, c, d, e, f, g, h] = *trailer.ok_or("the file is cut off")?;
    if packed.len() - used != 8 {
        return Err("something follows the end of the file".into());
    }
    let sum = u32::from_le_bytes([a, b, c, d]);
    let len = u32::from_le_bytes([e, f, g, h]);
    if sum != crc32fast::hash(&bytes) || len as usize != expected {
        return Err("its checksum is that of other bytes".into());
    }
    Ok(bytes)
}

/// What follows the header of a member (RFC 1952, 2.3).
fn member(file: &[u8]) -> Result<&[u8], Problem> {
    const FHCRC: u8 = 1 << 1;
    const FEXTRA: u8 = 1 << 2;
    const FNAME: u8 = 1 << 3;
    const FCOMMENT: u8 = 1 << 4;
    const CUT: &str = "the file is cut off";
    let &[0x1f, 0x8b, method, flags, _, _, _, _, _, _, ref rest @ ..] = file else {
        return Err("the file does not begin as a gzip file does".into());
    };
    // 8 is deflate; the flags above are reserved and must be zero.
    if method != 8 || flags >> 5 != 0 {
        return Err("the file is packed in a way that gzip files are not".into());
    }
    let mut rest = rest;
    if flags & FEXTRA != 0 {
        let &[low, high, ref extra @ ..] = rest else {
            return Err(CUT.into());
        };
        let len = usize::from(u16::from_le_bytes([low, high]));
        rest = extra.get(len..).ok_or(CUT)?;
    }
    for text in [FNAME, FCOMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|byte| *byte == 0).ok_or(CUT)?;
            rest = rest.get(end + 1..).ok_or(CUT)?;
        }
    }
    if flags & FHCRC != 0 {
        let &[low, high, ref behind @ ..] = rest else {
            return Err(CUT.into());
        };
        let header = file.get(..file.len() - rest.len()).ok_or(CUT)?;
        // The two low bytes of the CRC32 of all before it.
        if u16::from_le_bytes([low, high]) != crc32fast::hash(header) as u16 {
            return Err("its header is damaged".into());
        }
        rest = behind;
    }
    Ok(rest)
}
