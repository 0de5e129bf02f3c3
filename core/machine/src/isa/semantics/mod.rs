//! What instructions mean, once, over an algebra that a back end supplies.
//!
//! The interpreter's values are numbers; a translator's are places in the code that it emits.
//! The trait has no way to look at a value, so no instruction can be given one meaning in the
//! interpreter and another in a translator: a choice that depends on a value is itself an
//! operation ([`Backend::select`], [`Backend::branch`]).

pub(super) mod a;
pub(super) mod b;
pub(super) mod fp;
pub(super) mod i;
pub(super) mod m;
pub(super) mod system;

use super::Inst;
use crate::mem::Width;

/// Operations on two 64-bit values. Shift amounts are taken modulo 64.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bin {
    /// Sum, modulo 2^64.
    Add,
    /// Difference, modulo 2^64.
    Sub,
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
    /// Shift left.
    Shl,
    /// Shift right, zeros in.
    Shr,
    /// Shift right, signs in.
    Sar,
    /// 1 if equal, else 0.
    Eq,
    /// 1 if less, signed.
    Lt,
    /// 1 if less, unsigned.
    LtU,
    /// The low 64 bits of the product.
    Mul,
    /// The high 64 bits of the signed product.
    MulH,
    /// The high 64 bits of the unsigned product.
    MulHU,
    /// The high 64 bits of the product of a signed and an unsigned value.
    MulHSU,
    /// Signed quotient, towards zero. The divisor is not zero, and not -1 under the least value.
    Div,
    /// Unsigned quotient. The divisor is not zero.
    DivU,
    /// Signed remainder; operands as for [`Bin::Div`].
    Rem,
    /// Unsigned remainder. The divisor is not zero.
    RemU,
    /// Rotate left.
    Rol,
}

/// Operations on one 64-bit value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Un {
    /// The low 8 bits, sign-extended.
    Sext8,
    /// The low 16 bits, sign-extended.
    Sext16,
    /// The low 32 bits, sign-extended.
    Sext32,
    /// The low 16 bits.
    Zext16,
    /// The low 32 bits.
    Zext32,
    /// Leading zeros; 64 for zero.
    Clz,
    /// Trailing zeros; 64 for zero.
    Ctz,
    /// Bits set.
    Popcount,
    /// The bytes in reverse order.
    ByteSwap,
}

/// Atomic operations on memory: what is stored, of the old value and the operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the mnemonics of the A extension")]
pub enum AmoOp {
    Swap,
    Add,
    Xor,
    And,
    Or,
    Min,
    Max,
    MinU,
    MaxU,
}

/// Floating-point operations; the format is an argument beside them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the mnemonics of the F and D extensions")]
pub enum FpOp {
    Add,
    Sub,
    Mul,
    Div,
    Sqrt,
    /// `a * b + c`, rounded once.
    Fma,
    Min,
    Max,
    Eq,
    Lt,
    Le,
    Class,
    ToI32,
    ToU32,
    ToI64,
    ToU64,
    FromI32,
    FromU32,
    FromI64,
    FromU64,
    /// To the other of the two formats.
    Convert,
}

/// Floating-point formats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fmt {
    /// binary32, in the low half of a value.
    Single,
    /// binary64.
    Double,
}

/// What carries instructions out, or makes code that will.
pub trait Backend {
    /// A 64-bit value of the guest.
    type V: Copy;
    /// What can cut an instruction short while this back end runs: a trap for the interpreter;
    /// for a translator nothing, because its traps happen later, in the code that it emits.
    type Exit;

