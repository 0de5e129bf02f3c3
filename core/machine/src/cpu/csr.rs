//! Reading and writing CSRs: who may, and what becomes of the value (WARL).

use super::csr_table::{self, Register};
use super::effects::Effects;
use super::state::{Hart, Privilege};
use super::status;
use crate::isa::{Class, Inst, Op};
use crate::mmu::PMP_REGIONS;

/// The access raises an illegal-instruction exception. Nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Illegal;

/// What a CSR access needs from outside the hart; made by [`Hart::csr_context`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CsrContext {
    /// The `time` CSR.
    pub time: u64,
    /// Instructions that the hart has retired before this one: its steps at this point less
    /// [`Hart::not_retired`].
    pub instret: u64,
}

/// What a CSR instruction does with its operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CsrOp {
    /// CSRRW: the operand replaces the value.
    Write,
    /// CSRRS: bits that are set in the operand are set.
    Set,
    /// CSRRC: bits that are set in the operand are cleared.
    Clear,
}

/// `misa`: RV64 with A, B, C, D, F, I, M, S and U. Read-only.
const MISA: u64 = {
    let letters = b"abcdfimsu";
    let mut bits = 2 << 62;
    let mut n = 0;
    while n < letters.len() {
        bits |= 1 << (letters[n] - b'a');
        n += 1;
    }
    bits
};

/// `fflags`, `frm` and `fcsr`.
pub const FLOAT_CSRS: core::ops::RangeInclusive<i32> = 1..=3;

impl Hart {
    /// Reads a CSR with the present privilege.
    pub fn csr_read(&self, number: u16, cx: &CsrContext) -> Result<u64, Illegal> {
        let (register, nth) = self.csr_check(number, false)?;
        Ok(self.read_register(register, nth, cx))
    }

    /// Writes a CSR with the present privilege. An illegal value becomes a legal one.
    pub fn csr_write(
        &mut self,
        number: u16,
        value: u64,
        cx: &CsrContext,
    ) -> Result<Effects, Illegal> {
        let (register, nth) = self.csr_check(number, true)?;
        Ok(self.write_register(register, nth, value, cx))
    }

    /// Reads and writes a CSR as one instruction does, and returns what was read.
    ///
    /// Not the same as a read and a write: what CSRRS and CSRRC write to `mip` does not count
    /// the external line in SEIP, though what they return does (3.1.9).
    pub fn csr_modify(
        &mut self,
        number: u16,
        op: CsrOp,
        operand: u64,
        cx: &CsrContext,
    ) -> Result<(u64, Effects), Illegal> {
        let (register, nth) = self.csr_check(number, true)?;
        let old = self.read_register(register, nth, cx);
        let base = match register {
            Register::Mip => old & !status::SEIP | self.csr.mip & status::SEIP,
            _ => old,
        };
        let new = match op {
            CsrOp::Write => operand,
            CsrOp::Set => base | operand,
            CsrOp::Clear => base & !operand,
        };
        Ok((old, self.write_register(register, nth, new, cx)))
    }

    /// CSRRW and its kin; `rs1` is the value of that register. Returns what `rd` gets. A read that
    /// goes nowhere and a write of nothing are not made (unprivileged ISA, "Zicsr").
    pub fn csr_instruction(
        &mut self,
        inst: &Inst,
        rs1: u64,
        cx: &CsrContext,
    ) -> Result<(u64, Effects), Illegal> {
        let number = inst.imm as u16;
        let by_register = matches!(inst.op, Op::Csrrw | Op::Csrrs | Op::Csrrc);
        let operand = if by_register {
            rs1
        } else {
            u64::from(inst.rs1)
        };
        let op = match inst.op {
            Op::Csrrw | Op::Csrrwi => CsrOp::Write,
            Op::Csrrs | Op::Csrrsi => CsrOp::Set,
            _ => CsrOp::Clear,
        };
        if op == CsrOp::Write && inst.rd == 0 {
            Ok((0, self.csr_write(number, operand, cx)?))
        } else if op != CsrOp::Write && inst.rs1 == 0 {
            Ok((self.csr_read(number, cx)?, Effects::NONE))
        } else {
            self.csr_modify(number, op, operand, cx)
        }
    }

    /// The same for `fflags`, `frm` and `fcsr`, which nothing outside the hart depends on: an
    /// engine need not stop for them. `None` for everything else, and where it is illegal.
    pub fn float_csr_instruction(&mut self, inst: &Inst, rs1: u64) -> Option<u64> {
        if !FLOAT_CSRS.contains(&inst.imm) || inst.row()?.class != Class::Csr {
            return None;
        }
        let cx = CsrContext {
            time: 0,
            instret: 0,
        };
        let (old, effects) = self.csr_instruction(inst, rs1, &cx).ok()?;
        debug_assert!(effects.is_none());
        Some(old)
    }

    /// Reads a CSR whatever the privilege, for a debugger; `None` if it does not exist.
    pub fn csr_peek(&self, number: u16, cx: &CsrContext) -> Option<u64> {
        let (row, nth) = csr_table::find(number)?;
        Some(self.read_register(row.register, nth, cx))
    }

