//! F and D: registers of 64 bits in which a single is boxed by ones above it.

use super::{Backend, Bin, Fmt, FpOp, Inst, Un, address};
use crate::mem::Width;

/// The canonical NaN of binary32.
const NAN_32: i64 = 0x7fc0_0000;

/// Reads a register as a value of the format: a single that is not boxed properly is the
/// canonical NaN (unprivileged ISA, "NaN Boxing of Narrower Values").
#[inline(always)]
fn read<B: Backend>(b: &mut B, fmt: Fmt, register: u8) -> B::V {
    let raw = b.f(register);
    match fmt {
        Fmt::Double => raw,
        Fmt::Single => {
            let (half, ones, nan) = (b.imm(32), b.imm(0xffff_ffff), b.imm(NAN_32));
            let upper = b.bin(Bin::Shr, raw, half);
            let boxed = b.bin(Bin::Eq, upper, ones);
            let low = b.un(Un::Zext32, raw);
            b.select(boxed, low, nan)
        }
    }
}

/// Writes a value of the format to a register.
#[inline(always)]
fn write<B: Backend>(b: &mut B, fmt: Fmt, register: u8, value: B::V) {
    match fmt {
        Fmt::Double => b.set_f(register, value),
        Fmt::Single => {
            let above = b.imm(!0xffff_ffff);
            let boxed = b.bin(Bin::Or, above, value);
            b.set_f(register, boxed);
        }
    }
}

fn width(fmt: Fmt) -> Width {
    match fmt {
        Fmt::Single => Width::B4,
        Fmt::Double => Width::B8,
    }
}

#[inline(always)]
fn load<B: Backend>(b: &mut B, inst: &Inst, fmt: Fmt) -> Result<(), B::Exit> {
    b.fp_enter(inst)?;
    let at = address(b, inst);
    let value = b.load(width(fmt), false, at)?;
    write(b, fmt, inst.rd, value);
    Ok(())
}

#[inline(always)]
fn store<B: Backend>(b: &mut B, inst: &Inst, fmt: Fmt) -> Result<(), B::Exit> {
    b.fp_enter(inst)?;
    let at = address(b, inst);
    // As the bits are: a store does not look at the box.
    let value = b.f(inst.rs2);
    b.store(width(fmt), at, value)
}

macro_rules! memory {
    ($($load:ident $store:ident $fmt:ident),* $(,)?) => { $(
        #[inline(always)]
        pub fn $load<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            load(b, inst, Fmt::$fmt)
        }
        #[inline(always)]
        pub fn $store<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            store(b, inst, Fmt::$fmt)
        }
    )* };
}
memory!(flw fsw Single, fld fsd Double);

/// `frd = frs1 op frs2`
#[inline(always)]
fn binary<B: Backend>(b: &mut B, inst: &Inst, op: FpOp, fmt: Fmt) -> Result<(), B::Exit> {
    b.fp_enter(inst)?;
    let (x, y) = (read(b, fmt, inst.rs1), read(b, fmt, inst.rs2));
    let value = b.fp(inst, op, fmt, [x, y, y])?;
    write(b, fmt, inst.rd, value);
    Ok(())
}

macro_rules! binaries {
    ($($single:ident $double:ident $op:ident),* $(,)?) => { $(
        #[inline(always)]
        pub fn $single<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            binary(b, inst, FpOp::$op, Fmt::Single)
        }
        #[inline(always)]
        pub fn $double<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            binary(b, inst, FpOp::$op, Fmt::Double)
        }
    )* };
}
binaries!(
    fadd_s fadd_d Add,
    fsub_s fsub_d Sub,
    fmul_s fmul_d Mul,
    fdiv_s fdiv_d Div,
    fmin_s fmin_d Min,
    fmax_s fmax_d Max,
);

