//! The split ring, statement by statement: section 2.7.

mod indirect;

use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::arena::{Arena, Heap};
use crate::mem::RAM_BASE;

const RAM: u64 = 4 << 20;
const DESC: u64 = RAM_BASE;
const AVAIL: u64 = RAM_BASE + 0x8_0000;
const USED: u64 = RAM_BASE + 0x10_0000;
const TABLE: u64 = RAM_BASE + 0x18_0000;
const DATA: u64 = RAM_BASE + 0x20_0000;

const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;

const PLAIN: Features = Features(0);

/// A queue with its driver, below any device.
struct Bench {
    arena: Arena,
    queue: Queue,
    size: u16,
    avail: u16,
}

impl Bench {
    fn new(size: u16) -> Self {
        let mut bench = Self {
            arena: Arena::new(Heap::for_ram(RAM).unwrap(), RAM).unwrap(),
            queue: Queue::new(1 << 15),
            size,
            avail: 0,
        };
        bench.set(u32::from(size), DESC, AVAIL, USED);
        assert!(bench.enable());
        bench
    }

    fn set(&mut self, size: u32, desc: u64, driver: u64, device: u64) {
        self.queue.set_size(size);
        for (area, at) in [
            (Area::Descriptors, desc),
            (Area::Driver, driver),
            (Area::Device, device),
        ] {
            self.queue.set_address(area, false, at as u32);
            self.queue.set_address(area, true, (at >> 32) as u32);
        }
    }

    fn enable(&mut self) -> bool {
        let memory = Memory::new(self.arena.ram());
        self.queue.enable(&memory)
    }

    fn memory(&mut self) -> Memory<'_> {
        Memory::new(self.arena.ram())
    }

    fn load16(&mut self, at: u64) -> u16 {
        self.memory().load(PhysAddr(at)).unwrap()
    }

    fn store16(&mut self, at: u64, value: u16) {
        self.memory().store(PhysAddr(at), value).unwrap();
    }

    fn entry(&mut self, table: u64, index: u16, at: u64, len: u32, flags: u16, next: u16) {
        let raw = u128::from(at)
            | u128::from(len) << 64
            | u128::from(flags) << 96
            | u128::from(next) << 112;
        let at = PhysAddr(table + 16 * u64::from(index));
        self.memory().write(at, &raw.to_le_bytes()).unwrap();
    }

    fn desc(&mut self, index: u16, at: u64, len: u32, flags: u16, next: u16) {
        self.entry(DESC, index, at, len, flags, next);
    }

    /// `count` descriptors in a row from entry `first` of a table, a byte each, the last one
    /// without NEXT.
    fn row(&mut self, table: u64, first: u16, count: u16, flags: u16) {
        for step in 0..count {
            let next = if step + 1 < count { NEXT } else { 0 };
            let index = first + step;
            self.entry(
                table,
                index,
                DATA + u64::from(step),
                1,
                flags | next,
                index + 1,
            );
        }
    }

    fn offer(&mut self, head: u16) {
        let entry = u64::from(self.avail % self.size);
        self.store16(AVAIL + 4 + 2 * entry, head);
        self.avail = self.avail.wrapping_add(1);
        self.store16(AVAIL + 2, self.avail);
    }

    fn pop(&mut self, features: Features) -> Result<Option<Chain>, QueueError> {
        let memory = Memory::new(self.arena.ram());
        self.queue.pop(&memory, features)
    }

    fn push(&mut self, head: u16, len: u32) {
        let memory = Memory::new(self.arena.ram());
        self.queue.push(&memory, head, len).unwrap();
    }

    fn notifies(&mut self, features: Features) -> bool {
        let memory = Memory::new(self.arena.ram());
        self.queue.take_notification(&memory, features).unwrap()
    }

    /// What comes of one chain that begins at `head`.
    fn walk(&mut self, head: u16, features: Features) -> Result<(u32, u32), QueueError> {
        self.offer(head);
        let chain = self.pop(features)?.unwrap();
        Ok((chain.reader.remaining(), chain.writer.len()))
    }
}

// 2.7, 2.7.1 Sizes and alignment

