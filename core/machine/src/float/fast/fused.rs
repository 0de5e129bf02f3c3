//! `a * b + c`, rounded once, without a fused instruction of the host: WebAssembly has none.

use super::super::format::{F32, F64};
use super::super::{Flags, Rounding, soft};
use super::exact::{is_exact_product, is_exact_sum};
use super::host::{Host, is_inside};
use super::nearest_and_sticky;

/// `a * b + c`, rounded once.
#[inline(always)]
pub fn fma<F: Host>(
    a: F::Bits,
    b: F::Bits,
    c: F::Bits,
    rm: Rounding,
    flags: &mut Flags,
) -> F::Bits {
    if nearest_and_sticky(rm, flags)
        && let Some(r) = F::fma_nearest(a, b, c)
    {
        return r;
    }
    fma_slow::<F>(a, b, c, rm, flags)
}

#[cold]
#[inline(never)]
fn fma_slow<F: Host>(
    a: F::Bits,
    b: F::Bits,
    c: F::Bits,
    rm: Rounding,
    flags: &mut Flags,
) -> F::Bits {
    if rm == Rounding::Rne
        && let Some(r) = F::fma_exact(a, b, c)
    {
        return r;
    }
    soft::fma::<F>(a, b, c, rm, flags)
}

/// The rounded result, if it is inside the range.
///
/// binary64 holds the product exactly, and the sum rounded to 53 bits. Rounding that sum to 24
/// bits is rounding twice, which differs from rounding once only where the sum lands on the
/// middle of two values of 24 bits: else it lies on the same side of each middle as the exact
/// one, for middles are values of binary64.
#[inline(always)]
pub(super) fn nearest_f32(a: u32, b: u32, c: u32) -> Option<u32> {
    const CUT: u64 = (1 << 29) - 1;
    const MIDDLE: u64 = 1 << 28;
    let wide = |x: u32| f64::from(f32::from_bits(x));
    let sum = wide(a) * wide(b) + wide(c);
    let r = (sum as f32).to_bits();
    (is_inside::<F32>(r) && sum.to_bits() & CUT != MIDDLE).then_some(r)
}

/// The result, if it is exact: both binary64 operations and the narrowing are.
pub(super) fn exact_f32(a: u32, b: u32, c: u32) -> Option<u32> {
    let wide = |x: u32| f64::from(f32::from_bits(x));
    let (product, addend) = (wide(a) * wide(b), wide(c));
    let sum = product + addend;
    let r = sum as f32;
    (r.is_finite() && f64::from(r) == sum && is_exact_sum::<F64>(product, addend, sum))
        .then_some(r.to_bits())
}

/// A product's magnitude, as bits, between which its error can be computed: 2^-900 to 2^1000.
const PRODUCT: (u64, u64) = ((1023 - 900) << 52, (1023 + 1000) << 52);

/// The value nearest to `a * b + c`, where it can be told cheaply.
///
/// With `u = 2^-53`:
/// 1. `a * b = p + e` exactly (Dekker 1971), with each factor cut in two halves of at most 26
///    bits and a sign. The parts of the product are multiples of `ulp(a) * ulp(b)`, which is at
///    least 2^-1006 since `|p| >= 2^-900`, so nothing underflows.
/// 2. `p + c = s + t` exactly (Knuth), unless something overflows on the way: then `t` is not
///    finite, and nor are the results below.
/// 3. The exact result is `s + x`, `x = t + e`. Let `w` be the rounded `x`. If `x` is subnormal
///    it is exact. Else `|w - x| <= u |w|`, and the rounded products `w (1 - 2u)` and
///    `w (1 + 2u)` enclose `x`, for they are at least one unit of `w` away from it.
/// 4. Rounding is monotonic: if `s` plus either end rounds to one value, then so does the exact
///    result, and so does `s + w`, which is at hand before the ends are.
///
/// What is left out, such as exact ties and sums that cancel almost to nothing, fails the last
/// comparison.
#[inline(always)]
pub(super) fn nearest_f64(a: u64, b: u64, c: u64) -> Option<u64> {
    const U: f64 = f64::EPSILON / 2.0;
    let (x, y, z) = (f64::from_bits(a), f64::from_bits(b), f64::from_bits(c));
    let p = x * y;
    let (xh, xl) = halves(a);
    let (yh, yl) = halves(b);
    let e = ((xh * yh - p) + xh * yl + xl * yh) + xl * yl;
    let s = p + z;
    let back = s - p;
    let t = (p - (s - back)) + (z - back);
    let w = t + e;
    let low = s + w * (1.0 - 2.0 * U);
    let high = s + w * (1.0 + 2.0 * U);
    let r = (s + w).to_bits();
    let magnitude = p.to_bits() & !(1 << 63);
    let p_is_safe = magnitude.wrapping_sub(PRODUCT.0) < PRODUCT.1 - PRODUCT.0;
    (p_is_safe && low == high && is_inside::<F64>(r)).then_some(r)
}

/// A value as the sum of two of 26 bits (the lower one with a sign): the upper 26 bits, rounded,
/// and the rest. Exact unless rounding overflows; then neither half is finite.
#[inline(always)]
fn halves(a: u64) -> (f64, f64) {
    const LOWER: u64 = (1 << 27) - 1;
    let upper = f64::from_bits(a.wrapping_add(1 << 26) & !LOWER);
    (upper, f64::from_bits(a) - upper)
}

/// The result, if product and sum are exact.
pub(super) fn exact_f64(a: u64, b: u64, c: u64) -> Option<u64> {
    let (product, addend) = (f64::from_bits(a) * f64::from_bits(b), f64::from_bits(c));
    let sum = product + addend;
    (is_exact_product::<F64>(a, b, product.to_bits())
        && sum.is_finite()
        && is_exact_sum::<F64>(product, addend, sum))
    .then_some(sum.to_bits())
}