    /// Writes a CSR whatever the privilege, for a debugger; `None` if it does not exist.
    pub fn csr_poke(&mut self, number: u16, value: u64, cx: &CsrContext) -> Option<Effects> {
        let (row, nth) = csr_table::find(number)?;
        Some(self.write_register(row.register, nth, value, cx))
    }

    /// Whether the instruction may access the CSR, and what is behind it.
    fn csr_check(&self, number: u16, write: bool) -> Result<(Register, u16), Illegal> {
        let (row, nth) = csr_table::find(number).ok_or(Illegal)?;
        // 2.1: bits 11:10 are 3 for read-only CSRs, bits 9:8 the lowest privilege.
        let read_only = number >> 10 & 3 == 3;
        let lowest = (number >> 8 & 3) as u8;
        if (write && read_only) || (self.privilege as u8) < lowest {
            return Err(Illegal);
        }
        let supervisor = self.privilege == Privilege::Supervisor;
        let allowed = match row.register {
            Register::Fflags | Register::Frm | Register::Fcsr => self.fs_enabled(),
            Register::Cycle | Register::Time | Register::Instret | Register::HpmCounter => {
                self.counter_readable(number & 0x1f)
            }
            Register::Satp => !supervisor || self.csr.mstatus & status::TVM == 0,
            // Sstc: both bits delegate it.
            Register::Stimecmp => {
                !supervisor
                    || (self.csr.menvcfg & status::STCE != 0
                        && self.csr.mcounteren & status::COUNTER_TM != 0)
            }
            _ => true,
        };
        if allowed {
            Ok((row.register, nth))
        } else {
            Err(Illegal)
        }
    }

    fn read_register(&self, register: Register, nth: u16, cx: &CsrContext) -> u64 {
        let csr = &self.csr;
        let sd = if csr.mstatus & status::FS == status::FS {
            status::SD
        } else {
            0
        };
        let mip = || self.mip_with(cx.time >= csr.stimecmp);
        match register {
            Register::Zero | Register::HpmCounter => 0,
            Register::Fflags => u64::from(csr.fflags),
            Register::Frm => u64::from(csr.frm),
            Register::Fcsr => u64::from(csr.frm) << 5 | u64::from(csr.fflags),
            Register::Cycle | Register::Mcycle => self.cycle(cx),
            Register::Time => cx.time,
            Register::Instret | Register::Minstret => self.instret(cx),
            Register::Sstatus => csr.mstatus & status::SSTATUS | status::UXL64 | sd,
            Register::Sie => csr.mie & csr.mideleg,
            Register::Stvec => csr.stvec,
            Register::Scounteren => csr.scounteren,
            Register::Senvcfg => csr.senvcfg,
            Register::Sscratch => csr.sscratch,
            Register::Sepc => csr.sepc,
            Register::Scause => csr.scause,
            Register::Stval => csr.stval,
            Register::Sip => mip() & csr.mideleg,
            Register::Stimecmp => csr.stimecmp,
            Register::Satp => csr.satp,
            Register::Mhartid => self.id as u64,
            Register::Mstatus => csr.mstatus | status::UXL64 | status::SXL64 | sd,
            Register::Misa => MISA,
            Register::Medeleg => csr.medeleg,
            Register::Mideleg => csr.mideleg,
            Register::Mie => csr.mie,
            Register::Mtvec => csr.mtvec,
            Register::Mcounteren => csr.mcounteren,
            Register::Menvcfg => csr.menvcfg,
            Register::Mcountinhibit => csr.mcountinhibit,
            Register::Mscratch => csr.mscratch,
            Register::Mepc => csr.mepc,
            Register::Mcause => csr.mcause,
            Register::Mtval => csr.mtval,
            Register::Mip => mip(),
            Register::Pmpcfg => u64::from_le_bytes(core::array::from_fn(|byte| {
                self.pmp.config(usize::from(nth) * 8 + byte)
            })),
            Register::Pmpaddr => self.pmp.address(nth.into()),
        }
    }

