use super::*;

#[test]
fn every_mode_and_page_size_translates() {
    for mode in [SV39, SV48, SV57] {
        for level in 0..mode as usize - 5 {
            let mut bench = Bench::new(mode);
            let size = 4096u64 << (9 * level);
            // The highest page of this size, in the upper half.
            let va = 0u64.wrapping_sub(size);
            // The page's own physical address: far away, only aligned.
            let pa = (1u64 << 55) & !(size - 1);
            bench.map(va, level, pa, KERNEL);
            for offset in [0, 1, size / 2, size - 1] {
                for access in ACCESSES {
                    assert_eq!(
                        bench.translate(va + offset, access),
                        Ok(pa + offset),
                        "mode {mode} level {level}"
                    );
                }
            }
        }
    }
}

#[test]
fn addresses_that_are_not_sign_extended_fault() {
    for mode in [SV39, SV48, SV57] {
        let mut bench = Bench::new(mode);
        let bits = 12 + 9 * (mode - 5);
        let lowest_bad = 1u64 << (bits - 1);
        let highest_bad = 0u64.wrapping_sub(lowest_bad) - 1;
        let below = lowest_bad - 4096;
        let above = highest_bad + 1;
        bench.map(below, 0, RAM_BASE, KERNEL);
        bench.map(above, 0, RAM_BASE, KERNEL);
        for access in ACCESSES {
            let fault = Err(Exception::page_fault(access));
            assert!(bench.translate(below, access).is_ok());
            assert!(bench.translate(above, access).is_ok());
            assert_eq!(bench.translate(lowest_bad, access), fault);
            assert_eq!(bench.translate(highest_bad, access), fault);
            assert_eq!(bench.translate(below | 1 << 63, access), fault);
            assert_eq!(bench.translate(above & !(1 << 63), access), fault);
        }
    }
}

#[test]
fn superpages_must_be_aligned() {
    for level in 1..5 {
        let mut bench = Bench::new(SV57);
        let at = bench.map(0, level, 0, KERNEL);
        assert!(bench.load(0).is_ok());
        for bit in 0..9 * level {
            bench.write(at, KERNEL | 1 << (10 + bit));
            bench.fence();
            assert_eq!(bench.load(0), Err(Exception::LoadPageFault), "bit {bit}");
        }
    }
}

#[test]
fn reserved_bits_of_leaves_fault() {
    let mut bench = Bench::new(SV39);
    let at = bench.map(0x1000, 0, RAM_BASE, KERNEL);
    for bit in 54..=60 {
        bench.write(at, KERNEL | RAM_BASE >> 2 | 1 << bit);
        assert_eq!(bench.load(0x1000), Err(Exception::LoadPageFault), "{bit}");
    }
    for bits in [
        KERNEL & !pte::V,
        KERNEL & !pte::R,
        KERNEL & !(pte::R | pte::X),
    ] {
        bench.write(at, bits | RAM_BASE >> 2);
        assert_eq!(bench.store(0x1000), Err(Exception::StorePageFault));
    }
    // An entry without R, W and X at the last level points to no table.
    bench.write(at, pte::V | RAM_BASE >> 2);
    assert_eq!(bench.load(0x1000), Err(Exception::LoadPageFault));
    bench.write(at, KERNEL | RAM_BASE >> 2);
    assert_eq!(bench.load(0x1000), Ok(RAM_BASE));
}

#[test]
fn reserved_bits_of_pointers_fault() {
    let mut bench = Bench::new(SV39);
    bench.map(0x1000, 0, RAM_BASE, KERNEL);
    let at = bench.entry(0x1000, 1);
    let good = bench.read(at);
    let reserved = pte::U | pte::A | pte::D | pte::N | pte::PBMT | pte::RESERVED;
    for bit in (0..64).filter(|bit| reserved >> bit & 1 != 0) {
        bench.write(at, good | 1 << bit);
        assert_eq!(bench.load(0x1000), Err(Exception::LoadPageFault), "{bit}");
    }
    // The bits left to software are free.
    bench.write(at, good | 3 << 8);
    assert_eq!(bench.load(0x1000), Ok(RAM_BASE));
}

#[test]
fn tables_outside_ram_are_access_faults() {
    let mut bench = Bench::new(SV39);
    let at = bench.entry(0, 2);
    for table in [
        0x1000u64,
        0x1000_0000,
        RAM_BASE - 4096,
        RAM_BASE + RAM,
        1 << 55,
    ] {
        bench.write(at, table >> 2 | pte::V);
        for access in ACCESSES {
            let expected = Err(Exception::access_fault(access));
            assert_eq!(bench.translate(0, access), expected, "{table:x}");
        }
    }
    bench.hart.csr.satp = SV39 << 60;
    assert_eq!(bench.load(0), Err(Exception::LoadAccessFault));
}

#[test]
fn svadu_sets_what_the_access_needs() {
    let mut bench = Bench::new(SV39);
    let clean = KERNEL & !(pte::A | pte::D);
    let at = bench.map(0x1000, 0, RAM_BASE, clean);
    let bits = |bench: &mut Bench| bench.read(at) & (pte::A | pte::D);
    assert!(bench.load(0x1000).is_ok());
    assert_eq!(bits(&mut bench), pte::A);
    assert!(bench.store(0x1000).is_ok(), "from a cached entry without D");
    assert_eq!(bits(&mut bench), pte::A | pte::D);
    // A store that is not permitted sets nothing.
    bench.write(at, RAM_BASE >> 2 | clean & !pte::W);
    bench.fence();
    assert_eq!(bench.store(0x1000), Err(Exception::StorePageFault));
    assert_eq!(bits(&mut bench), 0);
    assert!(bench.translate(0x1000, Access::Fetch).is_ok());
    assert_eq!(bits(&mut bench), pte::A);
}

