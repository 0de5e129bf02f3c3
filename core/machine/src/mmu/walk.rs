//! The page walk: Sv39, Sv48, Sv57, with Svadu, Svnapot and Svpbmt.

use super::{Access, Pmp, pte};
use crate::arena::{PAGE_SIZE, Ram};
use crate::mem::RAM_BASE;

/// Why a translation failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Fault {
    /// Page fault.
    Page,
    /// Access fault: a page table entry lies where the walk may not read or write.
    Access,
}

/// Everything that decides about a translation, but for the tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Regime {
    /// The `satp` CSR; its mode is Sv39, Sv48 or Sv57.
    pub satp: u64,
    /// The access is made for user mode, not supervisor mode.
    pub user: bool,
    /// `mstatus.SUM`: supervisor mode may load and store in user pages.
    pub sum: bool,
    /// `mstatus.MXR`: executable pages may be loaded from.
    pub mxr: bool,
    /// `menvcfg.ADUE`: the walk sets A and D bits; if not, it faults where they are clear.
    pub update_ad: bool,
    /// `menvcfg.PBMTE`: page table entries may carry a memory type.
    pub pbmt: bool,
}

/// The leaf that a walk ends at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Leaf {
    /// 0 for a page of 4 KiB, 1 for 2 MiB, and so on.
    pub level: usize,
    /// The entry, with A and D as they are after the walk, G as inherited, and the page number
    /// of the 4 KiB page itself for a NAPOT range.
    pub pte: u64,
    /// Where the entry lies, if the walk changed it.
    pub updated: Option<u64>,
}

impl Regime {
    /// The number of levels of the tables: 3, 4 or 5.
    #[inline(always)]
    fn levels(&self) -> usize {
        ((self.satp >> 60) as usize).clamp(8, 10) - 5
    }

    /// The address space identifier.
    #[inline(always)]
    pub fn asid(&self) -> u16 {
        (self.satp >> 44) as u16
    }

    /// Whether the bits above the translated ones equal the highest of them (12.4.1).
    #[inline(always)]
    pub fn is_canonical(&self, va: u64) -> bool {
        let unused = 64 - (12 + 9 * self.levels()) as u32;
        ((va << unused) as i64 >> unused) as u64 == va
    }

    /// Whether the leaf `pte` permits the access (12.3.1), A and D aside.
    #[inline(always)]
    pub fn permits(&self, pte: u64, access: Access) -> bool {
        let bits = match access {
            Access::Fetch => pte::X,
            Access::Load if self.mxr => pte::R | pte::X,
            Access::Load => pte::R,
            Access::Store => pte::W,
        };
        let owner = if self.user {
            pte & pte::U != 0
        } else {
            pte & pte::U == 0 || (self.sum && access != Access::Fetch)
        };
        pte & bits != 0 && owner
    }
}

/// Walks the page tables for `va`, which is canonical. At most five entries are read and one is
/// written.
pub(super) fn walk(
    regime: &Regime,
    pmp: &Pmp,
    va: u64,
    access: Access,
    ram: Ram<'_>,
) -> Result<Leaf, Fault> {
    let mut table = (regime.satp & ((1 << 44) - 1)) * PAGE_SIZE;
    let mut global = 0;
    for level in (0..regime.levels()).rev() {
        let index = va >> (12 + 9 * level) & 0x1ff;
        let at = table + index * 8;
        // 3.7: implicit accesses to page tables are supervisor's.
        if !pmp.allows(at, 8, Access::Load, false) {
            return Err(Fault::Access);
        }
        let offset = at.checked_sub(RAM_BASE).ok_or(Fault::Access)?;
        let entry: u64 = ram.load(offset).ok_or(Fault::Access)?;
        if entry & pte::V == 0
            || entry & (pte::R | pte::W) == pte::W
            || entry & pte::RESERVED != 0
            || (entry & pte::PBMT != 0 && !regime.pbmt)
            || entry & pte::PBMT == pte::PBMT
        {
            return Err(Fault::Page);
        }
        global |= entry & pte::G;
        if entry & (pte::R | pte::X) != 0 {
            return leaf(regime, pmp, va, access, ram, level, at, entry).map(|leaf| Leaf {
                pte: leaf.pte | global,
                ..leaf
            });
        }
        // 12.3.1, Svnapot, Svpbmt: in an entry that points to a table these bits are reserved.
        if entry & (pte::D | pte::A | pte::U | pte::N | pte::PBMT) != 0 {
            return Err(Fault::Page);
        }
        table = pte::ppn(entry) * PAGE_SIZE;
    }
    Err(Fault::Page)
}

#[expect(
    clippy::too_many_arguments,
    reason = "the state of one walk, used once"
)]
fn leaf(
    regime: &Regime,
    pmp: &Pmp,
    va: u64,
    access: Access,
    ram: Ram<'_>,
    level: usize,
    at: u64,
    entry: u64,
) -> Result<Leaf, Fault> {
    let below = (1u64 << (9 * level)) - 1;
    if pte::ppn(entry) & below != 0 {
        return Err(Fault::Page);
    }
    // Svnapot: only 64 KiB ranges of 4 KiB pages are defined.
    if entry & pte::N != 0 && (level != 0 || pte::ppn(entry) & 0xf != 0b1000) {
        return Err(Fault::Page);
    }
    if !regime.permits(entry, access) {
        return Err(Fault::Page);
    }
    let wanted = match access {
        Access::Store => pte::A | pte::D,
        Access::Fetch | Access::Load => pte::A,
    };
    let mut updated = None;
    if entry & wanted != wanted {
        if !regime.update_ad {
            return Err(Fault::Page);
        }
        if !pmp.allows(at, 8, Access::Store, false) {
            return Err(Fault::Access);
        }
        ram.store(at.wrapping_sub(RAM_BASE), entry | wanted)
            .ok_or(Fault::Access)?;
        updated = Some(at);
    }
    let mut pte = entry | wanted;
    if entry & pte::N != 0 {
        pte = pte & !(0xf << 10) | (va >> 12 & 0xf) << 10;
    }
    Ok(Leaf {
        level,
        pte,
        updated,
    })
}
