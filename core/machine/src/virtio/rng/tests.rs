//! The entropy device: section 5.4 of the standard.

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
fn a_buffer_is_filled() {
    let mut rig = Rig::running(Which::Rng, ALL, 8);
    rig.chain(0, 0, &[(BUFFERS, 100, true)]);
    rig.offer_and_notify(0, 0);
    assert_eq!(rig.used(0), [(0, 100)]);
    assert_ne!(rig.peek(BUFFERS, 100), [0; 100]);
}
