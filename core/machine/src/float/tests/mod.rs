//! What can be told without an oracle: `fast` against `soft`, and `soft` against the definition
//! of rounding on a format so small that every operand can be tried.

mod fast_against_soft;
mod tiny;

use super::*;

#[test]
fn rounding_modes_five_to_seven_are_none() {
    for bits in 0..=u8::MAX {
        let expected = Rounding::ALL.get(usize::from(bits)).copied();
        assert_eq!(Rounding::from_bits(bits), expected);
    }
}

#[test]
fn tiny_result_that_rounds_to_the_least_normal_value_underflows() {
    let mut flags = Flags::default();
    let product = mul_f32(0x3f7f_ffff, 0x0080_0000, Rounding::Rne, &mut flags);
    assert_eq!((product, flags.0), (0x0080_0000, Flags::UF | Flags::NX));
}

#[test]
fn infinity_times_zero_plus_quiet_nan_is_invalid() {
    let mut flags = Flags::default();
    let infinity = f64::INFINITY.to_bits();
    let nan = fma_f64(infinity, 0, f64::NAN.to_bits(), Rounding::Rne, &mut flags);
    assert_eq!((nan, flags.0), (F64::CANONICAL_NAN, Flags::NV));
}

#[test]
fn exact_results_leave_inexact_clear() {
    let mut flags = Flags::default();
    let rne = Rounding::Rne;
    let (three, four, half) = (3f64.to_bits(), 4f64.to_bits(), 0.5f64.to_bits());
    assert_eq!(add_f64(three, half, rne, &mut flags), 3.5f64.to_bits());
    assert_eq!(mul_f64(three, half, rne, &mut flags), 1.5f64.to_bits());
    assert_eq!(div_f64(three, four, rne, &mut flags), 0.75f64.to_bits());
    assert_eq!(sqrt_f64(four, rne, &mut flags), 2f64.to_bits());
    assert_eq!(
        fma_f64(three, four, half, rne, &mut flags),
        12.5f64.to_bits()
    );
    assert_eq!(flags, Flags::default());
    div_f64(four, three, rne, &mut flags);
    assert_eq!(flags, Flags(Flags::NX));
}

#[test]
fn integers_out_of_range_saturate_and_are_invalid_only() {
    let mut flags = Flags::default();
    let (rtz, nan) = (Rounding::Rtz, F64::CANONICAL_NAN | F64::SIGN);
    assert_eq!(to_u32_f64((-1f64).to_bits(), rtz, &mut flags), 0);
    assert_eq!(to_i64_f64(nan, rtz, &mut flags), i64::MAX);
    assert_eq!(to_u64_f64(1e30f64.to_bits(), rtz, &mut flags), u64::MAX);
    assert_eq!(to_i32_f32((-1e10f32).to_bits(), rtz, &mut flags), i32::MIN);
    assert_eq!(flags, Flags(Flags::NV));
}
