//! Where instructions come from.

use super::*;

// Hostile inputs, V26.
#[test]
fn instructions_may_lie_across_two_pages() {
    for paged in [false, true] {
        let at = RAM_BASE + 0xffe;
        let mut rig = Rig::new(&[]);
        rig.put(at, &[addi(10, 10, 3), addi(10, 10, 4)]);
        if paged {
            rig.translate(&[]);
        }
        rig.hart.pc = at;
        rig.steps(2);
        assert_eq!((rig.x(10), rig.hart.pc), (7, at + 8));
        // The second half changes.
        rig.put(at, &[addi(10, 10, 100)]);
        rig.hart.pc = at;
        rig.steps(1);
        assert_eq!(rig.x(10), 107);
    }
}

// Hostile inputs, V26.
#[test]
fn instruction_into_a_missing_page_faults_at_its_second_half() {
    let second = RAM_BASE + 0x1000;
    let mut rig = Rig::new(&[]);
    rig.put(second - 6, &[addi(10, 10, 3), addi(10, 10, 4)]);
    rig.translate(&[second]);
    rig.hart.pc = second - 6;
    let (made, stop) = rig.run(10);
    assert_eq!(made, 1);
    let fault = Stop::Trap {
        exception: Exception::InstructionPageFault,
        tval: second,
    };
    assert_eq!(stop, fault);
    // `pc` is that of the instruction.
    assert_eq!((rig.hart.pc, rig.x(10)), (second - 2, 3));
}

// Hostile inputs, V26.
#[test]
fn short_instruction_at_the_end_of_a_page_needs_no_other() {
    let second = RAM_BASE + 0x1000;
    let mut rig = Rig::new(&[]);
    let ram = rig.arena.ram();
    ram.store(0xffe, C_ADDI).unwrap();
    rig.translate(&[second]);
    rig.hart.pc = second - 2;
    rig.steps(1);
    assert_eq!((rig.x(10), rig.hart.pc), (1, second));
    assert_eq!(rig.trap(), (Exception::InstructionPageFault, second));
}

// Hostile inputs, V26.
#[test]
fn code_ends_where_ram_ends() {
    let end = RAM_BASE + RAM;
    let mut rig = Rig::new(&[]);
    rig.put(end - 4, &[addi(10, 10, 3)]);
    rig.hart.pc = end - 4;
    rig.steps(1);
    assert_eq!(rig.trap(), (Exception::InstructionAccessFault, end));
    assert_eq!(rig.hart.pc, end);
    // Half an instruction.
    rig.put(end - 4, &[0x0013_0001]);
    rig.hart.pc = end - 4;
    rig.steps(1);
    assert_eq!(rig.trap(), (Exception::InstructionAccessFault, end));
    assert_eq!(rig.hart.pc, end - 2);
    // A short one.
    rig.arena.ram().store(RAM - 2, C_ADDI).unwrap();
    rig.steps(1);
    assert_eq!((rig.x(10), rig.hart.pc), (4, end));
}

#[test]
fn programs_outside_ram_run_and_devices_do_not() {
    let mut rig = Rig::new(&[]);
    let words = [addi(10, 10, 3), inst(Op::Jal, 0, 0, 0, -4)];
    rig.bus.rom = words
        .iter()
        .flat_map(|word| [*word as u16, (*word >> 16) as u16])
        .collect();
    rig.hart.pc = ROM;
    rig.steps(6);
    assert_eq!((rig.x(10), rig.hart.pc), (9, ROM));
    for at in [DEVICE, 0, ROM + 8, RAM_BASE - 2, u64::MAX - 1] {
        rig.hart.pc = at;
        assert_eq!(rig.trap(), (Exception::InstructionAccessFault, at));
    }
    assert!(rig.bus.made.is_empty());
}

#[test]
fn pages_without_execute_permission_are_not_executed() {
    let mut rig = Rig::new(&[addi(10, 10, 1)]);
    rig.translate(&[]);
    let entry = RAM_BASE + RAM - 0x3000;
    let bits = rig.word(entry);
    rig.set_word(entry, bits & !pte::X);
    assert_eq!(rig.trap(), (Exception::InstructionPageFault, RAM_BASE));
}

#[test]
fn illegal_instructions_name_their_bits() {
    let mut rig = Rig::new(&[0, 0xffff_ffff, addi(0, 0, 0) & !0x7f | 0x5b]);
    assert_eq!(rig.trap(), (Exception::IllegalInstruction, 0));
    rig.hart.pc += 4;
    assert_eq!(rig.trap().0, Exception::IllegalInstruction);
    rig.hart.pc += 4;
    assert_eq!(rig.trap(), (Exception::IllegalInstruction, 0x5b));
    assert_eq!(rig.hart.pc, RAM_BASE + 8);
}

#[test]
fn page_that_is_mapped_twice_is_one_code() {
    let mut rig = Rig::new(&[addi(10, 10, 1), inst(Op::Jal, 0, 0, 0, -4)]);
    rig.translate(&[]);
    // The second page shows the first.
    let entries = RAM_BASE + RAM - 0x3000;
    let first = rig.word(entries);
    rig.set_word(entries + 8, first);
    rig.steps(2);
    rig.hart.pc = RAM_BASE + 0x1000;
    rig.steps(2);
    assert_eq!((rig.x(10), rig.hart.pc), (2, RAM_BASE + 0x1000));
    rig.put(RAM_BASE, &[addi(10, 10, 10)]);
    rig.steps(2);
    rig.hart.pc = RAM_BASE;
    rig.steps(2);
    assert_eq!(rig.x(10), 22);
}