    /// A constant.
    fn imm(&mut self, value: i64) -> Self::V;
    /// The address of this instruction.
    fn pc(&mut self) -> Self::V;
    /// The address of the instruction behind it.
    fn link(&mut self) -> Self::V;
    /// Reads an integer register.
    fn x(&mut self, register: u8) -> Self::V;
    /// Writes an integer register; a write to `x0` has no effect.
    fn set_x(&mut self, register: u8, value: Self::V);
    /// Reads a floating-point register, all 64 bits.
    fn f(&mut self, register: u8) -> Self::V;
    /// Writes a floating-point register.
    fn set_f(&mut self, register: u8, value: Self::V);
    /// An operation on two values.
    fn bin(&mut self, op: Bin, a: Self::V, b: Self::V) -> Self::V;
    /// An operation on one value.
    fn un(&mut self, op: Un, a: Self::V) -> Self::V;
    /// `yes` if `condition` is not zero, else `no`.
    fn select(&mut self, condition: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// Reads memory, extending by sign or by zeros.
    fn load(&mut self, width: Width, signed: bool, at: Self::V) -> Result<Self::V, Self::Exit>;
    /// Writes the low bytes of a value to memory.
    fn store(&mut self, width: Width, at: Self::V, value: Self::V) -> Result<(), Self::Exit>;
    /// Reads memory and takes a reservation; the value is sign-extended.
    fn load_reserved(&mut self, width: Width, at: Self::V) -> Result<Self::V, Self::Exit>;
    /// Writes memory if the reservation holds: 0 if it did, else 1.
    fn store_conditional(
        &mut self,
        width: Width,
        at: Self::V,
        value: Self::V,
    ) -> Result<Self::V, Self::Exit>;
    /// Reads, changes and writes memory in one step; gives the old value, sign-extended.
    fn amo(
        &mut self,
        op: AmoOp,
        width: Width,
        at: Self::V,
        value: Self::V,
    ) -> Result<Self::V, Self::Exit>;
    /// Goes to `pc + offset` if `condition` is not zero.
    fn branch(&mut self, condition: Self::V, offset: i32) -> Result<(), Self::Exit>;
    /// Goes to `pc + offset`.
    fn jump(&mut self, offset: i32) -> Result<(), Self::Exit>;
    /// Goes to an address whose lowest bit is zero.
    fn jump_to(&mut self, target: Self::V) -> Result<(), Self::Exit>;
    /// Called first by every instruction that needs the floating-point unit switched on.
    fn fp_enter(&mut self, inst: &Inst) -> Result<(), Self::Exit>;
    /// A floating-point operation: values are in the format's own width (a single in the low
    /// half, zeros above), integers sign-extended. Unused operands are ignored. `rm` is as
    /// encoded; one that is reserved makes the instruction illegal. Gathers exception flags.
    fn fp(
        &mut self,
        inst: &Inst,
        op: FpOp,
        fmt: Fmt,
        operands: [Self::V; 3],
    ) -> Result<Self::V, Self::Exit>;
    /// Everything with one implementation only: control and status registers, and the system.
    fn system(&mut self, inst: &Inst) -> Result<(), Self::Exit>;
    /// The bits mean nothing.
    fn illegal(&mut self, inst: &Inst) -> Result<(), Self::Exit>;
}

/// `rs1 + imm`: the address of a load, store or jump.
#[inline(always)]
fn address<B: Backend>(b: &mut B, inst: &Inst) -> B::V {
    let (base, offset) = (b.x(inst.rs1), b.imm(i64::from(inst.imm)));
    b.bin(Bin::Add, base, offset)
}

/// `rd = rs1 op rs2`
#[inline(always)]
fn register<B: Backend>(b: &mut B, inst: &Inst, op: Bin) -> Result<(), B::Exit> {
    let (x, y) = (b.x(inst.rs1), b.x(inst.rs2));
    let value = b.bin(op, x, y);
    b.set_x(inst.rd, value);
    Ok(())
}

/// `rd = rs1 op imm`
#[inline(always)]
fn immediate<B: Backend>(b: &mut B, inst: &Inst, op: Bin) -> Result<(), B::Exit> {
    let (x, y) = (b.x(inst.rs1), b.imm(i64::from(inst.imm)));
    let value = b.bin(op, x, y);
    b.set_x(inst.rd, value);
    Ok(())
}

/// `rd = op rs1`
#[inline(always)]
fn unary<B: Backend>(b: &mut B, inst: &Inst, op: Un) -> Result<(), B::Exit> {
    let x = b.x(inst.rs1);
    let value = b.un(op, x);
    b.set_x(inst.rd, value);
    Ok(())
}
