//! Files for the tests of the loaders: packed data, `Image` headers, ELF files.

use alloc::vec::Vec;

use ruzstd::encoding::{CompressionLevel, compress_to_vec};

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
    packed.extend(miniz_oxide::deflate::compress_to_vec(bytes, 6));
    packed.extend(crc32fast::hash(bytes).to_le_bytes());
    packed.extend((bytes.len() as u32).to_le_bytes());
    packed
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

/// A RISC-V `Image` of `len` bytes.
pub fn image(len: usize, text_offset: u64, image_size: u64) -> Vec<u8> {
    let mut bytes = alloc::vec![0x13; len];
    bytes[..8].fill(0);
    bytes[8..16].copy_from_slice(&text_offset.to_le_bytes());
    bytes[16..24].copy_from_slice(&image_size.to_le_bytes());
    bytes[24..32].fill(0);
    bytes[32..36].copy_from_slice(&2u32.to_le_bytes());
    bytes[36..48].fill(0);
    bytes[48..56].copy_from_slice(b"RISCV\0\0\0");
    bytes[56..60].copy_from_slice(b"RSC\x05");
    bytes
}

/// An EFI zboot image around `payload` for the PE machine `machine`.
pub fn zboot(payload: &[u8], packing: &[u8], machine: u16) -> Vec<u8> {
    let mut bytes = alloc::vec![0; 0x80];
    bytes[..8].copy_from_slice(b"MZ\0\0zimg");
    bytes[8..12].copy_from_slice(&0x80u32.to_le_bytes());
    bytes[12..16].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes[24..24 + packing.len()].copy_from_slice(packing);
    bytes[0x38..0x3c].copy_from_slice(&0x8182_23cdu32.to_le_bytes());
    bytes[0x3c..0x40].copy_from_slice(&0x40u32.to_le_bytes());
    bytes[0x40..0x44].copy_from_slice(b"PE\0\0");
    bytes[0x44..0x46].copy_from_slice(&machine.to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

pub const EM_RISCV: u16 = 243;

/// A program header for [`elf`].
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub vaddr: u64,
    pub paddr: u64,
    /// Where the bytes lie in the file, by default those of [`elf`].
    pub offset: Option<u64>,
    pub file_size: u64,
    pub memory_size: u64,
}

impl Load {
    pub fn at(address: u64, file_size: u64, memory_size: u64) -> Self {
        Self {
            vaddr: address,
            paddr: address,
            offset: None,
            file_size,
            memory_size,
        }
    }
}

/// An executable with these segments, one after another, the bytes of the n-th being n + 1, and
/// these symbols.
pub fn elf(machine: u16, entry: u64, loads: &[Load], symbols: &[(&str, u64)]) -> Vec<u8> {
    let mut body = Vec::new();
    let body_at = 64 + 56 * loads.len() as u64;
    let mut headers = Vec::new();
    for (number, load) in loads.iter().enumerate() {
        let offset = load.offset.unwrap_or(body_at + body.len() as u64);
        headers.extend(1u32.to_le_bytes());
        headers.extend(7u32.to_le_bytes());
        for field in [
            offset,
            load.vaddr,
            load.paddr,
            load.file_size,
            load.memory_size,
            4096,
        ] {
            headers.extend(field.to_le_bytes());
        }
        if load.offset.is_none() {
            body.resize(
                body.len() + load.file_size as usize,
                (number as u8).wrapping_add(1),
            );
        }
    }
    let mut names = Vec::from([0]);
    let mut table = alloc::vec![0; 24];
    for (name, value) in symbols {
        table.extend((names.len() as u32).to_le_bytes());
        table.extend([0x10, 0, 1, 0]);
        table.extend(value.to_le_bytes());
        table.extend(0u64.to_le_bytes());
        names.extend(name.bytes());
        names.push(0);
    }
    let names_at = body_at + body.len() as u64;
    let table_at = names_at + names.len() as u64;
    let sections_at = table_at + table.len() as u64;

    let mut file = Vec::from(*b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    file.extend(2u16.to_le_bytes());
    file.extend(machine.to_le_bytes());
    file.extend(1u32.to_le_bytes());
    for field in [entry, 64, sections_at] {
        file.extend(field.to_le_bytes());
    }
    file.extend(0u32.to_le_bytes());
    for field in [64, 56, loads.len() as u16, 64, 3, 0] {
        file.extend(u16::to_le_bytes(field));
    }
    file.extend(headers);
    file.extend(body);
    file.extend(&names);
    file.extend(&table);
    file.extend([0; 64]);
    for (kind, at, size, link, entry_size) in [
        (3u32, names_at, names.len() as u64, 0u32, 0u64),
        (2, table_at, table.len() as u64, 1, 24),
    ] {
        file.extend(0u32.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend([0; 16]);
        file.extend(at.to_le_bytes());
        file.extend(size.to_le_bytes());
        file.extend(link.to_le_bytes());
        file.extend(1u32.to_le_bytes());
        file.extend(1u64.to_le_bytes());
        file.extend(entry_size.to_le_bytes());
    }
    file
}