#[test]
fn svade_faults_where_bits_are_missing() {
    let mut bench = Bench::with(SV39, AdUpdate::Svade);
    let clean = KERNEL & !(pte::A | pte::D);
    let at = bench.map(0x1000, 0, RAM_BASE, clean);
    for access in ACCESSES {
        let fault = Err(Exception::page_fault(access));
        assert_eq!(bench.translate(0x1000, access), fault);
    }
    bench.write(at, bench_entry(clean | pte::A));
    assert!(bench.load(0x1000).is_ok());
    assert!(bench.translate(0x1000, Access::Fetch).is_ok());
    assert_eq!(bench.store(0x1000), Err(Exception::StorePageFault));
    bench.write(at, bench_entry(clean | pte::A | pte::D));
    assert!(bench.store(0x1000).is_ok());
    // menvcfg.ADUE turns updating on.
    bench.write(at, bench_entry(clean));
    bench.fence();
    bench.hart.csr.menvcfg |= status::ADUE;
    assert!(bench.store(0x1000).is_ok());
    assert_eq!(bench.read(at), bench_entry(KERNEL));
}

fn bench_entry(bits: u64) -> u64 {
    RAM_BASE >> 2 | bits
}

#[test]
fn walk_that_updates_the_reserved_line_ends_the_reservation() {
    let mut bench = Bench::new(SV39);
    let at = bench.map(0x1000, 0, RAM_BASE, KERNEL & !pte::D);
    bench.hart.reservation = Some(Reservation::of(at + 64));
    bench.store(0x1000).unwrap();
    assert!(bench.hart.reservation.is_some(), "another line");
    bench.write(at, RAM_BASE >> 2 | KERNEL & !pte::D);
    bench.fence();
    bench.hart.reservation = Some(Reservation::of(at));
    bench.load(0x1000).unwrap();
    assert!(bench.hart.reservation.is_some(), "nothing to update");
    bench.store(0x1000).unwrap();
    assert_eq!(bench.hart.reservation, None);
}

#[test]
fn napot_maps_sixteen_pages_one_to_one() {
    let mut bench = Bench::new(SV39);
    let (va, pa) = (0x4_0000u64, RAM_BASE + 0x2_0000);
    for page in 0..16 {
        bench.map(va + page * 4096, 0, pa | 0x8000, KERNEL | pte::N);
    }
    for page in 0..16 {
        let offset = page * 4096 + 0x123;
        assert_eq!(bench.load(va + offset), Ok(pa + offset));
        assert_eq!(bench.load(va + offset), Ok(pa + offset), "from the cache");
    }
    assert_eq!(bench.hart.data_cache.len(), 16);
    // An order for one page covers the range.
    let effects = bench.hart.fence(Some(va + 0x5000), None);
    assert_eq!(bench.hart.data_cache.len(), 0);
    assert_eq!(
        effects.dropped,
        Dropped::Range {
            va,
            size: 64 * 1024
        }
    );
}

#[test]
fn napot_of_other_sizes_and_levels_faults() {
    let mut bench = Bench::new(SV39);
    for low in 0..16u64 {
        bench.map(0, 0, RAM_BASE | low << 12, KERNEL | pte::N);
        assert_eq!(bench.load(0).is_ok(), low == 8, "{low}");
        bench.fence();
    }
    bench.map(2 << 20, 1, RAM_BASE, KERNEL | pte::N);
    assert_eq!(bench.load(2 << 20), Err(Exception::LoadPageFault));
}

#[test]
fn memory_types_need_pbmte_and_a_defined_value() {
    let mut bench = Bench::new(SV39);
    for (kind, enabled, expected) in [
        (0, false, true),
        (1, false, false),
        (2, false, false),
        (3, false, false),
        (0, true, true),
        (1, true, true),
        (2, true, true),
        (3, true, false),
    ] {
        bench.map(0, 0, RAM_BASE, KERNEL | kind << 61);
        bench.hart.csr.menvcfg = if enabled { status::PBMTE } else { 0 };
        bench.fence();
        assert_eq!(bench.load(0).is_ok(), expected, "{kind} {enabled}");
    }
}

#[test]
fn walk_needs_pmp_for_reading_and_updating_tables() {
    let mut bench = Bench::new(SV39);
    bench.map(0x1000, 0, RAM_BASE, KERNEL & !(pte::A | pte::D));
    // The tables read-only, the rest as before.
    bench.hart.pmp.set_address(1, u64::MAX);
    bench.hart.pmp.set_config(1, 0x1f);
    bench.hart.pmp.set_address(0, (RAM_BASE >> 2) | 0x3fff);
    bench.hart.pmp.set_config(0, 0x19);
    assert_eq!(bench.load(0x1000), Err(Exception::LoadAccessFault));
    bench.map(0x1000, 0, RAM_BASE, KERNEL);
    assert!(bench.store(0x1000).is_ok(), "nothing to update");
    bench.hart.pmp.set_config(0, 0x18);
    bench.fence();
    assert_eq!(bench.store(0x1000), Err(Exception::StoreAccessFault));
    assert_eq!(
        bench.translate(0x1000, Access::Fetch),
        Err(Exception::InstructionAccessFault)
    );
}
