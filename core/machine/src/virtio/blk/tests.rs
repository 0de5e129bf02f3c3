//! The block device, statement by statement: section 5.2.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::host::{BlockRequest, Submitted};
use crate::mem::Width;
use crate::time::Ticks;
use crate::virtio::device::DeviceKind;
use crate::virtio::regs::{CONFIG, Register, interrupt, status};
use crate::virtio::testing::*;

const OK: Option<u8> = Some(0);
const IOERR: Option<u8> = Some(1);
const UNSUPP: Option<u8> = Some(2);

/// What a modern driver negotiates.
const USUAL: Features = ALL.with(FLUSH).with(DISCARD).with(WRITE_ZEROES);

fn rig() -> Rig {
    Rig::running(Which::Blk, USUAL, 16)
}

/// A rig with a disk of this configuration, with everything negotiated.
fn rig_with(config: BlockConfig) -> Rig {
    let bytes = (config.sectors * SECTOR_SIZE) as usize;
    let mut rig = Rig::with_device(DeviceKind::Block(Blk::new(config).unwrap()));
    rig.host.disk = (0..bytes).map(|at| (at / 512 + at % 253) as u8).collect();
    let offered = rig.offered();
    rig.start(offered, 256);
    rig
}

fn range(sector: u64, count: u32, flags: u32) -> Vec<u8> {
    let raw = u128::from(sector) | u128::from(count) << 64 | u128::from(flags) << 96;
    raw.to_le_bytes().to_vec()
}

fn ranges(rig: &mut Rig, kind: u32, list: &[(u64, u32, u32)]) -> Option<u8> {
    let bytes: Vec<u8> = list
        .iter()
        .flat_map(|(s, c, f)| range(*s, *c, *f))
        .collect();
    rig.poke(DATA, &bytes);
    rig.request(kind, 0, bytes.len() as u32, false)
}

// 5.2.6 Requests

#[test]
fn read_brings_the_sectors_and_reports_every_byte() {
    let mut rig = rig();
    assert_eq!(rig.request(kind::IN, 3, 1024, true), OK);
    let expected = rig.host.disk[3 * 512..5 * 512].to_vec();
    assert_eq!(rig.peek(DATA, 1024), expected);
    assert_eq!(rig.used(0), [(0, 1025)]);
    assert_eq!(rig.take_interrupts(), interrupt::USED_BUFFER);
}

#[test]
fn write_then_read_gives_the_same_bytes() {
    let mut rig = rig();
    let data: Vec<u8> = (0..2048).map(|i| (i * 7) as u8).collect();
    rig.poke(DATA, &data);
    assert_eq!(rig.request(kind::OUT, 10, 2048, false), OK);
    assert_eq!(rig.used(0), [(0, 1)]);
    assert_eq!(rig.host.disk[10 * 512..14 * 512], data);
    rig.poke(DATA, &[0; 2048]);
    assert_eq!(rig.request(kind::IN, 10, 2048, true), OK);
    assert_eq!(rig.peek(DATA, 2048), data);
}

#[test]
fn nothing_reaches_the_guest_before_the_completion() {
    let mut rig = rig();
    rig.header(BUFFERS, kind::IN, 0);
    rig.chain(0, 0, &[(BUFFERS, 16, false), (DATA, 513, true)]);
    rig.poke(DATA, &[0x55; 513]);
    rig.offer_and_notify(0, 0);
    assert_eq!(rig.peek(DATA, 513), [0x55; 513]);
    assert_eq!(rig.used_index(0), 0);
    rig.settle();
    assert_eq!(rig.used(0), [(0, 513)]);
}

#[test]
fn a_request_takes_its_modelled_time_whatever_the_host_took() {
    let mut rig = rig();
    rig.header(BUFFERS, kind::IN, 0);
    rig.chain(0, 0, &[(BUFFERS, 16, false), (DATA, 513, true)]);
    rig.offer_and_notify(0, 0);
    // 20 microseconds and 512 bytes at 100 a tick, from tick 1000 on.
    assert_eq!(rig.pending.deadline(), Some(Ticks(1000 + 200 + 6)));
}

