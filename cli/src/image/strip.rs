//! Makes kernel modules smaller: drops the local symbols that no relocation names.
//!
//! A RISC-V module carries thousands of them (labels that the assembler keeps for linker
//! relaxation); unpacking and inserting the modules of an initramfs costs 146 million guest
//! instructions more with them. It is what `strip --strip-unneeded` does to symbols.

use std::collections::BTreeMap;
use std::ops::Range;

/// Section header types (ELF, "Sections").
const SHT_SYMTAB: u32 = 2;
const SHT_RELA: u32 = 4;
const SHT_NOBITS: u32 = 8;
const SHT_REL: u32 = 9;
const SHT_GROUP: u32 = 17;
const SHT_SYMTAB_SHNDX: u32 = 18;

const EHDR: usize = 64;
const SHDR: usize = 64;
const SYM: usize = 24;
const RELA: usize = 24;

/// The module without its unneeded symbols. What is not a little-endian 64-bit relocatable
/// file of the expected shape comes back as it is: it is the kernel that judges it. What
/// follows the sections (an appended signature) is dropped.
pub fn strip(module: &[u8]) -> Vec<u8> {
    try_strip(module).unwrap_or_else(|| module.to_vec())
}

#[derive(Clone)]
struct Section {
    header: Vec<u8>,
    kind: u32,
    link: u32,
    align: usize,
    offset: usize,
    data: Vec<u8>,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) -> Option<()> {
    bytes
        .get_mut(at..at + value.len())
        .map(|place| place.copy_from_slice(value))
}

fn slice(bytes: &[u8], offset: u64, length: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    bytes.get(start..end)
}

fn try_strip(module: &[u8]) -> Option<Vec<u8>> {
    // ELF, 64 bit, little endian, ET_REL, section headers of the usual size.
    let usual = module.starts_with(b"\x7fELF\x02\x01")
        && u16_at(module, 16)? == 1
        && usize::from(u16_at(module, 58)?) == SHDR;
    if !usual {
        return None;
    }
    let mut sections = read_sections(module)?;
    let table = sections.iter().position(|s| s.kind == SHT_SYMTAB)?;
    let odd = sections
        .iter()
        .any(|s| matches!(s.kind, SHT_REL | SHT_SYMTAB_SHNDX));
    if odd {
        return None;
    }
    let names = usize::try_from(sections.get(table)?.link).ok()?;
    let kept = wanted(&sections, table)?;
    let renumber = rebuild_symbols(&mut sections, table, names, &kept)?;
    for section in &mut sections {
        if section.link as usize != table {
            continue;
        }
        match section.kind {
            SHT_RELA => {
                for rela in section.data.chunks_exact_mut(RELA) {
                    let new = renumber.get(&u32_at(rela, 12)?)?;
                    put(rela, 12, &new.to_le_bytes())?;
                }
            }
            SHT_GROUP => {
                let new = renumber.get(&u32_at(&section.header, 44)?)?;
                put(&mut section.header, 44, &new.to_le_bytes())?;
            }
            _ => {}
        }
    }
    write(module.get(..EHDR)?, sections)
}

fn read_sections(module: &[u8]) -> Option<Vec<Section>> {
    let count = usize::from(u16_at(module, 60)?);
    let headers = slice(module, u64_at(module, 40)?, (count * SHDR) as u64)?;
    headers
        .chunks_exact(SHDR)
        .map(|header| {
            let kind = u32_at(header, 4)?;
            let (offset, size) = (u64_at(header, 24)?, u64_at(header, 32)?);
            let data = match kind {
                0 | SHT_NOBITS => &[][..],
                _ => slice(module, offset, size)?,
            };
            Some(Section {
                header: header.to_vec(),
                kind,
                link: u32_at(header, 40)?,
                align: usize::try_from(u64_at(header, 48)?).ok()?,
                offset: usize::try_from(offset).ok()?,
                data: data.to_vec(),
            })
        })
        .collect()
}

/// Numbers of the symbols to keep: the first, those that are not local, those of sections,
/// and those that a relocation or a group names.
fn wanted(sections: &[Section], table: usize) -> Option<Vec<u32>> {
    let symbols = &sections.get(table)?.data;
    let count = symbols.len() / SYM;
    let mut keep = vec![false; count];
    *keep.first_mut()? = true;
    for (symbol, keep) in symbols.chunks_exact(SYM).zip(&mut keep) {
        let info = symbol.get(4)?;
        let (binding, kind) = (info >> 4, info & 15);
        *keep |= binding != 0 || kind == 3;
    }
    for section in sections.iter().filter(|s| s.link as usize == table) {
        match section.kind {
            SHT_RELA => {
                for rela in section.data.chunks_exact(RELA) {
                    *keep.get_mut(u32_at(rela, 12)? as usize)? = true;
                }
            }
            SHT_GROUP => *keep.get_mut(u32_at(&section.header, 44)? as usize)? = true,
            _ => {}
        }
    }
    let numbers = (0_u32..).zip(keep);
    Some(numbers.filter(|(_, keep)| *keep).map(|(n, _)| n).collect())
}

