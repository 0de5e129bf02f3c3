//! Machine-level software interrupts and timers: ACLINT's MSWI and MTIMER devices, laid out in
//! one window as the older CLINT has them.
//!
//! Source: RISC-V Advanced Core Local Interruptor Specification 1.0-rc4, chapters 2 and 3.
//! Registers are accessed by 4 or 8 bytes; 8 bytes at two 4-byte registers mean both.

use super::merge;
use crate::arena::MAX_HARTS;
use crate::bus::{Ctx, Device};
use crate::mem::Width;
use crate::time::Ticks;

const MSIP: u64 = 0;
const MSIP_END: u64 = MSIP + 4 * MAX_HARTS as u64;
const MTIMECMP: u64 = 0x4000;
const MTIMECMP_END: u64 = MTIMECMP + 8 * MAX_HARTS as u64;
const MTIME: u64 = 0xbff8;
const MTIME_END: u64 = MTIME + 8;

/// The software interrupts and timers of all harts.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct Aclint {
    harts: usize,
    msip: [bool; MAX_HARTS],
    mtimecmp: [u64; MAX_HARTS],
    /// What a write to `mtime` added to guest time; wraps.
    offset: u64,
}

impl Aclint {
    /// For `harts` harts, at most [`MAX_HARTS`]; registers of others do not exist. No software
    /// interrupt and no timer is pending.
    pub fn new(harts: usize) -> Self {
        Self {
            harts: harts.min(MAX_HARTS),
            msip: [false; MAX_HARTS],
            // Never: the specification leaves the reset value open.
            mtimecmp: [u64::MAX; MAX_HARTS],
            offset: 0,
        }
    }

    /// The level of `mip.MSIP` of a hart.
    pub fn msip(&self, hart: usize) -> bool {
        hart < self.harts && self.msip.get(hart).copied().unwrap_or(false)
    }

    /// The level of `mip.MTIP` of a hart at `now`.
    pub fn mtip(&self, hart: usize, now: Ticks) -> bool {
        hart < self.harts && self.mtime(now) >= self.mtimecmp(hart)
    }

    /// The timer of a hart, in the units of [`Aclint::mtime`].
    pub fn mtimecmp(&self, hart: usize) -> u64 {
        self.mtimecmp.get(hart).copied().unwrap_or(u64::MAX)
    }

    /// `mtime`, and therefore the `time` CSR of every hart, when guest time is `now`.
    pub fn mtime(&self, now: Ticks) -> u64 {
        now.0.wrapping_add(self.offset)
    }

    /// The next moment after `now` at which a `MTIP` rises. The highest value of `mtimecmp`,
    /// with which software switches a timer off, is no moment.
    pub fn deadline(&self, now: Ticks) -> Option<Ticks> {
        let mtime = self.mtime(now);
        self.mtimecmp
            .iter()
            .take(self.harts)
            .filter(|compare| **compare != u64::MAX)
            .filter_map(|compare| compare.checked_sub(mtime))
            .filter(|left| *left != 0)
            .min()
            .and_then(|left| now.0.checked_add(left))
            .map(Ticks)
    }

    fn read_word(&self, offset: u64) -> u64 {
        match offset {
            MSIP..MSIP_END => u64::from(self.msip((offset / 4) as usize)),
            _ => 0,
        }
    }

    fn write_word(&mut self, offset: u64, value: u64) {
        if let MSIP..MSIP_END = offset {
            let hart = (offset / 4) as usize;
            if hart < self.harts
                && let Some(msip) = self.msip.get_mut(hart)
            {
                *msip = value & 1 != 0;
            }
        }
    }
}

impl Device for Aclint {
    fn read(&mut self, offset: u64, width: Width, cx: &mut Ctx<'_>) -> u64 {
        let double = match offset {
            MTIMECMP..MTIMECMP_END => {
                let hart = ((offset - MTIMECMP) / 8) as usize;
                if hart < self.harts {
                    self.mtimecmp(hart)
                } else {
                    0
                }
            }
            MTIME..MTIME_END => self.mtime(cx.now),
            _ if width == Width::B8 => {
                self.read_word(offset) | self.read_word(offset.saturating_add(4)) << 32
            }
            _ => return self.read_word(offset),
        };
        (double >> (8 * (offset % 8))) & width.mask()
    }