#[test]
fn any_framing_of_a_request_is_understood() {
    // Header of a byte each; header and data in one; data and status in one.
    let mut rig = rig();
    rig.header(BUFFERS, kind::OUT, 5);
    rig.poke(BUFFERS + 16, &[0x42; 512]);
    let bytes: Vec<_> = (0..8).map(|at| (BUFFERS + at, 1, false)).collect();
    let mut split = bytes.clone();
    split.push((BUFFERS + 8, 8 + 500, false));
    split.push((BUFFERS + 516, 12, false));
    split.push((STATUS, 1, true));
    rig.poke(STATUS, &[0xee]);
    rig.chain(0, 0, &split);
    rig.offer_and_notify(0, 0);
    rig.settle();
    assert_eq!(rig.peek(STATUS, 1), [0]);
    assert_eq!(rig.host.disk[5 * 512..6 * 512], [0x42; 512]);

    rig.header(BUFFERS, kind::IN, 5);
    rig.chain(
        0,
        0,
        &[(BUFFERS, 16, false), (DATA, 1, true), (DATA + 1, 512, true)],
    );
    rig.poke(DATA + 512, &[0xee]);
    rig.offer_and_notify(0, 0);
    rig.settle();
    assert_eq!(rig.peek(DATA, 512), [0x42; 512]);
    assert_eq!(rig.peek(DATA + 512, 1), [0]);
}

#[test]
fn get_id_gives_twenty_bytes_padded_with_zeros() {
    let mut rig = rig();
    rig.poke(DATA, &[0xff; 21]);
    assert_eq!(rig.request(8, 0, 20, true), OK);
    assert_eq!(
        rig.peek(DATA, 21),
        *b"rig\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff"
    );
    let id = String::from("twenty bytes exactly");
    let mut rig = rig_with(BlockConfig {
        id,
        ..BlockConfig::default()
    });
    assert_eq!(rig.request(8, 0, 20, true), OK);
    assert_eq!(rig.peek(DATA, 20), *b"twenty bytes exactly");
}

#[test]
fn get_id_never_reports_more_than_it_wrote() {
    for (room, len) in [(0, 1), (1, 2), (19, 20), (20, 21), (21, 20), (512, 20)] {
        let mut rig = rig();
        rig.poke(DATA, &[0xff; 512]);
        assert_eq!(rig.request(8, 0, room, true), OK);
        // Status lies apart from the id where there is more room than that.
        assert_eq!(rig.used(0), [(0, len)], "{room}");
        assert!(
            rig.peek(DATA + u64::from(room.min(20)), 100)
                .iter()
                .all(|b| *b == 0xff)
        );
    }
}

#[test]
fn unknown_types_are_unsupported() {
    // Lifetime 10, secure erase 14 and zones 15 to 26 among them; 2 and 3 were SCSI.
    for kind in (2..=3)
        .chain(5..=7)
        .chain(9..=10)
        .chain([12])
        .chain(14..=64)
        .chain([u32::MAX])
    {
        let mut rig = rig();
        assert_eq!(rig.request(kind, 0, 512, true), UNSUPP, "{kind}");
        assert!(rig.host.requests.is_empty());
    }
}

#[test]
fn empty_reads_and_writes_succeed() {
    let mut rig = rig();
    assert_eq!(rig.request(kind::IN, SECTORS, 0, true), OK);
    assert_eq!(rig.request(kind::OUT, 0, 0, false), OK);
    assert!(rig.host.requests.is_empty());
}

#[test]
fn the_last_sector_can_be_read_and_the_one_behind_it_not() {
    let mut rig = rig();
    assert_eq!(rig.request(kind::IN, SECTORS - 1, 512, true), OK);
    assert_eq!(rig.request(kind::IN, SECTORS, 512, true), IOERR);
    assert_eq!(rig.request(kind::IN, SECTORS - 1, 1024, true), IOERR);
    assert_eq!(rig.used(0), [(0, 513), (0, 0), (0, 0)]);
}

#[test]
fn the_hosts_failure_is_an_error_status_and_no_data() {
    for (error, status) in [
        (BlockError::Io, IOERR),
        (BlockError::NoSpace, IOERR),
        (BlockError::ReadOnly, IOERR),
        (BlockError::Unsupported, UNSUPP),
    ] {
        for (kind, write) in [(kind::IN, true), (kind::OUT, false)] {
            let mut rig = rig();
            rig.poke(DATA, &[0x55; 512]);
            rig.host.fault = Some(Submitted::Done(Err(error)));
            assert_eq!(rig.request(kind, 0, 512, write), status);
            assert_eq!(rig.peek(DATA, 512), [0x55; 512]);
            assert!(rig.used(0)[0].1 <= 1);
            // The device goes on.
            rig.host.fault = None;
            assert_eq!(rig.request(kind, 0, 512, write), OK);
        }
    }
}

