//! Numbers that find mistakes.

use super::layout::{PAGES, USER_VA, WINDOW_VA};
use crate::random::Rng;

/// Corners of integers.
pub const CORNERS: [u64; 44] = [
    0,
    1,
    2,
    3,
    5,
    7,
    8,
    31,
    32,
    33,
    63,
    64,
    65,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x7fff_fffe,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0001,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0001,
    0x5555_5555_5555_5555,
    0xaaaa_aaaa_aaaa_aaaa,
    0x0123_4567_89ab_cdef,
    0x00ff_00ff_00ff_00ff,
    0x7fff_ffff_ffff_fffe,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0x8000_0000_0000_0001,
    0xffff_ffff_0000_0000,
    0xffff_ffff_7fff_ffff,
    0xffff_ffff_8000_0000,
    0xffff_ffff_ffff_8000,
    0xffff_ffff_ffff_ff80,
    0xffff_ffff_ffff_fffe,
    u64::MAX,
];

/// Corners of binary64.
const DOUBLES: [u64; 20] = [
    0x0000_0000_0000_0000,
    0x8000_0000_0000_0000,
    0x0000_0000_0000_0001,
    0x000f_ffff_ffff_ffff,
    0x0010_0000_0000_0000,
    0x0010_0000_0000_0001,
    0x3ca0_0000_0000_0000,
    0x3fef_ffff_ffff_ffff,
    0x3ff0_0000_0000_0000,
    0x3ff0_0000_0000_0001,
    0x3ff8_0000_0000_0000,
    0x4340_0000_0000_0000,
    0x41df_ffff_ffc0_0000,
    0x43e0_0000_0000_0000,
    0xc3e0_0000_0000_0000,
    0x7fef_ffff_ffff_ffff,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    0x7ff0_0000_0000_0001,
    0x7ff8_0000_0000_0000,
];

/// Corners of binary32.
const SINGLES: [u32; 18] = [
    0x0000_0000,
    0x8000_0000,
    0x0000_0001,
    0x007f_ffff,
    0x0080_0000,
    0x0080_0001,
    0x3f7f_ffff,
    0x3f80_0000,
    0x3f80_0001,
    0x3fc0_0000,
    0x4b00_0000,
    0x4f00_0000,
    0xcf00_0000,
    0x5f00_0000,
    0x7f7f_ffff,
    0x7f80_0000,
    0x7f80_0001,
    0x7fc0_0000,
];

/// One of a list.
pub fn pick<T: Copy>(rng: &mut Rng, list: &[T]) -> T {
    list[rng.below(list.len() as u64) as usize]
}

/// An integer: a corner, one near a corner, a short one, or any.
pub fn integer(rng: &mut Rng) -> u64 {
    match rng.below(6) {
        0 | 1 => pick(rng, &CORNERS),
        2 => pick(rng, &CORNERS)
            .wrapping_add(rng.below(5))
            .wrapping_sub(2),
        3 => rng.next() >> rng.below(64),
        4 => ((rng.next() as i64) >> rng.below(64)) as u64,
        _ => rng.next(),
    }
}

/// The bits of a floating-point register: doubles, boxed singles, and singles that are not boxed
/// as they must be.
pub fn float(rng: &mut Rng) -> u64 {
    let double = |rng: &mut Rng| match rng.below(4) {
        0 => rng.next(),
        // An exponent near the middle, so that sums and products meet.
        1 => rng.next() & 0x800f_ffff_ffff_ffff | (1023 - 40 + rng.below(80)) << 52,
        2 => integer(rng),
        _ => pick(rng, &DOUBLES) ^ (rng.next() & 1 << 63),
    };
    let single = |rng: &mut Rng| match rng.below(4) {
        0 => rng.next() as u32,
        1 => rng.next() as u32 & 0x807f_ffff | (127 - 20 + rng.below(40) as u32) << 23,
        2 => pick(rng, &SINGLES),
        _ => pick(rng, &SINGLES) ^ (rng.next() as u32 & 1 << 31),
    };
    match rng.below(16) {
        0..=7 => double(rng),
        8..=14 => 0xffff_ffff_0000_0000 | u64::from(single(rng)),
        _ => rng.next() << 32 | u64::from(single(rng)),
    }
}

/// A word of memory.
pub fn memory(rng: &mut Rng) -> u64 {
    if rng.once_in(2) {
        integer(rng)
    } else {
        float(rng)
    }
}

/// An address where an access or a fetch faults, in every mode or in some: holes of the physical
/// address space, pages that are not mapped, addresses that are not canonical.
pub fn bad_address(rng: &mut Rng) -> u64 {
    const BAD: [u64; 17] = [
        // Between devices.
        0x40,
        0x2_0000,
        0x700_0000,
        0x1800_0000,
        // Far above RAM.
        0x9_0000_0000,
        0x3f_ffff_fff0,
        0x40_0000_0000,
        0x7f_ffff_fffc,
        0x80_0000_0000,
        0x8000_0000_0000,
        0x0100_0000_0000_0000,
        0x0100_0000_8002_0000,
        0xffff_ffff_0000_0000,
        0xffff_ffc0_0000_0000,
        0xffff_ffff_ffff_fff0,
        0x8000_0000_8002_0f00,
        super::layout::MISALIGNED_VA,
    ];
    match rng.below(6) {
        // Where the window's pages end, and the next is not mapped.
        0 => WINDOW_VA + 0x1ff0,
        1 => WINDOW_VA + 0x20_0000,
        // The user's and the supervisor's view, which the other may not use.
        2 => pick(rng, &VIEWS),
        _ => pick(rng, &BAD),
    }
}

/// The window as the user and as the supervisor sees it without the entries of a block.
pub const VIEWS: [u64; 2] = [USER_VA + 0x2_0f80, PAGES + 0xf80];
