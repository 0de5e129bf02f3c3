use super::*;
use crate::cpu::csr_table::{name, number, numbers};
use crate::cpu::{Cause, Exception, IsaConfig};
use alloc::string::ToString;

const CX: CsrContext = CsrContext {
    time: 1000,
    instret: 50,
};

fn hart() -> Hart {
    Hart::new(3, &IsaConfig::default())
}

fn n(csr: &str) -> u16 {
    number(csr).unwrap()
}

fn read(hart: &Hart, csr: &str) -> u64 {
    hart.csr_read(n(csr), &CX).unwrap()
}

fn write(hart: &mut Hart, csr: &str, value: u64) -> Effects {
    hart.csr_write(n(csr), value, &CX).unwrap()
}

/// What writing all ones and all zeros leaves behind, from the manual, in machine mode.
const WARL: &[(&str, u64, u64)] = &[
    ("fflags", 0x1f, 0),
    ("frm", 7, 0),
    ("fcsr", 0xff, 0),
    ("sstatus", 0x8000_0002_000c_6122, 0x2_0000_0000),
    ("sie", 0x222, 0),
    ("scounteren", 0xffff_ffff, 0),
    ("sscratch", u64::MAX, 0),
    ("sepc", !1, 0),
    ("scause", u64::MAX, 0),
    ("stval", u64::MAX, 0),
    ("sip", 0x2, 0),
    ("stimecmp", u64::MAX, 0),
    ("mstatus", 0x8000_000a_007e_79aa, 0xa_0000_0000),
    ("misa", 0x8000_0000_0014_112f, 0x8000_0000_0014_112f),
    ("medeleg", 0xb3ff, 0),
    ("mideleg", 0x222, 0),
    ("mie", 0xaaa, 0),
    ("mcounteren", 0xffff_ffff, 0),
    ("mcountinhibit", 5, 0),
    ("mscratch", u64::MAX, 0),
    ("mepc", !1, 0),
    ("mcause", u64::MAX, 0),
    ("mtval", u64::MAX, 0),
    ("mip", 0x222, 0),
    ("pmpaddr0", (1 << 54) - 1, 0),
    ("pmpaddr15", (1 << 54) - 1, 0),
    ("pmpaddr16", 0, 0),
    ("pmpaddr63", 0, 0),
    ("pmpcfg4", 0, 0),
    ("pmpcfg14", 0, 0),
    ("tselect", 0, 0),
    ("tdata1", 0, 0),
    ("tdata3", 0, 0),
    ("mhpmcounter3", 0, 0),
    ("mhpmcounter31", 0, 0),
    ("mhpmevent3", 0, 0),
    ("mhpmevent31", 0, 0),
];

/// CSRs whose legal values depend on more than the value, each with a test of its own here or in
/// a neighbouring file.
const OWN_TEST: &[&str] = &[
    "stvec", "mtvec", "senvcfg", "menvcfg", "satp", "pmpcfg0", "pmpcfg2", "mcycle", "minstret",
];

fn ready() -> Hart {
    let mut hart = hart();
    hart.csr.mideleg = status::S_INTERRUPTS;
    hart.csr.menvcfg = 0;
    hart.csr.mstatus = status::FS;
    hart
}

#[test]
fn written_values_become_legal_ones() {
    for &(csr, ones, zeros) in WARL {
        let mut hart = ready();
        let _ = write(&mut hart, csr, u64::MAX);
        assert_eq!(read(&hart, csr), ones, "{csr} after ones");
        let _ = write(&mut hart, csr, 0);
        if csr == "mstatus" || csr == "sstatus" {
            hart.csr.mstatus &= !status::FS;
        }
        assert_eq!(read(&hart, csr), zeros, "{csr} after zeros");
    }
}

#[test]
fn every_csr_is_read_only_or_in_a_test_of_its_values() {
    for number in numbers() {
        let name = name(number).unwrap().to_string();
        let mut hart = ready();
        assert!(hart.csr_read(number, &CX).is_ok(), "{name}");
        let writable = hart.csr_write(number, 0, &CX).is_ok();
        assert_eq!(writable, number >> 10 != 3, "{name}");
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let covered = WARL
            .iter()
            .any(|row| row.0 == name || row.0.starts_with(stem))
            || OWN_TEST.contains(&name.as_str());
        assert!(!writable || covered, "{name} has no row");
    }
}

