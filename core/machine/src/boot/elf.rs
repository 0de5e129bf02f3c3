//! ELF files: what is to be loaded where, where to begin, and the symbols that test programs
//! speak through.
//!
//! Source: System V ABI, chapters 4 and 5. A file is hostile: every offset and size is checked,
//! and work and memory are bounded by the file's length.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use object::LittleEndian;
use object::elf::{
    EM_386, EM_AARCH64, EM_ARM, EM_PPC64, EM_RISCV, EM_S390, EM_X86_64, ET_DYN, ET_EXEC,
    FileHeader64, PT_LOAD, ProgramHeader64, SHT_SYMTAB, Sym64,
};
use object::pod;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};

/// The most segments that a file may have to load.
pub const MAX_SEGMENTS: usize = 256;

const LE: LittleEndian = LittleEndian;

/// Addresses of the symbols by which test programs speak to the machine they run on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Symbols {
    /// Where a program writes how it ended (HTIF).
    pub tohost: Option<u64>,
    /// Where it reads answers (HTIF).
    pub fromhost: Option<u64>,
    /// First byte of what a conformance test has computed.
    pub begin_signature: Option<u64>,
    /// First byte after it.
    pub end_signature: Option<u64>,
}

/// A part of memory: its bytes, and then zeroes up to its size.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Load<'a> {
    /// Physical address.
    pub at: u64,
    /// The bytes.
    pub bytes: Cow<'a, [u8]>,
    /// Bytes and zeroes, at least as many as the bytes.
    pub memory_size: u64,
}

/// What a file says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Elf<'a> {
    /// What to load, in the order of the file.
    pub loads: Vec<Load<'a>>,
    /// Physical address of the first instruction.
    pub entry: u64,
    /// Physical addresses of symbols.
    pub symbols: Symbols,
}

impl Elf<'_> {
    /// The same, independent of the file.
    pub fn into_owned(self) -> Elf<'static> {
        Elf {
            loads: self
                .loads
                .into_iter()
                .map(|load| Load {
                    at: load.at,
                    bytes: Cow::Owned(load.bytes.into_owned()),
                    memory_size: load.memory_size,
                })
                .collect(),
            entry: self.entry,
            symbols: self.symbols,
        }
    }
}

/// Whether the file says that it is ELF.
pub fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF")
}

/// Reads a file. The error says what is wrong with it.
pub fn parse(bytes: &[u8]) -> Result<Elf<'_>, String> {
    let header = header(bytes)?;
    let segments = header
        .program_headers(LE, bytes)
        .map_err(|_| "is truncated: its ELF program headers lie outside the file")?;
    let loadable = || {
        segments
            .iter()
            .filter(|segment| segment.p_type(LE) == PT_LOAD && segment.p_memsz(LE) != 0)
    };
    match loadable().count() {
        0 => return Err("is an ELF file with nothing to load".into()),
        1..=MAX_SEGMENTS => {}
        count => {
            return Err(format!(
                "has {count} segments to load, more than {MAX_SEGMENTS}"
            ));
        }
    }
    let loads = loadable()
        .map(|segment| load(segment, bytes))
        .collect::<Result<Vec<_>, _>>()?;
    let within = |address| physical(loadable(), address, false);
    let entry = header.e_entry(LE);
    Ok(Elf {
        entry: within(entry)
            .ok_or_else(|| format!("begins at {entry:#x}, where it has nothing to load"))?,
        // `end_signature` may be the first byte after a segment.
        symbols: symbols(header, bytes, |address| {
            within(address).or_else(|| physical(loadable(), address, true))
        }),
        loads,
    })
}

