use super::*;
use crate::cpu::csr_table::number;
use crate::cpu::{CsrContext, IsaConfig};

fn hart(privilege: Privilege) -> Hart {
    let mut hart = Hart::new(0, &IsaConfig::default());
    hart.privilege = privilege;
    hart.csr.mie = status::INTERRUPTS;
    hart
}

/// Raises the interrupts of `bits`, whoever can.
fn raise(hart: &mut Hart, bits: u64) {
    hart.meip = bits & status::MEIP != 0;
    hart.msip = bits & status::MSIP != 0;
    hart.mtip = bits & status::MTIP != 0;
    hart.seip_external = bits & status::SEIP != 0;
    hart.csr.mip = bits & (status::SSIP | status::STIP);
}

#[test]
fn most_urgent_of_any_set_is_taken() {
    // 3.1.9: MEI, MSI, MTI, SEI, SSI, STI.
    let order = [11, 3, 7, 9, 1, 5u8];
    for set in 1u64..64 {
        let bits = order
            .iter()
            .enumerate()
            .filter(|(n, _)| set >> n & 1 != 0)
            .fold(0, |bits, (_, code)| bits | 1u64 << code);
        let mut hart = hart(Privilege::User);
        raise(&mut hart, bits);
        let first = order.iter().find(|code| bits >> **code & 1 != 0);
        assert_eq!(hart.pending_interrupt().map(|i| i as u8), first.copied());
        // Delegated ones yield to those that are not.
        hart.csr.mideleg = status::S_INTERRUPTS;
        assert_eq!(hart.pending_interrupt().map(|i| i as u8), first.copied());
        hart.csr.mie = 0;
        assert_eq!(hart.pending_interrupt(), None);
    }
}

#[test]
fn machine_interrupt_goes_before_a_more_urgent_delegated_one() {
    let mut hart = hart(Privilege::User);
    raise(&mut hart, status::SEIP | status::STIP);
    hart.csr.mideleg = status::SEIP;
    assert_eq!(hart.pending_interrupt(), Some(Interrupt::SupervisorTimer));
}

#[test]
fn enables_count_at_their_own_level_only() {
    use Privilege::{Machine, Supervisor, User};
    for (privilege, mie, sie, machine, supervisor) in [
        (User, false, false, true, true),
        (Supervisor, false, false, true, false),
        (Supervisor, false, true, true, true),
        (Supervisor, true, false, true, false),
        (Machine, false, false, false, false),
        (Machine, false, true, false, false),
        (Machine, true, true, true, false),
    ] {
        let mut hart = hart(privilege);
        hart.csr.mideleg = status::S_INTERRUPTS;
        hart.csr.mstatus |= if mie { status::MIE } else { 0 };
        hart.csr.mstatus |= if sie { status::SIE } else { 0 };
        raise(&mut hart, status::MTIP);
        assert_eq!(hart.pending_interrupt().is_some(), machine, "{privilege:?}");
        raise(&mut hart, status::STIP);
        assert_eq!(
            hart.pending_interrupt().is_some(),
            supervisor,
            "{privilege:?}"
        );
        // Not delegated it is a machine interrupt.
        hart.csr.mideleg = 0;
        assert_eq!(hart.pending_interrupt().is_some(), machine, "{privilege:?}");
    }
}

#[test]
fn supervisor_external_is_line_or_written_bit() {
    let mut hart = hart(Privilege::Machine);
    for (line, written) in [(false, false), (false, true), (true, false), (true, true)] {
        hart.seip_external = line;
        hart.csr.mip = if written { status::SEIP } else { 0 };
        assert_eq!(hart.mip() & status::SEIP != 0, line || written);
    }
}

#[test]
fn stimecmp_drives_stip_from_the_tick_it_names() {
    let mut hart = hart(Privilege::Machine);
    let (stimecmp, mip) = (number("stimecmp").unwrap(), number("mip").unwrap());
    let at = |time| CsrContext { time, instret: 0 };
    let stip = |hart: &Hart, time| hart.csr_read(mip, &at(time)).unwrap() & status::STIP != 0;
    let menvcfg = number("menvcfg").unwrap();
    assert!(hart.csr_write(menvcfg, status::STCE, &at(0)).is_ok());
    assert!(hart.csr_write(stimecmp, 100, &at(99)).is_ok());
    assert!(!hart.stip);
    assert_eq!(hart.timer_deadline(), Some(100));
    assert!(!stip(&hart, 99));
    assert!(stip(&hart, 100), "equal is due");
    hart.set_time(99);
    assert_eq!(hart.mip() & status::STIP, 0);
    hart.set_time(100);
    assert_eq!(hart.mip() & status::STIP, status::STIP);
    assert_eq!(hart.timer_deadline(), None);
    // A write of a later time takes it back at once, of an earlier one raises it.
    assert!(hart.csr_write(stimecmp, 101, &at(100)).is_ok());
    assert_eq!(hart.mip() & status::STIP, 0);
    assert!(hart.csr_write(stimecmp, 100, &at(100)).is_ok());
    assert_eq!(hart.mip() & status::STIP, status::STIP);
    // Read-only now; without STCE it is a bit that machine mode writes.
    assert!(hart.csr_write(mip, 0, &at(100)).is_ok());
    assert!(stip(&hart, 100));
    assert!(hart.csr_write(menvcfg, 0, &at(100)).is_ok());
    assert!(!stip(&hart, 100));
    assert_eq!(hart.timer_deadline(), None);
    assert!(hart.csr_write(mip, status::STIP, &at(100)).is_ok());
    assert!(stip(&hart, 0));
}

#[test]
fn stimecmp_in_supervisor_mode_needs_stce_and_tm() {
    let cx = CsrContext {
        time: 0,
        instret: 0,
    };
    let stimecmp = number("stimecmp").unwrap();
    for (stce, tm) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut hart = hart(Privilege::Supervisor);
        hart.csr.menvcfg = if stce { status::STCE } else { 0 };
        hart.csr.mcounteren = if tm { status::COUNTER_TM } else { 0 };
        assert_eq!(hart.csr_read(stimecmp, &cx).is_ok(), stce && tm);
        assert_eq!(hart.csr_write(stimecmp, 1, &cx).is_ok(), stce && tm);
        hart.privilege = Privilege::Machine;
        assert!(hart.csr_write(stimecmp, 1, &cx).is_ok());
        hart.privilege = Privilege::User;
        assert!(hart.csr_read(stimecmp, &cx).is_err());
    }
}

#[test]
fn wfi_waits_for_what_mie_enables_taken_or_not() {
    let mut hart = hart(Privilege::Machine);
    assert!(hart.wfi().is_ok());
    assert!(hart.waiting);
    raise(&mut hart, status::MTIP);
    assert!(hart.wakes());
    assert_eq!(hart.pending_interrupt(), None, "MIE is clear");
    assert!(hart.wfi().is_ok());
    assert!(!hart.waiting, "nothing to wait for");
    hart.csr.mie = 0;
    assert!(!hart.wakes());
}

#[test]
fn wfi_traps_where_the_manual_says() {
    for (privilege, tw, allowed) in [
        (Privilege::User, false, false),
        (Privilege::Supervisor, false, true),
        (Privilege::Supervisor, true, false),
        (Privilege::Machine, true, true),
    ] {
        let mut hart = hart(privilege);
        hart.csr.mstatus = if tw { status::TW } else { 0 };
        assert_eq!(hart.wfi().is_ok(), allowed);
        assert_eq!(hart.waiting, allowed);
    }
}