#[test]
fn a_result_of_the_wrong_length_is_an_io_error() {
    for len in [0, 511, 513, 1024] {
        let mut rig = rig();
        rig.poke(DATA, &[0x55; 1024]);
        rig.host.fault = Some(Submitted::Done(Ok(vec![1; len])));
        assert_eq!(rig.request(kind::IN, 0, 512, true), IOERR);
        assert_eq!(rig.peek(DATA, 1024), [0x55; 1024]);
    }
}

#[test]
fn many_requests_of_one_notification_are_all_served() {
    let mut rig = Rig::running(Which::Blk, USUAL, 256);
    for head in 0..85 {
        let at = BUFFERS + 0x400 * u64::from(head);
        rig.header(at, kind::IN, u64::from(head));
        rig.chain(
            0,
            head * 3,
            &[(at, 16, false), (at + 16, 512, true), (at + 528, 1, true)],
        );
        rig.offer(0, head * 3);
    }
    rig.notify(0);
    rig.settle();
    let used = rig.used(0);
    assert_eq!(used.len(), 85);
    for head in 0..85u64 {
        let expected = rig.host.disk[head as usize * 512..][..512].to_vec();
        assert_eq!(rig.peek(BUFFERS + 0x400 * head + 16, 512), expected);
    }
}

#[test]
fn a_long_request_goes_in_pieces_and_comes_back_whole() {
    let mut rig = rig_with(BlockConfig {
        sectors: 8192,
        ..BlockConfig::default()
    });
    let bytes = 2 * PIECE + 512;
    assert_eq!(rig.request(kind::IN, 7, bytes, true), OK);
    assert_eq!(rig.used(0), [(0, bytes + 1)]);
    let lengths: Vec<_> = rig
        .host
        .requests
        .iter()
        .map(|request| match request {
            BlockRequest::Read { len, .. } => *len,
            _ => panic!("{request:?}"),
        })
        .collect();
    assert_eq!(lengths, [u64::from(PIECE), u64::from(PIECE), 512]);
    let expected = rig.host.disk[7 * 512..][..bytes as usize].to_vec();
    assert!(rig.peek(DATA, bytes as usize) == expected);

    let data: Vec<u8> = (0..bytes).map(|at| (at % 249) as u8).collect();
    rig.poke(DATA, &data);
    assert_eq!(rig.request(kind::OUT, 100, bytes, false), OK);
    assert!(rig.host.disk[100 * 512..][..bytes as usize] == data);
}

#[test]
fn a_long_read_that_fails_in_the_middle_reports_only_what_was_written() {
    let mut rig = rig_with(BlockConfig {
        sectors: 8192,
        ..BlockConfig::default()
    });
    rig.header(BUFFERS, kind::IN, 0);
    rig.chain(
        0,
        0,
        &[
            (BUFFERS, 16, false),
            (DATA, 2 * PIECE, true),
            (STATUS, 1, true),
        ],
    );
    rig.offer_and_notify(0, 0);
    // The second piece goes out when the first comes back.
    rig.host.fault = Some(Submitted::Done(Err(BlockError::Io)));
    rig.settle();
    assert_eq!(rig.used(0), [(0, PIECE)]);
    assert_eq!(rig.peek(STATUS, 1), [1]);
}

// 5.2.4 Configuration

#[test]
fn configuration_has_its_fields_where_the_standard_has_them() {
    let mut rig = rig_with(BlockConfig {
        sectors: 0x1234,
        block_size: 4096,
        ..BlockConfig::default()
    });
    let mut word = |offset| rig.read_at(CONFIG + offset, Width::B4) as u32;
    assert_eq!((word(0), word(4)), (0x1234, 0));
    assert_eq!(word(12), 254, "seg_max");
    assert_eq!(word(20), 4096, "blk_size");
    assert_eq!(word(32), 0, "writeback, num_queues");
    assert_eq!(word(36), MAX_RANGE_SECTORS);
    assert_eq!(word(40), MAX_RANGES);
    assert_eq!(word(44), 8, "discard_sector_alignment");
    assert_eq!(word(48), MAX_RANGE_SECTORS);
    assert_eq!(word(52), MAX_RANGES);
    assert_eq!(word(56), 1, "write_zeroes_may_unmap, and zeros");
}

