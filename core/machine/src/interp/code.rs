//! Decoded code: for each page of RAM that was executed, one slot a halfword.
//!
//! A pure cache of RAM. A page is decoded as execution reaches it; a store to a part of it that
//! was decoded drops it before the next instruction. What lies beside code in the same page is
//! told apart at 64 bytes.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::arena::{PAGE_SIZE, PageFlags, Ram};
use crate::isa::decode::{illegal, length};
use crate::isa::{Class, Inst, Op, decode};

/// Halfwords in a page.
pub const SLOTS: usize = PAGE_SIZE as usize / 2;

/// Decoded pages that are kept, 32 KiB each: 64 MiB.
const MAX_PAGES: usize = 2048;

/// How far one decode runs ahead of execution at most.
const RUN: usize = 64;

/// A halfword of a page of code.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Slot {
    /// The instruction that begins here.
    pub inst: Inst,
    /// Its length in halfwords: 1 or 2.
    pub step: u8,
}

const EMPTY: Slot = Slot {
    inst: Inst {
        op: Op::Undecoded,
        rd: 0,
        rs1: 0,
        rs2: 0,
        rs3: 0,
        rm: 0,
        imm: 0,
    },
    step: 1,
};

/// The slots of one page.
pub type Slots = [Slot; SLOTS];

struct Page {
    slots: Box<Slots>,
    /// Offset of the page in RAM, or `u64::MAX` for a page that is not in use.
    offset: u64,
    /// Which 64-byte parts hold something decoded.
    parts: u64,
}

/// All decoded pages of a machine.
pub struct CodeCache {
    pages: Vec<Page>,
    /// For each page of RAM, its place in `pages` plus one, or 0.
    places: Vec<u32>,
    /// The page that is given up next when all are in use.
    next: usize,
    /// Counts the pages that were given up.
    generation: u64,
    /// Offsets in a page, in halfwords, before which execution has to be looked at.
    marks: Vec<u16>,
}

impl CodeCache {
    /// An empty cache for this much RAM.
    pub fn new(ram_size: u64) -> Self {
        Self {
            pages: Vec::new(),
            places: vec![0; (ram_size / PAGE_SIZE) as usize],
            next: 0,
            generation: 0,
            marks: Vec::new(),
        }
    }

    /// Has the interpreter stop at what may be one of these virtual addresses.
    pub fn mark(&mut self, addresses: &[u64]) {
        self.marks = addresses
            .iter()
            .map(|address| (address % PAGE_SIZE / 2) as u16)
            .collect();
        self.clear_all();
    }

    /// Changes when a place goes from one page to another.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Where the page at this offset of RAM is kept, if it is.
    #[inline]
    pub fn find(&self, offset: u64) -> Option<u32> {
        self.places
            .get((offset / PAGE_SIZE) as usize)
            .and_then(|place| place.checked_sub(1))
    }

    /// The slots of a page that is kept.
    #[inline(always)]
    pub fn slots(&self, place: u32) -> Option<&Slots> {
        self.pages.get(place as usize).map(|page| &*page.slots)
    }

    /// Makes a place for the page of RAM at `offset`, giving up an older page if need be.
    ///
    /// Returns the place and whether a page had to go, whose shortcuts are to be dropped. The
    /// caller drops the writing shortcuts to the new page.
    pub fn insert(&mut self, offset: u64, ram: Ram<'_>) -> Option<(u32, bool)> {
        let offset = offset & !(PAGE_SIZE - 1);
        let number = (offset / PAGE_SIZE) as usize;
        if let Some(place) = self.find(offset) {
            return Some((place, false));
        }
        self.places.get(number)?;
        let evicts = self.pages.len() >= MAX_PAGES;
        let place = if evicts {
            let place = self.next % MAX_PAGES;
            self.next = place + 1;
            self.drop_place(place, ram);
            place
        } else {
            self.pages.push(Page {
                slots: empty_slots(),
                offset: u64::MAX,
                parts: 0,
            });
            self.pages.len() - 1
        };
        self.pages.get_mut(place)?.offset = offset;
        *self.places.get_mut(number)? = place as u32 + 1;
        ram.set_flags(offset, PageFlags::CODE);
        Some((place as u32, evicts))
    }

