//! Where the arena's bytes come from.

use alloc::alloc::{alloc_zeroed, dealloc};
use alloc::boxed::Box;
use core::alloc::Layout;
use core::ptr::NonNull;

use super::{Arena, PAGE_SIZE};
use crate::error::ConfigError;

/// A block of memory that an embedder lends to a machine.
///
/// # Safety
///
/// For as long as the value lives, `base` points to `len` bytes that are readable and writable,
/// zero at first, aligned to at least 16 bytes, never moved, and touched by nothing else while
/// the machine runs.
pub unsafe trait Storage {
    /// The first byte.
    fn base(&self) -> NonNull<u8>;
    /// The number of bytes.
    fn len(&self) -> usize;
    /// Whether the block holds nothing.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Storage from the global allocator, for tests and for hosts without a memory mapping.
pub struct Heap {
    base: NonNull<u8>,
    layout: Layout,
}

impl Heap {
    /// Storage for a machine with `ram_size` bytes of RAM.
    pub fn for_ram(ram_size: u64) -> Result<Box<dyn Storage>, ConfigError> {
        let bytes = Arena::storage_size(ram_size);
        let unavailable = ConfigError::MemoryUnavailable { bytes };
        let size = usize::try_from(bytes).map_err(|_| unavailable.clone())?;
        let layout =
            Layout::from_size_align(size, PAGE_SIZE as usize).map_err(|_| unavailable.clone())?;
        // SAFETY: the size is not zero: it includes the header and the harts' blocks.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(unavailable)?;
        Ok(Box::new(Self { base, layout }))
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        // SAFETY: allocated in `for_ram` with this layout, and freed only here.
        unsafe { dealloc(self.base.as_ptr(), self.layout) }
    }
}

// SAFETY: the allocation is zeroed, page-aligned, as long as the layout says, and reachable only
// through this value.
unsafe impl Storage for Heap {
    fn base(&self) -> NonNull<u8> {
        self.base
    }

    fn len(&self) -> usize {
        self.layout.size()
    }
}
