//! From instructions to bits: the inverse of [`decode`](super::decode()) for 32-bit encodings.

use super::{Format, Inst};

/// The 32-bit encoding of an instruction, or `None` for a mark that is none.
///
/// Fields that the format does not have are ignored, and immediates are cut to their width.
pub fn encode(inst: &Inst) -> Option<u32> {
    let row = inst.row()?;
    let imm = inst.imm as u32;
    let rd = u32::from(inst.rd & 31) << 7;
    let rs1 = u32::from(inst.rs1 & 31) << 15;
    let rs2 = u32::from(inst.rs2 & 31) << 20;
    let rs3 = u32::from(inst.rs3 & 31) << 27;
    let rm = u32::from(inst.rm & 7) << 12;
    let operands = match row.format {
        Format::R | Format::FR | Format::FCmp => rd | rs1 | rs2,
        Format::R1 | Format::FToX | Format::XToF => rd | rs1,
        Format::FToXRm | Format::XToFRm | Format::FRm1 => rd | rs1 | rm,
        Format::FRm => rd | rs1 | rs2 | rm,
        Format::FR4 => rd | rs1 | rs2 | rs3 | rm,
        Format::I
        | Format::Load
        | Format::Jalr
        | Format::FLoad
        | Format::Csr
        | Format::CsrI
        | Format::Fence => rd | rs1 | imm << 20,
        Format::Shift => rd | rs1 | (imm & 63) << 20,
        Format::ShiftW => rd | rs1 | (imm & 31) << 20,
        Format::S | Format::FStore => rs1 | rs2 | (imm & 31) << 7 | (imm >> 5 & 0x7f) << 25,
        Format::B => {
            rs1 | rs2
                | (imm >> 12 & 1) << 31
                | (imm >> 5 & 0x3f) << 25
                | (imm >> 1 & 0xf) << 8
                | (imm >> 11 & 1) << 7
        }
        Format::U => rd | imm & !0xfff,
        Format::J => {
            rd | (imm >> 20 & 1) << 31
                | (imm >> 1 & 0x3ff) << 21
                | (imm >> 11 & 1) << 20
                | (imm >> 12 & 0xff) << 12
        }
        Format::Amo => rd | rs1 | rs2 | (imm & 3) << 25,
        Format::Lr => rd | rs1 | (imm & 3) << 25,
        Format::FenceVma => rs1 | rs2,
        Format::Cbo => rs1,
        Format::FenceI | Format::Plain => 0,
    };
    Some(operands & !row.mask | row.bits)
}