#[inline(always)]
fn square_root<B: Backend>(b: &mut B, inst: &Inst, fmt: Fmt) -> Result<(), B::Exit> {
    b.fp_enter(inst)?;
    let x = read(b, fmt, inst.rs1);
    let value = b.fp(inst, FpOp::Sqrt, fmt, [x, x, x])?;
    write(b, fmt, inst.rd, value);
    Ok(())
}

#[inline(always)]
pub fn fsqrt_s<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    square_root(b, inst, Fmt::Single)
}

#[inline(always)]
pub fn fsqrt_d<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    square_root(b, inst, Fmt::Double)
}

/// The sign bit of the format.
#[inline(always)]
fn sign<B: Backend>(b: &mut B, fmt: Fmt) -> B::V {
    match fmt {
        Fmt::Single => b.imm(1 << 31),
        Fmt::Double => b.imm(i64::MIN),
    }
}

/// `frd = ±(frs1 * frs2) ± frs3`: signs are turned before the one operation, so that the exact
/// result is what is rounded. An invalid operand's sign does not matter.
#[inline(always)]
fn fused<B: Backend>(
    b: &mut B,
    inst: &Inst,
    fmt: Fmt,
    negate_product: bool,
    negate_addend: bool,
) -> Result<(), B::Exit> {
    b.fp_enter(inst)?;
    let (mut x, y) = (read(b, fmt, inst.rs1), read(b, fmt, inst.rs2));
    let mut z = read(b, fmt, inst.rs3);
    let sign = sign(b, fmt);
    if negate_product {
        x = b.bin(Bin::Xor, x, sign);
    }
    if negate_addend {
        z = b.bin(Bin::Xor, z, sign);
    }
    let value = b.fp(inst, FpOp::Fma, fmt, [x, y, z])?;
    write(b, fmt, inst.rd, value);
    Ok(())
}

macro_rules! fuseds {
    ($($single:ident $double:ident $product:literal $addend:literal),* $(,)?) => { $(
        #[inline(always)]
        pub fn $single<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            fused(b, inst, Fmt::Single, $product, $addend)
        }
        #[inline(always)]
        pub fn $double<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            fused(b, inst, Fmt::Double, $product, $addend)
        }
    )* };
}
fuseds!(
    fmadd_s fmadd_d false false,
    fmsub_s fmsub_d false true,
    fnmsub_s fnmsub_d true false,
    fnmadd_s fnmadd_d true true,
);

/// How the sign of the result comes about.
enum Sign {
    Copy,
    Negate,
    Xor,
}

#[inline(always)]
fn inject<B: Backend>(b: &mut B, inst: &Inst, fmt: Fmt, how: Sign) -> Result<(), B::Exit> {
    b.fp_enter(inst)?;
    let (x, y) = (read(b, fmt, inst.rs1), read(b, fmt, inst.rs2));
    let (sign, ones) = (sign(b, fmt), b.imm(-1));
    let source = match how {
        Sign::Copy => y,
        Sign::Negate => b.bin(Bin::Xor, y, ones),
        Sign::Xor => b.bin(Bin::Xor, x, y),
    };
    let from = b.bin(Bin::And, source, sign);
    let rest = b.bin(Bin::Xor, sign, ones);
    let magnitude = b.bin(Bin::And, x, rest);
    let value = b.bin(Bin::Or, magnitude, from);
    write(b, fmt, inst.rd, value);
    Ok(())
}

macro_rules! injections {
    ($($single:ident $double:ident $how:ident),* $(,)?) => { $(
        #[inline(always)]
        pub fn $single<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            inject(b, inst, Fmt::Single, Sign::$how)
        }
        #[inline(always)]
        pub fn $double<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            inject(b, inst, Fmt::Double, Sign::$how)
        }
    )* };
}
injections!(fsgnj_s fsgnj_d Copy, fsgnjn_s fsgnjn_d Negate, fsgnjx_s fsgnjx_d Xor);

