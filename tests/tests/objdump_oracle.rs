//! The disassembler against GNU objdump: names and operands of random words of every row, and
//! which of all 16-bit encodings mean something.
//!
//! Without the assembler and `objdump` of `riscv64-unknown-elf` the tests say so and pass.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use virtarium_machine::isa::decode::{hint, length};
use virtarium_machine::isa::disassemble::{disassemble, f_name, x_name};
use virtarium_machine::isa::{Format, Op, Row, TABLE, decode};
use virtarium_tests::random::{Rng, seed};

const AS: &str = "riscv64-unknown-elf-as";
const OBJDUMP: &str = "riscv64-unknown-elf-objdump";
/// What binutils 2.40 knows of the machine's extensions.
const MARCH: &str = "-march=rv64gc_zicsr_zifencei_zihintpause_zba_zbb_zbs_zicbom_zicbop_zicboz\
    _zawrs_svinval";
/// Rows of extensions that came with a later binutils (Zicond: 2.41). QEMU judges them.
const UNKNOWN: [&str; 2] = ["czero.eqz", "czero.nez"];

/// Random words for each row.
const WORDS: usize = 200;

fn there() -> bool {
    for program in [AS, OBJDUMP] {
        if let Err(error) = Command::new(program).arg("--version").output() {
            println!("SKIPPED: {program}: {error}");
            return false;
        }
    }
    true
}

/// objdump's text for each encoding: mnemonic and operands.
fn objdump(name: &str, words: &[u32]) -> Vec<(String, String)> {
    let file = |suffix: &str| -> PathBuf {
        let name = format!("virtarium-{name}-{}.{suffix}", std::process::id());
        std::env::temp_dir().join(name)
    };
    let (source, object) = (file("s"), file("o"));
    let lines: String = words
        .iter()
        .map(|word| format!(".insn {}, {word:#x}\n", length(*word)))
        .collect();
    std::fs::write(&source, lines).expect("room for a source file");
    let run = |command: &mut Command| {
        let output = command.output().expect("binutils");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {errors}");
        String::from_utf8(output.stdout).expect("text")
    };
    run(Command::new(AS)
        .arg(MARCH)
        .arg(&source)
        .arg("-o")
        .arg(&object));
    let options = ["-d", "-z", "-M", "no-aliases,numeric"];
    let text = run(Command::new(OBJDUMP).args(options).arg(&object));
    for file in [source, object] {
        std::fs::remove_file(file).expect("our own file");
    }
    let lines: Vec<(String, String)> = text
        .lines()
        .filter_map(|line| {
            let (_, line) = line.split_once(":\t")?;
            let (_, text) = line.split_once('\t')?;
            let (name, operands) = text.split_once('\t').unwrap_or((text, ""));
            let operands = operands.split(['#', '<']).next().unwrap_or("");
            Some((name.trim().to_owned(), operands.trim().to_owned()))
        })
        .collect();
    assert_eq!(lines.len(), words.len(), "a line for each instruction");
    lines
}

/// Operands as numbers and registers, in order; without rounding modes.
fn tokens(operands: &str) -> Vec<String> {
    const MODES: [&str; 8] = ["rne", "rtz", "rdn", "rup", "rmm", "dyn", "?5", "?6"];
    let register = |word: &str| {
        let x = (0..32)
            .find(|n| x_name(*n) == word)
            .map(|n| format!("x{n}"));
        x.or_else(|| {
            (0..32)
                .find(|n| f_name(*n) == word)
                .map(|n| format!("f{n}"))
        })
    };
    let words = operands.split([',', '(', ')', ' ']);
    words
        .filter(|word| !word.is_empty() && !MODES.contains(word) && *word != "unknown")
        .map(|word| {
            if let Some(name) = register(word) {
                return name;
            }
            let hex = word.strip_prefix("0x");
            let number = hex.map_or_else(
                || word.parse().ok(),
                |hex| i64::from_str_radix(hex, 16).ok(),
            );
            number.map_or_else(|| word.to_owned(), |number: i64| number.to_string())
        })
        .collect()
}

