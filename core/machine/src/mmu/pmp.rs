//! Physical memory protection (privileged architecture, 3.7).

use super::Access;
use crate::arena::PAGE_SIZE;

/// Entries that are implemented; the others read as zero.
pub const REGIONS: usize = 16;

const R: u8 = 1 << 0;
const W: u8 = 1 << 1;
const X: u8 = 1 << 2;
const A: u8 = 3 << 3;
const TOR: u8 = 1 << 3;
const NA4: u8 = 2 << 3;
const LOCKED: u8 = 1 << 7;

/// Address bits of a `pmpaddr` register: bits 55 to 2 of an address.
const ADDRESS: u64 = (1 << 54) - 1;

/// The PMP entries of a hart.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Default)]
pub struct Pmp {
    cfg: [u8; REGIONS],
    addr: [u64; REGIONS],
    /// What the registers say, in order of priority; follows from them.
    regions: [Region; REGIONS],
    active: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
struct Region {
    first: u64,
    last: u64,
    cfg: u8,
}

impl Region {
    #[inline(always)]
    fn permits(&self, access: Access, machine: bool) -> bool {
        let bit = match access {
            Access::Fetch => X,
            Access::Load => R,
            Access::Store => W,
        };
        self.cfg & bit != 0 || (machine && self.cfg & LOCKED == 0)
    }
}

impl Pmp {
    /// The configuration of entry `index`; zero beyond [`REGIONS`].
    pub fn config(&self, index: usize) -> u8 {
        self.cfg.get(index).copied().unwrap_or(0)
    }

    /// The address register of entry `index`; zero beyond [`REGIONS`].
    pub fn address(&self, index: usize) -> u64 {
        self.addr.get(index).copied().unwrap_or(0)
    }

    /// Writes the configuration of entry `index`, if that entry exists and is not locked.
    pub fn set_config(&mut self, index: usize, value: u8) {
        if let Some(cfg) = self.cfg.get_mut(index)
            && *cfg & LOCKED == 0
        {
            // W without R is reserved (3.7.1); the legal value chosen for it drops W.
            let w = if value & R == 0 { W } else { 0 };
            *cfg = value & (LOCKED | A | X | W | R) & !w;
            self.decode();
        }
    }

    /// Writes the address register of entry `index`, unless the entry is locked or bounds one
    /// that is (3.7.1.2).
    pub fn set_address(&mut self, index: usize, value: u64) {
        let next = self.config(index + 1);
        let bounds_locked = next & LOCKED != 0 && next & A == TOR;
        if self.config(index) & LOCKED == 0
            && !bounds_locked
            && let Some(addr) = self.addr.get_mut(index)
        {
            *addr = value & ADDRESS;
            self.decode();
        }
    }

    fn decode(&mut self) {
        self.regions = Default::default();
        self.active = 0;
        let mut below = 0;
        for (&cfg, &addr) in self.cfg.iter().zip(&self.addr) {
            let (first, end) = match cfg & A {
                0 => (0, 0),
                TOR => (below << 2, addr << 2),
                NA4 => (addr << 2, (addr << 2) + 4),
                _ => {
                    // The trailing ones and the zero above them are the size (table 20).
                    let size = addr ^ (addr + 1);
                    ((addr & !size) << 2, ((addr | size) + 1) << 2)
                }
            };
            below = addr;
            // An empty range matches nothing (3.7.1.1).
            if first < end
                && let Some(region) = self.regions.get_mut(self.active)
            {
                *region = Region {
                    first,
                    last: end - 1,
                    cfg,
                };
                self.active += 1;
            }
        }
    }

    /// Whether an access of `len` bytes at `pa` is allowed, in machine mode or below it.
    ///
    /// The entry of the lowest number that matches any byte decides, and has to match all of
    /// them; without one, machine mode is allowed and the others are not (3.7.1.3).
    #[inline]
    pub fn allows(&self, pa: u64, len: u64, access: Access, machine: bool) -> bool {
        let last = pa.saturating_add(len.saturating_sub(1));
        for region in self.regions.iter().take(self.active) {
            if pa <= region.last && region.first <= last {
                return region.first <= pa
                    && last <= region.last
                    && region.permits(access, machine);
            }
        }
        machine
    }

    /// Whether every access inside the 4 KiB page that holds `pa` is allowed, and by one entry.
    pub fn allows_page(&self, pa: u64, access: Access, machine: bool) -> bool {
        self.allows(pa & !(PAGE_SIZE - 1), PAGE_SIZE, access, machine)
    }
}

#[cfg(test)]
mod tests;
