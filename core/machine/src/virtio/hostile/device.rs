//! What is each device's own.

use super::*;
use crate::host::{BlockRequest, Submitted};
use crate::mem::Width;
use crate::virtio::blk::{Blk, DISCARD, FLUSH, IN_FLIGHT_LIMIT, PIECE, RO, WRITE_ZEROES};
use crate::virtio::console::{INPUT_LIMIT, RECEIVE, TRANSMIT};
use crate::virtio::device::DeviceKind;
use crate::virtio::regs::{CONFIG, Register, WINDOW};
use crate::virtio::{BlockConfig, rng};

const WIDTHS: [Width; 4] = [Width::B1, Width::B2, Width::B4, Width::B8];

fn blk(rig: &Rig) -> &Blk {
    match rig.slot.device() {
        Some(DeviceKind::Block(blk)) => blk,
        other => panic!("{other:?}"),
    }
}

/// `count` reads of a sector each, from descriptor 0 on, none of which the host answers.
fn start_reads(rig: &mut Rig, count: u16) {
    rig.host.fault = Some(Submitted::Pending);
    for n in 0..count {
        let at = BUFFERS + 0x20 * u64::from(n);
        rig.header(at, 0, u64::from(n));
        let data = DATA + 513 * u64::from(n);
        rig.chain(0, 2 * n, &[(at, 16, false), (data, 513, true)]);
        rig.offer(0, 2 * n);
    }
    rig.notify(0);
    assert_eq!(blk(rig).in_flight(), usize::from(count));
}

// V10

pub fn same_head_again_while_the_host_is_silent(rig: &mut Rig, _: Which) {
    rig.start(ALL, 8);
    start_reads(rig, 1);
    rig.offer_and_notify(0, 0);
    assert_stopped(rig, 0);
    assert_eq!(rig.host.requests.len(), 1);
    assert_eq!(blk(rig).in_flight(), 0);
}

pub fn every_head_while_the_host_is_silent(rig: &mut Rig, _: Which) {
    rig.start(ALL, 256);
    start_reads(rig, 128);
    // More notifications bring no more requests.
    for _ in 0..1000 {
        rig.notify(0);
    }
    assert_eq!(rig.host.requests.len(), 128);
    assert_eq!(rig.pending.requests().len(), 128);
}

// V11

/// Lets results for everything that was ever asked arrive, by every way there is.
fn late_results(rig: &mut Rig) {
    for token in rig.host.tokens.clone() {
        rig.pending.complete(token, Ok(vec![0xaa; 512]));
    }
    for tag in 0..1000 {
        rig.with(|slot, cx| slot.complete(tag, Ok(vec![0xaa; 512]), cx));
    }
    rig.settle();
    assert_eq!(rig.used_index(0), 0);
    assert!(rig.peek(DATA, 4096).iter().all(|byte| *byte == 0x55));
}

pub fn result_after_a_reset(rig: &mut Rig, _: Which) {
    rig.start(ALL, 16);
    start_reads(rig, 4);
    rig.poke(DATA, &[0x55; 4096]);
    rig.start(ALL, 16);
    assert_eq!(rig.host.abandoned, rig.host.tokens);
    late_results(rig);
}

pub fn result_after_a_queue_reset(rig: &mut Rig, _: Which) {
    rig.start(ALL, 16);
    start_reads(rig, 4);
    rig.poke(DATA, &[0x55; 4096]);
    rig.write(Register::QueueReset, 1);
    assert_eq!(rig.host.abandoned, rig.host.tokens);
    late_results(rig);
    rig.enable(0, 16);
    late_results(rig);
}

pub fn result_after_an_error(rig: &mut Rig, _: Which) {
    rig.start(ALL, 16);
    start_reads(rig, 4);
    rig.poke(DATA, &[0x55; 4096]);
    rig.set_avail_index(0, 0x8000);
    rig.notify(0);
    assert!(rig.needs_reset());
    assert_eq!(rig.host.abandoned, rig.host.tokens);
    late_results(rig);
}

// V12

/// As many bytes as a chain can hold here: 254 times three megabytes.
fn huge(rig: &mut Rig, queue: usize, head: u16, parts: u16, write: bool) {
    for step in 0..parts {
        let index = head + step;
        let next = if step + 1 < parts { NEXT } else { 0 };
        let flags = next | if write { WRITE } else { 0 };
        rig.desc(queue, index, BUFFERS, 3 << 20, flags, index + 1);
    }
}