fn header(bytes: &[u8]) -> Result<&FileHeader64<LittleEndian>, String> {
    const CLASS: usize = 4;
    const DATA: usize = 5;
    let machine = bytes
        .get(18..20)
        .and_then(|field| field.first_chunk())
        .copied();
    match bytes.get(CLASS) {
        Some(2) => {}
        Some(1) if machine.map(u16::from_le_bytes) == Some(EM_RISCV) => {
            return Err("is an ELF file for 32-bit RISC-V; this machine is 64-bit".into());
        }
        _ => {
            return Err("is an ELF file for a 32-bit machine; this one is 64-bit RISC-V".into());
        }
    }
    if bytes.get(DATA) != Some(&1) {
        return Err("is a big-endian ELF file; this machine is little-endian RISC-V".into());
    }
    let header = FileHeader64::<LittleEndian>::parse(bytes)
        .map_err(|_| "is truncated within its ELF header")?;
    let machine = header.e_machine(LE);
    if machine != EM_RISCV {
        let name = match machine {
            EM_X86_64 | EM_386 => "x86".into(),
            EM_AARCH64 => "AArch64".into(),
            EM_ARM => "Arm".into(),
            EM_PPC64 => "PowerPC".into(),
            EM_S390 => "s390".into(),
            other => format!("machine number {}", other),
        };
        return Err(format!("is an ELF file for {name}; this machine is RISC-V"));
    }
    match header.e_type(LE) {
        ET_EXEC | ET_DYN => Ok(header),
        _ => Err("is an ELF file that is not linked (an object file or a core dump)".into()),
    }
}

fn load<'a>(segment: &ProgramHeader64<LittleEndian>, bytes: &'a [u8]) -> Result<Load<'a>, String> {
    let at = segment.p_paddr(LE);
    let (file_size, memory_size) = (segment.p_filesz(LE), segment.p_memsz(LE));
    if file_size > memory_size {
        return Err(format!(
            "has an ELF segment at {at:#x} whose {file_size} bytes exceed its {memory_size} bytes of memory"
        ));
    }
    let content = segment.data(LE, bytes).map_err(|()| {
        format!("is truncated: the bytes of its ELF segment at {at:#x} lie outside the file")
    })?;
    Ok(Load {
        at,
        bytes: Cow::Borrowed(content),
        memory_size,
    })
}

/// The physical address of what lies at a virtual one: in a segment, or at its end.
fn physical<'a>(
    mut segments: impl Iterator<Item = &'a ProgramHeader64<LittleEndian>>,
    address: u64,
    at_end: bool,
) -> Option<u64> {
    segments.find_map(|segment| {
        let offset = address.checked_sub(segment.p_vaddr(LE))?;
        let size = segment.p_memsz(LE);
        let found = if at_end {
            offset == size
        } else {
            offset < size
        };
        found
            .then(|| segment.p_paddr(LE).checked_add(offset))
            .flatten()
    })
}

