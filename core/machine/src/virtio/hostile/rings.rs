//! Broken rings.

use super::*;
use crate::arena::PageFlags;
use crate::virtio::console::RECEIVE;
use crate::virtio::regs::Register;

const SIZE: u16 = 8;
const TABLE: u64 = RAM_BASE + 0x3_0000;

/// Runs `set_up` for each queue of a device that runs with everything negotiated, offers
/// descriptor 0 and wakes the queue up; then the device must have stopped.
fn stops(rig: &mut Rig, which: Which, set_up: impl Fn(&mut Rig, usize)) {
    for queue in 0..rig.queues() {
        rig.start(ALL, SIZE);
        set_up(rig, queue);
        rig.offer(queue, 0);
        kick(rig, which, queue);
        assert_stopped(rig, queue);
    }
}

/// As [`stops`], but the chain must be served.
fn serves(rig: &mut Rig, which: Which, set_up: impl Fn(&mut Rig, usize)) {
    for queue in 0..rig.queues() {
        rig.start(ALL, SIZE);
        set_up(rig, queue);
        rig.offer(queue, 0);
        kick(rig, which, queue);
        assert_eq!(rig.used_index(queue), 1);
        assert!(!rig.needs_reset());
    }
}

// V01

pub fn chain_that_is_its_own_next(rig: &mut Rig, which: Which) {
    for flags in [NEXT, NEXT | WRITE] {
        stops(rig, which, |rig, queue| {
            rig.desc(queue, 0, BUFFERS, 16, flags, 0)
        });
    }
}

pub fn chain_of_two_in_a_circle(rig: &mut Rig, which: Which) {
    for flags in [NEXT, NEXT | WRITE] {
        stops(rig, which, |rig, queue| {
            rig.desc(queue, 0, BUFFERS, 16, flags, 1);
            rig.desc(queue, 1, BUFFERS, 16, flags, 0);
        });
    }
}

pub fn chain_as_long_as_the_queue_is_served(rig: &mut Rig, which: Which) {
    serves(rig, which, |rig, queue| {
        legal(rig, which, queue, Rig::desc_area(queue), 0, SIZE);
    });
}

pub fn chain_longer_than_the_queue(rig: &mut Rig, which: Which) {
    stops(rig, which, |rig, queue| {
        legal(rig, which, queue, TABLE, 0, SIZE);
        let flags = if which == Which::Rng {
            NEXT | WRITE
        } else {
            NEXT
        };
        rig.desc(queue, 0, BUFFERS, 16, flags, 1);
        rig.desc(queue, 1, TABLE, 16 * u32::from(SIZE), INDIRECT, 0);
    });
}

pub fn circle_inside_of_a_table(rig: &mut Rig, which: Which) {
    for last in [0, SIZE - 1] {
        stops(rig, which, |rig, queue| {
            legal(rig, which, queue, TABLE, 0, SIZE);
            rig.table(TABLE, last, BUFFERS, 8, NEXT | WRITE, last);
            rig.desc(queue, 0, TABLE, 16 * u32::from(SIZE), INDIRECT, 0);
        });
    }
}

// V02

pub fn table_in_a_table(rig: &mut Rig, which: Which) {
    for at in [0, 2] {
        stops(rig, which, |rig, queue| {
            legal(rig, which, queue, TABLE, 0, 3);
            rig.table(TABLE, at, TABLE + 0x100, 16, INDIRECT, 0);
            rig.desc(queue, 0, TABLE, 48, INDIRECT, 0);
        });
    }
}

pub fn table_with_next(rig: &mut Rig, which: Which) {
    stops(rig, which, |rig, queue| {
        legal(rig, which, queue, TABLE, 0, 3);
        rig.desc(queue, 0, TABLE, 48, INDIRECT | NEXT, 1);
        rig.desc(queue, 1, BUFFERS, 16, WRITE, 0);
    });
}

