//! Which data clusters of the file are taken.

use alloc::vec::Vec;

/// Data clusters by number, from 1 to `limit`. Takes an eighth of a byte for each in the file.
#[derive(Clone, Debug)]
pub struct Space {
    limit: u32,
    /// Bit `n - 1` for data cluster `n`.
    taken: Vec<u64>,
    count: u32,
    /// No word before this one has a free bit.
    low: usize,
    /// Given back, but the map in the file may still name them: what a crash leaves must not
    /// find another cluster's bytes there.
    leaving: Vec<u32>,
}

impl Space {
    pub fn new(limit: u32) -> Self {
        Self {
            limit,
            taken: Vec::new(),
            count: 0,
            low: 0,
            leaving: Vec::new(),
        }
    }

    fn bit(location: u32) -> (usize, u64) {
        let n = location.saturating_sub(1);
        ((n / 64) as usize, 1 << (n % 64))
    }

    /// Takes this one. `false` if it is taken or there is none of that number.
    pub fn take(&mut self, location: u32) -> bool {
        if location == 0 || location > self.limit {
            return false;
        }
        let (word, bit) = Self::bit(location);
        if self.taken.len() <= word {
            self.taken.resize(word + 1, 0);
        }
        let Some(word) = self.taken.get_mut(word) else {
            return false;
        };
        if *word & bit != 0 {
            return false;
        }
        *word |= bit;
        self.count += 1;
        true
    }

    /// Takes the free one with the lowest number, which keeps the file short.
    pub fn take_any(&mut self) -> Option<u32> {
        while self
            .taken
            .get(self.low)
            .is_some_and(|word| *word == u64::MAX)
        {
            self.low += 1;
        }
        let free = self
            .taken
            .get(self.low)
            .map_or(0, |word| word.trailing_ones());
        let location = (self.low as u32) * 64 + free + 1;
        self.take(location).then_some(location)
    }

    /// Gives back one that no map ever named.
    pub fn release(&mut self, location: u32) {
        let (at, bit) = Self::bit(location);
        if let Some(word) = self.taken.get_mut(at)
            && *word & bit != 0
        {
            *word &= !bit;
            self.count -= 1;
            self.low = self.low.min(at);
        }
    }

    /// Gives back one that the map in the file may name until [`Space::settle`].
    pub fn leave(&mut self, location: u32) {
        self.leaving.push(location);
    }

    pub fn is_leaving(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// The map in the file is that in memory.
    pub fn settle(&mut self) {
        for location in core::mem::take(&mut self.leaving) {
            self.release(location);
        }
    }

    /// Number of data clusters that are taken.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The highest number that is taken, 0 for none.
    pub fn highest(&mut self) -> u32 {
        while self.taken.last().is_some_and(|word| *word == 0) {
            self.taken.pop();
        }
        self.taken.last().map_or(0, |word| {
            (self.taken.len() as u32) * 64 - word.leading_zeros()
        })
    }
}