/// The symbols, as far as the file has a sound table of them.
///
/// Names are compared in place with the few that matter, so that the work is linear in the
/// table: reading each name would be quadratic for a table that points at one long string.
fn symbols(
    header: &FileHeader64<LittleEndian>,
    bytes: &[u8],
    physical: impl Fn(u64) -> Option<u64>,
) -> Symbols {
    let mut found = Symbols::default();
    let Ok(sections) = header.section_headers(LE, bytes) else {
        return found;
    };
    let Some(table) = sections
        .iter()
        .find(|section| section.sh_type(LE) == SHT_SYMTAB)
    else {
        return found;
    };
    let entries = table
        .data(LE, bytes)
        .ok()
        .and_then(|data| {
            let count = data.len() / size_of::<Sym64<LittleEndian>>();
            pod::slice_from_bytes::<Sym64<LittleEndian>>(data, count).ok()
        })
        .map(|(entries, _)| entries)
        .unwrap_or_default();
    let names = sections
        .get(table.link(LE).0)
        .and_then(|section| section.data(LE, bytes).ok())
        .unwrap_or_default();
    for entry in entries {
        let Some(name) = names.get(entry.st_name.get(LE) as usize..) else {
            continue;
        };
        for (wanted, place) in [
            (&b"tohost\0"[..], &mut found.tohost),
            (b"fromhost\0", &mut found.fromhost),
            (b"begin_signature\0", &mut found.begin_signature),
            (b"end_signature\0", &mut found.end_signature),
        ] {
            if place.is_none() && name.starts_with(wanted) {
                *place = physical(entry.st_value.get(LE));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::samples::{self, EM_RISCV, elf};

    const BASE: u64 = 0x8000_0000;

    fn reason(bytes: &[u8]) -> String {
        parse(bytes).unwrap_err()
    }

    #[test]
    fn segments_entry_and_symbols_are_read() {
        let file = elf(
            EM_RISCV,
            BASE + 4,
            &[
                samples::Load::at(BASE, 16, 16),
                samples::Load::at(BASE + 0x1000, 4, 0x1000),
            ],
            &[
                ("tohostile", BASE),
                ("tohost", BASE + 0x1000),
                ("fromhost", BASE + 0x1040),
                ("begin_signature", BASE + 0x1100),
                ("end_signature", BASE + 0x2000),
            ],
        );
        let elf = parse(&file).unwrap();
        assert_eq!(elf.entry, BASE + 4);
        assert_eq!(elf.loads.len(), 2);
        assert_eq!(elf.loads[0].bytes.as_ref(), [1; 16]);
        assert_eq!(elf.loads[1].bytes.as_ref(), [2; 4]);
        assert_eq!(elf.loads[1].memory_size, 0x1000);
        assert_eq!(
            elf.symbols,
            Symbols {
                tohost: Some(BASE + 0x1000),
                fromhost: Some(BASE + 0x1040),
                begin_signature: Some(BASE + 0x1100),
                end_signature: Some(BASE + 0x2000),
            }
        );
    }

    #[test]
    fn virtual_addresses_become_physical() {
        let high = 0xffff_ffff_8000_0000;
        let segment = samples::Load {
            vaddr: high,
            ..samples::Load::at(BASE + 0x20_0000, 8, 0x100)
        };
        let file = elf(EM_RISCV, high + 4, &[segment], &[("tohost", high + 0x80)]);
        let elf = parse(&file).unwrap();
        assert_eq!(elf.entry, BASE + 0x20_0004);
        assert_eq!(elf.symbols.tohost, Some(BASE + 0x20_0080));
    }

    #[test]
    fn address_between_two_segments_belongs_to_the_second() {
        let second = samples::Load {
            paddr: BASE + 0x8000,
            ..samples::Load::at(BASE + 0x1000, 8, 8)
        };
        let first = samples::Load::at(BASE, 8, 0x1000);
        let file = elf(
            EM_RISCV,
            BASE + 0x1000,
            &[first, second],
            &[("tohost", BASE + 0x1000), ("fromhost", BASE + 0x1008)],
        );
        let elf = parse(&file).unwrap();
        assert_eq!(elf.entry, BASE + 0x8000);
        assert_eq!(elf.symbols.tohost, Some(BASE + 0x8000));
        assert_eq!(elf.symbols.fromhost, Some(BASE + 0x8008), "the end");
    }

    // Hostile inputs, V21.
    #[test]
    fn symbols_that_share_one_endless_name_cost_no_more_than_others() {
        // Read to its end for each symbol, the name would be 100 GB.
        let long = "x".repeat(1 << 20);
        let mut names = alloc::vec![""; 100_000];
        names[0] = &long;
        let symbols: Vec<_> = names.iter().map(|name| (*name, BASE)).collect();
        let mut file = elf(EM_RISCV, BASE, &[samples::Load::at(BASE, 8, 8)], &symbols);
        let table = file.len() - 3 * 64 - 24 * symbols.len();
        for symbol in file[table..].chunks_exact_mut(24).take(symbols.len()) {
            symbol[..4].copy_from_slice(&1u32.to_le_bytes());
        }
        assert_eq!(parse(&file).unwrap().symbols, Symbols::default());
    }

    #[test]
    fn unaligned_file_is_read() {
        let mut shifted = alloc::vec![0];
        shifted.extend(elf(EM_RISCV, BASE, &[samples::Load::at(BASE, 8, 8)], &[]));
        assert!(parse(&shifted[1..]).is_ok());
    }

    #[test]
    fn other_machines_are_named() {
        let file = |machine| elf(machine, BASE, &[samples::Load::at(BASE, 8, 8)], &[]);
        assert!(reason(&file(EM_X86_64)).contains("x86"));
        assert!(reason(&file(EM_AARCH64)).contains("AArch64"));
        assert!(reason(&file(0x1234)).contains("4660"));
        let mut narrow = file(EM_RISCV);
        narrow[4] = 1;
        assert!(reason(&narrow).contains("32-bit RISC-V"));
        let mut big = file(EM_RISCV);
        big[5] = 2;
        assert!(reason(&big).contains("big-endian"));
        let mut object = file(EM_RISCV);
        object[16] = 1;
        assert!(reason(&object).contains("not linked"));
    }

    // Hostile inputs, V21.
    #[test]
    fn segment_that_lies_about_its_sizes_is_refused() {
        let with = |load| reason(&elf(EM_RISCV, BASE, &[load], &[]));
        assert!(with(samples::Load::at(BASE, 16, 8)).contains("exceed"));
        let outside = samples::Load {
            offset: Some(u64::MAX - 4),
            ..samples::Load::at(BASE, 16, 16)
        };
        assert!(with(outside).contains("outside the file"));
        let huge = samples::Load {
            offset: Some(0),
            ..samples::Load::at(BASE, 1 << 60, u64::MAX)
        };
        assert!(with(huge).contains("outside the file"));
    }

    // Hostile inputs, V21.
    #[test]
    fn entry_outside_the_segments_is_refused() {
        let file = elf(EM_RISCV, 0x10, &[samples::Load::at(BASE, 8, 8)], &[]);
        assert!(reason(&file).contains("0x10"));
    }

    // Hostile inputs, V21.
    #[test]
    fn too_many_segments_are_refused() {
        let loads = [samples::Load::at(BASE, 0, 8); MAX_SEGMENTS + 1];
        assert!(reason(&elf(EM_RISCV, BASE, &loads, &[])).contains("257 segments"));
        assert!(reason(&elf(EM_RISCV, BASE, &[], &[])).contains("nothing to load"));
    }

    // Hostile inputs, V21. System V ABI, chapter 4: places and sizes of the tables.
    #[test]
    fn header_that_lies_about_its_tables_is_refused_or_has_no_symbols() {
        let loads = [samples::Load::at(BASE, 8, 8)];
        let good = elf(EM_RISCV, BASE, &loads, &[("tohost", BASE)]);
        assert!(parse(&good).unwrap().symbols.tohost.is_some());
        let len = good.len() as u64;
        let lies = [0, 1, 63, len - 1, len, len + 1, 1 << 31, 1 << 63, u64::MAX];
        for (field, size, is_program) in [
            (32, 8, true),
            (40, 8, false),
            (54, 2, true),
            (56, 2, true),
            (58, 2, false),
            (60, 2, false),
        ] {
            for lie in lies {
                let mut bad = good.clone();
                bad[field..field + size].copy_from_slice(&lie.to_le_bytes()[..size]);
                if bad == good {
                    continue;
                }
                match parse(&bad) {
                    Err(reason) => assert!(!reason.is_empty()),
                    // One program header is what there is.
                    Ok(_) if is_program => assert_eq!((field, bad[56]), (56, 1)),
                    Ok(elf) => assert!(elf.loads.len() == 1),
                }
            }
        }
        // Section headers that say that their tables are elsewhere.
        for at in (good.len() - 128..good.len()).step_by(4) {
            for lie in [u32::MAX, len as u32, 1 << 31] {
                let mut bad = good.clone();
                bad[at..at + 4].copy_from_slice(&lie.to_le_bytes());
                assert_eq!(parse(&bad).unwrap().entry, BASE);
            }
        }
    }

    // Hostile inputs, V21.
    #[test]
    fn number_of_segments_in_a_section_header_is_not_believed() {
        // PN_XNUM: the number is in the first section's sh_info.
        let loads = [samples::Load::at(BASE, 8, 8)];
        let mut file = elf(EM_RISCV, BASE, &loads, &[]);
        file[56..58].copy_from_slice(&0xffff_u16.to_le_bytes());
        let first = file.len() - 3 * 64;
        for count in [0, 0xffff, u32::MAX] {
            file[first + 44..first + 48].copy_from_slice(&count.to_le_bytes());
            assert!(!reason(&file).is_empty(), "{count}");
        }
    }

    // Hostile inputs, V21.
    #[test]
    fn every_truncation_is_survived() {
        let file = elf(
            EM_RISCV,
            BASE,
            &[samples::Load::at(BASE, 8, 8)],
            &[("tohost", BASE)],
        );
        for end in 0..file.len() {
            // Without its sections a file can still be loaded.
            if let Ok(elf) = parse(&file[..end]) {
                assert_eq!(elf.symbols.tohost, None);
            }
        }
    }
}
