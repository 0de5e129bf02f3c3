//! The time that is handed to the machine.

use std::time::{Duration, Instant, SystemTime};

use virtarium_machine::time::Nanos;

/// Time since the machine was switched on.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The wall clock's.
    Host {
        /// When the machine was switched on; later by as long as it was stopped.
        start: Instant,
    },
    /// The machine makes its own from the instructions; the host's counts for nothing.
    Deterministic,
}

impl Clock {
    /// A clock that starts now.
    pub fn new(deterministic: bool) -> Self {
        match deterministic {
            true => Self::Deterministic,
            false => Self::Host {
                start: Instant::now(),
            },
        }
    }

    /// The time to hand to the machine.
    pub fn now(&self) -> Nanos {
        match self {
            Self::Host { start } => {
                Nanos(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX))
            }
            Self::Deterministic => Nanos(0),
        }
    }

    /// How long the host must wait until `until`; nothing if the machine makes its own time.
    pub fn until(&self, until: Nanos) -> Duration {
        match self {
            Self::Host { .. } => Duration::from_nanos(until.0.saturating_sub(self.now().0)),
            Self::Deterministic => Duration::ZERO,
        }
    }

    /// Leaves out a time in which the machine was stopped.
    pub fn leave_out(&mut self, stopped: Duration) {
        if let Self::Host { start } = self {
            *start += stopped;
        }
    }
}

/// Seconds since 1970.
pub fn epoch() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
