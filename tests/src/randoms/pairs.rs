//! Integer operations on corner operands: each row with the same two thousand pairs.

use virtarium_machine::isa::{Class, Extension, Format, Inst, Op, Row, TABLE, encode};
use virtarium_machine::mem::RAM_BASE;

use super::asm::Asm;
use super::layout::{RECORDS, SIGNATURES};
use super::values::{CORNERS, integer};
use crate::random::Rng;

/// Pairs for rows with two registers.
pub const PAIRS: usize = 2100;
/// First operands for rows with an immediate.
const SINGLES: usize = 64;

const A: u8 = 10;
const B: u8 = 11;
const RESULT: u8 = 12;
const MEMORY: u8 = 13;
const OPERANDS: u8 = 5;
const RESULTS: u8 = 6;
const COUNT: u8 = 7;
const CELL: u8 = 8;

/// One row with one immediate, on a list of operands.
struct Loop {
    row: &'static Row,
    imm: i32,
    rounds: usize,
    results: usize,
}

/// An image, and what its results are.
pub struct Directed {
    /// RAM from its first byte on.
    pub image: Vec<u8>,
    loops: Vec<Loop>,
    pairs: Vec<(u64, u64)>,
}

/// Whether a row is an operation on integers, which this module covers.
#[must_use]
pub fn covers(row: &Row) -> bool {
    use Extension::{A, I, M, Zba, Zbb, Zbs, Zicond};
    let integers = matches!(row.extension, I | M | A | Zba | Zbb | Zbs | Zicond);
    let reserves = matches!(row.op, Op::ScW | Op::ScD | Op::LrW | Op::LrD);
    integers
        && !reserves
        && matches!(
            row.format,
            Format::R
                | Format::R1
                | Format::I
                | Format::Shift
                | Format::ShiftW
                | Format::Amo
                | Format::B
        )
}

/// All integer rows on corners, on values near them, and on some of this seed.
#[must_use]
pub fn directed(seed: u64) -> Directed {
    let mut rng = Rng::new(seed);
    let corners = CORNERS.iter().flat_map(|a| CORNERS.map(|b| (*a, b)));
    let mut pairs: Vec<(u64, u64)> = corners.collect();
    while pairs.len() < PAIRS {
        pairs.push((integer(&mut rng), integer(&mut rng)));
    }
    // Immediates meet the corners as first operands, and some more.
    let mut immediates: Vec<i32> = CORNERS.map(|c| (c as i32) << 20 >> 20).to_vec();
    immediates.extend([-2048, -2047, 2047, 2046, 1024, -1024, 0x555, -0x556]);
    immediates.sort_unstable();
    immediates.dedup();
    while immediates.len() < PAIRS.div_ceil(SINGLES) + 8 {
        immediates.push(rng.next() as i32 >> 20);
    }
    let mut loops = Vec::new();
    for row in TABLE.iter().filter(|row| covers(row)) {
        let amounts: Vec<i32> = match row.format {
            Format::I => immediates.clone(),
            Format::Shift => (0..64).collect(),
            Format::ShiftW => (0..32).collect(),
            _ => vec![0],
        };
        let immediate = amounts.len() > 1;
        loops.extend(amounts.into_iter().map(|imm| Loop {
            row,
            imm,
            rounds: if immediate { SINGLES } else { PAIRS },
            results: 1 + usize::from(row.class == Class::Amo),
        }));
    }
    let mut image = program(&loops);
    let operands = (RECORDS - RAM_BASE) as usize;
    assert!(
        image.len() < operands - 4096,
        "{} bytes of code",
        image.len()
    );
    image.resize(operands, 0);
    for (a, b) in &pairs {
        image.extend(a.to_le_bytes());
        image.extend(b.to_le_bytes());
    }
    // First operands of rows with immediates: every corner, then others.
    for n in 0..SINGLES {
        let a = CORNERS
            .get(n)
            .copied()
            .unwrap_or(pairs[pairs.len() - 1 - n].0);
        image.extend(a.to_le_bytes());
        image.extend([0; 8]);
    }
    Directed {
        image,
        loops,
        pairs,
    }
}

