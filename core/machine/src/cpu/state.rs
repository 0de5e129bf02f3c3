//! The state of a hart.

use super::config::{AdUpdate, IsaConfig};
use super::status;
use crate::map::RESET_VECTOR;
use crate::mmu::{Access, Pmp, WalkCache};

/// A privilege level.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
#[repr(u8)]
pub enum Privilege {
    /// U.
    User = 0,
    /// S.
    Supervisor = 1,
    /// M.
    Machine = 3,
}

impl Privilege {
    /// From the encoding in MPP; `None` for the reserved one.
    pub const fn from_bits(bits: u64) -> Option<Self> {
        match bits {
            0 => Some(Self::User),
            1 => Some(Self::Supervisor),
            3 => Some(Self::Machine),
            _ => None,
        }
    }
}

/// What LR has reserved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Reservation {
    /// The physical address of the line, a multiple of [`Reservation::SIZE`].
    pub line: u64,
}

impl Reservation {
    /// Size of a line in bytes (Za64rs).
    pub const SIZE: u64 = 64;

    /// The reservation of the line that holds `pa`.
    pub const fn of(pa: u64) -> Self {
        Self {
            line: pa & !(Self::SIZE - 1),
        }
    }
}

/// What the CSRs hold. Values are legal at all times; a field holds only the bits that exist.
///
/// Reading and writing as the guest sees it is [`Hart::csr_read`] and [`Hart::csr_write`].
#[derive(Clone, PartialEq, Eq, Debug, Hash, Default)]
#[expect(
    missing_docs,
    reason = "each is the CSR of its name; where more is to say, it is said"
)]
pub struct Csrs {
    /// Without SD, UXL and SXL, which follow.
    pub mstatus: u64,
    pub medeleg: u64,
    pub mideleg: u64,
    pub mie: u64,
    /// The bits that software has written: SSIP, STIP (without STCE), SEIP. See [`Hart::mip`].
    pub mip: u64,
    pub mtvec: u64,
    pub mscratch: u64,
    pub mepc: u64,
    pub mcause: u64,
    pub mtval: u64,
    pub mcounteren: u64,
    pub mcountinhibit: u64,
    /// What to add to the count of steps; while inhibited, the counter itself.
    pub mcycle: u64,
    /// What to add to the count of retired instructions; while inhibited, the counter itself.
    pub minstret: u64,
    pub menvcfg: u64,
    pub stvec: u64,
    pub sscratch: u64,
    pub sepc: u64,
    pub scause: u64,
    pub stval: u64,
    pub scounteren: u64,
    pub senvcfg: u64,
    pub stimecmp: u64,
    pub satp: u64,
    pub fflags: u8,
    pub frm: u8,
}

/// A hart without its `x` and `f` registers, which lie in the arena.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct Hart {
    /// `mhartid`.
    pub id: usize,
    /// The address of the next instruction; on entry to a trap that of the one that trapped.
    pub pc: u64,
    /// The present privilege.
    pub privilege: Privilege,
    /// The CSRs.
    pub csr: Csrs,
    /// PMP entries.
    pub pmp: Pmp,
    /// What LR reserved, until SC, a trap or a return from one.
    pub reservation: Option<Reservation>,
    /// Steps of this hart: instructions retired and attempts that trapped.
    pub retired: u64,
    /// Attempts that trapped; [`Hart::enter_trap`] counts them.
    pub not_retired: u64,
    /// In WFI.
    pub waiting: bool,
    /// The machine external interrupt line.
    pub meip: bool,
    /// The supervisor external interrupt line, beside the bit that software writes.
    pub seip_external: bool,
    /// The machine software interrupt line.
    pub msip: bool,
    /// The machine timer's line.
    pub mtip: bool,
    /// `time >= stimecmp`, as [`Hart::set_time`] saw it last; counts under `menvcfg.STCE` only.
    pub stip: bool,
    /// Translations of fetches.
    pub fetch_cache: WalkCache,
    /// Translations of loads and stores.
    pub data_cache: WalkCache,
}

impl Hart {
    /// Hart `id` after reset: in machine mode at the reset ROM, without translation.
    pub fn new(id: usize, config: &IsaConfig) -> Self {
        // What the architecture leaves open is as on QEMU's `virt`: memory types enabled,
        // hardware updating of A and D unless software is to do it.
        let adue = match config.ad_update {
            AdUpdate::Svadu => status::ADUE,
            AdUpdate::Svade => 0,
        };
        Self {
            id,
            pc: RESET_VECTOR.0,
            privilege: Privilege::Machine,
            csr: Csrs {
                menvcfg: status::PBMTE | adue,
                // No timer interrupt until one is asked for.
                stimecmp: u64::MAX,
                ..Csrs::default()
            },
            pmp: Pmp::default(),
            reservation: None,
            retired: 0,
            not_retired: 0,
            waiting: false,
            meip: false,
            seip_external: false,
            msip: false,
            mtip: false,
            stip: false,
            fetch_cache: WalkCache::new(Access::Fetch),
            data_cache: WalkCache::new(Access::Load),
        }
    }

    /// Whether floating-point instructions and CSRs are legal: `mstatus.FS` is not off.
    #[inline(always)]
    pub fn fs_enabled(&self) -> bool {
        self.csr.mstatus & status::FS != 0
    }

    /// Whether the floating-point unit is on and its state known to be in use (FS is Dirty).
    #[inline]
    pub fn fs_is_dirty(&self) -> bool {
        self.csr.mstatus & status::FS == status::FS
    }

    /// Notes that floating-point state changed: `mstatus.FS` becomes dirty.
    #[inline(always)]
    pub fn mark_fs_dirty(&mut self) {
        self.csr.mstatus |= status::FS;
    }

    /// Whether `cbo.inval` is legal here (Zicbom, 2.5.1); it may always flush as well.
    pub fn cbo_inval_allowed(&self) -> bool {
        self.envcfg_allows(status::CBIE)
    }

    /// Whether `cbo.clean` and `cbo.flush` are legal here.
    pub fn cbo_clean_allowed(&self) -> bool {
        self.envcfg_allows(status::CBCFE)
    }

    /// Whether `cbo.zero` is legal here.
    pub fn cbo_zero_allowed(&self) -> bool {
        self.envcfg_allows(status::CBZE)
    }

    fn envcfg_allows(&self, field: u64) -> bool {
        let (menvcfg, senvcfg) = (self.csr.menvcfg & field, self.csr.senvcfg & field);
        match self.privilege {
            Privilege::Machine => true,
            Privilege::Supervisor => menvcfg != 0,
            Privilege::User => menvcfg != 0 && senvcfg != 0,
        }
    }
}
