//! Every operand of a format of eight bits, against rounding as IEEE 754 defines it.
//!
//! The reference computes in `f64`, where sums and products of this format are exact, and
//! quotients and roots are far closer than the spacing of what they are compared with; it picks
//! the result from the list of the format's values.

use super::super::format::sealed::Sealed;
use super::super::{Flags, Format, Rounding, soft};
use alloc::vec::Vec;

/// Four bits of exponent, three of fraction: 2^-9 to 240.
#[derive(Clone, Copy)]
struct Tiny;

impl Sealed for Tiny {}

impl Format for Tiny {
    type Bits = u8;
    const EXPONENT_BITS: u32 = 4;
    const FRACTION_BITS: u32 = 3;

    fn from_raw(raw: u64) -> u8 {
        raw as u8
    }
}

const INFINITY: u8 = Tiny::INFINITY as u8;
const NAN: u8 = Tiny::CANONICAL_NAN as u8;
const SIGN: u8 = Tiny::SIGN as u8;
const MIN_NORMAL: f64 = 1.0 / 64.0;
/// The value after the greatest finite one, if exponents went on.
const BEYOND: f64 = 256.0;

/// The value of bits other than a NaN's, by the formula of IEEE 754, 3.4.
fn value(bits: u8) -> f64 {
    let (field, fraction) = (u64::from(bits >> 3 & 15), f64::from(bits & 7) / 8.0);
    let magnitude = match field {
        15 => f64::INFINITY,
        0 => fraction * MIN_NORMAL,
        _ => (1.0 + fraction) * f64::from_bits((field + 1023 - 7) << 52),
    };
    if bits & SIGN == 0 {
        magnitude
    } else {
        -magnitude
    }
}

/// The bits of the greatest finite value that is at most `v`, by halving.
fn floor(v: f64) -> u8 {
    let (mut low, mut end) = (0, INFINITY);
    while end - low > 1 {
        let middle = low + (end - low) / 2;
        if value(middle) <= v {
            low = middle;
        } else {
            end = middle;
        }
    }
    low
}

/// Which of two neighbours a magnitude between them rounds to; `odd` is about the lower.
fn upper_is_chosen(v: f64, low: f64, high: f64, odd: bool, sign: bool, rm: Rounding) -> bool {
    let middle = (low + high) / 2.0;
    v != low
        && match rm {
            Rounding::Rne => v > middle || (v == middle && odd),
            Rounding::Rmm => v >= middle,
            Rounding::Rtz => false,
            Rounding::Rdn => sign,
            Rounding::Rup => !sign,
        }
}

/// Whether a magnitude below the least normal value stays there when it is rounded to four
/// significant bits with no bound to the exponent.
fn is_tiny(v: f64, sign: bool, rm: Rounding) -> bool {
    // Only the topmost of those steps can reach it.
    let (low, high) = (MIN_NORMAL * 15.0 / 16.0, MIN_NORMAL);
    v < low || !upper_is_chosen(v, low, high, true, sign, rm)
}

/// A finite value other than zero, rounded, and the flags.
fn rounded(exact: f64, rm: Rounding) -> (u8, u8) {
    let (v, sign) = (exact.abs(), exact < 0.0);
    let low = floor(v);
    let high_value = if low + 1 == INFINITY {
        BEYOND
    } else {
        value(low + 1)
    };
    let up = v >= BEYOND || upper_is_chosen(v, value(low), high_value, low & 1 != 0, sign, rm);
    let mut flags = 0;
    let mut magnitude = low + u8::from(up);
    if v != value(low) {
        flags |= Flags::NX;
        if v < MIN_NORMAL && is_tiny(v, sign, rm) {
            flags |= Flags::UF;
        }
    }
    if magnitude == INFINITY {
        flags |= Flags::OF;
        let down = match rm {
            Rounding::Rtz => true,
            Rounding::Rdn => !sign,
            Rounding::Rup => sign,
            _ => false,
        };
        magnitude -= u8::from(down);
    }
    (magnitude | if sign { SIGN } else { 0 }, flags)
}

/// What an operation on numbers gives, from its result in `f64` (infinite and zero results with
/// their signs; NaN where it is invalid).
fn expected(exact: f64, rm: Rounding) -> (u8, u8) {
    if exact.is_nan() {
        (NAN, Flags::NV)
    } else if exact.is_infinite() || exact == 0.0 {
        let magnitude = if exact == 0.0 { 0 } else { INFINITY };
        (
            magnitude | if exact.is_sign_negative() { SIGN } else { 0 },
            0,
        )
    } else {
        rounded(exact, rm)
    }
}

/// `x + y`, with the sign that a sum of opposite terms has when it is zero.
fn sum(x: f64, y: f64, rm: Rounding) -> f64 {
    let sum = x + y;
    let cancelled = sum == 0.0 && x.is_sign_negative() != y.is_sign_negative();
    if cancelled && rm == Rounding::Rdn {
        -0.0
    } else {
        sum
    }
}

fn numbers() -> Vec<u8> {
    (0..=u8::MAX)
        .filter(|bits| bits & !SIGN <= INFINITY)
        .collect()
}

fn run(operation: impl FnOnce(&mut Flags) -> u8) -> (u8, u8) {
    let mut flags = Flags::default();
    (operation(&mut flags), flags.0)
}

