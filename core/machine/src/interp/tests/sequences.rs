//! A sequence is its parts, one after the other: in every state of the floating-point unit,
//! wherever it is entered, wherever the budget ends, and where a part traps.

use super::*;
use crate::cpu::status;
use crate::isa::fused;
use crate::isa::{Format, SEQUENCES, TABLE};

/// Bases of addresses: RAM, the end of a page, a device, nothing.
const BASES: [u8; 4] = [8, 9, 18, 19];

/// An instruction of this kind with registers from 10 to 15, so that parts meet in them, and an
/// address that is now and then misaligned, or leads to a device or nowhere.
fn drawn(op: Op, draw: &mut Draw) -> u32 {
    let row = TABLE.get(op as usize).unwrap();
    let mut register = || 10 + draw.below(6) as u8;
    let mut fields = Inst {
        op,
        rd: register(),
        rs1: register(),
        rs2: register(),
        rs3: register(),
        rm: [0, 7][usize::from(register() & 1)],
        imm: 0,
    };
    let at = |draw: &mut Draw| match draw.below(40) {
        0 => BASES[3],
        1 => BASES[2],
        2..6 => BASES[1],
        _ => BASES[0],
    };
    match row.format {
        Format::Load | Format::S | Format::FLoad | Format::FStore => {
            fields.rs1 = at(draw);
            let whole = if draw.below(8) == 0 { 1 } else { 8 };
            fields.imm = (draw.below(16) * whole) as i32 - 32;
        }
        Format::I => fields.imm = draw.below(4096) as i32 - 2048,
        Format::Shift => fields.imm = draw.below(64) as i32,
        Format::ShiftW => fields.imm = draw.below(32) as i32,
        Format::B | Format::J => fields.imm = 8 + 4 * draw.below(8) as i32,
        Format::Jalr => fields.rs1 = BASES[0],
        Format::U => fields.imm = (draw.next() as i32) & !0xfff,
        _ => {}
    }
    // Which fields an encoding has is the encoder's business.
    let mut word = encode(&fields).unwrap_or_else(|| row.bits | fields_of(&fields, row.mask));
    if crate::isa::decode(word).op != op {
        word = row.bits;
    }
    word
}

/// The register fields where a row leaves their bits free.
fn fields_of(inst: &Inst, mask: u32) -> u32 {
    (u32::from(inst.rd) << 7 | u32::from(inst.rs1) << 15 | u32::from(inst.rs2) << 20) & !mask
}

const UNIT: [(u64, u8, u8); 5] = [
    // Off.
    (0, 0, 1),
    // On, not yet in use.
    (1 << 13, 0, 1),
    // In use, nothing inexact yet.
    (status::FS, 0, 0),
    // Usual.
    (status::FS, 0, 1),
    // Another rounding mode.
    (status::FS, 2, 1),
];

/// The parts of a sequence with values in all registers that they name.
fn rig(words: &[u32], unit: (u64, u8, u8), seed: u64) -> Rig {
    let mut draw = Draw(seed);
    let mut rig = Rig::new(words);
    for register in 10..16 {
        rig.set_x(register, draw.next() >> draw.below(64));
        let value = match draw.below(4) {
            0 => draw.next(),
            1 => (draw.below(100) as f64).to_bits(),
            2 => 0xffff_ffff_0000_0000 | u64::from((draw.below(99) as f32 / 7.0).to_bits()),
            _ => (draw.next() as f64 / 3.0).to_bits(),
        };
        rig.arena.hart(0).unwrap().f[usize::from(register)] = value;
    }
    for (register, base) in BASES
        .iter()
        .zip([DATA + 64, DATA + 0x1000, DEVICE + 64, 0x40])
    {
        rig.set_x(*register, base);
    }
    for word in 0..64 {
        rig.set_word(DATA + 8 * word, draw.next());
        rig.set_word(DATA + 0xf00 + 8 * word, draw.next());
    }
    rig.hart.csr.mstatus |= unit.0;
    rig.hart.csr.frm = unit.1;
    rig.hart.csr.fflags = unit.2;
    rig
}

/// Everything that the parts can change.
type State = (Vec<u64>, Vec<u64>, Vec<u64>, u64, u8, u64, Vec<Made>);

