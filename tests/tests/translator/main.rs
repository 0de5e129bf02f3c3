//! Random blocks on the interpreter and on the second back end, which emits wasm from the same
//! definition of each instruction: all registers, the next pc, traps and memory are equal.
//!
//! `VIRTARIUM_BLOCKS` sets the number of blocks (20,000; 1,000,000 with `VIRTARIUM_SOAK=1`),
//! `VIRTARIUM_SEED` repeats a run.

mod interpreter;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use interpreter::Interpreter;
use virtarium_machine::isa::{Op, TABLE, encode};
use virtarium_tests::notes;
use virtarium_tests::random::{seed, setting, soak};
use virtarium_tests::translator::blocks::{Block, WINDOW};
use virtarium_tests::translator::{CAUSE, PC, TVAL, WINDOW as WINDOW_OFFSET, takes, translate};
use wasmtime::{
    Config, Engine, Instance, Memory, MemoryType, Module, OptLevel, RegallocAlgorithm, Store,
};

/// Functions in a module.
const BATCH: u64 = 500;

/// What a block leaves behind, but for memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    registers: [u64; 32],
    /// Where the block leads, or the instruction that traps.
    pc: u64,
    /// Code in `mcause`, and `mtval`.
    trap: Option<(u64, u64)>,
}

fn engine() -> Engine {
    let mut config = Config::new();
    // A block runs once: compiling it is what takes time.
    config.cranelift_opt_level(OptLevel::None);
    config.cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass);
    Engine::new(&config).expect("a configuration")
}

/// Blocks in wasm, one module of them.
struct Translated {
    store: Store<()>,
    memory: Memory,
    instance: Instance,
}

impl Translated {
    fn new(engine: &Engine, blocks: &[Block]) -> Self {
        let scanned: Vec<_> = blocks
            .iter()
            .map(|block| block.instructions.clone())
            .collect();
        let bytes = translate(&scanned, WINDOW);
        let module = Module::new(engine, &bytes).expect("the module is valid");
        let mut store = Store::new(engine, ());
        let memory = Memory::new(&mut store, MemoryType::new(1, None)).expect("memory");
        let instance = Instance::new(&mut store, &module, &[memory.into()]);
        Self {
            instance: instance.expect("the module imports its memory"),
            memory,
            store,
        }
    }

    /// Runs a block; its memory is what is in `memory` afterwards.
    fn run(&mut self, number: usize, block: &Block, memory: &mut Vec<u8>) -> Outcome {
        let window = WINDOW_OFFSET as usize..(WINDOW_OFFSET + WINDOW.size) as usize;
        let data = self.memory.data_mut(&mut self.store);
        data[..WINDOW_OFFSET as usize].fill(0);
        for (to, from) in data.chunks_exact_mut(8).zip(block.registers) {
            to.copy_from_slice(&from.to_le_bytes());
        }
        data[window.clone()].copy_from_slice(&block.memory);
        let function = self
            .instance
            .get_typed_func::<(), ()>(&mut self.store, &number.to_string())
            .expect("a function for each block");
        if let Err(error) = function.call(&mut self.store, ()) {
            panic!("the emitted code traps: {error:?} in\n{}", block.text());
        }
        let data = self.memory.data(&self.store);
        let word = |at: u64| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&data[at as usize..at as usize + 8]);
            u64::from_le_bytes(bytes)
        };
        let mut registers = [0; 32];
        for (at, register) in (0..).step_by(8).zip(&mut registers) {
            *register = word(at);
        }
        memory.clear();
        memory.extend(&data[window]);
        Outcome {
            registers,
            pc: word(PC),
            trap: word(CAUSE).checked_sub(1).map(|cause| (cause, word(TVAL))),
        }
    }
}

/// The first difference in words, if there is one.
fn difference(
    [interpreted, translated]: [&Outcome; 2],
    [before, after]: [&[u8]; 2],
) -> Option<String> {
    for (number, (a, b)) in interpreted
        .registers
        .iter()
        .zip(translated.registers)
        .enumerate()
    {
        if *a != b {
            return Some(format!("x{number}: interpreter {a:#x}, wasm {b:#x}"));
        }
    }
    if interpreted.pc != translated.pc {
        let (a, b) = (interpreted.pc, translated.pc);
        return Some(format!("pc: interpreter {a:#x}, wasm {b:#x}"));
    }
    if interpreted.trap != translated.trap {
        let (a, b) = (interpreted.trap, translated.trap);
        return Some(format!("trap: interpreter {a:x?}, wasm {b:x?}"));
    }
    let at = before.iter().zip(after).position(|(a, b)| a != b)?;
    Some(format!(
        "memory at {:#x}: interpreter {:#x}, wasm {:#x}",
        WINDOW.at + at as u64,
        before[at],
        after[at]
    ))
}