fn program(loops: &[Loop]) -> Vec<u8> {
    let mut a = Asm::at(RAM_BASE);
    a.la(RESULTS, SIGNATURES);
    a.la(CELL, RECORDS - 4096);
    for each in loops {
        let singles = each.rounds == SINGLES;
        let skipped = if singles { PAIRS as u64 * 16 } else { 0 };
        a.la(OPERANDS, RECORDS + skipped);
        a.op(Op::Addi, COUNT, 0, 0, 0);
        a.add(COUNT, each.rounds);
        let start = a.here();
        a.ld(A, OPERANDS, 0);
        a.ld(B, OPERANDS, 1);
        let (rs1, rs2) = match each.row.format {
            Format::Amo => (CELL, B),
            _ => (A, B),
        };
        let offset = if each.row.format == Format::B {
            8
        } else {
            each.imm
        };
        let word = encode(&Inst {
            rd: RESULT,
            ..Inst::new(each.row.op, RESULT, rs1, rs2, offset)
        });
        let word = word.expect("an instruction");
        match each.row.format {
            Format::Amo => {
                a.sd(A, CELL, 0);
                a.word(word);
                a.ld(MEMORY, CELL, 0);
                a.sd(MEMORY, RESULTS, 1);
            }
            Format::B => {
                a.op(Op::Addi, RESULT, 0, 0, 1);
                a.word(word);
                a.op(Op::Addi, RESULT, 0, 0, 0);
            }
            _ => a.word(word),
        }
        a.sd(RESULT, RESULTS, 0);
        a.op(Op::Addi, OPERANDS, OPERANDS, 0, 16);
        a.op(Op::Addi, RESULTS, RESULTS, 0, 8 * each.results as i32);
        a.op(Op::Addi, COUNT, COUNT, 0, -1);
        let back = start.wrapping_sub(a.here()) as i32;
        a.op(Op::Bne, 0, COUNT, 0, back);
    }
    a.finish();
    a.bytes
}

impl Directed {
    /// Where the results begin.
    #[must_use]
    pub fn from(&self) -> u64 {
        SIGNATURES
    }

    /// Bytes of results.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let words = self.loops.iter().map(|each| each.rounds * each.results);
        8 * words.sum::<usize>()
    }

    /// Operand pairs that each row meets, by mnemonic.
    #[must_use]
    pub fn counts(&self) -> Vec<(&'static str, usize)> {
        let rows = TABLE.iter().filter(|row| covers(row)).map(|row| {
            let loops = self.loops.iter().filter(|each| each.row.op == row.op);
            (row.name, loops.map(|each| each.rounds).sum())
        });
        rows.collect()
    }

    /// What differs between two lots of results.
    #[must_use]
    pub fn compare(&self, ours: &[u8], theirs: &[u8]) -> Vec<String> {
        let mut reports = Vec::new();
        let mut at = 0;
        for each in &self.loops {
            for round in 0..each.rounds {
                for result in 0..each.results {
                    let range = 8 * at..8 * at + 8;
                    at += 1;
                    let (Some(ours), Some(theirs)) = (ours.get(range.clone()), theirs.get(range))
                    else {
                        reports.push("results that are too short".into());
                        return reports;
                    };
                    if ours == theirs {
                        continue;
                    }
                    let word = |bytes: &[u8]| {
                        bytes
                            .iter()
                            .rev()
                            .fold(0, |word, byte| word << 8 | u64::from(*byte))
                    };
                    reports.push(format!(
                        "{} imm {} round {round} {:x?} result {result}: {:#x} here, {:#x} in QEMU",
                        each.row.name,
                        each.imm,
                        self.pairs.get(round),
                        word(ours),
                        word(theirs)
                    ));
                }
            }
        }
        reports
    }
}
