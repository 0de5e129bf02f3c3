use super::*;

/// The rule of 3.1.6.3 and 12.3.1 in other words than the code's.
fn expected(level: u64, sum: bool, mxr: bool, bits: u64, access: Access) -> bool {
    let has = |bit| bits & bit != 0;
    let right = match access {
        Access::Fetch => has(pte::X),
        Access::Load => has(pte::R) || (mxr && has(pte::X)),
        Access::Store => has(pte::W),
    };
    let reach = match (level, has(pte::U)) {
        (0, user_page) => user_page,
        (1, false) => true,
        (1, true) => sum && access != Access::Fetch,
        _ => unreachable!(),
    };
    right && reach
}

#[test]
fn user_sum_mxr_mprv_matrix() {
    let pages = [
        pte::R,
        pte::X,
        pte::R | pte::W,
        pte::R | pte::X,
        pte::R | pte::W | pte::X,
    ];
    for case in 0u64..1 << 6 {
        let bit = |n: u32| case >> n & 1;
        let (privilege, sum, mxr) = (bit(0), bit(1) != 0, bit(2) != 0);
        let (mprv, mpp, user) = (bit(3) != 0, bit(4), bit(5));
        let mut bench = Bench::new(SV39);
        // MPRV lends the privilege of MPP to machine mode.
        bench.hart.privilege = if mprv {
            Privilege::Machine
        } else {
            Privilege::from_bits(privilege).unwrap()
        };
        for (set, bit) in [(sum, status::SUM), (mxr, status::MXR), (mprv, status::MPRV)] {
            bench.hart.csr.mstatus |= if set { bit } else { 0 };
        }
        bench.hart.csr.mstatus |= mpp << status::MPP_SHIFT;
        let level = if mprv { mpp } else { privilege };
        for page in pages {
            let bits = page | (user * pte::U) | pte::V | pte::A | pte::D;
            bench.map(0x1000, 0, RAM_BASE + 0x5000, bits);
            bench.fence();
            for access in ACCESSES {
                let result = bench.translate(0x1000, access);
                if mprv && access == Access::Fetch {
                    assert_eq!(result, Ok(0x1000), "machine mode fetches untranslated");
                } else if expected(level, sum, mxr, bits, access) {
                    assert_eq!(result, Ok(RAM_BASE + 0x5000), "{case:b} {bits:x}");
                } else {
                    assert_eq!(
                        result,
                        Err(Exception::page_fault(access)),
                        "{case:b} {bits:x}"
                    );
                }
            }
        }
    }
}

#[test]
fn rights_are_those_of_the_present_not_of_the_fill() {
    let mut bench = Bench::new(SV39);
    bench.map(0x1000, 0, RAM_BASE, ALL);
    bench.map(0x2000, 0, RAM_BASE, KERNEL);
    bench.map(0x3000, 0, RAM_BASE, pte::V | pte::X | pte::A);
    bench.hart.csr.mstatus |= status::SUM | status::MXR;
    for va in [0x1000, 0x2000, 0x3000] {
        assert!(bench.load(va).is_ok());
    }
    bench.hart.csr.mstatus = 0;
    assert!(bench.load(0x1000).is_err(), "SUM is gone");
    assert!(bench.load(0x3000).is_err(), "MXR is gone");
    bench.hart.privilege = Privilege::User;
    assert!(bench.load(0x1000).is_ok());
    assert!(bench.load(0x2000).is_err(), "the supervisor's page");
}

#[test]
fn machine_mode_and_bare_mode_do_not_translate() {
    let mut bench = Bench::new(SV39);
    bench.hart.privilege = Privilege::Machine;
    assert_eq!(bench.load(u64::MAX), Ok(u64::MAX));
    bench.hart.privilege = Privilege::User;
    assert!(bench.load(0x1000).is_err());
    bench.hart.csr.satp = 0;
    assert_eq!(bench.load(0x1000), Ok(0x1000));
    assert!(bench.hart.data_cache.is_empty());
}

#[test]
fn data_context_follows_the_effective_privilege() {
    let mut hart = Bench::new(SV39).hart;
    let context = |hart: &mut Hart, privilege, mstatus| {
        hart.privilege = privilege;
        hart.csr.mstatus = mstatus;
        hart.data_context()
    };
    assert_eq!(context(&mut hart, Privilege::User, status::SUM), 0);
    assert_eq!(context(&mut hart, Privilege::Supervisor, 0), 1);
    assert_eq!(context(&mut hart, Privilege::Supervisor, status::SUM), 2);
    assert_eq!(context(&mut hart, Privilege::Machine, status::SUM), 3);
    assert_eq!(context(&mut hart, Privilege::Machine, status::MPRV), 0);
    let lent = status::MPRV | 1 << status::MPP_SHIFT;
    assert_eq!(context(&mut hart, Privilege::Machine, lent), 1);
    assert_eq!(
        context(&mut hart, Privilege::Machine, lent | status::SUM),
        2
    );
    assert_eq!(
        context(&mut hart, Privilege::Machine, status::MPRV | status::MPP),
        3
    );
}

#[test]
fn pmp_goes_by_the_effective_privilege() {
    let mut hart = Bench::new(SV39).hart;
    hart.privilege = Privilege::Machine;
    hart.pmp.set_config(0, 0);
    for access in ACCESSES {
        assert!(hart.pmp_allows(RAM_BASE, 8, access));
    }
    hart.csr.mstatus = status::MPRV | 1 << status::MPP_SHIFT;
    assert!(hart.pmp_allows(RAM_BASE, 8, Access::Fetch));
    assert!(!hart.pmp_allows(RAM_BASE, 8, Access::Load));
    assert!(!hart.pmp_page_uniform(RAM_BASE, Access::Store));
}

#[test]
fn fences_trap_where_the_manual_says() {
    use Privilege::{Machine, Supervisor, User};
    for (privilege, tvm, vma, inval) in [
        (User, false, false, false),
        (Supervisor, false, true, true),
        (Supervisor, true, false, true),
        (Machine, true, true, true),
    ] {
        let mut hart = Bench::new(SV39).hart;
        hart.privilege = privilege;
        hart.csr.mstatus = if tvm { status::TVM } else { 0 };
        assert_eq!(hart.sfence_vma(None, None).is_ok(), vma);
        assert_eq!(hart.sinval_vma(Some(0), Some(0)).is_ok(), vma);
        assert_eq!(hart.sfence_inval().is_ok(), inval);
    }
}
