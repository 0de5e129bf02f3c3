//! The debugger's view: breakpoints, steps, harts that are held. None of it shows in the guest.

mod unseen;
mod watching;

use super::super::testing::{KERNEL, RESET_STEPS, T0, T1, T2, bare, forever, inst, supervisor};
use super::*;

const MSTATUS: u16 = 0x300;
const MIE: u16 = 0x304;
const MTVEC: u16 = 0x305;
const MIP: u16 = 0x344;
const SATP: u16 = 0x180;

/// `mstatus.MIE`.
const ENABLED: u64 = 8;
/// Supervisor software interrupt, in `mie` and `mip`: the one that can be made by a write.
const SSI: u64 = 2;

fn run(machine: &mut Machine, budget: u64) -> Exit {
    machine.run(budget, Nanos(0), &mut NoHost)
}

fn pc(machine: &Machine, hart: usize) -> u64 {
    machine.hart(hart).unwrap().pc
}

/// Runs to the next stop, which is a breakpoint's. Returns where.
fn stop(machine: &mut Machine) -> u64 {
    match run(machine, 100_000) {
        Exit::Halted(Halt::Breakpoint { hart }) => pc(machine, hart),
        other => panic!("{other:?}"),
    }
}

/// Makes one step of a hart.
fn step(machine: &mut Machine, hart: usize) {
    machine.set_pace(hart, Pace::Step);
    let exit = run(machine, 100_000);
    machine.set_pace(hart, Pace::Run);
    assert_eq!(exit, Exit::Halted(Halt::Step { hart }));
}

/// Has an interrupt pend that hart 0 takes before its next instruction, to this handler.
fn interrupt(machine: &mut Machine, handler: u64) {
    for (csr, value) in [(MTVEC, handler), (MIE, SSI), (MSTATUS, ENABLED), (MIP, SSI)] {
        machine.set_csr(0, csr, value).unwrap();
    }
}

#[test]
fn breakpoint_stops_before_its_instruction_each_time() {
    let mut machine = machine(&counting(10), 1);
    let at = RAM_BASE + 4 * 4;
    assert!(machine.add_breakpoint(at));
    for round in 1..=10 {
        assert_eq!(stop(&mut machine), at);
        assert_eq!(machine.x(0, T0), round);
    }
    assert!(machine.remove_breakpoint(at));
    assert!(!machine.remove_breakpoint(at));
    assert_eq!(run(&mut machine, 1000), Exit::PowerOff { code: 0 });
}

/// A loop of two instructions at the start, and one of three at 12, which returns from a trap.
fn with_handler() -> Machine {
    bare(
        &[
            inst(Op::Addi, T0, T0, 0, 1),
            inst(Op::Jal, 0, 0, 0, -4),
            forever(),
            inst(Op::Addi, T1, T1, 0, 1),
            inst(Op::Csrrwi, 0, 0, 0, MIP.into()),
            inst(Op::Mret, 0, 0, 0, 0),
        ],
        1,
    )
}

#[test]
fn interrupt_on_the_way_past_a_breakpoint_leaves_all_of_them_in_force() {
    let (at, handler) = (RAM_BASE, RAM_BASE + 12);
    let mut machine = with_handler();
    machine.add_breakpoint(at);
    machine.add_breakpoint(handler);
    assert_eq!(stop(&mut machine), at);
    let before = machine.x(0, T0);
    interrupt(&mut machine, handler);
    assert_eq!(stop(&mut machine), handler);
    // The handler returns to the instruction that has not been executed yet.
    assert_eq!(stop(&mut machine), at);
    assert_eq!((machine.x(0, T0), machine.x(0, T1)), (before, 1));
    assert_eq!(stop(&mut machine), at);
    assert_eq!(machine.x(0, T0), before + 1);
}

#[test]
fn interrupt_back_to_the_breakpoint_it_came_at_stops_there() {
    let mut machine = with_handler();
    machine.add_breakpoint(RAM_BASE);
    assert_eq!(stop(&mut machine), RAM_BASE);
    let before = machine.instructions();
    interrupt(&mut machine, RAM_BASE);
    assert_eq!(stop(&mut machine), RAM_BASE);
    assert_eq!(machine.instructions(), before);
    assert_eq!(machine.csr(0, 0x342).unwrap(), 1 << 63 | 1, "mcause");
}

#[test]
fn pc_that_the_debugger_moved_passes_no_other_breakpoint() {
    let mut machine = with_handler();
    machine.add_breakpoint(RAM_BASE);
    machine.add_breakpoint(RAM_BASE + 4);
    assert_eq!(stop(&mut machine), RAM_BASE);
    machine.set_pc(0, RAM_BASE + 4);
    assert_eq!(stop(&mut machine), RAM_BASE + 4);
}

