//! Several harts: turns, interrupts between them, time.

use super::super::testing::{A0, A1, A6, A7, T0, T1, T2, bare, bare_config, build, forever, inst};
use super::super::testing::{KERNEL, RESET_STEPS, li, supervisor};
use super::*;
use crate::cpu::status;

const MHARTID: i32 = 0xf14;
const MIE: i32 = 0x304;
const MIP: i32 = 0x344;
const TIME: i32 = 0xc01;

#[test]
fn each_hart_runs_its_quantum_in_turn() {
    let mut config = bare_config(&[forever()], 3);
    config.quantum = 100;
    let mut machine = build(config);
    // Slices that fit the quantum nowhere.
    let mut count = 0;
    while count < 1000 {
        machine.run(7, Nanos(0), &mut NoHost);
        count += 7;
        assert_eq!(machine.instructions(), count);
        let shares = [0, 1, 2].map(|hart| machine.hart(hart).unwrap().retired);
        let (rounds, rest) = (count / 300, count % 300);
        let expected =
            [0, 1, 2].map(|hart| rounds * 100 + rest.saturating_sub(hart * 100).min(100));
        assert_eq!(shares, expected, "{count}");
    }
}

#[test]
fn time_stands_still_in_a_round_and_steps_by_the_longest_share() {
    let code = [inst(Op::Csrrs, T0, 0, 0, TIME), forever()];
    let mut config = bare_config(&code, 2);
    config.quantum = 320;
    let mut machine = build(config);
    machine.run(640, Nanos(0), &mut NoHost);
    assert_eq!((machine.x(0, T0), machine.x(1, T0)), (0, 0));
    // The round is over once the next one begins.
    machine.run(1, Nanos(0), &mut NoHost);
    assert_eq!(machine.now(), Ticks(320 / 32));
    machine.run(319, Nanos(0), &mut NoHost);
    assert_eq!(machine.now(), Ticks(320 / 32));
}

#[test]
fn hart_that_waits_leaves_its_turn_to_the_others() {
    // Hart 1 waits, hart 0 goes on.
    let code = [
        inst(Op::Csrrs, T0, 0, 0, MHARTID),
        inst(Op::Beq, 0, T0, 0, 8),
        inst(Op::Wfi, 0, 0, 0, 0),
        forever(),
    ];
    let mut machine = bare(&code, 2);
    machine.run(20_000, Nanos(0), &mut NoHost);
    assert_eq!(machine.hart(1).unwrap().retired, RESET_STEPS + 3);
    assert_eq!(machine.hart(0).unwrap().retired, 20_000 - RESET_STEPS - 3);
}

#[test]
fn aclint_wakes_a_hart_that_waits() {
    // Hart 1 enables MSI and waits; behind WFI it clears its own bit and notes that.
    let code: Vec<u32> = [
        inst(Op::Csrrs, T0, 0, 0, MHARTID),
        inst(Op::Lui, T1, 0, 0, 0x200_0000),
        inst(Op::Addi, T2, 0, 0, 1),
        inst(Op::Bne, 0, T0, 0, 12),
        // Hart 0: msip of hart 1.
        inst(Op::Sw, 0, T1, T2, 4),
        forever(),
        // Hart 1.
        inst(Op::Csrrsi, 0, 8, 0, MIE),
        inst(Op::Wfi, 0, 0, 0, 0),
        inst(Op::Csrrs, A0, 0, 0, MIP),
        inst(Op::Sw, 0, T1, 0, 4),
        inst(Op::Csrrs, A1, 0, 0, MIP),
        forever(),
    ]
    .into();
    for quantum in [1, 3, 10, 5000] {
        let mut config = bare_config(&code, 2);
        config.quantum = quantum;
        let mut machine = build(config);
        machine.run(20_000, Nanos(0), &mut NoHost);
        assert_eq!(machine.x(1, A0) & status::MSIP, status::MSIP, "{quantum}");
        assert_eq!(machine.x(1, A1) & status::MSIP, 0, "{quantum}");
        assert_eq!(machine.hart(1).unwrap().pc, RAM_BASE + 11 * 4);
    }
}

