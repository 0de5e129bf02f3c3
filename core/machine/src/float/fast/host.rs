//! The formats that the host computes with.

use core::ops::{Add, Div, Mul, Sub};

use super::super::format::{F32, F64, Format};
use super::fused;

/// A format with arithmetic of the host behind it.
pub trait Host: Format {
    /// The host's type.
    type Value: Copy
        + PartialOrd
        + Add<Output = Self::Value>
        + Sub<Output = Self::Value>
        + Mul<Output = Self::Value>
        + Div<Output = Self::Value>;

    /// The value with these bits.
    fn value(bits: Self::Bits) -> Self::Value;
    /// The bits of a value; those of a NaN are unspecified.
    fn bits(value: Self::Value) -> Self::Bits;
    /// The square root of a positive finite value, rounded to nearest even.
    fn sqrt(value: Self::Value) -> Self::Value;
    /// The value nearest to `a * b + c`, ties to even, where it can be told cheaply and neither
    /// overflows nor underflows.
    fn fma_nearest(a: Self::Bits, b: Self::Bits, c: Self::Bits) -> Option<Self::Bits>;
    /// `a * b + c`, where it is a value of the format and that can be told cheaply.
    fn fma_exact(a: Self::Bits, b: Self::Bits, c: Self::Bits) -> Option<Self::Bits>;
    /// The value in binary64, exactly.
    fn widen(value: Self::Value) -> f64;
    /// The value nearest to an integer, ties to even.
    fn from_i64(n: i64) -> Self::Value;
    /// The value nearest to an integer, ties to even.
    fn from_u64(n: u64) -> Self::Value;
}

impl Host for F32 {
    type Value = f32;

    #[inline(always)]
    fn value(bits: u32) -> f32 {
        f32::from_bits(bits)
    }

    #[inline(always)]
    fn bits(value: f32) -> u32 {
        value.to_bits()
    }

    #[inline(always)]
    fn sqrt(value: f32) -> f32 {
        libm::sqrtf(value)
    }

    #[inline(always)]
    fn fma_nearest(a: u32, b: u32, c: u32) -> Option<u32> {
        fused::nearest_f32(a, b, c)
    }

    #[inline(always)]
    fn fma_exact(a: u32, b: u32, c: u32) -> Option<u32> {
        fused::exact_f32(a, b, c)
    }

    #[inline(always)]
    fn widen(value: f32) -> f64 {
        f64::from(value)
    }

    #[inline(always)]
    fn from_i64(n: i64) -> f32 {
        n as f32
    }

    #[inline(always)]
    fn from_u64(n: u64) -> f32 {
        n as f32
    }
}

impl Host for F64 {
    type Value = f64;

    #[inline(always)]
    fn value(bits: u64) -> f64 {
        f64::from_bits(bits)
    }

    #[inline(always)]
    fn bits(value: f64) -> u64 {
        value.to_bits()
    }

    #[inline(always)]
    fn sqrt(value: f64) -> f64 {
        libm::sqrt(value)
    }

    #[inline(always)]
    fn fma_nearest(a: u64, b: u64, c: u64) -> Option<u64> {
        fused::nearest_f64(a, b, c)
    }

    #[inline(always)]
    fn fma_exact(a: u64, b: u64, c: u64) -> Option<u64> {
        fused::exact_f64(a, b, c)
    }

    #[inline(always)]
    fn widen(value: f64) -> f64 {
        value
    }

    #[inline(always)]
    fn from_i64(n: i64) -> f64 {
        n as f64
    }

    #[inline(always)]
    fn from_u64(n: u64) -> f64 {
        n as f64
    }
}

/// Whether the bits are those of a finite value.
#[inline(always)]
pub(super) fn is_finite<F: Format>(a: F::Bits) -> bool {
    let greatest = (1 << F::EXPONENT_BITS) - 1;
    a.into() >> F::FRACTION_BITS & greatest != greatest
}

/// Whether the bits are those of a normal value.
#[inline(always)]
pub(super) fn is_normal<F: Format>(a: F::Bits) -> bool {
    (a.into() & !F::SIGN).wrapping_sub(F::MIN_NORMAL) < F::INFINITY - F::MIN_NORMAL
}

/// Whether a rounded result has neither overflowed nor underflowed: finite, and at least twice the
/// least normal value in magnitude. Asked of the exponent alone, which takes no 64-bit constants.
#[inline(always)]
pub(super) fn is_inside<F: Format>(a: F::Bits) -> bool {
    let greatest = (1 << F::EXPONENT_BITS) - 1;
    let exponent = a.into() >> F::FRACTION_BITS & greatest;
    exponent.wrapping_sub(2) < greatest - 2
}
