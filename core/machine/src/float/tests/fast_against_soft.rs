//! Both paths on the same operands: result and flags, with inexact clear and set.

use super::super::{F32, F64, Flags, Rounding, fast, fast::Host, soft};
use alloc::vec::Vec;

const ROUNDS: u64 = 20_000;

/// A multiplicative congruential step and a mix: enough to spread operands.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
    (*state ^ (*state >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93) >> 3 ^ *state << 29
}

/// Bits with an exponent within `spread` of the middle, and a fraction that is often short.
fn operand<F: Host>(state: &mut u64, spread: u64) -> F::Bits {
    let exponent = (F::BIAS as u64).wrapping_add(next(state) % (2 * spread + 1)) - spread;
    let short = next(state) % u64::from(F::FRACTION_BITS + 1);
    let fraction = next(state) << short & F::FRACTION;
    let sign = if next(state) & 1 == 0 { 0 } else { F::SIGN };
    F::from_raw(sign | exponent << F::FRACTION_BITS | fraction)
}

/// Runs an operation by both paths from each state of the flags.
fn agree<R: PartialEq + core::fmt::Debug>(
    what: &str,
    operands: &[u64],
    fast: impl Fn(&mut Flags) -> R,
    soft: impl Fn(&mut Flags) -> R,
) {
    for before in [0, Flags::NX, Flags::NX | Flags::UF | Flags::NV] {
        let (mut fast_flags, mut soft_flags) = (Flags(before), Flags(before));
        let results = (fast(&mut fast_flags), soft(&mut soft_flags));
        assert!(
            results.0 == results.1 && fast_flags == soft_flags,
            "{what} {operands:#x?} after {before:#x}: fast {:#x?} {fast_flags:?}, soft {:#x?} {soft_flags:?}",
            results.0,
            results.1
        );
    }
}

/// Every operation on three operands, and on their bits as integers.
fn operations_agree<F: Host>(a: F::Bits, b: F::Bits, c: F::Bits, rm: Rounding)
where
    F::Bits: core::fmt::Debug,
{
    let list = [a.into(), b.into(), c.into()];
    macro_rules! agree {
        ($($op:ident($($arg:expr),*);)*) => { $(
            agree(
                stringify!($op),
                &list,
                |f| fast::$op::<F>($($arg,)* f),
                |f| soft::$op::<F>($($arg,)* f),
            );
        )* };
    }
    agree! {
        add(a, b, rm); sub(a, c, rm); mul(a, b, rm); div(a, b, rm); sqrt(a, rm); fma(a, b, c, rm);
        min(a, b); max(a, b); eq(a, b); lt(a, b); le(a, b);
    }
    macro_rules! convert {
        ($($to:ident $from:ident $integer:ty),*) => { $(
            let bounds = (<$integer>::MIN.into(), <$integer>::MAX.into());
            agree(
                stringify!($to),
                &list,
                |f| i128::from(fast::$to::<F>(a, rm, f)),
                |f| soft::to_integer::<F>(a, bounds, rm, f),
            );
            let n = list[0] as $integer;
            let (sign, magnitude) = (i128::from(n) < 0, i128::from(n).unsigned_abs() as u64);
            agree(
                stringify!($from),
                &list,
                |f| fast::$from::<F>(n, rm, f),
                |f| soft::from_integer::<F>(sign, magnitude, rm, f),
            );
        )* };
    }
    convert!(to_i32 from_i32 i32, to_u32 from_u32 u32, to_i64 from_i64 i64, to_u64 from_u64 u64);
}

fn random_operands_agree<F: Host>(spread: u64, rm: Rounding, seed: u64)
where
    F::Bits: core::fmt::Debug,
{
    let mut state = seed;
    for round in 0..ROUNDS {
        let [a, b, mut c] = [(); 3].map(|()| operand::<F>(&mut state, spread));
        if round % 4 == 0 {
            // Cancels the product but for its rounding error and a few units.
            let product = F::bits(F::value(a) * F::value(b)).into() ^ F::SIGN;
            c = F::from_raw(product.wrapping_add(next(&mut state) % 3) & (F::SIGN | (F::SIGN - 1)));
        }
        operations_agree::<F>(a, b, c, rm);
    }
}

/// The ends of the range, and powers of two with their neighbours: those where conversions
/// saturate or begin to round, and where the fast paths have their bounds.
fn corners<F: Host>() -> Vec<F::Bits> {
    let mut corners = Vec::from([0, 1, F::INFINITY, F::CANONICAL_NAN, F::INFINITY + 1]);
    let precision = F::FRACTION_BITS as i32 + 1;
    let exponents = [
        -F::BIAS / 2,
        -precision,
        -1,
        0,
        precision - 1,
        precision,
        precision + 1,
        31,
        32,
        63,
        64,
        F::BIAS / 2,
        F::BIAS,
        F::MIN_EXPONENT,
        F::MIN_EXPONENT + 1,
    ];
    for exponent in exponents {
        let power = ((exponent + F::BIAS) as u64) << F::FRACTION_BITS;
        corners.extend([power - 1, power, power + 1]);
    }
    let negative = corners.clone().into_iter().map(|corner| corner | F::SIGN);
    corners.extend(negative);
    corners.into_iter().map(F::from_raw).collect()
}

fn corners_agree<F: Host>()
where
    F::Bits: core::fmt::Debug,
{
    let corners = corners::<F>();
    for rm in [Rounding::Rne, Rounding::Rtz] {
        for (i, &a) in corners.iter().enumerate() {
            for &b in &corners {
                for &c in corners.iter().skip(i % 7).step_by(7) {
                    operations_agree::<F>(a, b, c, rm);
                }
            }
        }
    }
}

#[test]
fn binary32_agrees_at_corners() {
    corners_agree::<F32>();
}

#[test]
fn binary64_agrees_at_corners() {
    corners_agree::<F64>();
}

#[test]
fn binary32_agrees_near_one() {
    random_operands_agree::<F32>(30, Rounding::Rne, 1);
}

#[test]
fn binary32_agrees_over_the_whole_range() {
    random_operands_agree::<F32>(127, Rounding::Rne, 2);
}

#[test]
fn binary64_agrees_near_one() {
    random_operands_agree::<F64>(60, Rounding::Rne, 3);
}

#[test]
fn binary64_agrees_over_the_whole_range() {
    random_operands_agree::<F64>(1023, Rounding::Rne, 4);
}

#[test]
fn directed_modes_agree() {
    for (seed, rm) in (5..).zip([Rounding::Rtz, Rounding::Rdn, Rounding::Rup, Rounding::Rmm]) {
        random_operands_agree::<F32>(127, rm, seed);
        random_operands_agree::<F64>(1023, rm, seed);
    }
}