    fn write(&mut self, offset: u64, width: Width, value: u64, cx: &mut Ctx<'_>) {
        match offset {
            MTIMECMP..MTIMECMP_END => {
                let hart = ((offset - MTIMECMP) / 8) as usize;
                if hart < self.harts
                    && let Some(compare) = self.mtimecmp.get_mut(hart)
                {
                    *compare = merge(*compare, offset % 8, width.bytes(), value);
                }
            }
            MTIME..MTIME_END => {
                let mtime = merge(self.mtime(cx.now), offset % 8, width.bytes(), value);
                self.offset = mtime.wrapping_sub(cx.now.0);
            }
            _ => {
                self.write_word(offset, value & 0xffff_ffff);
                if width == Width::B8 {
                    self.write_word(offset.saturating_add(4), value >> 32);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::bench::Bench;
    use super::*;

    #[test]
    fn msip_has_one_bit_a_hart() {
        let (mut bench, mut clint) = (Bench::new(), Aclint::new(2));
        bench.write(&mut clint, 4, Width::B4, 0xffff_ffff);
        assert!(!clint.msip(0));
        assert!(clint.msip(1));
        assert_eq!(bench.read(&mut clint, 4, Width::B4), 1);
        bench.write(&mut clint, 4, Width::B4, 0xffff_fffe);
        assert!(!clint.msip(1));
    }

    #[test]
    fn double_at_two_msip_registers_is_both() {
        let (mut bench, mut clint) = (Bench::new(), Aclint::new(2));
        bench.write(&mut clint, 0, Width::B8, 1 << 32);
        assert_eq!((clint.msip(0), clint.msip(1)), (false, true));
        assert_eq!(bench.read(&mut clint, 0, Width::B8), 1 << 32);
    }

    #[test]
    fn timer_is_pending_from_equality_on() {
        let (mut bench, mut clint) = (Bench::new(), Aclint::new(2));
        assert_eq!(clint.deadline(Ticks(0)), None);
        bench.write(&mut clint, MTIMECMP + 8, Width::B8, 1000);
        assert!(!clint.mtip(1, Ticks(999)));
        assert!(clint.mtip(1, Ticks(1000)));
        assert!(!clint.mtip(0, Ticks(1000)));
        assert_eq!(clint.deadline(Ticks(999)), Some(Ticks(1000)));
        assert_eq!(clint.deadline(Ticks(1000)), None);
    }

    #[test]
    fn mtimecmp_can_be_written_in_halves() {
        let (mut bench, mut clint) = (Bench::new(), Aclint::new(1));
        bench.write(&mut clint, MTIMECMP + 4, Width::B4, 0x1122_3344);
        bench.write(&mut clint, MTIMECMP, Width::B4, 0x5566_7788);
        assert_eq!(clint.mtimecmp(0), 0x1122_3344_5566_7788);
        let high = bench.read(&mut clint, MTIMECMP + 4, Width::B4);
        assert_eq!(high, 0x1122_3344);
        let all = bench.read(&mut clint, MTIMECMP, Width::B8);
        assert_eq!(all, 0x1122_3344_5566_7788);
    }

    #[test]
    fn mtime_follows_guest_time_from_what_was_written() {
        let (mut bench, mut clint) = (Bench::new(), Aclint::new(1));
        bench.now = Ticks(500);
        assert_eq!(bench.read(&mut clint, MTIME, Width::B8), 500);
        bench.write(&mut clint, MTIME, Width::B8, 100);
        bench.now = Ticks(507);
        assert_eq!(bench.read(&mut clint, MTIME, Width::B4), 107);
        bench.write(&mut clint, MTIMECMP, Width::B8, 110);
        assert_eq!(clint.deadline(Ticks(507)), Some(Ticks(510)));
        bench.write(&mut clint, MTIME + 4, Width::B4, 1);
        assert_eq!(bench.read(&mut clint, MTIME, Width::B8), (1 << 32) | 107);
        assert!(clint.mtip(0, Ticks(507)));
    }

    #[test]
    fn deadline_beyond_the_end_of_time_is_none() {
        let (mut bench, mut clint) = (Bench::new(), Aclint::new(1));
        bench.now = Ticks(100);
        bench.write(&mut clint, MTIME, Width::B8, 0);
        assert_eq!(clint.deadline(Ticks(100)), None);
    }

    #[test]
    fn holes_and_absent_harts_read_zero_and_ignore_writes() {
        let (mut bench, mut clint) = (Bench::new(), Aclint::new(1));
        let before = clint.clone();
        let mut offset = 0;
        while offset < 0x1_0000 {
            let exists = offset == 0
                || (MTIMECMP..MTIMECMP + 8).contains(&offset)
                || (MTIME..MTIME_END).contains(&offset);
            if !exists {
                bench.write(&mut clint, offset, Width::B4, 0xffff_ffff);
                assert_eq!(bench.read(&mut clint, offset, Width::B4), 0, "{offset:#x}");
            }
            offset += 4;
        }
        bench.write(&mut clint, 0xfff8, Width::B8, u64::MAX);
        assert_eq!(bench.read(&mut clint, 0xfff8, Width::B8), 0);
        assert_eq!(clint, before);
    }
}
