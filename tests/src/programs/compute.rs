//! Arithmetic of all kinds in rounds, with traps, timer interrupts, atomic operations on memory
//! that harts share, and code that is changed while it runs.

use virtarium_machine::isa::{Class, Inst, Op, encode};
use virtarium_tests_wasm::Case;

use super::body::{self, ASKEW, CORNERS, CORNERS_AT};
use super::{CHANCE, COMMON, POOL, Program, TABLES, doubles, harts};
use crate::asm::{Label, S, T, ZERO};
use crate::random::Rng;

/// What [`case`] may do.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Floating point in all rounding modes.
    pub float: bool,
    /// Stores over instructions, with and without `fence.i`.
    pub changes_itself: bool,
}

const FFLAGS: i32 = 0x001;
const FRM: i32 = 0x002;
const FCSR: u16 = 0x003;

/// Instructions to choose from for a slot that is overwritten.
const CHOICES: u64 = 16;
const CHOICES_AT: u8 = S[6];

/// A program of this seed, for so many harts and rounds of about a thousand instructions.
#[must_use]
pub fn case(seed: u64, hart_count: usize, rounds: u64, mix: Mix) -> Case {
    let mut rng = Rng::new(seed);
    let mut program = Program::begin(&mut rng, rounds, true);
    let asm = &mut program.asm;
    asm.li(CORNERS_AT, TABLES);
    asm.li(CHOICES_AT, TABLES + 0x1000);
    asm.i(Op::Addi, ASKEW, COMMON, 1);
    for register in POOL {
        asm.li(register, rng.next() >> rng.below(64));
    }
    let top = asm.label();
    let mut slots = Vec::new();
    for _ in 0..60 {
        let asm = &mut program.asm;
        Program::draw(asm);
        let fresh = POOL[rng.below(POOL.len() as u64) as usize];
        asm.r(Op::Xor, fresh, fresh, CHANCE);
        for _ in 0..8 {
            asm.put(body::random(
                &mut rng,
                &[Class::Alu, Class::Load, Class::Store, Class::Amo],
            ));
        }
        if mix.float {
            float(&mut program, &mut rng);
        }
        if mix.changes_itself && rng.once_in(4) {
            change(&mut program, &mut rng, &mut slots);
        }
        let asm = &mut program.asm;
        if rng.once_in(8) {
            let skipped = asm.later();
            let op = [Op::Beq, Op::Bge, Op::Bltu][rng.below(3) as usize];
            asm.branch(op, POOL[0], POOL[1], skipped);
            asm.put(body::random(&mut rng, &[Class::Alu]));
            asm.place(skipped);
        }
    }
    if mix.float {
        // By chance alone a seed in ten has no reserved mode anywhere.
        let mut reserved = Inst::new(Op::FaddD, 1, 1, 1, 0);
        reserved.rm = 7;
        program.asm.i(Op::Csrrwi, ZERO, 5, FRM);
        program.asm.put(reserved);
        program.asm.i(Op::Csrrwi, ZERO, 0, FRM);
    }
    program.repeat(top);
    let end = program.end;
    program.asm.jump(ZERO, end);
    program.loads.push((TABLES, doubles(&CORNERS)));
    let choices = (0..CHOICES).map(|_| body::random(&mut rng, &[Class::Alu]));
    let words = choices.filter_map(|inst| encode(&inst));
    program
        .loads
        .push((TABLES + 0x1000, words.flat_map(u32::to_le_bytes).collect()));
    program.finish(harts(hart_count))
}

fn float(program: &mut Program, rng: &mut Rng) {
    let asm = &mut program.asm;
    for _ in 0..3 {
        asm.put(body::refresh_float(rng));
    }
    for _ in 0..5 {
        asm.put(body::random(rng, &[Class::Fp]));
    }
    let (x, y) = (POOL[0], POOL[1]);
    match rng.below(4) {
        0 => asm.csrr(x, FCSR),
        1 => asm.i(Op::Csrrw, y, ZERO, FFLAGS),
        // Dynamic rounding, sometimes by a mode that is reserved.
        2 => asm.i(Op::Csrrwi, ZERO, rng.below(6) as u8, FRM),
        _ => asm.put(body::random(rng, &[Class::Fp])),
    }
}

/// A slot, and code that overwrites this one or one that lies before.
fn change(program: &mut Program, rng: &mut Rng, slots: &mut Vec<Label>) {
    let asm = &mut program.asm;
    slots.push(asm.label());
    asm.put(body::random(rng, &[Class::Alu]));
    // Ahead in the same stretch of code, so that what is decoded already is hit.
    let near = asm.later();
    let target = match rng.below(3) {
        0 => near,
        _ => slots[rng.below(slots.len() as u64) as usize],
    };
    if rng.once_in(3) {
        // The upper half: another immediate or other sources, or an encoding that means nothing.
        asm.la(T[1], target);
        asm.store(Op::Sh, CHANCE, T[1], 2);
    } else {
        Program::pick(asm, T[0], 30, 4, 2);
        asm.r(Op::Add, T[0], T[0], CHOICES_AT);
        asm.i(Op::Lw, T[0], T[0], 0);
        asm.la(T[1], target);
        asm.store(Op::Sw, T[0], T[1], 0);
    }
    if rng.once_in(3) {
        asm.plain(Op::FenceI);
    }
    asm.place(near);
    asm.i(Op::Addi, T[2], T[2], 1);
}