#[test]
fn breakpoint_of_one_hart_is_not_passed_by_another() {
    let mut machine = bare(
        &[inst(Op::Addi, T0, T0, 0, 1), inst(Op::Jal, 0, 0, 0, -4)],
        2,
    );
    machine.add_breakpoint(RAM_BASE);
    let halt = |hart| Exit::Halted(Halt::Breakpoint { hart });
    assert_eq!(run(&mut machine, 100_000), halt(0));
    machine.set_pace(0, Pace::Hold);
    assert_eq!(run(&mut machine, 100_000), halt(1));
    assert_eq!(run(&mut machine, 100_000), halt(1));
    machine.set_pace(0, Pace::Run);
    machine.set_pace(1, Pace::Hold);
    // Hart 0 has stopped here before.
    let before = machine.x(0, T0);
    assert_eq!(run(&mut machine, 100_000), halt(0));
    assert_eq!(machine.x(0, T0), before + 1);
}

#[test]
fn code_outside_ram_has_breakpoints() {
    let mut machine = with_handler();
    let first = pc(&machine, 0);
    assert!(first < RAM_BASE);
    machine.add_breakpoint(first);
    machine.add_breakpoint(first + 8);
    assert_eq!(stop(&mut machine), first);
    assert_eq!(stop(&mut machine), first + 8);
    assert_eq!(machine.instructions(), 2);
}

#[test]
fn compressed_and_straddling_instructions_have_breakpoints() {
    // c.addi t0, 1
    const SHORT: u32 = 0x0285;
    let long = inst(Op::Addi, T0, T0, 0, 1);
    // From 0xff8: two short ones, one long; a short one; one that ends in the next page.
    let halves = [SHORT, SHORT, long & 0xffff, long >> 16];
    let start = RAM_BASE + 0xff6;
    let mut bytes: Vec<u8> = Vec::new();
    for half in halves.into_iter().chain([long & 0xffff, long >> 16]) {
        bytes.extend((half as u16).to_le_bytes());
    }
    // A jump back over all of it.
    let back = inst(Op::Jal, 0, 0, 0, -(bytes.len() as i32));
    bytes.extend(back.to_le_bytes());
    let places = [0, 2, 4, 8, 12].map(|offset| start + offset);
    // The second long one, or the jump, lies across the pages.
    assert!(places.iter().any(|at| at % 4096 == 4094));
    for at in places {
        let mut machine = bare(&[forever()], 1);
        machine.memory().write(PhysAddr(start), &bytes).unwrap();
        run(&mut machine, RESET_STEPS);
        machine.set_pc(0, start);
        machine.set_register(0, T0, 0);
        machine.add_breakpoint(at);
        let inside = places.iter().position(|place| *place == at).unwrap() as u64;
        for round in 0..5 {
            assert_eq!(stop(&mut machine), at);
            assert_eq!(machine.x(0, T0), 4 * round + inside, "{at:#x}");
        }
    }
}

#[test]
fn breakpoint_is_at_its_virtual_address_and_no_alias_of_it() {
    // Both gigapages lead to the start of RAM; the loop jumps from one to the other.
    let alias = KERNEL ^ 0x1_8000_0000;
    let code = [
        inst(Op::Addi, T0, T0, 0, 1),
        inst(Op::Xor, T1, T1, T2, 0),
        inst(Op::Jalr, 0, T1, 0, 0),
    ];
    let mut machine = supervisor(&code, 1);
    let table = RAM_BASE + 0x10_0000;
    let leaf = RAM_BASE >> 2 | 0xcf;
    for index in [2, 4] {
        machine
            .memory()
            .store(PhysAddr(table + 8 * index), leaf)
            .unwrap();
    }
    machine.set_csr(0, SATP, 8 << 60 | table >> 12).unwrap();
    machine.set_register(0, T0, 0);
    machine.set_register(0, T1, KERNEL);
    machine.set_register(0, T2, 0x1_8000_0000);
    // Decoded through the other address first.
    run(&mut machine, 6);
    assert_eq!(machine.x(0, T0), 2);
    machine.add_breakpoint(alias);
    for round in 0..5 {
        assert_eq!(stop(&mut machine), alias);
        assert_eq!(machine.x(0, T0), 3 + 2 * round);
    }
}

#[test]
fn step_is_one_instruction_whatever_breakpoint_it_begins_at() {
    let mut machine = with_handler();
    machine.add_breakpoint(RAM_BASE);
    machine.add_breakpoint(RAM_BASE + 4);
    assert_eq!(stop(&mut machine), RAM_BASE);
    for at in [4, 0, 4, 0] {
        let before = machine.instructions();
        step(&mut machine, 0);
        assert_eq!(machine.instructions(), before + 1);
        assert_eq!(pc(&machine, 0), RAM_BASE + at);
    }
}

#[test]
fn step_ends_at_the_first_instruction_of_a_handler() {
    let handler = RAM_BASE + 12;
    let mut machine = with_handler();
    machine.add_breakpoint(RAM_BASE);
    stop(&mut machine);
    // An interrupt comes instead of the instruction.
    let before = machine.instructions();
    interrupt(&mut machine, handler);
    step(&mut machine, 0);
    assert_eq!(pc(&machine, 0), handler);
    assert_eq!(machine.instructions(), before);
    // So does an exception, which counts.
    machine.memory().store(PhysAddr(handler), 0_u32).unwrap();
    step(&mut machine, 0);
    assert_eq!(pc(&machine, 0), handler);
    assert_eq!(machine.instructions(), before + 1);
    assert_eq!(machine.csr(0, 0x342).unwrap(), 2, "an illegal instruction");
}

