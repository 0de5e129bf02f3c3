//! Timers, idleness, the two clocks.

use super::super::testing::{KERNEL, Recorder, T0, T1, bare_config, build, forever, inst};
use super::super::testing::{li, supervisor};
use super::*;
use crate::cpu::status;

const SIE: i32 = 0x104;
const STIMECMP: i32 = 0x14d;
const TIME: i32 = 0xc01;

/// Waits for the time in `t1`, reads `time`, and goes on for ever.
fn sleeper(at: u32) -> Vec<u32> {
    let mut code = Vec::from(li(T1, at));
    code.extend([
        inst(Op::Addi, T0, 0, 0, 32),
        inst(Op::Csrrs, 0, T0, 0, SIE),
        inst(Op::Csrrw, 0, T1, 0, STIMECMP),
        inst(Op::Wfi, 0, 0, 0, 0),
        inst(Op::Csrrs, T0, 0, 0, TIME),
        forever(),
    ]);
    code
}

#[test]
fn idle_machine_jumps_to_its_timer() {
    for harts in [1, 2] {
        let mut machine = supervisor(&sleeper(1_000_000), harts);
        machine.run(100, Nanos(0), &mut NoHost);
        assert_eq!(machine.x(0, T0), 1_000_000, "{harts} harts");
        assert_eq!(machine.instructions(), 100);
        assert_eq!(machine.statistics().idle, 1);
    }
}

#[test]
fn skip_that_the_host_refuses_is_offered_again() {
    for harts in [1, 2] {
        let mut machine = supervisor(&sleeper(1_000_000), harts);
        let host = &mut Recorder {
            refuses_skips: true,
            ..Recorder::default()
        };
        let until = Some(Ticks(1_000_000));
        for _ in 0..3 {
            assert_eq!(machine.run(100, Nanos(0), host), Exit::Idle { until });
        }
        let before = machine.now();
        assert!(before < Ticks(1000));
        host.refuses_skips = false;
        let left = 100 - machine.instructions();
        machine.run(left, Nanos(0), host);
        assert_eq!(machine.x(0, T0), 1_000_000);
        let mut straight = supervisor(&sleeper(1_000_000), harts);
        straight.run(100, Nanos(0), &mut NoHost);
        assert_eq!(machine.digest(), straight.digest(), "{harts} harts");
    }
}

#[test]
fn timer_interrupts_at_its_count_however_the_run_is_cut() {
    let mut code = Vec::from(li(T1, 50));
    code.extend([
        inst(Op::Addi, T0, 0, 0, 32),
        inst(Op::Csrrs, 0, T0, 0, SIE),
        inst(Op::Csrrw, 0, T1, 0, STIMECMP),
        inst(Op::Csrrsi, 0, 2, 0, 0x100),
        inst(Op::Addi, 20, 20, 0, 1),
        inst(Op::Jal, 0, 0, 0, -4),
        // The handler.
        forever(),
    ]);
    let run = |slice: u64| {
        let mut machine = supervisor(&code, 1);
        machine.set_csr(0, 0x105, KERNEL + 32).unwrap();
        while machine.instructions() < 2000 {
            let left = 2000 - machine.instructions();
            machine.run(slice.min(left), Nanos(0), &mut NoHost);
        }
        (
            machine.x(0, 20),
            machine.hart(0).unwrap().csr.sepc,
            machine.digest(),
        )
    };
    let whole = run(2000);
    // At tick 50, after 1600 instructions, of which some set up; two make a round.
    assert!((790..800).contains(&whole.0), "{}", whole.0);
    assert!(whole.1 >= KERNEL);
    for slice in [1, 2, 7, 31, 33, 999] {
        assert_eq!(run(slice), whole, "{slice}");
    }
}

#[test]
fn host_time_drives_the_guest_where_it_is_asked_to() {
    let mut config = supervisor(&sleeper(1000), 1).config().clone();
    config.clock = Clock::Host;
    let mut machine = build(config);
    let start = 5_000_000_000;
    let until = Some(Ticks(1000));
    let run =
        |machine: &mut Machine, passed: u64| machine.run(100, Nanos(start + passed), &mut NoHost);
    assert_eq!(run(&mut machine, 0), Exit::Idle { until });
    assert_eq!(run(&mut machine, 99_000), Exit::Idle { until });
    // A clock that goes back is ignored.
    assert_eq!(run(&mut machine, 50_000), Exit::Idle { until });
    assert!(machine.now() >= Ticks(990) && machine.now() < Ticks(1000));
    assert_eq!(run(&mut machine, 100_100), Exit::Budget);
    let time = machine.x(0, T0);
    assert!((1000..2000).contains(&time), "{time}");
}

#[test]
fn machine_timer_interrupts_machine_mode() {
    // mtimecmp of hart 0 is 40; MTI enabled; waits with interrupts off.
    let code = [
        inst(Op::Lui, T0, 0, 0, 0x200_4000),
        inst(Op::Addi, T1, 0, 0, 40),
        inst(Op::Sd, 0, T0, T1, 0),
        inst(Op::Addi, T0, 0, 0, 128),
        inst(Op::Csrrs, 0, T0, 0, 0x304),
        inst(Op::Wfi, 0, 0, 0, 0),
        inst(Op::Csrrs, T0, 0, 0, 0x344),
        inst(Op::Csrrs, T1, 0, 0, TIME),
        forever(),
    ];
    for harts in [1, 2] {
        let mut config = bare_config(&code, harts);
        config.quantum = 10;
        let mut machine = build(config);
        machine.run(5000, Nanos(0), &mut NoHost);
        assert_eq!(machine.x(0, T0) & status::MTIP, status::MTIP);
        assert!((40..60).contains(&machine.x(0, T1)));
    }
}
