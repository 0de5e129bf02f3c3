//! The program around the blocks, and the page tables under them.

use virtarium_machine::isa::Op;
use virtarium_machine::mem::RAM_BASE;

use super::asm::Asm;
use super::block::Block;
use super::layout::*;
use crate::random::Rng;

const FS: i32 = 0x6000;
const MSTATUS: u16 = 0x300;
const MTVEC: u16 = 0x305;
const MSCRATCH: u16 = 0x340;
const MEPC: u16 = 0x341;
const MCAUSE: u16 = 0x342;
const FCSR: u16 = 0x003;

/// The image of a batch: RAM from its first byte on.
#[must_use]
pub fn image(blocks: &[Block], template: &mut Rng) -> Vec<u8> {
    let mut image = Image(Vec::new());
    image.put(RAM_BASE, &program());
    for vector in 0..16 {
        image.put(S_HANDLER + 4 * vector, &0x0000_0073_u32.to_le_bytes());
    }
    tables(&mut image);
    // A nop's first half at the end of the second page, whose second half is in the next one.
    image.put(PAGES + 0x1ffe, &0x0013_u16.to_le_bytes());
    for at in (0..WINDOW_SIZE).step_by(8) {
        image.word(TEMPLATE + at, super::values::memory(template));
        image.word(PAGES + WINDOW_OFFSET + at, 0);
    }
    image.word(GLOBALS, RECORDS);
    image.word(GLOBALS + 8, SIGNATURES);
    image.word(GLOBALS + 16, blocks.len() as u64);
    for (n, block) in blocks.iter().enumerate() {
        image.put(block.at, &block.code);
        let record = RECORDS + (n * RECORD * 8) as u64;
        for (slot, word) in block.record.iter().enumerate() {
            image.word(record + 8 * slot as u64, *word);
        }
    }
    // The first signature starts out with the template too.
    image.copy_template();
    image.0
}

/// Where the saved states begin.
#[must_use]
pub fn signatures() -> u64 {
    SIGNATURES
}

struct Image(Vec<u8>);

impl Image {
    fn put(&mut self, at: u64, bytes: &[u8]) {
        let from = (at - RAM_BASE) as usize;
        let to = from + bytes.len();
        if self.0.len() < to {
            self.0.resize(to, 0);
        }
        self.0[from..to].copy_from_slice(bytes);
    }

    fn word(&mut self, at: u64, word: u64) {
        self.put(at, &word.to_le_bytes());
    }

    fn copy_template(&mut self) {
        let from = (TEMPLATE - RAM_BASE) as usize;
        let bytes = self.0[from..from + WINDOW_SIZE as usize].to_vec();
        self.put(PAGES + WINDOW_OFFSET, &bytes);
    }
}

/// Page tables: RAM where it is for the supervisor, RAM for the user, the window, and a leaf
/// that is misaligned.
fn tables(image: &mut Image) {
    const SUPERVISOR: u64 = 0xcf;
    const USER: u64 = 0xdf;
    let table = |at: u64| at >> 12 << 10 | 1;
    let leaf = |at: u64, flags: u64| at >> 12 << 10 | flags;
    image.word(ROOT39 + 2 * 8, leaf(RAM_BASE, SUPERVISOR));
    image.word(ROOT39 + (USER_VA >> 30) * 8, leaf(RAM_BASE, USER));
    image.word(ROOT39 + (WINDOW_VA >> 30) * 8, table(WINDOW_TABLE));
    image.word(
        ROOT39 + (MISALIGNED_VA >> 30) * 8,
        leaf(RAM_BASE + 0x1000, USER),
    );
    image.word(ROOT48, table(ROOT39));
    image.word(ROOT57, table(ROOT48));
    image.word(WINDOW_TABLE, table(WINDOW_ENTRIES));
}