/// Rewrites symbols and their names; gives the new number of each kept symbol.
fn rebuild_symbols(
    sections: &mut [Section],
    table: usize,
    names: usize,
    kept: &[u32],
) -> Option<BTreeMap<u32, u32>> {
    let old_names = std::mem::take(&mut sections.get_mut(names)?.data);
    let old = std::mem::take(&mut sections.get_mut(table)?.data);
    let mut strings = vec![0];
    let mut symbols = Vec::with_capacity(kept.len() * SYM);
    let mut renumber = BTreeMap::new();
    let mut locals = 0_u32;
    for (new, &number) in (0_u32..).zip(kept) {
        let at = number as usize * SYM;
        let mut symbol = old.get(at..at + SYM)?.to_vec();
        let name = old_names.get(u32_at(&symbol, 0)? as usize..)?;
        let name = name.get(..name.iter().position(|b| *b == 0)?)?;
        let place = if name.is_empty() {
            0
        } else {
            let place = u32::try_from(strings.len()).ok()?;
            strings.extend_from_slice(name);
            strings.push(0);
            place
        };
        put(&mut symbol, 0, &place.to_le_bytes())?;
        if symbol.get(4)? >> 4 == 0 {
            locals = new + 1;
        }
        symbols.extend_from_slice(&symbol);
        renumber.insert(number, new);
    }
    let section = sections.get_mut(table)?;
    section.data = symbols;
    // sh_info of a symbol table: the number of the first symbol that is not local.
    put(&mut section.header, 44, &locals.to_le_bytes())?;
    sections.get_mut(names)?.data = strings;
    Some(renumber)
}

/// Lays the sections out anew, in their old order, and appends the headers.
fn write(ehdr: &[u8], mut sections: Vec<Section>) -> Option<Vec<u8>> {
    let mut out = ehdr.to_vec();
    let mut order: Vec<usize> = (0..sections.len()).collect();
    order.sort_by_key(|index| sections.get(*index).map_or(0, |s| s.offset));
    for index in order {
        let section = sections.get_mut(index)?;
        if section.kind == 0 {
            continue;
        }
        align(&mut out, section.align.clamp(1, 4096));
        put(&mut section.header, 24, &(out.len() as u64).to_le_bytes())?;
        if section.kind != SHT_NOBITS {
            put(
                &mut section.header,
                32,
                &(section.data.len() as u64).to_le_bytes(),
            )?;
            out.extend_from_slice(&section.data);
        }
    }
    align(&mut out, 8);
    let headers: Range<usize> = 40..48;
    let place = (out.len() as u64).to_le_bytes();
    out.get_mut(headers)?.copy_from_slice(&place);
    sections
        .iter()
        .for_each(|section| out.extend_from_slice(&section.header));
    Some(out)
}

fn align(out: &mut Vec<u8>, to: usize) {
    out.resize(out.len().next_multiple_of(to), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A relocatable file with `.text`, its relocations, two used symbols and two unused.
    fn module() -> Vec<u8> {
        let strings = b"\0used\0unused\0entry\0other\0".to_vec();
        let symbol = |name: u32, info: u8| {
            let mut bytes = name.to_le_bytes().to_vec();
            bytes.extend_from_slice(&[info, 0, 1, 0]);
            bytes.extend_from_slice(&[0; 16]);
            bytes
        };
        let symbols = [
            symbol(0, 0),
            symbol(6, 0),
            symbol(1, 0),
            symbol(19, 0),
            symbol(13, 0x12),
        ];
        let mut rela = vec![0; 8];
        rela.extend_from_slice(&19_u32.to_le_bytes());
        rela.extend_from_slice(&2_u32.to_le_bytes());
        rela.extend_from_slice(&[0; 8]);
        let section = |kind: u32, link: u32, info: u32, data: Vec<u8>| {
            let mut header = vec![0; SHDR];
            put(&mut header, 4, &kind.to_le_bytes()).unwrap();
            put(&mut header, 40, &link.to_le_bytes()).unwrap();
            put(&mut header, 44, &info.to_le_bytes()).unwrap();
            Section {
                header,
                kind,
                link,
                align: 8,
                offset: kind as usize,
                data,
            }
        };
        let mut ehdr = vec![0; EHDR];
        put(&mut ehdr, 0, b"\x7fELF\x02\x01\x01").unwrap();
        put(&mut ehdr, 16, &1_u16.to_le_bytes()).unwrap();
        put(&mut ehdr, 58, &(SHDR as u16).to_le_bytes()).unwrap();
        put(&mut ehdr, 60, &5_u16.to_le_bytes()).unwrap();
        let sections = vec![
            section(0, 0, 0, Vec::new()),
            section(1, 0, 0, vec![0x13; 12]),
            section(SHT_RELA, 3, 1, rela),
            section(SHT_SYMTAB, 4, 4, symbols.concat()),
            section(3, 0, 0, strings),
        ];
        write(&ehdr, sections).unwrap()
    }

    #[test]
    fn unused_local_symbols_go_and_relocations_follow() {
        let old = module();
        let new = strip(&old);
        assert!(new.len() < old.len());
        let sections = read_sections(&new).unwrap();
        assert_eq!(sections[3].data.len(), 3 * SYM);
        assert_eq!(sections[4].data, b"\0used\0entry\0");
        assert_eq!(
            u32_at(&sections[2].data, 12),
            Some(1),
            "`used` is now number 1"
        );
        assert_eq!(
            u32_at(&sections[3].header, 44),
            Some(2),
            "first global symbol"
        );
        assert_eq!(sections[1].data, [0x13; 12]);
        assert_eq!(strip(&new), new, "a second time changes nothing");
    }

    #[test]
    fn what_is_not_a_module_comes_back_as_it_is() {
        let whole = module();
        for length in 0..whole.len() {
            let cut = &whole[..length];
            assert_eq!(strip(cut), cut, "cut at {length}");
        }
        let mut bytes = whole.clone();
        for at in 0..whole.len() {
            bytes[at] ^= 0xff;
            let _ = strip(&bytes); // no panic, whatever is wrong
            bytes[at] ^= 0xff;
        }
    }
}
