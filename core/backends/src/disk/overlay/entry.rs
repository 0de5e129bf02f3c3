//! What the map says of one cluster.

/// Parts of a cluster, each of which is in the base, zero, or in the file.
pub const PARTS: u32 = 16;

/// One entry of the map, as it stands in the file: `location` in bits 0 to 31, `present` in 32 to
/// 47, `zeroed` in 48 to 63.
///
/// Part `i` of the cluster is in the file if bit `i` of `present` is set, reads as zero if bit
/// `i` of `zeroed` is set, and is in the base if neither is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Entry(pub u64);

impl Entry {
    /// All of the cluster is in the base.
    pub const BASE: Self = Self(0);

    pub fn new(location: u32, present: u16, zeroed: u16) -> Self {
        Self(u64::from(location) | u64::from(present) << 32 | u64::from(zeroed) << 48)
    }

    /// Number of the data cluster in the file that belongs to this one, from 1; 0 for none.
    pub fn location(self) -> u32 {
        self.0 as u32
    }

    pub fn present(self) -> u16 {
        (self.0 >> 32) as u16
    }

    pub fn zeroed(self) -> u16 {
        (self.0 >> 48) as u16
    }

    /// The entry `n` places further in a run that begins with this one: the same parts, in the
    /// data cluster `n` further on. `None` beyond the last number of a data cluster.
    pub fn step(self, n: u32) -> Option<Self> {
        match self.location() {
            0 => Some(self),
            location => Some(Self::new(
                location.checked_add(n)?,
                self.present(),
                self.zeroed(),
            )),
        }
    }
}
