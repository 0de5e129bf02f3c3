//! Hart state management.

use super::*;
use crate::machine::Exit;
use crate::mem::RAM_BASE;
use crate::time::Nanos;

const STARTED: u64 = 0;
const STOPPED: u64 = 1;
const SUSPENDED: u64 = 4;

const START: (u64, u64) = (HSM, 0);
const STOP: (u64, u64) = (HSM, 1);
const STATUS: (u64, u64) = (HSM, 2);
const SUSPEND: (u64, u64) = (HSM, 3);

fn status_of(machine: &mut Machine, id: u64) -> u64 {
    let (error, status) = call(machine, 0, STATUS, &[id]);
    assert_eq!(error, 0);
    status
}

#[test]
fn harts_begin_stopped_but_for_the_first() {
    for harts in [2, 3] {
        let machine = &mut caller(harts);
        assert_eq!(status_of(machine, 0), STARTED);
        for id in 1..harts as u64 {
            assert_eq!(status_of(machine, id), STOPPED);
        }
        for id in [harts as u64, 1 << 32, u64::MAX] {
            assert_eq!(error(machine, 0, STATUS, &[id]), INVALID_PARAM);
            assert_eq!(error(machine, 0, START, &[id, KERNEL, 0]), INVALID_PARAM);
        }
    }
}

#[test]
fn started_hart_begins_as_table_9_1_says() {
    for harts in [2, 3] {
        let machine = &mut caller(harts);
        let id = harts - 1;
        // What an earlier life left behind.
        machine.harts[id].csr.satp = 8 << 60;
        machine.harts[id].csr.mstatus |= status::SIE;
        machine.harts[id].privilege = Privilege::User;
        let at = KERNEL + 0x40;
        assert_eq!(call(machine, 0, START, &[id as u64, at, 0xabcd]), (0, 0));
        assert_eq!(status_of(machine, id as u64), STARTED);
        let hart = machine.hart(id).unwrap();
        assert_eq!((hart.pc, hart.privilege), (at, Privilege::Supervisor));
        assert_eq!((hart.csr.satp, hart.csr.mstatus & status::SIE), (0, 0));
        assert_eq!((machine.x(id, 10), machine.x(id, 11)), (id as u64, 0xabcd));
        let again = error(machine, 0, START, &[id as u64, at, 0]);
        assert_eq!(again, ALREADY_AVAILABLE);
        assert_eq!(error(machine, id, START, &[0, at, 0]), ALREADY_AVAILABLE);
    }
}

#[test]
fn hart_does_not_start_outside_ram() {
    let machine = &mut caller(2);
    let end = RAM_BASE + machine.config().ram_size;
    for address in [
        0,
        0x1000,
        0x1000_0000,
        RAM_BASE - 2,
        KERNEL + 1,
        end,
        end - 1,
        u64::MAX - 1,
    ] {
        let answer = error(machine, 0, START, &[1, address, 0]);
        assert_eq!(answer, INVALID_ADDRESS, "{address:#x}");
        assert_eq!(status_of(machine, 1), STOPPED);
    }
    assert_eq!(call(machine, 0, START, &[1, end - 2, 0]), (0, 0));
}

#[test]
fn stopped_hart_stays_so_until_it_is_started() {
    let machine = &mut caller(3);
    let host = &mut Recorder::default();
    assert_eq!(call(machine, 0, START, &[2, KERNEL, 0]), (0, 0));
    enter(machine, 2, STOP, &[], host);
    assert_eq!(status_of(machine, 2), STOPPED);
    // An IPI does not start it.
    assert_eq!(call(machine, 0, (IPI, 0), &[0b100, 0]), (0, 0));
    assert_eq!(status_of(machine, 2), STOPPED);
    assert_eq!(call(machine, 0, START, &[2, KERNEL, 0]), (0, 0));
    assert_eq!(status_of(machine, 2), STARTED);
}