#[test]
fn sizes_are_powers_of_two_up_to_the_maximum() {
    for entries in 0..=70000 {
        let good = matches!(entries, 1 | 2 | 4 | 8 | 16 | 32 | 64 | 128 | 256);
        assert_eq!(QueueSize::new(entries, 256).is_some(), good, "{entries}");
    }
    assert!(QueueSize::new(1 << 15, u16::MAX).is_some());
    assert!(QueueSize::new(u32::MAX, u16::MAX).is_none());
}

#[test]
fn every_size_works_from_its_first_to_its_last_entry() {
    for log in 0..=10 {
        let size = 1 << log;
        let mut bench = Bench::new(size);
        bench.desc(size - 1, DATA, 4, WRITE, 0);
        for round in 0..2 * u32::from(size) + 1 {
            assert_eq!(bench.walk(size - 1, PLAIN), Ok((0, 4)), "{round}");
            bench.push(size - 1, 4);
        }
    }
}

#[test]
fn misaligned_areas_are_refused() {
    for (desc, driver, device) in [(8, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 2), (0, 0, 1)] {
        let mut bench = Bench::new(8);
        bench.queue.disable();
        bench.set(8, DESC + desc, AVAIL + driver, USED + device);
        assert!(!bench.enable());
        assert!(!bench.queue.is_ready());
    }
    // What is aligned just so is taken.
    let mut bench = Bench::new(8);
    bench.queue.disable();
    bench.set(8, DESC + 16, AVAIL + 2, USED + 4);
    assert!(bench.enable());
}

#[test]
fn areas_outside_of_ram_are_refused() {
    let end = RAM_BASE + RAM;
    for at in [
        0,
        0x1000,      // ROM
        0x1000_1000, // a device
        RAM_BASE - 16,
        end - 16, // partly past the end
        end,
        u64::MAX - 15, // wraps
        !0xfff,
        1 << 63,
    ] {
        for area in 0..3 {
            let mut bench = Bench::new(8);
            bench.queue.disable();
            let mut areas = [DESC, AVAIL, USED];
            areas[area] = at;
            bench.set(8, areas[0], areas[1], areas[2]);
            assert!(!bench.enable(), "area {area} at {at:#x}");
        }
    }
}

#[test]
fn an_area_may_end_with_ram() {
    let end = RAM_BASE + RAM;
    for areas in [
        [end - 128, AVAIL, USED],
        [DESC, end - 22, USED],
        [DESC, AVAIL, end - 72],
    ] {
        let mut bench = Bench::new(8);
        bench.queue.disable();
        bench.set(8, areas[0], areas[1], areas[2]);
        // The device area is 6 + 8n = 70 bytes, at the last multiple of four that holds it.
        assert!(bench.enable());
    }
}

#[test]
fn areas_that_overlap_are_refused_in_all_pairs() {
    for (a, b) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
        for shift in [0, 16] {
            let mut areas = [DESC, AVAIL, USED];
            areas[a] = areas[b] + shift;
            let mut bench = Bench::new(8);
            bench.queue.disable();
            bench.set(8, areas[0], areas[1], areas[2]);
            assert!(!bench.enable(), "{a} over {b} at {shift}");
        }
    }
}

#[test]
fn areas_may_touch() {
    let mut bench = Bench::new(8);
    bench.queue.disable();
    bench.set(8, DESC, DESC + 128, DESC + 152);
    assert!(bench.enable());
}

// 2.7.4 Message framing

/// Every way to cut `len` bytes into `parts` pieces of at least one byte.
fn cuts(len: u32, parts: u32) -> Vec<Vec<u32>> {
    if parts == 1 {
        return vec![vec![len]];
    }
    (1..=len - (parts - 1))
        .flat_map(|first| {
            cuts(len - first, parts - 1)
                .into_iter()
                .map(move |mut rest| {
                    rest.insert(0, first);
                    rest
                })
        })
        .collect()
}

