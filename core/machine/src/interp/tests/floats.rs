//! When floating-point instructions are legal.

use super::*;
use crate::cpu::status;

fn float(op: Op, rm: u8) -> u32 {
    let fields = Inst {
        op,
        rd: 10,
        rs1: 10,
        rs2: 10,
        rs3: 10,
        rm,
        imm: 0,
    };
    encode(&fields).unwrap()
}

#[test]
fn without_the_unit_everything_of_it_is_illegal_and_names_its_bits() {
    let all = [
        Op::FaddS,
        Op::FaddD,
        Op::Flw,
        Op::Fsw,
        Op::Fld,
        Op::Fsd,
        Op::FmvXW,
        Op::FmaddS,
    ];
    for op in all {
        let word = float(op, 0);
        let mut rig = Rig::new(&[word]);
        rig.set_x(10, DATA);
        let trap = (Exception::IllegalInstruction, word.into());
        assert_eq!(rig.trap(), trap, "{op:?}");
        rig.hart.csr.mstatus |= 1 << 13;
        rig.steps(1);
    }
    // c.fld: two bytes are the bits.
    let mut rig = Rig::new(&[0x2108]);
    rig.set_x(10, DATA);
    assert_eq!(rig.trap(), (Exception::IllegalInstruction, 0x2108));
}

#[test]
fn bits_of_an_instruction_in_two_pages_are_complete() {
    let word = float(Op::FaddD, 0);
    let mut rig = Rig::new(&[]);
    rig.put(RAM_BASE + 0xffe, &[word]);
    rig.hart.pc = RAM_BASE + 0xffe;
    assert_eq!(rig.trap(), (Exception::IllegalInstruction, word.into()));
}

#[test]
fn reserved_rounding_modes_are_illegal() {
    for settled in [0, 1] {
        for (rm, frm, legal) in [
            (0, 0, true),
            (4, 0, true),
            (5, 0, false),
            (6, 0, false),
            (7, 0, true),
            (7, 4, true),
            (7, 5, false),
            (7, 6, false),
            (7, 7, false),
            // A static mode does not ask.
            (1, 7, true),
        ] {
            let word = float(Op::FaddD, rm);
            let mut rig = Rig::new(&[word]);
            rig.hart.csr.mstatus |= status::FS;
            rig.hart.csr.frm = frm;
            rig.hart.csr.fflags = settled;
            if legal {
                rig.steps(1);
            } else {
                let trap = (Exception::IllegalInstruction, word.into());
                assert_eq!(rig.trap(), trap, "{rm} {frm}");
            }
        }
    }
}

#[test]
fn inexactness_is_on_record_from_the_first_inexact_result_on() {
    let mut rig = Rig::new(&[float(Op::FaddD, 7), float(Op::FsqrtD, 7)]);
    rig.hart.csr.mstatus |= status::FS;
    rig.arena.hart(0).unwrap().f[10] = 1f64.to_bits();
    rig.steps(1);
    assert_eq!(rig.hart.csr.fflags, 0, "1 + 1");
    rig.steps(1);
    assert_eq!(rig.hart.csr.fflags, 1, "the root of 2");
}

#[test]
fn use_of_the_unit_makes_its_state_dirty() {
    for op in [Op::FaddS, Op::Fld] {
        let mut rig = Rig::new(&[float(op, 0)]);
        rig.set_x(10, DATA);
        // FS is Initial.
        rig.hart.csr.mstatus |= 1 << 13;
        rig.steps(1);
        assert!(rig.hart.fs_is_dirty(), "{op:?}");
    }
}
