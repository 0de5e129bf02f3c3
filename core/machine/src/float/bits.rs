//! What needs no arithmetic: signs and classes.

use super::format::Format;

/// `fsgnj`: `a` with the sign of `b`.
#[inline(always)]
pub fn sgnj<F: Format>(a: F::Bits, b: F::Bits) -> F::Bits {
    F::from_raw(a.into() & !F::SIGN | b.into() & F::SIGN)
}

/// `fsgnjn`: `a` with the opposite of the sign of `b`.
#[inline(always)]
pub fn sgnjn<F: Format>(a: F::Bits, b: F::Bits) -> F::Bits {
    F::from_raw(a.into() & !F::SIGN | !b.into() & F::SIGN)
}

/// `fsgnjx`: `a`, its sign flipped if `b` is negative.
#[inline(always)]
pub fn sgnjx<F: Format>(a: F::Bits, b: F::Bits) -> F::Bits {
    F::from_raw(a.into() ^ b.into() & F::SIGN)
}

/// `fclass`: one bit set ("F" 1.9, table 30). From bit 0: -inf, negative normal, negative
/// subnormal, -0, +0, positive subnormal, positive normal, +inf, signalling NaN, quiet NaN.
#[inline]
pub fn class<F: Format>(a: F::Bits) -> u64 {
    let magnitude = a.into() & !F::SIGN;
    if magnitude > F::INFINITY {
        return if magnitude & F::QUIET == 0 {
            1 << 8
        } else {
            1 << 9
        };
    }
    // Distance from zero; the mask is symmetric about the middle of its first eight bits.
    let distance = u32::from(magnitude != 0)
        + u32::from(magnitude >= F::MIN_NORMAL)
        + u32::from(magnitude == F::INFINITY);
    if a.into() & F::SIGN == 0 {
        1 << (4 + distance)
    } else {
        1 << (3 - distance)
    }
}
