//! What `--stats` prints.

use std::fmt::Write;
use std::time::Duration;

use virtarium_machine::machine::Statistics;

/// Exceptions by code (Privileged ISA, table of `mcause`).
const EXCEPTIONS: [&str; 16] = [
    "instruction address misaligned",
    "instruction access fault",
    "illegal instruction",
    "breakpoint",
    "load address misaligned",
    "load access fault",
    "store address misaligned",
    "store access fault",
    "ecall from U-mode",
    "ecall from S-mode",
    "exception 10",
    "ecall from M-mode",
    "instruction page fault",
    "load page fault",
    "exception 14",
    "store page fault",
];

/// Interrupts by code (the same table).
const INTERRUPTS: [&str; 16] = [
    "interrupt 0",
    "supervisor software interrupt",
    "interrupt 2",
    "machine software interrupt",
    "interrupt 4",
    "supervisor timer interrupt",
    "interrupt 6",
    "machine timer interrupt",
    "interrupt 8",
    "supervisor external interrupt",
    "interrupt 10",
    "machine external interrupt",
    "interrupt 12",
    "counter overflow interrupt",
    "interrupt 14",
    "interrupt 15",
];

/// The counts as a table, those that are zero left out.
pub fn table(statistics: &Statistics, time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let mips = match seconds > 0.0 {
        true => statistics.instructions as f64 / seconds / 1e6,
        false => 0.0,
    };
    let mut out = String::new();
    let _ = writeln!(
        out,
        "virtarium: {} instructions in {seconds:.3} s, {mips:.1} MIPS",
        statistics.instructions
    );
    let rows = [
        ("device register accesses", statistics.mmio),
        ("SBI calls", statistics.sbi),
        ("device requests completed", statistics.completions),
        ("times all harts were idle", statistics.idle),
    ];
    let traps = EXCEPTIONS
        .iter()
        .zip(statistics.exceptions)
        .chain(INTERRUPTS.iter().zip(statistics.interrupts))
        .map(|(name, count)| (*name, count));
    for (name, count) in rows.into_iter().chain(traps) {
        if count > 0 {
            let _ = writeln!(out, "{count:>16}  {name}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_names_what_happened_and_nothing_else() {
        let mut statistics = Statistics {
            instructions: 50_000_000,
            mmio: 7,
            ..Statistics::default()
        };
        statistics.exceptions[13] = 42;
        let text = table(&statistics, Duration::from_millis(500));
        assert!(
            text.contains("50000000 instructions in 0.500 s, 100.0 MIPS"),
            "{text}"
        );
        assert!(text.contains("42  load page fault"), "{text}");
        assert!(text.contains("7  device register accesses"), "{text}");
        assert!(!text.contains("breakpoint"), "{text}");
    }
}