#[test]
fn framing_makes_no_difference_to_what_is_read_and_written() {
    let message: Vec<u8> = (1..=10).collect();
    let mut bench = Bench::new(16);
    for parts in 1..=10 {
        for cut in cuts(10, parts) {
            for flags in [0, WRITE] {
                bench.memory().zero(PhysAddr(DATA), 1024).unwrap();
                let (mut at, mut taken) = (DATA, 0);
                for (index, len) in cut.iter().enumerate() {
                    let next = if index + 1 < cut.len() { NEXT } else { 0 };
                    bench.desc(index as u16, at, *len, flags | next, index as u16 + 1);
                    let part = &message[taken..taken + *len as usize];
                    if flags == 0 {
                        bench.memory().write(PhysAddr(at), part).unwrap();
                    }
                    taken += *len as usize;
                    at += 64;
                }
                bench.offer(0);
                let mut chain = bench.pop(PLAIN).unwrap().unwrap();
                let memory = bench.memory();
                if flags == 0 {
                    let mut first = [0; 3];
                    let mut rest = [0; 20];
                    assert_eq!(chain.reader.read(&memory, &mut first), Ok(3));
                    assert_eq!(chain.reader.read(&memory, &mut rest), Ok(7));
                    assert_eq!([&first[..], &rest[..7]].concat(), message);
                    assert_eq!(chain.reader.remaining(), 0);
                } else {
                    assert_eq!(chain.writer.write(&memory, &message[..3]), Ok(3));
                    assert_eq!(
                        chain
                            .writer
                            .write(&memory, &[&message[3..], &[9; 9]].concat()),
                        Ok(7)
                    );
                    assert_eq!(chain.writer.written(), 10);
                    let (mut at, mut taken) = (DATA, 0);
                    for len in cut.iter().map(|len| *len as usize) {
                        let mut out = [0; 11];
                        memory.read(PhysAddr(at), &mut out).unwrap();
                        assert_eq!(out[..len], message[taken..taken + len]);
                        assert!(out[len..].iter().all(|byte| *byte == 0), "beyond its end");
                        taken += len;
                        at += 64;
                    }
                }
                bench.push(0, 0);
            }
        }
    }
}

#[test]
fn written_counts_only_what_has_no_gap_before_it() {
    let mut bench = Bench::new(8);
    bench.desc(0, DATA, 10, WRITE, 0);
    bench.offer(0);
    let mut writer = bench.pop(PLAIN).unwrap().unwrap().writer;
    let memory = bench.memory();
    writer.write_at(&memory, 9, &[1]).unwrap();
    assert_eq!(writer.written(), 0);
    writer.write(&memory, &[1; 5]).unwrap();
    assert_eq!(writer.written(), 5);
    writer.write_at(&memory, 5, &[1; 9]).unwrap();
    assert_eq!(writer.written(), 10);
    writer.write_at(&memory, 10, &[1]).unwrap();
    writer.write_at(&memory, u32::MAX, &[1]).unwrap();
    assert_eq!(writer.written(), 10);
}

#[test]
fn readable_behind_writable_is_an_error() {
    let mut bench = Bench::new(8);
    bench.desc(0, DATA, 1, NEXT, 1);
    bench.desc(1, DATA, 1, NEXT | WRITE, 2);
    bench.desc(2, DATA, 1, 0, 0);
    assert_eq!(bench.walk(0, PLAIN), Err(QueueError::Order));
}

#[test]
fn readable_behind_writable_in_a_table_is_an_error() {
    let mut bench = Bench::new(8);
    bench.desc(0, DATA, 1, NEXT | WRITE, 1);
    bench.desc(1, TABLE, 16, INDIRECT, 0);
    bench.entry(TABLE, 0, DATA, 1, 0, 0);
    assert_eq!(
        bench.walk(0, Features::INDIRECT_DESC),
        Err(QueueError::Order)
    );
}

// 2.7.5 The descriptor table

#[test]
fn a_chain_may_be_as_long_as_the_queue() {
    for size in [1, 2, 8, 256] {
        let mut bench = Bench::new(size);
        bench.row(DESC, 0, size, 0);
        assert_eq!(bench.walk(0, PLAIN), Ok((u32::from(size), 0)));
    }
}

