//! RV64I: integers, memory, control flow.

use super::{Backend, Bin, Inst, Un, address, immediate, register};
use crate::mem::Width;

macro_rules! by_register {
    ($($name:ident $op:ident),* $(,)?) => { $(
        #[inline(always)]
        pub fn $name<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            register(b, inst, Bin::$op)
        }
    )* };
}
by_register!(add Add, sub Sub, sll Shl, slt Lt, sltu LtU, xor Xor, srl Shr, sra Sar, or Or, and And);

macro_rules! by_immediate {
    ($($name:ident $op:ident),* $(,)?) => { $(
        #[inline(always)]
        pub fn $name<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            immediate(b, inst, Bin::$op)
        }
    )* };
}
by_immediate!(addi Add, slti Lt, sltiu LtU, xori Xor, ori Or, andi And, slli Shl, srli Shr, srai Sar);

#[inline(always)]
pub fn lui<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    let value = b.imm(i64::from(inst.imm));
    b.set_x(inst.rd, value);
    Ok(())
}

#[inline(always)]
pub fn auipc<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    let (pc, offset) = (b.pc(), b.imm(i64::from(inst.imm)));
    let value = b.bin(Bin::Add, pc, offset);
    b.set_x(inst.rd, value);
    Ok(())
}

#[inline(always)]
pub fn jal<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    let link = b.link();
    b.set_x(inst.rd, link);
    b.jump(inst.imm)
}

#[inline(always)]
pub fn jalr<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    let (sum, even) = (address(b, inst), b.imm(!1));
    let target = b.bin(Bin::And, sum, even);
    let link = b.link();
    b.set_x(inst.rd, link);
    b.jump_to(target)
}

/// Branches if `rs1 op rs2`, or if not.
#[inline(always)]
fn compare<B: Backend>(b: &mut B, inst: &Inst, op: Bin, not: bool) -> Result<(), B::Exit> {
    let (x, y) = (b.x(inst.rs1), b.x(inst.rs2));
    let holds = b.bin(op, x, y);
    let condition = if not {
        let zero = b.imm(0);
        b.bin(Bin::Eq, holds, zero)
    } else {
        holds
    };
    b.branch(condition, inst.imm)
}

macro_rules! branches {
    ($($name:ident $op:ident $not:literal),* $(,)?) => { $(
        #[inline(always)]
        pub fn $name<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            compare(b, inst, Bin::$op, $not)
        }
    )* };
}
branches!(beq Eq false, bne Eq true, blt Lt false, bge Lt true, bltu LtU false, bgeu LtU true);

macro_rules! loads {
    ($($name:ident $width:ident $signed:literal),* $(,)?) => { $(
        #[inline(always)]
        pub fn $name<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            let at = address(b, inst);
            let value = b.load(Width::$width, $signed, at)?;
            b.set_x(inst.rd, value);
            Ok(())
        }
    )* };
}
loads!(lb B1 true, lh B2 true, lw B4 true, ld B8 true, lbu B1 false, lhu B2 false, lwu B4 false);

macro_rules! stores {
    ($($name:ident $width:ident),* $(,)?) => { $(
        #[inline(always)]
        pub fn $name<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            let at = address(b, inst);
            let value = b.x(inst.rs2);
            b.store(Width::$width, at, value)
        }
    )* };
}
stores!(sb B1, sh B2, sw B4, sd B8);

/// The low 32 bits of `rs1 op rs2`, sign-extended; shift amounts are five bits.
#[inline(always)]
fn word<B: Backend>(b: &mut B, inst: &Inst, op: Bin, first: Option<Un>) -> Result<(), B::Exit> {
    let (mut x, mut y) = (b.x(inst.rs1), b.x(inst.rs2));
    if let Some(extend) = first {
        x = b.un(extend, x);
    }
    if matches!(op, Bin::Shl | Bin::Shr | Bin::Sar) {
        let five = b.imm(31);
        y = b.bin(Bin::And, y, five);
    }
    let value = b.bin(op, x, y);
    let value = b.un(Un::Sext32, value);
    b.set_x(inst.rd, value);
    Ok(())
}

macro_rules! words {
    ($($name:ident $op:ident $first:expr),* $(,)?) => { $(
        #[inline(always)]
        pub fn $name<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            word(b, inst, Bin::$op, $first)
        }
    )* };
}
words!(
    addw Add None,
    subw Sub None,
    sllw Shl None,
    srlw Shr Some(Un::Zext32),
    sraw Sar Some(Un::Sext32),
);

/// The low 32 bits of `rs1 op imm`, sign-extended.
#[inline(always)]
fn word_immediate<B: Backend>(
    b: &mut B,
    inst: &Inst,
    op: Bin,
    first: Option<Un>,
) -> Result<(), B::Exit> {
    let (mut x, y) = (b.x(inst.rs1), b.imm(i64::from(inst.imm)));
    if let Some(extend) = first {
        x = b.un(extend, x);
    }
    let value = b.bin(op, x, y);
    let value = b.un(Un::Sext32, value);
    b.set_x(inst.rd, value);
    Ok(())
}

macro_rules! word_immediates {
    ($($name:ident $op:ident $first:expr),* $(,)?) => { $(
        #[inline(always)]
        pub fn $name<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            word_immediate(b, inst, Bin::$op, $first)
        }
    )* };
}
word_immediates!(
    addiw Add None,
    slliw Shl None,
    srliw Shr Some(Un::Zext32),
    sraiw Sar Some(Un::Sext32),
);
