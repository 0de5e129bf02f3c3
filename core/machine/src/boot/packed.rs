//! Unpacking compressed kernels, into no more memory than the machine has.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// How a file is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packing {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// How the file is compressed by its first bytes, if in a way that is understood here.
pub fn recognise(bytes: &[u8]) -> Option<Packing> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        Some(Packing::Gzip)
    } else if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Some(Packing::Zstd)
    } else {
        None
    }
}

/// Unpacks into at most `limit` bytes, and checks the checksum that the file carries. What
/// follows the compressed data in the file is ignored, as boot loaders do.
///
/// The error says what is wrong with the file.
pub fn unpack(packing: Packing, bytes: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    match packing {
        Packing::Gzip => gunzip(bytes, limit),
        Packing::Zstd => unzstd(bytes, limit),
    }
}

fn too_large(limit: usize) -> String {
    format!("unpacks to more than the {limit} bytes of memory")
}

/// RFC 1952, 2.3: length of the header of the first member.
fn gzip_header(bytes: &[u8]) -> Option<usize> {
    const FHCRC: u8 = 1 << 1;
    const FEXTRA: u8 = 1 << 2;
    const FNAME: u8 = 1 << 3;
    const FCOMMENT: u8 = 1 << 4;
    const RESERVED: u8 = 0xe0;
    const DEFLATE: u8 = 8;

    let (&method, &flags) = (bytes.get(2)?, bytes.get(3)?);
    if method != DEFLATE || flags & RESERVED != 0 {
        return None;
    }
    let mut at = 10;
    if flags & FEXTRA != 0 {
        let len: &[u8; 2] = bytes.get(at..)?.first_chunk()?;
        at += 2 + usize::from(u16::from_le_bytes(*len));
    }
    for text in [FNAME, FCOMMENT] {
        if flags & text != 0 {
            at += bytes.get(at..)?.iter().position(|byte| *byte == 0)? + 1;
        }
    }
    if flags & FHCRC != 0 {
        at += 2;
    }
    (at <= bytes.len()).then_some(at)
}

fn gunzip(bytes: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    const FIRST: usize = 1 << 20;

    let mut at = gzip_header(bytes).ok_or("has a damaged gzip header")?;
    let mut state = DecompressorOxide::new();
    let mut out = Vec::new();
    let mut written = 0;
    grow(&mut out, FIRST.min(limit))?;
    // Bounded by `limit`: each further round doubles the output.
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let (status, consumed, produced) = decompress(&mut state, rest, &mut out, written, flags);
        at += consumed;
        written += produced;
        match status {
            TINFLStatus::Done => break,
            TINFLStatus::HasMoreOutput if out.len() < limit => {
                let size = (out.len() * 2).min(limit);
                grow(&mut out, size)?;
            }
            TINFLStatus::HasMoreOutput => return Err(too_large(limit)),
            TINFLStatus::NeedsMoreInput | TINFLStatus::FailedCannotMakeProgress => {
                return Err(format!("is truncated: gzip data ends at byte {at:#x}"));
            }
            _ => return Err(format!("has damaged gzip data at byte {at:#x}")),
        }
    }
    out.truncate(written);
    let trailer = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>());
    let [a, b, c, d, e, f, g, h] =
        *trailer.ok_or_else(|| format!("is truncated: no gzip checksum at byte {at:#x}"))?;
    let (crc, size) = (
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    );
    if crc != crc32fast::hash(&out) || size != out.len() as u32 {
        return Err("is damaged: its gzip checksum does not match".into());
    }
    Ok(out)
}

fn grow(out: &mut Vec<u8>, size: usize) -> Result<(), String> {
    out.try_reserve_exact(size.saturating_sub(out.len()))
        .map_err(|_| format!("needs {size} bytes to unpack, which the host does not have"))?;
    out.resize(size, 0);
    Ok(())
}