#[test]
fn harts_step_alone_or_with_the_others() {
    let code = [inst(Op::Addi, T0, T0, 0, 1), inst(Op::Jal, 0, 0, 0, -4)];
    let retired = |machine: &Machine| [0, 1, 2].map(|hart| machine.hart(hart).unwrap().retired);
    for hart in 0..3 {
        let mut machine = bare(&code, 3);
        run(&mut machine, 31_234);
        // With the others: they have their turns until it is this one's.
        let before = retired(&machine);
        step(&mut machine, hart);
        let after = retired(&machine);
        assert_eq!(after[hart], before[hart] + 1);
        // Alone.
        for other in (0..3).filter(|other| *other != hart) {
            machine.set_pace(other, Pace::Hold);
        }
        for _ in 0..5 {
            let before = retired(&machine);
            step(&mut machine, hart);
            let mut expected = before;
            expected[hart] += 1;
            assert_eq!(retired(&machine), expected);
        }
        // And runs alone.
        let before = retired(&machine);
        assert_eq!(run(&mut machine, 20_000), Exit::Budget);
        let mut expected = before;
        expected[hart] += 20_000;
        assert_eq!(retired(&machine), expected);
        // All go on.
        machine.release();
        run(&mut machine, 60_000);
        assert!((0..3).all(|hart| retired(&machine)[hart] > expected[hart]));
    }
}

#[test]
fn held_hart_takes_no_interrupt() {
    let mut machine = bare(&[forever(), forever()], 2);
    run(&mut machine, 50_000);
    interrupt(&mut machine, RAM_BASE + 4);
    machine.set_pace(0, Pace::Hold);
    run(&mut machine, 50_000);
    assert_eq!(pc(&machine, 0), RAM_BASE);
    machine.set_pace(0, Pace::Run);
    run(&mut machine, 50_000);
    assert_eq!(pc(&machine, 0), RAM_BASE + 4);
}

#[test]
fn no_time_passes_while_every_hart_that_could_run_is_held() {
    // Hart 1 has not been started.
    let mut machine = supervisor(&[inst(Op::Wfi, 0, 0, 0, 0), forever()], 2);
    machine.set_csr(0, 0x14d, 1000).unwrap();
    assert_eq!(machine.activity(1), Some(Activity::Stopped));
    machine.set_pace(0, Pace::Hold);
    machine.set_pace(1, Pace::Step);
    for _ in 0..3 {
        assert_eq!(run(&mut machine, 1000), Exit::Idle { until: None });
    }
    assert_eq!((machine.instructions(), machine.now()), (0, Ticks(0)));
    machine.release();
    run(&mut machine, 1);
    assert_eq!(machine.activity(0), Some(Activity::Waiting));
}

#[test]
fn breakpoints_are_bounded() {
    let mut machine = with_handler();
    let mut added = 0;
    while machine.add_breakpoint(2 * added) {
        added += 1;
    }
    assert_eq!(added, 4096);
    assert!(machine.add_breakpoint(0), "it is there already");
    machine.release();
    assert!(machine.add_breakpoint(2 * added));
}

#[test]
fn hart_that_is_moved_waits_no_more() {
    let mut machine = bare(&[inst(Op::Wfi, 0, 0, 0, 0), forever(), forever()], 1);
    assert_eq!(run(&mut machine, 1000), Exit::Idle { until: None });
    // As gdb writes all registers back.
    machine.set_pc(0, RAM_BASE + 4);
    assert_eq!(run(&mut machine, 1000), Exit::Idle { until: None });
    machine.set_pc(0, RAM_BASE + 8);
    assert_eq!(run(&mut machine, 1000), Exit::Budget);
}

#[test]
fn debugger_reads_ram_and_rom_and_no_device() {
    let mut machine = with_handler();
    let first = pc(&machine, 0);
    let mut bytes = [0; 8];
    assert_eq!(machine.read_virtual(0, first, &mut bytes), 8);
    assert_eq!(bytes[..], machine.board.rom.bytes()[..8]);
    assert_eq!(machine.read_virtual(0, RAM_BASE - 4, &mut bytes), 0);
    assert_eq!(
        machine.read_virtual(0, RAM_BASE + (1 << 20) - 4096, &mut bytes),
        8
    );
    // The UART, whose input register would be emptied.
    assert_eq!(machine.read_virtual(0, 0x1000_0000, &mut bytes), 0);
    assert_eq!(machine.write_virtual(0, first, &[1]), 0);
}

#[test]
fn reset_keeps_breakpoints() {
    let mut machine = with_handler();
    machine.add_breakpoint(RAM_BASE + 4);
    assert_eq!(stop(&mut machine), RAM_BASE + 4);
    machine.reset(&mut NoHost).unwrap();
    assert_eq!(stop(&mut machine), RAM_BASE + 4);
    assert_eq!(machine.instructions(), RESET_STEPS + 1);
}
