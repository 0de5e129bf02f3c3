use super::*;
use crate::cpu::csr_table::number;
use crate::cpu::{Exception, IsaConfig};

/// A hart and the loop that counts its steps.
struct Running {
    hart: Hart,
    steps: u64,
}

impl Running {
    fn new() -> Self {
        Self {
            hart: Hart::new(0, &IsaConfig::default()),
            steps: 0,
        }
    }

    fn read(&mut self, csr: &str) -> u64 {
        let cx = self.hart.csr_context(7 * self.steps, self.steps);
        self.steps += 1;
        self.hart.csr_read(number(csr).unwrap(), &cx).unwrap()
    }

    fn write(&mut self, csr: &str, value: u64) {
        let cx = self.hart.csr_context(7 * self.steps, self.steps);
        self.steps += 1;
        assert!(
            self.hart
                .csr_write(number(csr).unwrap(), value, &cx)
                .is_ok()
        );
    }

    fn trap(&mut self) {
        self.steps += 1;
        let _ = self.hart.enter_trap(Exception::Breakpoint.into(), 0);
    }
}

#[test]
fn counters_count_steps_and_instret_leaves_traps_out() {
    let mut run = Running::new();
    assert_eq!(run.read("mcycle"), 0);
    assert_eq!(run.read("cycle"), 1);
    assert_eq!(run.read("minstret"), 2);
    run.trap();
    run.trap();
    assert_eq!(run.read("instret"), 3);
    assert_eq!(run.read("mcycle"), 6);
    assert_eq!(run.read("time"), 49);
    for n in 3..32 {
        assert_eq!(run.read(&alloc::format!("hpmcounter{n}")), 0);
    }
}

#[test]
fn next_instruction_reads_what_was_written() {
    for value in [0, 1000, u64::MAX] {
        let mut run = Running::new();
        run.trap();
        run.write("minstret", value);
        assert_eq!(run.read("instret"), value);
        assert_eq!(run.read("minstret"), value.wrapping_add(1));
        run.write("mcycle", value);
        assert_eq!(run.read("mcycle"), value);
        assert_eq!(run.read("cycle"), value.wrapping_add(1));
        run.trap();
        assert_eq!(run.read("cycle"), value.wrapping_add(3));
    }
}

#[test]
fn inhibited_counters_stand_still_and_go_on_from_there() {
    let mut run = Running::new();
    run.write("mcycle", 100);
    run.write("minstret", 200);
    run.write("mcountinhibit", 0b101);
    assert_eq!((run.read("mcycle"), run.read("mcycle")), (102, 102));
    assert_eq!((run.read("minstret"), run.read("minstret")), (201, 201));
    run.write("minstret", 5);
    assert_eq!((run.read("minstret"), run.read("minstret")), (5, 5));
    run.write("mcountinhibit", 0b001);
    assert_eq!((run.read("minstret"), run.read("minstret")), (5, 6));
    assert_eq!(run.read("mcycle"), 102);
    run.write("mcountinhibit", 0);
    assert_eq!((run.read("mcycle"), run.read("mcycle")), (102, 103));
    // Writing what is there already changes nothing.
    let before = run.hart.clone();
    run.write("mcountinhibit", 0);
    assert_eq!(run.hart, before);
}

#[test]
fn each_counter_has_its_enable_bit_at_each_level() {
    let mut hart = Hart::new(0, &IsaConfig::default());
    let cx = hart.csr_context(0, 0);
    for counter in 0..32u16 {
        for case in 0..4 {
            let (m, s) = (case & 1 != 0, case & 2 != 0);
            let bit = 1u64 << counter;
            // Every other bit the other way round, so that a wrong one shows.
            let only = |on: bool| (if on { bit } else { !bit }) & 0xffff_ffff;
            (hart.csr.mcounteren, hart.csr.scounteren) = (only(m), only(s));
            for (privilege, allowed) in [
                (Privilege::Machine, true),
                (Privilege::Supervisor, m),
                (Privilege::User, m && s),
            ] {
                hart.privilege = privilege;
                let read = hart.csr_read(0xc00 + counter, &cx);
                assert_eq!(read.is_ok(), allowed, "{counter} {privilege:?}");
            }
        }
    }
}
