use super::*;

fn arena() -> Arena {
    let size = 4 * PAGE_SIZE;
    Arena::new(Guarded::for_ram(size), size).unwrap()
}

// Hostile inputs, V26.
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

// Hostile inputs, V26.
#[test]
fn page_outside_ram_is_not_cached() {
    let mut arena = arena();
    let view = arena.hart(0).unwrap();
    view.data
        .fill_write(0, 0x1000, 4 * PAGE_SIZE, 4 * PAGE_SIZE);
    assert!(!view.data.context(0).store::<u8>(0x1000, 1));
}

/// Offsets around everything that has an end, as many as a guest likes.
fn offsets(size: u64) -> impl Iterator<Item = u64> {
    let around = |at: u64| (0..24).map(move |step| at.wrapping_add(step).wrapping_sub(12));
    [0, PAGE_SIZE, size, 2 * size, 1 << 20, 1 << 32, 1 << 63]
        .into_iter()
        .flat_map(around)
}

// Hostile inputs, V26. The storage looks at what is around RAM.
#[test]
fn no_offset_and_no_length_reach_beyond_ram() {
    let mut arena = arena();
    let ram = arena.ram();
    let size = ram.size();
    for offset in offsets(size) {
        let inside = |len: u64| offset.checked_add(len).is_some_and(|end| end <= size);
        assert_eq!(ram.store::<u8>(offset, 0xff).is_some(), inside(1));
        assert_eq!(ram.store::<u16>(offset, 0xffff).is_some(), inside(2));
        assert_eq!(ram.store::<u32>(offset, u32::MAX).is_some(), inside(4));
        assert_eq!(ram.store::<u64>(offset, u64::MAX).is_some(), inside(8));
        assert_eq!(ram.load::<u64>(offset).is_some(), inside(8));
        let beside = ram.store_beside_code::<u64>(offset, u64::MAX);
        assert_eq!(beside.is_some(), inside(8));
        assert_eq!(ram.write(offset, &[0xff; 100]).is_some(), inside(100));
        assert_eq!(ram.read(offset, &mut [0; 100]).is_some(), inside(100));
        for len in offsets(size).filter(|len| *len != 0) {
            assert_eq!(ram.zero(offset, len).is_some(), inside(len));
        }
        ram.set_flags(offset, PageFlags::WATCHED);
        assert_eq!(ram.flags(offset).contains(PageFlags::WATCHED), inside(1));
        ram.clear_flags(offset, PageFlags::WATCHED);
    }
}

// Hostile inputs, V26.
#[test]
fn translations_of_any_page_and_offset_lead_into_ram_or_nowhere() {
    let mut arena = arena();
    let view = arena.hart(0).unwrap();
    let (tlb, size) = (view.data, view.ram.size());
    for va in offsets(size) {
        for offset in offsets(size) {
            tlb.clear();
            let page = offset & !(PAGE_SIZE - 1);
            tlb.fill_read(0, va, page, size);
            tlb.fill_write(0, va, page, size);
            let inside = page < size;
            let aligned = va & !7;
            assert_eq!(tlb.context(0).load::<u64>(aligned).is_some(), inside);
            assert_eq!(tlb.context(0).store::<u64>(aligned, u64::MAX), inside);
            // An access that begins in the page does not leave it.
            assert!(!tlb.context(0).store::<u64>((va | 0xfff) - 3, u64::MAX));
        }
    }
}

#[test]
#[should_panic(expected = "was written")]
fn byte_written_behind_the_arena_is_found() {
    let mut arena = arena();
    let end = Arena::storage_size(arena.ram_size()) as usize;
    arena.hart(0).unwrap();
    // SAFETY: the guard is longer than that.
    unsafe { arena.base.add(end).write(0) }
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
