use super::*;
use crate::testing::Draw;

#[test]
fn fences_forget_what_their_operands_name() {
    // Entries: global and not, in two address spaces and two pages; which of them each form of
    // the fence forgets (12.2.1).
    let (here, there) = (0x1000u64, 0x5000u64);
    for (va, asid, forgotten) in [
        (None, None, [1, 1, 1, 1, 1]),
        (Some(here), None, [1, 1, 0, 0, 0]),
        (None, Some(7), [1, 0, 1, 0, 0]),
        (Some(here), Some(7), [1, 0, 0, 0, 0]),
    ] {
        let entries = [(here, 7), (here, 8), (there, 7), (there, 8)];
        for (n, (page, space)) in entries.into_iter().enumerate() {
            let mut bench = Bench::new(SV39);
            bench.map(page, 0, RAM_BASE, KERNEL);
            bench.hart.csr.satp |= space << 44;
            bench.load(page).unwrap();
            let effects = bench.hart.fence(va, asid);
            let gone = bench.hart.data_cache.is_empty();
            assert_eq!(gone, forgotten[n] != 0, "{va:?} {asid:?} entry {n}");
            assert_eq!(effects.is_none(), !gone);
        }
        let mut bench = Bench::new(SV39);
        bench.map(there, 0, RAM_BASE, KERNEL | pte::G);
        bench.hart.csr.satp |= 7 << 44;
        bench.load(there).unwrap();
        let _ = bench.hart.fence(va, asid);
        assert_eq!(bench.hart.data_cache.is_empty(), forgotten[4] != 0);
    }
}

#[test]
fn translations_stay_until_the_fence_and_across_satp() {
    let mut bench = Bench::new(SV39);
    let at = bench.map(0x1000, 0, RAM_BASE, KERNEL);
    bench.load(0x1000).unwrap();
    bench.write(at, 0);
    assert_eq!(bench.load(0x1000), Ok(RAM_BASE), "stale, and allowed to be");
    let satp = bench.hart.csr.satp;
    bench.hart.csr.satp = satp | 5 << 44;
    assert!(bench.load(0x1000).is_err(), "another address space");
    bench.hart.csr.satp = satp;
    assert_eq!(bench.load(0x1000), Ok(RAM_BASE));
    assert!(
        bench.translate(0x1000, Access::Fetch).is_err(),
        "a cache of its own"
    );
    let effects = bench.hart.sfence_vma(Some(0x1008), Some(0)).unwrap();
    assert_eq!(effects.dropped, Dropped::Page(0x1000));
    assert!(bench.load(0x1000).is_err());
}

#[test]
fn global_leaves_serve_every_address_space_and_inherit_from_tables() {
    for inherited in [false, true] {
        let mut bench = Bench::new(SV39);
        let at = bench.map(0x1000, 0, RAM_BASE, KERNEL);
        let marked = if inherited {
            bench.entry(0x1000, 2)
        } else {
            at
        };
        let entry = bench.read(marked);
        bench.write(marked, entry | pte::G);
        bench.load(0x1000).unwrap();
        bench.write(at, 0);
        bench.hart.csr.satp |= 9 << 44;
        assert_eq!(bench.load(0x1000), Ok(RAM_BASE));
        let _ = bench.hart.fence(None, Some(9));
        assert_eq!(bench.load(0x1000), Ok(RAM_BASE), "not of that space");
        let _ = bench.hart.fence(Some(0x1000), None);
        assert!(bench.load(0x1000).is_err());
    }
}

#[test]
fn superpage_goes_with_any_address_in_it() {
    for level in 1..5 {
        let mut bench = Bench::new(SV57);
        let size = 4096u64 << (9 * level);
        let va = 0u64.wrapping_sub(size);
        bench.map(va, level, 0, KERNEL);
        bench.load(va).unwrap();
        let effects = bench.hart.fence(Some(va + size / 2 + 5), None);
        assert_eq!(effects.dropped, Dropped::Range { va, size });
        assert!(bench.hart.data_cache.is_empty());
    }
}

