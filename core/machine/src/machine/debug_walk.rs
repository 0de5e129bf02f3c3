//! A page walk that leaves no trace: for debuggers.

use crate::arena::Ram;
use crate::cpu::{Hart, Privilege};
use crate::mem::RAM_BASE;

/// Levels of the page table by the mode in `satp`.
fn levels(satp: u64) -> Option<u32> {
    match satp >> 60 {
        8 => Some(3),
        9 => Some(4),
        10 => Some(5),
        _ => None,
    }
}

/// The physical address behind a virtual one, permissions aside.
pub(super) fn walk(hart: &Hart, address: u64, ram: Ram<'_>) -> Option<u64> {
    let satp = hart.csr.satp;
    let Some(levels) = levels(satp) else {
        return Some(address);
    };
    if hart.privilege == Privilege::Machine {
        return Some(address);
    }
    let mut table = (satp & ((1 << 44) - 1)) << 12;
    for level in (0..levels).rev() {
        let shift = 12 + 9 * level;
        let index = address >> shift & 0x1ff;
        let entry = ram.load::<u64>((table + 8 * index).checked_sub(RAM_BASE)?)?;
        // V; then R, W, X make a leaf.
        if entry & 1 == 0 {
            return None;
        }
        let mut page = (entry >> 10 & ((1 << 44) - 1)) << 12;
        if entry & 0xe != 0 {
            let mut within = (1 << shift) - 1;
            // Svnapot: the low four bits of the page number say 64 KiB.
            if entry >> 63 != 0 && level == 0 {
                within = (1 << 16) - 1;
                page &= !within;
            }
            return Some(page & !within | address & within);
        }
        table = page;
    }
    None
}
