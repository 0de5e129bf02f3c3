//! Address translation and physical memory protection.
//!
//! Plain functions over plain data: nothing here knows a hart, its CSRs or its traps. The walk
//! caches are part of the guest's architectural state: two harts that saw the same page walks
//! have equal ones, so that stale translations behave alike on every engine and after a snapshot.
//! Whatever is faster than this module is a pure cache of it, and [`Dropped`] says what such a
//! cache must forget.

mod cache;
mod pmp;
pub mod pte;
mod walk;

pub use cache::WalkCache;
pub use pmp::{Pmp, REGIONS as PMP_REGIONS};
pub use walk::{Fault, Regime};

use crate::arena::Ram;

/// What a translation is for.
///
/// LR counts as a load; SC and the AMOs count as stores.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum Access {
    /// An instruction fetch.
    Fetch = 0,
    /// A load.
    Load = 1,
    /// A store.
    Store = 2,
}

/// Virtual addresses for which faster caches must forget what they know, in every context.
///
/// It speaks of the caches behind the access it is reported for: the fetch shortcut for
/// [`Access::Fetch`], the inlined data TLB otherwise. Forgetting more is always allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum Dropped {
    /// Nothing.
    #[default]
    None,
    /// The 4 KiB page that begins here.
    Page(u64),
    /// A range of pages.
    Range {
        /// Its first byte, a multiple of `size`.
        va: u64,
        /// Its length in bytes, a power of two of at least 4096.
        size: u64,
    },
    /// All of them.
    All,
}

impl Dropped {
    /// What covers both: the larger one if the other lies in it, else everything.
    pub fn and(self, other: Dropped) -> Dropped {
        match (self.span(), other.span()) {
            (None, _) => other,
            (_, None) => self,
            (Some((a, size)), Some((b, less))) if size >= less && b & !(size - 1) == a => self,
            (Some((a, less)), Some((b, size))) if size >= less && a & !(size - 1) == b => other,
            _ => Dropped::All,
        }
    }

    fn span(self) -> Option<(u64, u64)> {
        match self {
            Dropped::None => None,
            Dropped::Page(va) => Some((va, crate::arena::PAGE_SIZE)),
            Dropped::Range { va, size } => Some((va, size)),
            Dropped::All => Some((0, 1 << 63)),
        }
    }

    pub(crate) fn range(va: u64, size: u64) -> Dropped {
        if size == crate::arena::PAGE_SIZE {
            Dropped::Page(va)
        } else {
            Dropped::Range { va, size }
        }
    }
}

/// The result of a translation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Translated {
    /// The physical address, up to 56 bits; the virtual one itself where nothing is translated.
    pub pa: u64,
    /// What left the walk cache on the way.
    pub dropped: Dropped,
}

/// What [`translate`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The translation.
    pub translated: Translated,
    /// The physical address of the page table entry whose A or D bit was set, if one was.
    pub updated_pte: Option<u64>,
}

/// Translates `va` under `regime`, through `cache`.
///
/// A hit leaves everything as it is. A miss, or a hit that does not permit the access, walks the
/// tables; a walk that succeeds fills the cache, one that fails leaves it alone.
#[inline]
pub fn translate(
    cache: &mut WalkCache,
    regime: &Regime,
    pmp: &Pmp,
    va: u64,
    access: Access,
    ram: Ram<'_>,
) -> Result<Outcome, Fault> {
    if !regime.is_canonical(va) {
        return Err(Fault::Page);
    }
    let hit = cache.lookup(va, regime.asid());
    if let Some(hit) = hit
        && regime.permits(hit.pte, access)
        && (access != Access::Store || hit.pte & pte::D != 0)
    {
        return Ok(Outcome {
            translated: Translated {
                pa: hit.physical(va),
                dropped: Dropped::None,
            },
            updated_pte: None,
        });
    }
    refill(cache, regime, pmp, va, access, ram, hit.is_some())
}

/// The slow half of [`translate`]: walks and fills.
///
/// `stale`: the cache has an entry for `va` that does not permit the access.
#[cold]
fn refill(
    cache: &mut WalkCache,
    regime: &Regime,
    pmp: &Pmp,
    va: u64,
    access: Access,
    ram: Ram<'_>,
    stale: bool,
) -> Result<Outcome, Fault> {
    let leaf = walk::walk(regime, pmp, va, access, ram)?;
    let mut dropped = Dropped::None;
    if stale {
        // An entry of another page size would go on hiding the new one, or be hidden by it
        // while a shortcut still follows it.
        dropped = cache.remove_other_sizes(va, regime.asid(), leaf.level);
    }
    dropped = dropped.and(cache.fill(va, regime.asid(), leaf.level, leaf.pte));
    Ok(Outcome {
        translated: Translated {
            pa: cache::Hit {
                level: leaf.level,
                pte: leaf.pte,
            }
            .physical(va),
            dropped,
        },
        updated_pte: leaf.updated,
    })
}
