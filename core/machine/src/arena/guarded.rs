//! Storage that notices what was written where nothing belongs (hostile inputs, V26).
//!
//! Whoever could make an access miss guest RAM would find registers, TLBs and page flags beside
//! it, and the host's memory around that. The tests of the interpreter and of the devices run on
//! this storage, so that each of them fails if anything of the kind happens.

extern crate std;

use alloc::alloc::{alloc_zeroed, dealloc};
use alloc::boxed::Box;
use core::alloc::Layout;
use core::ops::Range;
use core::ptr::NonNull;

use super::{
    Arena, HART_OFFSET, HART_SIZE, HartBlock, MAX_HARTS, PAGE_SIZE, PageFlags, RAM_OFFSET, Storage,
    ram,
};

/// Bytes on either side of the arena.
const GUARD: usize = 64 << 10;
/// What they hold.
const CANARY: u8 = 0xc5;

/// The arena's memory between two guards. Looks at everything when it is dropped.
pub struct Guarded {
    block: NonNull<u8>,
    layout: Layout,
    ram_size: usize,
}

impl Guarded {
    /// Storage for a machine with `ram_size` bytes of RAM.
    pub fn for_ram(ram_size: u64) -> Box<dyn Storage> {
        let size = Arena::storage_size(ram_size) as usize + 2 * GUARD;
        let layout = Layout::from_size_align(size, PAGE_SIZE as usize).unwrap();
        // SAFETY: the size is not zero.
        let block = NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap();
        let guarded = Self {
            block,
            layout,
            ram_size: ram_size as usize,
        };
        for guard in guarded.guards() {
            // SAFETY: both guards lie in the block.
            unsafe { block.add(guard.start).write_bytes(CANARY, guard.len()) }
        }
        Box::new(guarded)
    }

    fn guards(&self) -> [Range<usize>; 2] {
        let size = self.layout.size();
        [0..GUARD, size - GUARD..size]
    }

    /// Where in the block something is that holds another byte than it should.
    fn damage(&self) -> Option<usize> {
        let all = |range: Range<usize>, right: fn(u8) -> bool| {
            // SAFETY: the ranges below lie in the block, which holds integers only.
            let byte = |at: &usize| unsafe { self.block.add(*at).read() };
            range.into_iter().find(|at| !right(byte(at)))
        };
        let [before, behind] = self.guards();
        let flags = GUARD + RAM_OFFSET + self.ram_size;
        // What is between the parts of the arena; nothing ever writes there.
        let mut gaps = alloc::vec![size_of::<ram::Header>()..HART_OFFSET];
        for hart in 0..MAX_HARTS {
            let block = HART_OFFSET + hart * HART_SIZE;
            gaps.push(block + size_of::<HartBlock>()..block + HART_SIZE);
        }
        gaps.push(HART_OFFSET + MAX_HARTS * HART_SIZE..RAM_OFFSET);
        let mut gaps = gaps.into_iter();
        all(before, |byte| byte == CANARY)
            .or_else(|| all(behind, |byte| byte == CANARY))
            .or_else(|| all(flags..flags + self.ram_size / PAGE_SIZE as usize, is_flags))
            .or_else(|| {
                gaps.find_map(|gap| all(GUARD + gap.start..GUARD + gap.end, |byte| byte == 0))
            })
    }
}

fn is_flags(byte: u8) -> bool {
    let every = PageFlags::DIRTY
        .with(PageFlags::CODE)
        .with(PageFlags::WATCHED);
    every.contains(PageFlags(byte))
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let damage = self.damage();
        // SAFETY: allocated in `for_ram` with this layout, and freed only here.
        unsafe { dealloc(self.block.as_ptr(), self.layout) }
        if let Some(at) = damage
            && !std::thread::panicking()
        {
            panic!(
                "byte {at:#x} of the block was written, which begins {GUARD:#x} before the arena"
            );
        }
    }
}

// SAFETY: the arena's part of the allocation is zeroed, a multiple of a page from its aligned start,
// as long as `len` says, and reachable only through this value.
unsafe impl Storage for Guarded {
    fn base(&self) -> NonNull<u8> {
        // SAFETY: the guard is shorter than the block.
        unsafe { self.block.add(GUARD) }
    }

    fn len(&self) -> usize {
        self.layout.size() - 2 * GUARD
    }
}
