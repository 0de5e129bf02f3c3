//! Guest RAM: bounds-checked little-endian access, page flags, and the watch on pages of code.

use core::marker::PhantomData;
use core::ptr::NonNull;

use super::{PAGE_SIZE, RAM_OFFSET};

/// An unsigned integer that guest memory holds, little-endian.
pub trait Scalar: Copy + sealed::Sealed {
    /// Bytes in memory.
    const SIZE: u64;
    /// From the bytes as the host reads them.
    fn from_le(raw: Self) -> Self;
    /// To the bytes as the host writes them.
    fn to_le(self) -> Self;
    /// Zero-extended.
    fn widen(self) -> u64;
    /// The low bits.
    fn narrow(value: u64) -> Self;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! scalar {
    ($($t:ty),*) => { $(
        impl sealed::Sealed for $t {}
        impl Scalar for $t {
            const SIZE: u64 = size_of::<$t>() as u64;
            #[inline(always)]
            fn from_le(raw: Self) -> Self { <$t>::from_le(raw) }
            #[inline(always)]
            fn to_le(self) -> Self { <$t>::to_le(self) }
            #[inline(always)]
            fn widen(self) -> u64 { u64::from(self) }
            #[inline(always)]
            fn narrow(value: u64) -> Self { value as $t }
        }
    )* };
}
scalar!(u8, u16, u32, u64);

/// What is known of a page of RAM; one byte a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PageFlags(pub(super) u8);

impl PageFlags {
    /// Written since the flags were last cleared.
    pub const DIRTY: Self = Self(1);
    /// Holds decoded instructions: every write to it must be seen.
    pub const CODE: Self = Self(2);
    /// Every store of a hart must be seen.
    pub const WATCHED: Self = Self(4);

    /// Whether all bits of `other` are set.
    #[inline(always)]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any bit of `other` is set.
    #[inline(always)]
    pub fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The bits of both.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// How many written pages of code the header can name before it says "any of them".
const HITS: usize = 64;

/// The arena's header.
#[repr(C)]
pub(super) struct Header {
    /// Number of entries of `pages` in use; above [`HITS`] when some were not recorded.
    count: u32,
    pages: [u32; HITS],
}

/// A view of guest RAM. Addresses are offsets from the first byte of RAM.
///
/// Copies of a view alias one another, as the harts of a machine do: values are read and written
/// whole, and no reference into RAM is ever made.
#[derive(Clone, Copy)]
pub struct Ram<'a> {
    base: NonNull<u8>,
    size: u64,
    arena: PhantomData<&'a mut [u8]>,
}

impl<'a> Ram<'a> {
    /// # Safety
    ///
    /// `base` is the base of an arena that holds `size` bytes of RAM and the flags of its pages,
    /// borrowed exclusively for `'a`.
    pub(super) unsafe fn new(base: NonNull<u8>, size: u64) -> Self {
        Self {
            base,
            size,
            arena: PhantomData,
        }
    }

    /// Bytes of RAM.
    #[inline(always)]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether `len` bytes from `offset` on are RAM.
    #[inline(always)]
    pub fn contains(&self, offset: u64, len: u64) -> bool {
        offset <= self.size && len <= self.size - offset
    }

    /// Reads a value at any alignment, or `None` outside RAM.
    #[inline(always)]
    pub fn load<T: Scalar>(&self, offset: u64) -> Option<T> {
        if !self.contains(offset, T::SIZE) {
            return None;
        }
        // SAFETY: the bytes lie in RAM, which lies in the arena that `'a` borrows.
        Some(T::from_le(unsafe {
            self.at(offset).cast::<T>().read_unaligned()
        }))
    }

    /// Writes a value at any alignment; `None` outside RAM, and then nothing is written.
    #[inline(always)]
    pub fn store<T: Scalar>(&self, offset: u64, value: T) -> Option<()> {
        if !self.contains(offset, T::SIZE) {
            return None;
        }
        // SAFETY: as in `load`.
        unsafe {
            self.at(offset).cast::<T>().write_unaligned(value.to_le());
        }
        self.written(offset, T::SIZE);
        Some(())
    }

    /// The same for a value that lies beside the code of its page, not in it: nothing is noted.
    pub fn store_beside_code<T: Scalar>(&self, offset: u64, value: T) -> Option<()> {
        if !self.contains(offset, T::SIZE) {
            return None;
        }
        // SAFETY: as in `load`.
        unsafe {
            self.at(offset).cast::<T>().write_unaligned(value.to_le());
        }
        self.set_flags(offset, PageFlags::DIRTY);
        self.set_flags(offset + T::SIZE - 1, PageFlags::DIRTY);
        Some(())
    }

