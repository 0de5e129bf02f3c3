//! Supervisor mode on page tables that it changes as it goes, with and without the fences that
//! are due.

use virtarium_machine::isa::{Inst, Op};
use virtarium_tests_wasm::Case;

use super::{CHANCE, DATA, MEPC, MSTATUS, OWN, Program, SHARED, TABLES, doubles, harts};
use crate::asm::{A, Asm, RA, S, T, ZERO};
use crate::random::Rng;

/// Depth of the page tables.
#[derive(Clone, Copy, Debug)]
pub enum Scheme {
    /// Three levels.
    Sv39 = 8,
    /// Four levels.
    Sv48 = 9,
    /// Five levels.
    Sv57 = 10,
}

const SATP: u16 = 0x180;
const PMPCFG0: u16 = 0x3a0;
const PMPADDR0: u16 = 0x3b0;

/// PTE bits.
const V: u64 = 1;
const R: u64 = 2;
const W: u64 = 4;
const X: u64 = 8;
const U: u64 = 16;
const ACCESSED: u64 = 64;
const DIRTY: u64 = 128;

/// The region whose pages change: 64 pages of 4 KiB, and behind them whole entries of the next
/// level, 2 MiB each.
const REGION: u64 = 0x4000_0000;
const PAGES: u64 = 64;
/// Where the table is that is one level above the leaves of [`REGION`].
const MIDDLE: u64 = TABLES + 0x1000;
const LEAVES: u64 = TABLES + 0x2000;
/// Sv39's root, and the tables above it.
const ROOTS: [u64; 3] = [TABLES + 0x3000, TABLES + 0x4000, TABLES + 0x5000];
/// Entries to choose from: 16 leaves, 16 pointers to functions.
const CHOICES: u64 = TABLES + 0x6000;
/// A page of functions that return.
const FUNCTIONS: u64 = TABLES + 0x7000;

const PTES: u8 = S[8];
const CHOICES_AT: u8 = S[6];
const REGION_AT: u8 = S[9];
const SATP_VALUE: u8 = S[5];

fn pte(at: u64, bits: u64) -> u64 {
    at >> 12 << 10 | bits
}

/// A program of this seed, for so many harts and rounds of some hundred instructions.
#[must_use]
pub fn case(seed: u64, hart_count: usize, rounds: u64, scheme: Scheme) -> Case {
    let mut rng = Rng::new(seed);
    let mut program = Program::begin(&mut rng, rounds, true);
    let top = enter(&mut program.asm, scheme);
    for _ in 0..6 {
        visit(&mut program.asm, &mut rng);
        call(&mut program.asm);
        change(&mut program.asm, &mut rng);
    }
    program.repeat(top);
    // Traps to machine mode, where the end is.
    program.asm.plain(Op::Ecall);
    tables(&mut program, &mut rng);
    program.finish(harts(hart_count))
}

/// Goes to supervisor mode; the label is the first instruction there.
fn enter(asm: &mut Asm, scheme: Scheme) -> crate::asm::Label {
    asm.li(PTES, LEAVES);
    asm.li(CHOICES_AT, CHOICES);
    asm.li(REGION_AT, REGION);
    // One entry for everything: NAPOT, read, write, execute.
    asm.li(T[0], u64::MAX >> 10);
    asm.csrw(PMPADDR0, T[0]);
    asm.li(T[0], 0x1f);
    asm.csrw(PMPCFG0, T[0]);
    let root = ROOTS[scheme as usize - Scheme::Sv39 as usize];
    asm.li(SATP_VALUE, (scheme as u64) << 60 | root >> 12);
    asm.csrw(SATP, SATP_VALUE);
    // mstatus.MPP = S.
    asm.li(T[0], 1 << 11);
    asm.put(Inst::new(Op::Csrrs, ZERO, T[0], 0, i32::from(MSTATUS)));
    let top = asm.later();
    asm.la(T[0], top);
    asm.csrw(MEPC, T[0]);
    asm.plain(Op::Mret);
    asm.place(top);
    top
}

