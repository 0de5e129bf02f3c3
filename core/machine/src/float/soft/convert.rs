//! Conversions between formats, and between formats and integers.

use super::super::format::Format;
use super::super::{Flags, Rounding};
use super::Magnitude::{Finite as Value, Infinite, Nan, Zero};
use super::round::{shift_right_jam, steps_up};
use super::{infinity, nan, round, unpack, zero};

/// `a` in another format.
pub fn convert<S: Format, D: Format>(a: S::Bits, rm: Rounding, flags: &mut Flags) -> D::Bits {
    match unpack::<S>(a) {
        (sign, Value(x)) => round::<D>(sign, x.exp, x.sig, rm, flags),
        (sign, Zero) => zero::<D>(sign),
        (sign, Infinite) => infinity::<D>(sign),
        (_, Nan) => {
            nan::<S, 1>([a], flags);
            D::from_raw(D::CANONICAL_NAN)
        }
    }
}

/// `a` as an integer from `min` to `max`, which lie from -2^63 to 2^64 - 1. What rounds to an
/// integer outside becomes the nearer bound, a NaN `max`, and is invalid ("F" 1.7, table 28).
pub fn to_integer<F: Format>(
    a: F::Bits,
    (min, max): (i128, i128),
    rm: Rounding,
    flags: &mut Flags,
) -> i128 {
    let (sign, magnitude) = unpack::<F>(a);
    let (whole, rest) = match magnitude {
        Zero => return 0,
        Nan => {
            flags.raise(Flags::NV);
            return max;
        }
        Value(x) if x.exp < 64 => {
            // Whole part above, fraction in units of 2^-64 below, jammed.
            let fixed = shift_right_jam(u128::from(x.sig) << 64, (63 - x.exp) as u32);
            ((fixed >> 64) as i128, fixed as u64)
        }
        // Beyond every bound, whatever the rounding.
        Value(_) | Infinite => (1 << 65, 0),
    };
    let up = steps_up(rm, sign, whole & 1 != 0, rest);
    let rounded = whole + i128::from(up);
    let value = if sign { -rounded } else { rounded };
    if value < min || value > max {
        flags.raise(Flags::NV);
        return value.clamp(min, max);
    }
    if rest != 0 {
        flags.raise(Flags::NX);
    }
    value
}

/// The integer with that sign and magnitude.
pub fn from_integer<F: Format>(
    sign: bool,
    magnitude: u64,
    rm: Rounding,
    flags: &mut Flags,
) -> F::Bits {
    if magnitude == 0 {
        return zero::<F>(false);
    }
    let shift = magnitude.leading_zeros();
    round::<F>(sign, 63 - shift as i32, magnitude << shift, rm, flags)
}
