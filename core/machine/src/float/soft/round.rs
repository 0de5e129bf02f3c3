//! From an exact value to a format: the one place where results are rounded.

use super::super::format::Format;
use super::super::{Flags, Rounding};
use super::{infinity, signed};

/// Shifts right and sets the lowest bit if a bit that was lost was set ("jamming"): a value with
/// at least two bits below the place of rounding rounds alike before and after.
pub(super) fn shift_right_jam(value: u128, by: u32) -> u128 {
    match value.checked_shr(by) {
        Some(shifted) => shifted | u128::from(shifted << by != value),
        None => u128::from(value != 0),
    }
}

/// The upper half of a value, jammed.
pub(super) fn upper_jam(value: u128) -> u64 {
    (value >> 64) as u64 | u64::from(value as u64 != 0)
}

/// Whether a magnitude must step up, given the lowest bit that stays, and what is cut off: a
/// fraction of that bit, in units of 2^-64, jammed.
pub(super) fn steps_up(rm: Rounding, sign: bool, odd: bool, rest: u64) -> bool {
    const HALF: u64 = 1 << 63;
    match rm {
        Rounding::Rne => rest > HALF || (rest == HALF && odd),
        Rounding::Rmm => rest >= HALF,
        Rounding::Rtz => false,
        Rounding::Rdn => sign && rest != 0,
        Rounding::Rup => !sign && rest != 0,
    }
}

/// Cuts `sig` to its `keep` upper bits, rounded: the bits, and whether something was lost. The
/// bits may be 2^keep.
fn cut(sig: u64, keep: u32, rm: Rounding, sign: bool) -> (u64, bool) {
    let kept = sig >> (64 - keep);
    let rest = sig << keep;
    let up = steps_up(rm, sign, kept & 1 != 0, rest);
    (kept + u64::from(up), rest != 0)
}

/// Rounds `sig * 2^(exp - 63)`, bit 63 of `sig` set and bit 0 jammed, to a format.
pub(super) fn round<F: Format>(
    sign: bool,
    exp: i32,
    sig: u64,
    rm: Rounding,
    flags: &mut Flags,
) -> F::Bits {
    debug_assert!(sig >> 63 == 1);
    let precision = F::FRACTION_BITS + 1;
    let (kept, inexact) = cut(sig, precision, rm, sign);
    if exp < F::MIN_EXPONENT {
        // Tiny unless the value, rounded as if exponents had no lower bound, reaches the least
        // normal one ("F" 1.2: after rounding).
        let tiny = exp < F::MIN_EXPONENT - 1 || kept >> precision == 0;
        let by = (F::MIN_EXPONENT - exp) as u32;
        let denormal = upper_jam(shift_right_jam(u128::from(sig) << 64, by));
        let (kept, inexact) = cut(denormal, precision, rm, sign);
        if inexact {
            flags.raise(if tiny {
                Flags::NX | Flags::UF
            } else {
                Flags::NX
            });
        }
        return signed::<F>(sign, kept);
    }
    // The implicit bit adds one to the field, and so does a carry out of the significand, which
    // leaves a fraction of zero.
    let field = (exp + F::BIAS) as u64;
    let magnitude = ((field - 1) << F::FRACTION_BITS).wrapping_add(kept);
    if exp > F::BIAS || magnitude >= F::INFINITY {
        flags.raise(Flags::OF | Flags::NX);
        return overflow::<F>(sign, rm);
    }
    if inexact {
        flags.raise(Flags::NX);
    }
    signed::<F>(sign, magnitude)
}

/// What a magnitude beyond the greatest finite one becomes (IEEE 754, 7.4).
fn overflow<F: Format>(sign: bool, rm: Rounding) -> F::Bits {
    let to_infinity = match rm {
        Rounding::Rne | Rounding::Rmm => true,
        Rounding::Rtz => false,
        Rounding::Rdn => sign,
        Rounding::Rup => !sign,
    };
    if to_infinity {
        infinity::<F>(sign)
    } else {
        signed::<F>(sign, F::INFINITY - 1)
    }
}
