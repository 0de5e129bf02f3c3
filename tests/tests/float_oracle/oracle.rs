//! Berkeley SoftFloat, with the RISC-V specialisation.
//!
//! Its rounding mode and flags are thread-local variables, so tests may run in parallel.
#![allow(unsafe_code, reason = "the oracle is a C library")]

use softfloat_sys as c;
use virtarium_machine::float::Rounding;

/// Runs one operation of the oracle in a rounding mode: its result, and the flags that it raised
/// in the layout of `fflags`, which is SoftFloat's.
pub fn run(rm: Rounding, operation: impl FnOnce() -> u64) -> (u64, u8) {
    // SoftFloat numbers its modes as RISC-V does.
    // SAFETY: these set and read variables of this thread, and take any value.
    unsafe {
        c::softfloat_roundingMode_write_helper(rm as u8);
        c::softfloat_exceptionFlags_write_helper(0);
        let result = operation();
        (result, c::softfloat_exceptionFlags_read_helper())
    }
}

fn mode() -> u8 {
    // SAFETY: reads a variable of this thread.
    unsafe { c::softfloat_roundingMode_read_helper() }
}

/// One module for each format: SoftFloat's functions on plain bits.
macro_rules! format_module {
    ($module:ident $bits:ty, $value:ident {
        binary $($binary:ident = $c_binary:ident),*;
        compare $($compare:ident = $c_compare:ident),*;
        unary $unary:ident = $c_unary:ident;
        ternary $ternary:ident = $c_ternary:ident;
        convert $convert:ident = $c_convert:ident $other:ty;
        to $($to:ident = $c_to:ident $to_type:ty),*;
        from $($from:ident = $c_from:ident $from_type:ty),*;
    }) => {
        pub mod $module {
            use super::c;

            fn v(bits: $bits) -> c::$value {
                c::$value { v: bits }
            }
            $(pub fn $binary(a: $bits, b: $bits) -> $bits {
                // SAFETY: a pure function but for this thread's flags.
                unsafe { c::$c_binary(v(a), v(b)).v }
            })*
            $(pub fn $compare(a: $bits, b: $bits) -> bool {
                // SAFETY: a pure function but for this thread's flags.
                unsafe { c::$c_compare(v(a), v(b)) }
            })*
            pub fn $unary(a: $bits) -> $bits {
                // SAFETY: a pure function but for this thread's flags.
                unsafe { c::$c_unary(v(a)).v }
            }
            pub fn $ternary(a: $bits, b: $bits, addend: $bits) -> $bits {
                // SAFETY: a pure function but for this thread's flags.
                unsafe { c::$c_ternary(v(a), v(b), v(addend)).v }
            }
            pub fn $convert(a: $bits) -> $other {
                // SAFETY: a pure function but for this thread's flags.
                unsafe { c::$c_convert(v(a)).v }
            }
            $(pub fn $to(a: $bits) -> $to_type {
                // SAFETY: a pure function but for this thread's flags; `true` lets it raise
                // inexact.
                unsafe { c::$c_to(v(a), super::mode(), true) as $to_type }
            })*
            $(pub fn $from(n: $from_type) -> $bits {
                // SAFETY: a pure function but for this thread's flags.
                unsafe { c::$c_from(n).v }
            })*
        }
    };
}

format_module! { f32 u32, float32_t {
    binary add = f32_add, sub = f32_sub, mul = f32_mul, div = f32_div;
    compare eq = f32_eq, lt = f32_lt, le = f32_le, lt_quiet = f32_lt_quiet;
    unary sqrt = f32_sqrt;
    ternary fma = f32_mulAdd;
    convert widen = f32_to_f64 u64;
    to to_i32 = f32_to_i32 i32, to_u32 = f32_to_ui32 u32, to_i64 = f32_to_i64 i64, to_u64 = f32_to_ui64 u64;
    from from_i32 = i32_to_f32 i32, from_u32 = ui32_to_f32 u32, from_i64 = i64_to_f32 i64, from_u64 = ui64_to_f32 u64;
} }

format_module! { f64 u64, float64_t {
    binary add = f64_add, sub = f64_sub, mul = f64_mul, div = f64_div;
    compare eq = f64_eq, lt = f64_lt, le = f64_le, lt_quiet = f64_lt_quiet;
    unary sqrt = f64_sqrt;
    ternary fma = f64_mulAdd;
    convert narrow = f64_to_f32 u32;
    to to_i32 = f64_to_i32 i32, to_u32 = f64_to_ui32 u32, to_i64 = f64_to_i64 i64, to_u64 = f64_to_ui64 u64;
    from from_i32 = i32_to_f64 i32, from_u32 = ui32_to_f64 u32, from_i64 = i64_to_f64 i64, from_u64 = ui64_to_f64 u64;
} }
