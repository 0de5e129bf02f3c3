use super::*;

fn arena() -> Arena {
    let size = 4 * PAGE_SIZE;
    Arena::new(Heap::for_ram(size).unwrap(), size).unwrap()
}

#[test]
fn ram_beyond_its_end_is_refused_and_unchanged() {
    let mut arena = arena();
    let ram = arena.ram();
    assert_eq!(ram.store::<u64>(ram.size() - 7, 1), None);
    assert_eq!(ram.load::<u8>(ram.size()), None);
    assert_eq!(ram.load::<u64>(u64::MAX), None);
    assert_eq!(
        ram.store::<u64>(ram.size() - 8, 0x0102_0304_0506_0708),
        Some(())
    );
    assert_eq!(ram.load::<u8>(ram.size() - 8), Some(8));
    assert_eq!(ram.write(ram.size() - 1, &[1, 2]), None);
    assert_eq!(ram.zero(1, u64::MAX), None);
}

#[test]
fn tlb_serves_only_what_was_filled_and_aligned() {
    let mut arena = arena();
    let view = arena.hart(3).unwrap();
    let (tlb, ram) = (view.data, view.ram);
    assert_eq!(tlb.context(0).load::<u64>(0), None, "a new TLB is empty");
    let va = 0xffff_ffff_8000_0000;
    tlb.fill_read(1, va, PAGE_SIZE, ram.size());
    ram.store::<u64>(PAGE_SIZE + 8, 42).unwrap();
    assert_eq!(tlb.context(1).load::<u64>(va + 8), Some(42));
    assert_eq!(tlb.context(0).load::<u64>(va + 8), None, "another context");
    assert_eq!(tlb.context(1).load::<u64>(va + 9), None, "misaligned");
    assert_eq!(tlb.context(1).load::<u8>(va + 9), Some(0));
    assert!(
        !tlb.context(1).store::<u8>(va, 1),
        "filled for reading only"
    );
    tlb.fill_write(1, va, PAGE_SIZE, ram.size());
    assert!(tlb.context(1).store::<u32>(va, 7));
    assert_eq!(ram.load::<u32>(PAGE_SIZE), Some(7));
    tlb.drop_writes_to(PAGE_SIZE);
    assert!(!tlb.context(1).store::<u32>(va, 8));
    tlb.drop_page(va + 5);
    assert_eq!(tlb.context(1).load::<u64>(va + 8), None);
}

#[test]
fn page_outside_ram_is_not_cached() {
    let mut arena = arena();
    let view = arena.hart(0).unwrap();
    view.data
        .fill_write(0, 0x1000, 4 * PAGE_SIZE, 4 * PAGE_SIZE);
    assert!(!view.data.context(0).store::<u8>(0x1000, 1));
}

#[test]
fn writes_to_code_are_reported_once() {
    let mut arena = arena();
    let ram = arena.ram();
    ram.set_flags(PAGE_SIZE, PageFlags::CODE);
    ram.write(PAGE_SIZE - 2, &[1, 2, 3, 4]).unwrap();
    let mut seen = alloc::vec::Vec::new();
    assert!(ram.has_code_writes());
    assert!(ram.take_code_writes(|page| seen.push(page)));
    assert_eq!(seen, [1]);
    assert!(!ram.has_code_writes());
    for _ in 0..100 {
        ram.store::<u8>(PAGE_SIZE, 1).unwrap();
    }
    assert!(!ram.take_code_writes(|_| {}));
    assert!(!ram.has_code_writes());
}