#[test]
fn all_pairs_round_as_defined() {
    for rm in Rounding::ALL {
        for &a in &numbers() {
            for &b in &numbers() {
                let (x, y) = (value(a), value(b));
                let what = (rm, a, b);
                let add = run(|f| soft::add::<Tiny>(a, b, rm, f));
                assert_eq!(add, expected(sum(x, y, rm), rm), "{what:?}: {x} + {y}");
                let sub = run(|f| soft::sub::<Tiny>(a, b, rm, f));
                assert_eq!(sub, expected(sum(x, -y, rm), rm), "{what:?}: {x} - {y}");
                let mul = run(|f| soft::mul::<Tiny>(a, b, rm, f));
                assert_eq!(mul, expected(x * y, rm), "{what:?}: {x} * {y}");
                let mut quotient = expected(x / y, rm);
                if y == 0.0 && x.is_finite() && x != 0.0 {
                    quotient.1 |= Flags::DZ;
                }
                let div = run(|f| soft::div::<Tiny>(a, b, rm, f));
                assert_eq!(div, quotient, "{what:?}: {x} / {y}");
            }
        }
    }
}

#[test]
fn all_triples_round_once() {
    for rm in Rounding::ALL {
        for &a in &numbers() {
            for &b in &numbers() {
                // Signs of the factors matter as a product only: half of the factors will do.
                if b & SIGN != 0 {
                    continue;
                }
                let product = value(a) * value(b);
                for &c in &numbers() {
                    let fma = run(|f| soft::fma::<Tiny>(a, b, c, rm, f));
                    let exact = expected(sum(product, value(c), rm), rm);
                    assert_eq!(fma, exact, "{rm:?}: {a:#x} * {b:#x} + {c:#x}");
                }
            }
        }
    }
}

#[test]
fn all_roots_round_as_defined() {
    for rm in Rounding::ALL {
        for &a in &numbers() {
            let sqrt = run(|f| soft::sqrt::<Tiny>(a, rm, f));
            assert_eq!(sqrt, expected(libm::sqrt(value(a)), rm), "{rm:?}: {a:#x}");
        }
    }
}

#[test]
fn all_integers_convert_both_ways() {
    for rm in Rounding::ALL {
        for n in -600i32..=600 {
            let magnitude = u64::from(n.unsigned_abs());
            let from = run(|f| soft::from_integer::<Tiny>(n < 0, magnitude, rm, f));
            assert_eq!(from, expected(f64::from(n), rm), "{rm:?}: {n}");
        }
        for (min, max) in [(-128, 127), (0, 255), (-8, 7), (0, 3)] {
            for &a in &numbers() {
                let v = value(a);
                let (low, sign) = (libm::trunc(v.abs()), v < 0.0);
                let odd = low % 2.0 == 1.0;
                let up = v.is_finite() && upper_is_chosen(v.abs(), low, low + 1.0, odd, sign, rm);
                let whole = (low + f64::from(u8::from(up))).copysign(v);
                let exact = if whole < f64::from(min) || whole > f64::from(max) {
                    (whole.clamp(min.into(), max.into()), Flags::NV)
                } else {
                    (whole, if whole == v { 0 } else { Flags::NX })
                };
                let mut flags = Flags::default();
                let n = soft::to_integer::<Tiny>(a, (min.into(), max.into()), rm, &mut flags);
                assert_eq!((n as f64, flags.0), exact, "{rm:?}: {v} in {min}..={max}");
            }
        }
    }
}

#[test]
fn comparisons_order_numbers_and_refuse_nans() {
    for a in 0..=u8::MAX {
        for b in 0..=u8::MAX {
            let is_nan = |bits: u8| bits & !SIGN > INFINITY;
            let is_signalling = |bits: u8| is_nan(bits) && bits & Tiny::QUIET as u8 == 0;
            let real = |bits: u8| if is_nan(bits) { f64::NAN } else { value(bits) };
            let (x, y) = (real(a), real(b));
            let quiet = if is_signalling(a) || is_signalling(b) {
                Flags::NV
            } else {
                0
            };
            let signalling = if is_nan(a) || is_nan(b) { Flags::NV } else { 0 };
            let eq = run(|f| soft::eq::<Tiny>(a, b, f).into());
            assert_eq!(eq, ((x == y).into(), quiet), "{a:#x} == {b:#x}");
            let lt = run(|f| soft::lt::<Tiny>(a, b, f).into());
            assert_eq!(lt, ((x < y).into(), signalling), "{a:#x} < {b:#x}");
            let le = run(|f| soft::le::<Tiny>(a, b, f).into());
            assert_eq!(le, ((x <= y).into(), signalling), "{a:#x} <= {b:#x}");
            // Two NaNs give the canonical one; `f64::min` tells no zero from the other.
            let (least, greatest) = match (is_nan(a), is_nan(b)) {
                (true, true) => (NAN, NAN),
                (true, false) => (b, b),
                (false, true) => (a, a),
                (false, false) if x == y => (a | b, a & b),
                (false, false) if x < y => (a, b),
                (false, false) => (b, a),
            };
            assert_eq!(
                run(|f| soft::min::<Tiny>(a, b, f)),
                (least, quiet),
                "{a:#x}, {b:#x}"
            );
            assert_eq!(
                run(|f| soft::max::<Tiny>(a, b, f)),
                (greatest, quiet),
                "{a:#x}, {b:#x}"
            );
        }
    }
}
