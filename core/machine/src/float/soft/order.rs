//! Comparison, minimum and maximum.

use super::super::Flags;
use super::super::format::{Format, is_nan};
use super::nan;

/// An integer that orders as the value does, with both zeros at 0; not for a NaN.
fn rank<F: Format>(a: F::Bits) -> i64 {
    let magnitude = (a.into() & !F::SIGN) as i64;
    if a.into() & F::SIGN == 0 {
        magnitude
    } else {
        -magnitude
    }
}

fn unordered<F: Format>(a: F::Bits, b: F::Bits) -> bool {
    is_nan::<F>(a) || is_nan::<F>(b)
}

/// `a == b`, quiet: only a signalling NaN is invalid.
pub fn eq<F: Format>(a: F::Bits, b: F::Bits, flags: &mut Flags) -> bool {
    if unordered::<F>(a, b) {
        nan::<F, 2>([a, b], flags);
        return false;
    }
    rank::<F>(a) == rank::<F>(b)
}

/// `a < b`, signalling: any NaN is invalid.
pub fn lt<F: Format>(a: F::Bits, b: F::Bits, flags: &mut Flags) -> bool {
    if unordered::<F>(a, b) {
        flags.raise(Flags::NV);
        return false;
    }
    rank::<F>(a) < rank::<F>(b)
}

/// `a <= b`, signalling: any NaN is invalid.
pub fn le<F: Format>(a: F::Bits, b: F::Bits, flags: &mut Flags) -> bool {
    if unordered::<F>(a, b) {
        flags.raise(Flags::NV);
        return false;
    }
    rank::<F>(a) <= rank::<F>(b)
}

/// The lesser, -0 being less than +0; the other one if one is a NaN, even a signalling one,
/// which is invalid (IEEE 754-2019, 9.6, `minimumNumber`).
pub fn min<F: Format>(a: F::Bits, b: F::Bits, flags: &mut Flags) -> F::Bits {
    pick::<F>(a, b, flags, false)
}

/// The greater, +0 being greater than -0; NaNs as with [`min`] (`maximumNumber`).
pub fn max<F: Format>(a: F::Bits, b: F::Bits, flags: &mut Flags) -> F::Bits {
    pick::<F>(a, b, flags, true)
}

fn pick<F: Format>(a: F::Bits, b: F::Bits, flags: &mut Flags, greater: bool) -> F::Bits {
    if unordered::<F>(a, b) {
        let canonical = nan::<F, 2>([a, b], flags);
        return match (is_nan::<F>(a), is_nan::<F>(b)) {
            (true, true) => canonical,
            (true, false) => b,
            _ => a,
        };
    }
    // Of two zeros the negative one is the lesser.
    let negative = a.into() & F::SIGN != 0;
    let a_is_less = (rank::<F>(a), !negative) < (rank::<F>(b), b.into() & F::SIGN == 0);
    if a_is_less == greater { b } else { a }
}
