//! Random blocks: code, registers and memory, all from one seed and a number.

use virtarium_machine::isa::decode::{decode, length};
use virtarium_machine::isa::disassemble::disassemble;
use virtarium_machine::isa::{Class, Inst, Op, Row, TABLE, encode};
use virtarium_machine::mem::RAM_BASE;

use super::{Placed, Window, scan, takes};
use crate::random::Rng;

/// Bytes of code, from the start of RAM on: two pages, neither of which can be read or written.
pub const CODE_SIZE: u64 = 2 * 4096;
/// Two pages that can, up to the end of RAM.
pub const WINDOW: Window = Window {
    at: RAM_BASE + CODE_SIZE,
    size: 2 * 4096,
};

/// Registers that mostly point into the window: `sp`, `s0`, `s1`, `a0`, `a5`.
const POINTERS: [u8; 5] = [2, 8, 9, 10, 15];

/// Numbers at which instructions change their minds.
const CORNERS: [u64; 18] = [
    0,
    1,
    2,
    7,
    31,
    32,
    63,
    64,
    u64::MAX,
    i64::MAX as u64,
    i64::MIN as u64,
    i32::MAX as u64,
    i32::MIN as i64 as u64,
    u32::MAX as u64,
    0x8000_0000,
    0x7fff_ffff_8000_0000,
    0xff00_ff00_00ff_00ff,
    0x0123_4567_89ab_cdef,
];

/// A block with what it starts from.
#[derive(Clone, Debug)]
pub struct Block {
    /// The address of its first instruction.
    pub pc: u64,
    /// Its bits.
    pub code: Vec<u8>,
    /// The same, decoded.
    pub instructions: Vec<Placed>,
    /// x0 to x31.
    pub registers: [u64; 32],
    /// The window's content.
    pub memory: Vec<u8>,
}

impl Block {
    /// The n-th block of a seed: 20 to 60 instructions, of which the last one is a branch or a
    /// jump.
    #[must_use]
    pub fn random(seed: u64, n: u64) -> Self {
        let mut rng = Rng::case(seed, n);
        let rng = &mut rng;
        let count = 20 + rng.below(41);
        let mut code = Vec::new();
        for _ in 1..count {
            push(&mut code, straight(rng));
        }
        push(&mut code, leaving(rng));
        // Anywhere, or across the border of two pages.
        let span = CODE_SIZE - code.len() as u64;
        let offset = if rng.once_in(4) {
            4096 - rng.below(code.len() as u64)
        } else {
            rng.below(span)
        };
        let pc = RAM_BASE + (offset & !1);
        let words = (0..WINDOW.size / 8).flat_map(|_| value(rng).to_le_bytes());
        let memory = words.collect();
        let mut registers = [0; 32];
        for (register, to) in (0..).zip(&mut registers).skip(1) {
            *to = if POINTERS.contains(&register) {
                pointer(rng)
            } else {
                value(rng)
            };
        }
        Self {
            pc,
            instructions: scan(pc, &code),
            code,
            registers,
            memory,
        }
    }

    /// The block as text, one instruction a line.
    #[must_use]
    pub fn text(&self) -> String {
        let line = |placed: &Placed| {
            format!(
                "  {:#x}: {:0width$x} {}\n",
                placed.pc,
                placed.bits,
                disassemble(placed.pc, placed.bits),
                width = 2 * placed.length as usize
            )
        };
        self.instructions.iter().map(line).collect()
    }
}

/// Appends the bits of an instruction.
fn push(code: &mut Vec<u8>, bits: u32) {
    let bytes = bits.to_le_bytes();
    code.extend(&bytes[..length(bits) as usize]);
}

/// A corner, or a number of random length.
fn value(rng: &mut Rng) -> u64 {
    if rng.once_in(2) {
        CORNERS[rng.below(CORNERS.len() as u64) as usize]
    } else {
        let number = rng.next() >> rng.below(64);
        if rng.once_in(2) { number } else { !number }
    }
}

/// Mostly somewhere in the window; else close to one of its ends, or anywhere.
fn pointer(rng: &mut Rng) -> u64 {
    let near = rng.below(32).wrapping_sub(16);
    match rng.below(64) {
        0 => value(rng),
        1 => WINDOW.at.wrapping_add(near),
        2 => (WINDOW.at + WINDOW.size).wrapping_add(near),
        3 => (WINDOW.at + WINDOW.size / 2).wrapping_add(near),
        _ => WINDOW.at + rng.below(WINDOW.size / 8) * 8,
    }
}

/// The bits of an instruction that does not leave straight line.
fn straight(rng: &mut Rng) -> u32 {
    let wanted = |inst: &Inst| {
        takes(inst)
            && inst
                .row()
                .is_some_and(|row| !matches!(row.class, Class::Branch | Class::Jump))
    };
    // Far more than are needed.
    for _ in 0..1000 {
        let bits = if rng.once_in(3) {
            (rng.next() as u32 & 0xffff) & !3 | rng.below(3) as u32
        } else {
            let row = &TABLE[rng.below(TABLE.len() as u64) as usize];
            match draw(rng, row) {
                Some(bits) => bits,
                None => continue,
            }
        };
        let inst = decode(bits);
        let doubtful = spoils_pointer(&inst) || strays(&inst);
        if wanted(&inst) && (!doubtful || rng.once_in(100)) {
            return bits;
        }
    }
    0x13
}

/// Whether the instruction takes a register away from the window for good.
fn spoils_pointer(inst: &Inst) -> bool {
    let writes = inst.row().is_some_and(|row| row.format.writes_x());
    let small_step = inst.op == Op::Addi && inst.rs1 == inst.rd && inst.imm.abs() < 512;
    writes && POINTERS.contains(&inst.rd) && !small_step
}

/// Whether the instruction reads or writes memory, probably outside the window.
fn strays(inst: &Inst) -> bool {
    let accesses = inst
        .row()
        .is_some_and(|row| matches!(row.class, Class::Load | Class::Store));
    accesses && !POINTERS.contains(&inst.rs1)
}

/// The bits of an instruction of this row.
fn draw(rng: &mut Rng, row: &Row) -> Option<u32> {
    let mut inst = decode(rng.next() as u32 & !row.mask | row.bits);
    if matches!(row.class, Class::Load | Class::Store) {
        if !rng.once_in(4) {
            inst.rs1 = POINTERS[rng.below(POINTERS.len() as u64) as usize];
        }
        if !rng.once_in(8) {
            inst.imm >>= 4;
        }
        // Mostly aligned.
        if rng.once_in(2) {
            inst.imm &= !7;
        }
    } else if rng.once_in(3) {
        inst.imm = [-2048, -1, 0, 1, 2047, 1024][rng.below(6) as usize];
    }
    encode(&inst)
}

/// The bits of an instruction that goes elsewhere.
fn leaving(rng: &mut Rng) -> u32 {
    for _ in 0..10_000 {
        let bits = if rng.once_in(3) {
            (rng.next() as u32 & 0xffff) & !3 | rng.below(3) as u32
        } else {
            let row = &TABLE[rng.below(TABLE.len() as u64) as usize];
            rng.next() as u32 & !row.mask | row.bits
        };
        let inst = decode(bits);
        if let Some(row) = inst.row()
            && matches!(row.class, Class::Branch | Class::Jump)
        {
            return bits;
        }
    }
    0x6f
}