pub fn requests_of_a_gigabyte(rig: &mut Rig, _: Which) {
    let config = BlockConfig {
        sectors: 1 << 40,
        ..BlockConfig::default()
    };
    let mut big = Rig::with_device(DeviceKind::Block(Blk::new(config).unwrap()));
    big.host.fault = Some(Submitted::Pending);
    let bytes = |rig: &Rig| -> u64 {
        let size = |request: &BlockRequest| match request {
            BlockRequest::Read { len, .. } => *len,
            BlockRequest::Write { data, .. } => data.len() as u64,
            _ => 0,
        };
        rig.pending
            .requests()
            .iter()
            .map(|r| size(&r.request))
            .sum()
    };
    for kind in [0, 1] {
        // One chain of 254 descriptors: one piece is under way, and no more than that is held.
        big.start(ALL.with(FLUSH), 256);
        big.header(RAM_BASE + 0x3_0000, kind, 0);
        big.desc(0, 0, RAM_BASE + 0x3_0000, 16, NEXT, 1);
        huge(&mut big, 0, 1, 254, kind == 0);
        big.desc(
            0,
            254,
            BUFFERS,
            3 << 20,
            NEXT | if kind == 0 { WRITE } else { 0 },
            255,
        );
        big.desc(0, 255, STATUS, 1, WRITE, 0);
        big.offer_and_notify(0, 0);
        assert_eq!(bytes(&big), u64::from(PIECE));
        // Many of them: no more than the limit.
        big.start(ALL.with(FLUSH), 256);
        for head in (0..255).step_by(3) {
            big.desc(0, head, RAM_BASE + 0x3_0000, 16, NEXT, head + 1);
            let flags = NEXT | if kind == 0 { WRITE } else { 0 };
            big.desc(0, head + 1, BUFFERS, 3 << 20, flags, head + 2);
            big.desc(0, head + 2, STATUS, 1, WRITE, 0);
            big.offer(0, head);
        }
        big.notify(0);
        assert_eq!(bytes(&big), IN_FLIGHT_LIMIT);
    }
    rig.start(ALL, 8);
}

pub fn output_of_a_gigabyte(rig: &mut Rig, _: Which) {
    rig.start(ALL, 64);
    huge(rig, TRANSMIT, 0, 64, false);
    rig.offer_and_notify(TRANSMIT, 0);
    assert_stopped(rig, TRANSMIT);
    assert!(rig.host.printed.is_empty());
}

pub fn input_buffers_of_a_gigabyte(rig: &mut Rig, _: Which) {
    rig.start(ALL, 64);
    huge(rig, RECEIVE, 0, 64, true);
    rig.offer(RECEIVE, 0);
    rig.with(|slot, cx| slot.console_input(b"x", cx));
    assert_eq!(rig.used(RECEIVE), [(0, 1)]);
}

pub fn input_without_end(rig: &mut Rig, _: Which) {
    rig.start(ALL, 8);
    let taken: usize = (0..1000)
        .map(|_| rig.with(|slot, cx| slot.console_input(&[0x61; 1000], cx)))
        .sum();
    assert_eq!(taken, INPUT_LIMIT);
}

pub fn random_bytes_by_the_gigabyte(rig: &mut Rig, _: Which) {
    rig.start(ALL, 64);
    huge(rig, 0, 0, 64, true);
    rig.offer_and_notify(0, 0);
    assert_eq!(rig.used(0), [(0, rng::CHAIN_LIMIT)]);
}

// V14

pub fn sectors_beyond_the_disk(rig: &mut Rig, _: Which) {
    for acknowledged in [RO, Features::default()] {
        // The disk of a rig like the caller's, and one that cannot be written.
        for which in [Which::Blk, Which::ReadOnly] {
            let features = if which == Which::Blk {
                ALL
            } else {
                ALL.with(acknowledged)
            };
            let mut other = Rig::running(which, features.with(FLUSH), 8);
            for sector in [
                SECTORS,
                SECTORS - 1,
                1 << 54,
                1 << 55,
                1 << 63,
                u64::MAX - 1,
                u64::MAX,
                u64::MAX / 512,
                u64::MAX / 512 + 1,
            ] {
                for (kind, write) in [(0, true), (1, false)] {
                    let before = other.host.disk.clone();
                    assert_eq!(
                        other.request(kind, sector, 1024, write),
                        Some(1),
                        "{sector}"
                    );
                    assert!(other.host.disk == before);
                }
            }
            assert!(other.host.requests.is_empty());
            if which == Which::ReadOnly {
                assert_eq!(other.request(1, 0, 512, false), Some(1));
                assert!(other.host.requests.is_empty());
            }
        }
    }
    rig.start(ALL, 8);
}

pub fn lengths_that_are_no_sectors(rig: &mut Rig, _: Which) {
    rig.start(ALL.with(FLUSH), 8);
    for len in [1, 2, 511, 513, 1023, 1025] {
        assert_eq!(rig.request(0, 0, len, true), Some(1));
        assert_eq!(rig.request(1, 0, len, false), Some(1));
    }
    assert!(rig.host.requests.is_empty());
}

