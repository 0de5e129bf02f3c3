//! From bits to assembly text: a pure function, for traces, debuggers and error messages.

use alloc::format;
use alloc::string::String;

use super::decode::{decode, hint, length};
use super::{Format, Inst};

const X: [&str; 32] = [
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4",
    "a5", "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4",
    "t5", "t6",
];
const F: [&str; 32] = [
    "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "fs0", "fs1", "fa0", "fa1", "fa2",
    "fa3", "fa4", "fa5", "fa6", "fa7", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9",
    "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
];
const ROUNDING: [&str; 8] = ["rne", "rtz", "rdn", "rup", "rmm", "?5", "?6", "dyn"];

/// The name of an integer register by the calling convention.
pub fn x_name(register: u8) -> &'static str {
    X[usize::from(register & 31)]
}

/// The name of a floating-point register by the calling convention.
pub fn f_name(register: u8) -> &'static str {
    F[usize::from(register & 31)]
}

/// The text of the instruction at `pc` that begins with these bits.
pub fn disassemble(pc: u64, word: u32) -> String {
    if length(word) == 4
        && let Some(name) = hint(word)
    {
        return name.into();
    }
    let inst = decode(word);
    let Some(row) = inst.row() else {
        return if length(word) == 2 {
            format!(".half {:#06x}", word & 0xffff)
        } else {
            format!(".word {word:#010x}")
        };
    };
    let operands = operands(row.format, &inst, pc);
    if operands.is_empty() {
        row.name.into()
    } else {
        format!("{} {operands}", row.name)
    }
}

fn operands(format: Format, inst: &Inst, pc: u64) -> String {
    let Inst { rd, rs1, rs2, .. } = *inst;
    let imm = inst.imm;
    let (xd, x1, x2) = (x_name(rd), x_name(rs1), x_name(rs2));
    let (fd, f1, f2, f3) = (f_name(rd), f_name(rs1), f_name(rs2), f_name(inst.rs3));
    let target = pc.wrapping_add(imm as u64);
    let rm = match inst.rm {
        7 => String::new(),
        other => format!(", {}", ROUNDING[usize::from(other & 7)]),
    };
    match format {
        Format::R => format!("{xd}, {x1}, {x2}"),
        Format::R1 => format!("{xd}, {x1}"),
        Format::I | Format::Shift | Format::ShiftW => format!("{xd}, {x1}, {imm}"),
        Format::Load | Format::Jalr => format!("{xd}, {imm}({x1})"),
        Format::S => format!("{x2}, {imm}({x1})"),
        Format::B => format!("{x1}, {x2}, {target:#x}"),
        Format::U => format!("{xd}, {:#x}", imm as u32 >> 12),
        Format::J => format!("{xd}, {target:#x}"),
        Format::Amo => format!("{xd}, {x2}, ({x1})"),
        Format::Lr => format!("{xd}, ({x1})"),
        Format::Csr => format!("{xd}, {imm:#x}, {x1}"),
        Format::CsrI => format!("{xd}, {imm:#x}, {rs1}"),
        Format::Fence => fence_sets(imm as u32),
        Format::FenceVma => format!("{x1}, {x2}"),
        Format::Cbo => format!("({x1})"),
        Format::FLoad => format!("{fd}, {imm}({x1})"),
        Format::FStore => format!("{f2}, {imm}({x1})"),
        Format::FR => format!("{fd}, {f1}, {f2}"),
        Format::FRm => format!("{fd}, {f1}, {f2}{rm}"),
        Format::FRm1 => format!("{fd}, {f1}{rm}"),
        Format::FR4 => format!("{fd}, {f1}, {f2}, {f3}{rm}"),
        Format::FCmp => format!("{xd}, {f1}, {f2}"),
        Format::FToX => format!("{xd}, {f1}"),
        Format::FToXRm => format!("{xd}, {f1}{rm}"),
        Format::XToF => format!("{fd}, {x1}"),
        Format::XToFRm => format!("{fd}, {x1}{rm}"),
        Format::FenceI | Format::Plain => String::new(),
    }
}

fn fence_sets(imm: u32) -> String {
    let set = |bits: u32| -> String {
        let letters = [(8, 'i'), (4, 'o'), (2, 'r'), (1, 'w')];
        let text: String = letters
            .iter()
            .filter(|(bit, _)| bits & bit != 0)
            .map(|(_, letter)| *letter)
            .collect();
        if text.is_empty() { "0".into() } else { text }
    };
    format!("{}, {}", set(imm >> 4 & 15), set(imm & 15))
}
