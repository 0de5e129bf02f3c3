//! Whether the host's rounded result is the exact one.

use super::super::format::Format;
use super::host::{Host, is_normal};

/// Whether `r`, the finite rounded sum of `a` and `b`, is exact.
///
/// Let `|x| >= |y|` be the two in order of magnitude. Then `r - x` is exact (Dekker 1971; it
/// needs nothing of the exponents), so `r - x == y` says that `r` is exact. If `r` is exact,
/// then so are both differences. Hence both equations together hold just where `r` is exact,
/// and the order of the two need not be known.
#[inline(always)]
pub(super) fn is_exact_sum<F: Host>(a: F::Value, b: F::Value, r: F::Value) -> bool {
    (r - a == b) & (r - b == a)
}

/// Whether `r`, the rounded product of `a` and `b`, is exact; `false` where one of the three is
/// neither normal nor zero.
///
/// A product that is zero is exact if a factor is. Else, with significands as whole numbers of `p` bits, the product has `2p - 1` bits or one more,
/// which the exponent of `r` tells (if it was rounding that carried into the exponent, `r` is
/// inexact, and the stricter test says so too); and it ends in as many zeros as both factors
/// together. It fits in `p` bits if at least the surplus is zeros.
#[inline(always)]
pub(super) fn is_exact_product<F: Format>(a: F::Bits, b: F::Bits, r: F::Bits) -> bool {
    let is_zero = |x: F::Bits| x.into() & !F::SIGN == 0;
    if is_zero(r) {
        return is_zero(a) || is_zero(b);
    }
    if !(is_normal::<F>(a) && is_normal::<F>(b) && is_normal::<F>(r)) {
        return false;
    }
    let (a, b, r): (u64, u64, u64) = (a.into(), b.into(), r.into());
    let zeros = (a | F::MIN_NORMAL).trailing_zeros() + (b | F::MIN_NORMAL).trailing_zeros();
    let exponent = |x: u64| ((x & !F::SIGN) >> F::FRACTION_BITS) as i32;
    let carry = exponent(r) - (exponent(a) + exponent(b) - F::BIAS);
    zeros as i32 >= F::FRACTION_BITS as i32 + carry
}
