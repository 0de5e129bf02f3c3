//! The fuzz target of the virtio devices in this process: random drivers for a bounded number of
//! rounds.

use virtarium_tests::fuzz::fuzz_virtio_mmio;
use virtarium_tests::random::{Rng, seed, soak};

#[test]
fn random_drivers_leave_every_virtio_device_sound() {
    let seed = seed("virtio");
    for round in 0..if soak() { 200_000 } else { 2_000 } {
        let mut rng = Rng::case(seed, round);
        let len = 64 + rng.below(4096);
        let mut steps: Vec<u8> = (0..len).map(|_| rng.next() as u8).collect();
        // Most drivers begin with the device running, on each device equally often.
        steps[0] = round as u8;
        steps[1] = u8::from(!rng.once_in(4));
        fuzz_virtio_mmio(&steps);
    }
}