#[test]
fn numbers_that_do_not_exist_are_illegal_at_every_privilege() {
    let mut hart = ready();
    for privilege in [Privilege::Machine, Privilege::Supervisor, Privilege::User] {
        hart.privilege = privilege;
        let before = hart.clone();
        for number in 0..=u16::MAX {
            if csr_table::find(number).is_none() {
                assert!(hart.csr_read(number, &CX).is_err(), "{number:x}");
                assert!(hart.csr_write(number, 1, &CX).is_err(), "{number:x}");
                assert!(hart.csr_peek(number, &CX).is_none());
            }
        }
        assert_eq!(hart, before);
    }
    for absent in [
        0x3a1, 0xb01, 0xc80, 0xb80, 0x747, 0x200, 0xda0, 0x5a8, 0x015,
    ] {
        assert!(csr_table::find(absent).is_none(), "{absent:x}");
    }
}

#[test]
fn privilege_is_in_the_number() {
    let mut hart = ready();
    hart.csr.mcounteren = u64::MAX;
    hart.csr.scounteren = u64::MAX;
    hart.csr.menvcfg = status::STCE;
    for number in numbers() {
        for privilege in [Privilege::User, Privilege::Supervisor, Privilege::Machine] {
            hart.privilege = privilege;
            let allowed = privilege as u16 >= number >> 8 & 3;
            assert_eq!(hart.csr_read(number, &CX).is_ok(), allowed, "{number:x}");
            let mut copy = hart.clone();
            let written = copy.csr_write(number, 0, &CX).is_ok();
            assert_eq!(written, allowed && number < 0xc00, "{number:x}");
            if !written {
                assert_eq!(copy, hart, "{number:x}");
            }
        }
    }
}

#[test]
fn table_is_sorted_and_names_lead_back() {
    assert!(numbers().is_sorted());
    for csr in numbers() {
        assert_eq!(number(&name(csr).unwrap().to_string()), Some(csr));
    }
    for absent in [
        "",
        "pmpcfg1",
        "pmpaddr64",
        "mhpmcounter2",
        "mcycle0",
        "pmpaddr",
        "x",
    ] {
        assert_eq!(number(absent), None, "{absent}");
    }
    assert_eq!(number("satp"), Some(0x180));
    assert_eq!(number("mhpmcounter31"), Some(0xb1f));
    assert_eq!(number("mhpmevent3"), Some(0x323));
    assert_eq!(number("pmpcfg2"), Some(0x3a2));
    assert_eq!(number("pmpaddr63"), Some(0x3ef));
}

#[test]
fn reset_values() {
    let hart = hart();
    assert_eq!(read(&hart, "mhartid"), 3);
    assert_eq!(read(&hart, "mstatus"), status::UXL64 | status::SXL64);
    assert_eq!(read(&hart, "menvcfg"), status::PBMTE | status::ADUE);
    assert_eq!(read(&hart, "satp"), 0);
    assert_eq!(hart.privilege, Privilege::Machine);
    let svade = Hart::new(
        0,
        &IsaConfig {
            ad_update: crate::cpu::AdUpdate::Svade,
        },
    );
    assert_eq!(read(&svade, "menvcfg"), status::PBMTE);
}

#[test]
fn reserved_mpp_keeps_the_old_one() {
    for old in [0, 1, 3u64] {
        let mut hart = hart();
        let _ = write(&mut hart, "mstatus", old << 11);
        let _ = write(&mut hart, "mstatus", 2 << 11 | status::SUM);
        assert_eq!(hart.csr.mstatus, old << 11 | status::SUM);
    }
}

#[test]
fn trap_vectors_take_the_two_defined_modes() {
    for csr in ["mtvec", "stvec"] {
        let mut hart = hart();
        for (written, expected) in [
            (0x8000_0004, 0x8000_0004),
            (0x8000_0009, 0x8000_0009),
            (0x1234_0002, 0x8000_0009),
            (u64::MAX, 0x8000_0009),
            (u64::MAX - 2, u64::MAX - 2),
        ] {
            let _ = write(&mut hart, csr, written);
            assert_eq!(read(&hart, csr), expected);
        }
    }
}

