//! The operations under test: ours by both paths, and the oracle's.

use super::operands::Kind;
use super::oracle;
use std::num::FpCategory;
use virtarium_machine::float::{F32, F64, Flags, Rounding, soft};

/// Up to three operands, each in the low bits of a `u64`; those that an operation has not are 0.
pub type Values = [u64; 3];

/// One operation; results and integers are the low bits of a `u64`.
pub struct Operation {
    pub name: String,
    pub operands: &'static [Kind],
    /// Whether the rounding mode matters.
    pub rounds: bool,
    pub fast: fn(Values, Rounding, &mut Flags) -> u64,
    pub soft: fn(Values, Rounding, &mut Flags) -> u64,
    pub oracle: fn(Values) -> u64,
}

/// The entry points for binary32, under the names that both formats share.
mod names32 {
    pub use virtarium_machine::float::{
        add_f32 as add, class_f32 as class, div_f32 as div, eq_f32 as eq, fma_f32 as fma,
        from_i32_f32 as from_i32, from_i64_f32 as from_i64, from_u32_f32 as from_u32,
        from_u64_f32 as from_u64, le_f32 as le, lt_f32 as lt, max_f32 as max, min_f32 as min,
        mul_f32 as mul, sgnj_f32 as sgnj, sgnjn_f32 as sgnjn, sgnjx_f32 as sgnjx, sqrt_f32 as sqrt,
        sub_f32 as sub, to_i32_f32 as to_i32, to_i64_f32 as to_i64, to_u32_f32 as to_u32,
        to_u64_f32 as to_u64,
    };
}

/// The entry points for binary64, under the names that both formats share.
mod names64 {
    pub use virtarium_machine::float::{
        add_f64 as add, class_f64 as class, div_f64 as div, eq_f64 as eq, fma_f64 as fma,
        from_i32_f64 as from_i32, from_i64_f64 as from_i64, from_u32_f64 as from_u32,
        from_u64_f64 as from_u64, le_f64 as le, lt_f64 as lt, max_f64 as max, min_f64 as min,
        mul_f64 as mul, sgnj_f64 as sgnj, sgnjn_f64 as sgnjn, sgnjx_f64 as sgnjx, sqrt_f64 as sqrt,
        sub_f64 as sub, to_i32_f64 as to_i32, to_i64_f64 as to_i64, to_u32_f64 as to_u32,
        to_u64_f64 as to_u64,
    };
}

/// A row: the operands' values with the context, and the three ways to the result.
macro_rules! operation {
    ($name:expr, $operands:expr, $rounds:expr,
     |$v:ident, $rm:ident, $flags:ident| $fast:expr, $soft:expr, $oracle:expr) => {
        Operation {
            name: $name.to_string(),
            operands: $operands,
            rounds: $rounds,
            fast: |$v, $rm, $flags| {
                let _ = ($rm, &$flags);
                ($fast) as u64
            },
            soft: |$v, $rm, $flags| {
                let _ = ($rm, &$flags);
                ($soft) as u64
            },
            oracle: |$v| ($oracle) as u64,
        }
    };
}

