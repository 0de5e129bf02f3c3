//! Guest time as a function of the instruction count, skips, and what the embedder said.

use super::Clock;
use crate::time::{Nanos, Ticks};

/// How fast guest time may be said to stand still: a tick in this many instructions.
const SLOWEST: u64 = 1 << 32;

/// The machine's clock.
///
/// Between two changes time is a straight line through (`count`, `ticks`), rounded down. With the
/// deterministic clock the line changes only when an idle machine jumps; with the host's at the
/// beginning of a slice.
#[derive(Clone, Debug, Hash)]
pub(super) struct TimeSource {
    kind: Clock,
    /// Instructions in a tick.
    rate: u64,
    /// Where the line begins.
    count: u64,
    ticks: Ticks,
    /// The embedder's time at the last slice, and the instruction count.
    host: Option<(Ticks, u64)>,
    /// The embedder's time at which guest time is zero.
    origin: Option<Ticks>,
}

impl TimeSource {
    pub(super) fn new(kind: Clock, rate: u64) -> Self {
        Self {
            kind,
            rate,
            count: 0,
            ticks: Ticks(0),
            host: None,
            origin: None,
        }
    }

    pub(super) fn kind(&self) -> Clock {
        self.kind
    }

    /// Guest time at an instruction count.
    #[inline]
    pub(super) fn at(&self, count: u64) -> Ticks {
        let passed = count.saturating_sub(self.count) / self.rate;
        self.ticks.after(Ticks(passed))
    }

    /// The instruction count at which it is `ticks`, if nothing changes until then.
    pub(super) fn count_at(&self, ticks: Ticks) -> u64 {
        let ahead = ticks.0.saturating_sub(self.ticks.0);
        self.count.saturating_add(ahead.saturating_mul(self.rate))
    }

    /// An idle machine jumps to a deadline.
    pub(super) fn jump(&mut self, count: u64, to: Ticks) {
        self.ticks = self.at(count).max(to);
        self.count = count;
    }

    /// The embedder says what time it is. Guest time never goes back: where it is ahead, it
    /// stands still until the host's has caught up.
    pub(super) fn sync(&mut self, count: u64, now: Nanos) {
        if self.kind != Clock::Host {
            return;
        }
        let host = now.to_ticks();
        let origin = *self.origin.get_or_insert(host);
        let target = Ticks(host.0.saturating_sub(origin.0));
        let current = self.at(count);
        // The last slice's speed is the guess for this one's.
        if let Some((before, since)) = self.host.replace((host, count)) {
            let passed = host.0.saturating_sub(before.0);
            let made = count.saturating_sub(since);
            if let Some(rate) = made.checked_div(passed)
                && made > 0
            {
                self.rate = rate.clamp(1, SLOWEST);
            }
        }
        if target < current {
            self.rate = SLOWEST;
        }
        self.count = count;
        self.ticks = current.max(target);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deterministic_time_follows_from_the_count() {
        let mut time = TimeSource::new(Clock::Deterministic, 32);
        time.sync(1000, Nanos(123_456_789));
        assert_eq!(time.at(31), Ticks(0));
        assert_eq!(time.at(32), Ticks(1));
        assert_eq!(time.count_at(Ticks(2)), 64);
        time.jump(40, Ticks(100));
        assert_eq!(time.at(40), Ticks(100));
        assert_eq!(time.at(72), Ticks(101));
        assert_eq!(time.count_at(Ticks(101)), 72);
        assert_eq!(time.count_at(Ticks(50)), 40, "what is past is due now");
    }

    #[test]
    fn host_time_never_goes_back() {
        let mut time = TimeSource::new(Clock::Host, 10);
        time.sync(0, Nanos(5_000_000));
        assert_eq!(time.at(0), Ticks(0));
        assert_eq!(time.at(1_000_000), Ticks(100_000));
        // Only 1000 ticks passed outside: time waits.
        time.sync(1_000_000, Nanos(5_100_000));
        assert_eq!(time.at(1_000_000), Ticks(100_000));
        assert_eq!(time.at(2_000_000), Ticks(100_000));
        // The embedder's clock jumps back, and then far ahead.
        time.sync(2_000_000, Nanos(0));
        assert_eq!(time.at(2_000_000), Ticks(100_000));
        time.sync(2_000_100, Nanos(55_000_000));
        assert_eq!(time.at(2_000_100), Ticks(500_000));
    }
}
