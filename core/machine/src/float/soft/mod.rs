//! Arithmetic on integers alone: every format, rounding mode and flag, exactly.
//!
//! The reference of this crate; the host's arithmetic is only ever a shortcut to it.

mod arith;
mod convert;
mod order;
mod round;

pub use arith::{add, div, fma, mul, sqrt, sub};
pub use convert::{convert, from_integer, to_integer};
pub use order::{eq, le, lt, max, min};

use super::format::{Format, is_nan, is_signalling};
use super::{Flags, Rounding};
use round::round;

/// A finite value other than zero: `sig * 2^(exp - 63)`, with bit 63 of `sig` set.
#[derive(Clone, Copy)]
struct Finite {
    exp: i32,
    sig: u64,
}

/// A value without its sign.
#[derive(Clone, Copy)]
enum Magnitude {
    Zero,
    Finite(Finite),
    Infinite,
    Nan,
}

use Magnitude::{Infinite, Nan, Zero};

/// Takes a value apart: sign and magnitude.
fn unpack<F: Format>(a: F::Bits) -> (bool, Magnitude) {
    let raw: u64 = a.into();
    let sign = raw & F::SIGN != 0;
    let magnitude = raw & !F::SIGN;
    let fraction = raw & F::FRACTION;
    let field = (magnitude >> F::FRACTION_BITS) as i32;
    let unpacked = if magnitude >= F::INFINITY {
        if fraction == 0 { Infinite } else { Nan }
    } else if field != 0 {
        Magnitude::Finite(Finite {
            exp: field - F::BIAS,
            sig: (fraction | F::MIN_NORMAL) << (63 - F::FRACTION_BITS),
        })
    } else if fraction == 0 {
        Zero
    } else {
        let shift = fraction.leading_zeros();
        Magnitude::Finite(Finite {
            exp: F::MIN_EXPONENT + (63 - F::FRACTION_BITS) as i32 - shift as i32,
            sig: fraction << shift,
        })
    };
    (sign, unpacked)
}

/// Bits with that sign and magnitude.
fn signed<F: Format>(sign: bool, magnitude: u64) -> F::Bits {
    F::from_raw(if sign { F::SIGN | magnitude } else { magnitude })
}

fn zero<F: Format>(sign: bool) -> F::Bits {
    signed::<F>(sign, 0)
}

fn infinity<F: Format>(sign: bool) -> F::Bits {
    signed::<F>(sign, F::INFINITY)
}

/// The sign of an exact zero that is the sum of two values of opposite signs (IEEE 754, 6.3).
fn sign_of_cancelled(rm: Rounding) -> bool {
    rm == Rounding::Rdn
}

/// The result of an invalid operation.
fn invalid<F: Format>(flags: &mut Flags) -> F::Bits {
    flags.raise(Flags::NV);
    F::from_raw(F::CANONICAL_NAN)
}

/// The result of an operation with a NaN among its operands: invalid if one is signalling.
fn nan<F: Format, const N: usize>(operands: [F::Bits; N], flags: &mut Flags) -> F::Bits {
    debug_assert!(operands.into_iter().any(is_nan::<F>));
    if operands.into_iter().any(is_signalling::<F>) {
        flags.raise(Flags::NV);
    }
    F::from_raw(F::CANONICAL_NAN)
}
