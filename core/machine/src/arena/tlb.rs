//! The inlined data TLB: a pure cache from virtual pages to pages of RAM.
//!
//! What it holds never shows in the guest's state: an entry may be dropped at any time. One
//! table for each [context](FAST_CONTEXTS), so that a change of privilege empties nothing.

use core::marker::PhantomData;
use core::ptr::NonNull;

use super::ram::Scalar;
use super::{HART_OFFSET, HART_SIZE, HartBlock, MAX_HARTS, PAGE_SIZE, RAM_OFFSET};

/// Entries in each table; a power of two.
pub const FAST_ENTRIES: usize = 256;
/// Number of translation contexts that are cached side by side.
pub const FAST_CONTEXTS: usize = 4;

/// A tag that no lookup asks for: lookups keep at most the low three bits of an address.
const INVALID: u64 = 0x800;

#[repr(C)]
#[derive(Clone, Copy)]
struct Entry {
    /// The virtual page's address, or [`INVALID`].
    tag: u64,
    /// What to add to a virtual address to get the offset from the arena's base.
    addend: u64,
}

#[repr(C)]
struct Table {
    read: [Entry; FAST_ENTRIES],
    write: [Entry; FAST_ENTRIES],
}

#[repr(C)]
pub(super) struct Tables([Table; FAST_CONTEXTS]);

/// A hart's data TLBs together with the RAM that they point into. Copies alias one another.
///
/// Zeroed tables are not empty ones (a zero tag names page 0): call [`DataTlb::clear`] first.
/// The invariant that makes the accesses sound: whatever passes the tag compare was put there by
/// [`DataTlb::fill_read`] or [`DataTlb::fill_write`], which accept only whole pages of this RAM.
/// Zeroed entries keep it too: page 0 with addend 0 is the arena's own header, inside the arena.
#[derive(Clone, Copy)]
pub struct DataTlb<'a> {
    tables: NonNull<Tables>,
    base: NonNull<u8>,
    arena: PhantomData<&'a mut [u8]>,
}

impl<'a> DataTlb<'a> {
    /// # Safety
    ///
    /// `tables` lies in the arena at `base`, which is borrowed exclusively for `'a`, and nothing
    /// else refers to it meanwhile.
    pub(super) unsafe fn new(tables: NonNull<Tables>, base: NonNull<u8>) -> Self {
        Self {
            tables,
            base,
            arena: PhantomData,
        }
    }

    /// Empties every table.
    pub fn clear(&self) {
        for context in 0..FAST_CONTEXTS {
            self.clear_context(context);
        }
    }

    /// Empties the tables of one context.
    pub fn clear_context(&self, context: usize) {
        let table = self.table(context);
        for index in 0..FAST_ENTRIES {
            let empty = Entry {
                tag: INVALID,
                addend: 0,
            };
            // SAFETY: `table` points to a table of the arena and the index is below its length.
            unsafe {
                (&raw mut (*table).read[index]).write(empty);
                (&raw mut (*table).write[index]).write(empty);
            }
        }
    }

    /// Empties the entries for writing in every context.
    pub fn clear_writes(&self) {
        for context in 0..FAST_CONTEXTS {
            let table = self.table(context);
            for index in 0..FAST_ENTRIES {
                // SAFETY: as in `clear_context`.
                unsafe { (&raw mut (*table).write[index].tag).write(INVALID) }
            }
        }
    }

    /// Drops what is cached for the page that holds `va`, in every context.
    pub fn drop_page(&self, va: u64) {
        let page = va & !(PAGE_SIZE - 1);
        for context in 0..FAST_CONTEXTS {
            let table = self.table(context);
            let index = slot(va);
            // SAFETY: as in `clear_context`; `slot` is below FAST_ENTRIES.
            unsafe {
                for entry in [
                    &raw mut (*table).read[index],
                    &raw mut (*table).write[index],
                ] {
                    if (*entry).tag == page {
                        (*entry).tag = INVALID;
                    }
                }
            }
        }
    }

    /// Drops what is cached for pages in `[va, va + size)` in every context; `size` is a power of
    /// two that `va` is a multiple of.
    pub fn drop_range(&self, va: u64, size: u64) {
        self.drop_where(|tag, _| tag & !(size - 1) == va);
    }

    /// Drops entries for writing that lead to the page of RAM at `offset`.
    pub fn drop_writes_to(&self, offset: u64) {
        let page = RAM_OFFSET as u64 + (offset & !(PAGE_SIZE - 1));
        for context in 0..FAST_CONTEXTS {
            let table = self.table(context);
            for index in 0..FAST_ENTRIES {
                // SAFETY: as in `clear_context`.
                unsafe {
                    let entry = &raw mut (*table).write[index];
                    if (*entry).tag.wrapping_add((*entry).addend) == page {
                        (*entry).tag = INVALID;
                    }
                }
            }
        }
    }

    fn drop_where(&self, hit: impl Fn(u64, u64) -> bool) {
        for context in 0..FAST_CONTEXTS {
            let table = self.table(context);
            for index in 0..FAST_ENTRIES {
                // SAFETY: as in `clear_context`.
                unsafe {
                    for entry in [
                        &raw mut (*table).read[index],
                        &raw mut (*table).write[index],
                    ] {
                        if hit((*entry).tag, (*entry).addend) {
                            (*entry).tag = INVALID;
                        }
                    }
                }
            }
        }
    }