#[test]
fn a_chain_may_not_be_longer_than_the_queue() {
    // Over a table, where no descriptor needs to be used twice for it.
    let mut bench = Bench::new(8);
    bench.row(TABLE, 0, 8, 0);
    bench.desc(0, DATA, 1, NEXT, 1);
    bench.desc(1, TABLE, 8 * 16, INDIRECT, 0);
    assert_eq!(
        bench.walk(0, Features::INDIRECT_DESC),
        Err(QueueError::ChainLength)
    );
    let mut bench = Bench::new(8);
    bench.row(TABLE, 0, 7, 0);
    bench.desc(0, DATA, 1, NEXT, 1);
    bench.desc(1, TABLE, 8 * 16, INDIRECT, 0);
    assert_eq!(bench.walk(0, Features::INDIRECT_DESC), Ok((8, 0)));
}

#[test]
fn loops_are_chains_that_are_too_long() {
    for (last, back) in [(0, 0), (1, 0), (7, 0), (7, 3), (5, 5)] {
        let mut bench = Bench::new(8);
        bench.row(DESC, 0, 8, WRITE);
        bench.desc(last, DATA, 1, NEXT | WRITE, back);
        assert_eq!(bench.walk(0, PLAIN), Err(QueueError::ChainLength));
    }
}

#[test]
fn loops_inside_of_a_table_are_chains_that_are_too_long() {
    for (last, back) in [(0, 0), (1, 0), (7, 0), (7, 3)] {
        let mut bench = Bench::new(8);
        bench.desc(0, TABLE, 8 * 16, INDIRECT, 0);
        bench.row(TABLE, 0, 8, 0);
        bench.entry(TABLE, last, DATA, 1, NEXT, back);
        assert_eq!(
            bench.walk(0, Features::INDIRECT_DESC),
            Err(QueueError::ChainLength)
        );
    }
}

#[test]
fn a_head_or_next_outside_of_the_table_is_an_error() {
    for index in [8, 9, 0x7fff, 0xffff] {
        let mut bench = Bench::new(8);
        assert_eq!(bench.walk(index, PLAIN), Err(QueueError::DescriptorIndex));
        let mut bench = Bench::new(8);
        bench.desc(0, DATA, 1, NEXT, index);
        assert_eq!(bench.walk(0, PLAIN), Err(QueueError::DescriptorIndex));
    }
}

#[test]
fn more_than_4_gib_in_a_chain_is_an_error() {
    let mut bench = Bench::new(2048);
    for index in 0..1024 {
        bench.desc(index, RAM_BASE, RAM as u32, NEXT | WRITE, index + 1);
    }
    // 2^32 bytes, which have no used length.
    bench.desc(1023, RAM_BASE, RAM as u32, WRITE, 0);
    assert_eq!(bench.walk(0, PLAIN), Err(QueueError::ChainBytes));
    let mut bench = Bench::new(2048);
    for index in 0..1024 {
        bench.desc(index, RAM_BASE, RAM as u32, NEXT | WRITE, index + 1);
    }
    bench.desc(1023, RAM_BASE, RAM as u32 - 1, WRITE, 0);
    assert_eq!(bench.walk(0, PLAIN), Ok((0, u32::MAX)));
    let mut bench = Bench::new(8);
    bench.desc(0, RAM_BASE, u32::MAX, NEXT, 1);
    assert_eq!(bench.walk(0, PLAIN), Err(QueueError::NotRam));
}

#[test]
fn buffers_outside_of_ram_are_an_error() {
    let end = RAM_BASE + RAM;
    for (at, len) in [
        (0, 1),
        (0x10_0000, 4),
        (0x1000_1050, 4),
        (RAM_BASE - 1, 2),
        (end, 1),
        (end - 1, 2),
        (RAM_BASE, RAM as u32 + 1),
        (u64::MAX, 1),
        (u64::MAX, 2),
        (u64::MAX - 3, 16),
    ] {
        for flags in [0, WRITE] {
            let mut bench = Bench::new(8);
            bench.desc(0, at, len, flags, 0);
            assert_eq!(bench.walk(0, PLAIN), Err(QueueError::NotRam), "{at:#x}");
        }
    }
}

#[test]
fn empty_buffers_are_passed_over_wherever_they_point() {
    let mut bench = Bench::new(8);
    bench.desc(0, u64::MAX, 0, NEXT, 1);
    bench.desc(1, DATA, 3, NEXT | WRITE, 2);
    bench.desc(2, 0, 0, WRITE, 0);
    assert_eq!(bench.walk(0, PLAIN), Ok((0, 3)));
}

// 2.7.6 The available ring

