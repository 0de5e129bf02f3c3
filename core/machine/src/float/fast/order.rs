//! Comparison, minimum and maximum.

use super::super::{Flags, soft};
use super::host::Host;
use super::rare;

/// `a == b`, quiet: only a signalling NaN is invalid.
#[inline(always)]
pub fn eq<F: Host>(a: F::Bits, b: F::Bits, flags: &mut Flags) -> bool {
    let (x, y) = (F::value(a), F::value(b));
    if is_unordered::<F>(x, y) {
        return rare(move || soft::eq::<F>(a, b, flags));
    }
    x == y
}

/// `a < b`, signalling: any NaN is invalid.
#[inline(always)]
pub fn lt<F: Host>(a: F::Bits, b: F::Bits, flags: &mut Flags) -> bool {
    let (x, y) = (F::value(a), F::value(b));
    if is_unordered::<F>(x, y) {
        return rare(move || soft::lt::<F>(a, b, flags));
    }
    x < y
}

/// `a <= b`, signalling: any NaN is invalid.
#[inline(always)]
pub fn le<F: Host>(a: F::Bits, b: F::Bits, flags: &mut Flags) -> bool {
    let (x, y) = (F::value(a), F::value(b));
    if is_unordered::<F>(x, y) {
        return rare(move || soft::le::<F>(a, b, flags));
    }
    x <= y
}

/// The lesser, -0 being less than +0; the other one if one is a NaN, even a signalling one,
/// which is invalid (IEEE 754-2019, 9.6, `minimumNumber`).
#[inline(always)]
pub fn min<F: Host>(a: F::Bits, b: F::Bits, flags: &mut Flags) -> F::Bits {
    let (x, y) = (F::value(a), F::value(b));
    if x < y {
        a
    } else if y < x {
        b
    } else {
        rare(move || soft::min::<F>(a, b, flags))
    }
}

/// The greater, +0 being greater than -0; NaNs as with [`min`] (`maximumNumber`).
#[inline(always)]
pub fn max<F: Host>(a: F::Bits, b: F::Bits, flags: &mut Flags) -> F::Bits {
    let (x, y) = (F::value(a), F::value(b));
    if x > y {
        a
    } else if y > x {
        b
    } else {
        rare(move || soft::max::<F>(a, b, flags))
    }
}

#[inline(always)]
fn is_unordered<F: Host>(x: F::Value, y: F::Value) -> bool {
    x.partial_cmp(&y).is_none()
}
