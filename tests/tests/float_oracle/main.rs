//! F and D arithmetic against Berkeley SoftFloat with its RISC-V rules: each operation in each
//! rounding mode, result and flags, on corner operands crossed with one another and on random
//! ones.
//!
//! `VIRTARIUM_FLOAT_PAIRS` sets the random operand tuples per operation and mode (2,000; 46,000
//! with `VIRTARIUM_SOAK=1`), `VIRTARIUM_SEED` repeats a run.
//!
//! The crate with the oracle builds on x86-64 Linux only.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

mod operands;
mod operations;
mod oracle;

use std::fmt::Write;

use operands::{Operands, stream};
use operations::{Operation, Values};
use virtarium_machine::float::{Flags, Rounding};
use virtarium_tests::notes::counted;
use virtarium_tests::random::{seed, setting, soak};

/// Failures that are listed before a run gives up.
const LISTED: usize = 20;

fn tuples_per_mode() -> u64 {
    let count = if soak() { 46_000 } else { 2_000 };
    setting("VIRTARIUM_FLOAT_PAIRS").unwrap_or(count)
}

/// Every way in which one operation on one tuple can go wrong, appended to `failures`.
fn check(op: &Operation, values: Values, rm: Rounding, failures: &mut Vec<String>) {
    let (expected, raised) = oracle::run(rm, || (op.oracle)(values));
    let arity = op.operands.len();
    let mut compare = |path: &str, before: u8, run: fn(Values, Rounding, &mut Flags) -> u64| {
        let mut flags = Flags(before);
        let result = run(values, rm, &mut flags);
        if (result, flags.0) != (expected, raised | before) {
            let mut line = format!("{} {rm:?} {path}, fflags {before:#04x}:", op.name);
            for value in &values[..arity] {
                write!(line, " {value:#018x}").expect("a string takes all");
            }
            failures.push(format!(
                "{line} gives {result:#x} and {:#04x}, not {expected:#x} and {:#04x}",
                flags.0,
                raised | before
            ));
        }
    };
    compare("soft", 0, op.soft);
    compare("fast", 0, op.fast);
    compare("fast", Flags::NX, op.fast);
    compare("fast", Flags::NX | Flags::NV | Flags::OF, op.fast);
}

fn agrees_with_the_oracle(operations: &[Operation]) {
    let (seed, tuples) = (seed("floats against SoftFloat"), tuples_per_mode());
    println!("{tuples} random tuples per operation and mode");
    let (mut failures, mut judged) = (Vec::new(), 0);
    for op in operations {
        let operands = Operands::new(op.operands);
        let modes: &[Rounding] = if op.rounds {
            &Rounding::ALL
        } else {
            &[Rounding::Rne]
        };
        let mut corners = 0u64;
        for &rm in modes {
            operands.for_each_corner(|values| {
                corners += 1;
                check(op, values, rm, &mut failures);
            });
            let mut rng = stream(seed, &op.name, rm as u64);
            for _ in 0..tuples {
                check(op, operands.random(&mut rng), rm, &mut failures);
            }
        }
        judged += corners + tuples * modes.len() as u64;
        println!(
            "{:12} {} modes, {} corner and {tuples} random tuples in each, {} failures",
            op.name,
            modes.len(),
            corners / modes.len() as u64,
            failures.len()
        );
        assert!(
            failures.is_empty(),
            "{} differences, seed {seed:#x}; the first:\n{}",
            failures.len(),
            failures[..failures.len().min(LISTED)].join("\n")
        );
    }
    counted("floating-point results compared with SoftFloat", judged);
}

#[test]
fn binary32_agrees_with_softfloat() {
    agrees_with_the_oracle(&operations::binary32());
}

#[test]
fn binary64_agrees_with_softfloat() {
    agrees_with_the_oracle(&operations::binary64());
}

#[test]
fn conversions_between_formats_agree_with_softfloat() {
    agrees_with_the_oracle(&operations::between_formats());
}

#[test]
fn oracle_follows_the_rules_of_riscv() {
    let f = |x: f32| u64::from(x.to_bits());
    let mul = &operations::binary32()[2];
    assert_eq!(mul.name, "mul_f32");
    // Rounds up to the least normal value, and is tiny after rounding all the same.
    let tiny = oracle::run(Rounding::Rne, || {
        (mul.oracle)([0x3f7f_ffff, 0x0080_0000, 0])
    });
    assert_eq!(tiny, (0x0080_0000, Flags::NX | Flags::UF));
    // A signalling NaN with a payload becomes the canonical one.
    let nan = oracle::run(Rounding::Rne, || (mul.oracle)([0xff81_2345, f(1.0), 0]));
    assert_eq!(nan, (0x7fc0_0000, Flags::NV));
}
