//! Conversions between the formats, and between formats and integers.

use super::super::format::{F32, F64, is_nan};
use super::super::{Flags, Rounding, soft};
use super::host::{Host, is_inside};
use super::{nearest_and_sticky, rare};

/// `fcvt.d.s`: exact, so no rounding mode.
#[inline(always)]
pub fn f32_to_f64(a: u32, flags: &mut Flags) -> u64 {
    if is_nan::<F32>(a) {
        return rare(move || soft::convert::<F32, F64>(a, Rounding::Rne, flags));
    }
    f64::from(f32::from_bits(a)).to_bits()
}

/// `fcvt.s.d`.
#[inline(always)]
pub fn f64_to_f32(a: u64, rm: Rounding, flags: &mut Flags) -> u32 {
    let x = f64::from_bits(a);
    let narrow = x as f32;
    let r = narrow.to_bits();
    if (nearest_and_sticky(rm, flags) && is_inside::<F32>(r)) || f64::from(narrow) == x {
        return r;
    }
    rare(move || soft::convert::<F64, F32>(a, rm, flags))
}

/// Whether `n`, the whole part of `x`, is what `x` becomes, and no flag is due that is not set.
/// All rounding modes agree on whole numbers.
#[inline(always)]
fn is_whole_or_truncated(x: f64, n: f64, rm: Rounding, flags: &Flags) -> bool {
    n == x || (rm == Rounding::Rtz && flags.0 & Flags::NX != 0)
}

const TWO_31: f64 = 2_147_483_648.0;
const TWO_32: f64 = 2.0 * TWO_31;
const TWO_63: f64 = TWO_31 * TWO_32;
const TWO_64: f64 = 2.0 * TWO_63;

/// `fcvt.w`.
#[inline(always)]
pub fn to_i32<F: Host>(a: F::Bits, rm: Rounding, flags: &mut Flags) -> i32 {
    let x = F::widen(F::value(a));
    let n = x as i32;
    if x.abs() < TWO_31 && is_whole_or_truncated(x, f64::from(n), rm, flags) {
        return n;
    }
    rare(move || soft::to_integer::<F>(a, (i32::MIN.into(), i32::MAX.into()), rm, flags)) as i32
}

/// `fcvt.wu`, before its result is extended by the sign of bit 31.
#[inline(always)]
pub fn to_u32<F: Host>(a: F::Bits, rm: Rounding, flags: &mut Flags) -> u32 {
    let x = F::widen(F::value(a));
    let n = x as u32;
    if x > -1.0 && x < TWO_32 && is_whole_or_truncated(x, f64::from(n), rm, flags) {
        return n;
    }
    rare(move || soft::to_integer::<F>(a, (0, u32::MAX.into()), rm, flags)) as u32
}

/// `fcvt.l`.
#[inline(always)]
pub fn to_i64<F: Host>(a: F::Bits, rm: Rounding, flags: &mut Flags) -> i64 {
    let x = F::widen(F::value(a));
    let n = x as i64;
    if x.abs() < TWO_63 && is_whole_or_truncated(x, n as f64, rm, flags) {
        return n;
    }
    rare(move || soft::to_integer::<F>(a, (i64::MIN.into(), i64::MAX.into()), rm, flags)) as i64
}

/// `fcvt.lu`.
#[inline(always)]
pub fn to_u64<F: Host>(a: F::Bits, rm: Rounding, flags: &mut Flags) -> u64 {
    let x = F::widen(F::value(a));
    let n = x as u64;
    if x > -1.0 && x < TWO_64 && is_whole_or_truncated(x, n as f64, rm, flags) {
        return n;
    }
    rare(move || soft::to_integer::<F>(a, (0, u64::MAX.into()), rm, flags)) as u64
}

/// Integers up to this magnitude are values of the format.
#[inline(always)]
fn greatest_dense<F: Host>() -> u64 {
    1 << (F::FRACTION_BITS + 1)
}

/// A signed 32-bit integer.
#[inline(always)]
pub fn from_i32<F: Host>(n: i32, rm: Rounding, flags: &mut Flags) -> F::Bits {
    from_i64::<F>(n.into(), rm, flags)
}

/// An unsigned 32-bit integer.
#[inline(always)]
pub fn from_u32<F: Host>(n: u32, rm: Rounding, flags: &mut Flags) -> F::Bits {
    from_i64::<F>(n.into(), rm, flags)
}

/// A signed 64-bit integer.
#[inline(always)]
pub fn from_i64<F: Host>(n: i64, rm: Rounding, flags: &mut Flags) -> F::Bits {
    if n.unsigned_abs() <= greatest_dense::<F>() || nearest_and_sticky(rm, flags) {
        return F::bits(F::from_i64(n));
    }
    rare(move || soft::from_integer::<F>(n < 0, n.unsigned_abs(), rm, flags))
}

/// An unsigned 64-bit integer.
#[inline(always)]
pub fn from_u64<F: Host>(n: u64, rm: Rounding, flags: &mut Flags) -> F::Bits {
    if n <= greatest_dense::<F>() || nearest_and_sticky(rm, flags) {
        return F::bits(F::from_u64(n));
    }
    rare(move || soft::from_integer::<F>(false, n, rm, flags))
}