/// `rd = frs1 op frs2`, or of `frs1` alone; 32-bit results come sign-extended.
#[inline(always)]
fn to_integer<B: Backend>(b: &mut B, inst: &Inst, op: FpOp, fmt: Fmt) -> Result<(), B::Exit> {
    b.fp_enter(inst)?;
    let x = read(b, fmt, inst.rs1);
    let y = match op {
        FpOp::Eq | FpOp::Lt | FpOp::Le => read(b, fmt, inst.rs2),
        _ => x,
    };
    let value = b.fp(inst, op, fmt, [x, y, y])?;
    b.set_x(inst.rd, value);
    Ok(())
}

macro_rules! to_integers {
    ($($single:ident $double:ident $op:ident),* $(,)?) => { $(
        #[inline(always)]
        pub fn $single<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            to_integer(b, inst, FpOp::$op, Fmt::Single)
        }
        #[inline(always)]
        pub fn $double<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            to_integer(b, inst, FpOp::$op, Fmt::Double)
        }
    )* };
}
to_integers!(
    feq_s feq_d Eq,
    flt_s flt_d Lt,
    fle_s fle_d Le,
    fclass_s fclass_d Class,
    fcvt_w_s fcvt_w_d ToI32,
    fcvt_wu_s fcvt_wu_d ToU32,
    fcvt_l_s fcvt_l_d ToI64,
    fcvt_lu_s fcvt_lu_d ToU64,
);

/// `frd = rs1`, converted.
#[inline(always)]
fn from_integer<B: Backend>(b: &mut B, inst: &Inst, op: FpOp, fmt: Fmt) -> Result<(), B::Exit> {
    b.fp_enter(inst)?;
    let x = b.x(inst.rs1);
    let value = b.fp(inst, op, fmt, [x, x, x])?;
    write(b, fmt, inst.rd, value);
    Ok(())
}

macro_rules! from_integers {
    ($($single:ident $double:ident $op:ident),* $(,)?) => { $(
        #[inline(always)]
        pub fn $single<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            from_integer(b, inst, FpOp::$op, Fmt::Single)
        }
        #[inline(always)]
        pub fn $double<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            from_integer(b, inst, FpOp::$op, Fmt::Double)
        }
    )* };
}
from_integers!(
    fcvt_s_w fcvt_d_w FromI32,
    fcvt_s_wu fcvt_d_wu FromU32,
    fcvt_s_l fcvt_d_l FromI64,
    fcvt_s_lu fcvt_d_lu FromU64,
);

/// Between the formats: the operand is of `from`, the result of the other.
#[inline(always)]
fn convert<B: Backend>(b: &mut B, inst: &Inst, from: Fmt, to: Fmt) -> Result<(), B::Exit> {
    b.fp_enter(inst)?;
    let x = read(b, from, inst.rs1);
    let value = b.fp(inst, FpOp::Convert, from, [x, x, x])?;
    write(b, to, inst.rd, value);
    Ok(())
}

#[inline(always)]
pub fn fcvt_s_d<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    convert(b, inst, Fmt::Double, Fmt::Single)
}

#[inline(always)]
pub fn fcvt_d_s<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    convert(b, inst, Fmt::Single, Fmt::Double)
}

/// Bits to an integer register, as they are.
#[inline(always)]
pub fn fmv_x_d<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    b.fp_enter(inst)?;
    let value = b.f(inst.rs1);
    b.set_x(inst.rd, value);
    Ok(())
}

#[inline(always)]
pub fn fmv_x_w<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    b.fp_enter(inst)?;
    let raw = b.f(inst.rs1);
    let value = b.un(Un::Sext32, raw);
    b.set_x(inst.rd, value);
    Ok(())
}

/// Bits from an integer register, as they are.
#[inline(always)]
pub fn fmv_d_x<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    b.fp_enter(inst)?;
    let value = b.x(inst.rs1);
    b.set_f(inst.rd, value);
    Ok(())
}

#[inline(always)]
pub fn fmv_w_x<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    b.fp_enter(inst)?;
    let raw = b.x(inst.rs1);
    let low = b.un(Un::Zext32, raw);
    write(b, Fmt::Single, inst.rd, low);
    Ok(())
}
