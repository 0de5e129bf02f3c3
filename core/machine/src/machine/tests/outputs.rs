//! Output that the embedder has no room for.

use super::super::testing::{A0, A1, A6, A7, Recorder, bare, inst, li, supervisor};
use super::*;

const DBCN: u32 = 0x4442_434e;
/// Bytes that the guests below print at once.
const AT_ONCE: usize = 256;

/// Prints its own code again and again through the firmware.
fn firmware_printer() -> Vec<u32> {
    let mut code = Vec::new();
    code.extend(li(A7, DBCN));
    code.extend([
        inst(Op::Addi, A6, 0, 0, 0),
        inst(Op::Addi, A0, 0, 0, AT_ONCE as i32),
        inst(Op::Auipc, A1, 0, 0, 0),
        inst(Op::Addi, 12, 0, 0, 0),
        inst(Op::Ecall, 0, 0, 0, 0),
        inst(Op::Jal, 0, 0, 0, -16),
    ]);
    code
}

/// Prints bytes through the UART for ever.
fn uart_printer() -> Vec<u32> {
    let mut code = Vec::from(li(T1, 0x1000_0000));
    code.extend([inst(Op::Sb, 0, T1, T1, 0), inst(Op::Jal, 0, 0, 0, -4)]);
    code
}

#[test]
fn embedder_that_is_full_gets_its_turn_and_the_guest_does_not_notice() {
    let machines: [(&dyn Fn(usize) -> Machine, usize); 2] = [
        (&|harts| supervisor(&firmware_printer(), harts), AT_ONCE),
        (&|harts| bare(&uart_printer(), harts), 1),
    ];
    for (build, at_once) in machines {
        for harts in [1, 2] {
            let mut free = build(harts);
            let everything = &mut Recorder::default();
            assert_eq!(free.run(60_000, Nanos(0), everything), Exit::Budget);
            assert!(everything.printed.len() > 10_000, "it prints");

            let mut held = build(harts);
            let host = &mut Recorder {
                room: Some(1000),
                ..Recorder::default()
            };
            let mut printed = Vec::new();
            while held.instructions() < 60_000 {
                let left = 60_000 - held.instructions();
                assert_eq!(held.run(left, Nanos(0), host), Exit::Budget);
                let count = host.printed.len();
                assert!(count < 1000 + at_once, "{count} bytes are held");
                printed.append(&mut host.printed);
            }
            assert!(printed == everything.printed, "{harts} harts");
            assert!(held.digest() == free.digest(), "{harts} harts");
        }
    }
}
