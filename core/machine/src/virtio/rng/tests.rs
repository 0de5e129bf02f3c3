//! The entropy device, statement by statement: section 5.4.

use alloc::vec::Vec;

use super::*;
use crate::virtio::testing::*;

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let fill = |seed, instance| {
        let mut bytes = [0; PIECE];
        Rng::new(seed, instance).fill(&mut bytes, PIECE);
        bytes
    };
    assert_eq!(fill(7, 0), fill(7, 0));
    assert_ne!(fill(7, 0), fill(8, 0));
    assert_ne!(fill(7, 0), fill(7, 1));
}

#[test]
fn the_stream_does_not_depend_on_how_it_is_cut() {
    let mut whole = [0; PIECE];
    Rng::new(1, 0).fill(&mut whole, 1000);
    let mut rng = Rng::new(1, 0);
    let mut cut = Vec::new();
    for len in [1, 63, 64, 65, 0, 7, 800] {
        let mut piece = [0; PIECE];
        rng.fill(&mut piece, len);
        cut.extend_from_slice(&piece[..len]);
    }
    assert_eq!(cut, whole[..1000]);
}

#[test]
fn the_stream_goes_on_under_the_next_nonce() {
    let at = |position| {
        let mut rng = Rng::new(1, 0);
        rng.position = position;
        let mut bytes = [0; PIECE];
        rng.fill(&mut bytes, PIECE);
        bytes
    };
    let start = at(0);
    for position in [
        1 << NONCE_SHIFT,
        (1 << NONCE_SHIFT) - 1,
        u64::MAX,
        u64::MAX - 4096,
    ] {
        assert_ne!(at(position), start);
    }
}

// 5.4.6.2

#[test]
fn a_buffer_gets_at_least_one_byte_and_is_told_how_many() {
    let mut rig = Rig::running(Which::Rng, ALL, 8);
    for len in [1, 7, 100, 1024, 1025, CHAIN_LIMIT] {
        rig.memory()
            .zero(crate::mem::PhysAddr(BUFFERS), 1 << 17)
            .unwrap();
        rig.chain(
            0,
            0,
            &[
                (BUFFERS, len / 2, true),
                (BUFFERS + u64::from(len / 2), len - len / 2, true),
            ],
        );
        rig.offer_and_notify(0, 0);
        assert_eq!(rig.used(0), [(0, len)]);
        let bytes = rig.peek(BUFFERS, len as usize + 1);
        assert_eq!(bytes[len as usize], 0, "no byte behind the buffer");
        if len >= 100 {
            let zeros = bytes.iter().filter(|byte| **byte == 0).count();
            assert!(zeros < len as usize / 16 + 2, "{zeros} zeros of {len}");
        }
    }
}

#[test]
fn two_buffers_get_different_bytes() {
    let mut rig = Rig::running(Which::Rng, ALL, 8);
    rig.chain(0, 0, &[(BUFFERS, 32, true)]);
    rig.chain(0, 1, &[(BUFFERS + 32, 32, true)]);
    rig.offer(0, 0);
    rig.offer_and_notify(0, 1);
    assert_ne!(rig.peek(BUFFERS, 32), rig.peek(BUFFERS + 32, 32));
}

#[test]
fn readable_buffers_are_not_written() {
    let mut rig = Rig::running(Which::Rng, ALL, 8);
    rig.poke(BUFFERS, &[0x55; 64]);
    rig.chain(0, 0, &[(BUFFERS, 32, false), (BUFFERS + 32, 8, true)]);
    rig.offer_and_notify(0, 0);
    assert_eq!(rig.used(0), [(0, 8)]);
    assert_eq!(rig.peek(BUFFERS, 32), [0x55; 32]);
    assert_eq!(rig.peek(BUFFERS + 40, 24), [0x55; 24]);
}

#[test]
fn there_is_no_configuration_and_no_feature() {
    assert_eq!(Rig::new(Which::Rng).offered(), ALL);
}
