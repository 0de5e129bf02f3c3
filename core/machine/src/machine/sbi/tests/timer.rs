//! TIME and the legacy call for the timer.

use super::*;

const STIP: u64 = status::STIP;

fn pending(machine: &Machine) -> bool {
    machine.hart(0).unwrap().mip() & STIP != 0
}

#[test]
fn time_that_has_passed_interrupts_at_once() {
    for which in [(TIME, 0), (0, 0)] {
        let machine = &mut caller(1);
        assert!(!pending(machine));
        assert_eq!(call(machine, 0, which, &[0, 0]), (0, 0));
        assert!(pending(machine));
        // 6.1: a new time clears the interrupt, and the highest is never.
        assert_eq!(call(machine, 0, which, &[1_000_000, 0]), (0, 0));
        assert!(!pending(machine));
        assert_eq!(call(machine, 0, which, &[0, 0]), (0, 0));
        assert_eq!(call(machine, 0, which, &[u64::MAX, 0]), (0, 0));
        assert!(!pending(machine));
    }
}

#[test]
fn interrupt_comes_when_time_equals_the_set_one() {
    // An endless loop behind the call; STIE is set, SIE is not.
    let code = [inst(Op::Ecall, 0, 0, 0, 0), inst(Op::Jal, 0, 0, 0, 0)];
    let machine = &mut supervisor(&code, 1);
    let host = &mut Recorder::default();
    assert_eq!(call_with(machine, 0, (TIME, 0), &[20], host), (0, 0));
    let rate = machine.config().instructions_per_tick;
    let left = 20 * rate - machine.instructions();
    machine.run(left - 1, crate::time::Nanos(0), host);
    assert_eq!(machine.now().0, 19);
    assert!(!pending(machine));
    machine.run(2, crate::time::Nanos(0), host);
    assert_eq!(machine.now().0, 20);
    assert!(pending(machine));
}

#[test]
fn timer_that_never_comes_leaves_the_machine_idle() {
    let code = [inst(Op::Ecall, 0, 0, 0, 0), inst(Op::Wfi, 0, 0, 0, 0)];
    for (at, until) in [
        (u64::MAX, None),
        (1 << 40, Some(crate::time::Ticks(1 << 40))),
    ] {
        let machine = &mut supervisor(&code, 1);
        let host = &mut Recorder {
            refuses_skips: true,
            ..Recorder::default()
        };
        machine.set_csr(0, 0x104, STIP).unwrap();
        assert_eq!(call_with(machine, 0, (TIME, 0), &[at], host), (0, 0));
        let exit = machine.run(100, crate::time::Nanos(0), host);
        assert_eq!(exit, crate::machine::Exit::Idle { until });
    }
}
