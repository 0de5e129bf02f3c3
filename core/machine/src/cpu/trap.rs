//! Traps: their causes, entry and return (privileged architecture, 3.1.6, 3.1.8, 12.1.1).

use super::csr::Illegal;
use super::effects::Effects;
use super::interrupt::Interrupt;
use super::state::{Hart, Privilege};
use super::status;
use crate::mmu::Access;

/// A synchronous exception, by its code in `mcause`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum Exception {
    /// A jump to an odd address; cannot happen with compressed instructions.
    InstructionMisaligned = 0,
    /// A fetch from where nothing can be fetched.
    InstructionAccessFault = 1,
    /// An instruction or CSR that does not exist or is not allowed here; `tval` is the instruction.
    IllegalInstruction = 2,
    /// EBREAK; `tval` is its address.
    Breakpoint = 3,
    /// A misaligned load that is not supported.
    LoadMisaligned = 4,
    /// A load from where nothing can be loaded.
    LoadAccessFault = 5,
    /// A misaligned store or AMO that is not supported.
    StoreMisaligned = 6,
    /// A store or AMO where nothing can be stored.
    StoreAccessFault = 7,
    /// ECALL in user mode; `tval` is zero, as for the next two.
    EcallFromUser = 8,
    /// ECALL in supervisor mode.
    EcallFromSupervisor = 9,
    /// ECALL in machine mode.
    EcallFromMachine = 11,
    /// A fetch that the page tables do not permit.
    InstructionPageFault = 12,
    /// A load that the page tables do not permit.
    LoadPageFault = 13,
    /// A store or AMO that the page tables do not permit.
    StorePageFault = 15,
}

impl Exception {
    /// The page fault of this kind of access.
    pub const fn page_fault(access: Access) -> Self {
        match access {
            Access::Fetch => Self::InstructionPageFault,
            Access::Load => Self::LoadPageFault,
            Access::Store => Self::StorePageFault,
        }
    }

    /// The access fault of this kind of access.
    pub const fn access_fault(access: Access) -> Self {
        match access {
            Access::Fetch => Self::InstructionAccessFault,
            Access::Load => Self::LoadAccessFault,
            Access::Store => Self::StoreAccessFault,
        }
    }

    /// ECALL at this privilege.
    pub const fn environment_call(privilege: Privilege) -> Self {
        match privilege {
            Privilege::User => Self::EcallFromUser,
            Privilege::Supervisor => Self::EcallFromSupervisor,
            Privilege::Machine => Self::EcallFromMachine,
        }
    }
}

/// Why a hart enters a trap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Cause {
    /// The instruction at `pc` cannot complete.
    Exception(Exception),
    /// Something else wants attention, before the instruction at `pc`.
    Interrupt(Interrupt),
}

impl From<Exception> for Cause {
    fn from(exception: Exception) -> Self {
        Self::Exception(exception)
    }
}

impl From<Interrupt> for Cause {
    fn from(interrupt: Interrupt) -> Self {
        Self::Interrupt(interrupt)
    }
}

impl Cause {
    /// The value of `mcause`.
    pub const fn code(self) -> u64 {
        match self {
            Self::Exception(exception) => exception as u64,
            Self::Interrupt(interrupt) => 1 << 63 | interrupt as u64,
        }
    }
}

impl Hart {
    /// Enters the trap handler for `cause`. `pc` is the address of the instruction that trapped,
    /// or of the next one for an interrupt; afterwards it is the handler's.
    ///
    /// Counts an exception in [`Hart::not_retired`]; the step itself is the caller's to count.
    pub fn enter_trap(&mut self, cause: Cause, tval: u64) -> Effects {
        let (delegated, vector) = match cause {
            Cause::Exception(exception) => {
                self.not_retired = self.not_retired.wrapping_add(1);
                (self.csr.medeleg >> exception as u8, 0)
            }
            Cause::Interrupt(interrupt) => {
                (self.csr.mideleg >> interrupt as u8, 4 * interrupt as u64)
            }
        };
        self.reservation = None;
        self.waiting = false;
        let csr = &mut self.csr;
        let from = self.privilege;
        let tvec = if delegated & 1 != 0 && from != Privilege::Machine {
            csr.scause = cause.code();
            csr.sepc = self.pc;
            csr.stval = tval;
            let spp = if from == Privilege::User {
                0
            } else {
                status::SPP
            };
            let spie = (csr.mstatus & status::SIE) << 4;
            csr.mstatus &= !(status::SPP | status::SPIE | status::SIE);
            csr.mstatus |= spp | spie;
            self.privilege = Privilege::Supervisor;
            csr.stvec
        } else {
            csr.mcause = cause.code();
            csr.mepc = self.pc;
            csr.mtval = tval;
            let mpp = (from as u64) << status::MPP_SHIFT;
            let mpie = (csr.mstatus & status::MIE) << 4;
            csr.mstatus &= !(status::MPP | status::MPIE | status::MIE);
            csr.mstatus |= mpp | mpie;
            self.privilege = Privilege::Machine;
            csr.mtvec
        };
        // 3.1.7: in vectored mode interrupts go to the base plus four times their code.
        let offset = if tvec & 3 == 1 { vector } else { 0 };
        self.pc = (tvec & !3).wrapping_add(offset);
        Effects::CONTEXT | Effects::SAMPLE
    }

    /// MRET; illegal below machine mode.
    pub fn mret(&mut self) -> Result<Effects, Illegal> {
        if self.privilege != Privilege::Machine {
            return Err(Illegal);
        }
        let mstatus = self.csr.mstatus;
        let to = Privilege::from_bits((mstatus & status::MPP) >> status::MPP_SHIFT);
        let mie = (mstatus & status::MPIE) >> 4;
        let clear = status::MPP | status::MIE;
        self.csr.mstatus = mstatus & !clear | mie | status::MPIE;
        Ok(self.leave(to.unwrap_or(Privilege::User), self.csr.mepc))
    }

    /// SRET; illegal in user mode, and in supervisor mode under TSR.
    pub fn sret(&mut self) -> Result<Effects, Illegal> {
        let mstatus = self.csr.mstatus;
        match self.privilege {
            Privilege::Machine => {}
            Privilege::Supervisor if mstatus & status::TSR == 0 => {}
            _ => return Err(Illegal),
        }
        let to = if mstatus & status::SPP == 0 {
            Privilege::User
        } else {
            Privilege::Supervisor
        };
        let sie = (mstatus & status::SPIE) >> 4;
        let clear = status::SPP | status::SIE;
        self.csr.mstatus = mstatus & !clear | sie | status::SPIE;
        Ok(self.leave(to, self.csr.sepc))
    }

    fn leave(&mut self, to: Privilege, pc: u64) -> Effects {
        // 3.1.6.1: a return to less than machine mode clears MPRV.
        if to != Privilege::Machine {
            self.csr.mstatus &= !status::MPRV;
        }
        self.reservation = None;
        self.privilege = to;
        self.pc = pc;
        Effects::CONTEXT | Effects::SAMPLE
    }
}

#[cfg(test)]
mod tests;
