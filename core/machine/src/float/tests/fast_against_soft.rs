//! Both paths on the same operands: result and flags, with inexact clear and set.

use super::super::{F32, F64, Flags, Rounding, fast, fast::Host, soft};

const ROUNDS: u64 = 60_000;

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

fn arithmetic_agrees<F: Host>(spread: u64, rm: Rounding, seed: u64)
where
    F::Bits: PartialEq + core::fmt::Debug,
{
    let mut state = seed;
    for round in 0..ROUNDS {
        let [a, b, mut c] = [(); 3].map(|()| operand::<F>(&mut state, spread));
        if round % 4 == 0 {
            // Cancels the product but for its rounding error and a few units.
            let product = F::bits(F::value(a) * F::value(b)).into() ^ F::SIGN;
            c = F::from_raw(product.wrapping_add(next(&mut state) % 3) & (F::SIGN | (F::SIGN - 1)));
        }
        let list = [a.into(), b.into(), c.into()];
        agree(
            "add",
            &list,
            |f| fast::add::<F>(a, b, rm, f),
            |f| soft::add::<F>(a, b, rm, f),
        );
        agree(
            "sub",
            &list,
            |f| fast::sub::<F>(a, c, rm, f),
            |f| soft::sub::<F>(a, c, rm, f),
        );
        agree(
            "mul",
            &list,
            |f| fast::mul::<F>(a, b, rm, f),
            |f| soft::mul::<F>(a, b, rm, f),
        );
        agree(
            "div",
            &list,
            |f| fast::div::<F>(a, b, rm, f),
            |f| soft::div::<F>(a, b, rm, f),
        );
        agree(
            "sqrt",
            &list,
            |f| fast::sqrt::<F>(a, rm, f),
            |f| soft::sqrt::<F>(a, rm, f),
        );
        agree(
            "fma",
            &list,
            |f| fast::fma::<F>(a, b, c, rm, f),
            |f| soft::fma::<F>(a, b, c, rm, f),
        );
        agree(
            "lt",
            &list,
            |f| fast::lt::<F>(a, b, f),
            |f| soft::lt::<F>(a, b, f),
        );
        agree(
            "max",
            &list,
            |f| fast::max::<F>(a, b, f),
            |f| soft::max::<F>(a, b, f),
        );
        let bounds = (i128::from(i32::MIN), i128::from(i32::MAX));
        agree(
            "to_i32",
            &list,
            |f| i128::from(fast::to_i32::<F>(a, rm, f)),
            |f| soft::to_integer::<F>(a, bounds, rm, f),
        );
    }
}

#[test]
fn binary32_agrees_near_one() {
    arithmetic_agrees::<F32>(30, Rounding::Rne, 1);
}

#[test]
fn binary32_agrees_over_the_whole_range() {
    arithmetic_agrees::<F32>(127, Rounding::Rne, 2);
}

#[test]
fn binary64_agrees_near_one() {
    arithmetic_agrees::<F64>(60, Rounding::Rne, 3);
}

#[test]
fn binary64_agrees_over_the_whole_range() {
    arithmetic_agrees::<F64>(1023, Rounding::Rne, 4);
}

#[test]
fn directed_modes_agree() {
    for (seed, rm) in (5..).zip([Rounding::Rtz, Rounding::Rdn, Rounding::Rup, Rounding::Rmm]) {
        arithmetic_agrees::<F32>(127, rm, seed);
        arithmetic_agrees::<F64>(1023, rm, seed);
    }
}
