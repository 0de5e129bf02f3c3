//! Broken buffers under rings that are sound.

use super::*;
use crate::mem::PhysAddr as Address;
use crate::virtio::blk::{FLUSH, PIECE};
use crate::virtio::device::DeviceKind;
use crate::virtio::{BlockConfig, blk::Blk};

// V08

/// One register of everything that the board has, the test finisher and the slot itself among
/// them, and what is nothing at all.
const REGISTERS: [u64; 12] = [
    0x0,
    0x1000,      // reset ROM
    0x10_0000,   // test finisher
    0x10_1000,   // RTC
    0x200_0000,  // ACLINT
    0xc00_0000,  // PLIC
    0x1000_0000, // UART
    0x1000_1000, // slot 0
    0x1000_3050, // this slot, QueueNotify
    0x1000_3070, // this slot, Status
    0x7fff_fff8, // the last bytes below RAM
    0xffff_ffff_ffff_fff0,
];

pub fn buffer_in_registers_of_any_device(rig: &mut Rig, which: Which) {
    for queue in 0..rig.queues() {
        for at in REGISTERS {
            for flags in [0, WRITE] {
                rig.start(ALL, 8);
                rig.header(BUFFERS, 0, 0);
                let first = if flags == WRITE && which == Which::Rng {
                    WRITE
                } else {
                    0
                };
                rig.desc(queue, 0, BUFFERS, 16, NEXT | first, 1);
                rig.desc(queue, 1, at, 8, NEXT | flags, 2);
                rig.desc(queue, 2, STATUS, 1, WRITE, 0);
                rig.offer(queue, 0);
                kick(rig, which, queue);
                assert_stopped(rig, queue);
                assert!(rig.host.requests.is_empty());
                assert!(rig.host.printed.is_empty());
            }
        }
    }
}

pub fn buffer_partly_in_ram(rig: &mut Rig, which: Which) {
    let end = RAM_BASE + RAM;
    rig.poke(end - 8, &[0xc5; 8]);
    for queue in 0..rig.queues() {
        for (at, len) in [(RAM_BASE - 4, 8), (end - 4, 8), (end - 8, u32::MAX)] {
            rig.start(ALL, 8);
            rig.header(BUFFERS, 8, 0);
            rig.desc(queue, 0, BUFFERS, 16, NEXT, 1);
            rig.desc(queue, 1, at, len, WRITE, 0);
            rig.offer(queue, 0);
            kick(rig, which, queue);
            assert_stopped(rig, queue);
            assert_eq!(rig.peek(end - 8, 8), [0xc5; 8]);
        }
    }
}

// V09

/// The first writable buffer is the descriptor table: what the device writes there must not change
/// where it goes on to write.
pub fn descriptors_overwritten_by_their_own_buffers(rig: &mut Rig, which: Which) {
    let queue = 0;
    rig.start(ALL, 8);
    rig.poke(DATA, &[0; 1024]);
    let table = Rig::desc_area(queue);
    match which {
        Which::Blk | Which::ReadOnly => {
            rig.header(BUFFERS, 0, 0);
            rig.chain(
                queue,
                0,
                &[
                    (BUFFERS, 16, false),
                    (BUFFERS, 16, true),
                    (table, 128, true),
                    (DATA, 368, true),
                    (STATUS, 1, true),
                ],
            );
        }
        Which::Console | Which::Rng => {
            rig.chain(queue, 0, &[(table, 128, true), (DATA, 368, true)]);
        }
    }
    if which == Which::Console {
        rig.with(|slot, cx| slot.console_input(&[0x77; 496], cx));
    }
    rig.offer_and_notify(queue, 0);
    rig.settle();
    let expected = if which == Which::Blk { 513 } else { 496 };
    assert_eq!(rig.used(queue), [(0, expected)]);
    assert!(
        rig.peek(DATA, 368)
            .iter()
            .filter(|byte| **byte != 0)
            .count()
            > 300
    );
    assert!(!rig.needs_reset());
}

/// A long request goes on in pieces while the driver rewrites everything that it was made of.
pub fn request_rewritten_between_its_pieces(rig: &mut Rig, which: Which) {
    assert_eq!(which, Which::Blk);
    let config = BlockConfig {
        sectors: 8192,
        ..BlockConfig::default()
    };
    let mut long = Rig::with_device(DeviceKind::Block(Blk::new(config).unwrap()));
    long.host.disk = (0..8192 * 512).map(|at| (at % 255) as u8).collect();
    long.start(ALL.with(FLUSH), 8);
    long.header(BUFFERS, 0, 1);
    let bytes = 2 * PIECE;
    long.chain(
        0,
        0,
        &[(BUFFERS, 16, false), (DATA, bytes, true), (STATUS, 1, true)],
    );
    long.offer_and_notify(0, 0);
    long.header(BUFFERS, 1, u64::MAX);
    let area = Address(Rig::desc_area(0));
    long.memory().write(area, &[0xff; 128]).unwrap();
    long.memory()
        .write(Address(Rig::avail_area(0) + 4), &[0xff; 16])
        .unwrap();
    long.settle();
    assert_eq!(long.used(0), [(0, bytes + 1)]);
    let expected = long.host.disk[512..][..bytes as usize].to_vec();
    assert!(long.peek(DATA, bytes as usize) == expected);
    assert_eq!(long.peek(STATUS, 1), [0]);
    // The rig that the caller looks after has seen nothing of this.
    rig.start(ALL, 8);
}

