//! What the tests of the machine share: instruction words, small machines, a host that records.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::{Machine, MachineConfig, Turn};
use crate::arena::Heap;
use crate::boot::{Boot, Firmware, KERNEL_OFFSET};
use crate::host::{BlockRequest, BlockResult, ConsoleId, Host, Submitted, Token};
use crate::isa::{Inst, Op, encode};
use crate::mem::{PhysAddr, RAM_BASE};
use crate::time::Nanos;

pub const T0: u8 = 5;
pub const T1: u8 = 6;
pub const T2: u8 = 7;
pub const S0: u8 = 8;
pub const A0: u8 = 10;
pub const A1: u8 = 11;
pub const A6: u8 = 16;
pub const A7: u8 = 17;

/// Instructions in the reset ROM up to the jump into RAM.
pub const RESET_STEPS: u64 = 6;

/// Where the kernel of [`supervisor`] begins.
pub const KERNEL: u64 = RAM_BASE + KERNEL_OFFSET;

pub fn inst(op: Op, rd: u8, rs1: u8, rs2: u8, imm: i32) -> u32 {
    encode(&Inst::new(op, rd, rs1, rs2, imm)).unwrap()
}

/// `jal x0, .`
pub fn forever() -> u32 {
    inst(Op::Jal, 0, 0, 0, 0)
}

/// Loads a 32-bit constant, sign-extended: two instructions.
pub fn li(rd: u8, value: u32) -> [u32; 2] {
    let low = (value << 20) as i32 >> 20;
    let high = value.wrapping_sub(low as u32);
    [
        inst(Op::Lui, rd, 0, 0, high as i32),
        inst(Op::Addiw, rd, rd, 0, low),
    ]
}

fn bytes(code: &[u32]) -> Vec<u8> {
    code.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A configuration that runs these instructions in machine mode from the start of RAM.
pub fn bare_config(code: &[u32], harts: usize) -> MachineConfig {
    MachineConfig {
        ram_size: 1 << 20,
        harts,
        boot: Boot {
            firmware: Firmware::None,
            loads: alloc::vec![(RAM_BASE, bytes(code))],
            ..Boot::default()
        },
        ..MachineConfig::default()
    }
}

pub fn build(config: MachineConfig) -> Machine {
    let storage = Heap::for_ram(config.ram_size).unwrap();
    Machine::new(config, storage).unwrap()
}

pub fn bare(code: &[u32], harts: usize) -> Machine {
    build(bare_config(code, harts))
}

/// A machine that runs these instructions in supervisor mode over the firmware, from [`KERNEL`].
pub fn supervisor(code: &[u32], harts: usize) -> Machine {
    build(MachineConfig {
        ram_size: 8 << 20,
        harts,
        boot: Boot {
            kernel: Some(bytes(code)),
            ..Boot::default()
        },
        ..MachineConfig::default()
    })
}

/// An embedder that keeps what it is told and answers as it was told to.
#[derive(Default)]
pub struct Recorder {
    pub printed: Vec<u8>,
    pub requests: Vec<(Token, BlockRequest)>,
    /// Answers at once; when there are none, later.
    pub answers: VecDeque<BlockResult>,
    pub abandoned: Vec<Token>,
    pub refuses_skips: bool,
    /// Bytes printed from which on it has enough.
    pub room: Option<usize>,
}

impl Host for Recorder {
    fn block(&mut self, _: usize, token: Token, request: &BlockRequest) -> Submitted {
        self.requests.push((token, request.clone()));
        self.answers
            .pop_front()
            .map_or(Submitted::Pending, Submitted::Done)
    }

    fn abandon(&mut self, token: Token) {
        self.abandoned.push(token);
    }

    fn console(&mut self, _: ConsoleId, bytes: &[u8]) {
        self.printed.extend(bytes);
    }

    fn is_full(&self) -> bool {
        self.room.is_some_and(|room| self.printed.len() >= room)
    }

    fn may_skip(&mut self, _: crate::time::Ticks) -> bool {
        !self.refuses_skips
    }
}

impl Machine {
    pub(in crate::machine) fn x(&mut self, hart: usize, register: u8) -> u64 {
        self.registers(hart).unwrap()[usize::from(register)]
    }

    pub(in crate::machine) fn word(&mut self, at: u64) -> u64 {
        self.memory().load(PhysAddr(at)).unwrap()
    }

    /// Runs one step of this hart, whose turn it becomes.
    pub(in crate::machine) fn one_step_of(&mut self, hart: usize, host: &mut dyn Host) {
        self.turn = Turn::first(self.config.quantum);
        self.turn.hart = hart;
        let _ = self.run(1, Nanos(0), host);
    }
}
