mod debugging;
mod disks;
mod ends;
mod inputs;
mod outputs;
mod smp;
mod times;

use alloc::vec::Vec;

use super::testing::{RESET_STEPS, T0, T1, T2, bare as machine, inst};
use super::*;
use crate::host::NoHost;
use crate::isa::Op;

/// Counts to `rounds`, storing each number behind the code's page, then ends the machine.
fn counting(rounds: i32) -> Vec<u32> {
    alloc::vec![
        inst(Op::Addi, T0, 0, 0, 0),
        inst(Op::Addi, T1, 0, 0, rounds),
        inst(Op::Auipc, T2, 0, 0, 0x1000),
        inst(Op::Addi, T0, T0, 0, 1),
        inst(Op::Sd, 0, T2, T0, 0),
        inst(Op::Ld, T0, T2, 0, 0),
        inst(Op::Bne, 0, T0, T1, -12),
        // The finisher: 0x5555 at 0x100000.
        inst(Op::Lui, T2, 0, 0, 0x10_0000),
        inst(Op::Lui, T0, 0, 0, 0x5000),
        inst(Op::Addi, T0, T0, 0, 0x555),
        inst(Op::Sw, 0, T2, T0, 0),
        inst(Op::Jal, 0, 0, 0, 0),
    ]
}

#[test]
fn a_program_runs_to_its_end() {
    let mut machine = machine(&counting(1000), 1);
    let exit = machine.run(1_000_000, Nanos(0), &mut NoHost);
    assert_eq!(exit, Exit::PowerOff { code: 0 });
    // Both ends and 4 instructions a round.
    assert_eq!(machine.instructions(), RESET_STEPS + 4 * 1000 + 3 + 4);
    assert_eq!(machine.hart(0).unwrap().pc, RAM_BASE + 11 * 4);
    // The reset ROM loads two addresses; then the finisher.
    assert_eq!(machine.statistics().mmio, 3);
}

#[test]
fn csr_without_a_destination_goes_nowhere() {
    const MSCRATCH: i32 = 0x340;
    let code = [
        inst(Op::Csrrwi, 0, 7, 0, MSCRATCH),
        inst(Op::Csrrsi, 0, 8, 0, MSCRATCH),
        inst(Op::Csrrs, T0, 0, 0, MSCRATCH),
        inst(Op::Addi, T1, 0, 0, 0),
        inst(Op::Jal, 0, 0, 0, 0),
    ];
    let mut machine = machine(&code, 1);
    machine.run(RESET_STEPS + 5, Nanos(0), &mut NoHost);
    assert_eq!(
        (machine.x(0, T0), machine.x(0, T1), machine.x(0, 0)),
        (15, 0, 0)
    );
}

#[test]
fn slices_are_invisible() {
    for harts in [1, 3] {
        let mut whole = machine(&counting(2000), harts);
        whole.run(7000, Nanos(0), &mut NoHost);
        let mut cut = machine(&counting(2000), harts);
        let mut state = 12345_u64;
        while cut.instructions() < 7000 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
            let budget = (state >> 58).min(7000 - cut.instructions());
            cut.run(budget, Nanos(0), &mut NoHost);
            if state >> 40 & 7 == 0 {
                cut.drop_caches();
            }
        }
        assert_eq!(cut.instructions(), whole.instructions());
        assert_eq!(cut.digest(), whole.digest(), "{harts} harts");
    }
}

#[test]
fn digest_sees_one_bit_of_ram() {
    let mut one = machine(&counting(5), 1);
    let mut other = machine(&counting(5), 1);
    assert_eq!(one.digest(), other.digest());
    let at = PhysAddr(RAM_BASE + 0x8_0000);
    other.memory().store(at, 1_u8).unwrap();
    assert_ne!(one.digest(), other.digest());
    other.memory().store(at, 0_u8).unwrap();
    assert_eq!(one.digest(), other.digest());
}

#[test]
fn code_that_changes_itself_runs_as_written() {
    // Overwrites the instruction behind the store with `addi t0, t0, 64`.
    let mut code = alloc::vec![
        inst(Op::Auipc, T2, 0, 0, 0),
        inst(Op::Lw, T1, T2, 0, 16),
        inst(Op::Sw, 0, T2, T1, 12),
        inst(Op::Addi, T0, 0, 0, 1),
        inst(Op::Addi, T0, T0, 0, 64),
    ];
    code.push(inst(Op::Jal, 0, 0, 0, 0));
    let mut machine = machine(&code, 1);
    // The run was decoded whole before the store.
    machine.run(RESET_STEPS + 5, Nanos(0), &mut NoHost);
    let t0 = machine.registers(0).unwrap()[usize::from(T0)];
    // The reset ROM jumps through `t0`.
    assert_eq!(t0, RAM_BASE + 128);
}

#[test]
fn a_waiting_machine_is_idle() {
    let mut machine = machine(&[inst(Op::Wfi, 0, 0, 0, 0), inst(Op::Jal, 0, 0, 0, 0)], 2);
    let exit = machine.run(1000, Nanos(0), &mut NoHost);
    assert_eq!(exit, Exit::Idle { until: None });
}

#[test]
fn traps_without_a_handler_use_up_the_budget() {
    let mut machine = machine(&[0], 1);
    let exit = machine.run(1000, Nanos(0), &mut NoHost);
    assert_eq!(exit, Exit::Budget);
    assert_eq!(machine.instructions(), 1000);
}
