//! The arithmetic operations.

use super::super::format::Format;
use super::super::{Flags, Rounding};
use super::Magnitude::{Finite as Value, Infinite, Nan, Zero};
use super::round::{shift_right_jam, upper_jam};
use super::{Finite, infinity, invalid, nan, round, sign_of_cancelled, unpack, zero};

/// A term of a sum: `sig * 2^(exp - 126)`, with bit 126 of `sig` set.
#[derive(Clone, Copy)]
struct Term {
    sign: bool,
    exp: i32,
    sig: u128,
}

impl Term {
    fn of(sign: bool, value: Finite) -> Self {
        Self {
            sign,
            exp: value.exp,
            sig: u128::from(value.sig) << 63,
        }
    }

    /// The product, exact: significands have at most 62 bits, so that no set bit is cut off.
    fn product(sign: bool, a: Finite, b: Finite) -> Self {
        let sig = u128::from(a.sig) * u128::from(b.sig);
        let carry = (sig >> 127) as u32;
        Self {
            sign,
            exp: a.exp + b.exp + carry as i32,
            sig: sig >> carry,
        }
    }

    /// The sum, rounded once. A jammed bit in the smaller term is harmless: the terms cancel
    /// more than one bit only where their exponents differ by at most one, and then nothing was
    /// cut off, since both have zeros at their low end.
    fn sum<F: Format>(self, other: Self, rm: Rounding, flags: &mut Flags) -> F::Bits {
        let (a, b) = if (self.exp, self.sig) >= (other.exp, other.sig) {
            (self, other)
        } else {
            (other, self)
        };
        let aligned = shift_right_jam(b.sig, (a.exp - b.exp) as u32);
        let sig = if a.sign == b.sign {
            a.sig + aligned
        } else {
            a.sig - aligned
        };
        if sig == 0 {
            return zero::<F>(sign_of_cancelled(rm));
        }
        let shift = sig.leading_zeros();
        let exp = a.exp + 1 - shift as i32;
        round::<F>(a.sign, exp, upper_jam(sig << shift), rm, flags)
    }
}

/// `a + b`.
pub fn add<F: Format>(a: F::Bits, b: F::Bits, rm: Rounding, flags: &mut Flags) -> F::Bits {
    let ((sa, ma), (sb, mb)) = (unpack::<F>(a), unpack::<F>(b));
    match (ma, mb) {
        (Value(x), Value(y)) => Term::of(sa, x).sum::<F>(Term::of(sb, y), rm, flags),
        (Nan, _) | (_, Nan) => nan::<F, 2>([a, b], flags),
        (Infinite, Infinite) if sa != sb => invalid::<F>(flags),
        (Zero, Zero) if sa != sb => zero::<F>(sign_of_cancelled(rm)),
        (Infinite, _) | (_, Zero) => a,
        (_, Infinite) | (Zero, _) => b,
    }
}

/// `a - b`.
pub fn sub<F: Format>(a: F::Bits, b: F::Bits, rm: Rounding, flags: &mut Flags) -> F::Bits {
    add::<F>(a, F::from_raw(b.into() ^ F::SIGN), rm, flags)
}

/// `a * b`.
pub fn mul<F: Format>(a: F::Bits, b: F::Bits, rm: Rounding, flags: &mut Flags) -> F::Bits {
    let ((sa, ma), (sb, mb)) = (unpack::<F>(a), unpack::<F>(b));
    let sign = sa != sb;
    match (ma, mb) {
        (Value(x), Value(y)) => {
            let product = Term::product(sign, x, y);
            round::<F>(sign, product.exp, upper_jam(product.sig << 1), rm, flags)
        }
        (Nan, _) | (_, Nan) => nan::<F, 2>([a, b], flags),
        (Infinite, Zero) | (Zero, Infinite) => invalid::<F>(flags),
        (Infinite, _) | (_, Infinite) => infinity::<F>(sign),
        (Zero, _) | (_, Zero) => zero::<F>(sign),
    }
}

/// `a / b`.
pub fn div<F: Format>(a: F::Bits, b: F::Bits, rm: Rounding, flags: &mut Flags) -> F::Bits {
    let ((sa, ma), (sb, mb)) = (unpack::<F>(a), unpack::<F>(b));
    let sign = sa != sb;
    match (ma, mb) {
        (Value(x), Value(y)) => {
            // The quotient of the significands is in (1/2, 2): aligned so that bit 63 is set.
            let borrow = u32::from(x.sig < y.sig);
            let dividend = u128::from(x.sig) << (63 + borrow);
            let divisor = u128::from(y.sig);
            let inexact = u64::from(dividend % divisor != 0);
            let sig = (dividend / divisor) as u64 | inexact;
            round::<F>(sign, x.exp - y.exp - borrow as i32, sig, rm, flags)
        }
        (Nan, _) | (_, Nan) => nan::<F, 2>([a, b], flags),
        (Infinite, Infinite) | (Zero, Zero) => invalid::<F>(flags),
        (Infinite, _) => infinity::<F>(sign),
        (Zero, _) | (_, Infinite) => zero::<F>(sign),
        (Value(_), Zero) => {
            flags.raise(Flags::DZ);
            infinity::<F>(sign)
        }
    }
}

/// The square root of `a`.
pub fn sqrt<F: Format>(a: F::Bits, rm: Rounding, flags: &mut Flags) -> F::Bits {
    match unpack::<F>(a) {
        (_, Nan) => nan::<F, 1>([a], flags),
        (_, Zero) | (false, Infinite) => a,
        (true, _) => invalid::<F>(flags),
        (false, Value(x)) => {
            // An even exponent is halved; the radicand has 127 or 128 bits, its root 64.
            let radicand = u128::from(x.sig) << (63 + (x.exp & 1));
            let root = radicand.isqrt();
            let sig = root as u64 | u64::from(root * root != radicand);
            round::<F>(false, x.exp >> 1, sig, rm, flags)
        }
    }
}

/// `a * b + c`, rounded once.
pub fn fma<F: Format>(
    a: F::Bits,
    b: F::Bits,
    c: F::Bits,
    rm: Rounding,
    flags: &mut Flags,
) -> F::Bits {
    let ((sa, ma), (sb, mb), (sc, mc)) = (unpack::<F>(a), unpack::<F>(b), unpack::<F>(c));
    let sign = sa != sb;
    match (ma, mb, mc) {
        (Value(x), Value(y), Value(z)) => {
            Term::product(sign, x, y).sum::<F>(Term::of(sc, z), rm, flags)
        }
        // Invalid even where the addend is a quiet NaN ("F" 1.6).
        (Infinite, Zero, _) | (Zero, Infinite, _) => invalid::<F>(flags),
        (Nan, _, _) | (_, Nan, _) | (_, _, Nan) => nan::<F, 3>([a, b, c], flags),
        (Infinite, _, Infinite) | (_, Infinite, Infinite) if sign != sc => invalid::<F>(flags),
        (Infinite, _, _) | (_, Infinite, _) => infinity::<F>(sign),
        (_, _, Infinite) => c,
        (Zero, _, Zero) | (_, Zero, Zero) if sign != sc => zero::<F>(sign_of_cancelled(rm)),
        (Zero, _, _) | (_, Zero, _) => c,
        (Value(_), Value(_), Zero) => mul::<F>(a, b, rm, flags),
    }
}