pub fn ranges_beyond_the_disk(rig: &mut Rig, _: Which) {
    rig.start(ALL.with(FLUSH).with(DISCARD).with(WRITE_ZEROES), 8);
    for kind in [11, 13] {
        for (sector, count) in [
            (SECTORS, 1),
            (0, SECTORS as u32 + 1),
            (u64::MAX, 2),
            (1 << 63, 1),
        ] {
            let raw = u128::from(sector) | u128::from(count) << 64;
            rig.poke(DATA, &raw.to_le_bytes());
            assert_eq!(rig.request(kind, 0, 16, false), Some(1));
        }
    }
    assert!(rig.host.requests.is_empty());
}

// V15

pub fn configuration_read_at_every_offset_and_width(rig: &mut Rig, _: Which) {
    for running in [false, true] {
        if running {
            rig.start(ALL, 8);
        }
        for width in WIDTHS {
            for offset in CONFIG..WINDOW {
                let value = rig.read_at(offset, width);
                assert_eq!(value & !width.mask(), 0);
                if offset >= CONFIG + 60 {
                    assert_eq!(value, 0);
                }
            }
            for offset in [
                WINDOW,
                WINDOW + 1,
                u64::from(u32::MAX),
                u64::MAX - 7,
                u64::MAX,
            ] {
                assert_eq!(rig.read_at(offset, width), 0);
            }
        }
    }
}

pub fn configuration_written_at_every_offset_and_width(rig: &mut Rig, which: Which) {
    for running in [false, true] {
        if running {
            rig.start(ALL, 8);
        }
        let before = format!("{:?}", rig.slot);
        for width in WIDTHS {
            for offset in (CONFIG..WINDOW).chain([WINDOW, u64::MAX - 7, u64::MAX]) {
                for value in [0, u64::MAX] {
                    rig.write_at(offset, width, value);
                }
            }
        }
        assert_eq!(before, format!("{:?}", rig.slot));
        let printed = if which == Which::Console { 8 } else { 0 };
        assert_eq!(core::mem::take(&mut rig.host.printed).len(), printed);
    }
}

// V24

/// The state is copied with requests under way, as a snapshot would be; the copy finishes them.
pub fn snapshot_with_requests_under_way(rig: &mut Rig, _: Which) {
    rig.start(ALL, 16);
    start_reads(rig, 4);
    let saved = (
        rig.slot.clone(),
        rig.pending.clone(),
        rig.peek(RAM_BASE, RAM as usize),
    );
    rig.start(ALL, 16);
    (rig.slot, rig.pending) = (saved.0, saved.1);
    rig.poke(RAM_BASE, &saved.2);
    for token in rig.host.tokens.clone() {
        rig.pending.complete(token, Ok(vec![0xaa; 512]));
    }
    rig.settle();
    assert_eq!(rig.used_index(0), 4);
    assert_ne!(rig.take_interrupts(), 0);
}

pub fn snapshot_with_input_waiting(rig: &mut Rig, _: Which) {
    rig.start(ALL, 8);
    rig.with(|slot, cx| slot.console_input(b"waiting", cx));
    let slot = rig.slot.clone();
    rig.with(|slot, cx| slot.reset(cx));
    rig.slot = slot;
    rig.chain(RECEIVE, 0, &[(BUFFERS, 16, true)]);
    rig.offer_and_notify(RECEIVE, 0);
    assert_eq!(rig.peek(BUFFERS, 7), b"waiting");
    assert_ne!(rig.take_interrupts(), 0);
}

/// What is left in the ring when the limit is reached is taken up without a notification, and the
/// driver is asked for the next one when the ring is empty.
pub fn more_requests_than_are_taken_at_once(rig: &mut Rig, _: Which) {
    let config = BlockConfig {
        sectors: 1 << 20,
        ..BlockConfig::default()
    };
    let mut big = Rig::with_device(DeviceKind::Block(Blk::new(config).unwrap()));
    big.start(ALL.with(FLUSH), 64);
    big.host.fault = Some(Submitted::Pending);
    for n in 0..20u16 {
        big.header(BUFFERS, 0, 0);
        big.chain(
            0,
            3 * n,
            &[(BUFFERS, 16, false), (DATA, PIECE, true), (STATUS, 1, true)],
        );
        big.offer(0, 3 * n);
    }
    big.notify(0);
    assert_eq!(big.host.requests.len(), 16);
    for n in 0..20 {
        let token = big.host.tokens[n];
        big.pending.complete(token, Ok(vec![1; PIECE as usize]));
        big.settle();
    }
    assert_eq!(big.used(0).len(), 20);
    assert_eq!(big.avail_event(0), 20);
    rig.start(ALL, 8);
}