/// Loads and stores somewhere in the region, sometimes across the border of two pages.
fn visit(asm: &mut Asm, rng: &mut Rng) {
    Program::draw(asm);
    Program::pick(asm, T[0], 20, 7, 12);
    Program::pick(asm, T[1], 32, 9, 3);
    asm.r(Op::Add, T[0], T[0], REGION_AT);
    asm.r(Op::Add, T[0], T[0], T[1]);
    if rng.once_in(3) {
        // In one of the superpages.
        asm.li(T[1], (1 + rng.below(2)) << 21);
        asm.r(Op::Add, T[0], T[0], T[1]);
    }
    let load = [Op::Ld, Op::Lw, Op::Lbu][rng.below(3) as usize];
    let store = [Op::Sd, Op::Sh, Op::Sb][rng.below(3) as usize];
    let askew = [0, 0, 0, 5][rng.below(4) as usize];
    asm.i(load, A[0], T[0], askew);
    asm.r(Op::Xor, A[1], A[1], A[0]);
    asm.store(store, CHANCE, T[0], askew);
    if rng.once_in(3) {
        asm.r(Op::AmoaddD, A[2], T[0], CHANCE);
    }
    asm.store(Op::Sd, A[1], OWN, 0);
}

/// Calls a function in one of the region's upper pages.
fn call(asm: &mut Asm) {
    Program::pick(asm, T[0], 41, 6, 12);
    asm.r(Op::Add, T[0], T[0], REGION_AT);
    asm.li(T[1], 0x4_0000);
    asm.r(Op::Or, T[0], T[0], T[1]);
    asm.i(Op::Jalr, RA, T[0], 0);
}

/// Puts another entry into the lowest table, and fences all, the page, or nothing.
fn change(asm: &mut Asm, rng: &mut Rng) {
    Program::draw(asm);
    Program::pick(asm, T[0], 24, 7, 3);
    Program::pick(asm, T[1], 40, 4, 3);
    // Entries of data or of functions, as the page is.
    asm.i(Op::Andi, T[2], T[0], 0x200);
    asm.i(Op::Srli, T[2], T[2], 2);
    asm.r(Op::Add, T[1], T[1], T[2]);
    asm.r(Op::Add, T[1], T[1], CHOICES_AT);
    asm.i(Op::Ld, T[1], T[1], 0);
    asm.r(Op::Add, T[2], T[0], PTES);
    asm.store(Op::Sd, T[1], T[2], 0);
    match rng.below(6) {
        0 => asm.put(Inst::new(Op::SfenceVma, 0, ZERO, ZERO, 0)),
        1 | 2 => {
            asm.i(Op::Slli, T[0], T[0], 9);
            asm.r(Op::Add, T[0], T[0], REGION_AT);
            asm.put(Inst::new(Op::SfenceVma, 0, T[0], ZERO, 0));
        }
        3 => {
            // Another address space, or back to the first.
            asm.li(T[0], 1 << 44);
            asm.r(Op::Xor, SATP_VALUE, SATP_VALUE, T[0]);
            asm.csrw(SATP, SATP_VALUE);
        }
        _ => {}
    }
}

fn tables(program: &mut Program, rng: &mut Rng) {
    let all = V | R | W | X | ACCESSED | DIRTY;
    let mut choices = Vec::new();
    for n in 0..16 {
        let page = SHARED + 0x2000 + rng.below(8) * 4096;
        let bits = V | [
            R,
            R | W,
            R | W,
            R | W | ACCESSED,
            R | W | ACCESSED | DIRTY,
            X,
            R | W | U,
        ][rng.below(7) as usize];
        choices.push(if n == 0 { 0 } else { pte(page, bits) });
    }
    for _ in 0..16 {
        let bits = [V | X, V | X | ACCESSED, V | R | X, V | R, V | X | U, 0][rng.below(6) as usize];
        choices.push(pte(FUNCTIONS, bits));
    }
    let leaves = (0..2 * PAGES).map(|page| {
        let kind = if page < PAGES { 0 } else { 16 };
        choices[(kind + rng.below(16)) as usize]
    });
    let leaves: Vec<u64> = leaves.collect();
    let mut middle = vec![pte(LEAVES, V)];
    // Superpages: one that is well placed, and one that is not.
    middle.push(pte(DATA, V | R | W));
    middle.push(pte(DATA + 0x1000, V | R | W));
    let root = [0, pte(MIDDLE, V), pte(0x8000_0000, all)];
    let functions = (0..512).flat_map(|n| {
        let mut asm = Asm::new(0);
        asm.i(Op::Addi, A[3], A[3], n);
        asm.i(Op::Jalr, ZERO, RA, 0);
        asm.finish()
    });
    let functions = functions.collect();
    let loads = [
        (CHOICES, doubles(&choices)),
        (LEAVES, doubles(&leaves)),
        (MIDDLE, doubles(&middle)),
        (ROOTS[0], doubles(&root)),
        (ROOTS[1], doubles(&[pte(ROOTS[0], V)])),
        (ROOTS[2], doubles(&[pte(ROOTS[1], V)])),
        (FUNCTIONS, functions),
    ];
    program.loads.extend(loads);
}
