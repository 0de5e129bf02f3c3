//! Random instructions that harm nothing but the pool's registers and the window.

use virtarium_machine::isa::{Class, Extension, Format, Inst, Op, Row, TABLE};

use super::{COMMON, OWN, POOL};
use crate::random::Rng;

/// Bits of numbers that make floating-point units err: both formats' zeros, ones, infinities,
/// NaNs, subnormal and largest numbers, halves, and singles that are not in their boxes.
pub const CORNERS: [u64; 32] = [
    0,
    0x8000_0000_0000_0000,
    0x3ff0_0000_0000_0000,
    0xbff0_0000_0000_0000,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    0x7ff8_0000_0000_0000,
    0x7ff0_0000_0000_0001,
    0x0000_0000_0000_0001,
    0x800f_ffff_ffff_ffff,
    0x0010_0000_0000_0000,
    0x7fef_ffff_ffff_ffff,
    0x3fe0_0000_0000_0000,
    0x4340_0000_0000_0001,
    0x41df_ffff_ffe0_0000,
    0xc3e0_0000_0000_0000,
    0xffff_ffff_0000_0000,
    0xffff_ffff_8000_0000,
    0xffff_ffff_3f80_0000,
    0xffff_ffff_bf80_0000,
    0xffff_ffff_7f80_0000,
    0xffff_ffff_ff80_0000,
    0xffff_ffff_7fc0_0000,
    0xffff_ffff_7f80_0001,
    0xffff_ffff_0000_0001,
    0xffff_ffff_807f_ffff,
    0xffff_ffff_0080_0000,
    0xffff_ffff_7f7f_ffff,
    0xffff_ffff_3f00_0000,
    0xffff_ffff_4b80_0001,
    0xffff_ffff_4eff_ffff,
    0x0000_0000_3f80_0000,
];

/// Points at [`CORNERS`].
pub const CORNERS_AT: u8 = crate::asm::S[5];
/// Points at memory that harts share, one byte off.
pub const ASKEW: u8 = crate::asm::S[4];

/// A random instruction of this row.
fn operands(rng: &mut Rng, row: &Row) -> Inst {
    let x = |rng: &mut Rng| POOL[rng.below(POOL.len() as u64) as usize];
    let f = |rng: &mut Rng| rng.below(32) as u8;
    let mut made = Inst::new(row.op, x(rng), x(rng), x(rng), rng.next() as i32 >> 20);
    made.rm = [0, 1, 2, 3, 4, 7][rng.below(6) as usize];
    // Reserved modes trap.
    if rng.once_in(64) {
        made.rm = 5 + rng.below(2) as u8;
    }
    match row.format {
        Format::Load | Format::S | Format::FLoad | Format::FStore => {
            made.rs1 = OWN;
            made.imm = rng.below(2040) as i32;
            if !rng.once_in(8) {
                made.imm &= !7;
            }
        }
        Format::Amo | Format::Lr => {
            made.rs1 = if rng.once_in(16) { ASKEW } else { COMMON };
        }
        _ => {}
    }
    match row.format {
        Format::FLoad | Format::XToF | Format::XToFRm => made.rd = f(rng),
        Format::FStore => made.rs2 = f(rng),
        Format::FCmp | Format::FToX | Format::FToXRm => (made.rs1, made.rs2) = (f(rng), f(rng)),
        Format::FR | Format::FRm | Format::FRm1 | Format::FR4 => {
            (made.rd, made.rs1, made.rs2, made.rs3) = (f(rng), f(rng), f(rng), f(rng));
        }
        _ => {}
    }
    made
}

/// A random instruction of these classes.
pub fn random(rng: &mut Rng, classes: &[Class]) -> Inst {
    // Bounded in practice: most rows are of the classes that are asked for.
    loop {
        let row = &TABLE[rng.below(TABLE.len() as u64) as usize];
        if classes.contains(&row.class) && row.extension != Extension::Zicbop {
            return operands(rng, row);
        }
    }
}

/// Brings fresh bits into a register: a corner, or an integer's.
pub fn refresh_float(rng: &mut Rng) -> Inst {
    let rd = rng.below(32) as u8;
    if rng.once_in(2) {
        let corner = rng.below(CORNERS.len() as u64) as i32;
        return Inst::new(Op::Fld, rd, CORNERS_AT, 0, 8 * corner);
    }
    let op = [Op::FmvDX, Op::FmvWX][rng.below(2) as usize];
    Inst::new(op, rd, POOL[rng.below(POOL.len() as u64) as usize], 0, 0)
}
