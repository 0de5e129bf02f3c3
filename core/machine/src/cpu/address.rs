//! The hart's view of memory: translation, protection and the fences.

use super::csr::Illegal;
use super::effects::Effects;
use super::state::{Hart, Privilege, Reservation};
use super::status;
use super::trap::Exception;
use crate::arena::Ram;
use crate::mmu::{self, Access, Dropped, Fault, Regime, Translated};

impl Hart {
    /// The privilege that an access is made with: `mstatus.MPRV` lends MPP's to loads and stores.
    #[inline(always)]
    pub fn effective_privilege(&self, access: Access) -> Privilege {
        let mstatus = self.csr.mstatus;
        if mstatus & status::MPRV == 0 || access == Access::Fetch {
            self.privilege
        } else {
            let mpp = (mstatus & status::MPP) >> status::MPP_SHIFT;
            Privilege::from_bits(mpp).unwrap_or(self.privilege)
        }
    }

    /// Which of the inlined data TLB's tables loads and stores go by: 0 for user mode, 1 for
    /// supervisor mode, 2 for supervisor mode with SUM, 3 for machine mode.
    #[inline]
    pub fn data_context(&self) -> usize {
        match self.effective_privilege(Access::Load) {
            Privilege::User => 0,
            Privilege::Supervisor if self.csr.mstatus & status::SUM == 0 => 1,
            Privilege::Supervisor => 2,
            Privilege::Machine => 3,
        }
    }

    /// Whether addresses of this kind of access are translated at all.
    #[inline(always)]
    pub fn translates(&self, access: Access) -> bool {
        self.csr.satp >> 60 != 0 && self.effective_privilege(access) != Privilege::Machine
    }

    /// Translates `va`. The page walk, if one is needed, reads and updates page tables in RAM.
    ///
    /// PMP is checked for the walk's own accesses only; the access itself is for the caller, with
    /// [`Hart::pmp_allows`]. The exception's `tval` is `va`.
    #[inline]
    pub fn translate(
        &mut self,
        va: u64,
        access: Access,
        ram: Ram<'_>,
    ) -> Result<Translated, Exception> {
        let privilege = self.effective_privilege(access);
        if self.csr.satp >> 60 == 0 || privilege == Privilege::Machine {
            return Ok(Translated {
                pa: va,
                dropped: Dropped::None,
            });
        }
        let regime = Regime {
            satp: self.csr.satp,
            user: privilege == Privilege::User,
            sum: self.csr.mstatus & status::SUM != 0,
            mxr: self.csr.mstatus & status::MXR != 0,
            update_ad: self.csr.menvcfg & status::ADUE != 0,
            pbmt: self.csr.menvcfg & status::PBMTE != 0,
        };
        let cache = match access {
            Access::Fetch => &mut self.fetch_cache,
            Access::Load | Access::Store => &mut self.data_cache,
        };
        match mmu::translate(cache, &regime, &self.pmp, va, access, ram) {
            Ok(outcome) => {
                // SC must not undo the walk's write to the line that LR reserved.
                if let Some(at) = outcome.updated_pte
                    && self.reservation == Some(Reservation::of(at))
                {
                    self.reservation = None;
                }
                Ok(outcome.translated)
            }
            Err(Fault::Page) => Err(Exception::page_fault(access)),
            Err(Fault::Access) => Err(Exception::access_fault(access)),
        }
    }

    /// Whether PMP allows an access of `len` bytes (at least 1) at a physical address.
    #[inline]
    pub fn pmp_allows(&self, pa: u64, len: u64, access: Access) -> bool {
        let machine = self.effective_privilege(access) == Privilege::Machine;
        self.pmp.allows(pa, len, access, machine)
    }

    /// Whether PMP allows every such access inside the 4 KiB page that holds `pa`; only then may
    /// a shortcut skip [`Hart::pmp_allows`].
    pub fn pmp_page_uniform(&self, pa: u64, access: Access) -> bool {
        let machine = self.effective_privilege(access) == Privilege::Machine;
        self.pmp.allows_page(pa, access, machine)
    }

    /// SFENCE.VMA: `None` where the register operand is `x0`. Illegal in user mode, and in
    /// supervisor mode under TVM.
    pub fn sfence_vma(&mut self, va: Option<u64>, asid: Option<u16>) -> Result<Effects, Illegal> {
        self.may_fence(status::TVM)?;
        Ok(self.fence(va, asid))
    }

    /// SINVAL.VMA: acts at once, as SFENCE.VMA does, which the sequence of Svinval permits.
    pub fn sinval_vma(&mut self, va: Option<u64>, asid: Option<u16>) -> Result<Effects, Illegal> {
        self.sfence_vma(va, asid)
    }

    /// SFENCE.W.INVAL and SFENCE.INVAL.IR: orders that are kept anyway. Illegal in user mode.
    pub fn sfence_inval(&self) -> Result<Effects, Illegal> {
        self.may_fence(0)?;
        Ok(Effects::NONE)
    }

    /// Does what SFENCE.VMA does, whatever the privilege: for firmware that fences another hart.
    pub fn fence(&mut self, va: Option<u64>, asid: Option<u16>) -> Effects {
        let data = self.data_cache.fence(va, asid);
        let fetch = self.fetch_cache.fence(va, asid);
        let fetch = if fetch == Dropped::None {
            Effects::NONE
        } else {
            Effects::FLUSH_FETCH
        };
        fetch | Effects::dropping(data)
    }

    fn may_fence(&self, trap: u64) -> Result<(), Illegal> {
        match self.privilege {
            Privilege::Machine => Ok(()),
            Privilege::Supervisor if self.csr.mstatus & trap == 0 => Ok(()),
            _ => Err(Illegal),
        }
    }
}

#[cfg(test)]
mod tests;
