//! From bits to instructions: a pure function over the table.

use super::compressed::expand;
use super::table::{HINTS, Op, TABLE};
use super::{Format, Inst, Row};

/// Decodes the instruction that begins with these bits; its length in bytes is [`length`] of
/// them. A 16-bit instruction decodes to the 32-bit one that it stands for. An encoding that
/// means nothing becomes [`Op::Illegal`] with the bits in `imm`.
pub fn decode(word: u32) -> Inst {
    let inst = match length(word) {
        2 => expand(word as u16),
        _ => decode_word(word),
    };
    inst.unwrap_or(illegal(match length(word) {
        2 => word & 0xffff,
        _ => word,
    }))
}

/// Length in bytes of the instruction that begins with these bits: 2 or 4.
///
/// Encodings longer than 32 bits are reserved; they are refused as 32-bit ones.
pub fn length(word: u32) -> u64 {
    if word & 3 == 3 { 4 } else { 2 }
}

/// The mark for an encoding that means nothing.
pub fn illegal(bits: u32) -> Inst {
    Inst::new(Op::Illegal, 0, 0, 0, bits as i32)
}

fn decode_word(word: u32) -> Option<Inst> {
    let row = candidates(word)
        .iter()
        .filter_map(|index| TABLE.get(usize::from(*index)))
        .find(|row| word & row.mask == row.bits)?;
    Some(fields(row, word))
}

/// The name of the hint that these bits are, where the standard names one.
pub fn hint(word: u32) -> Option<&'static str> {
    HINTS
        .iter()
        .find(|(_, _, (mask, bits))| word & mask == *bits)
        .map(|(name, ..)| *name)
}

fn fields(row: &Row, word: u32) -> Inst {
    let signed = word as i32;
    let register = |shift: u32| (word >> shift & 31) as u8;
    let (rd, rs1, rs2) = (register(7), register(15), register(20));
    let rm = (word >> 12 & 7) as u8;
    let none = Inst::new(row.op, 0, 0, 0, 0);
    match row.format {
        Format::R | Format::FR | Format::FCmp => Inst {
            rd,
            rs1,
            rs2,
            ..none
        },
        Format::R1 | Format::FToX | Format::XToF => Inst { rd, rs1, ..none },
        Format::FToXRm | Format::XToFRm | Format::FRm1 => Inst {
            rd,
            rs1,
            rm,
            ..none
        },
        Format::FRm => Inst {
            rd,
            rs1,
            rs2,
            rm,
            ..none
        },
        Format::FR4 => Inst {
            rd,
            rs1,
            rs2,
            rs3: (word >> 27) as u8,
            rm,
            ..none
        },
        Format::I | Format::Load | Format::Jalr | Format::FLoad => Inst {
            rd,
            rs1,
            imm: signed >> 20,
            ..none
        },
        Format::Shift => Inst {
            rd,
            rs1,
            imm: signed >> 20 & 63,
            ..none
        },
        Format::ShiftW => Inst {
            rd,
            rs1,
            imm: signed >> 20 & 31,
            ..none
        },
        Format::S | Format::FStore => Inst {
            rs1,
            rs2,
            imm: signed >> 25 << 5 | i32::from(rd),
            ..none
        },
        Format::B => Inst {
            rs1,
            rs2,
            imm: signed >> 31 << 12
                | (signed << 4 & 0x800)
                | (signed >> 20 & 0x7e0)
                | (signed >> 7 & 0x1e),
            ..none
        },
        Format::U => Inst {
            rd,
            imm: signed & !0xfff,
            ..none
        },
        Format::J => Inst {
            rd,
            imm: signed >> 31 << 20
                | (signed & 0xf_f000)
                | (signed >> 9 & 0x800)
                | (signed >> 20 & 0x7fe),
            ..none
        },
        Format::Amo => Inst {
            rd,
            rs1,
            rs2,
            imm: signed >> 25 & 3,
            ..none
        },
        Format::Lr => Inst {
            rd,
            rs1,
            imm: signed >> 25 & 3,
            ..none
        },
        Format::Csr | Format::CsrI => Inst {
            rd,
            rs1,
            imm: (word >> 20) as i32,
            ..none
        },
        Format::Fence => Inst {
            imm: (word >> 20) as i32,
            // PAUSE is told apart by all of its bits.
            rd,
            rs1,
            ..none
        },
        Format::FenceVma => Inst { rs1, rs2, ..none },
        Format::Cbo => Inst { rs1, ..none },
        Format::FenceI | Format::Plain => none,
    }
}

/// Buckets by opcode and funct3, so that a decode compares a handful of rows.
const KEYS: usize = 256;

const fn key(word: u32) -> usize {
    ((word >> 2 & 31) | (word >> 7 & 0xe0)) as usize
}

/// Whether a row can match words with this key.
const fn in_bucket(row: &Row, key: usize) -> bool {
    let word = ((key as u32 & 31) << 2 | 3) | (key as u32 & 0xe0) << 7;
    let mask = row.mask & 0x707f;
    row.bits & mask == word & mask
}

const ENTRIES: usize = {
    let (mut count, mut key) = (0, 0);
    while key < KEYS {
        let mut index = 0;
        while index < super::table::ROWS.len() {
            if in_bucket(&super::table::ROWS[index], key) {
                count += 1;
            }
            index += 1;
        }
        key += 1;
    }
    count
};

/// Row numbers by bucket, and where each bucket begins.
static BUCKETS: ([u16; ENTRIES], [u16; KEYS + 1]) = {
    let (mut rows, mut starts) = ([0; ENTRIES], [0; KEYS + 1]);
    let (mut count, mut key) = (0, 0);
    while key < KEYS {
        starts[key] = count as u16;
        let mut index = 0;
        while index < super::table::ROWS.len() {
            if in_bucket(&super::table::ROWS[index], key) {
                rows[count] = index as u16;
                count += 1;
            }
            index += 1;
        }
        key += 1;
    }
    starts[KEYS] = count as u16;
    (rows, starts)
};

fn candidates(word: u32) -> &'static [u16] {
    let (rows, starts) = &BUCKETS;
    let key = key(word);
    match (starts.get(key), starts.get(key + 1)) {
        (Some(from), Some(to)) => rows
            .get(usize::from(*from)..usize::from(*to))
            .unwrap_or_default(),
        _ => &[],
    }
}