#[test]
fn envcfg_keeps_its_fields_and_refuses_the_reserved_cbie() {
    let mut hart = hart();
    let _ = write(&mut hart, "menvcfg", u64::MAX);
    assert_eq!(read(&hart, "menvcfg"), 0xe000_0000_0000_00f1);
    let _ = write(&mut hart, "senvcfg", u64::MAX);
    assert_eq!(read(&hart, "senvcfg"), 0xf1);
    let _ = write(&mut hart, "senvcfg", 0x20);
    assert_eq!(read(&hart, "senvcfg"), 0x30, "reserved: CBIE stays");
    let _ = write(&mut hart, "senvcfg", 0x10);
    assert_eq!(read(&hart, "senvcfg"), 0x10);
    let _ = write(&mut hart, "menvcfg", 0);
    assert_eq!(read(&hart, "menvcfg"), 0);
}

#[test]
fn cache_block_instructions_need_both_envcfgs() {
    let mut hart = hart();
    for (field, allowed) in [
        (
            status::CBIE & 0x10,
            Hart::cbo_inval_allowed as fn(&Hart) -> bool,
        ),
        (status::CBIE, Hart::cbo_inval_allowed),
        (status::CBCFE, Hart::cbo_clean_allowed),
        (status::CBZE, Hart::cbo_zero_allowed),
    ] {
        for (menvcfg, senvcfg) in [(0, 0), (0, field), (field, 0), (field, field)] {
            (hart.csr.menvcfg, hart.csr.senvcfg) = (menvcfg, senvcfg);
            for (privilege, expected) in [
                (Privilege::Machine, true),
                (Privilege::Supervisor, menvcfg != 0),
                (Privilege::User, menvcfg != 0 && senvcfg != 0),
            ] {
                hart.privilege = privilege;
                assert_eq!(allowed(&hart), expected);
            }
        }
    }
}

#[test]
fn satp_takes_known_modes_whole_and_others_not_at_all() {
    let mut hart = hart();
    let rest = u64::MAX >> 4;
    for mode in 0..16 {
        hart.csr.satp = 0;
        let effects = write(&mut hart, "satp", mode << 60 | rest);
        let taken = matches!(mode, 0 | 8 | 9 | 10);
        assert_eq!(
            read(&hart, "satp"),
            if taken { mode << 60 | rest } else { 0 }
        );
        assert_eq!(effects.contains(Effects::FLUSH | Effects::CONTEXT), taken);
    }
}

#[test]
fn satp_in_supervisor_mode_traps_under_tvm() {
    let mut hart = hart();
    hart.csr.mstatus = status::TVM;
    assert!(hart.csr_read(n("satp"), &CX).is_ok());
    hart.privilege = Privilege::Supervisor;
    assert!(hart.csr_read(n("satp"), &CX).is_err());
    assert!(hart.csr_write(n("satp"), 0, &CX).is_err());
    hart.csr.mstatus = 0;
    assert!(hart.csr_write(n("satp"), 0, &CX).is_ok());
}

#[test]
fn floating_point_csrs_follow_fs() {
    let mut hart = hart();
    for csr in ["fflags", "frm", "fcsr"] {
        assert!(hart.csr_read(n(csr), &CX).is_err(), "{csr} is off");
        assert!(hart.csr_write(n(csr), 0, &CX).is_err());
        for fs in 1..=3 {
            hart.csr.mstatus = fs << 13;
            assert!(hart.csr_read(n(csr), &CX).is_ok());
            assert_eq!(hart.csr.mstatus, fs << 13, "reading does not dirty");
            let _ = write(&mut hart, csr, 0);
            assert_eq!(hart.csr.mstatus, 3 << 13);
        }
        hart.csr.mstatus = 0;
    }
    hart.csr.mstatus = status::FS;
    let _ = write(&mut hart, "fcsr", 0b101_10011);
    assert_eq!((hart.csr.frm, hart.csr.fflags), (0b101, 0b10011));
    let _ = write(&mut hart, "frm", 0b10);
    let _ = write(&mut hart, "fflags", 1);
    assert_eq!(read(&hart, "fcsr"), 0b10_00001);
    assert_eq!(read(&hart, "mstatus") >> 63, 1, "SD");
    hart.csr.mstatus = 2 << 13;
    assert_eq!(read(&hart, "sstatus") >> 63, 0);
}

#[test]
fn sstatus_writes_only_its_part() {
    let mut hart = hart();
    hart.csr.mstatus = status::MSTATUS & !status::SSTATUS;
    let _ = write(&mut hart, "sstatus", u64::MAX);
    assert_eq!(hart.csr.mstatus, status::MSTATUS);
    let _ = write(&mut hart, "sstatus", 0);
    assert_eq!(hart.csr.mstatus, status::MSTATUS & !status::SSTATUS);
}

