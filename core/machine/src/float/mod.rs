//! IEEE 754 binary32 and binary64 arithmetic as the F and D extensions define it: bits in, bits out.
//!
//! Every operation takes the bits of its operands, gives the bits of its result, and *adds* the
//! exceptions that it raised to a [`Flags`]. NaN-boxing of narrow values and the choice between
//! the static and the dynamic rounding mode belong to the caller.
//!
//! What RISC-V adds to IEEE 754 (unprivileged manual, "F" 1.1 to 1.7):
//! - a NaN result is always the canonical one: positive, quiet, no payload;
//! - tininess is detected after rounding;
//! - `fma(inf, 0, quiet NaN)` is invalid;
//! - a conversion to an integer saturates, a NaN as if it were plus infinity, and is then
//!   invalid and not inexact;
//! - `min` and `max` are `minimumNumber` and `maximumNumber` of IEEE 754-2019.
//!
//! There are two implementations. [`soft`] works on integers and covers everything: each format,
//! each rounding mode, each flag. [`fast`] tries the host's own arithmetic first, where it is
//! proven to give the same result and flags, and falls back on [`soft`]; the functions of this
//! module are those of [`fast`] and [`bits`] under a name for each format. A host is a machine whose `f32` and `f64` round to nearest even and keep subnormals,
//! which is what Rust promises of every target; the bits of its NaNs are never looked at.
//!
//! ```
//! use virtarium_machine::float::{Flags, Rounding, div_f64};
//!
//! let mut flags = Flags::default();
//! let third = div_f64(1f64.to_bits(), 3f64.to_bits(), Rounding::Rne, &mut flags);
//! assert_eq!(f64::from_bits(third), 1.0 / 3.0);
//! assert_eq!(flags, Flags(Flags::NX));
//! ```

pub mod bits;
mod entry;
pub mod fast;
mod format;
pub mod soft;
#[cfg(test)]
mod tests;

pub use entry::*;
pub use format::{F32, F64, Format};

/// A rounding mode, numbered as in the `rm` field of instructions and in `frm`.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rounding {
    /// To nearest, ties to even.
    Rne = 0,
    /// Towards zero.
    Rtz = 1,
    /// Down, towards minus infinity.
    Rdn = 2,
    /// Up, towards plus infinity.
    Rup = 3,
    /// To nearest, ties to the greater magnitude.
    Rmm = 4,
}

impl Rounding {
    /// Every mode, in the order of its number.
    pub const ALL: [Self; 5] = [Self::Rne, Self::Rtz, Self::Rdn, Self::Rup, Self::Rmm];

    /// The mode with that number, or `None` for 5 and 6, which are reserved, for 7, which stands
    /// for `frm` in an instruction and is reserved in `frm`, and for everything above.
    #[inline(always)]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::Rne),
            1 => Some(Self::Rtz),
            2 => Some(Self::Rdn),
            3 => Some(Self::Rup),
            4 => Some(Self::Rmm),
            _ => None,
        }
    }
}

/// Accrued exceptions in the layout of `fflags`. Operations set bits and never clear one.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Flags(pub u8);

impl Flags {
    /// Inexact.
    pub const NX: u8 = 1;
    /// Underflow.
    pub const UF: u8 = 2;
    /// Overflow.
    pub const OF: u8 = 4;
    /// Divide by zero.
    pub const DZ: u8 = 8;
    /// Invalid operation.
    pub const NV: u8 = 16;

    /// Adds exceptions, given as an or of the constants of this type.
    #[inline(always)]
    pub const fn raise(&mut self, exceptions: u8) {
        self.0 |= exceptions;
    }
}