fn unzstd(bytes: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    const STEP: usize = 1 << 20;

    let mut rest = bytes;
    let mut decoder = FrameDecoder::new();
    let damaged = |rest: &[u8], error: &dyn core::fmt::Display| {
        let at = bytes.len() - rest.len();
        format!("has damaged or truncated zstd data before byte {at:#x}: {error}")
    };
    decoder
        .init(&mut rest)
        .map_err(|error| damaged(rest, &error))?;
    if decoder.content_size() > limit as u64 {
        return Err(too_large(limit));
    }
    let mut out = Vec::new();
    // Bounded by the input: each round consumes at least the header of a block. Beyond the
    // output the decoder holds its window, which it limits to 128 MiB, and a step.
    loop {
        let finished = decoder
            .decode_blocks(&mut rest, BlockDecodingStrategy::UptoBytes(STEP))
            .map_err(|error| damaged(rest, &error))?;
        if let Some(part) = decoder.collect() {
            if part.len() > limit - out.len() {
                return Err(too_large(limit));
            }
            out.extend_from_slice(&part);
        }
        if finished {
            break;
        }
    }
    let expected = decoder.get_checksum_from_data();
    if expected.is_some() && expected != decoder.get_calculated_checksum() {
        return Err("is damaged: its zstd checksum does not match".into());
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::samples::{gzip, zstd};

    const LIMIT: usize = 4 << 20;

    fn text() -> Vec<u8> {
        // Some repetition, some noise.
        (0..60_000u32).map(|at| ((at * at) >> 7) as u8).collect()
    }

    #[test]
    fn what_was_packed_is_unpacked() {
        let text = text();
        for packed in [gzip(&text), zstd(&text)] {
            let packing = recognise(&packed).unwrap();
            assert!(unpack(packing, &packed, LIMIT).as_ref() == Ok(&text));
            assert!(unpack(packing, &packed, text.len()).as_ref() == Ok(&text));
        }
    }

    // Hostile inputs, V21.
    #[test]
    fn output_beyond_the_limit_is_refused() {
        let text = text();
        for packed in [gzip(&text), zstd(&text)] {
            let packing = recognise(&packed).unwrap();
            for limit in [0, 1000, text.len() - 1] {
                assert_eq!(unpack(packing, &packed, limit), Err(too_large(limit)));
            }
        }
    }

    // Hostile inputs, V21.
    #[test]
    fn bomb_is_refused_at_the_limit() {
        let zeroes = alloc::vec![0; 64 << 20];
        let bomb = gzip(&zeroes);
        assert!(bomb.len() < 100 << 10);
        assert_eq!(unpack(Packing::Gzip, &bomb, LIMIT), Err(too_large(LIMIT)));
        let bomb = zstd(&zeroes);
        assert_eq!(unpack(Packing::Zstd, &bomb, LIMIT), Err(too_large(LIMIT)));
    }

    // Hostile inputs, V21.
    #[test]
    fn every_truncation_is_an_error() {
        let text = &text()[..2000];
        for packed in [gzip(text), zstd(text)] {
            let packing = recognise(&packed).unwrap();
            for end in 4..packed.len() {
                assert!(unpack(packing, &packed[..end], LIMIT).is_err(), "{end}");
            }
        }
    }

    #[test]
    fn damage_is_found_by_the_checksum() {
        let text = text();
        for packed in [gzip(&text), zstd(&text)] {
            let packing = recognise(&packed).unwrap();
            let mut bad = packed.clone();
            let last = bad.len() - if packing == Packing::Gzip { 8 } else { 1 };
            bad[last] ^= 1;
            let error = unpack(packing, &bad, LIMIT).unwrap_err();
            assert!(error.contains("checksum"), "{error}");
            for at in (4..packed.len()).step_by(packed.len() / 50) {
                let mut bad = packed.clone();
                bad[at] ^= 0x10;
                // Both headers hold bits that mean nothing.
                if at > 10 {
                    assert!(unpack(packing, &bad, LIMIT).as_ref() != Ok(&text), "{at}");
                }
            }
        }
    }

    #[test]
    fn optional_fields_of_the_gzip_header_are_skipped() {
        let plain = gzip(b"kernel");
        let mut full = plain[..10].to_vec();
        full[3] = 0x1e;
        full.extend_from_slice(b"\x03\0abcname\0comment\0cc");
        full.extend_from_slice(&plain[10..]);
        full.extend_from_slice(b"what follows");
        assert_eq!(unpack(Packing::Gzip, &full, LIMIT), Ok(b"kernel".to_vec()));
        full[3] = 0x80;
        let error = unpack(Packing::Gzip, &full, LIMIT).unwrap_err();
        assert_eq!(error, "has a damaged gzip header");
    }
}