pub fn table_that_was_not_negotiated(rig: &mut Rig, which: Which) {
    for queue in 0..rig.queues() {
        rig.start(Features::VERSION_1.with(Features::EVENT_IDX), SIZE);
        legal(rig, which, queue, TABLE, 0, 3);
        rig.desc(queue, 0, TABLE, 48, INDIRECT, 0);
        rig.offer(queue, 0);
        kick(rig, which, queue);
        assert_stopped(rig, queue);
    }
}

pub fn table_of_a_broken_length(rig: &mut Rig, which: Which) {
    for len in [0, 1, 15, 17, 47, 49, u32::MAX] {
        stops(rig, which, |rig, queue| {
            legal(rig, which, queue, TABLE, 0, 3);
            rig.desc(queue, 0, TABLE, len, INDIRECT, 0);
        });
    }
}

pub fn table_longer_than_the_queue(rig: &mut Rig, which: Which) {
    for entries in [9, 0x1000, 0x0fff_ffff] {
        stops(rig, which, |rig, queue| {
            legal(rig, which, queue, TABLE, 0, 3);
            rig.desc(queue, 0, TABLE, 16 * entries, INDIRECT, 0);
        });
    }
}

pub fn table_outside_of_ram(rig: &mut Rig, which: Which) {
    for at in [0, 0x1000_1000, RAM_BASE + RAM - 32, u64::MAX - 15] {
        stops(rig, which, |rig, queue| {
            rig.desc(queue, 0, at, 48, INDIRECT, 0)
        });
    }
}

pub fn table_behind_direct_descriptors_is_served(rig: &mut Rig, which: Which) {
    serves(rig, which, |rig, queue| {
        legal(rig, which, queue, TABLE, 0, 4);
        // The first descriptor of the chain, then the others.
        let first = rig.peek(TABLE, 16);
        rig.poke(Rig::desc_area(queue), &first);
        for entry in 1..4 {
            let mut raw = rig.peek(TABLE + 16 * entry, 16);
            raw[14] -= 1;
            rig.poke(TABLE + 16 * (entry - 1), &raw);
        }
        rig.desc(queue, 1, TABLE, 48, INDIRECT, 0);
    });
}

pub fn table_marked_writable_is_served(rig: &mut Rig, which: Which) {
    serves(rig, which, |rig, queue| {
        legal(rig, which, queue, TABLE, 0, 3);
        rig.desc(queue, 0, TABLE, 48, INDIRECT | WRITE, 0);
    });
}

// V03

pub fn available_index_jumps_ahead(rig: &mut Rig, which: Which) {
    for ahead in [SIZE + 1, 0x7fff, 0x8000] {
        for queue in 0..rig.queues() {
            rig.start(ALL, SIZE);
            legal(rig, which, queue, Rig::desc_area(queue), 0, 3);
            rig.set_avail_index(queue, ahead);
            kick(rig, which, queue);
            assert_stopped(rig, queue);
        }
    }
}

pub fn available_index_goes_backwards(rig: &mut Rig, which: Which) {
    for queue in 0..rig.queues() {
        rig.start(ALL, SIZE);
        legal(rig, which, queue, Rig::desc_area(queue), 0, 3);
        rig.offer(queue, 0);
        kick(rig, which, queue);
        assert_eq!(rig.used_index(queue), 1);
        rig.set_avail_index(queue, 0);
        kick(rig, which, queue);
        assert!(rig.needs_reset());
        assert_eq!(rig.used_index(queue), 1);
    }
}

// V04

pub fn queue_of_an_impossible_size(rig: &mut Rig, _: Which) {
    for queue in 0..rig.queues() as u32 {
        for size in [0, 3, 6, 257, 512, 0x8000, 65535, 65536, 65544, u32::MAX] {
            rig.prepare(ALL, SIZE);
            rig.write(Register::QueueSel, queue);
            rig.write(Register::QueueReady, 0);
            rig.write(Register::QueueSize, size);
            rig.write(Register::QueueReady, 1);
            assert_eq!(rig.read(Register::QueueReady), 0, "{size}");
            assert!(rig.needs_reset());
            rig.or_status(status::DRIVER_OK);
            rig.notify(queue as usize);
        }
    }
}

