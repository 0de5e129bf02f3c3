//! Blocks on the interpreter: one hart in machine mode, without devices.

use virtarium_machine::arena::{Arena, Heap};
use virtarium_machine::cpu::{CsrContext, Hart, IsaConfig};
use virtarium_machine::interp::{Bus, CodeCache, Engine, FetchShortcuts, Stop};
use virtarium_machine::mem::{RAM_BASE, Width};
use virtarium_tests::translator::blocks::{Block, CODE_SIZE, WINDOW};

use crate::Outcome;

/// Nothing but RAM.
struct Nothing;

impl Bus for Nothing {
    fn read(&mut self, _: u64, _: Width, _: u64) -> Option<u64> {
        None
    }

    fn write(&mut self, _: u64, _: Width, _: u64, _: u64) -> Option<()> {
        None
    }

    fn fetch(&mut self, _: u64) -> Option<u16> {
        None
    }

    fn watched(&mut self, _: u64, _: u64, _: bool) -> bool {
        false
    }
}

const PMPCFG0: u16 = 0x3a0;
const PMPADDR0: u16 = 0x3b0;
/// Locked, hence for machine mode too; a naturally aligned power of two; execute only.
const EXECUTE_ONLY: u64 = 0x80 | 0x18 | 4;

pub struct Interpreter {
    arena: Arena,
    hart: Hart,
    code: CodeCache,
    shortcuts: FetchShortcuts,
}

impl Interpreter {
    pub fn new() -> Self {
        let size = CODE_SIZE + WINDOW.size;
        let storage = Heap::for_ram(size).expect("some pages");
        let mut hart = Hart::new(0, &IsaConfig::default());
        let cx = CsrContext {
            time: 0,
            instret: 0,
        };
        for (csr, value) in [
            (PMPADDR0, RAM_BASE >> 2 | (CODE_SIZE / 8 - 1)),
            (PMPCFG0, EXECUTE_ONLY),
        ] {
            let _ = hart.csr_write(csr, value, &cx).expect("machine mode");
        }
        Self {
            arena: Arena::new(storage, size).expect("some pages"),
            hart,
            code: CodeCache::new(size),
            shortcuts: FetchShortcuts::default(),
        }
    }

    /// Runs a block; its memory is what is in `memory` afterwards.
    pub fn run(&mut self, block: &Block, memory: &mut Vec<u8>) -> Outcome {
        let view = self.arena.hart(0).expect("hart 0");
        let ram = view.ram;
        ram.write(block.pc - RAM_BASE, &block.code).expect("RAM");
        ram.write(CODE_SIZE, &block.memory).expect("RAM");
        view.x[..32].copy_from_slice(&block.registers);
        self.hart.pc = block.pc;
        let mut engine = Engine {
            hart: &mut self.hart,
            view,
            code: &mut self.code,
            shortcuts: &mut self.shortcuts,
            bus: &mut Nothing,
            breakpoints: &[],
            pass: None,
        };
        let (_, stop) = engine.run(block.instructions.len() as u64);
        let trap = match stop {
            Stop::Budget => None,
            Stop::Trap { exception, tval } => Some((exception as u64, tval)),
            other => panic!("the interpreter stopped by {other:?} in\n{}", block.text()),
        };
        let mut registers = [0; 32];
        let view = self.arena.hart(0).expect("hart 0");
        registers.copy_from_slice(&view.x[..32]);
        memory.resize(WINDOW.size as usize, 0);
        view.ram.read(CODE_SIZE, memory).expect("RAM");
        Outcome {
            registers,
            pc: self.hart.pc,
            trap,
        }
    }
}
