//! Hart masks, IPIs, remote fences.

use super::*;
use crate::cpu::status;

/// A machine all of whose harts are started.
fn started(harts: usize) -> Machine {
    let mut machine = caller(harts);
    machine.states.fill(HartState::Started);
    machine
}

/// Which harts have a software interrupt pending; none has afterwards.
fn interrupted(machine: &mut Machine) -> u64 {
    let harts = machine.harts.iter_mut().enumerate();
    harts.fold(0, |found, (id, hart)| {
        let pending = hart.csr.mip & status::SSIP != 0;
        hart.csr.mip &= !status::SSIP;
        found | u64::from(pending) << id
    })
}

#[test]
fn masks_select_harts_from_their_base_on() {
    let machine = &mut started(3);
    for (mask, base, expected) in [
        (0b001, 0, 0b001),
        (0b110, 0, 0b110),
        (0b11, 1, 0b110),
        (1, 2, 0b100),
        (0, u64::MAX, 0b111),
        (1 << 63, u64::MAX, 0b111),
        (0, 0, 0),
        (0, 2, 0),
    ] {
        assert_eq!(call(machine, 1, (IPI, 0), &[mask, base]), (0, 0));
        assert_eq!(interrupted(machine), expected, "{mask:#b} from {base}");
    }
}

#[test]
fn masks_with_harts_that_do_not_exist_reach_none() {
    let machine = &mut started(3);
    for (mask, base) in [
        (0b1000, 0),
        (0b1001, 0),
        (u64::MAX, 0),
        (1, 3),
        (0b11, 2),
        (2, 63),
        (1, 64),
        (1, 1 << 32),
        (1 << 63, 1),
        (1, u64::MAX - 1),
    ] {
        for which in [(IPI, 0), (RFENCE, 0), (RFENCE, 1), (RFENCE, 2)] {
            let answer = error(machine, 0, which, &[mask, base, 0, 0, 0]);
            assert_eq!(answer, INVALID_PARAM, "{mask:#b} from {base}");
        }
        assert_eq!(interrupted(machine), 0);
    }
}

#[test]
fn remote_fences_take_ranges_and_the_whole() {
    let machine = &mut started(2);
    for (start, size) in [
        (0, 0),
        (0, u64::MAX),
        (0x1234, u64::MAX),
        (0x1234, 0),
        (0x8000_0fff, 2),
        (0, u64::MAX - 1),
        (u64::MAX - 0xfff, 0xfff),
    ] {
        for function in [1, 2] {
            let answer = call(machine, 0, (RFENCE, function), &[3, 0, start, size, 7]);
            assert_eq!(answer, (0, 0), "{start:#x} {size:#x}");
        }
    }
    let answer = error(machine, 0, (RFENCE, 1), &[3, 0, u64::MAX - 0xfff, 0x1001]);
    assert_eq!(answer, INVALID_ADDRESS);
    assert_eq!(call(machine, 0, (RFENCE, 0), &[3, 0]), (0, 0));
    // 8.4 to 8.7: there is no hypervisor extension.
    for function in 3..=6 {
        let answer = error(machine, 0, (RFENCE, function), &[3, 0, 0, 0, 0]);
        assert_eq!(answer, NOT_SUPPORTED);
    }
}

#[test]
fn remote_fence_drops_translations_of_the_harts_it_names() {
    let mut machine = started(3);
    // The third page of the third gigabyte maps to the kernel.
    let table = RAM_AT;
    let leaf = KERNEL >> 30 << 28 | 0xef;
    let va = 3 << 30 | KERNEL & 0x3fff_ffff;
    machine
        .memory()
        .store(crate::mem::PhysAddr(table + 24), leaf)
        .unwrap();
    for id in 0..3 {
        machine.harts[id].csr.satp = 8 << 60 | table >> 12;
        assert_eq!(touch(&mut machine, id, va), Ok(KERNEL));
    }
    // Unmapped: those that keep an old translation are in the right until a fence.
    machine
        .memory()
        .store(crate::mem::PhysAddr(table + 24), 0_u64)
        .unwrap();
    machine.harts[0].csr.satp = 0;
    let page = va & !0xfff;
    assert_eq!(
        call(&mut machine, 0, (RFENCE, 1), &[0b10, 0, page, 4096]),
        (0, 0)
    );
    assert!(touch(&mut machine, 1, va).is_err());
    assert_eq!(touch(&mut machine, 2, va), Ok(KERNEL));
    assert_eq!(
        call(&mut machine, 0, (RFENCE, 2), &[0, u64::MAX, 0, 0, 1]),
        (0, 0)
    );
    assert_eq!(
        touch(&mut machine, 2, va),
        Ok(KERNEL),
        "another address space, but global"
    );
    assert_eq!(
        call(&mut machine, 0, (RFENCE, 1), &[0, u64::MAX, 0, 0]),
        (0, 0)
    );
    assert!(touch(&mut machine, 2, va).is_err());
}

/// A page of RAM that is free.
const RAM_AT: u64 = KERNEL + 0x1_0000;

fn touch(machine: &mut Machine, id: usize, va: u64) -> Result<u64, crate::cpu::Exception> {
    let ram = machine.arena.ram();
    machine.harts[id]
        .translate(va, crate::mmu::Access::Load, ram)
        .map(|translated| translated.pa)
}
