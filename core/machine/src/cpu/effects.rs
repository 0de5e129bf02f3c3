//! What whoever runs a hart must do after a privileged operation.

use core::ops::BitOr;

use crate::mmu::Dropped;

/// Orders to the caches and to the run loop; always on the safe side.
///
/// ```
/// use virtarium_machine::cpu::Effects;
/// let effects = Effects::SAMPLE | Effects::CONTEXT;
/// assert!(effects.contains(Effects::SAMPLE));
/// assert!(!effects.contains(Effects::FLUSH_DATA));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[must_use = "caches and the run loop have to follow"]
pub struct Effects {
    flags: u8,
    /// What the inlined data TLB must forget, beside what the flags say.
    pub dropped: Dropped,
}

impl Effects {
    /// Nothing to do.
    pub const NONE: Self = Self::flags(0);
    /// Empty the inlined data TLB, all contexts.
    pub const FLUSH_DATA: Self = Self::flags(1);
    /// Empty the fetch shortcut.
    pub const FLUSH_FETCH: Self = Self::flags(2);
    /// Ask again whether an interrupt is pending.
    pub const SAMPLE: Self = Self::flags(4);
    /// Privilege, SUM, MPRV or `satp` changed: ask again for the data context, and fetch under
    /// the present privilege.
    pub const CONTEXT: Self = Self::flags(8);
    /// Deadlines changed: `stimecmp`, or what it is compared for.
    pub const DEADLINE: Self = Self::flags(16);
    /// Both flushes.
    pub const FLUSH: Self = Self::flags(1 | 2);

    const fn flags(flags: u8) -> Self {
        Self {
            flags,
            dropped: Dropped::None,
        }
    }

    /// What `dropped` orders for the data TLB.
    pub(crate) fn dropping(dropped: Dropped) -> Self {
        if dropped == Dropped::All {
            Self::FLUSH_DATA
        } else {
            Self { flags: 0, dropped }
        }
    }

    /// Whether all flags of `other` are set.
    #[inline(always)]
    pub const fn contains(self, other: Self) -> bool {
        self.flags & other.flags == other.flags
    }

    /// Whether there is nothing to do.
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }
}

impl BitOr for Effects {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self {
            flags: self.flags | other.flags,
            dropped: self.dropped.and(other.dropped),
        }
    }
}
