//! The engine alone: one hart, RAM, and a bus that records.

mod accesses;
mod atomics;
mod bounds;
mod budgets;
mod changes;
mod evictions;
mod fetches;
mod floats;
mod sequences;

use alloc::vec::Vec;

use super::*;
use crate::arena::{Arena, Guarded};
use crate::cpu::{IsaConfig, Privilege};
use crate::isa::{Op, encode};
use crate::mem::RAM_BASE;
use crate::mmu::pte;
use crate::testing::Draw;

const RAM: u64 = 64 << 10;
/// Where the bus has a device.
const DEVICE: u64 = 0x1000_0000;
/// Where the bus has a program.
const ROM: u64 = 0x1000;
/// RAM for data, some pages behind the code.
const DATA: u64 = RAM_BASE + 0x4000;

/// An access to the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Made {
    Read(u64, Width),
    Write(u64, Width, u64),
}

/// Each read gives the next number.
#[derive(Default)]
struct Recording {
    made: Vec<Made>,
    /// Steps of the run that were left at each.
    left: Vec<u64>,
    reads: u64,
    rom: Vec<u16>,
    watched: Vec<(u64, u64, bool)>,
}

impl Bus for Recording {
    fn read(&mut self, pa: u64, width: Width, left: u64) -> Option<u64> {
        (DEVICE..DEVICE + 0x100).contains(&pa).then(|| {
            self.left.push(left);
            self.made.push(Made::Read(pa - DEVICE, width));
            self.reads += 1;
            0x80 + self.reads
        })
    }

    fn write(&mut self, pa: u64, width: Width, value: u64, left: u64) -> Option<()> {
        (DEVICE..DEVICE + 0x100).contains(&pa).then(|| {
            self.left.push(left);
            self.made.push(Made::Write(pa - DEVICE, width, value));
        })
    }

    fn fetch(&mut self, pa: u64) -> Option<u16> {
        let index = pa.checked_sub(ROM)? / 2;
        self.rom.get(index as usize).copied()
    }

    fn watched(&mut self, offset: u64, len: u64, write: bool) -> bool {
        self.watched.push((offset, len, write));
        false
    }
}

struct Rig {
    arena: Arena,
    hart: Hart,
    code: CodeCache,
    shortcuts: FetchShortcuts,
    bus: Recording,
    breakpoints: Vec<u64>,
    pass: Option<u64>,
}

impl Rig {
    /// A hart in machine mode at the start of RAM, where these instructions are.
    fn new(code: &[u32]) -> Self {
        Self::with_ram(code, RAM)
    }

    fn with_ram(code: &[u32], size: u64) -> Self {
        let isa = IsaConfig {
            ad_update: crate::cpu::AdUpdate::Svadu,
        };
        let mut rig = Self {
            arena: Arena::new(Guarded::for_ram(size), size).unwrap(),
            hart: Hart::new(0, &isa),
            code: CodeCache::new(size),
            shortcuts: FetchShortcuts::default(),
            bus: Recording::default(),
            breakpoints: Vec::new(),
            pass: None,
        };
        rig.hart.pc = RAM_BASE;
        rig.put(RAM_BASE, code);
        rig
    }

    fn put(&mut self, at: u64, code: &[u32]) {
        let bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.arena.ram().write(at - RAM_BASE, &bytes).unwrap();
    }

    fn run(&mut self, budget: u64) -> (u64, Stop) {
        let mut engine = Engine {
            hart: &mut self.hart,
            view: self.arena.hart(0).unwrap(),
            code: &mut self.code,
            shortcuts: &mut self.shortcuts,
            bus: &mut self.bus,
            breakpoints: &self.breakpoints,
            pass: self.pass,
        };
        engine.run(budget)
    }

    /// Makes `budget` steps, whatever has to be looked at.
    fn steps(&mut self, budget: u64) {
        let mut left = budget;
        while left > 0 {
            let (made, stop) = self.run(left);
            assert!(matches!(stop, Stop::Budget | Stop::Attention), "{stop:?}");
            left -= made;
        }
    }

    /// The trap that the next step ends in.
    fn trap(&mut self) -> (Exception, u64) {
        match self.run(1) {
            (0, Stop::Trap { exception, tval }) => (exception, tval),
            other => panic!("{other:x?}"),
        }
    }

    fn x(&mut self, register: u8) -> u64 {
        self.arena.hart(0).unwrap().x[usize::from(register)]
    }

    fn set_x(&mut self, register: u8, value: u64) {
        self.arena.hart(0).unwrap().x[usize::from(register)] = value;
    }

    fn word(&mut self, at: u64) -> u64 {
        self.arena.ram().load(at - RAM_BASE).unwrap()
    }

    fn set_word(&mut self, at: u64, value: u64) {
        self.arena.ram().store(at - RAM_BASE, value).unwrap();
    }

    /// Goes to supervisor mode with Sv39: RAM is mapped to itself by pages, but for those whose
    /// address is in `missing`. The tables lie at the end of RAM.
    fn translate(&mut self, missing: &[u64]) {
        let table = |nth: u64| RAM_BASE + RAM - 0x1000 * nth;
        let pointer = |nth: u64| table(nth) >> 2 | pte::V;
        self.set_word(table(1) + 8 * (RAM_BASE >> 30), pointer(2));
        self.set_word(table(2), pointer(3));
        for page in 0..RAM >> 12 {
            let at = RAM_BASE + (page << 12);
            let bits = pte::V | pte::R | pte::W | pte::X | pte::A | pte::D;
            let entry = if missing.contains(&at) {
                0
            } else {
                at >> 2 | bits
            };
            self.set_word(table(3) + 8 * page, entry);
        }
        self.hart.privilege = Privilege::Supervisor;
        self.hart.pmp.set_address(0, u64::MAX);
        self.hart.pmp.set_config(0, 0x1f);
        self.hart.csr.satp = 8 << 60 | table(1) >> 12;
    }
}

fn inst(op: Op, rd: u8, rs1: u8, rs2: u8, imm: i32) -> u32 {
    let fields = Inst {
        rm: 7,
        ..Inst::new(op, rd, rs1, rs2, imm)
    };
    encode(&fields).unwrap()
}

fn addi(rd: u8, rs1: u8, imm: i32) -> u32 {
    inst(Op::Addi, rd, rs1, 0, imm)
}

/// `c.addi x10, 1`
const C_ADDI: u16 = 0x0505;
