//! The fuzz targets of the board in this process: random bytes, and sound files with damage, for
//! a bounded number of rounds.

use virtarium_tests::fuzz::{fuzz_kernel, fuzz_mmio, kernel_samples};
use virtarium_tests::random::{Rng, seed, soak};

fn rounds(usual: u64) -> u64 {
    if soak() { usual * 100 } else { usual }
}

/// Some bytes changed, a field set to an extreme, bytes cut out or doubled.
fn damage(file: &mut Vec<u8>, rng: &mut Rng) {
    const EXTREMES: [u64; 8] = [
        0,
        1,
        u64::MAX,
        u64::MAX - 7,
        1 << 63,
        1 << 31,
        0xffff_ffff,
        0x8000_0000,
    ];
    for _ in 0..=rng.below(4) {
        if file.len() < 2 {
            return;
        }
        // The first byte is the role of the file.
        let at = 1 + rng.below(file.len() as u64 - 1) as usize;
        let left = file.len() - at;
        match rng.below(6) {
            0 => file[at] ^= 1 << rng.below(8),
            1 => file[at] = rng.next() as u8,
            2 | 3 => {
                let value = EXTREMES[rng.below(8) as usize].wrapping_add(rng.below(3));
                let width = (1usize << rng.below(4)).min(left);
                let bytes = if rng.once_in(4) {
                    value.to_be_bytes()
                } else {
                    value.to_le_bytes()
                };
                file[at..at + width].copy_from_slice(&bytes[..width]);
            }
            4 => file.truncate(at),
            _ => {
                let part = file[at..at + left.min(1 + rng.below(64) as usize)].to_vec();
                let to = 1 + rng.below(file.len() as u64 - 1) as usize;
                file.splice(to..to, part);
            }
        }
    }
}

#[test]
fn damaged_files_make_a_sound_plan_or_an_error() {
    let seed = seed("loaders");
    let samples = kernel_samples();
    for sample in &samples {
        fuzz_kernel(sample);
    }
    for round in 0..rounds(20_000) {
        let mut rng = Rng::case(seed, round);
        let mut file = samples[rng.below(samples.len() as u64) as usize].clone();
        damage(&mut file, &mut rng);
        fuzz_kernel(&file);
    }
}

#[test]
fn random_bytes_make_a_sound_plan_or_an_error() {
    let seed = seed("loaders");
    for round in 0..rounds(2_000) {
        let mut rng = Rng::case(seed, round);
        let len = rng.below(2048) as usize;
        let file: Vec<u8> = (0..len).map(|_| rng.next() as u8).collect();
        fuzz_kernel(&file);
    }
}

#[test]
fn random_accesses_leave_every_chip_sound() {
    let seed = seed("chips");
    for round in 0..rounds(300) {
        let mut rng = Rng::case(seed, round);
        let steps: Vec<u8> = (0..12 * 1000).map(|_| rng.next() as u8).collect();
        fuzz_mmio(&steps);
    }
}
