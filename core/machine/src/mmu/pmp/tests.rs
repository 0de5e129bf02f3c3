use super::*;

const NAPOT: u8 = 3 << 3;
const ACCESSES: [(Access, u8); 3] = [(Access::Fetch, X), (Access::Load, R), (Access::Store, W)];

/// A PMP with these entries: configuration and address register.
fn pmp(entries: &[(u8, u64)]) -> Pmp {
    let mut pmp = Pmp::default();
    for (index, &(cfg, addr)) in entries.iter().enumerate() {
        pmp.set_address(index, addr);
        pmp.set_config(index, cfg);
    }
    pmp
}

/// The bytes of `[from, to)` that supervisor mode may load, as runs of first byte and end.
fn readable(pmp: &Pmp, from: u64, to: u64) -> alloc::vec::Vec<(u64, u64)> {
    let mut runs = alloc::vec::Vec::new();
    for at in from..to {
        if pmp.allows(at, 1, Access::Load, false) {
            match runs.last_mut() {
                Some((_, end)) if *end == at => *end = at + 1,
                _ => runs.push((at, at + 1)),
            }
        }
    }
    runs
}

#[test]
fn modes_cover_what_the_manual_says() {
    for (entries, expected) in [
        (&[(NA4 | R, 0x400)][..], (0x1000, 0x1004)),
        (&[(NAPOT | R, 0x400)], (0x1000, 0x1008)),
        (&[(NAPOT | R, 0x401)], (0x1000, 0x1010)),
        (&[(NAPOT | R, 0x47f)], (0x1000, 0x1400)),
        (&[(TOR | R, 0x401)], (0x0, 0x1004)),
        (&[(0, 0x410), (TOR | R, 0x420)], (0x1040, 0x1080)),
        (&[(NA4, 0x410), (TOR | R, 0x420)], (0x1044, 0x1080)),
    ] {
        assert_eq!(
            readable(&pmp(entries), 0, 0x3000),
            [expected],
            "{entries:?}"
        );
    }
    for nothing in [(R, 0x400), (TOR | R, 0)] {
        assert_eq!(readable(&pmp(&[nothing]), 0, 0x3000), []);
    }
    let backwards = pmp(&[(0, 0x420), (TOR | R, 0x410)]);
    assert_eq!(readable(&backwards, 0, 0x3000), []);
}

#[test]
fn all_ones_cover_everything() {
    let all = pmp(&[(NAPOT | R | W | X, u64::MAX)]);
    for at in [0, 0x8000_0000, (1 << 56) - 8] {
        assert!(all.allows(at, 8, Access::Store, false));
    }
    assert!(!all.allows(u64::MAX, 8, Access::Store, false));
}

#[test]
fn rights_bind_below_machine_mode_and_in_it_when_locked() {
    for bits in (0..8u8).filter(|bits| bits & 3 != W) {
        for locked in [0, LOCKED] {
            let pmp = pmp(&[(NAPOT | bits | locked, 0x7ff)]);
            for (access, right) in ACCESSES {
                let has = bits & right != 0;
                assert_eq!(pmp.allows(0x100, 8, access, false), has);
                assert_eq!(pmp.allows(0x100, 8, access, true), has || locked == 0);
            }
        }
    }
}

#[test]
fn without_a_match_only_machine_mode_is_allowed() {
    for pmp in [Pmp::default(), pmp(&[(NAPOT | R | W | X, 0x3ff)])] {
        for (access, _) in ACCESSES {
            assert!(pmp.allows(0x8000_0000, 8, access, true));
            assert!(!pmp.allows(0x8000_0000, 8, access, false));
        }
    }
}

#[test]
fn lowest_entry_decides_and_must_match_every_byte() {
    // Bytes 0x1000 to 0x1007 without rights, everything else with all of them.
    let pmp = pmp(&[(NAPOT, 0x400), (NAPOT | R | W | X, u64::MAX)]);
    for at in 0xff0..0x1010u64 {
        for len in [1, 2, 4, 8] {
            let outside = at + len <= 0x1000 || at >= 0x1008;
            let inside = at >= 0x1000 && at + len <= 0x1008;
            assert_eq!(pmp.allows(at, len, Access::Load, false), outside);
            // Machine mode is not bound by rights, but by partial matches.
            assert_eq!(pmp.allows(at, len, Access::Load, true), outside || inside);
        }
    }
}

#[test]
fn region_between_the_ends_of_an_access_matches_it_in_part() {
    // Bytes 0x1004 to 0x1007, as NA4 and as TOR, with all rights like everything else.
    let all = R | W | X;
    for entries in [
        &[(NA4 | all, 0x401), (NAPOT | all, u64::MAX)][..],
        &[(0, 0x401), (TOR | all, 0x402), (NAPOT | all, u64::MAX)],
    ] {
        let pmp = pmp(entries);
        for at in 0xff8..0x1010u64 {
            let outside = at + 8 <= 0x1004 || at >= 0x1008;
            for machine in [false, true] {
                assert_eq!(pmp.allows(at, 8, Access::Load, machine), outside, "{at:#x}");
            }
        }
    }
}

#[test]
fn page_is_uniform_if_one_entry_covers_it() {
    let pmp = pmp(&[
        (NA4 | R, 0x8000_1ffc >> 2),
        (NAPOT | R, (0x8000_3000 >> 2) | 0x1ff),
        (NAPOT | R | W | X, u64::MAX),
    ]);
    for (page, expected) in [
        (0x8000_0000u64, true),
        (0x8000_1000, false),
        (0x8000_2000, true),
        (0x8000_3000, true),
    ] {
        assert_eq!(pmp.allows_page(page + 0x123, Access::Load, false), expected);
    }
    assert!(!pmp.allows_page(0x8000_3000, Access::Store, false));
    assert!(pmp.allows_page(0x8000_2000, Access::Store, false));
    assert!(!pmp.allows_page(0x8000_1000, Access::Load, true));
}

#[test]
fn reserved_combination_loses_w() {
    let mut pmp = Pmp::default();
    pmp.set_config(0, 0xff);
    assert_eq!(pmp.config(0), 0x9f, "bits 5 and 6 do not exist");
    pmp.set_config(1, W | X | NA4);
    assert_eq!(pmp.config(1), X | NA4);
}

#[test]
fn locked_entries_hold_their_registers() {
    let mut pmp = pmp(&[(0, 0x100), (LOCKED | TOR | R, 0x200), (LOCKED | NA4, 0x300)]);
    let before = pmp.clone();
    for index in 1..3 {
        pmp.set_config(index, 0x1f);
        pmp.set_address(index, 0);
    }
    pmp.set_address(0, 0);
    assert_eq!(pmp, before, "entry 0 bounds a locked TOR entry");
    pmp.set_config(0, R);
    assert_eq!(pmp.config(0), R, "its configuration is free");
    pmp.set_address(3, 7);
    assert_eq!(pmp.address(3), 7);
}

#[test]
fn entries_beyond_the_last_read_zero() {
    let mut pmp = Pmp::default();
    for index in [REGIONS, 63, usize::MAX - 1] {
        pmp.set_config(index, 0x1f);
        pmp.set_address(index, 1);
        assert_eq!((pmp.config(index), pmp.address(index)), (0, 0));
    }
    assert_eq!(pmp, Pmp::default());
}