#[test]
fn an_available_index_too_far_ahead_is_an_error() {
    for (ahead, good) in [
        (0, true),
        (1, true),
        (8, true),
        (9, false),
        (0x8000, false),
        (0xffff, false),
    ] {
        for start in [0, 1, 0xfff8, 0xffff] {
            let mut bench = Bench::new(8);
            bench.desc(0, DATA, 1, 0, 0);
            if let Some(ring) = &mut bench.queue.ring {
                (ring.next_avail, ring.next_used) = (start, start);
            }
            bench.store16(AVAIL + 2, start.wrapping_add(ahead));
            let result = bench.pop(PLAIN);
            match good {
                true => assert_eq!(result.unwrap().is_some(), ahead > 0),
                false => assert_eq!(result.err(), Some(QueueError::AvailIndex)),
            }
        }
    }
}

#[test]
fn a_head_is_in_flight_once() {
    let mut bench = Bench::new(128);
    for head in [0, 63, 64, 127] {
        bench.desc(head, DATA, 1, 0, 0);
        assert_eq!(bench.walk(head, PLAIN), Ok((1, 0)));
    }
    for head in [0, 63, 64, 127] {
        let mut again = Bench {
            arena: Arena::new(Heap::for_ram(RAM).unwrap(), RAM).unwrap(),
            queue: bench.queue.clone(),
            ..bench
        };
        again.desc(head, DATA, 1, 0, 0);
        assert_eq!(again.walk(head, PLAIN), Err(QueueError::InFlight));
    }
    bench.push(64, 0);
    assert_eq!(bench.walk(64, PLAIN), Ok((1, 0)));
}

// 2.7.8 The used ring

#[test]
fn used_entries_are_written_before_the_index_in_order_of_completion() {
    let mut bench = Bench::new(4);
    for head in 0..4 {
        bench.desc(head, DATA, 1, WRITE, 0);
        assert_eq!(bench.walk(head, PLAIN), Ok((0, 1)));
    }
    for (place, head) in [2, 0, 3, 1].into_iter().enumerate() {
        bench.push(head, u32::from(head) + 100);
        assert_eq!(bench.load16(USED + 2), place as u16 + 1);
        let entry: u64 = bench
            .memory()
            .load(PhysAddr(USED + 4 + 8 * place as u64))
            .unwrap();
        assert_eq!(entry, u64::from(head + 100) << 32 | u64::from(head));
    }
}

#[test]
fn a_head_that_is_not_in_flight_cannot_be_used() {
    let mut bench = Bench::new(4);
    for head in [0, 3, 4, 63, 64, 0xffff] {
        bench.push(head, 1);
    }
    assert_eq!(bench.load16(USED + 2), 0);
}

#[test]
fn used_flags_are_zero_with_and_without_event_idx() {
    for features in [PLAIN, Features::EVENT_IDX] {
        let mut bench = Bench::new(4);
        bench.store16(USED, 0xffff);
        bench.desc(0, DATA, 1, 0, 0);
        bench.offer(0);
        bench.pop(features).unwrap().unwrap();
        bench.push(0, 0);
        assert_eq!(bench.load16(USED), 0);
    }
}

// 2.7.7, 2.7.10 Suppression of notifications

/// A bench with one chain taken, whose indices stand at `index`.
fn at_index(size: u16, index: u16) -> Bench {
    let mut bench = Bench::new(size);
    for head in 0..size {
        bench.desc(head, DATA, 1, 0, 0);
    }
    if let Some(ring) = &mut bench.queue.ring {
        (ring.next_avail, ring.next_used, ring.decided) = (index, index, index);
    }
    bench.avail = index;
    bench.store16(AVAIL + 2, index);
    bench
}

#[test]
fn without_event_idx_the_flag_decides_and_used_event_is_ignored() {
    for (flags, notify) in [(0, true), (1, false), (0xfffe, true), (0xffff, false)] {
        for event in [0, 1, 0x7fff, 0xffff] {
            let mut bench = at_index(4, 0);
            bench.store16(AVAIL, flags);
            bench.store16(AVAIL + 4 + 8, event);
            bench.walk(0, PLAIN).unwrap();
            bench.push(0, 0);
            assert_eq!(bench.notifies(PLAIN), notify);
        }
    }
}

