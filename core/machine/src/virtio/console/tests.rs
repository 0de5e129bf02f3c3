//! The console, statement by statement: section 5.3.

use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::mem::Width;
use crate::virtio::device::DeviceKind;
use crate::virtio::regs::{CONFIG, interrupt};
use crate::virtio::testing::*;

fn rig() -> Rig {
    Rig::running(Which::Console, ALL.with(SIZE).with(EMERG_WRITE), 8)
}

fn input(rig: &mut Rig, bytes: &[u8]) -> usize {
    rig.with(|slot, cx| slot.console_input(bytes, cx))
}

#[test]
fn output_reaches_its_console() {
    let mut rig = rig();
    rig.poke(BUFFERS, b"hello");
    rig.chain(TRANSMIT, 0, &[(BUFFERS, 2, false), (BUFFERS + 2, 3, false)]);
    rig.offer_and_notify(TRANSMIT, 0);
    assert_eq!(rig.host.printed, b"hello");
    assert!(
        rig.host
            .consoles
            .iter()
            .all(|id| *id == ConsoleId::Virtio(1))
    );
    assert_eq!(rig.used(TRANSMIT), [(0, 0)]);
    assert_eq!(rig.take_interrupts(), interrupt::USED_BUFFER);
}

#[test]
fn output_keeps_its_order_over_chains() {
    let mut rig = rig();
    for (index, byte) in b"abcdefgh".iter().enumerate() {
        rig.poke(BUFFERS + index as u64, &[*byte]);
        rig.chain(
            TRANSMIT,
            index as u16,
            &[(BUFFERS + index as u64, 1, false)],
        );
        rig.offer(TRANSMIT, index as u16);
    }
    rig.notify(TRANSMIT);
    assert_eq!(rig.host.printed, b"abcdefgh");
}

#[test]
fn output_comes_in_pieces_of_bounded_length() {
    let mut rig = rig();
    let text: Vec<u8> = (0..10_000u32).map(|at| at as u8).collect();
    rig.poke(BUFFERS, &text);
    rig.chain(TRANSMIT, 0, &[(BUFFERS, 10_000, false)]);
    rig.offer_and_notify(TRANSMIT, 0);
    assert_eq!(rig.host.printed, text);
    assert_eq!(rig.host.longest_print, PIECE);
}

#[test]
fn input_waits_for_buffers() {
    let mut rig = rig();
    assert_eq!(input(&mut rig, b"typed"), 5);
    assert_eq!(rig.used(RECEIVE), []);
    rig.chain(RECEIVE, 0, &[(BUFFERS, 3, true)]);
    rig.chain(RECEIVE, 1, &[(BUFFERS + 16, 16, true)]);
    rig.offer(RECEIVE, 0);
    rig.offer_and_notify(RECEIVE, 1);
    assert_eq!(rig.used(RECEIVE), [(0, 3), (1, 2)]);
    assert_eq!(rig.peek(BUFFERS, 3), b"typ");
    assert_eq!(rig.peek(BUFFERS + 16, 2), b"ed");
}

#[test]
fn input_goes_into_buffers_that_wait() {
    let mut rig = rig();
    rig.chain(RECEIVE, 0, &[(BUFFERS, 16, true)]);
    rig.offer_and_notify(RECEIVE, 0);
    assert_eq!(rig.used_index(RECEIVE), 0);
    assert_eq!(input(&mut rig, b"x"), 1);
    assert_eq!(rig.used(RECEIVE), [(0, 1)]);
    assert_eq!(rig.take_interrupts(), interrupt::USED_BUFFER);
    assert_eq!(rig.peek(BUFFERS, 2), b"x\0");
}

#[test]
fn input_that_wraps_around_the_buffer_keeps_its_order() {
    let mut rig = rig();
    let mut expected = Vec::new();
    let mut got = Vec::new();
    for round in 0..40u32 {
        let bytes: Vec<u8> = (0..6000u32).map(|at| (at * 7 + round) as u8).collect();
        expected.extend_from_slice(&bytes[..input(&mut rig, &bytes)]);
        rig.chain(RECEIVE, 0, &[(BUFFERS, 5000, true)]);
        rig.offer_and_notify(RECEIVE, 0);
        for (_, len) in rig.used(RECEIVE) {
            got.extend(rig.peek(BUFFERS, len as usize));
        }
    }
    assert!(got.len() > INPUT_LIMIT);
    assert!(expected.starts_with(&got));
}

#[test]
fn input_is_taken_up_to_its_limit() {
    let mut rig = rig();
    assert_eq!(input(&mut rig, &vec![0; INPUT_LIMIT - 1]), INPUT_LIMIT - 1);
    assert_eq!(input(&mut rig, b"abc"), 1);
    assert_eq!(input(&mut rig, b"abc"), 0);
    rig.chain(RECEIVE, 0, &[(BUFFERS, 2, true)]);
    rig.offer_and_notify(RECEIVE, 0);
    assert_eq!(input(&mut rig, b"abc"), 2);
}

// 5.3.4 Configuration

#[test]
fn size_is_columns_then_rows() {
    let mut rig = Rig::new(Which::Console);
    assert!(rig.offered().contains(SIZE));
    assert_eq!(rig.read_at(CONFIG, Width::B2), 80);
    assert_eq!(rig.read_at(CONFIG + 2, Width::B2), 25);
    assert_eq!(rig.read_at(CONFIG + 4, Width::B4), 0, "max_nr_ports");
    assert_eq!(rig.read_at(CONFIG + 8, Width::B4), 0, "emerg_wr");
}

#[test]
fn multiport_is_not_offered() {
    assert_eq!(Rig::new(Which::Console).offered().0 & 2, 0);
}

// 5.3.5.1

#[test]
fn emergency_output_works_in_every_state_of_the_device() {
    for state in 0..4 {
        let mut rig = Rig::new(Which::Console);
        assert!(rig.offered().contains(EMERG_WRITE));
        match state {
            0 => {}
            1 => rig.acknowledge(),
            2 => rig.start(ALL, 8),
            _ => {
                rig.start(ALL, 8);
                rig.or_status(128);
            }
        }
        rig.write_at(CONFIG + 8, Width::B4, 0x1234_5641);
        assert_eq!(rig.host.printed, b"A", "{state}");
    }
}

#[test]
fn emergency_output_is_the_low_byte_of_its_register_alone() {
    let mut rig = Rig::new(Which::Console);
    for width in [Width::B1, Width::B2, Width::B4, Width::B8] {
        rig.write_at(CONFIG + 8, width, 0x4243_4445_4647_4861);
    }
    assert_eq!(rig.host.printed, b"aaaa");
    for offset in [0, 4, 9, 10, 11, 12] {
        rig.write_at(CONFIG + offset, Width::B1, 0x62);
    }
    assert_eq!(rig.host.printed, b"aaaa");
}

#[test]
fn consoles_go_by_their_number() {
    let mut rig = Rig::with_device(DeviceKind::Console(Console::new(ConsoleConfig {
        console: 3,
        ..ConsoleConfig::default()
    })));
    rig.write_at(CONFIG + 8, Width::B4, 0x41);
    assert_eq!(rig.host.consoles, [ConsoleId::Virtio(3)]);
}
