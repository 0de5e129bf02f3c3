//! The operations by name, for each format: a list, and nothing else.

use super::format::{F32, F64};
use super::{Flags, Rounding, bits, fast};

/// One row: the name, the generic operation behind it, and the type of the integer, if any.
macro_rules! entry_points {
    ($format:ident $bits:ty, $title:literal:
        sign $($sign:ident = $sign_op:ident),*;
        class $class:ident;
        binary $($binary:ident = $binary_op:ident),*;
        unary $unary:ident = $unary_op:ident;
        ternary $ternary:ident = $ternary_op:ident;
        pick $($pick:ident = $pick_op:ident),*;
        compare $($compare:ident = $compare_op:ident),*;
        to $($to:ident = $to_op:ident $to_type:ty),*;
        from $($from:ident = $from_op:ident $from_type:ty),*;
    ) => {
        $(
            #[doc = concat!("[`bits::", stringify!($sign_op), "`] for ", $title, ".")]
            #[inline(always)]
            pub fn $sign(a: $bits, b: $bits) -> $bits {
                bits::$sign_op::<$format>(a, b)
            }
        )*
        #[doc = concat!("[`bits::class`] for ", $title, ".")]
        #[inline(always)]
        pub fn $class(a: $bits) -> u64 {
            bits::class::<$format>(a)
        }
        $(
            #[doc = concat!("[`fast::", stringify!($binary_op), "`] for ", $title, ".")]
            #[inline(always)]
            pub fn $binary(a: $bits, b: $bits, rm: Rounding, flags: &mut Flags) -> $bits {
                fast::$binary_op::<$format>(a, b, rm, flags)
            }
        )*
        #[doc = concat!("[`fast::", stringify!($unary_op), "`] for ", $title, ".")]
        #[inline(always)]
        pub fn $unary(a: $bits, rm: Rounding, flags: &mut Flags) -> $bits {
            fast::$unary_op::<$format>(a, rm, flags)
        }
        #[doc = concat!("[`fast::", stringify!($ternary_op), "`] for ", $title, ".")]
        #[inline(always)]
        pub fn $ternary(a: $bits, b: $bits, c: $bits, rm: Rounding, flags: &mut Flags) -> $bits {
            fast::$ternary_op::<$format>(a, b, c, rm, flags)
        }
        $(
            #[doc = concat!("[`fast::", stringify!($pick_op), "`] for ", $title, ".")]
            #[inline(always)]
            pub fn $pick(a: $bits, b: $bits, flags: &mut Flags) -> $bits {
                fast::$pick_op::<$format>(a, b, flags)
            }
        )*
        $(
            #[doc = concat!("[`fast::", stringify!($compare_op), "`] for ", $title, ".")]
            #[inline(always)]
            pub fn $compare(a: $bits, b: $bits, flags: &mut Flags) -> bool {
                fast::$compare_op::<$format>(a, b, flags)
            }
        )*
        $(
            #[doc = concat!("[`fast::", stringify!($to_op), "`] for ", $title, ".")]
            #[inline(always)]
            pub fn $to(a: $bits, rm: Rounding, flags: &mut Flags) -> $to_type {
                fast::$to_op::<$format>(a, rm, flags)
            }
        )*
        $(
            #[doc = concat!("[`fast::", stringify!($from_op), "`] for ", $title, ".")]
            #[inline(always)]
            pub fn $from(n: $from_type, rm: Rounding, flags: &mut Flags) -> $bits {
                fast::$from_op::<$format>(n, rm, flags)
            }
        )*
    };
}

pub use fast::{f32_to_f64, f64_to_f32};

entry_points! { F32 u32, "binary32":
    sign sgnj_f32 = sgnj, sgnjn_f32 = sgnjn, sgnjx_f32 = sgnjx;
    class class_f32;
    binary add_f32 = add, sub_f32 = sub, mul_f32 = mul, div_f32 = div;
    unary sqrt_f32 = sqrt;
    ternary fma_f32 = fma;
    pick min_f32 = min, max_f32 = max;
    compare eq_f32 = eq, lt_f32 = lt, le_f32 = le;
    to to_i32_f32 = to_i32 i32, to_u32_f32 = to_u32 u32, to_i64_f32 = to_i64 i64, to_u64_f32 = to_u64 u64;
    from from_i32_f32 = from_i32 i32, from_u32_f32 = from_u32 u32, from_i64_f32 = from_i64 i64, from_u64_f32 = from_u64 u64;
}

entry_points! { F64 u64, "binary64":
    sign sgnj_f64 = sgnj, sgnjn_f64 = sgnjn, sgnjx_f64 = sgnjx;
    class class_f64;
    binary add_f64 = add, sub_f64 = sub, mul_f64 = mul, div_f64 = div;
    unary sqrt_f64 = sqrt;
    ternary fma_f64 = fma;
    pick min_f64 = min, max_f64 = max;
    compare eq_f64 = eq, lt_f64 = lt, le_f64 = le;
    to to_i32_f64 = to_i32 i32, to_u32_f64 = to_u32 u32, to_i64_f64 = to_i64 i64, to_u64_f64 = to_u64 u64;
    from from_i32_f64 = from_i32 i32, from_u32_f64 = from_u32 u32, from_i64_f64 = from_i64 i64, from_u64_f64 = from_u64 u64;
}