    /// Whether something decoded overlaps these bytes of the page of RAM at `offset`.
    pub fn covers(&self, offset: u64, len: u64) -> bool {
        let Some(page) = self.find(offset).and_then(|at| self.pages.get(at as usize)) else {
            return false;
        };
        let first = offset % PAGE_SIZE / 64;
        let last = (offset % PAGE_SIZE + len.saturating_sub(1)) / 64;
        (first..=last.min(63)).any(|part| page.parts >> part & 1 != 0)
    }

    /// Forgets what was decoded in the page of RAM at `offset`; its place stays.
    pub fn clear(&mut self, offset: u64) {
        if let Some(page) = self
            .find(offset)
            .and_then(|place| self.pages.get_mut(place as usize))
            && page.parts != 0
        {
            page.slots.fill(EMPTY);
            page.parts = 0;
        }
    }

    /// Forgets everything that was decoded. Places stay.
    pub fn clear_all(&mut self) {
        for page in &mut self.pages {
            if page.parts != 0 {
                page.slots.fill(EMPTY);
                page.parts = 0;
            }
        }
    }

    fn drop_place(&mut self, place: usize, ram: Ram<'_>) {
        let Some(page) = self.pages.get_mut(place) else {
            return;
        };
        self.generation += 1;
        if let Some(number) = self.places.get_mut((page.offset / PAGE_SIZE) as usize) {
            *number = 0;
        }
        ram.clear_flags(page.offset, PageFlags::CODE);
        page.slots.fill(EMPTY);
        page.parts = 0;
        page.offset = u64::MAX;
    }

    /// Decodes from halfword `index` of a page to the end of the run: up to the next instruction
    /// that leaves straight line, what is decoded already, or the end of the page.
    pub fn decode_run(&mut self, place: u32, index: usize, ram: Ram<'_>) {
        let Some(page) = self.pages.get_mut(place as usize) else {
            return;
        };
        let mut at = index;
        for _ in 0..RUN {
            let offset = page.offset + 2 * at as u64;
            let Some(slot) = page.slots.get_mut(at) else {
                return;
            };
            if slot.inst.op != Op::Undecoded {
                return;
            }
            *slot = decode_slot(at, offset, ram);
            if self.marks.contains(&(at as u16)) {
                slot.inst = mark();
            }
            let bytes = 2 * u64::from(slot.step);
            // An instruction across two parts marks both: a store to either must be seen.
            for byte in [0, bytes - 1] {
                page.parts |= 1 << ((2 * at as u64 + byte) % PAGE_SIZE / 64);
            }
            at += usize::from(slot.step);
            if ends_run(&slot.inst) {
                return;
            }
        }
    }
}

fn empty_slots() -> Box<Slots> {
    match vec![EMPTY; SLOTS].into_boxed_slice().try_into() {
        Ok(slots) => slots,
        Err(_) => unreachable_length(),
    }
}

/// The conversion above cannot fail: the vector was made with that length.
fn unreachable_length() -> Box<Slots> {
    debug_assert!(false, "a vector of SLOTS slots");
    Box::new([EMPTY; SLOTS])
}

fn ends_run(inst: &Inst) -> bool {
    match inst.row() {
        Some(row) => matches!(row.class, Class::Jump | Class::System) || inst.op == Op::Jal,
        None => true,
    }
}

fn decode_slot(at: usize, offset: u64, ram: Ram<'_>) -> Slot {
    let low = u32::from(ram.load::<u16>(offset).unwrap_or(0));
    if length(low) == 2 {
        return Slot {
            inst: resolve(decode(low)),
            step: 1,
        };
    }
    if at + 1 >= SLOTS {
        return Slot {
            inst: mark(),
            step: 1,
        };
    }
    let high = u32::from(ram.load::<u16>(offset + 2).unwrap_or(0));
    Slot {
        inst: resolve(decode(low | high << 16)),
        step: 2,
    }
}

/// The mark for an instruction that is not carried out from its slot: its second half lies in
/// the next page, or it may have a breakpoint.
fn mark() -> Inst {
    Inst {
        op: Op::Straddle,
        ..illegal(0)
    }
}

/// Points writes to `x0` at the register that nothing reads, so that the interpreter need not
/// compare.
pub fn resolve(mut inst: Inst) -> Inst {
    if let Some(row) = inst.row()
        && row.format.writes_x()
        && !matches!(row.class, Class::Csr | Class::System)
        && inst.rd == 0
    {
        inst.rd = crate::arena::SINK;
    }
    inst
}
