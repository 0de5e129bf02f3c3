use super::*;
use crate::cpu::IsaConfig;
use crate::cpu::state::Reservation;

const EXCEPTIONS: [Exception; 14] = [
    Exception::InstructionMisaligned,
    Exception::InstructionAccessFault,
    Exception::IllegalInstruction,
    Exception::Breakpoint,
    Exception::LoadMisaligned,
    Exception::LoadAccessFault,
    Exception::StoreMisaligned,
    Exception::StoreAccessFault,
    Exception::EcallFromUser,
    Exception::EcallFromSupervisor,
    Exception::EcallFromMachine,
    Exception::InstructionPageFault,
    Exception::LoadPageFault,
    Exception::StorePageFault,
];
const MTVEC: u64 = 0x8000_1000;
const STVEC: u64 = 0xffff_ffc0_0000_2000;
const LEVELS: [Privilege; 3] = [Privilege::User, Privilege::Supervisor, Privilege::Machine];

fn hart(privilege: Privilege) -> Hart {
    let mut hart = Hart::new(0, &IsaConfig::default());
    hart.csr.mtvec = MTVEC;
    hart.csr.stvec = STVEC;
    hart.privilege = privilege;
    hart.pc = 0x1234_5678;
    hart
}

#[test]
fn exception_goes_to_machine_mode_unless_delegated_from_below() {
    for privilege in LEVELS {
        for exception in EXCEPTIONS {
            for medeleg in [
                0,
                status::DELEGABLE,
                status::DELEGABLE & !(1 << exception as u8),
            ] {
                let mut hart = hart(privilege);
                hart.csr.medeleg = medeleg;
                let _ = hart.enter_trap(exception.into(), 0x77);
                let bit = medeleg >> exception as u8 & 1 != 0;
                let csr = &hart.csr;
                if bit && privilege != Privilege::Machine {
                    assert_eq!(hart.privilege, Privilege::Supervisor);
                    assert_eq!((csr.scause, csr.stval), (exception as u64, 0x77));
                    assert_eq!((csr.sepc, hart.pc), (0x1234_5678, STVEC));
                    assert_eq!(csr.mcause, 0);
                } else {
                    assert_eq!(hart.privilege, Privilege::Machine);
                    assert_eq!((csr.mcause, csr.mtval), (exception as u64, 0x77));
                    assert_eq!((csr.mepc, hart.pc), (0x1234_5678, MTVEC));
                    assert_eq!(csr.scause, 0);
                }
                assert_eq!(hart.not_retired, 1);
            }
        }
    }
}

#[test]
fn machine_ecall_cannot_be_delegated() {
    assert_eq!(
        status::DELEGABLE >> Exception::EcallFromMachine as u8 & 1,
        0
    );
}

#[test]
fn interrupt_sets_the_top_bit_and_is_not_an_attempt() {
    let mut hart = hart(Privilege::User);
    hart.csr.mideleg = status::STIP;
    let _ = hart.enter_trap(Interrupt::SupervisorTimer.into(), 0);
    assert_eq!(hart.csr.scause, 1 << 63 | 5);
    assert_eq!(hart.not_retired, 0);
    hart.privilege = Privilege::User;
    let _ = hart.enter_trap(Interrupt::MachineExternal.into(), 0);
    assert_eq!(hart.csr.mcause, 1 << 63 | 11);
}

#[test]
fn vectored_mode_spreads_interrupts_only() {
    for interrupt in Interrupt::BY_PRIORITY {
        let mut hart = hart(Privilege::User);
        hart.csr.mtvec = MTVEC | 1;
        let _ = hart.enter_trap(interrupt.into(), 0);
        assert_eq!(hart.pc, MTVEC + 4 * interrupt as u64);
        hart.csr.stvec = STVEC | 1;
        hart.csr.mideleg = interrupt.bit();
        hart.privilege = Privilege::Supervisor;
        let _ = hart.enter_trap(interrupt.into(), 0);
        assert_eq!(hart.pc, STVEC + 4 * interrupt as u64);
        let _ = hart.enter_trap(Exception::Breakpoint.into(), 0);
        assert_eq!(hart.pc, MTVEC);
    }
    let mut hart = hart(Privilege::User);
    hart.csr.mtvec = !3 | 1;
    let _ = hart.enter_trap(Interrupt::MachineExternal.into(), 0);
    assert_eq!(hart.pc, 40, "addresses wrap");
}