    fn write_register(
        &mut self,
        register: Register,
        nth: u16,
        value: u64,
        cx: &CsrContext,
    ) -> Effects {
        let csr = &mut self.csr;
        match register {
            Register::Zero
            | Register::HpmCounter
            | Register::Cycle
            | Register::Time
            | Register::Instret
            | Register::Mhartid
            | Register::Misa => {}
            Register::Fflags => {
                csr.fflags = value as u8 & 0x1f;
                self.mark_fs_dirty();
            }
            Register::Frm => {
                csr.frm = value as u8 & 7;
                self.mark_fs_dirty();
            }
            Register::Fcsr => {
                csr.fflags = value as u8 & 0x1f;
                csr.frm = (value >> 5) as u8 & 7;
                self.mark_fs_dirty();
            }
            Register::Sstatus => {
                let kept = csr.mstatus & !status::SSTATUS;
                return self.write_mstatus(kept | value & status::SSTATUS);
            }
            Register::Mstatus => return self.write_mstatus(value),
            Register::Sie => {
                csr.mie = csr.mie & !csr.mideleg | value & csr.mideleg;
                return Effects::SAMPLE;
            }
            Register::Mie => {
                csr.mie = value & status::INTERRUPTS;
                return Effects::SAMPLE;
            }
            Register::Sip => {
                // 12.1.3: of the bits that exist, only SSIP is software's.
                let writable = status::SSIP & csr.mideleg;
                csr.mip = csr.mip & !writable | value & writable;
                return Effects::SAMPLE;
            }
            Register::Mip => {
                // 3.1.9: STIP is read-only while stimecmp drives it.
                let timer = if csr.menvcfg & status::STCE != 0 {
                    0
                } else {
                    status::STIP
                };
                let writable = status::SSIP | status::SEIP | timer;
                csr.mip = csr.mip & !writable | value & writable;
                return Effects::SAMPLE;
            }
            Register::Stvec => write_tvec(&mut csr.stvec, value),
            Register::Mtvec => write_tvec(&mut csr.mtvec, value),
            Register::Scounteren => csr.scounteren = value & 0xffff_ffff,
            Register::Mcounteren => csr.mcounteren = value & 0xffff_ffff,
            Register::Sscratch => csr.sscratch = value,
            Register::Mscratch => csr.mscratch = value,
            // With C instructions are aligned to two bytes.
            Register::Sepc => csr.sepc = value & !1,
            Register::Mepc => csr.mepc = value & !1,
            Register::Scause => csr.scause = value,
            Register::Mcause => csr.mcause = value,
            Register::Stval => csr.stval = value,
            Register::Mtval => csr.mtval = value,
            Register::Senvcfg => {
                csr.senvcfg = legal_cbie(value, csr.senvcfg) & status::SENVCFG;
            }
            Register::Menvcfg => {
                csr.menvcfg = legal_cbie(value, csr.menvcfg) & status::MENVCFG;
                self.set_time(cx.time);
                return Effects::SAMPLE | Effects::DEADLINE;
            }
            Register::Stimecmp => {
                csr.stimecmp = value;
                self.set_time(cx.time);
                return Effects::SAMPLE | Effects::DEADLINE;
            }
            Register::Satp => return self.write_satp(value),
            Register::Medeleg => csr.medeleg = value & status::DELEGABLE,
            Register::Mideleg => {
                csr.mideleg = value & status::S_INTERRUPTS;
                return Effects::SAMPLE;
            }
            Register::Mcountinhibit => self.set_countinhibit(value, cx),
            Register::Mcycle => self.set_cycle(value, cx),
            Register::Minstret => self.set_instret(value, cx),
            Register::Pmpcfg => {
                for (byte, value) in value.to_le_bytes().into_iter().enumerate() {
                    self.pmp.set_config(usize::from(nth) * 8 + byte, value);
                }
                return Effects::FLUSH;
            }
            Register::Pmpaddr => {
                if usize::from(nth) < PMP_REGIONS {
                    self.pmp.set_address(nth.into(), value);
                    return Effects::FLUSH;
                }
            }
        }
        Effects::NONE
    }

    fn write_mstatus(&mut self, value: u64) -> Effects {
        let old = self.csr.mstatus;
        let mut new = value & status::MSTATUS;
        // MPP is WARL: the reserved level leaves it as it was.
        if Privilege::from_bits((new & status::MPP) >> status::MPP_SHIFT).is_none() {
            new = new & !status::MPP | old & status::MPP;
        }
        self.csr.mstatus = new;
        let changed = old ^ new;
        let mut effects = Effects::NONE;
        if changed & (status::MIE | status::SIE) != 0 {
            effects = effects | Effects::SAMPLE;
        }
        if changed & (status::MPRV | status::MPP | status::SUM) != 0 {
            effects = effects | Effects::CONTEXT;
        }
        if changed & status::MXR != 0 {
            effects = effects | Effects::FLUSH_DATA;
        }
        effects
    }

    fn write_satp(&mut self, value: u64) -> Effects {
        // 12.1.11: a write with an unsupported mode has no effect at all.
        let supported = matches!(value >> 60, 0 | 8 | 9 | 10);
        if !supported || value == self.csr.satp {
            return Effects::NONE;
        }
        self.csr.satp = value;
        Effects::FLUSH | Effects::CONTEXT
    }
}

/// A trap vector: direct (0) or vectored (1); the reserved modes change nothing.
fn write_tvec(tvec: &mut u64, value: u64) {
    if value & 3 < 2 {
        *tvec = value;
    }
}

/// `value` with a reserved CBIE replaced by the present one.
fn legal_cbie(value: u64, present: u64) -> u64 {
    if value & status::CBIE == 2 << 4 {
        value & !status::CBIE | present & status::CBIE
    } else {
        value
    }
}

#[cfg(test)]
mod tests;
