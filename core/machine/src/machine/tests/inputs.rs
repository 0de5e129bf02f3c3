//! Input through the UART and the PLIC.

use super::super::testing::{Recorder, S0, T0, T1, T2, bare, forever, inst, li};
use super::*;

const PLIC: u32 = 0x0c00_0000;
const UART: u32 = 0x1000_0000;
const UART_IRQ: i32 = 10;

/// Takes each byte that arrives by an interrupt; stores claim and byte at `x21`, two pages
/// behind the code.
fn reader() -> Vec<u32> {
    let mut code = Vec::new();
    code.extend(li(T0, PLIC));
    code.extend(li(T1, UART));
    code.extend([
        inst(Op::Addi, T2, 0, 0, 1),
        // Priority of the UART, its bit for hart 0 in machine mode, its interrupt enable.
        inst(Op::Sw, 0, T0, T2, 4 * UART_IRQ),
        inst(Op::Sb, 0, T1, T2, 1),
        inst(Op::Addi, T2, 0, 0, 1 << UART_IRQ),
        inst(Op::Lui, S0, 0, 0, 0x2000),
        inst(Op::Add, S0, S0, T0, 0),
        inst(Op::Sw, 0, S0, T2, 0),
        // x20: claim register; x21: the log.
        inst(Op::Lui, 20, 0, 0, 0x20_0000),
        inst(Op::Add, 20, 20, T0, 0),
        inst(Op::Auipc, 21, 0, 0, 0x2000),
        // mtvec, mie.MEIE, mstatus.MIE
        inst(Op::Auipc, T2, 0, 0, 0),
        inst(Op::Addi, T2, T2, 0, 32),
        inst(Op::Csrrw, 0, T2, 0, 0x305),
        inst(Op::Lui, T2, 0, 0, 0x1000),
        inst(Op::Srli, T2, T2, 0, 1),
        inst(Op::Csrrs, 0, T2, 0, 0x304),
        inst(Op::Csrrsi, 0, 8, 0, 0x300),
        forever(),
        // The handler.
        inst(Op::Lw, S0, 20, 0, 4),
        inst(Op::Sw, 0, 21, S0, 0),
        inst(Op::Lbu, T2, T1, 0, 0),
        inst(Op::Sw, 0, 21, T2, 4),
        inst(Op::Addi, 21, 21, 0, 8),
        inst(Op::Sw, 0, 20, S0, 4),
        inst(Op::Mret, 0, 0, 0, 0),
    ]);
    code
}

const LOG: u64 = RAM_BASE + 0x2000 + 13 * 4;

#[test]
fn typed_bytes_arrive_by_interrupts_once_each() {
    for harts in [1, 2] {
        let mut code = alloc::vec![
            inst(Op::Csrrs, T0, 0, 0, 0xf14),
            inst(Op::Beq, 0, T0, 0, 8),
            forever(),
        ];
        code.extend(reader());
        let log = LOG + 12;
        let mut machine = bare(&code, harts);
        let host = &mut Recorder::default();
        machine.run(20_000, Nanos(0), host);
        assert_eq!(machine.word(log), 0);
        assert_eq!(machine.console_input(ConsoleId::Uart, b"hey", host), 3);
        machine.run(20_000, Nanos(0), host);
        for (nth, byte) in (0..).zip(b"hey") {
            let entry = machine.word(log + 8 * nth);
            assert_eq!(entry, u64::from(*byte) << 32 | 10, "{harts} harts");
        }
        assert_eq!(machine.word(log + 24), 0);
    }
}

#[test]
fn input_at_the_same_count_gives_the_same_state() {
    let run = |slice: u64| {
        let mut machine = bare(&reader(), 1);
        let host = &mut Recorder::default();
        for (count, bytes) in [(200, "a"), (333, "bcd"), (600, "")] {
            while machine.instructions() < count {
                let left = count - machine.instructions();
                machine.run(slice.min(left), Nanos(0), host);
            }
            machine.console_input(ConsoleId::Uart, bytes.as_bytes(), host);
        }
        (machine.digest(), machine.word(LOG + 24))
    };
    let whole = run(1000);
    assert_eq!(whole.1, u64::from(b'd') << 32 | 10);
    for slice in [1, 3, 50] {
        assert_eq!(run(slice), whole);
    }
}

#[test]
fn guest_prints_through_the_uart() {
    let mut code = Vec::from(li(T1, UART));
    for byte in b"ok" {
        code.extend([
            inst(Op::Addi, T0, 0, 0, i32::from(*byte)),
            inst(Op::Sb, 0, T1, T0, 0),
        ]);
    }
    code.push(forever());
    let host = &mut Recorder::default();
    bare(&code, 1).run(100, Nanos(0), host);
    assert_eq!(host.printed, b"ok");
}