#[test]
fn entry_stacks_enable_and_privilege_and_return_unstacks_them() {
    for privilege in LEVELS {
        for mie in [0, status::MIE] {
            let mut hart = hart(privilege);
            hart.csr.mstatus = mie | status::SUM;
            let _ = hart.enter_trap(Exception::Breakpoint.into(), 0);
            let stacked = mie << 4 | (privilege as u64) << 11 | status::SUM;
            assert_eq!(hart.csr.mstatus, stacked);
            hart.csr.mepc += 4;
            assert!(hart.mret().is_ok());
            assert_eq!(hart.csr.mstatus, mie | status::MPIE | status::SUM);
            assert_eq!((hart.privilege, hart.pc), (privilege, 0x1234_567c));
        }
    }
    for privilege in [Privilege::User, Privilege::Supervisor] {
        for sie in [0, status::SIE] {
            let mut hart = hart(privilege);
            hart.csr.medeleg = status::DELEGABLE;
            hart.csr.mstatus = sie | status::MIE;
            let _ = hart.enter_trap(Exception::Breakpoint.into(), 0);
            let stacked = sie << 4 | (privilege as u64) << 8 | status::MIE;
            assert_eq!(hart.csr.mstatus, stacked);
            assert!(hart.sret().is_ok());
            assert_eq!(hart.csr.mstatus, sie | status::SPIE | status::MIE);
            assert_eq!((hart.privilege, hart.pc), (privilege, 0x1234_5678));
        }
    }
}

#[test]
fn nested_traps_keep_the_levels_apart() {
    let mut hart = hart(Privilege::User);
    hart.csr.medeleg = 1 << Exception::EcallFromUser as u8;
    hart.csr.mstatus = status::SIE | status::MIE;
    let _ = hart.enter_trap(Exception::EcallFromUser.into(), 0);
    let _ = hart.enter_trap(Exception::EcallFromSupervisor.into(), 0);
    assert_eq!(hart.privilege, Privilege::Machine);
    assert_eq!(hart.csr.mepc, STVEC);
    assert!(hart.mret().is_ok());
    assert_eq!((hart.privilege, hart.pc), (Privilege::Supervisor, STVEC));
    assert!(hart.sret().is_ok());
    assert_eq!((hart.privilege, hart.pc), (Privilege::User, 0x1234_5678));
    assert_ne!(hart.csr.mstatus & status::SIE, 0);
    assert_ne!(hart.csr.mstatus & status::MIE, 0);
}

#[test]
fn returns_below_machine_mode_clear_mprv() {
    for mpp in [0, 1, 3u64] {
        let mut hart = hart(Privilege::Machine);
        hart.csr.mstatus = status::MPRV | mpp << 11;
        assert!(hart.mret().is_ok());
        assert_eq!(hart.csr.mstatus & status::MPRV != 0, mpp == 3);
        assert_eq!(hart.csr.mstatus & status::MPP, 0);
    }
    for spp in [0, status::SPP] {
        let mut hart = hart(Privilege::Machine);
        hart.csr.mstatus = status::MPRV | spp;
        assert!(hart.sret().is_ok());
        assert_eq!(hart.csr.mstatus & (status::MPRV | status::SPP), 0);
        assert_eq!(hart.privilege as u64, spp >> 8);
    }
}

#[test]
fn returns_trap_where_the_manual_says() {
    for (privilege, tsr, mret, sret) in [
        (Privilege::User, false, false, false),
        (Privilege::Supervisor, false, false, true),
        (Privilege::Supervisor, true, false, false),
        (Privilege::Machine, true, true, true),
    ] {
        let mut one = hart(privilege);
        one.csr.mstatus = if tsr { status::TSR } else { 0 };
        let before = one.clone();
        assert_eq!(one.mret().is_ok(), mret);
        assert_eq!(one == before, !mret);
        let mut one = before.clone();
        assert_eq!(one.sret().is_ok(), sret);
        assert_eq!(one == before, !sret);
    }
}

#[test]
fn traps_and_returns_end_the_reservation() {
    let mut hart = hart(Privilege::Machine);
    let held = Some(Reservation::of(0x8000_0040));
    hart.reservation = held;
    let _ = hart.enter_trap(Exception::Breakpoint.into(), 0);
    assert_eq!(hart.reservation, None);
    hart.reservation = held;
    assert!(hart.mret().is_ok());
    assert_eq!(hart.reservation, None);
    hart.privilege = Privilege::Supervisor;
    hart.reservation = held;
    assert!(hart.sret().is_ok());
    assert_eq!(hart.reservation, None);
}
