//! Budgets that end anywhere, entries anywhere, breakpoints anywhere.

use super::*;

/// A loop over straight code, memory, a device, code in two pages, and a jump into the middle
/// of what has been decoded.
fn program() -> Rig {
    let mut rig = Rig::new(&[
        addi(15, 15, 1),
        inst(Op::Sd, 0, 10, 15, 0),
        inst(Op::Ld, 16, 10, 0, 0),
        inst(Op::Add, 17, 17, 16, 0),
        inst(Op::Lw, 18, 11, 0, 0),
        inst(Op::Add, 17, 17, 18, 0),
        inst(Op::Jal, 1, 0, 0, 0xff6 - 24),
    ]);
    let far = RAM_BASE + 0xff6;
    rig.put(
        far,
        &[
            addi(19, 19, 1),
            inst(Op::Andi, 20, 19, 0, 1),
            inst(Op::Bne, 0, 20, 0, 4 - 0xff6 - 8),
            inst(Op::Jal, 0, 0, 0, 12 - 0xff6 - 12),
        ],
    );
    rig.set_x(10, DATA);
    rig.set_x(11, DEVICE);
    rig
}

fn state(rig: &mut Rig) -> ([u64; 32], u64, u64, usize) {
    let registers = core::array::from_fn(|register| rig.x(register as u8));
    (registers, rig.hart.pc, rig.word(DATA), rig.bus.made.len())
}

const STEPS: u64 = 200;

#[test]
fn budgets_may_end_at_every_instruction() {
    let mut whole = program();
    whole.steps(STEPS);
    let expected = state(&mut whole);
    assert!(expected.3 > 10, "the loop goes round");
    for first in 0..40 {
        for slice in 1..12 {
            let mut cut = program();
            cut.steps(first);
            let mut left = STEPS - first;
            while left > 0 {
                let now = slice.min(left);
                cut.steps(now);
                left -= now;
            }
            assert_eq!(state(&mut cut), expected, "{first}, then by {slice}");
        }
    }
}

#[test]
fn no_budget_no_step() {
    let mut rig = program();
    assert_eq!(rig.run(0), (0, Stop::Budget));
    assert_eq!(rig.hart.pc, RAM_BASE);
    // A trap is not made without a step.
    rig.hart.pc = DEVICE;
    assert_eq!(rig.run(0), (0, Stop::Budget));
}

#[test]
fn runs_can_be_entered_anywhere() {
    // Compressed code: every halfword may be the start of an instruction.
    let mut rig = Rig::new(&[u32::from(C_ADDI) << 16 | u32::from(C_ADDI); 200]);
    let mut total = 0;
    for start in (0..100).rev().chain(0..200) {
        rig.hart.pc = RAM_BASE + 2 * start;
        rig.steps(150);
        total += 150;
        assert_eq!(rig.x(10), total);
        assert_eq!(rig.hart.pc, RAM_BASE + 2 * start + 300);
    }
}

#[test]
fn the_middle_of_an_instruction_is_another_instruction() {
    // The upper half of `lui x1, 0x05050` is `c.addi x10, 1`.
    let mut rig = Rig::new(&[inst(Op::Lui, 1, 0, 0, 0x0505_0000), addi(11, 11, 1)]);
    for round in 1..4 {
        rig.hart.pc = RAM_BASE;
        rig.steps(2);
        rig.hart.pc = RAM_BASE + 2;
        rig.steps(2);
        assert_eq!((rig.x(10), rig.x(11)), (round, 2 * round));
        assert_eq!(rig.x(1), 0x0505_0000);
    }
}

#[test]
fn breakpoints_stop_before_their_instruction_and_change_nothing() {
    let mut whole = program();
    whole.steps(STEPS);
    let expected = state(&mut whole);
    let places: Vec<u64> = (1..7)
        .map(|nth| RAM_BASE + 4 * nth)
        .chain((0..4).map(|nth| RAM_BASE + 0xff6 + 4 * nth))
        .collect();
    for at in places {
        let mut rig = program();
        rig.breakpoints = alloc::vec![at];
        rig.code.mark(&rig.breakpoints);
        let (mut left, mut met) = (STEPS, 0);
        while left > 0 {
            let (made, stop) = rig.run(left.min(7));
            left -= made;
            rig.pass = (stop == Stop::Breakpoint).then_some(at);
            if rig.pass.is_some() {
                met += 1;
                assert_eq!(rig.hart.pc, at);
            }
        }
        assert!(met > 5, "{at:#x}");
        assert_eq!(state(&mut rig), expected, "{at:#x}");
    }
}

#[test]
fn steps_are_counted_in_every_round_of_a_loop() {
    // The loop is one run, which is not left between rounds.
    let code = [
        inst(Op::Ld, 11, 10, 0, 0),
        inst(Op::Add, 10, 10, 12, 0),
        inst(Op::Jal, 0, 0, 0, -8),
    ];
    let mut rig = Rig::new(&code);
    // Through RAM until it ends.
    rig.set_x(10, DATA);
    rig.set_x(12, 0x1000);
    let (made, stop) = rig.run(100);
    assert_eq!(made, 3 * ((RAM_BASE + RAM - DATA) >> 12));
    assert!(matches!(stop, Stop::Trap { .. }), "{stop:?}");
    // From RAM to a device.
    rig.set_x(10, DATA);
    rig.set_x(12, DEVICE.wrapping_sub(DATA));
    rig.hart.pc = RAM_BASE;
    assert_eq!(rig.run(100), (4, Stop::Attention));
    assert_eq!(rig.bus.left, [100 - 3]);
}

#[test]
fn breakpoint_outside_ram_is_passed_once() {
    let mut rig = Rig::new(&[]);
    let words = [addi(10, 10, 3), inst(Op::Jal, 0, 0, 0, -4)];
    let halves = |word: &u32| [*word as u16, (*word >> 16) as u16];
    rig.bus.rom = words.iter().flat_map(halves).collect();
    rig.hart.pc = ROM;
    rig.breakpoints = alloc::vec![ROM];
    rig.pass = Some(ROM);
    assert_eq!(rig.run(10), (2, Stop::Breakpoint));
    assert_eq!((rig.x(10), rig.hart.pc), (3, ROM));
    rig.pass = None;
    assert_eq!(rig.run(10), (0, Stop::Breakpoint));
}

#[test]
fn system_instructions_are_left_to_the_run_loop() {
    let mut rig = Rig::new(&[addi(10, 10, 1), inst(Op::Ecall, 0, 0, 0, 0)]);
    let (made, stop) = rig.run(10);
    assert_eq!((made, rig.hart.pc), (1, RAM_BASE + 4));
    assert!(matches!(stop, Stop::System { inst, length: 4 } if inst.op == Op::Ecall));
}