#[test]
fn flush_is_always_offered_and_writeback_control_never() {
    for which in [Which::Blk, Which::ReadOnly] {
        let offered = Rig::new(which).offered();
        assert!(offered.contains(FLUSH));
        assert_eq!(offered.0 >> 11 & 1, 0, "CONFIG_WCE");
    }
}

#[test]
fn seg_max_fits_the_queue() {
    let mut rig = rig_with(BlockConfig {
        sectors: 512,
        ..BlockConfig::default()
    });
    let segments = rig.read_at(CONFIG + 12, Width::B4) as u16;
    rig.header(BUFFERS, kind::IN, 0);
    let mut parts = vec![(BUFFERS, 16, false)];
    parts.extend((0..segments).map(|at| (DATA + 512 * u64::from(at), 512, true)));
    parts.push((STATUS, 1, true));
    rig.chain(0, 0, &parts);
    rig.offer_and_notify(0, 0);
    rig.settle();
    assert_eq!(rig.used(0), [(0, 254 * 512 + 1)]);
}

#[test]
fn impossible_configurations_are_refused_by_name() {
    for (config, field) in [
        (
            BlockConfig {
                block_size: 0,
                ..BlockConfig::default()
            },
            "block size of a disk",
        ),
        (
            BlockConfig {
                block_size: 513,
                ..BlockConfig::default()
            },
            "block size of a disk",
        ),
        (
            BlockConfig {
                block_size: 1 << 17,
                ..BlockConfig::default()
            },
            "block size of a disk",
        ),
        (
            BlockConfig {
                sectors: 1 << 55,
                ..BlockConfig::default()
            },
            "capacity of a disk",
        ),
        (
            BlockConfig {
                id: "x".repeat(21),
                ..BlockConfig::default()
            },
            "id of a disk",
        ),
    ] {
        match Blk::new(config).err() {
            Some(ConfigError::Field { field: named, .. }) => assert_eq!(named, field),
            other => panic!("{other:?}"),
        }
    }
}

// 5.2.6.2 Read-only disks

#[test]
fn a_read_only_disk_refuses_every_change_and_changes_nothing() {
    for acknowledged in [RO, Features::default()] {
        let mut rig = Rig::running(Which::ReadOnly, ALL.with(FLUSH).with(acknowledged), 16);
        assert_eq!(rig.request(kind::OUT, 0, 512, false), IOERR);
        assert_ne!(ranges(&mut rig, kind::DISCARD, &[(0, 1, 0)]), OK);
        assert_ne!(ranges(&mut rig, kind::WRITE_ZEROES, &[(0, 1, 0)]), OK);
        assert!(rig.host.requests.is_empty());
        assert_eq!(rig.request(kind::IN, 0, 512, true), OK);
        assert_eq!(rig.request(kind::FLUSH, 0, 0, true), OK);
    }
}

// 5.2.6.2 Discard and write zeroes

#[test]
fn write_zeroes_reads_back_as_zero_with_and_without_unmap() {
    for unmap in [0, 1] {
        let mut rig = rig();
        assert_eq!(ranges(&mut rig, kind::WRITE_ZEROES, &[(4, 2, unmap)]), OK);
        assert_eq!(
            rig.host.requests,
            [BlockRequest::WriteZeroes {
                sector: 4,
                count: 2,
                unmap: unmap == 1
            }]
        );
        assert_eq!(rig.request(kind::IN, 3, 2048, true), OK);
        let back = rig.peek(DATA, 2048);
        assert_eq!(back[512..1536], [0; 1024]);
        assert!(back[..512].iter().any(|byte| *byte != 0));
        assert!(back[1536..].iter().any(|byte| *byte != 0));
    }
}

#[test]
fn several_ranges_are_done_in_their_order() {
    let mut rig = rig();
    assert_eq!(
        ranges(
            &mut rig,
            kind::DISCARD,
            &[(9, 1, 0), (3, 2, 0), (127, 1, 0)]
        ),
        OK
    );
    let expected =
        [(9, 1), (3, 2), (127, 1)].map(|(sector, count)| BlockRequest::Discard { sector, count });
    assert_eq!(rig.host.requests, expected);
}