// V13

pub fn chain_with_nothing_to_write_to(rig: &mut Rig, which: Which) {
    for queue in 0..rig.queues() {
        for kind in [0, 1, 4, 8, 11, 13, 99] {
            rig.start(ALL, 8);
            rig.header(BUFFERS, kind, 0);
            rig.poke(BUFFERS + 16, &[0; 512]);
            rig.chain(queue, 0, &[(BUFFERS, 528, false)]);
            rig.offer(queue, 0);
            kick(rig, which, queue);
            rig.settle();
            if which == Which::Blk {
                assert_stopped(rig, queue);
                assert!(rig.host.requests.is_empty());
            } else {
                assert_eq!(rig.used(queue), [(0, 0)]);
            }
        }
    }
}

pub fn chain_of_empty_descriptors(rig: &mut Rig, which: Which) {
    for queue in 0..rig.queues() {
        for write in [false, true] {
            rig.start(ALL, 8);
            rig.chain(queue, 0, &[(u64::MAX, 0, write), (BUFFERS, 0, write)]);
            rig.offer(queue, 0);
            kick(rig, which, queue);
            if which == Which::Blk {
                assert_stopped(rig, queue);
            } else {
                assert_eq!(rig.used(queue), [(0, 0)]);
            }
        }
    }
}

pub fn answer_split_into_single_bytes(rig: &mut Rig, which: Which) {
    for queue in 0..rig.queues() {
        rig.start(ALL, 64);
        rig.header(BUFFERS, 8, 0);
        // Every second byte is somebody else's.
        rig.poke(DATA, &[0xc5; 100]);
        let mut parts = vec::Vec::new();
        if which == Which::Blk {
            parts.push((BUFFERS, 16, false));
        }
        parts.extend((0..21).map(|at| (DATA + 2 * at, 1, true)));
        rig.chain(queue, 0, &parts);
        rig.offer(queue, 0);
        kick(rig, which, queue);
        let expected = match (which, queue) {
            (Which::Console, 0) => 5,
            (Which::Console, _) => 0,
            _ => 21,
        };
        assert_eq!(rig.used(queue), [(0, expected)]);
        let bytes = rig.peek(DATA, 100);
        assert!(bytes.iter().skip(1).step_by(2).all(|byte| *byte == 0xc5));
        assert!(bytes[42..].iter().all(|byte| *byte == 0xc5));
    }
}

pub fn header_cut_short(rig: &mut Rig, _: Which) {
    for len in 1..16 {
        rig.start(ALL, 8);
        rig.chain(
            0,
            0,
            &[(BUFFERS, len, false), (DATA, 512, true), (STATUS, 1, true)],
        );
        rig.offer_and_notify(0, 0);
        assert_stopped(rig, 0);
        assert!(rig.host.requests.is_empty());
    }
}

pub fn status_shares_a_descriptor_with_data(rig: &mut Rig, _: Which) {
    for (room, status) in [(513, 0), (1, 0), (512, 1), (514, 1), (2, 1)] {
        rig.start(ALL.with(FLUSH), 8);
        rig.header(BUFFERS, 0, 0);
        rig.poke(DATA, &[0xee; 600]);
        rig.chain(0, 0, &[(BUFFERS, 16, false), (DATA, room, true)]);
        rig.offer_and_notify(0, 0);
        rig.settle();
        assert_eq!(
            rig.peek(DATA + u64::from(room) - 1, 2),
            [status, 0xee],
            "{room}"
        );
    }
}

// V23

/// Serves the same chains over memory that holds 0x00 and over memory that holds 0xff: what the
/// device reports as written must be the same bytes both times.
pub fn every_byte_of_the_used_length_was_written(rig: &mut Rig, which: Which) {
    let requests: &[(u32, u64)] = match which {
        // Reads, inside and beyond the disk, GET_ID, an unknown type.
        Which::Blk => &[
            (0, 0),
            (0, SECTORS),
            (0, SECTORS - 1),
            (8, 0),
            (99, 0),
            (4, 0),
        ],
        _ => &[(0, 0)],
    };
    for queue in 0..rig.queues() {
        for (kind, sector) in requests {
            for room in [0, 1, 2, 20, 21, 100, 512, 513, 1025] {
                let mut runs = [0x00, 0xff].map(|poison| {
                    let mut rig = Rig::running(which, ALL, 8);
                    rig.header(BUFFERS, *kind, *sector);
                    rig.poke(DATA, &[poison; 2048]);
                    rig.chain(
                        queue,
                        0,
                        &[
                            (BUFFERS, 16, false),
                            (DATA, room, true),
                            (DATA + 1024, room / 2, true),
                        ],
                    );
                    rig.offer(queue, 0);
                    kick(&mut rig, which, queue);
                    rig.settle();
                    let used = rig.used(queue).first().map_or(0, |used| used.1 as usize);
                    let mut bytes = rig.peek(DATA, room as usize);
                    bytes.extend(rig.peek(DATA + 1024, room as usize / 2));
                    assert!(used <= bytes.len());
                    bytes.truncate(used);
                    bytes
                });
                let other = core::mem::take(&mut runs[1]);
                assert_eq!(runs[0], other, "{which:?} {queue} {kind} {room}");
            }
        }
    }
    rig.start(ALL, 8);
}