pub fn queue_changed_after_it_was_ready(rig: &mut Rig, which: Which) {
    for queue in 0..rig.queues() {
        rig.start(ALL, SIZE);
        rig.write(Register::QueueSel, queue as u32);
        for size in [0, 3, 4, 65535] {
            rig.write(Register::QueueSize, size);
            rig.set_areas(queue, u64::MAX, 1, CANARY);
            rig.write(Register::QueueReady, 1);
            legal(rig, which, queue, Rig::desc_area(queue), 5, 3);
            let before = rig.used_index(queue);
            rig.offer(queue, 5);
            kick(rig, which, queue);
            assert_eq!(rig.used_index(queue), before + 1);
        }
    }
}

// V05

pub fn head_outside_of_the_table(rig: &mut Rig, which: Which) {
    for head in [SIZE, SIZE + 1, 0x8000, 0xffff] {
        for queue in 0..rig.queues() {
            rig.start(ALL, SIZE);
            // A chain that would do, where the head points.
            if head < 0x100 {
                legal(rig, which, queue, Rig::desc_area(queue), head, 3);
            }
            rig.offer(queue, head);
            kick(rig, which, queue);
            assert_stopped(rig, queue);
        }
    }
}

pub fn next_outside_of_the_table(rig: &mut Rig, which: Which) {
    for next in [SIZE, 0xffff] {
        stops(rig, which, |rig, queue| {
            rig.desc(queue, 0, BUFFERS, 16, NEXT, next)
        });
    }
}

// V06

pub fn areas_misaligned_outside_of_ram_or_wrapping(rig: &mut Rig, _: Which) {
    let bad = [
        0,
        0x1000,
        0x1000_1000,
        RAM_BASE - 16,
        RAM_BASE + RAM - 16,
        !15,
    ];
    for queue in 0..rig.queues() {
        for area in 0..3 {
            for at in bad.into_iter().chain([RAM_BASE + 1]) {
                rig.prepare(ALL, SIZE);
                rig.write(Register::QueueSel, queue as u32);
                rig.write(Register::QueueReady, 0);
                let mut areas = [
                    Rig::desc_area(queue),
                    Rig::avail_area(queue),
                    Rig::used_area(queue),
                ];
                areas[area] = at;
                rig.set_areas(queue, areas[0], areas[1], areas[2]);
                rig.write(Register::QueueReady, 1);
                assert_eq!(rig.read(Register::QueueReady), 0, "area {area} at {at:#x}");
                assert!(rig.needs_reset());
                rig.or_status(status::DRIVER_OK);
                rig.notify(queue);
            }
        }
    }
}

pub fn areas_on_top_of_each_other(rig: &mut Rig, _: Which) {
    for queue in 0..rig.queues() {
        for (a, b) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
            rig.prepare(ALL, SIZE);
            rig.write(Register::QueueSel, queue as u32);
            rig.write(Register::QueueReady, 0);
            let mut areas = [
                Rig::desc_area(queue),
                Rig::avail_area(queue),
                Rig::used_area(queue),
            ];
            areas[a] = areas[b];
            rig.set_areas(queue, areas[0], areas[1], areas[2]);
            rig.write(Register::QueueReady, 1);
            assert_eq!(rig.read(Register::QueueReady), 0);
        }
    }
}

/// Whatever the device writes lands in its own rings; it must come to an end.
pub fn buffer_over_each_area_of_its_queue(rig: &mut Rig, which: Which) {
    for queue in 0..rig.queues() {
        for area in [
            Rig::desc_area(queue),
            Rig::avail_area(queue),
            Rig::used_area(queue),
        ] {
            for shift in [0, 2, 4] {
                rig.start(ALL, SIZE);
                rig.header(BUFFERS, 0, 0);
                for head in 0..SIZE {
                    rig.table(TABLE, 2 * head, BUFFERS, 16, NEXT, 1);
                    rig.table(TABLE, 2 * head + 1, area + shift, 513, WRITE, 0);
                    let table = TABLE + 32 * u64::from(head);
                    rig.desc(queue, head, table, 32, INDIRECT, 0);
                    rig.offer(queue, head);
                }
                kick(rig, which, queue);
                for _ in 0..20 {
                    rig.settle();
                    kick(rig, which, queue);
                }
            }
        }
    }
}