#[test]
fn unknown_flags_are_unsupported_and_nothing_is_done() {
    for kind in [kind::DISCARD, kind::WRITE_ZEROES] {
        for bit in 1..32 {
            let mut rig = rig();
            assert_eq!(
                ranges(&mut rig, kind, &[(0, 1, 0), (1, 1, 1 << bit)]),
                UNSUPP
            );
            assert!(rig.host.requests.is_empty());
        }
    }
}

#[test]
fn discard_with_unmap_is_unsupported() {
    let mut rig = rig();
    assert_eq!(ranges(&mut rig, kind::DISCARD, &[(0, 1, 1)]), UNSUPP);
    assert!(rig.host.requests.is_empty());
}

#[test]
fn ranges_beyond_the_disk_are_errors_and_nothing_is_done() {
    for kind in [kind::DISCARD, kind::WRITE_ZEROES] {
        for bad in [
            (SECTORS, 1),
            (SECTORS - 1, 2),
            (0, SECTORS as u32 + 1),
            (0, u32::MAX),
            (u64::MAX, 1),
            (u64::MAX, u32::MAX),
            (1 << 63, 1),
        ] {
            let mut rig = rig();
            assert_eq!(
                ranges(&mut rig, kind, &[(0, 1, 0), (bad.0, bad.1, 0)]),
                IOERR
            );
            assert!(rig.host.requests.is_empty());
        }
    }
}

#[test]
fn ranges_have_limits_of_length_and_number() {
    let sectors = u64::from(MAX_RANGE_SECTORS) * 2;
    let config = BlockConfig {
        sectors,
        ..BlockConfig::default()
    };
    let mut rig = Rig::with_device(DeviceKind::Block(Blk::new(config).unwrap()));
    rig.host.fault = Some(Submitted::Done(Ok(Vec::new())));
    rig.start(USUAL, 16);
    assert_eq!(
        ranges(&mut rig, kind::DISCARD, &[(0, MAX_RANGE_SECTORS, 0)]),
        OK
    );
    assert_eq!(
        ranges(&mut rig, kind::DISCARD, &[(0, MAX_RANGE_SECTORS + 1, 0)]),
        IOERR
    );
    let many = vec![(0, 1, 0); MAX_RANGES as usize + 1];
    assert_eq!(ranges(&mut rig, kind::DISCARD, &many[1..]), OK);
    assert_eq!(ranges(&mut rig, kind::DISCARD, &many), IOERR);
}

#[test]
fn ranges_cut_short_are_errors() {
    for len in [0, 1, 15, 17, 31] {
        let mut rig = rig();
        assert_eq!(rig.request(kind::DISCARD, 0, len, false), IOERR, "{len}");
    }
}

#[test]
fn requests_of_features_that_were_not_negotiated_are_unsupported() {
    let mut rig = Rig::running(Which::Blk, ALL.with(FLUSH), 16);
    assert_eq!(ranges(&mut rig, kind::DISCARD, &[(0, 1, 0)]), UNSUPP);
    assert_eq!(ranges(&mut rig, kind::WRITE_ZEROES, &[(0, 1, 0)]), UNSUPP);
}

// 5.2.6.2 Durability

#[test]
fn flush_is_reported_after_the_host_has_flushed() {
    let mut rig = rig();
    rig.host.fault = Some(Submitted::Pending);
    assert_eq!(rig.request(kind::FLUSH, 0, 0, true), None);
    assert_eq!(rig.host.requests, [BlockRequest::Flush]);
    rig.pending.complete(rig.host.tokens[0], Ok(Vec::new()));
    rig.settle();
    assert_eq!(rig.peek(STATUS, 1), [0]);
}

#[test]
fn a_flush_that_fails_is_an_io_error() {
    let mut rig = rig();
    rig.host.fault = Some(Submitted::Done(Err(BlockError::Io)));
    assert_eq!(rig.request(kind::FLUSH, 0, 0, true), IOERR);
}

#[test]
fn with_flush_negotiated_a_write_does_not_flush() {
    let mut rig = rig();
    assert_eq!(rig.request(kind::OUT, 0, 512, false), OK);
    assert_eq!(rig.host.requests.len(), 1);
}