    /// Copies bytes out of RAM; `None` if any lies outside, and then `out` is unchanged.
    pub fn read(&self, offset: u64, out: &mut [u8]) -> Option<()> {
        if !self.contains(offset, out.len() as u64) {
            return None;
        }
        // SAFETY: the source lies in RAM; `out` is a host buffer, which RAM does not overlap
        // because nothing makes references into RAM.
        unsafe {
            core::ptr::copy_nonoverlapping(self.at(offset), out.as_mut_ptr(), out.len());
        }
        Some(())
    }

    /// Copies bytes into RAM; `None` if any would lie outside, and then nothing is written.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Option<()> {
        if !self.contains(offset, bytes.len() as u64) {
            return None;
        }
        // SAFETY: as in `read`, in the other direction.
        unsafe {
            core::ptr::copy_nonoverlapping(bytes.as_ptr(), self.at(offset), bytes.len());
        }
        self.written(offset, bytes.len() as u64);
        Some(())
    }

    /// Sets `len` bytes to zero; `None` if any lies outside, and then nothing is written.
    pub fn zero(&self, offset: u64, len: u64) -> Option<()> {
        if !self.contains(offset, len) {
            return None;
        }
        // SAFETY: the bytes lie in RAM; `len` fits the address space because the arena does.
        unsafe {
            core::ptr::write_bytes(self.at(offset), 0, len as usize);
        }
        self.written(offset, len);
        Some(())
    }

    /// The flags of the page that holds `offset`; empty outside RAM.
    #[inline(always)]
    pub fn flags(&self, offset: u64) -> PageFlags {
        if offset >= self.size {
            return PageFlags::default();
        }
        // SAFETY: there is one byte of flags for each page of RAM.
        PageFlags(unsafe { self.flag(offset).read() })
    }

    /// Sets flags of the page that holds `offset`.
    pub fn set_flags(&self, offset: u64, flags: PageFlags) {
        if offset < self.size {
            // SAFETY: as in `flags`.
            unsafe { self.flag(offset).write(self.flag(offset).read() | flags.0) }
        }
    }

    /// Clears flags of the page that holds `offset`.
    pub fn clear_flags(&self, offset: u64, flags: PageFlags) {
        if offset < self.size {
            // SAFETY: as in `flags`.
            unsafe { self.flag(offset).write(self.flag(offset).read() & !flags.0) }
        }
    }

    /// Takes the list of code pages that were written to since the last call, as page numbers
    /// from the start of RAM. Returns whether the list is complete; if not, there were more than it
    /// holds: treat every page of code as written.
    pub fn take_code_writes(&self, mut each: impl FnMut(u64)) -> bool {
        let header = self.base.cast::<Header>();
        // SAFETY: the header lies at the start of the arena and holds integers only; no
        // reference to it is kept while `each` runs.
        let (count, pages) = unsafe {
            let copy = header.read();
            (&raw mut (*header.as_ptr()).count).write(0);
            (copy.count as usize, copy.pages)
        };
        for page in pages.iter().take(count) {
            each(u64::from(*page));
        }
        count <= HITS
    }

    /// Whether [`Ram::take_code_writes`] has something to report.
    #[inline(always)]
    pub fn has_code_writes(&self) -> bool {
        // SAFETY: as in `take_code_writes`.
        unsafe { (&raw const (*self.base.cast::<Header>().as_ptr()).count).read() != 0 }
    }

    /// Marks the pages of a write, and notes those that hold code.
    #[inline(always)]
    fn written(&self, offset: u64, len: u64) {
        if len == 0 {
            return;
        }
        let mut page = offset / PAGE_SIZE;
        let last = (offset + len - 1) / PAGE_SIZE;
        // Bounded by the length of the write, which lies in RAM.
        while page <= last {
            // SAFETY: `page` is a page of RAM.
            unsafe {
                let flag = self.flag(page * PAGE_SIZE);
                let old = flag.read();
                flag.write(old | PageFlags::DIRTY.0);
                if old & PageFlags::CODE.0 != 0 {
                    self.note_code_write(page);
                }
            }
            page += 1;
        }
    }

    #[cold]
    fn note_code_write(&self, page: u64) {
        let header = self.base.cast::<Header>();
        // SAFETY: the header lies at the start of the arena; only integers are accessed, and no
        // reference to it exists.
        unsafe {
            let count = (&raw const (*header.as_ptr()).count).read() as usize;
            if count < HITS {
                (&raw mut (*header.as_ptr()).pages)
                    .cast::<u32>()
                    .add(count)
                    .write(page as u32);
            }
            (&raw mut (*header.as_ptr()).count).write((count + 1).min(HITS + 1) as u32);
        }
    }

    #[inline(always)]
    fn at(&self, offset: u64) -> *mut u8 {
        // In bounds of the arena where callers have checked `contains`.
        self.base
            .as_ptr()
            .wrapping_add(RAM_OFFSET + offset as usize)
    }

    #[inline(always)]
    fn flag(&self, offset: u64) -> *mut u8 {
        self.base
            .as_ptr()
            .wrapping_add(RAM_OFFSET + self.size as usize + (offset / PAGE_SIZE) as usize)
    }
}
