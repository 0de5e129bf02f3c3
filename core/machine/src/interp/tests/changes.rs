//! Code that changes, and data beside code.

use super::*;
use crate::arena::PageFlags;

const SW: Op = Op::Sw;

/// Runs `sw x11, offset(x10)` among other instructions; `x10` is the start of RAM, `x11` holds
/// `addi x15, x15, 64`.
fn changed(code: &[u32], steps: u64) -> Rig {
    let mut rig = Rig::new(code);
    rig.set_x(10, RAM_BASE);
    rig.set_x(11, addi(15, 15, 64).into());
    rig.steps(steps);
    rig
}

#[test]
fn store_ahead_in_the_same_run_is_seen_at_once() {
    for distance in 1..40 {
        let mut code = alloc::vec![inst(SW, 0, 10, 11, 4 * distance)];
        code.extend((0..40).map(|_| addi(15, 15, 1)));
        let mut rig = changed(&code, 41);
        assert_eq!(rig.x(15), 39 + 64, "{distance} ahead");
    }
}

#[test]
fn store_behind_is_seen_in_the_next_round() {
    let code = [
        addi(15, 15, 1),
        inst(SW, 0, 10, 11, 0),
        inst(Op::Jal, 0, 0, 0, -8),
    ];
    let mut rig = changed(&code, 3 + 3);
    assert_eq!(rig.x(15), 1 + 64);
}

#[test]
fn store_to_itself_is_complete_first() {
    let code = [inst(SW, 0, 10, 11, 0), inst(Op::Jal, 0, 0, 0, -4)];
    let mut rig = changed(&code, 3);
    assert_eq!((rig.x(15), rig.hart.pc), (64, RAM_BASE + 4));
}

#[test]
fn each_half_of_an_instruction_can_be_changed() {
    // `sh` to the upper half: the immediate.
    let code = [inst(Op::Sh, 0, 10, 12, 10), addi(0, 0, 0), addi(15, 15, 1)];
    let mut rig = Rig::new(&code);
    rig.set_x(10, RAM_BASE);
    rig.set_x(12, u64::from(addi(15, 15, 9) >> 16));
    rig.steps(3);
    assert_eq!(rig.x(15), 9);
    // An instruction in two parts of 64 bytes, each of which is stored to.
    for (offset, value) in [(62, addi(15, 15, 5)), (64, addi(15, 15, 5) >> 16)] {
        let mut code = alloc::vec![inst(Op::Sh, 0, 10, 12, offset)];
        code.extend([addi(0, 0, 0); 14]);
        let mut rig = Rig::new(&code);
        let ram = rig.arena.ram();
        ram.store(60, C_ADDI).unwrap();
        ram.store(62, addi(15, 15, 1)).unwrap();
        rig.set_x(10, RAM_BASE);
        rig.set_x(12, value.into());
        rig.steps(17);
        let expected = if offset == 62 { 1 } else { 5 };
        assert_eq!(rig.x(15), expected, "at {offset}");
    }
}

#[test]
fn store_to_another_page_of_code_is_seen() {
    let other = RAM_BASE + 0x1000;
    let code = [
        inst(Op::Jalr, 1, 12, 0, 0),
        inst(SW, 0, 12, 11, 0),
        inst(Op::Jal, 0, 0, 0, -8),
    ];
    let mut rig = Rig::new(&code);
    rig.put(other, &[addi(15, 15, 1), inst(Op::Jalr, 0, 1, 0, 0)]);
    rig.set_x(12, other);
    rig.set_x(11, addi(15, 15, 64).into());
    // A shortcut for writing that page, made before it holds code.
    rig.put(DATA, &[inst(SW, 0, 12, 13, 64)]);
    rig.hart.pc = DATA;
    rig.steps(1);
    rig.hart.pc = RAM_BASE;
    rig.steps(10);
    assert_eq!(rig.x(15), 1 + 64);
}

#[test]
fn store_of_another_hart_is_seen() {
    let isa = IsaConfig {
        ad_update: crate::cpu::AdUpdate::Svadu,
    };
    let mut rig = Rig::new(&[addi(15, 15, 1)]);
    let store = |rig: &mut Rig, amount: i32| {
        // Hart 1 has a shortcut for writing from the first store on.
        rig.put(DATA, &[inst(SW, 0, 10, 11, 0)]);
        let mut hart = Hart::new(1, &isa);
        hart.pc = DATA;
        let view = rig.arena.hart(1).unwrap();
        view.x[10] = RAM_BASE;
        view.x[11] = addi(15, 15, amount).into();
        let mut engine = Engine {
            hart: &mut hart,
            view,
            code: &mut rig.code,
            shortcuts: &mut FetchShortcuts::default(),
            bus: &mut rig.bus,
            breakpoints: &[],
            pass: None,
        };
        assert_eq!(engine.run(1).0, 1);
    };
    for (amount, total) in [(2, 2), (20, 22), (200, 222)] {
        store(&mut rig, amount);
        rig.hart.pc = RAM_BASE;
        rig.steps(1);
        assert_eq!(rig.x(15), total);
    }
}

