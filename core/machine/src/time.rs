//! Units of time.

/// Frequency of the `time` CSR in hertz, as the device tree's `timebase-frequency` says.
pub const TIMEBASE_FREQUENCY: u64 = 10_000_000;

/// Nanoseconds in one tick of the `time` CSR.
pub const NANOS_PER_TICK: u64 = 1_000_000_000 / TIMEBASE_FREQUENCY;

/// A point in guest time, or a length of it: ticks of the `time` CSR.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Ticks(pub u64);

impl Ticks {
    /// The moment `length` after this one, at most the end of time.
    pub fn after(self, length: Ticks) -> Ticks {
        Ticks(self.0.saturating_add(length.0))
    }

    /// Nanoseconds since the machine was switched on; saturates after 584 years.
    pub fn to_nanos(self) -> Nanos {
        Nanos(self.0.saturating_mul(NANOS_PER_TICK))
    }
}

/// A point in the embedder's time, or a length of it, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Nanos(pub u64);

impl Nanos {
    /// Whole ticks of the `time` CSR, rounded down.
    pub fn to_ticks(self) -> Ticks {
        Ticks(self.0 / NANOS_PER_TICK)
    }
}
