//! What kind of kernel a file is: Linux's `Image`, packed or not, ELF, or plain machine code.
//!
//! Sources: Linux, Documentation/arch/riscv/boot-image-header.rst, and
//! drivers/firmware/efi/libstub/zboot-header.S.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;

use super::elf::{self, Elf};
use super::packed::{self, Packing};

/// A kernel or firmware, unpacked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Program<'a> {
    /// Linux's `Image` for RISC-V.
    Image {
        /// The file from its first byte on.
        bytes: Cow<'a, [u8]>,
        /// Where it wants to lie, in bytes from a multiple of 2 MiB.
        text_offset: u64,
        /// Bytes of memory that it uses from there on, at least its own.
        memory_size: u64,
    },
    /// An ELF file.
    Elf(Elf<'a>),
    /// Machine code without a header, which begins at its first byte.
    Raw(Cow<'a, [u8]>),
}

/// Nested packing that is followed: an `Image` in gzip in a zboot image in gzip.
const MAX_LAYERS: usize = 3;

/// Tells what a file is and unpacks it into at most `limit` bytes.
///
/// The error says what is wrong, and names the kind of a file that cannot be used.
pub fn read(bytes: &[u8], limit: usize) -> Result<Program<'_>, String> {
    let mut bytes = Cow::Borrowed(bytes);
    for _ in 0..MAX_LAYERS {
        let (packing, payload) = if is_image(&bytes) {
            break;
        } else if let Some(zboot) = zboot(&bytes)? {
            zboot
        } else if let Some(packing) = packed::recognise(&bytes) {
            (packing, bytes.as_ref())
        } else {
            break;
        };
        bytes = Cow::Owned(packed::unpack(packing, payload, limit)?);
    }
    if is_image(&bytes) {
        return image(bytes);
    }
    if elf::is_elf(&bytes) {
        return Ok(Program::Elf(match bytes {
            Cow::Borrowed(bytes) => elf::parse(bytes)?,
            Cow::Owned(bytes) => elf::parse(&bytes)?.into_owned(),
        }));
    }
    if packed::recognise(&bytes).is_some() {
        return Err(format!("is packed more than {MAX_LAYERS} times over"));
    }
    match foreign(&bytes) {
        Some(kind) => Err(format!("is {kind}")),
        None => Ok(Program::Raw(bytes)),
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

fn double(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

fn has(bytes: &[u8], at: usize, magic: &[u8]) -> bool {
    bytes.get(at..).is_some_and(|rest| rest.starts_with(magic))
}

fn is_image(bytes: &[u8]) -> bool {
    has(bytes, 56, b"RSC\x05") || has(bytes, 48, b"RISCV\0\0\0")
}

fn image(bytes: Cow<'_, [u8]>) -> Result<Program<'_>, String> {
    const BIG_ENDIAN: u64 = 1;
    const PAGE: u64 = 4096;

    let fields = (double(&bytes, 8), double(&bytes, 16), double(&bytes, 24));
    let (Some(text_offset), Some(image_size), Some(flags)) = fields else {
        return Err("is truncated within its Image header".into());
    };
    if flags & BIG_ENDIAN != 0 {
        return Err("is an Image for big-endian RISC-V; this machine is little-endian".into());
    }
    if !text_offset.is_multiple_of(PAGE) {
        return Err(format!(
            "has an Image header with text_offset {text_offset:#x}, which is no multiple of 4096"
        ));
    }
    // The length of an Image is not in its own header, whose image_size counts memory that is zero
    // at first, but in the one that makes it an EFI program.
    let whole = pe_length(&bytes);
    if whole > (bytes.len() as u64).next_multiple_of(PE_ALIGNMENT) {
        return Err(format!(
            "is truncated: it has {} bytes of the {whole} of its PE sections",
            bytes.len()
        ));
    }
    Ok(Program::Image {
        text_offset,
        // Zero in headers of kernels that are no longer maintained.
        memory_size: image_size.max(bytes.len() as u64),
        bytes,
    })
}

/// The packed kernel in an EFI zboot image, or `None` if the file is none.
fn zboot(bytes: &[u8]) -> Result<Option<(Packing, &[u8])>, String> {
    if !has(bytes, 0, b"MZ") || !has(bytes, 4, b"zimg") {
        return Ok(None);
    }
    if let Some(machine) = pe_machine(bytes)
        && machine != PE_RISCV64
    {
        return Err(format!(
            "is an EFI zboot image for {}; this machine is RISC-V",
            pe_name(machine)
        ));
    }
    let (Some(start), Some(size), Some(name)) =
        (word(bytes, 8), word(bytes, 12), array::<32>(bytes, 24))
    else {
        return Err("is truncated within its zboot header".into());
    };
    let payload = (start as usize)
        .checked_add(size as usize)
        .and_then(|end| bytes.get(start as usize..end))
        .ok_or_else(|| {
            format!("is truncated: its zboot payload of {size} bytes at {start:#x} lies outside")
        })?;
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    match (name, packed::recognise(payload)) {
        (b"gzip", Some(Packing::Gzip)) => Ok(Some((Packing::Gzip, payload))),
        (b"zstd" | b"zstd22", Some(Packing::Zstd)) => Ok(Some((Packing::Zstd, payload))),
        (b"gzip" | b"zstd" | b"zstd22", _) => Err(format!(
            "is a damaged EFI zboot image: no {} data at {start:#x}",
            name.escape_ascii()
        )),
        _ => Err(format!(
            "is an EFI zboot image packed with {}; gzip and zstd are understood",
            name.escape_ascii()
        )),
    }
}

const PE_RISCV64: u16 = 0x5064;

fn pe_machine(bytes: &[u8]) -> Option<u16> {
    let at = word(bytes, 0x3c)? as usize;
    has(bytes, at, b"PE\0\0")
        .then(|| array(bytes, at.checked_add(4)?).map(u16::from_le_bytes))
        .flatten()
}

/// What a PE file may leave out at its end: FileAlignment of Linux's header.
const PE_ALIGNMENT: u64 = 512;

/// The end of the last section of a PE file, 0 if the file is none. At most as many sections are
/// read as lie in the file.
fn pe_length(bytes: &[u8]) -> u64 {
    let half = |at| array(bytes, at).map(u16::from_le_bytes);
    let sections = || {
        let at = word(bytes, 0x3c)? as usize;
        if !has(bytes, 0, b"MZ") || !has(bytes, at, b"PE\0\0") {
            return None;
        }
        // PE format, COFF file header: NumberOfSections, SizeOfOptionalHeader.
        let (count, optional) = (half(at + 6)?, half(at + 20)?);
        Some((at + 24 + usize::from(optional), count))
    };
    let Some((first, count)) = sections() else {
        return 0;
    };
    (0..usize::from(count))
        .map_while(|number| {
            // Section header: SizeOfRawData, PointerToRawData.
            let at = first + number * 40;
            Some(u64::from(word(bytes, at + 16)?) + u64::from(word(bytes, at + 20)?))
        })
        .max()
        .unwrap_or(0)
}

fn pe_name(machine: u16) -> String {
    match machine {
        0x8664 | 0x14c => "x86".into(),
        0xaa64 => "AArch64".into(),
        0x1c0 | 0x1c2 => "Arm".into(),
        0x5032 => "32-bit RISC-V".into(),
        0x6264 => "LoongArch".into(),
        other => format!("machine number {other:#x}"),
    }
}

/// Names a file that is certainly not machine code for this machine.
fn foreign(bytes: &[u8]) -> Option<String> {
    /// Enough to tell text from code: instructions hold bytes that no text has.
    const TEXT: usize = 64;
    const KINDS: [(usize, &[u8], &str); 22] = [
        (
            56,
            b"ARM\x64",
            "a Linux Image for AArch64; this machine is RISC-V",
        ),
        (0x202, b"HdrS", "a bzImage for x86; this machine is RISC-V"),
        (
            0x24,
            b"\x18\x28\x6f\x01",
            "a zImage for Arm; this machine is RISC-V",
        ),
        (
            0,
            b"\xfd7zXZ\0",
            "packed with xz; unpack it first (gzip and zstd are understood)",
        ),
        (
            0,
            b"]\0\0",
            "packed with lzma; unpack it first (gzip and zstd are understood)",
        ),
        (
            0,
            b"BZh",
            "packed with bzip2; unpack it first (gzip and zstd are understood)",
        ),
        (
            0,
            b"\x02\x21\x4c\x18",
            "packed with lz4; unpack it first (gzip and zstd are understood)",
        ),
        (
            0,
            b"\x04\x22\x4d\x18",
            "packed with lz4; unpack it first (gzip and zstd are understood)",
        ),
        (
            0,
            b"\x89LZO",
            "packed with lzo; unpack it first (gzip and zstd are understood)",
        ),
        (0, b"PK\x03\x04", "a zip archive, not a kernel"),
        (0, b"!<arch>", "a Debian package or a library, not a kernel"),
        (0, b"070701", "a cpio archive: an initrd, not a kernel"),
        (0, b"070702", "a cpio archive: an initrd, not a kernel"),
        (257, b"ustar", "a tar archive, not a kernel"),
        (0, b"QFI\xfb", "a qcow2 disk image, not a kernel"),
        (0x8001, b"CD001", "a CD image, not a kernel"),
        (
            0x438,
            b"\x53\xef",
            "an ext4 file system: a disk, not a kernel",
        ),
        (0, b"hsqs", "a squashfs file system: a disk, not a kernel"),
        (
            0,
            b"\x27\x05\x19\x56",
            "a U-Boot uImage; give the file that it was made from",
        ),
        (
            0,
            b"\xd0\x0d\xfe\xed",
            "a device tree or a FIT image, not a kernel",
        ),
        (0, b"\0asm", "a WebAssembly module, not a kernel"),
        (0, b"#!", "a script, not a kernel"),
    ];

    if let Some((_, _, kind)) = KINDS.iter().find(|(at, magic, _)| has(bytes, *at, magic)) {
        return Some((*kind).into());
    }
    if has(bytes, 0, b"MZ")
        && let Some(machine) = pe_machine(bytes)
    {
        return Some(match machine {
            PE_RISCV64 => "an EFI program; this machine starts kernels, not EFI programs".into(),
            other => format!(
                "an EFI program for {}; this machine is RISC-V",
                pe_name(other)
            ),
        });
    }
    let is_text = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~');
    if bytes.is_empty() {
        Some("empty".into())
    } else if bytes.iter().all(|byte| *byte == 0) {
        Some("nothing but zeroes".into())
    } else if bytes.iter().take(TEXT).all(is_text) {
        Some("text, not a kernel".into())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::samples::{self, EM_RISCV, gzip, image as sample, zboot as boxed, zstd};

    const LIMIT: usize = 1 << 20;

    fn reason(bytes: &[u8]) -> String {
        read(bytes, LIMIT).unwrap_err()
    }

    fn expect_image(file: &[u8], inner: &[u8]) {
        let expected = Program::Image {
            bytes: Cow::Borrowed(inner),
            text_offset: 0x20_0000,
            memory_size: 0x4000,
        };
        assert_eq!(read(file, LIMIT), Ok(expected));
    }

    #[test]
    fn image_is_found_however_it_is_packed() {
        let image = sample(0x1000, 0x20_0000, 0x4000);
        expect_image(&image, &image);
        expect_image(&gzip(&image), &image);
        expect_image(&zstd(&image), &image);
        expect_image(&boxed(&gzip(&image), b"gzip", PE_RISCV64), &image);
        expect_image(&boxed(&zstd(&image), b"zstd", PE_RISCV64), &image);
        let nested = gzip(&boxed(&zstd(&image), b"zstd22", PE_RISCV64));
        expect_image(&nested, &image);
    }

    #[test]
    fn image_with_an_efi_stub_is_an_image() {
        let mut image = sample(0x1000, 0x20_0000, 0x4000);
        image[..2].copy_from_slice(b"MZ");
        expect_image(&image, &image);
    }

    // Hostile inputs, V21.
    #[test]
    fn header_fields_that_cannot_be_are_named() {
        assert!(reason(&sample(0x1000, 0x1234, 0)).contains("text_offset 0x1234"));
        let mut big = sample(0x1000, 0, 0);
        big[24] = 1;
        assert!(reason(&big).contains("big-endian"));
        let small = sample(0x1000, 0, 0x10);
        let Ok(Program::Image { memory_size, .. }) = read(&small, LIMIT) else {
            panic!("an Image");
        };
        assert_eq!(memory_size, 0x1000, "at least the file");
    }

    // Hostile inputs, V21.
    #[test]
    fn image_that_ends_before_its_sections_do_is_truncated() {
        let mut image = sample(0x1000, 0x20_0000, 0x4000);
        image[..2].copy_from_slice(b"MZ");
        image[0x3c..0x40].copy_from_slice(&64_u32.to_le_bytes());
        image[64..68].copy_from_slice(b"PE\0\0");
        image[70..72].copy_from_slice(&2_u16.to_le_bytes());
        image[84..86].copy_from_slice(&32_u16.to_le_bytes());
        // SizeOfRawData and PointerToRawData of both sections.
        for (section, size, start) in [(120, 0x400_u32, 0x400_u32), (160, 0x800, 0x800)] {
            image[section + 16..section + 20].copy_from_slice(&size.to_le_bytes());
            image[section + 20..section + 24].copy_from_slice(&start.to_le_bytes());
        }
        expect_image(&image, &image);
        for len in [0x200, 0x800, 0xdff] {
            let reason = reason(&image[..len]);
            assert!(
                reason.contains("is truncated") && reason.contains("4096"),
                "{len:#x}: {reason}"
            );
        }
        // Numbers that lie, to the largest.
        image[160 + 16..160 + 24].fill(0xff);
        assert!(reason(&image).contains("is truncated"));
        image[70..72].fill(0xff);
        assert!(reason(&image).contains("is truncated"));
        image[0x3c..0x40].fill(0xff);
        expect_image(&image, &image);
    }

    #[test]
    fn elf_is_read_packed_or_not() {
        let file = samples::elf(
            EM_RISCV,
            0x8000_0000,
            &[samples::Load::at(0x8000_0000, 8, 8)],
            &[],
        );
        let plain = read(&file, LIMIT).unwrap();
        assert!(matches!(plain, Program::Elf(_)));
        assert_eq!(read(&gzip(&file), LIMIT).unwrap(), plain);
    }

    #[test]
    fn machine_code_without_a_header_is_taken_as_it_is() {
        let code = [0x73, 0x00, 0x50, 0x10];
        assert_eq!(
            read(&code, LIMIT),
            Ok(Program::Raw(Cow::Borrowed(&code[..])))
        );
    }

    #[test]
    fn kernels_of_other_machines_are_named() {
        let mut arm = sample(0x1000, 0, 0);
        arm[48..56].fill(0);
        arm[56..60].copy_from_slice(b"ARM\x64");
        assert!(reason(&arm).contains("AArch64"));
        let mut pc = alloc::vec![0; 0x400];
        pc[0x202..0x206].copy_from_slice(b"HdrS");
        assert!(reason(&pc).contains("x86"));
        let zboot = boxed(&gzip(b"kernel"), b"gzip", 0xaa64);
        assert!(reason(&zboot).contains("zboot image for AArch64"));
    }

    #[test]
    fn packings_that_are_not_understood_are_named() {
        assert!(reason(&boxed(b"whatever", b"lzma", PE_RISCV64)).contains("packed with lzma"));
        assert!(reason(b"\xfd7zXZ\0 and more").contains("xz"));
        assert!(reason(&boxed(b"no gzip", b"gzip", PE_RISCV64)).contains("no gzip data"));
    }

    #[test]
    fn files_that_are_no_kernels_are_named() {
        assert!(reason(b"#!/bin/sh").contains("script"));
        assert!(reason(b"070701...").contains("initrd"));
        assert!(reason(b"Hello, world").contains("text"));
        assert!(reason(b"").contains("empty"));
        assert!(reason(&[0; 4096]).contains("zeroes"));
        let mut efi = boxed(b"", b"", PE_RISCV64);
        efi[4..8].fill(0);
        assert!(reason(&efi).contains("EFI program"));
    }

    // Hostile inputs, V21.
    #[test]
    fn zboot_payload_outside_the_file_is_refused() {
        let good = boxed(&gzip(b"kernel"), b"gzip", PE_RISCV64);
        for (at, value) in [(8, u32::MAX), (12, u32::MAX), (8, good.len() as u32)] {
            let mut bad = good.clone();
            bad[at..at + 4].copy_from_slice(&value.to_le_bytes());
            assert!(reason(&bad).contains("outside"), "{at} {value:#x}");
        }
        assert!(reason(&good[..20]).contains("truncated"));
    }

    // Hostile inputs, V21.
    #[test]
    fn packing_is_followed_only_so_deep() {
        let mut file = sample(0x100, 0x20_0000, 0x4000);
        for _ in 0..=MAX_LAYERS {
            file = gzip(&file);
        }
        // What is left is packed data, which is no machine code either.
        assert!(reason(&file).contains("packed more than"));
    }
}