#[test]
fn firmware_starts_a_hart_and_interrupts_it() {
    let hsm = 0x0048_534d;
    let ipi = 0x0073_5049;
    let start = KERNEL + 0x100;
    let mut code = Vec::new();
    // hart_start(1, start, 7)
    code.extend(li(A7, hsm));
    code.extend(li(A0, 1));
    code.extend([
        inst(Op::Addi, A6, 0, 0, 0),
        inst(Op::Auipc, A1, 0, 0, 0),
        inst(Op::Addi, A1, A1, 0, 0x100 - 20),
        inst(Op::Addi, 12, 0, 0, 7),
        inst(Op::Ecall, 0, 0, 0, 0),
    ]);
    // send_ipi(2, 0)
    code.extend(li(A7, ipi));
    code.extend(li(A0, 2));
    code.extend([
        inst(Op::Addi, A1, 0, 0, 0),
        inst(Op::Ecall, 0, 0, 0, 0),
        forever(),
    ]);
    code.resize(0x100 / 4, 0);
    // Hart 1: enables SSI, waits, reads `sip`.
    code.extend([
        inst(Op::Csrrsi, 0, 2, 0, 0x104),
        inst(Op::Wfi, 0, 0, 0, 0),
        inst(Op::Csrrs, T0, 0, 0, 0x144),
        forever(),
    ]);
    let mut machine = supervisor(&code, 2);
    machine.run(30_000, Nanos(0), &mut NoHost);
    assert_eq!((machine.x(1, A0), machine.x(1, A1)), (1, 7));
    assert_eq!(machine.x(1, T0), status::SSIP);
    assert_eq!(machine.hart(1).unwrap().pc, start + 12);
}

#[test]
fn code_that_another_hart_writes_is_seen() {
    // Hart 1 runs `addi a0, a0, 1` in a loop, hart 0 makes it `addi a0, a0, 0`.
    let still = inst(Op::Addi, A0, A0, 0, 0);
    let mut code = alloc::vec![
        inst(Op::Csrrs, T0, 0, 0, MHARTID),
        inst(Op::Auipc, T1, 0, 0, 0),
        inst(Op::Bne, 0, T0, 0, 28),
    ];
    // Hart 0 waits for some turns first.
    code.extend(li(A1, still));
    code.extend([
        inst(Op::Addi, T2, T2, 0, 1),
        inst(Op::Sltiu, A6, T2, 0, 1000),
        inst(Op::Bne, 0, A6, 0, -8),
        // Hart 1's loop is at 9: 32 bytes behind `t1`.
        inst(Op::Jal, 0, 0, 0, 12),
        inst(Op::Addi, A0, A0, 0, 1),
        inst(Op::Jal, 0, 0, 0, -4),
        inst(Op::Sw, 0, T1, A1, 32),
        forever(),
    ]);
    let mut config = bare_config(&code, 2);
    config.quantum = 50;
    let mut machine = build(config);
    machine.run(20_000, Nanos(0), &mut NoHost);
    assert_eq!(machine.hart(0).unwrap().pc, RAM_BASE + 12 * 4);
    let reached = machine.x(1, A0);
    assert!(reached > 1000);
    machine.run(1000, Nanos(0), &mut NoHost);
    assert_eq!(machine.x(1, A0), reached);
    assert_eq!(
        machine.hart(1).unwrap().retired,
        machine.hart(0).unwrap().retired
    );
}

#[test]
fn reservations_end_with_the_quantum_and_never_with_a_slice() {
    // lr, some steps, sc; hart 1 waits for ever.
    let mut code = alloc::vec![
        inst(Op::Csrrs, T0, 0, 0, MHARTID),
        inst(Op::Beq, 0, T0, 0, 8),
        inst(Op::Jal, 0, 0, 0, 0),
        inst(Op::Auipc, T1, 0, 0, 0x1000),
        inst(Op::LrW, T2, T1, 0, 0),
    ];
    code.extend([inst(Op::Addi, 0, 0, 0, 0); 10]);
    code.extend([inst(Op::ScW, A0, T1, 0, 0), forever()]);
    let before_sc = RESET_STEPS + 4 + 10;
    for (quantum, failed) in [(before_sc, 1), (before_sc + 1, 0), (5000, 0)] {
        for slice in [1, 3, 1000] {
            let mut config = bare_config(&code, 2);
            config.quantum = quantum;
            let mut machine = build(config);
            machine.set_register(0, A0, 9);
            while machine.instructions() < 20_000 {
                machine.run(slice, Nanos(0), &mut NoHost);
                if machine.hart(0).unwrap().pc == RAM_BASE + 16 * 4 {
                    break;
                }
            }
            assert_eq!(machine.x(0, A0), failed, "{quantum} {slice}");
        }
    }
}