fn state(rig: &mut Rig) -> State {
    let memory = (0..64)
        .flat_map(|word| [8 * word, 0xf00 + 8 * word])
        .map(|at| rig.word(DATA + at))
        .collect();
    let view = rig.arena.hart(0).unwrap();
    (
        view.x[..32].to_vec(),
        view.f[..32].to_vec(),
        memory,
        rig.hart.pc,
        rig.hart.csr.fflags,
        rig.hart.csr.mstatus,
        rig.bus.made.clone(),
    )
}

/// How many steps were made, the trap that ended it, and before which steps a device was accessed.
type Ends = (u64, Option<(Exception, u64)>, Vec<u64>);

/// Makes up to `steps` steps, `slice` at a time.
fn walk(rig: &mut Rig, steps: u64, slice: u64) -> Ends {
    let (mut done, mut times) = (0, Vec::new());
    while done < steps {
        let budget = slice.min(steps - done);
        let (made, stop) = rig.run(budget);
        let left = rig.bus.left.drain(..);
        times.extend(left.map(|left| done + budget - left));
        done += made;
        match stop {
            Stop::Budget | Stop::Attention => {}
            Stop::Trap { exception, tval } => return (done, Some((exception, tval)), times),
            other => panic!("{other:x?}"),
        }
    }
    (done, None, times)
}

#[test]
fn sequences_are_their_parts() {
    let mut draw = Draw(0x9e37_79b9_7f4a_7c15);
    let (mut trapped, mut whole) = (0, 0);
    for &(name, parts) in SEQUENCES {
        for _ in 0..12 {
            let words: Vec<u32> = parts.iter().map(|&op| drawn(op, &mut draw)).collect();
            let insts: Vec<Inst> = words.iter().map(|&word| crate::isa::decode(word)).collect();
            let longest = fused::longest(insts.iter()).expect("some sequence begins here");
            let covers = SEQUENCES
                .iter()
                .any(|&(found, of)| found == longest && of == parts);
            assert!(covers, "{name:?} is found");
            let unit = UNIT[draw.below(5) as usize];
            let seed = draw.next();
            let steps = parts.len() as u64;

            let mut single = rig(&words, unit, seed);
            let ends = walk(&mut single, steps, 1);
            let expected = state(&mut single);
            let mut at_once = rig(&words, unit, seed);
            assert_eq!(
                walk(&mut at_once, steps, steps),
                ends,
                "{name:?} {words:x?}"
            );
            assert_eq!(
                state(&mut at_once),
                expected,
                "{name:?} {words:x?} {unit:x?}"
            );
            trapped += u32::from(ends.1.is_some());
            whole += u32::from(ends.1.is_none());
        }
    }
    assert!(trapped > 100 && whole > 1000, "{trapped} {whole}");
}

#[test]
fn sequences_can_be_entered_at_every_part() {
    let mut draw = Draw(7);
    for &(name, parts) in SEQUENCES.iter().filter(|(_, parts)| parts.len() > 1) {
        let words: Vec<u32> = parts.iter().map(|&op| drawn(op, &mut draw)).collect();
        let seed = draw.next();
        for from in 1..words.len() {
            let steps = (words.len() - from) as u64;
            let mut single = rig(&words, UNIT[3], seed);
            let mut entered = rig(&words, UNIT[3], seed);
            // Decoded from the start, then entered behind it.
            let _ = entered.run(words.len() as u64);
            entered = Rig {
                code: entered.code,
                ..rig(&words, UNIT[3], seed)
            };
            for rig in [&mut single, &mut entered] {
                rig.hart.pc = RAM_BASE + 4 * from as u64;
            }
            let ends = walk(&mut single, steps, 1);
            assert_eq!(walk(&mut entered, steps, steps), ends, "{name:?} at {from}");
            assert_eq!(
                state(&mut entered),
                state(&mut single),
                "{name:?} at {from}"
            );
        }
    }
}

#[test]
fn a_slot_knows_the_instruction_by_itself() {
    for &(name, parts) in SEQUENCES {
        assert_eq!(fused::first_part(name), parts[0]);
    }
    for row in TABLE {
        assert_eq!(fused::first_part(row.op), row.op);
    }
    for mark in [Op::Undecoded, Op::Straddle, Op::Illegal] {
        assert_eq!(fused::first_part(mark), mark);
    }
}