    /// Caches that loads from the page of `va` go to the page of RAM at `offset`.
    ///
    /// `ram_size` is the RAM's size; an offset outside it is not cached.
    pub fn fill_read(&self, context: usize, va: u64, offset: u64, ram_size: u64) {
        if let Some(entry) = entry(va, offset, ram_size) {
            let table = self.table(context);
            // SAFETY: as in `clear_context`; `slot` is below FAST_ENTRIES.
            unsafe { (&raw mut (*table).read[slot(va)]).write(entry) }
        }
    }

    /// Caches that stores to the page of `va` go to the page of RAM at `offset`.
    pub fn fill_write(&self, context: usize, va: u64, offset: u64, ram_size: u64) {
        if let Some(entry) = entry(va, offset, ram_size) {
            let table = self.table(context);
            // SAFETY: as in `fill_read`.
            unsafe { (&raw mut (*table).write[slot(va)]).write(entry) }
        }
    }

    /// The tables of one context, for the inner loop of an engine.
    #[inline(always)]
    pub fn context(&self, context: usize) -> TlbContext<'a> {
        TlbContext {
            table: self.table(context),
            base: self.base,
            arena: PhantomData,
        }
    }

    #[inline(always)]
    fn table(&self, context: usize) -> *mut Table {
        let index = context % FAST_CONTEXTS;
        // SAFETY: the index is below the number of tables, which lie in the arena.
        unsafe { &raw mut (*self.tables.as_ptr()).0[index] }
    }
}

/// The data TLBs of every hart of a machine. Copies alias one another.
#[derive(Clone, Copy)]
pub struct AllTlbs<'a> {
    base: NonNull<u8>,
    arena: PhantomData<&'a mut [u8]>,
}

impl<'a> AllTlbs<'a> {
    /// # Safety
    ///
    /// `base` is the base of an arena that is borrowed exclusively for `'a`.
    pub(super) unsafe fn new(base: NonNull<u8>) -> Self {
        Self {
            base,
            arena: PhantomData,
        }
    }

    /// Each hart's.
    pub fn iter(self) -> impl Iterator<Item = DataTlb<'a>> {
        (0..MAX_HARTS).map(move |index| {
            // SAFETY: the block lies in the arena for each index below MAX_HARTS; only the
            // address of its tables is taken.
            unsafe {
                let block = self
                    .base
                    .add(HART_OFFSET + index * HART_SIZE)
                    .cast::<HartBlock>();
                DataTlb::new(
                    NonNull::new_unchecked(&raw mut (*block.as_ptr()).data),
                    self.base,
                )
            }
        })
    }
}

/// The tables of one context. Copies alias one another, as copies of [`DataTlb`] do.
#[derive(Clone, Copy)]
pub struct TlbContext<'a> {
    table: *mut Table,
    base: NonNull<u8>,
    arena: PhantomData<&'a mut [u8]>,
}

impl TlbContext<'_> {
    /// Loads an aligned value whose page is cached.
    #[inline(always)]
    pub fn load<T: Scalar>(&self, va: u64) -> Option<T> {
        // SAFETY: `slot` is below FAST_ENTRIES. A tag that equals the masked address was written
        // by `fill_read` for this page (or is a zeroed entry, see `DataTlb`), so the sum is an
        // offset inside the page of RAM it was filled for, and the value, being aligned, does
        // not leave that page.
        unsafe {
            let at = self.find::<T>(&raw const (*self.table).read, va)?;
            Some(T::from_le(at.cast::<T>().read()))
        }
    }

    /// Stores an aligned value whose page is cached for writing; `false` if it is not.
    #[inline(always)]
    pub fn store<T: Scalar>(&self, va: u64, value: T) -> bool {
        // SAFETY: as in `load`, with `fill_write`.
        unsafe {
            match self.find::<T>(&raw const (*self.table).write, va) {
                Some(at) => {
                    at.cast::<T>().write(value.to_le());
                    true
                }
                None => false,
            }
        }
    }

    /// Loads an aligned value whose page is cached for writing: the first half of an atomic
    /// operation, whose second half is [`TlbContext::store`].
    #[inline(always)]
    pub fn load_to_store<T: Scalar>(&self, va: u64) -> Option<T> {
        // SAFETY: as in `load`, with `fill_write`.
        unsafe {
            let at = self.find::<T>(&raw const (*self.table).write, va)?;
            Some(T::from_le(at.cast::<T>().read()))
        }
    }

    /// # Safety
    ///
    /// `entries` is one of this context's tables.
    #[inline(always)]
    unsafe fn find<T: Scalar>(
        &self,
        entries: *const [Entry; FAST_ENTRIES],
        va: u64,
    ) -> Option<*mut u8> {
        // SAFETY: the table lies in the arena, and `slot` is below its length.
        let entry = unsafe { entries.cast::<Entry>().add(slot(va)).read() };
        if entry.tag != va & (!(PAGE_SIZE - 1) | (T::SIZE - 1)) {
            return None;
        }
        let offset = va.wrapping_add(entry.addend) as usize;
        // SAFETY: the tag matches, so the sum is an offset in the arena (see `load`). Said to the
        // compiler, it folds the addend's load into the sum: two instructions fewer an access.
        Some(unsafe { self.base.as_ptr().add(offset) })
    }
}

#[inline(always)]
fn slot(va: u64) -> usize {
    (va / PAGE_SIZE) as usize % FAST_ENTRIES
}

fn entry(va: u64, offset: u64, ram_size: u64) -> Option<Entry> {
    let (page, target) = (va & !(PAGE_SIZE - 1), offset & !(PAGE_SIZE - 1));
    (target < ram_size).then(|| Entry {
        tag: page,
        addend: (RAM_OFFSET as u64 + target).wrapping_sub(page),
    })
}
