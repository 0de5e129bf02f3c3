//! The binary formats: their widths, and the constants that follow from them.

pub(super) mod sealed {
    /// Formats are those of this module: the fast paths are proven for these.
    pub trait Sealed {}
    impl Sealed for super::F32 {}
    impl Sealed for super::F64 {}
}

/// A binary interchange format of at most 64 bits (IEEE 754-2019, 3.4).
///
/// The constants are the format's bits in the low end of a `u64`.
pub trait Format: sealed::Sealed + Copy + 'static {
    /// The unsigned integer that holds a value's bits.
    type Bits: Copy + Eq + Into<u64> + core::fmt::LowerHex;

    /// Width of the exponent field.
    const EXPONENT_BITS: u32;
    /// Width of the fraction field; the significand has one bit more.
    const FRACTION_BITS: u32;

    /// The low bits of `raw` as a value's bits; what is above them must be zero.
    fn from_raw(raw: u64) -> Self::Bits;

    /// What is added to an exponent in its field; also the greatest exponent of a finite value.
    const BIAS: i32 = (1 << (Self::EXPONENT_BITS - 1)) - 1;
    /// The exponent of the least normal value, and of every subnormal one.
    const MIN_EXPONENT: i32 = 1 - Self::BIAS;
    /// The sign bit.
    const SIGN: u64 = 1 << (Self::EXPONENT_BITS + Self::FRACTION_BITS);
    /// Plus infinity: the exponent field full, the fraction zero.
    const INFINITY: u64 = ((1 << Self::EXPONENT_BITS) - 1) << Self::FRACTION_BITS;
    /// The fraction field.
    const FRACTION: u64 = (1 << Self::FRACTION_BITS) - 1;
    /// The least positive normal value; also the place of the significand's implicit bit.
    const MIN_NORMAL: u64 = 1 << Self::FRACTION_BITS;
    /// The fraction bit that tells a quiet NaN from a signalling one.
    const QUIET: u64 = 1 << (Self::FRACTION_BITS - 1);
    /// The NaN that every operation gives (unprivileged manual, "F" 1.3).
    const CANONICAL_NAN: u64 = Self::INFINITY | Self::QUIET;
}

/// binary32, "single precision": the F extension.
#[derive(Clone, Copy, Debug)]
pub struct F32;

/// binary64, "double precision": the D extension.
#[derive(Clone, Copy, Debug)]
pub struct F64;

impl Format for F32 {
    type Bits = u32;
    const EXPONENT_BITS: u32 = 8;
    const FRACTION_BITS: u32 = 23;

    #[inline(always)]
    fn from_raw(raw: u64) -> u32 {
        raw as u32
    }
}

impl Format for F64 {
    type Bits = u64;
    const EXPONENT_BITS: u32 = 11;
    const FRACTION_BITS: u32 = 52;

    #[inline(always)]
    fn from_raw(raw: u64) -> u64 {
        raw
    }
}

/// Whether the bits are those of a NaN.
#[inline(always)]
pub(super) fn is_nan<F: Format>(a: F::Bits) -> bool {
    a.into() & !F::SIGN > F::INFINITY
}

/// Whether the bits are those of a signalling NaN.
#[inline(always)]
pub(super) fn is_signalling<F: Format>(a: F::Bits) -> bool {
    is_nan::<F>(a) && a.into() & F::QUIET == 0
}