/// The program: set up once, then for each block load, enter, and save when it traps.
fn program() -> Vec<u8> {
    let mut a = Asm::at(RAM_BASE);
    // Where the handler will be is known when it is there: the jump is filled in later.
    let setup = 0x1000;
    a.jump(RAM_BASE + setup);
    while a.bytes.len() < 64 {
        a.word(0x13);
    }
    let handler = a.here();
    save(&mut a);
    let next = a.here();
    load(&mut a);
    assert!(a.bytes.len() as u64 <= setup, "{}", a.bytes.len());
    while (a.bytes.len() as u64) < setup {
        a.word(0x13);
    }
    a.la(5, handler);
    a.csrw(MTVEC, 5);
    // All of memory for everyone: one entry, to the highest address.
    a.op(Op::Addi, 5, 0, 0, -1);
    a.csrw(0x3b0, 5);
    a.op(Op::Addi, 6, 0, 0, 0x1f);
    a.csrw(0x3a0, 6);
    // No timer ever: neither `stimecmp` nor `mtimecmp` of the CLINT.
    a.csrw(0x14d, 5);
    a.op(Op::Lui, 6, 0, 0, 0x200_4000);
    a.sd(5, 6, 0);
    a.op(Op::Addi, 6, 0, 0, 0x222);
    a.csrw(0x303, 6);
    a.csrw(0x320, 0);
    a.op(Op::Lui, 5, 0, 0, FS);
    a.op(Op::Csrrs, 0, 5, 0, MSTATUS.into());
    a.jump(next);
    a.bytes
}

/// From the trap to a full signature. `mscratch` holds its address.
fn save(a: &mut Asm) {
    a.op(Op::Csrrw, 31, 31, 0, MSCRATCH.into());
    for register in 1..31 {
        a.sd(register, 31, usize::from(register));
    }
    a.csrr(1, MSCRATCH);
    a.sd(1, 31, 31);
    a.csrr(1, MCAUSE);
    a.sd(1, 31, 0);
    for (n, (csr, _)) in SAVED.iter().enumerate() {
        a.csrr(1, *csr);
        a.sd(1, 31, SIG_CSRS + n);
    }
    a.op(Op::Lui, 1, 0, 0, FS);
    a.op(Op::Csrrs, 0, 1, 0, MSTATUS.into());
    a.csrr(1, FCSR);
    a.sd(1, 31, SIG_FCSR);
    for register in 0..32 {
        let slot = 8 * (32 + i32::from(register));
        a.op(Op::Fsd, 0, 31, register, slot);
    }
    a.la(5, WINDOW_ENTRIES);
    for n in 0..ENTRIES {
        a.ld(1, 5, n);
        a.sd(1, 31, SIG_ENTRIES + n);
    }
    a.la(6, PAGES + WINDOW_OFFSET);
    a.la(7, TEMPLATE);
    for n in 0..WINDOW_SIZE as usize / 8 {
        a.ld(1, 6, n);
        a.sd(1, 31, SIG_WINDOW + n);
        a.ld(1, 7, n);
        a.sd(1, 6, n);
    }
}

/// From a record into its block, or to the end if there is none.
fn load(a: &mut Asm) {
    a.la(5, GLOBALS);
    a.ld(1, 5, 2);
    a.op(Op::Bne, 0, 1, 0, 4 * 6);
    a.finish();
    a.op(Op::Addi, 1, 1, 0, -1);
    a.sd(1, 5, 2);
    a.ld(30, 5, 0);
    a.ld(31, 5, 1);
    for (register, size, slot) in [(30, RECORD, 0), (31, SIGNATURE, 1)] {
        a.op(Op::Addi, 1, register, 0, 8 * size as i32);
        a.sd(1, 5, slot);
    }
    a.csrw(MSCRATCH, 31);
    for register in 0..32 {
        let slot = 8 * (32 + i32::from(register));
        a.op(Op::Fld, register, 30, 0, slot);
    }
    a.ld(1, 30, REC_FCSR);
    a.csrw(FCSR, 1);
    a.la(5, WINDOW_ENTRIES);
    for n in 0..ENTRIES {
        a.ld(1, 30, REC_ENTRIES + n);
        a.sd(1, 5, n);
    }
    for (n, csr) in SET.iter().enumerate() {
        a.ld(1, 30, REC_CSRS + n);
        a.csrw(*csr, 1);
    }
    a.op(Op::SfenceVma, 0, 0, 0, 0);
    a.ld(1, 30, 0);
    a.csrw(MEPC, 1);
    for register in (1..30).chain([31, 30]) {
        a.ld(register, 30, usize::from(register));
    }
    a.op(Op::Mret, 0, 0, 0, 0);
}