#[test]
fn a_static_rounding_mode_is_not_fused() {
    for (rm, fuses) in [(0, true), (7, true), (1, false), (4, false), (5, false)] {
        let add = Inst {
            rm,
            ..Inst::new(Op::FaddD, 1, 2, 3, 0)
        };
        assert_eq!(fused::longest([add].iter()).is_some(), fuses, "{rm}");
        // Nor is it behind others: in the third, second and first part.
        let (mul, addi) = (
            Inst::new(Op::FmulD, 1, 2, 3, 0),
            Inst::new(Op::Addi, 1, 2, 0, 3),
        );
        let found = |insts: &[Inst]| fused::longest(insts.iter());
        let third = if fuses {
            Op::FmulDAddiFaddD
        } else {
            Op::FmulDAddi
        };
        let second = if fuses { Op::FmulDFaddD } else { Op::FmulDFast };
        assert_eq!(found(&[mul, addi, add]), Some(third), "{rm}");
        assert_eq!(found(&[mul, add]), Some(second), "{rm}");
        assert_eq!(found(&[add, mul]).is_some(), fuses, "{rm}");
        assert_eq!(found(&[addi, add]).is_some(), fuses, "{rm}");
    }
}

/// `csrr?` on `fflags` inside of a program that goes on.
#[test]
fn float_csrs_are_read_and_written_without_leaving() {
    // frflags a0; fsflags a1; fsrm a2, 3 (immediate); frcsr a3
    let csr = |op, rd, rs1, number| inst(op, rd, rs1, 0, number);
    let words = [
        csr(Op::Csrrs, 10, 0, 1),
        csr(Op::Csrrw, 11, 12, 1),
        csr(Op::Csrrwi, 12, 3, 2),
        csr(Op::Csrrs, 13, 0, 3),
        csr(Op::Csrrw, 0, 14, 3),
    ];
    let mut rig = Rig::new(&words);
    rig.hart.csr.mstatus |= 1 << 13;
    rig.hart.csr.fflags = 0x15;
    rig.set_x(12, 0xfe);
    rig.set_x(14, 0x21);
    assert_eq!(rig.run(5), (5, Stop::Budget));
    assert_eq!([10, 11, 12, 13].map(|x| rig.x(x)), [0x15, 0x15, 0, 0x7e]);
    assert_eq!((rig.hart.csr.frm, rig.hart.csr.fflags), (1, 1));
    assert!(rig.hart.fs_is_dirty(), "a write marks the state");
    assert_eq!(rig.x(0), 0);

    // What was there goes nowhere where there is no `rd`.
    let mut rig = Rig::new(&[csr(Op::Csrrsi, 0, 2, 1), csr(Op::Csrrc, 0, 12, 3)]);
    rig.hart.csr.mstatus |= status::FS;
    rig.hart.csr.fflags = 0x15;
    rig.set_x(12, 4);
    rig.steps(2);
    assert_eq!((rig.hart.csr.fflags, rig.x(0)), (0x13, 0));

    // Off, they are the run loop's business, which finds them illegal.
    let mut rig = Rig::new(&words);
    assert!(matches!(rig.run(5), (0, Stop::System { .. })));
}

/// A mode that was written decides how the next operation in the same run rounds.
#[test]
fn a_written_rounding_mode_holds_at_once() {
    let third = |mode: u8| {
        let words = [
            inst(Op::Csrrwi, 0, mode, 0, 2),
            inst(Op::FdivD, 10, 11, 12, 0),
            inst(Op::Csrrwi, 0, 0, 0, 2),
            inst(Op::FdivD, 13, 11, 12, 0),
        ];
        let mut rig = Rig::new(&words);
        rig.hart.csr.mstatus |= status::FS;
        rig.hart.csr.fflags = 1;
        let view = rig.arena.hart(0).unwrap();
        view.f[11] = 1f64.to_bits();
        view.f[12] = 3f64.to_bits();
        rig.steps(4);
        // Once more, in one go: now everything is decoded.
        let view = rig.arena.hart(0).unwrap();
        let first = [10, 13].map(|register| core::mem::take(&mut view.f[register]));
        rig.hart.pc = RAM_BASE;
        rig.steps(4);
        let f = &rig.arena.hart(0).unwrap().f;
        assert_eq!([f[10], f[13]], first);
        first
    };
    let nearest = (1.0f64 / 3.0).to_bits();
    assert_eq!(third(0), [nearest, nearest]);
    assert_eq!(third(3), [nearest + 1, nearest]);
}
