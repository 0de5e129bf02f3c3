//! Memory that the guest can read and fetch from, and not write: the reset ROM.

use alloc::vec::Vec;

use crate::bus::{Ctx, Device};
use crate::mem::Width;

/// A ROM. Beyond its contents it reads as zero.
#[derive(Clone, PartialEq, Eq, Debug, Default, Hash)]
pub struct Rom {
    bytes: Vec<u8>,
}

impl Rom {
    /// A ROM with these contents.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// The contents, without the zeroes that follow.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The little-endian value at `offset`, at any alignment.
    pub fn load(&self, offset: u64, width: Width) -> u64 {
        // Bounded by the width.
        (0..width.bytes()).rev().fold(0, |value, byte| {
            let at = usize::try_from(offset.saturating_add(byte)).unwrap_or(usize::MAX);
            value << 8 | u64::from(self.bytes.get(at).copied().unwrap_or(0))
        })
    }
}

impl Device for Rom {
    fn read(&mut self, offset: u64, width: Width, _: &mut Ctx<'_>) -> u64 {
        self.load(offset, width)
    }

    fn write(&mut self, _: u64, _: Width, _: u64, _: &mut Ctx<'_>) {}
}

#[cfg(test)]
mod tests {
    use super::super::bench::Bench;
    use super::*;

    #[test]
    fn reads_are_little_endian_and_zero_beyond_the_contents() {
        let rom = Rom::new((1..=10).collect());
        assert_eq!(rom.load(0, Width::B8), 0x0807_0605_0403_0201);
        assert_eq!(rom.load(1, Width::B2), 0x0302);
        assert_eq!(rom.load(8, Width::B4), 0x0a09);
        assert_eq!(rom.load(10, Width::B1), 0);
        assert_eq!(rom.load(u64::MAX, Width::B8), 0);
    }

    #[test]
    fn writes_change_nothing() {
        let mut rom = Rom::new((1..=8).collect());
        Bench::new().write(&mut rom, 0, Width::B8, u64::MAX);
        assert_eq!(rom.load(0, Width::B1), 1);
    }
}