#[test]
fn sie_and_sip_show_delegated_bits_only() {
    let mut hart = hart();
    hart.csr.mideleg = status::SSIP;
    hart.csr.mie = status::INTERRUPTS;
    hart.csr.mip = status::S_INTERRUPTS;
    assert_eq!(read(&hart, "sie"), status::SSIP);
    assert_eq!(read(&hart, "sip"), status::SSIP);
    let _ = write(&mut hart, "sie", 0);
    assert_eq!(hart.csr.mie, status::INTERRUPTS & !status::SSIP);
    let _ = write(&mut hart, "sip", 0);
    assert_eq!(hart.csr.mip, status::S_INTERRUPTS & !status::SSIP);
    hart.csr.mideleg = 0;
    let _ = write(&mut hart, "sip", u64::MAX);
    assert_eq!(hart.csr.mip, status::STIP | status::SEIP);
}

#[test]
fn setting_bits_of_mip_does_not_copy_the_external_line() {
    let mut hart = hart();
    hart.seip_external = true;
    let (old, _) = hart.csr_modify(n("mip"), CsrOp::Set, 2, &CX).unwrap();
    assert_eq!(old, status::SEIP);
    assert_eq!(hart.csr.mip, status::SSIP);
    hart.seip_external = false;
    assert_eq!(read(&hart, "mip"), status::SSIP);
    let _ = write(&mut hart, "mip", status::SEIP);
    let (old, _) = hart.csr_modify(n("mip"), CsrOp::Clear, 2, &CX).unwrap();
    assert_eq!(old, status::SEIP);
    assert_eq!(hart.csr.mip, status::SEIP, "the written bit stays");
}

#[test]
fn modify_writes_sets_and_clears() {
    let mut hart = hart();
    for (op, expected) in [
        (CsrOp::Write, 0b0110),
        (CsrOp::Set, 0b1110),
        (CsrOp::Clear, 0b1000),
    ] {
        hart.csr.mscratch = 0b1100;
        let (old, effects) = hart.csr_modify(n("mscratch"), op, 0b0110, &CX).unwrap();
        assert_eq!((old, hart.csr.mscratch), (0b1100, expected));
        assert!(effects.is_none());
    }
    assert!(hart.csr_modify(n("cycle"), CsrOp::Set, 1, &CX).is_err());
}

#[test]
fn effects_name_what_must_follow() {
    let mut hart = hart();
    let checks: &[(&str, u64, Effects)] = &[
        ("mstatus", status::MIE, Effects::SAMPLE),
        ("mstatus", status::MIE | status::SUM, Effects::CONTEXT),
        ("mstatus", status::MXR, Effects::FLUSH_DATA),
        ("sstatus", status::SIE, Effects::SAMPLE),
        ("sstatus", status::SUM, Effects::CONTEXT),
        ("mstatus", status::MPRV, Effects::CONTEXT),
        ("mstatus", status::MPRV | 3 << 11, Effects::CONTEXT),
        ("mie", 0, Effects::SAMPLE),
        ("sie", 0, Effects::SAMPLE),
        ("mip", 0, Effects::SAMPLE),
        ("sip", 0, Effects::SAMPLE),
        ("mideleg", 0, Effects::SAMPLE),
        ("stimecmp", 0, Effects::SAMPLE),
        ("stimecmp", 0, Effects::DEADLINE),
        ("menvcfg", 0, Effects::SAMPLE),
        ("pmpcfg0", 0, Effects::FLUSH),
        ("pmpaddr3", 0, Effects::FLUSH),
    ];
    for &(csr, value, effect) in checks {
        assert!(write(&mut hart, csr, value).contains(effect), "{csr}");
    }
    assert!(write(&mut hart, "mscratch", 1).is_none());
}

#[test]
fn debugger_sees_through_privilege() {
    let mut hart = hart();
    hart.privilege = Privilege::User;
    assert!(hart.csr_poke(n("mscratch"), 7, &CX).is_some());
    assert_eq!(hart.csr_peek(n("mscratch"), &CX), Some(7));
    let _ = hart.enter_trap(Cause::Exception(Exception::IllegalInstruction), 0);
    assert_eq!(hart.csr_peek(n("mcause"), &CX), Some(2));
}
