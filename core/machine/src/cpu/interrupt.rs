//! Interrupts: what is pending, what is taken, and WFI (privileged architecture, 3.1.9, 3.3.3).

use super::csr::Illegal;
use super::effects::Effects;
use super::state::{Hart, Privilege};
use super::status;

/// An interrupt, by its code in `mcause` and its bit in `mip`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum Interrupt {
    /// SSI.
    SupervisorSoftware = 1,
    /// MSI.
    MachineSoftware = 3,
    /// STI.
    SupervisorTimer = 5,
    /// MTI.
    MachineTimer = 7,
    /// SEI.
    SupervisorExternal = 9,
    /// MEI.
    MachineExternal = 11,
}

impl Interrupt {
    /// All of them, the most urgent first (3.1.9).
    pub const BY_PRIORITY: [Self; 6] = [
        Self::MachineExternal,
        Self::MachineSoftware,
        Self::MachineTimer,
        Self::SupervisorExternal,
        Self::SupervisorSoftware,
        Self::SupervisorTimer,
    ];

    /// Its bit in `mip`.
    pub const fn bit(self) -> u64 {
        1 << self as u8
    }

    fn first_of(pending: u64) -> Option<Self> {
        Self::BY_PRIORITY
            .into_iter()
            .find(|interrupt| pending & interrupt.bit() != 0)
    }
}

impl Hart {
    /// The `mip` CSR: what software wrote and what the lines say.
    #[inline]
    pub fn mip(&self) -> u64 {
        self.mip_with(self.stip)
    }

    /// `mip` where the comparison of `time` with `stimecmp` gave `due`.
    pub(super) fn mip_with(&self, due: bool) -> u64 {
        let line = |level: bool, bit: u64| if level { bit } else { 0 };
        let written = if self.csr.menvcfg & status::STCE != 0 {
            self.csr.mip & !status::STIP | line(due, status::STIP)
        } else {
            self.csr.mip
        };
        written
            | line(self.meip, status::MEIP)
            | line(self.seip_external, status::SEIP)
            | line(self.msip, status::MSIP)
            | line(self.mtip, status::MTIP)
    }

    /// The interrupt to take before the next instruction, if there is one.
    #[inline]
    pub fn pending_interrupt(&self) -> Option<Interrupt> {
        let pending = self.mip() & self.csr.mie;
        if pending == 0 {
            return None;
        }
        let enabled = |bit| self.csr.mstatus & bit != 0;
        if self.privilege != Privilege::Machine || enabled(status::MIE) {
            let machine = Interrupt::first_of(pending & !self.csr.mideleg);
            if machine.is_some() {
                return machine;
            }
        }
        match self.privilege {
            Privilege::Machine => None,
            Privilege::Supervisor if !enabled(status::SIE) => None,
            _ => Interrupt::first_of(pending & self.csr.mideleg),
        }
    }

    /// Compares `time` with `stimecmp`. To be called at the deadline it sets; the hart does it
    /// itself when it writes `stimecmp`.
    pub fn set_time(&mut self, time: u64) {
        self.stip = time >= self.csr.stimecmp;
    }

    /// The time at which `stimecmp` next changes an interrupt, or `None` if it drives nothing or
    /// has done so already.
    pub fn timer_deadline(&self) -> Option<u64> {
        (self.csr.menvcfg & status::STCE != 0 && !self.stip).then_some(self.csr.stimecmp)
    }

    /// Whether WFI has something to wake for: an interrupt that is pending and enabled in `mie`,
    /// taken or not (3.3.3).
    #[inline]
    pub fn wakes(&self) -> bool {
        self.mip() & self.csr.mie != 0
    }

    /// WFI. Illegal in user mode, and in supervisor mode under TW. The caller has `pc` go on.
    pub fn wfi(&mut self) -> Result<Effects, Illegal> {
        match self.privilege {
            Privilege::Machine => {}
            Privilege::Supervisor if self.csr.mstatus & status::TW == 0 => {}
            _ => return Err(Illegal),
        }
        self.waiting = !self.wakes();
        Ok(Effects::SAMPLE)
    }
}

#[cfg(test)]
mod tests;