#[test]
fn machine_whose_last_hart_stops_is_idle() {
    let machine = &mut caller(2);
    let host = &mut Recorder::default();
    enter(machine, 0, STOP, &[], host);
    assert_eq!(machine.run(100, Nanos(0), host), Exit::Idle { until: None });
    assert_eq!(machine.run(100, Nanos(0), host), Exit::Idle { until: None });
}

#[test]
fn suspend_types_are_32_bits_wide() {
    for (kind, answer) in [
        (1, INVALID_PARAM),
        (0x0fff_ffff, INVALID_PARAM),
        (0x1000_0000, NOT_SUPPORTED),
        (0x7fff_ffff, NOT_SUPPORTED),
        (0x8000_0001, INVALID_PARAM),
        (0x8fff_ffff, INVALID_PARAM),
        (0x9000_0000, NOT_SUPPORTED),
        (0xffff_ffff, NOT_SUPPORTED),
    ] {
        for upper in [0, 1 << 63, 0xffff_ffff_0000_0000] {
            let machine = &mut caller(1);
            let found = error(machine, 0, SUSPEND, &[upper | kind, KERNEL, 0]);
            assert_eq!(found, answer, "{upper:#x} {kind:#x}");
        }
    }
    for upper in [0, 1 << 63, 0xffff_ffff_0000_0000] {
        for kind in [0, 0x8000_0000] {
            let machine = &mut caller(2);
            let host = &mut Recorder::default();
            assert_eq!(call(machine, 0, START, &[1, KERNEL, 0]), (0, 0));
            enter(machine, 1, SUSPEND, &[upper | kind, KERNEL, 0], host);
            assert_eq!(status_of(machine, 1), SUSPENDED, "{upper:#x} {kind:#x}");
            let again = error(machine, 0, START, &[1, KERNEL, 0]);
            assert_eq!(again, ALREADY_AVAILABLE);
        }
    }
}

#[test]
fn retentive_suspend_returns_behind_the_call() {
    let machine = &mut caller(1);
    let host = &mut Recorder::default();
    machine.set_csr(0, 0x104, status::SSIP).unwrap();
    let registers = enter(machine, 0, SUSPEND, &[0, 1, 2], host);
    assert_eq!(machine.run(100, Nanos(0), host), Exit::Idle { until: None });
    machine.harts[0].csr.mip |= status::SSIP;
    // One step: an illegal instruction of zeroes behind the call.
    machine.run(1, Nanos(0), host);
    let hart = machine.hart(0).unwrap();
    assert_eq!((hart.csr.sepc, hart.csr.scause), (KERNEL + 4, 2));
    assert_eq!((registers[10], registers[11]), (0, 0));
    assert_eq!(machine.registers(0).unwrap(), registers);
}

#[test]
fn non_retentive_suspend_goes_on_where_it_said() {
    let machine = &mut caller(2);
    let host = &mut Recorder::default();
    assert_eq!(call(machine, 0, START, &[1, KERNEL, 0]), (0, 0));
    machine.set_csr(1, 0x104, status::SSIP).unwrap();
    let resume = KERNEL + 0x200;
    for bad in [1, KERNEL + 1, 0x1000] {
        let answer = error(machine, 1, SUSPEND, &[0x8000_0000, bad, 7]);
        assert_eq!(answer, INVALID_ADDRESS);
    }
    enter(machine, 1, SUSPEND, &[0x8000_0000, resume, 7], host);
    assert_eq!(call(machine, 0, (IPI, 0), &[0b10, 0]), (0, 0));
    machine.one_step_of(1, host);
    assert_eq!(status_of(machine, 1), STARTED);
    let hart = machine.hart(1).unwrap();
    assert_eq!((hart.csr.sepc, hart.csr.scause), (resume, 2));
    assert_eq!((machine.x(1, 10), machine.x(1, 11)), (1, 7));
}
