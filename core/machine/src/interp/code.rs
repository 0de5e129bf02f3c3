//! Decoded code: for each page of RAM that was executed, runs of instructions.
//!
//! A pure cache of RAM. A page is decoded as execution reaches it; a store to a part of it that
//! was decoded drops it before the next instruction. What lies beside code in the same page is
//! told apart at 64 bytes.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::arena::{PAGE_SIZE, PageFlags, Ram};
use crate::isa::decode::{illegal, length};
use crate::isa::{Class, Inst, Op, decode, fused};

/// Halfwords in a page.
pub const SLOTS: usize = PAGE_SIZE as usize / 2;

/// Halfwords in the parts of a page that are told apart: 64 bytes.
const PART: usize = 32;

/// Decoded pages that are kept: 8 KiB each, and 16 bytes an instruction, so at most 80 MiB.
pub(super) const MAX_PAGES: usize = 2048;

/// Instructions in a run at most.
const RUN: usize = 64;

/// A decoded instruction, sixteen bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Slot {
    /// What it does; its `op` may be that of a sequence that begins here.
    pub inst: Inst,
    /// Where it begins in its page, in halfwords.
    pub offset: u16,
    /// Its length in halfwords: 1 or 2.
    pub step: u8,
    /// Instructions from this one to the end of its run, both included.
    pub rest: u8,
}

impl Slot {
    /// The instruction by itself.
    pub fn plain(&self) -> Inst {
        Inst {
            op: fused::first_part(self.inst.op),
            ..self.inst
        }
    }
}

/// No instruction in particular.
pub(super) static NOWHERE: Slot = Slot {
    inst: Inst::new(Op::Undecoded, 0, 0, 0, 0),
    offset: 0,
    step: 1,
    rest: 1,
};

/// For each halfword of a page: the run of decoded instructions that begins there.
#[derive(Clone, Copy, Default)]
struct Entry {
    /// Its first slot.
    at: u16,
    /// Its instructions; 0 where nothing is decoded.
    len: u16,
}

/// The decoded code of one page.
///
/// Instructions that follow one another lie side by side in *runs*, which end with the first
/// that may go elsewhere. A run can be entered in its middle.
pub struct Page {
    entries: Box<[Entry; SLOTS]>,
    slots: Vec<Slot>,
    /// Offset of the page in RAM, or `u64::MAX` for a page that is not in use.
    offset: u64,
    /// Which 64-byte parts hold something decoded.
    parts: u64,
}

impl Page {
    fn empty() -> Self {
        Self {
            entries: Box::new([Entry::default(); SLOTS]),
            slots: Vec::new(),
            offset: u64::MAX,
            parts: 0,
        }
    }

    /// The run that begins at this halfword: empty where nothing is decoded, `None` outside the
    /// page.
    #[inline(always)]
    pub fn run(&self, index: usize) -> Option<&[Slot]> {
        let entry = self.entries.get(index)?;
        let at = usize::from(entry.at);
        Some(
            self.slots
                .get(at..at + usize::from(entry.len))
                .unwrap_or_default(),
        )
    }

    fn clear(&mut self) {
        if self.parts != 0 {
            self.entries.fill(Entry::default());
            self.slots.clear();
            self.parts = 0;
        }
    }

    /// Decodes from halfword `index` on, up to the next instruction that may go elsewhere, what
    /// is decoded already, what has to be looked at each time, or the end of the page.
    fn decode_run(&mut self, index: usize, marks: &[u16], ram: Ram<'_>) {
        let first = self.slots.len();
        let mut at = index;
        while self.slots.len() - first < RUN
            && self.entries.get(at).is_some_and(|entry| entry.len == 0)
        {
            let slot = decode_slot(at, self.offset, marks, ram);
            let is_mark = slot.inst.op == Op::Straddle;
            if is_mark && at != index {
                break;
            }
            let end = at + usize::from(slot.step);
            // An instruction across two parts marks both: a store to either must be seen.
            for halfword in [at, end - 1] {
                self.parts |= 1 << (halfword / PART);
            }
            self.slots.push(slot);
            at = end;
            if ends_run(&slot.inst) {
                break;
            }
        }
        let decoded = self.slots.get_mut(first..).unwrap_or_default();
        let len = decoded.len();
        for (place, slot) in decoded.iter_mut().enumerate() {
            slot.rest = (len - place) as u8;
            if let Some(entry) = self.entries.get_mut(usize::from(slot.offset)) {
                *entry = Entry {
                    at: (first + place) as u16,
                    len: u16::from(slot.rest),
                };
            }
        }
        for place in first..self.slots.len() {
            let Some([slot, rest @ ..]) = self.slots.get_mut(place..) else {
                break;
            };
            let insts = core::iter::once(&slot.inst).chain(rest.iter().map(|slot| &slot.inst));
            if let Some(sequence) = fused::longest(insts) {
                slot.inst.op = sequence;
            }
        }
    }
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

    /// A page that is kept.
    #[inline(always)]
    pub fn page(&self, place: u32) -> Option<&Page> {
        self.pages.get(place as usize)
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
            self.pages.push(Page::empty());
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
        {
            page.clear();
        }
    }

    /// Forgets everything that was decoded. Places stay.
    pub fn clear_all(&mut self) {
        for page in &mut self.pages {
            page.clear();
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
        page.clear();
        page.offset = u64::MAX;
    }

    /// Decodes the run that begins at halfword `index` of a page.
    pub fn decode_run(&mut self, place: u32, index: usize, ram: Ram<'_>) {
        if let Some(page) = self.pages.get_mut(place as usize) {
            page.decode_run(index, &self.marks, ram);
        }
    }
}

/// Whether the next instruction is not simply the one behind.
fn ends_run(inst: &Inst) -> bool {
    inst.row().is_none_or(|row| row.class.goes_elsewhere())
}

/// Decodes the instruction at halfword `at` of the page of RAM at `page`.
fn decode_slot(at: usize, page: u64, marks: &[u16], ram: Ram<'_>) -> Slot {
    let offset = at as u16;
    let from = page + 2 * at as u64;
    let slot = |inst, step| Slot {
        inst,
        offset,
        step,
        rest: 1,
    };
    if marks.contains(&offset) {
        return slot(mark(), 1);
    }
    let low = u32::from(ram.load::<u16>(from).unwrap_or(0));
    if length(low) == 2 {
        return slot(resolve(decode(low)), 1);
    }
    if at + 1 >= SLOTS {
        return slot(mark(), 1);
    }
    let high = u32::from(ram.load::<u16>(from + 2).unwrap_or(0));
    slot(resolve(decode(low | high << 16)), 2)
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
