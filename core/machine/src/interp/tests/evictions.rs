//! More pages of code than are kept.

use super::*;
use crate::arena::PAGE_SIZE;
use crate::interp::code::MAX_PAGES;

/// Pages of RAM, some more than are visited.
const PAGES: u64 = MAX_PAGES as u64 + 300;
/// Instructions from page to page.
const ROUND: u64 = 9;

/// A hub in the first page calls page after page, each of which counts and goes back. Pages whose
/// shortcut would take the place of the hub's are left out, so that the hub's stays.
fn program() -> Rig {
    let page = PAGE_SIZE as i32;
    let hub = [
        inst(Op::Add, 5, 5, 6, 0),
        inst(Op::Srli, 7, 5, 0, 12),
        inst(Op::Andi, 7, 7, 0, 511),
        inst(Op::Beq, 0, 7, 0, -12),
        inst(Op::Jalr, 1, 5, 0, 0),
        addi(16, 16, 1),
        inst(Op::Jal, 0, 0, 0, -24),
    ];
    let mut rig = Rig::with_ram(&hub, PAGES * PAGE_SIZE);
    for nth in 1..PAGES {
        let words = [addi(15, 15, 1), inst(Op::Jalr, 0, 1, 0, 0)];
        rig.put(RAM_BASE + nth * PAGE_SIZE, &words);
    }
    rig.set_x(5, RAM_BASE);
    rig.set_x(6, page as u64);
    rig
}

/// Visits so many pages more.
fn visit(rig: &mut Rig, pages: u64) {
    let before = rig.x(15);
    while rig.x(16) < before + pages {
        rig.steps(ROUND);
    }
    // One may have counted and not come back yet.
    assert!(rig.x(15) - rig.x(16) <= 1);
}

#[test]
fn page_that_is_given_up_while_it_calls_others_is_decoded_again() {
    let mut rig = program();
    visit(&mut rig, MAX_PAGES as u64 + 200);
    assert_ne!(rig.code.generation(), 0, "some were given up");
}

#[test]
fn no_hart_finds_other_code_where_its_own_was_given_up() {
    let mut rig = program();
    visit(&mut rig, 10);
    let old = core::mem::take(&mut rig.shortcuts);
    visit(&mut rig, MAX_PAGES as u64 + 100);
    rig.shortcuts = old;
    visit(&mut rig, 10);
}