fn report(seed: u64, number: u64, block: &Block, difference: &str) -> String {
    let mut text = format!(
        "block {number} of VIRTARIUM_SEED={seed:#x}: {difference}\n{}",
        block.text()
    );
    for (number, value) in block.registers.iter().enumerate() {
        let end = if number % 4 == 3 { '\n' } else { ' ' };
        let _ = write!(text, "x{number}={value:#x}{end}");
    }
    text
}

#[test]
fn random_blocks_do_the_same_in_wasm() {
    let seed = seed("translated blocks");
    let default = if soak() { 1_000_000 } else { 20_000 };
    let blocks = setting("VIRTARIUM_BLOCKS").unwrap_or(default);
    let engine = engine();
    let mut interpreter = Interpreter::new();
    let mut times = [Duration::ZERO; 3];
    let (mut here, mut there) = (Vec::new(), Vec::new());
    let mut used: BTreeMap<Op, u64> = BTreeMap::new();
    let (mut instructions, mut compressed, mut traps) = (0, 0, 0);
    for first in (0..blocks).step_by(BATCH as usize) {
        let numbers = first..(first + BATCH).min(blocks);
        let batch: Vec<Block> = numbers.map(|n| Block::random(seed, n)).collect();
        let start = Instant::now();
        let mut translated = Translated::new(&engine, &batch);
        times[0] += start.elapsed();
        for (number, block) in batch.iter().enumerate() {
            let start = Instant::now();
            let interpreted = interpreter.run(block, &mut here);
            times[1] += start.elapsed();
            let start = Instant::now();
            let outcome = translated.run(number, block, &mut there);
            times[2] += start.elapsed();
            if let Some(difference) = difference([&interpreted, &outcome], [&here, &there]) {
                panic!(
                    "{}",
                    report(seed, first + number as u64, block, &difference)
                );
            }
            traps += u64::from(interpreted.trap.is_some());
            for placed in &block.instructions {
                instructions += 1;
                compressed += u64::from(placed.length == 2);
                *used.entry(placed.inst.op).or_default() += 1;
            }
        }
    }
    notes::counted("translated blocks", blocks);
    println!(
        "{blocks} blocks, {instructions} instructions, {compressed} of them compressed, \
         {traps} traps; emitted and compiled in {:.2?}, interpreted in {:.2?}, run in {:.2?}",
        times[0], times[1], times[2]
    );
    if blocks >= 20_000 {
        assert!(traps > blocks / 20, "{traps} blocks trap");
        assert!(traps < blocks * 3 / 4, "{traps} blocks trap");
        for row in TABLE.iter().filter(|row| encode_takes(row.bits)) {
            let count = used.get(&row.op).copied().unwrap_or_default();
            assert!(count > 50, "{}: {count} times only", row.name);
        }
    }
}

fn encode_takes(bits: u32) -> bool {
    let inst = virtarium_machine::isa::decode(bits);
    debug_assert_eq!(encode(&inst).is_some(), inst.row().is_some());
    takes(&inst)
}

#[test]
fn a_wrong_instruction_is_found() {
    // What is translated subtracts where the interpreter adds.
    let seed = 1;
    let found = (0..200).any(|n| {
        let block = Block::random(seed, n);
        let mut wrong = block.clone();
        for placed in &mut wrong.instructions {
            if placed.inst.op == Op::Add {
                placed.inst.op = Op::Sub;
            }
        }
        let (mut here, mut there) = (Vec::new(), Vec::new());
        let interpreted = Interpreter::new().run(&block, &mut here);
        let mut translated = Translated::new(&engine(), std::slice::from_ref(&wrong));
        let outcome = translated.run(0, &wrong, &mut there);
        difference([&interpreted, &outcome], [&here, &there]).is_some()
    });
    assert!(found);
}

#[test]
fn blocks_are_what_they_are_said_to_be() {
    for n in 0..2000 {
        let block = Block::random(2, n);
        let length: u64 = block.instructions.iter().map(|placed| placed.length).sum();
        assert_eq!(length, block.code.len() as u64, "{}", block.text());
        assert!((20..=60).contains(&block.instructions.len()));
    }
}