/// Whether the row's immediate is written the same way by both.
fn comparable(row: &Row) -> bool {
    // Targets, fence sets and names of CSRs are spelled in other ways.
    !matches!(
        row.format,
        Format::B | Format::J | Format::Csr | Format::CsrI | Format::Fence | Format::FenceI
    )
}

/// `amoadd.w` of `amoadd.w.aqrl`.
fn stem(name: &str) -> &str {
    let orders = [".aqrl", ".aq", ".rl"];
    orders
        .iter()
        .find_map(|order| name.strip_suffix(order))
        .unwrap_or(name)
}

#[test]
fn rows_have_the_names_and_operands_that_objdump_gives() {
    if !there() {
        return;
    }
    let mut rng = Rng::new(seed("rows against objdump"));
    let mut words = Vec::new();
    for row in TABLE {
        // objdump has no name for a fence with reserved fields that are not zero.
        let free = match row.op {
            Op::Fence => 0x0ff0_0000,
            Op::FenceI => 0,
            _ => !row.mask,
        };
        words.extend((0..WORDS).map(|_| rng.next() as u32 & free | row.bits));
    }
    let theirs = objdump("rows", &words);
    let mut agreed: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (word, (name, operands)) in words.iter().zip(&theirs) {
        let row = decode(*word).row().expect("a row's word");
        let ours = disassemble(0, *word);
        let (our_name, our_operands) = ours.split_once(' ').unwrap_or((&ours, ""));
        let count = agreed.entry(row.name).or_default();
        // Bits that objdump has no name for; or a name for fixed operands of a row.
        if name.starts_with(".4byte") {
            continue;
        }
        let special = matches!(
            (row.op, name.as_str()),
            (Op::Fence, "fence.tso") | (Op::Csrrw, "unimp")
        );
        let same = stem(name) == our_name || special;
        let alike = !comparable(row) || hint(*word).is_some() || {
            tokens(operands) == tokens(our_operands)
        };
        if same && alike {
            *count += 1;
        } else {
            wrong.push(format!(
                "{word:08x}: {ours} here, {name} {operands} in objdump"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(40)].join("\n")
    );
    let few: Vec<_> = agreed.iter().filter(|(_, count)| **count == 0).collect();
    let few: Vec<&str> = few.into_iter().map(|(name, _)| *name).collect();
    println!(
        "{} words agree; not known to objdump: {few:?}",
        agreed.values().sum::<usize>()
    );
    assert!(few.iter().all(|name| UNKNOWN.contains(name)), "{few:?}");
}

/// The 32-bit instruction that a compressed one stands for, by names.
fn expanded(name: &str) -> &str {
    let name = name.strip_prefix("c.").unwrap_or(name);
    match name {
        "addi4spn" | "nop" | "li" | "addi16sp" => "addi",
        "mv" => "add",
        "j" => "jal",
        "jr" => "jalr",
        "beqz" => "beq",
        "bnez" => "bne",
        "slli64" => "slli",
        "srli64" => "srli",
        "srai64" => "srai",
        name => name.strip_suffix("sp").unwrap_or(name),
    }
}

#[test]
fn every_16_bit_encoding_is_what_objdump_says() {
    if !there() {
        return;
    }
    let halves: Vec<u32> = (0..0x1_0000).filter(|half| length(*half) == 2).collect();
    let theirs = objdump("halves", &halves);
    let mut wrong = Vec::new();
    for (half, (name, operands)) in halves.iter().zip(&theirs) {
        let ours = decode(*half).row().map_or("none", |row| row.name);
        let known = !name.starts_with('.') && name != "c.unimp" && name != "unimp";
        // C.ADDI16SP of nothing is reserved (unprivileged ISA, chapter "C").
        let reserved = *half == 0x6101;
        let known = known && !reserved;
        let theirs = if known { expanded(name) } else { "none" };
        if ours != theirs {
            wrong.push(format!(
                "{half:04x}: {ours} here, {name} {operands} in objdump"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(60)].join("\n")
    );
    println!("{} encodings agree", halves.len());
}