#[test]
fn without_flush_negotiated_every_change_is_stable_when_it_is_reported() {
    let features = ALL.with(DISCARD).with(WRITE_ZEROES);
    for kind in [kind::OUT, kind::DISCARD, kind::WRITE_ZEROES] {
        let mut rig = Rig::running(Which::Blk, features, 16);
        if kind == kind::OUT {
            assert_eq!(rig.request(kind, 0, 512, false), OK);
        } else {
            assert_eq!(ranges(&mut rig, kind, &[(0, 1, 0)]), OK);
        }
        assert_eq!(rig.host.requests.len(), 2);
        assert_eq!(rig.host.requests[1], BlockRequest::Flush);
    }
    // And not before the flush is done, nor if it fails.
    let mut rig = Rig::running(Which::Blk, features, 16);
    rig.host.fault = Some(Submitted::Pending);
    assert_eq!(rig.request(kind::OUT, 0, 512, false), None);
    rig.pending.complete(rig.host.tokens[0], Ok(Vec::new()));
    rig.settle();
    assert_eq!(rig.host.requests[1], BlockRequest::Flush);
    assert_eq!(rig.used_index(0), 0);
    rig.pending
        .complete(rig.host.tokens[1], Err(BlockError::Io));
    rig.settle();
    assert_eq!(rig.peek(STATUS, 1), [1]);
}

#[test]
fn reads_and_flushes_are_not_followed_by_a_flush() {
    let mut rig = Rig::running(Which::Blk, ALL, 16);
    assert_eq!(rig.request(kind::IN, 0, 512, true), OK);
    assert_eq!(rig.request(kind::FLUSH, 0, 0, true), OK);
    assert_eq!(rig.host.requests.len(), 2);
}

// What is under way

#[test]
fn no_more_is_taken_than_the_limit_and_the_rest_follows() {
    let mut rig = rig_with(BlockConfig {
        sectors: 8192,
        ..BlockConfig::default()
    });
    rig.host.fault = Some(Submitted::Pending);
    for head in 0..40u16 {
        let at = BUFFERS + 32 * u64::from(head);
        rig.header(at, kind::IN, 0);
        rig.chain(
            0,
            3 * head,
            &[(at, 16, false), (DATA, PIECE, true), (STATUS, 1, true)],
        );
        rig.offer(0, 3 * head);
    }
    rig.notify(0);
    let limit = (IN_FLIGHT_LIMIT / u64::from(PIECE)) as usize;
    assert_eq!(rig.host.requests.len(), limit);
    rig.notify(0);
    assert_eq!(rig.host.requests.len(), limit);
    rig.pending
        .complete(rig.host.tokens[0], Err(BlockError::Io));
    rig.settle();
    assert_eq!(rig.host.requests.len(), limit + 1);
    for index in 1..40 {
        rig.pending
            .complete(rig.host.tokens[index], Err(BlockError::Io));
        rig.settle();
    }
    assert_eq!(rig.host.requests.len(), 40);
    assert_eq!(rig.used(0).len(), 40);
}

#[test]
fn tags_go_on_through_a_reset() {
    let mut rig = Rig::new(Which::Blk);
    rig.host.fault = Some(Submitted::Pending);
    for life in 0..3 {
        rig.start(USUAL, 16);
        rig.request(kind::IN, 0, 512, true);
        assert_eq!(rig.pending.requests().len(), 1);
        assert_eq!(rig.pending.requests()[0].tag, life);
    }
}

#[test]
fn disks_go_by_their_number() {
    let mut rig = rig_with(BlockConfig {
        disk: 5,
        sectors: 8,
        ..BlockConfig::default()
    });
    rig.host.fault = Some(Submitted::Pending);
    rig.request(kind::IN, 0, 512, true);
    assert_eq!(rig.pending.requests()[0].disk, 5);
    assert_eq!(rig.pending.requests()[0].slot, SLOT);
}

#[test]
fn a_driver_that_takes_features_from_the_first_window_alone_is_served() {
    // As xv6 does it: the low 32 bits as they are, without read-only and ring features.
    let mut rig = Rig::new(Which::Blk);
    rig.acknowledge();
    let features = rig.read(Register::DeviceFeatures) & !(1 << 5 | 1 << 28 | 1 << 29);
    rig.write(Register::DriverFeatures, features);
    rig.or_status(status::FEATURES_OK);
    assert_ne!(rig.status() & status::FEATURES_OK, 0);
    rig.enable(0, 8);
    rig.or_status(status::DRIVER_OK);
    assert_eq!(rig.request(kind::IN, 1, 1024, true), OK);
}
