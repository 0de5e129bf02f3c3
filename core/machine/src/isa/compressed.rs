//! The C extension: each 16-bit instruction stands for a 32-bit one.

use super::Inst;
use super::table::Op;

/// The instruction that a 16-bit encoding stands for; `None` where it is reserved.
///
/// Source: unprivileged ISA, chapter "C" and its opcode map for RV64DC.
pub fn expand(half: u16) -> Option<Inst> {
    let word = u32::from(half);
    let funct3 = word >> 13;
    match (word & 3, funct3) {
        (0, _) => quadrant_0(word, funct3),
        (1, _) => quadrant_1(word, funct3),
        (2, _) => quadrant_2(word, funct3),
        _ => None,
    }
}

/// Bits `from..from+len` of `word`, moved to bit `to`.
const fn bits(word: u32, from: u32, len: u32, to: u32) -> u32 {
    (word >> from & ((1 << len) - 1)) << to
}

const fn sign(value: u32, width: u32) -> i32 {
    ((value << (32 - width)) as i32) >> (32 - width)
}

/// A register of the popular eight, `x8` to `x15`.
const fn popular(word: u32, at: u32) -> u8 {
    (word >> at & 7) as u8 + 8
}

const fn full(word: u32, at: u32) -> u8 {
    (word >> at & 31) as u8
}

const SP: u8 = 2;

fn quadrant_0(word: u32, funct3: u32) -> Option<Inst> {
    let (rd, rs1) = (popular(word, 2), popular(word, 7));
    let word_offset = (bits(word, 10, 3, 3) | bits(word, 6, 1, 2) | bits(word, 5, 1, 6)) as i32;
    let double_offset = (bits(word, 10, 3, 3) | bits(word, 5, 2, 6)) as i32;
    Some(match funct3 {
        0 => {
            let imm = bits(word, 11, 2, 4)
                | bits(word, 7, 4, 6)
                | bits(word, 6, 1, 2)
                | bits(word, 5, 1, 3);
            if imm == 0 {
                return None;
            }
            Inst::new(Op::Addi, rd, SP, 0, imm as i32)
        }
        1 => Inst::new(Op::Fld, rd, rs1, 0, double_offset),
        2 => Inst::new(Op::Lw, rd, rs1, 0, word_offset),
        3 => Inst::new(Op::Ld, rd, rs1, 0, double_offset),
        5 => Inst::new(Op::Fsd, 0, rs1, rd, double_offset),
        6 => Inst::new(Op::Sw, 0, rs1, rd, word_offset),
        7 => Inst::new(Op::Sd, 0, rs1, rd, double_offset),
        _ => return None,
    })
}

fn quadrant_1(word: u32, funct3: u32) -> Option<Inst> {
    let rd = full(word, 7);
    let imm = sign(bits(word, 12, 1, 5) | bits(word, 2, 5, 0), 6);
    Some(match funct3 {
        0 => Inst::new(Op::Addi, rd, rd, 0, imm),
        1 if rd != 0 => Inst::new(Op::Addiw, rd, rd, 0, imm),
        2 => Inst::new(Op::Addi, rd, 0, 0, imm),
        3 if rd == SP => {
            let imm = sign(
                bits(word, 12, 1, 9)
                    | bits(word, 6, 1, 4)
                    | bits(word, 5, 1, 6)
                    | bits(word, 3, 2, 7)
                    | bits(word, 2, 1, 5),
                10,
            );
            if imm == 0 {
                return None;
            }
            Inst::new(Op::Addi, SP, SP, 0, imm)
        }
        3 => {
            if imm == 0 {
                return None;
            }
            Inst::new(Op::Lui, rd, 0, 0, imm << 12)
        }
        4 => return arithmetic(word, imm),
        5 => {
            let offset = sign(
                bits(word, 12, 1, 11)
                    | bits(word, 11, 1, 4)
                    | bits(word, 9, 2, 8)
                    | bits(word, 8, 1, 10)
                    | bits(word, 7, 1, 6)
                    | bits(word, 6, 1, 7)
                    | bits(word, 3, 3, 1)
                    | bits(word, 2, 1, 5),
                12,
            );
            Inst::new(Op::Jal, 0, 0, 0, offset)
        }
        6 | 7 => {
            let offset = sign(
                bits(word, 12, 1, 8)
                    | bits(word, 10, 2, 3)
                    | bits(word, 5, 2, 6)
                    | bits(word, 3, 2, 1)
                    | bits(word, 2, 1, 5),
                9,
            );
            let op = if funct3 == 6 { Op::Beq } else { Op::Bne };
            Inst::new(op, 0, popular(word, 7), 0, offset)
        }
        _ => return None,
    })
}

fn arithmetic(word: u32, imm: i32) -> Option<Inst> {
    let (rd, rs2) = (popular(word, 7), popular(word, 2));
    let shamt = imm & 63;
    Some(match bits(word, 10, 2, 0) {
        0 => Inst::new(Op::Srli, rd, rd, 0, shamt),
        1 => Inst::new(Op::Srai, rd, rd, 0, shamt),
        2 => Inst::new(Op::Andi, rd, rd, 0, imm),
        _ => {
            let op = match (bits(word, 12, 1, 0), bits(word, 5, 2, 0)) {
                (0, 0) => Op::Sub,
                (0, 1) => Op::Xor,
                (0, 2) => Op::Or,
                (0, 3) => Op::And,
                (1, 0) => Op::Subw,
                (1, 1) => Op::Addw,
                _ => return None,
            };
            Inst::new(op, rd, rd, rs2, 0)
        }
    })
}

fn quadrant_2(word: u32, funct3: u32) -> Option<Inst> {
    let (rd, rs2) = (full(word, 7), full(word, 2));
    let word_load = (bits(word, 12, 1, 5) | bits(word, 4, 3, 2) | bits(word, 2, 2, 6)) as i32;
    let double_load = (bits(word, 12, 1, 5) | bits(word, 5, 2, 3) | bits(word, 2, 3, 6)) as i32;
    let word_store = (bits(word, 9, 4, 2) | bits(word, 7, 2, 6)) as i32;
    let double_store = (bits(word, 10, 3, 3) | bits(word, 7, 3, 6)) as i32;
    Some(match funct3 {
        0 => {
            let shamt = (bits(word, 12, 1, 5) | u32::from(rs2)) as i32;
            Inst::new(Op::Slli, rd, rd, 0, shamt)
        }
        1 => Inst::new(Op::Fld, rd, SP, 0, double_load),
        2 if rd != 0 => Inst::new(Op::Lw, rd, SP, 0, word_load),
        3 if rd != 0 => Inst::new(Op::Ld, rd, SP, 0, double_load),
        4 => match (bits(word, 12, 1, 0), rd, rs2) {
            (0, 0, 0) => return None,
            (0, _, 0) => Inst::new(Op::Jalr, 0, rd, 0, 0),
            (0, _, _) => Inst::new(Op::Add, rd, 0, rs2, 0),
            (_, 0, 0) => Inst::new(Op::Ebreak, 0, 0, 0, 0),
            (_, _, 0) => Inst::new(Op::Jalr, 1, rd, 0, 0),
            (_, _, _) => Inst::new(Op::Add, rd, rd, rs2, 0),
        },
        5 => Inst::new(Op::Fsd, 0, SP, rs2, double_store),
        6 => Inst::new(Op::Sw, 0, SP, rs2, word_store),
        7 => Inst::new(Op::Sd, 0, SP, rs2, double_store),
        _ => return None,
    })
}