/// All that a format can do with its own kind and with integers.
macro_rules! format_operations {
    ($format:ident, $bits:ident, $float:ident, $names:ident) => {{
        use oracle::$float as theirs;
        const ONE: &[Kind] = &[Kind::$format];
        const TWO: &[Kind] = &[Kind::$format, Kind::$format];
        const THREE: &[Kind] = &[Kind::$format, Kind::$format, Kind::$format];
        type Bits = $bits;

        fn minimum(a: Bits, b: Bits, greater: bool) -> Bits {
            // A quiet comparison of each with itself: raises invalid for a signalling NaN.
            let (a_is_number, b_is_number) = (theirs::eq(a, a), theirs::eq(b, b));
            match (a_is_number, b_is_number) {
                (false, false) => $float::NAN.to_bits(),
                (false, true) => b,
                (true, false) => a,
                (true, true) if theirs::lt_quiet(a, b) => [a, b][usize::from(greater)],
                (true, true) if theirs::lt_quiet(b, a) => [b, a][usize::from(greater)],
                // Equal, or zeros of either sign.
                (true, true) if greater => a & b,
                (true, true) => a | b,
            }
        }
        fn class(a: Bits) -> u64 {
            let x = $float::from_bits(a);
            let positive = x.is_sign_positive();
            1 << match x.classify() {
                FpCategory::Infinite => [0, 7][usize::from(positive)],
                FpCategory::Normal => [1, 6][usize::from(positive)],
                FpCategory::Subnormal => [2, 5][usize::from(positive)],
                FpCategory::Zero => [3, 4][usize::from(positive)],
                FpCategory::Nan => {
                    let quiet = 1 << ($float::MANTISSA_DIGITS - 2);
                    [8, 9][usize::from(a & quiet != 0)]
                }
            }
        }
        fn copysign(a: Bits, b: Bits) -> Bits {
            $float::from_bits(a)
                .copysign($float::from_bits(b))
                .to_bits()
        }
        fn negated(a: Bits) -> Bits {
            (-$float::from_bits(a)).to_bits()
        }

        macro_rules! name {
            ($op:literal) => {
                concat!($op, "_", stringify!($float))
            };
        }
        macro_rules! two {
            ($op:ident) => {
                operation!(
                    format!("{}_{}", stringify!($op), stringify!($float)),
                    TWO,
                    true,
                    |v, rm, flags| $names::$op(v[0] as Bits, v[1] as Bits, rm, flags),
                    soft::$op::<$format>(v[0] as Bits, v[1] as Bits, rm, flags),
                    theirs::$op(v[0] as Bits, v[1] as Bits)
                )
            };
        }
        macro_rules! compare {
            ($op:ident) => {
                operation!(
                    format!("{}_{}", stringify!($op), stringify!($float)),
                    TWO,
                    false,
                    |v, rm, flags| $names::$op(v[0] as Bits, v[1] as Bits, flags),
                    soft::$op::<$format>(v[0] as Bits, v[1] as Bits, flags),
                    theirs::$op(v[0] as Bits, v[1] as Bits)
                )
            };
        }
        macro_rules! pick {
            ($op:ident, $greater:expr) => {
                operation!(
                    format!("{}_{}", stringify!($op), stringify!($float)),
                    TWO,
                    false,
                    |v, rm, flags| $names::$op(v[0] as Bits, v[1] as Bits, flags),
                    soft::$op::<$format>(v[0] as Bits, v[1] as Bits, flags),
                    minimum(v[0] as Bits, v[1] as Bits, $greater)
                )
            };
        }
        macro_rules! sign {
            ($op:ident, |$a:ident, $b:ident| $expected:expr) => {
                operation!(
                    format!("{}_{}", stringify!($op), stringify!($float)),
                    TWO,
                    false,
                    |v, rm, flags| $names::$op(v[0] as Bits, v[1] as Bits),
                    $names::$op(v[0] as Bits, v[1] as Bits),
                    {
                        let ($a, $b) = (v[0] as Bits, v[1] as Bits);
                        $expected
                    }
                )
            };
        }
        macro_rules! to {
            ($op:ident, $integer:ident) => {
                operation!(
                    format!("{}_{}", stringify!($op), stringify!($float)),
                    ONE,
                    true,
                    |v, rm, flags| $names::$op(v[0] as Bits, rm, flags),
                    soft::to_integer::<$format>(
                        v[0] as Bits,
                        ($integer::MIN.into(), $integer::MAX.into()),
                        rm,
                        flags
                    ),
                    theirs::$op(v[0] as Bits)
                )
            };
        }
        macro_rules! from {
            ($op:ident, $integer:ident, $kind:ident) => {
                operation!(
                    format!("{}_{}", stringify!($op), stringify!($float)),
                    &[Kind::$kind],
                    true,
                    |v, rm, flags| $names::$op(v[0] as $integer, rm, flags),
                    {
                        let n = i128::from(v[0] as $integer);
                        soft::from_integer::<$format>(n < 0, n.unsigned_abs() as u64, rm, flags)
                    },
                    theirs::$op(v[0] as $integer)
                )
            };
        }
        vec![
            two!(add),
            two!(sub),
            two!(mul),
            two!(div),
            operation!(
                name!("sqrt"),
                ONE,
                true,
                |v, rm, flags| $names::sqrt(v[0] as Bits, rm, flags),
                soft::sqrt::<$format>(v[0] as Bits, rm, flags),
                theirs::sqrt(v[0] as Bits)
            ),
            operation!(
                name!("fma"),
                THREE,
                true,
                |v, rm, flags| $names::fma(v[0] as Bits, v[1] as Bits, v[2] as Bits, rm, flags),
                soft::fma::<$format>(v[0] as Bits, v[1] as Bits, v[2] as Bits, rm, flags),
                theirs::fma(v[0] as Bits, v[1] as Bits, v[2] as Bits)
            ),
            pick!(min, false),
            pick!(max, true),
            compare!(eq),
            compare!(lt),
            compare!(le),
            operation!(
                name!("class"),
                ONE,
                false,
                |v, rm, flags| $names::class(v[0] as Bits),
                $names::class(v[0] as Bits),
                class(v[0] as Bits)
            ),
            sign!(sgnj, |a, b| copysign(a, b)),
            sign!(sgnjn, |a, b| copysign(a, negated(b))),
            sign!(sgnjx, |a, b| if $float::from_bits(b).is_sign_negative() {
                negated(a)
            } else {
                a
            }),
            to!(to_i32, i32),
            to!(to_u32, u32),
            to!(to_i64, i64),
            to!(to_u64, u64),
            from!(from_i32, i32, Int32),
            from!(from_u32, u32, Int32),
            from!(from_i64, i64, Int64),
            from!(from_u64, u64, Int64),
        ]
    }};
}

/// The F extension's operations.
pub fn binary32() -> Vec<Operation> {
    format_operations!(F32, u32, f32, names32)
}

/// The D extension's operations, but for the conversions from and to binary32.
pub fn binary64() -> Vec<Operation> {
    format_operations!(F64, u64, f64, names64)
}

/// `fcvt.d.s` and `fcvt.s.d`.
pub fn between_formats() -> Vec<Operation> {
    use virtarium_machine::float::{f32_to_f64, f64_to_f32};
    vec![
        operation!(
            "f32_to_f64",
            &[Kind::F32],
            true,
            |v, rm, flags| f32_to_f64(v[0] as u32, flags),
            soft::convert::<F32, F64>(v[0] as u32, rm, flags),
            oracle::f32::widen(v[0] as u32)
        ),
        operation!(
            "f64_to_f32",
            &[Kind::F64],
            true,
            |v, rm, flags| f64_to_f32(v[0], rm, flags),
            soft::convert::<F64, F32>(v[0], rm, flags),
            oracle::f64::narrow(v[0])
        ),
    ]
}
