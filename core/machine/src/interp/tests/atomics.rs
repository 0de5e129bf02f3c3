//! AMO, LR and SC.

use super::*;

const AMOS: [(Op, Op); 9] = [
    (Op::AmoswapW, Op::AmoswapD),
    (Op::AmoaddW, Op::AmoaddD),
    (Op::AmoxorW, Op::AmoxorD),
    (Op::AmoandW, Op::AmoandD),
    (Op::AmoorW, Op::AmoorD),
    (Op::AmominW, Op::AmominD),
    (Op::AmomaxW, Op::AmomaxD),
    (Op::AmominuW, Op::AmominuD),
    (Op::AmomaxuW, Op::AmomaxuD),
];

fn expected(op: Op, old: u64, operand: u64) -> u64 {
    let narrow = |v: u64| v as i32 as i64 as u64;
    let (old, operand) = match op {
        _ if AMOS.iter().any(|(word, _)| *word == op) => (narrow(old), narrow(operand)),
        _ => (old, operand),
    };
    match op {
        Op::AmoswapW | Op::AmoswapD => operand,
        Op::AmoaddW | Op::AmoaddD => old.wrapping_add(operand),
        Op::AmoxorW | Op::AmoxorD => old ^ operand,
        Op::AmoandW | Op::AmoandD => old & operand,
        Op::AmoorW | Op::AmoorD => old | operand,
        Op::AmominW | Op::AmominD => (old as i64).min(operand as i64) as u64,
        Op::AmomaxW | Op::AmomaxD => (old as i64).max(operand as i64) as u64,
        // Sign extension keeps the order of unsigned words.
        Op::AmominuW | Op::AmominuD => old.min(operand),
        _ => old.max(operand),
    }
}

#[test]
fn amos_store_the_result_and_give_the_old_value() {
    let operands = [
        0,
        1,
        0x7fff_ffff,
        0x8000_0000,
        u64::MAX,
        1 << 63,
        0x1234_5678_9abc_def0,
    ];
    for (word, double) in AMOS {
        for (old, operand) in operands
            .iter()
            .flat_map(|old| operands.map(|operand| (*old, operand)))
        {
            for (op, mask) in [(word, 0xffff_ffff), (double, u64::MAX)] {
                // Address and result share a register.
                let mut rig = Rig::new(&[inst(op, 10, 10, 11, 0)]);
                rig.set_word(DATA, old);
                rig.set_x(10, DATA);
                rig.set_x(11, operand);
                rig.steps(1);
                let stored = expected(op, old, operand) & mask | old & !mask;
                assert_eq!(rig.word(DATA), stored, "{op:?} {old:#x} {operand:#x}");
                let given = if mask == u64::MAX {
                    old
                } else {
                    old as i32 as u64
                };
                assert_eq!(rig.x(10), given);
            }
        }
    }
}

#[test]
fn misaligned_atomics_trap() {
    for (op, exception) in [
        (Op::LrW, Exception::LoadMisaligned),
        (Op::LrD, Exception::LoadMisaligned),
        (Op::ScW, Exception::StoreMisaligned),
        (Op::ScD, Exception::StoreMisaligned),
        (Op::AmoaddW, Exception::StoreMisaligned),
        (Op::AmoaddD, Exception::StoreMisaligned),
    ] {
        let mut rig = Rig::new(&[inst(Op::Sd, 0, 12, 11, 0), inst(op, 11, 10, 11, 0)]);
        // A shortcut to the page changes nothing.
        rig.set_x(12, DATA);
        rig.steps(1);
        for offset in [1, 2, 3, 0xffe] {
            rig.set_x(10, DATA + offset);
            assert_eq!(rig.trap(), (exception, DATA + offset), "{op:?}");
        }
    }
}

#[test]
fn devices_take_no_atomics() {
    for (op, exception) in [
        (Op::LrW, Exception::LoadAccessFault),
        (Op::AmoaddW, Exception::StoreAccessFault),
        (Op::AmoswapD, Exception::StoreAccessFault),
    ] {
        let mut rig = Rig::new(&[inst(op, 11, 10, 11, 0)]);
        rig.set_x(10, DEVICE);
        assert_eq!(rig.trap(), (exception, DEVICE));
        assert!(rig.bus.made.is_empty());
    }
    // With a reservation elsewhere, too.
    let mut rig = Rig::new(&[inst(Op::LrW, 11, 12, 0, 0), inst(Op::ScW, 11, 10, 11, 0)]);
    rig.set_x(10, DEVICE);
    rig.set_x(12, DATA);
    rig.steps(1);
    assert_eq!(rig.trap(), (Exception::StoreAccessFault, DEVICE));
}

/// `lr.d x11, (x10)`, something, `sc.d x13, x14, (x12)`: what SC gave and what memory holds.
fn reserved(first: u64, between: u32, second: u64) -> (u64, u64) {
    let code = [
        inst(Op::LrD, 11, 10, 0, 0),
        between,
        inst(Op::ScD, 13, 12, 14, 0),
        inst(Op::ScD, 15, 12, 14, 0),
    ];
    let mut rig = Rig::new(&code);
    rig.set_x(10, first);
    rig.set_x(12, second);
    rig.set_x(14, 0x99);
    rig.steps(4);
    // A second SC has no reservation.
    assert_eq!(rig.x(15), 1);
    (rig.x(13), rig.word(second))
}

#[test]
fn sc_stores_into_the_reserved_line_only() {
    let nothing = addi(0, 0, 0);
    assert_eq!(reserved(DATA, nothing, DATA), (0, 0x99));
    // Za64rs: 64 bytes.
    assert_eq!(reserved(DATA, nothing, DATA + 56), (0, 0x99));
    assert_eq!(reserved(DATA, nothing, DATA + 64), (1, 0));
    assert_eq!(reserved(DATA + 64, nothing, DATA + 56), (1, 0));
    assert_eq!(reserved(DATA, nothing, DATA + 0x1000), (1, 0));
    // The last reservation counts.
    let again = inst(Op::LrW, 11, 12, 0, 0);
    assert_eq!(reserved(DATA, again, DATA + 0x80), (0, 0x99));
}

#[test]
fn reservation_survives_the_end_of_a_slice() {
    let code = [inst(Op::LrW, 11, 10, 0, 0), inst(Op::ScW, 13, 10, 14, 0)];
    let mut rig = Rig::new(&code);
    rig.set_x(10, DATA);
    rig.set_x(14, 7);
    for _ in 0..2 {
        assert_eq!(rig.run(1), (1, Stop::Budget));
    }
    assert_eq!((rig.x(13), rig.word(DATA)), (0, 7));
}

#[test]
fn atomics_on_code_are_made_once_and_change_it() {
    // The instruction behind each is decoded with it: `addi x15, x15, 1`.
    let step = addi(15, 15, 1);
    let amo = [inst(Op::AmoaddW, 13, 10, 14, 0), addi(0, 0, 0), step];
    let mut rig = Rig::new(&amo);
    rig.set_x(10, RAM_BASE + 8);
    rig.set_x(14, 1 << 20);
    rig.steps(3);
    assert_eq!((rig.x(13), rig.x(15)), (step.into(), 2));

    let sc = [
        inst(Op::LrW, 13, 10, 0, 0),
        inst(Op::ScW, 16, 10, 14, 0),
        step,
    ];
    let mut rig = Rig::new(&sc);
    rig.set_x(10, RAM_BASE + 8);
    rig.set_x(14, addi(15, 15, 5).into());
    rig.steps(3);
    assert_eq!((rig.x(16), rig.x(15)), (0, 5));
}
