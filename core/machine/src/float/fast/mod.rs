//! The same operations on the host's arithmetic, where that is proven to agree with [`soft`](super::soft).
//!
//! Each has two steps. The first, inlined, is a handful of instructions and covers the usual
//! state of a program: rounding to nearest even, the inexact flag already set, and a result that
//! cannot have raised another one. The second, out of line, covers exact results with the
//! inexact flag clear, which is the state of a program that has only met whole numbers so far;
//! the first inexact result ends that state. All else is [`soft`](super::soft).
//!
//! Why a result can be taken from the host: it rounds as IEEE 754 says. Why the flags are known:
//! - A finite result did not overflow, and no operand was a NaN or an infinity, but for
//!   quotients, which are looked at separately.
//! - A result of at least twice the least normal value was not tiny before rounding either. (The
//!   least normal value itself may be the rounded form of a tiny one.)
//! - A sum or difference is a multiple of the least subnormal value, so where it is tiny it is
//!   exact: it never underflows.

mod arith;
mod convert;
mod exact;
mod fused;
mod host;
mod order;

pub use arith::{add, div, mul, sqrt, sub};
pub use convert::{
    f32_to_f64, f64_to_f32, from_i32, from_i64, from_u32, from_u64, to_i32, to_i64, to_u32, to_u64,
};
pub use fused::fma;
pub use host::Host;
pub use order::{eq, le, lt, max, min};

use super::{Flags, Rounding};

/// Whether an inexact result is what the host gives, and raises no flag that is not set.
#[inline(always)]
fn nearest_and_sticky(rm: Rounding, flags: &Flags) -> bool {
    rm == Rounding::Rne && flags.0 & Flags::NX != 0
}

/// Keeps a rare case out of the caller's line. The closure takes what it needs by value: by
/// reference, the operands would have to be in memory in the usual case too.
#[cold]
#[inline(never)]
fn rare<R>(operation: impl FnOnce() -> R) -> R {
    operation()
}