#[test]
fn with_event_idx_the_flag_is_ignored() {
    for flags in [0, 1, 0xffff] {
        for (event, notify) in [(0, true), (1, false), (0xffff, false)] {
            let mut bench = at_index(4, 0);
            bench.store16(AVAIL, flags);
            bench.store16(AVAIL + 4 + 8, event);
            bench.walk(0, Features::EVENT_IDX).unwrap();
            bench.push(0, 0);
            assert_eq!(bench.notifies(Features::EVENT_IDX), notify);
        }
    }
}

#[test]
fn nothing_used_is_nothing_to_notify() {
    for features in [PLAIN, Features::EVENT_IDX] {
        for event in [0, 0xffff] {
            let mut bench = at_index(4, 0);
            bench.store16(AVAIL + 4 + 8, event);
            bench.walk(0, features).unwrap();
            assert!(!bench.notifies(features));
        }
    }
}

#[test]
fn notifies_iff_the_index_crosses_used_event_at_all_65536_indices_and_batches() {
    let mut bench = at_index(8, 0);
    let event_at = PhysAddr(AVAIL + 4 + 16);
    for start in 0..=0xffffu16 {
        for batch in 1..=4u16 {
            // From just before the batch to just behind it, and the far side of the circle.
            for event in (0xfffe..=0xffff)
                .chain(0..batch + 2)
                .chain([0x7fff, 0x8000])
            {
                let ring = bench.queue.ring.as_mut().unwrap();
                ring.decided = start;
                ring.next_used = start.wrapping_add(batch);
                let memory = Memory::new(bench.arena.ram());
                memory.store(event_at, start.wrapping_add(event)).unwrap();
                let crossed = event < batch;
                let notified = bench
                    .queue
                    .take_notification(&memory, Features::EVENT_IDX)
                    .unwrap();
                assert_eq!(notified, crossed, "{start} + {batch}, event {event}");
                // Once only.
                assert_eq!(
                    bench.queue.take_notification(&memory, Features::EVENT_IDX),
                    Ok(false)
                );
            }
        }
    }
}

#[test]
fn a_ring_that_runs_once_around_all_indices_notifies_each_time_it_is_asked_to() {
    let mut bench = at_index(8, 0);
    for index in 0..=0x1_0007u32 {
        let index = index as u16;
        let event = PhysAddr(AVAIL + 4 + 16);
        bench.memory().store(event, index).unwrap();
        bench.walk(index % 8, Features::EVENT_IDX).unwrap();
        bench.push(index % 8, 0);
        assert!(bench.notifies(Features::EVENT_IDX), "{index}");
    }
}

#[test]
fn avail_event_asks_for_the_next_buffer_at_every_index() {
    let mut bench = at_index(4, 0);
    for index in 0..=0x1_0007u32 {
        assert!(bench.pop(Features::EVENT_IDX).unwrap().is_none());
        assert_eq!(bench.load16(USED + 4 + 32), index as u16);
        bench.walk(0, Features::EVENT_IDX).unwrap();
        bench.push(0, 0);
    }
}

#[test]
fn avail_event_is_not_written_without_event_idx() {
    let mut bench = at_index(4, 0);
    bench.store16(USED + 4 + 32, 0x1234);
    bench.walk(0, PLAIN).unwrap();
    bench.push(0, 0);
    assert!(bench.pop(PLAIN).unwrap().is_none());
    assert_eq!(bench.load16(USED + 4 + 32), 0x1234);
}

// 2.7.5.1, and what is never written

#[test]
fn walking_writes_nothing() {
    let mut bench = Bench::new(8);
    bench.desc(0, DATA, 16, NEXT, 1);
    bench.desc(1, TABLE, 4 * 16, INDIRECT, 0);
    bench.row(TABLE, 0, 4, WRITE);
    bench.offer(0);
    let mut before = vec![0; RAM as usize];
    bench
        .memory()
        .read(PhysAddr(RAM_BASE), &mut before)
        .unwrap();
    bench.pop(Features::INDIRECT_DESC).unwrap().unwrap();
    let mut after = vec![0; RAM as usize];
    bench.memory().read(PhysAddr(RAM_BASE), &mut after).unwrap();
    assert!(before == after);
}
