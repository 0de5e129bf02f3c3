//! A guest under a debugger computes what it computes without one.

use super::*;
use crate::machine::testing::{A0, A1, S0, bare_config, build};
use crate::testing::Draw;

/// Harts that interrupt one another and themselves, count with atomic operations, store across
/// pages, and beside and into decoded code.
fn busy(harts: usize) -> Machine {
    let other = i32::from(harts > 1) * 4;
    let head = [
        inst(Op::Csrrs, T0, 0, 0, 0xf14),
        inst(Op::Slli, T0, T0, 0, 2),
        // Data, two pages behind.
        inst(Op::Auipc, S0, 0, 0, 0x2000),
        inst(Op::Auipc, T1, 0, 0, 0),
        inst(Op::Addi, T1, T1, 0, 0x200 - 12),
        inst(Op::Csrrw, 0, T1, 0, MTVEC.into()),
        // MSI and MTI.
        inst(Op::Addi, T1, 0, 0, 0x88),
        inst(Op::Csrrw, 0, T1, 0, MIE.into()),
        inst(Op::Csrrsi, 0, 8, 0, MSTATUS.into()),
        inst(Op::Addi, T2, 0, 0, 3),
    ];
    let round = [
        inst(Op::AmoaddD, A0, S0, T2, 0),
        inst(Op::LrD, A1, S0, 0, 0),
        inst(Op::Addi, A1, A1, 0, 5),
        inst(Op::ScD, A1, S0, A1, 0),
        inst(Op::Sd, 0, S0, A0, 0x7f4),
        // In the code's page, in a part that is decoded and in one that is not.
        inst(Op::Auipc, T1, 0, 0, 0),
        inst(Op::Sd, 0, T1, A0, 0x40),
        inst(Op::Sd, 0, T1, A0, 0x400),
        // Across two pages.
        inst(Op::Lui, T1, 0, 0, 0x1000),
        inst(Op::Add, T1, T1, S0, 0),
        inst(Op::Sd, 0, T1, A0, -4),
        inst(Op::Ld, A1, T1, 0, -4),
        // msip of hart 0, and of hart 1 if there is one.
        inst(Op::Lui, T1, 0, 0, 0x200_0000),
        inst(Op::Sw, 0, T1, T2, 0),
        inst(Op::Sw, 0, T1, T2, other),
    ];
    let mut code: Vec<u32> = head.into_iter().chain(round).collect();
    code.push(inst(Op::Jal, 0, 0, 0, -4 * round.len() as i32));
    code.resize(0x200 / 4, inst(Op::Addi, 0, 0, 0, 0));
    code.extend([
        inst(Op::Addi, 20, 20, 0, 1),
        inst(Op::Lui, 21, 0, 0, 0x200_0000),
        inst(Op::Add, 22, 21, T0, 0),
        inst(Op::Sw, 0, 22, 0, 0),
        // The timer, some ticks ahead.
        inst(Op::Lui, 23, 0, 0, 0xc000),
        inst(Op::Add, 23, 23, 21, 0),
        inst(Op::Ld, 23, 23, 0, -8),
        inst(Op::Addi, 23, 23, 0, 7),
        inst(Op::Lui, 24, 0, 0, 0x4000),
        inst(Op::Add, 24, 24, 22, 0),
        inst(Op::Add, 24, 24, T0, 0),
        inst(Op::Sd, 0, 24, 23, 0),
        inst(Op::Mret, 0, 0, 0, 0),
    ]);
    let mut config = bare_config(&code, harts);
    config.quantum = 60;
    build(config)
}

/// Sets and takes away this and that.
fn meddle(machine: &mut Machine, harts: usize, random: &mut Draw) {
    // In the loop, or in the handler.
    let at = match random.below(2) {
        0 => RAM_BASE + 4 * random.below(26),
        _ => RAM_BASE + 0x200 + 4 * random.below(14),
    };
    match random.below(6) {
        0 => {
            machine.add_breakpoint(at);
        }
        1 => machine.release(),
        2 => {
            let kinds = [WatchKind::Read, WatchKind::Write, WatchKind::Access];
            let kind = kinds[random.below(3) as usize];
            let at = RAM_BASE + 0x2008 + random.below(0x1000);
            machine
                .add_watchpoint(0, at, 1 + random.below(16), kind)
                .unwrap();
        }
        3 => {
            machine
                .add_watchpoint(0, RAM_BASE + 0x2008, 8, WatchKind::Access)
                .unwrap();
        }
        nth => {
            let pace = if nth == 4 { Pace::Step } else { Pace::Run };
            machine.set_pace(random.below(harts as u64) as usize, pace);
        }
    }
    let mut bytes = [0; 64];
    assert_eq!(machine.read_virtual(0, at, &mut bytes), 64);
}

#[test]
fn guest_under_a_debugger_comes_to_the_same_state() {
    for harts in [1, 2, 3] {
        let (mut plain, mut debugged) = (busy(harts), busy(harts));
        let random = &mut Draw(harts as u64);
        let mut halts = [0_u64; 3];
        let mut goal = 0;
        while goal < 30_000 {
            goal += 1 + random.below(300);
            while plain.instructions() < goal {
                let left = goal - plain.instructions();
                assert_eq!(run(&mut plain, left), Exit::Budget);
            }
            // Bounded: a stop without an instruction is followed by one with.
            while debugged.instructions() < goal {
                let left = goal - debugged.instructions();
                match run(&mut debugged, left) {
                    Exit::Budget => {}
                    Exit::Halted(halt) => {
                        halts[match halt {
                            Halt::Breakpoint { .. } => 0,
                            Halt::Watchpoint { .. } => 1,
                            Halt::Step { .. } => 2,
                        }] += 1;
                        if random.below(8) == 0 {
                            meddle(&mut debugged, harts, random);
                        }
                    }
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(debugged.digest(), plain.digest(), "{harts} harts at {goal}");
            meddle(&mut debugged, harts, random);
        }
        assert!(halts.iter().all(|count| *count > 50), "{halts:?}");
        for hart in 0..harts.min(2) {
            let interrupts = plain.x(hart, 20);
            assert!(interrupts > 50, "{interrupts}");
        }
    }
}

#[test]
fn stop_at_the_end_of_a_turn_leaves_it_ended() {
    let with_quantum = |quantum| {
        let mut config = bare_config(&counting(1000), 2);
        config.quantum = quantum;
        build(config)
    };
    for quantum in 1..40 {
        let mut debugged = with_quantum(quantum);
        debugged
            .add_watchpoint(0, RAM_BASE + 0x1008, 8, WatchKind::Write)
            .unwrap();
        let mut plain = with_quantum(quantum);
        for _ in 0..5 {
            assert!(matches!(
                run(&mut debugged, 1000),
                Exit::Halted(Halt::Watchpoint { .. })
            ));
            let left = debugged.instructions() - plain.instructions();
            run(&mut plain, left);
            assert_eq!(debugged.digest(), plain.digest(), "{quantum}");
        }
    }
}
