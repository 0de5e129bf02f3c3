//! Instructions against QEMU: random blocks, compared by everything that they leave behind, and
//! integer operations on corner operands.
//!
//! `VIRTARIUM_RANDOM_INSTRUCTIONS` sets how many instructions random blocks run (200,000; ten
//! million with `VIRTARIUM_SOAK=1`), `VIRTARIUM_SEED` repeats a run, `VIRTARIUM_BLOCK` one block of
//! it alone, and `VIRTARIUM_FIRST_BLOCK` its rest from that block on: one that jumps away meets the
//! others of its batch. Without `qemu-system-riscv64` the tests say so and pass.

use std::collections::HashMap;

use virtarium_machine::isa::{Op, SEQUENCES, TABLE};
use virtarium_tests::notes::counted;
use virtarium_tests::random::{Rng, seed, setting, soak};
use virtarium_tests::randoms::block::{Block, Blocks};
use virtarium_tests::randoms::{
    SIGNATURE, compare, known, pairs, qemu, run_here, run_in_slices, runner,
};

/// Whether there is a QEMU to compare with; if not, says why.
fn qemu_is_there() -> bool {
    match qemu::version() {
        Ok(version) => {
            println!("QEMU {version}");
            true
        }
        Err(reason) => {
            println!("SKIPPED: {reason}");
            false
        }
    }
}

/// Instructions that the runner itself needs for a block, and for a batch.
fn overhead() -> (u64, u64) {
    let nops = TABLE.iter().find(|row| row.op == Op::Addi).expect("a row");
    let steps = |count: usize| {
        let blocks: Vec<Block> = (0..count).map(|_| Block::empty(nops)).collect();
        let image = runner::image(&blocks, &mut Rng::new(0));
        run_here(&image, runner::signatures(), 8)
            .expect("an end")
            .steps
    };
    let (one, two) = (steps(1), steps(2));
    // An empty block is one instruction.
    let each = two - one - 1;
    (each, one - each - 1)
}

#[test]
fn random_blocks_leave_what_they_leave_in_qemu() {
    if !qemu_is_there() {
        return;
    }
    let seed = seed("instructions against QEMU");
    let count = if soak() { 10_000_000 } else { 200_000 };
    let goal = setting("VIRTARIUM_RANDOM_INSTRUCTIONS").unwrap_or(count);
    let only = setting("VIRTARIUM_BLOCK");
    let (each, batch) = overhead();
    let first = only.or(setting("VIRTARIUM_FIRST_BLOCK")).unwrap_or(0);
    let (mut number, mut executed, mut reports) = (first, 0, Vec::new());
    let mut firsts = vec![0_u64; TABLE.len()];
    let mut sequences = HashMap::new();
    while executed < goal && reports.len() < 20 {
        let blocks = Blocks::draw(seed, number, if only.is_some() { 1 } else { usize::MAX });
        let blocks = blocks.0;
        number += blocks.len() as u64;
        for block in &blocks {
            firsts[block.first as usize] += 1;
            for sequence in block.sequences() {
                *sequences.entry(sequence).or_insert(0_u64) += 1;
            }
        }
        let image = runner::image(&blocks, &mut Rng::case(seed, u64::MAX));
        let len = blocks.len() * SIGNATURE * 8;
        let ours = run_here(&image, runner::signatures(), len).unwrap_or_else(|(left, state)| {
            let block = blocks.len() - 1 - left as usize;
            panic!("hangs here: {state}\n{}", blocks[block])
        });
        // Cut into pieces, sequences with one dispatch are cut too: nothing of that may show.
        let mut pieces = Rng::case(seed, number);
        let cut = run_in_slices(&image, runner::signatures(), len, || 1 + pieces.below(6));
        let cut = cut.expect("the end that it has in one piece");
        let states = cut.bytes.chunks(SIGNATURE * 8);
        let mut both = states.zip(ours.bytes.chunks(SIGNATURE * 8));
        if let Some(block) = both.position(|(cut, whole)| cut != whole) {
            let block = &blocks[block];
            panic!(
                "seed {seed:#x}, block {}, differs when it is run in pieces:\n{}",
                block.number,
                block.text()
            );
        }
        assert_eq!(cut.steps, ours.steps, "seed {seed:#x}, before {number}");
        let theirs = qemu::run(&image, runner::signatures(), len);
        executed += ours.steps - batch - each * blocks.len() as u64;
        reports.extend(compare(&blocks, &image, &ours.bytes, &theirs));
        if only.is_some() {
            break;
        }
    }
    counted("random instructions compared with QEMU", executed);
    println!("in {number} blocks");
    assert!(
        reports.is_empty(),
        "seed {seed:#x}: {} blocks differ:\n{}",
        reports.len(),
        reports.join("\n")
    );
    if only.is_some() {
        return;
    }
    for known in known::KNOWN {
        println!(
            "known: {}: {} ({}; {})",
            known.what, known.why, known.mask, known.other
        );
    }
    // Round robin: each row has been first in a block, so executed, equally often.
    let least = goal / 4000;
    for row in TABLE {
        let times = firsts[row.op as usize];
        assert!(
            times >= least || known::other_oracle(row).is_some(),
            "{}: {times} times at a block's entry, {least} expected",
            row.name
        );
    }
    // And each sequence has begun in many.
    let times = |name| sequences.get(name).copied().unwrap_or(0);
    let rarest = SEQUENCES.iter().map(|(name, _)| (times(name), name)).min();
    let (times, name) = rarest.expect("sequences");
    println!("the rarest sequence: {name:?}, in code {times} times");
    assert!(times >= goal / 4000, "{name:?}: {times} times");
}

#[test]
fn integer_operations_on_corners_give_what_qemu_gives() {
    if !qemu_is_there() {
        return;
    }
    let directed = pairs::directed(seed("corner operands against QEMU"));
    for (name, count) in directed.counts() {
        assert!(count >= 2000, "{name}: {count} pairs");
    }
    let len = directed.bytes();
    let ours = run_here(&directed.image, directed.from(), len).expect("an end");
    let theirs = qemu::run(&directed.image, directed.from(), len);
    let reports = directed.compare(&ours.bytes, &theirs);
    counted("corner results compared with QEMU", len as u64 / 8);
    assert!(
        reports.is_empty(),
        "{} differ:\n{}",
        reports.len(),
        reports[..reports.len().min(20)].join("\n")
    );
}
