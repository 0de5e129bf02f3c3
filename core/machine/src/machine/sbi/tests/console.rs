//! Debug console and legacy console calls.

use super::*;
use crate::host::ConsoleId;
use crate::mem::{PhysAddr, RAM_BASE};

const BUFFER: u64 = KERNEL + 0x1000;

fn end(machine: &Machine) -> u64 {
    RAM_BASE + machine.config().ram_size
}

#[test]
fn writes_print_the_buffer() {
    let machine = &mut caller(1);
    let host = &mut Recorder::default();
    let at = PhysAddr(BUFFER + 0xffd);
    machine.memory().write(at, b"hello").unwrap();
    assert_eq!(
        call_with(machine, 0, (DBCN, 0), &[5, at.0, 0], host),
        (0, 5)
    );
    assert_eq!(call_with(machine, 0, (DBCN, 2), &[0x1_2321], host), (0, 0));
    assert_eq!(host.printed, b"hello!");
    // Nothing is printed with success, too.
    assert_eq!(
        call_with(machine, 0, (DBCN, 0), &[0, at.0, 0], host),
        (0, 0)
    );
    assert_eq!(host.printed, b"hello!");
}

#[test]
fn buffers_outside_ram_are_invalid() {
    let machine = &mut caller(1);
    let end = end(machine);
    let host = &mut Recorder::default();
    for (count, low, high) in [
        (1, end, 0),
        (2, end - 1, 0),
        (1, RAM_BASE - 1, 0),
        (2, RAM_BASE - 1, 0),
        // The UART and the reset ROM are no RAM.
        (1, 0x1000_0000, 0),
        (1, 0x1000, 0),
        (1, 0, 0),
        (1, BUFFER, 1),
        (1, BUFFER, u64::MAX),
        (1 << 32, BUFFER, 0),
        (u64::MAX, BUFFER, 0),
        (u64::MAX - BUFFER + 1, BUFFER, 0),
        (2, u64::MAX, 0),
    ] {
        for function in [0, 1] {
            let answer = call_with(machine, 0, (DBCN, function), &[count, low, high], host);
            assert_eq!(
                answer,
                (INVALID_PARAM, 0),
                "{count:#x} at {low:#x} {high:#x}"
            );
        }
    }
    assert!(host.printed.is_empty());
}

#[test]
fn large_writes_are_done_in_part_and_can_be_continued() {
    let machine = &mut caller(1);
    let len = end(machine) - BUFFER;
    let host = &mut Recorder::default();
    machine.memory().store(PhysAddr(BUFFER), b'a').unwrap();
    let (error, written) = call_with(machine, 0, (DBCN, 0), &[len, BUFFER, 0], host);
    assert_eq!(error, 0);
    assert!(written > 0 && written < len);
    assert_eq!(host.printed.len() as u64, written);
    assert_eq!(host.printed[0], b'a');
    // The last byte of RAM.
    let last = end(machine) - 1;
    assert_eq!(
        call_with(machine, 0, (DBCN, 0), &[1, last, 0], host),
        (0, 1)
    );
}

#[test]
fn reads_take_what_has_been_typed_and_do_not_wait() {
    let machine = &mut caller(1);
    let host = &mut Recorder::default();
    assert_eq!(
        call_with(machine, 0, (DBCN, 1), &[8, BUFFER, 0], host),
        (0, 0)
    );
    assert_eq!(machine.console_input(ConsoleId::Uart, b"typed", host), 5);
    assert_eq!(
        call_with(machine, 0, (DBCN, 1), &[3, BUFFER, 0], host),
        (0, 3)
    );
    assert_eq!(
        call_with(machine, 0, (DBCN, 1), &[8, BUFFER + 3, 0], host),
        (0, 2)
    );
    let mut bytes = [0; 6];
    machine.memory().read(PhysAddr(BUFFER), &mut bytes).unwrap();
    assert_eq!(&bytes, b"typed\0");
}

#[test]
fn invalid_read_leaves_the_input() {
    let machine = &mut caller(1);
    let host = &mut Recorder::default();
    machine.console_input(ConsoleId::Uart, b"x", host);
    let answer = call_with(machine, 0, (DBCN, 1), &[1, end(machine), 0], host);
    assert_eq!(answer, (INVALID_PARAM, 0));
    assert_eq!(
        call_with(machine, 0, (DBCN, 1), &[1, BUFFER, 0], host),
        (0, 1)
    );
}

#[test]
fn code_that_is_read_from_the_console_is_executed() {
    let machine = &mut caller(1);
    let host = &mut Recorder::default();
    // The ECALL has been decoded.
    assert_eq!(call_with(machine, 0, (BASE, 0), &[], host).0, 0);
    // addi a0, zero, 5
    machine.console_input(ConsoleId::Uart, &0x0050_0513_u32.to_le_bytes(), host);
    assert_eq!(
        call_with(machine, 0, (DBCN, 1), &[4, KERNEL, 0], host),
        (0, 4)
    );
    assert_eq!(enter(machine, 0, (BASE, 0), &[], host)[10], 5);
}

/// A legacy call: everything but `a0` stays.
fn legacy(machine: &mut Machine, extension: u64, a0: u64, host: &mut Recorder) -> i64 {
    let (answer, a1) = call_with(machine, 0, (extension, 77), &[a0, 0xa1], host);
    assert_eq!(a1, 0xa1);
    answer
}

#[test]
fn legacy_console_prints_and_reads_bytes() {
    let machine = &mut caller(1);
    let host = &mut Recorder::default();
    assert_eq!(legacy(machine, 1, 0x1_0041, host), 0);
    assert_eq!(host.printed, b"A");
    assert_eq!(legacy(machine, 2, 0, host), -1);
    machine.console_input(ConsoleId::Uart, &[0xff], host);
    assert_eq!(legacy(machine, 2, 0, host), 0xff);
    assert_eq!(legacy(machine, 2, 0, host), -1);
}

#[test]
fn legacy_clear_ipi_tells_whether_one_was_pending() {
    let machine = &mut caller(1);
    let host = &mut Recorder::default();
    assert_eq!(legacy(machine, 3, 0, host), 0);
    assert_eq!(call_with(machine, 0, (IPI, 0), &[1, 0], host), (0, 0));
    // 5.4: a positive value if an IPI had been pending.
    assert!(legacy(machine, 3, 0, host) > 0);
    assert_eq!(machine.hart(0).unwrap().csr.mip & status::SSIP, 0);
    assert_eq!(legacy(machine, 3, 0, host), 0);
}

#[test]
fn legacy_calls_that_are_not_there_say_so() {
    let machine = &mut caller(1);
    let host = &mut Recorder::default();
    for extension in (4..=7).chain(9..=0xf) {
        assert_eq!(legacy(machine, extension, 0, host), NOT_SUPPORTED);
    }
}