#[test]
fn second_half_of_a_last_instruction_in_the_next_part_can_be_changed() {
    // Nothing else of the next 64 bytes is decoded.
    let jump = |to: i32| inst(Op::Jal, 0, 0, 0, to - 62);
    let mut rig = Rig::new(&[]);
    let ram = rig.arena.ram();
    ram.store(60, C_ADDI).unwrap();
    ram.store(62, jump(256)).unwrap();
    rig.put(RAM_BASE + 512, &[inst(Op::Sh, 0, 11, 12, 64)]);
    rig.set_x(11, RAM_BASE);
    rig.set_x(12, (jump(1024) >> 16).into());
    for to in [256, 1024] {
        rig.hart.pc = RAM_BASE + 60;
        rig.steps(2);
        assert_eq!(rig.hart.pc, RAM_BASE + to);
        rig.hart.pc = RAM_BASE + 512;
        rig.steps(1);
    }
}

#[test]
fn store_that_begins_beside_code_and_reaches_into_it_is_seen() {
    // Only the second 64 bytes hold something decoded.
    let mut rig = Rig::new(&[]);
    rig.put(RAM_BASE + 64, &[addi(15, 15, 1)]);
    rig.put(RAM_BASE + 512, &[inst(Op::Sd, 0, 11, 12, 60)]);
    rig.set_x(11, RAM_BASE);
    rig.set_x(12, u64::from(addi(15, 15, 64)) << 32);
    for (at, total) in [(64, 1), (512, 1), (64, 65)] {
        rig.hart.pc = RAM_BASE + at;
        rig.steps(1);
        assert_eq!(rig.x(15), total);
    }
}

#[test]
fn store_across_two_pages_changes_code_in_both() {
    let end = RAM_BASE + 0x1000;
    let mut rig = Rig::new(&[inst(Op::Sd, 0, 10, 11, 0), inst(Op::Jalr, 0, 12, 0, 0)]);
    rig.put(end - 4, &[addi(15, 15, 1), addi(15, 15, 1)]);
    rig.hart.pc = end - 4;
    rig.steps(2);
    let new = u64::from(addi(15, 15, 64));
    rig.set_x(11, new | new << 32);
    rig.set_x(10, end - 4);
    rig.set_x(12, end - 4);
    rig.hart.pc = RAM_BASE;
    rig.steps(4);
    assert_eq!(rig.x(15), 2 + 128);
}

#[test]
fn what_a_device_writes_into_code_is_executed() {
    let mut rig = Rig::new(&[addi(15, 15, 1), inst(Op::Jal, 0, 0, 0, -4)]);
    rig.steps(2);
    let mut total = 1;
    for value in [10, 20, 30] {
        // As DMA does it, between two runs.
        rig.put(RAM_BASE, &[addi(15, 15, value)]);
        rig.steps(2);
        total += value as u64;
        assert_eq!(rig.x(15), total);
    }
    rig.arena.ram().zero(0, 4).unwrap();
    assert_eq!(rig.trap(), (Exception::IllegalInstruction, 0));
}

#[test]
fn what_a_device_writes_into_many_pages_of_code_is_executed() {
    // More pages than are noted one by one.
    const PAGES: u64 = 80;
    let mut rig = Rig::with_ram(&[], PAGES << 12);
    for value in [1, 10, 100] {
        for page in 0..PAGES {
            rig.put(RAM_BASE + (page << 12), &[addi(15, 15, value)]);
        }
        for page in 0..PAGES {
            rig.hart.pc = RAM_BASE + (page << 12);
            rig.steps(1);
        }
    }
    assert_eq!(rig.x(15), 111 * PAGES);
}

#[test]
fn data_beside_code_does_not_drop_it() {
    // A counter in the same page, two parts behind the code.
    let code = [
        inst(Op::Ld, 11, 10, 0, 128),
        addi(11, 11, 1),
        inst(Op::Sd, 0, 10, 11, 128),
        inst(Op::Jal, 0, 0, 0, -12),
    ];
    let mut rig = Rig::new(&code);
    rig.set_x(10, RAM_BASE);
    // No stop for something to look at.
    assert_eq!(rig.run(400), (400, Stop::Budget));
    assert_eq!(rig.word(RAM_BASE + 128), 100);
    assert!(rig.code.covers(0, 16));
    assert!(!rig.code.covers(128, 8));
    assert!(rig.arena.ram().flags(0).contains(PageFlags::CODE));
}

#[test]
fn data_that_becomes_code_is_seen_when_it_changes() {
    // The part at 128 is data first, then executed, then changed.
    let code = [inst(SW, 0, 10, 11, 128), inst(Op::Jal, 0, 0, 0, 124)];
    let mut rig = Rig::new(&code);
    rig.set_x(10, RAM_BASE);
    for value in 1..5 {
        rig.set_x(11, addi(15, 15, value).into());
        rig.hart.pc = RAM_BASE;
        rig.steps(3);
    }
    assert_eq!(rig.x(15), 1 + 2 + 3 + 4);
}

#[test]
fn cbo_zero_drops_code() {
    let mut rig = Rig::new(&[addi(15, 15, 1); 16]);
    rig.steps(1);
    let mut engine = Engine {
        hart: &mut rig.hart,
        view: rig.arena.hart(0).unwrap(),
        code: &mut rig.code,
        shortcuts: &mut rig.shortcuts,
        bus: &mut rig.bus,
        breakpoints: &[],
        pass: None,
    };
    assert_eq!(engine.zero_block(RAM_BASE + 63), Ok(()));
    assert_eq!(rig.trap(), (Exception::IllegalInstruction, 0));
}