#[test]
fn fill_reports_the_page_that_it_replaces() {
    let mut bench = Bench::new(SV39);
    // The same slot of 1024.
    let (a, b) = (0xffff_ffff_ffc0_1000u64, 0x40_1000u64);
    bench.map(a, 0, RAM_BASE, KERNEL);
    bench.map(b, 0, RAM_BASE + 0x1000, KERNEL);
    assert_eq!(bench.full(a, Access::Load).unwrap().dropped, Dropped::None);
    assert_eq!(
        bench.full(b, Access::Load).unwrap().dropped,
        Dropped::Page(a)
    );
    assert_eq!(bench.full(b, Access::Load).unwrap().dropped, Dropped::None);
    assert_eq!(bench.hart.data_cache.len(), 1);
    // An entry of another address space has no shortcuts to lose.
    bench.hart.csr.satp |= 1 << 44;
    assert_eq!(bench.full(a, Access::Load).unwrap().dropped, Dropped::None);
}

#[test]
fn rights_that_grew_are_seen_without_a_fence() {
    let mut bench = Bench::new(SV39);
    let at = bench.map(0x1000, 0, RAM_BASE, KERNEL & !pte::W);
    bench.load(0x1000).unwrap();
    assert_eq!(bench.store(0x1000), Err(Exception::StorePageFault));
    bench.write(at, (RAM_BASE + 0x3000) >> 2 | KERNEL);
    let stored = bench.full(0x1000, Access::Store).unwrap();
    assert_eq!(stored.pa, RAM_BASE + 0x3000);
    assert_eq!(
        stored.dropped,
        Dropped::Page(0x1000),
        "loads went elsewhere"
    );
}

#[test]
fn new_page_size_takes_the_stale_one_along() {
    let mut bench = Bench::new(SV39);
    bench.map(0, 1, RAM_BASE, KERNEL & !pte::W);
    assert_eq!(bench.load(0x1000), Ok(RAM_BASE + 0x1000));
    let root = bench.entry(0, 1);
    bench.write(root, 0);
    bench.map(0x1000, 0, RAM_BASE + 0x9000, KERNEL);
    assert_eq!(bench.load(0x1000), Ok(RAM_BASE + 0x1000), "stale");
    let stored = bench.full(0x1000, Access::Store).unwrap();
    assert_eq!(
        (stored.pa, stored.dropped),
        (RAM_BASE + 0x9000, Dropped::All)
    );
    assert_eq!(bench.hart.data_cache.len(), 1);
}

#[test]
fn setting_dirty_drops_no_shortcut() {
    let mut bench = Bench::new(SV39);
    bench.map(0x1000, 0, RAM_BASE, KERNEL & !pte::D);
    bench.load(0x1000).unwrap();
    let stored = bench.full(0x1000, Access::Store).unwrap();
    assert_eq!(stored.dropped, Dropped::None);
}

/// The shortcuts that a run loop keeps: by data context, page and kind of access. A subset of
/// what the walk caches hold.
#[derive(Default)]
struct Shortcuts(alloc::collections::BTreeMap<(usize, u64, u8), u64>);

impl Shortcuts {
    fn follow(&mut self, dropped: Dropped, fetch: bool) {
        self.0.retain(|&(_, page, access), _| {
            let mine = (access == Access::Fetch as u8) == fetch;
            let gone = match dropped {
                Dropped::None => false,
                Dropped::Page(va) => va == page,
                Dropped::Range { va, size } => page & !(size - 1) == va,
                Dropped::All => true,
            };
            !(mine && gone)
        });
    }

    fn obey(&mut self, effects: Effects) {
        if effects.contains(Effects::FLUSH_DATA) {
            self.follow(Dropped::All, false);
        }
        if effects.contains(Effects::FLUSH_FETCH) {
            self.follow(Dropped::All, true);
        }
        self.follow(effects.dropped, false);
    }
}

