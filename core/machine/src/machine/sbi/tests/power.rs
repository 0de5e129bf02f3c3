//! System reset and system suspend.

use super::*;
use crate::machine::Exit;
use crate::mem::RAM_BASE;
use crate::time::Nanos;

#[test]
fn reset_types_and_reasons_end_the_machine_as_they_say() {
    for (kind, reason, exit) in [
        (0, 0, Exit::PowerOff { code: 0 }),
        (0, 1, Exit::PowerOff { code: 1 }),
        (1, 0, Exit::Reset),
        (2, 0, Exit::Reset),
        (1, 1, Exit::Reset),
        // 10.1: the parameters are 32 bits wide.
        (0xdead_0000_0000_0000, 1 << 40, Exit::PowerOff { code: 0 }),
    ] {
        let machine = &mut caller(2);
        let host = &mut Recorder::default();
        enter(machine, 0, (SRST, 0), &[kind, reason], host);
        assert_eq!(
            machine.run(1, Nanos(0), host),
            exit,
            "{kind:#x} {reason:#x}"
        );
        // Off is off.
        let count = machine.instructions();
        assert_eq!(machine.run(100, Nanos(0), host), exit);
        assert_eq!(machine.instructions(), count);
    }
    let machine = &mut caller(1);
    let host = &mut Recorder::default();
    enter(machine, 0, (8, 0), &[], host);
    assert_eq!(machine.run(1, Nanos(0), host), Exit::PowerOff { code: 0 });
}

#[test]
fn reserved_reset_types_and_reasons_are_invalid() {
    let machine = &mut caller(1);
    for (kind, reason) in [
        (3, 0),
        (0xefff_ffff, 0),
        (0xf000_0000, 0),
        (0xffff_ffff, 0),
        (0, 2),
        (0, 0xdfff_ffff),
        (1, 2),
    ] {
        let answer = error(machine, 0, (SRST, 0), &[kind, reason]);
        assert_eq!(answer, INVALID_PARAM, "{kind:#x} {reason:#x}");
    }
    assert_eq!(machine.power, Power::On);
}

#[test]
fn system_suspend_is_denied_while_another_hart_is_up() {
    let machine = &mut caller(2);
    machine.states[1] = HartState::Started;
    assert_eq!(error(machine, 0, (SUSP, 0), &[0, KERNEL, 1]), DENIED);
    machine.states[1] = HartState::Suspended { resume: None };
    machine.harts[1].waiting = true;
    assert_eq!(error(machine, 0, (SUSP, 0), &[0, KERNEL, 1]), DENIED);
}

#[test]
fn system_suspend_checks_type_and_address() {
    let machine = &mut caller(2);
    for kind in [1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] {
        assert_eq!(
            error(machine, 0, (SUSP, 0), &[kind, KERNEL, 1]),
            INVALID_PARAM
        );
    }
    for address in [
        0,
        KERNEL + 1,
        RAM_BASE - 2,
        RAM_BASE + (8 << 20),
        u64::MAX - 1,
    ] {
        let answer = error(machine, 0, (SUSP, 0), &[0, address, 1]);
        assert_eq!(answer, INVALID_ADDRESS, "{address:#x}");
    }
}

#[test]
fn suspended_system_goes_on_where_it_said() {
    let machine = &mut caller(2);
    let host = &mut Recorder::default();
    machine.set_csr(0, 0x104, status::SSIP).unwrap();
    machine.set_csr(0, 0x100, status::SIE).unwrap();
    let resume = KERNEL + 0x100;
    enter(machine, 0, (SUSP, 0), &[1 << 32, resume, 0x0bad], host);
    assert_eq!(machine.run(100, Nanos(0), host), Exit::Idle { until: None });
    machine.harts[0].csr.mip |= status::SSIP;
    machine.harts[0].csr.satp = 8 << 60;
    // One step: an illegal instruction of zeroes.
    machine.run(1, Nanos(0), host);
    let hart = machine.hart(0).unwrap();
    assert_eq!(hart.csr.sepc, resume);
    assert_eq!(hart.csr.scause, 2);
    assert_eq!(hart.csr.satp, 0);
    assert_eq!(hart.csr.mstatus & status::SPIE, 0, "SIE was clear");
    assert_eq!((machine.x(0, 10), machine.x(0, 11)), (0, 0x0bad));
}