pub fn used_ring_over_code_is_noticed(rig: &mut Rig, which: Which) {
    for queue in 0..rig.queues() {
        rig.start(ALL, SIZE);
        let code = Rig::used_area(queue) - RAM_BASE;
        rig.arena.ram().set_flags(code, PageFlags::CODE);
        legal(rig, which, queue, Rig::desc_area(queue), 0, 3);
        rig.offer(queue, 0);
        kick(rig, which, queue);
        let mut pages = vec::Vec::new();
        assert!(rig.arena.ram().take_code_writes(|page| pages.push(page)));
        assert!(pages.contains(&(code / 4096)), "{pages:?}");
        rig.arena.ram().clear_flags(code, PageFlags::CODE);
    }
}

// V07

pub fn notification_of_a_queue_that_is_not_there(rig: &mut Rig, _: Which) {
    rig.start(ALL, SIZE);
    let before = format!("{:?}", rig.slot);
    for queue in [
        rig.queues() as u32,
        8,
        0x7f,
        0xffff,
        0x1_0000,
        0x8000_0000,
        u32::MAX,
    ] {
        rig.write(Register::QueueNotify, queue);
    }
    assert_eq!(before, format!("{:?}", rig.slot));
}

pub fn notification_of_a_queue_that_is_not_ready(rig: &mut Rig, which: Which) {
    for queue in 0..rig.queues() {
        rig.prepare(ALL, SIZE);
        rig.write(Register::QueueSel, queue as u32);
        rig.write(Register::QueueReady, 0);
        rig.or_status(status::DRIVER_OK);
        legal(rig, which, queue, Rig::desc_area(queue), 0, 3);
        rig.offer(queue, 0);
        kick(rig, which, queue);
        assert_eq!(rig.used_index(queue), 0);
        assert!(!rig.needs_reset());
    }
}

pub fn notification_before_driver_ok(rig: &mut Rig, which: Which) {
    rig.prepare(ALL, SIZE);
    for queue in 0..rig.queues() {
        legal(rig, which, queue, Rig::desc_area(queue), 0, 3);
        rig.offer(queue, 0);
        kick(rig, which, queue);
        assert_eq!(rig.used_index(queue), 0);
    }
    assert!(!rig.line());
}

// V24

pub fn no_wake_up_is_lost_around_all_indices(rig: &mut Rig, which: Which) {
    for queue in 0..rig.queues() {
        rig.start(ALL, SIZE);
        legal(rig, which, queue, Rig::desc_area(queue), 0, 3);
        rig.set_used_event(queue, 0);
        for index in 0..=0x1_0001u32 {
            let index = index as u16;
            if which == Which::Console && queue == RECEIVE {
                // It asks for buffers when there is something to put into them.
                rig.with(|slot, cx| slot.console_input(b"early", cx));
            }
            assert_eq!(rig.avail_event(queue), index, "it asks for the next");
            rig.set_used_event(queue, index);
            rig.offer(queue, 0);
            kick(rig, which, queue);
            assert_eq!(rig.used_index(queue), index.wrapping_add(1));
            assert_ne!(rig.take_interrupts(), 0, "{index}");
        }
    }
}

/// The driver suppresses interrupts while it works, gives that up, and looks once more: what is
/// used after that must interrupt.
pub fn suppression_given_up_while_chains_are_served(rig: &mut Rig, which: Which) {
    for queue in 0..rig.queues() {
        rig.start(Features::VERSION_1, SIZE);
        for (suppressed, round) in [true, false].into_iter().cycle().zip(0..100u16) {
            rig.poke16(Rig::avail_area(queue), u16::from(suppressed));
            legal(rig, which, queue, Rig::desc_area(queue), 0, 3);
            rig.offer(queue, 0);
            kick(rig, which, queue);
            assert_eq!(rig.used_index(queue), round + 1);
            assert_eq!(rig.take_interrupts() == 0, suppressed);
        }
    }
}
