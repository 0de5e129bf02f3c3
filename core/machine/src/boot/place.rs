//! Who lies where in RAM.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use crate::map::MAX_RAM;

/// The RAM of a machine and what has been put there.
#[derive(Clone, Debug)]
pub struct Placement {
    ram: Range<u64>,
    taken: Vec<(Range<u64>, &'static str)>,
}

impl Placement {
    /// Empty RAM at these physical addresses.
    pub fn new(ram: Range<u64>) -> Self {
        Self {
            ram,
            taken: Vec::new(),
        }
    }

    /// The address after the last byte of RAM.
    pub fn end(&self) -> u64 {
        self.ram.end
    }

    /// Takes `size` bytes at `at` for `what`. The error says why they cannot be had.
    pub fn claim(&mut self, what: &'static str, at: u64, size: u64) -> Result<(), String> {
        let end = at.checked_add(size);
        let Some(end) = end.filter(|end| at >= self.ram.start && *end <= self.ram.end) else {
            // Where no RAM can be it is an image for another machine, which no size helps.
            let possible = self.ram.start..self.ram.start.saturating_add(MAX_RAM);
            let remedy = if possible.contains(&at) {
                "; give the machine more memory"
            } else {
                ""
            };
            return Err(format!(
                "needs {size} bytes at {at:#x}, which lie outside the memory ({:#x} to {:#x}){remedy}",
                self.ram.start, self.ram.end
            ));
        };
        if let Some((other, owner)) = self.overlap(at, end) {
            return Err(format!(
                "needs {at:#x} to {end:#x}, where the {owner} lies ({:#x} to {:#x})",
                other.start, other.end
            ));
        }
        if size != 0 {
            self.taken.push((at..end, what));
        }
        Ok(())
    }

    /// Whether `size` bytes at `at` are RAM that nobody has taken.
    pub fn is_free(&self, at: u64, size: u64) -> bool {
        at.checked_add(size).is_some_and(|end| {
            at >= self.ram.start && end <= self.ram.end && self.overlap(at, end).is_none()
        })
    }

    /// The highest multiple of `align`, a power of two, at which `size` bytes below `limit` are
    /// free.
    pub fn highest(&self, size: u64, align: u64, limit: u64) -> Option<u64> {
        let mut end = limit.min(self.ram.end);
        // Bounded by the number of those who have taken something: each round goes below one.
        loop {
            let at = end.checked_sub(size)? & !(align - 1);
            if at < self.ram.start {
                return None;
            }
            match self.overlap(at, at + size) {
                Some((other, _)) => end = other.start,
                None => return Some(at),
            }
        }
    }

    /// Somebody who has bytes between `at` and `end`.
    fn overlap(&self, at: u64, end: u64) -> Option<&(Range<u64>, &'static str)> {
        self.taken
            .iter()
            .find(|(range, _)| range.start < end && at < range.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ram() -> Placement {
        Placement::new(0x1000..0x9000)
    }

    #[test]
    fn claims_outside_memory_are_refused() {
        for (at, size) in [
            (0, 0x1000),
            (0xfff, 1),
            (0x8fff, 2),
            (0x9000, 1),
            (0x1000, u64::MAX),
            (u64::MAX, 1),
        ] {
            assert!(!ram().is_free(at, size));
            let error = ram().claim("x", at, size).unwrap_err();
            assert!(error.contains("outside the memory"), "{error}");
        }
        assert!(ram().claim("x", 0x1000, 0x8000).is_ok());
    }

    #[test]
    fn remedy_is_named_where_it_is_one() {
        for (at, more) in [
            (0, false),
            (0x8fff, true),
            (0x9000, true),
            (0x1000 + MAX_RAM, false),
            (u64::MAX - 9, false),
        ] {
            let error = ram().claim("x", at, 2).unwrap_err();
            assert_eq!(error.contains("more memory"), more, "{at:#x}: {error}");
        }
    }

    #[test]
    fn overlap_names_who_lies_there() {
        let mut ram = ram();
        ram.claim("kernel", 0x2000, 0x1000).unwrap();
        for (at, size) in [(0x2000, 1), (0x2fff, 1), (0x1fff, 2), (0x1000, 0x4000)] {
            let error = ram.claim("x", at, size).unwrap_err();
            assert!(error.contains("kernel"), "{error}");
        }
        assert!(ram.claim("x", 0x1fff, 1).is_ok());
        assert!(ram.claim("x", 0x3000, 1).is_ok());
    }

    #[test]
    fn highest_free_place_is_found_below_what_is_taken() {
        let mut ram = ram();
        assert_eq!(ram.highest(0x100, 0x1000, u64::MAX), Some(0x8000));
        assert_eq!(ram.highest(0x100, 0x1000, 0x8000), Some(0x7000));
        ram.claim("a", 0x7800, 0x1000).unwrap();
        assert_eq!(ram.highest(0x100, 0x1000, u64::MAX), Some(0x7000));
        assert_eq!(ram.highest(0x900, 0x1000, u64::MAX), Some(0x6000));
        assert_eq!(ram.highest(0x100, 0x100, u64::MAX), Some(0x8f00));
        ram.claim("b", 0x1000, 0x5f80).unwrap();
        assert_eq!(ram.highest(0x1000, 0x1000, u64::MAX), None);
        assert_eq!(ram.highest(u64::MAX, 1, u64::MAX), None);
    }
}
