//! How a machine ends, and begins again.

use super::super::testing::{Recorder, bare, bare_config, build, forever, inst, li};
use super::*;
use crate::boot::samples;

/// Writes `value` to `address`, which is a multiple of 4096.
fn writing(address: i32, value: u32) -> Vec<u32> {
    let mut code = Vec::from(li(T0, value));
    code.extend([
        inst(Op::Lui, T1, 0, 0, address),
        inst(Op::Sw, 0, T1, T0, 0),
        inst(Op::Addi, T2, T2, 0, 1),
        inst(Op::Jal, 0, 0, 0, 0),
    ]);
    code
}

#[test]
fn finisher_ends_the_machine_with_its_code() {
    for (value, exit) in [
        (0x5555, Exit::PowerOff { code: 0 }),
        (0x7_5555, Exit::PowerOff { code: 7 }),
        (0x3333, Exit::PowerOff { code: 1 }),
        (0x2a_3333, Exit::PowerOff { code: 42 }),
        (0x7777, Exit::Reset),
        (0x1234, Exit::Budget),
    ] {
        let mut machine = bare(&writing(0x10_0000, value), 1);
        assert_eq!(machine.run(1000, Nanos(0), &mut NoHost), exit, "{value:#x}");
        if exit != Exit::Budget {
            // At once: the next instruction is not carried out.
            assert_eq!(machine.instructions(), RESET_STEPS + 4);
            assert_eq!(machine.run(1000, Nanos(0), &mut NoHost), exit);
            assert_eq!(machine.instructions(), RESET_STEPS + 4);
        }
    }
}

/// An ELF kernel with this code, `tohost` in its second page, a signature behind.
fn elf(code: &[u32]) -> Machine {
    let bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    let symbols = [
        ("tohost", RAM_BASE + 0x1000),
        ("begin_signature", RAM_BASE + 0x1010),
        ("end_signature", RAM_BASE + 0x1020),
    ];
    let loads = [samples::Load::at(RAM_BASE, 0x100, 0x2000)];
    let mut kernel = samples::elf(samples::EM_RISCV, RAM_BASE, &loads, &symbols);
    // The bytes of the first segment are all 1.
    let at = kernel
        .windows(0x100)
        .position(|part| part == [1; 0x100])
        .unwrap();
    kernel[at..at + bytes.len()].copy_from_slice(&bytes);
    let mut config = bare_config(&[], 1);
    config.boot.loads.clear();
    config.boot.kernel = Some(kernel);
    build(config)
}

/// Stores `t0` to `tohost` and then runs on.
fn telling(value: u32, op: Op, offset: i32) -> Vec<u32> {
    let mut code = Vec::from(li(T0, value));
    code.extend([
        inst(Op::Lui, T1, 0, 0, 0x1000),
        inst(Op::Addi, T2, 0, 0, 1),
        inst(Op::Slli, T2, T2, 0, 31),
        inst(Op::Add, T1, T1, T2, 0),
        inst(op, 0, T1, T0, offset),
        inst(Op::Sd, 0, T1, T2, 16),
        inst(Op::Jal, 0, 0, 0, 0),
    ]);
    code
}

#[test]
fn tohost_passes_and_fails() {
    for (value, op, offset, exit) in [
        (1, Op::Sd, 0, Exit::PowerOff { code: 0 }),
        (1, Op::Sw, 0, Exit::PowerOff { code: 0 }),
        (1337 << 1 | 1, Op::Sd, 0, Exit::PowerOff { code: 1337 }),
        (0, Op::Sd, 0, Exit::Budget),
        (2, Op::Sd, 0, Exit::Budget),
        // Beside it.
        (1, Op::Sd, 8, Exit::Budget),
        (1, Op::Sd, -8, Exit::Budget),
    ] {
        let mut machine = elf(&telling(value, op, offset));
        let found = machine.run(1000, Nanos(0), &mut NoHost);
        assert_eq!(found, exit, "{value} at {offset}");
        let ended = exit != Exit::Budget;
        let behind = machine.word(RAM_BASE + 0x1010);
        assert_eq!(behind, if ended { 0 } else { 1 << 31 });
    }
}

#[test]
fn tohost_is_seen_when_a_debugger_has_looked_beside_it() {
    for released in [false, true] {
        let mut machine = elf(&telling(1, Op::Sd, 0));
        let beside = RAM_BASE + 0x1800;
        let kind = WatchKind::Write;
        machine.add_watchpoint(0, beside, 8, kind).unwrap();
        if released {
            machine.release();
        } else {
            assert!(machine.remove_watchpoint(beside, 8, kind));
        }
        let exit = machine.run(1000, Nanos(0), &mut NoHost);
        assert_eq!(exit, Exit::PowerOff { code: 0 });
    }
}

#[test]
fn signature_is_the_memory_between_its_symbols() {
    let mut machine = elf(&telling(0, Op::Sd, 0));
    machine.run(1000, Nanos(0), &mut NoHost);
    let mut expected = [0; 16];
    expected[3] = 0x80;
    assert_eq!(machine.signature().unwrap(), expected);
    assert_eq!(bare(&[0], 1).signature(), None);
}

#[test]
fn reset_machine_is_as_a_new_one() {
    for harts in [1, 3] {
        let config = bare_config(&counting(100), harts);
        let mut new = build(config.clone());
        let mut used = build(config);
        let host = &mut Recorder::default();
        used.console_input(ConsoleId::Uart, b"abc", host);
        used.run(250, Nanos(0), host);
        used.memory()
            .store(PhysAddr(RAM_BASE + 0x9_0000), 1_u8)
            .unwrap();
        used.reset(host).unwrap();
        assert_eq!(used.instructions(), 0);
        for _ in 0..3 {
            assert_eq!(used.digest(), new.digest(), "{harts} harts");
            used.run(111, Nanos(0), host);
            new.run(111, Nanos(0), host);
        }
        let off = Exit::PowerOff { code: 0 };
        assert_eq!(used.run(10_000, Nanos(0), host), off);
        used.reset(host).unwrap();
        assert_eq!(used.run(10_000, Nanos(0), host), off);
    }
}

#[test]
fn epoch_that_is_set_counts_from_the_next_power_on() {
    let config = bare_config(&[forever()], 1);
    let epoch = config.epoch + 86_400;
    let mut machine = build(config.clone());
    let before = machine.digest();
    machine.set_epoch(epoch);
    assert_eq!(
        machine.digest(),
        before,
        "the clock that runs is left alone"
    );
    machine.reset(&mut NoHost).unwrap();
    let fresh = build(MachineConfig { epoch, ..config }).digest();
    assert_eq!(machine.digest(), fresh);
    assert_ne!(fresh, before);
}
