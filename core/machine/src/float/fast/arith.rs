//! Sum, difference, product, quotient and square root.

use super::super::format::Format;
use super::super::{Flags, Rounding, soft};
use super::exact::{is_exact_product, is_exact_sum};
use super::host::{Host, is_finite, is_inside, is_normal};
use super::nearest_and_sticky;

/// `a + b`.
#[inline(always)]
pub fn add<F: Host>(a: F::Bits, b: F::Bits, rm: Rounding, flags: &mut Flags) -> F::Bits {
    let r = F::bits(F::value(a) + F::value(b));
    if nearest_and_sticky(rm, flags) && is_finite::<F>(r) {
        return r;
    }
    add_slow::<F>(a, b, rm, flags)
}

/// `a - b`.
#[inline(always)]
pub fn sub<F: Host>(a: F::Bits, b: F::Bits, rm: Rounding, flags: &mut Flags) -> F::Bits {
    let r = F::bits(F::value(a) - F::value(b));
    if nearest_and_sticky(rm, flags) && is_finite::<F>(r) {
        return r;
    }
    add_slow::<F>(a, F::from_raw(b.into() ^ F::SIGN), rm, flags)
}

#[cold]
#[inline(never)]
fn add_slow<F: Host>(a: F::Bits, b: F::Bits, rm: Rounding, flags: &mut Flags) -> F::Bits {
    let (x, y) = (F::value(a), F::value(b));
    let sum = x + y;
    let r = F::bits(sum);
    if rm == Rounding::Rne && is_finite::<F>(r) && is_exact_sum::<F>(x, y, sum) {
        return r;
    }
    soft::add::<F>(a, b, rm, flags)
}

/// `a * b`.
#[inline(always)]
pub fn mul<F: Host>(a: F::Bits, b: F::Bits, rm: Rounding, flags: &mut Flags) -> F::Bits {
    let r = F::bits(F::value(a) * F::value(b));
    if nearest_and_sticky(rm, flags) && is_inside::<F>(r) {
        return r;
    }
    mul_slow::<F>(a, b, rm, flags)
}

#[cold]
#[inline(never)]
fn mul_slow<F: Host>(a: F::Bits, b: F::Bits, rm: Rounding, flags: &mut Flags) -> F::Bits {
    let r = F::bits(F::value(a) * F::value(b));
    if rm == Rounding::Rne && is_exact_product::<F>(a, b, r) {
        return r;
    }
    soft::mul::<F>(a, b, rm, flags)
}

/// `a / b`.
#[inline(always)]
pub fn div<F: Host>(a: F::Bits, b: F::Bits, rm: Rounding, flags: &mut Flags) -> F::Bits {
    // A finite quotient other than zero has finite operands, and its divisor is not zero.
    let r = F::bits(F::value(a) / F::value(b));
    if nearest_and_sticky(rm, flags) && is_inside::<F>(r) {
        return r;
    }
    div_slow::<F>(a, b, rm, flags)
}

#[cold]
#[inline(never)]
fn div_slow<F: Host>(a: F::Bits, b: F::Bits, rm: Rounding, flags: &mut Flags) -> F::Bits {
    let (x, y) = (F::value(a), F::value(b));
    let quotient = x / y;
    let r = F::bits(quotient);
    if rm == Rounding::Rne && quotient * y == x && is_exact_product::<F>(r, b, a) {
        return r;
    }
    soft::div::<F>(a, b, rm, flags)
}

/// The square root of `a`.
#[inline(always)]
pub fn sqrt<F: Host>(a: F::Bits, rm: Rounding, flags: &mut Flags) -> F::Bits {
    // The root of a normal value is normal.
    if nearest_and_sticky(rm, flags) && is_positive_normal::<F>(a) {
        return F::bits(F::sqrt(F::value(a)));
    }
    sqrt_slow::<F>(a, rm, flags)
}

#[inline(always)]
fn is_positive_normal<F: Format>(a: F::Bits) -> bool {
    is_normal::<F>(a) && a.into() & F::SIGN == 0
}

#[cold]
#[inline(never)]
fn sqrt_slow<F: Host>(a: F::Bits, rm: Rounding, flags: &mut Flags) -> F::Bits {
    if rm == Rounding::Rne && is_positive_normal::<F>(a) {
        let root = F::sqrt(F::value(a));
        let r = F::bits(root);
        if root * root == F::value(a) && is_exact_product::<F>(r, r, a) {
            return r;
        }
    }
    soft::sqrt::<F>(a, rm, flags)
}