/// One random operation on a bench, and what it gave. `shortcuts` may answer translations.
fn operate(
    bench: &mut Bench,
    shortcuts: Option<&mut Shortcuts>,
    choice: u64,
    rng: &mut Draw,
) -> Option<Result<u64, Exception>> {
    // Pages that share slots, regions and NAPOT ranges.
    let page = |rng: &mut Draw| {
        let high = [0, 0x40_0000, 0x80_0000, 0xffff_ffff_c000_0000][rng.below(4) as usize];
        high + rng.below(20) * 4096
    };
    let target = |rng: &mut Draw| RAM_BASE + (2 << 20) + rng.below(32) * 4096;
    let mut effects = Effects::NONE;
    let cx = bench.hart.csr_context(0, 0);
    match choice {
        0..70 => {
            let va = page(rng) + rng.below(4096);
            let access = ACCESSES[rng.below(3) as usize];
            let context = match access {
                Access::Fetch => 4 + bench.hart.privilege as usize,
                _ => bench.hart.data_context(),
            };
            let key = (context, va & !4095, access as u8);
            let Some(shortcuts) = shortcuts else {
                return Some(bench.translate(va, access));
            };
            if let Some(base) = shortcuts.0.get(&key) {
                return Some(Ok(base | va & 4095));
            }
            return Some(bench.full(va, access).map(|translated| {
                shortcuts.follow(translated.dropped, access == Access::Fetch);
                shortcuts.0.insert(key, translated.pa & !4095);
                translated.pa
            }));
        }
        70..82 => {
            // Another leaf, without telling anyone.
            let (va, pa) = (page(rng), target(rng));
            let bits = [
                KERNEL,
                ALL,
                KERNEL & !pte::W,
                ALL & !pte::X,
                KERNEL & !pte::D,
                0,
            ];
            let mut bits = bits[rng.below(6) as usize];
            let global = if rng.below(4) == 0 { pte::G } else { 0 };
            if rng.below(8) == 0 {
                bits |= pte::N;
                bench.map(va, 0, pa & !0xffff | 0x8000, bits | global);
            } else {
                bench.map(va, 0, pa, bits | global);
            }
        }
        82..84 => {
            // A superpage in place of the table, or back; the table is noted in RAM that
            // nothing else uses.
            let at = bench.entry(page(rng), 1);
            let table = bench.read(at + (1 << 20));
            let entry = bench.read(at);
            if entry & pte::R == 0 {
                bench.write(at + (1 << 20), entry);
                bench.write(at, (RAM_BASE + (2 << 20)) >> 2 | KERNEL & !pte::D);
            } else {
                bench.write(at, table);
            }
        }
        84..88 => effects = bench.hart.fence(Some(page(rng)), None),
        88 => effects = bench.hart.fence(None, Some(rng.below(3) as u16)),
        89 => effects = bench.hart.fence(Some(page(rng)), Some(rng.below(3) as u16)),
        90 if rng.below(4) == 0 => effects = bench.hart.fence(None, None),
        91..94 => {
            let satp = SV39 << 60 | rng.below(3) << 44 | RAM_BASE >> 12;
            bench.hart.privilege = Privilege::Supervisor;
            effects = bench.hart.csr_write(0x180, satp, &cx).unwrap();
        }
        94..98 => {
            bench.hart.privilege = Privilege::Supervisor;
            let bits = rng.below(4) << 18;
            effects = bench.hart.csr_write(0x100, bits, &cx).unwrap();
        }
        _ => {
            bench.hart.privilege = if rng.below(2) == 0 {
                Privilege::User
            } else {
                Privilege::Supervisor
            };
        }
    }
    if let Some(shortcuts) = shortcuts {
        shortcuts.obey(effects);
    }
    None
}

#[test]
fn shortcuts_in_front_never_show() {
    let (mut hits, mut results) = (0, 0);
    for seed in 1..=20u64 {
        let (mut plain, mut fast) = (Bench::new(SV39), Bench::new(SV39));
        let mut shortcuts = Shortcuts::default();
        let mut random = Draw(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for step in 0..20_000 {
            let choice = random.below(100);
            let start = random.below(u64::MAX) | 1;
            let known = shortcuts.0.len();
            let one = operate(&mut plain, None, choice, &mut Draw(start));
            let two = operate(&mut fast, Some(&mut shortcuts), choice, &mut Draw(start));
            assert_eq!(one, two, "seed {seed} step {step}");
            results += usize::from(matches!(one, Some(Ok(_))));
            hits += usize::from(matches!(two, Some(Ok(_))) && shortcuts.0.len() == known);
            if random.below(50) == 0 {
                // A fast cache may lose anything at any time.
                let lost = random.below(3);
                shortcuts.0.retain(|key, _| key.1 >> 12 & 1 == lost);
            }
            if step % 1000 == 0 {
                assert_eq!(plain.hart, fast.hart, "seed {seed} step {step}");
            }
        }
        assert_eq!(plain.hart, fast.hart, "seed {seed}");
        for offset in (0..RAM).step_by(8) {
            let at = RAM_BASE + offset;
            assert_eq!(plain.read(at), fast.read(at), "seed {seed} memory {at:x}");
        }
    }
    // The sequences are worth something only if translations succeed and shortcuts serve.
    assert!(results > 50_000 && hits > 10_000, "{results} {hits}");
}
