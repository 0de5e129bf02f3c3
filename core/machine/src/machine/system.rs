//! Instructions of the system: the one implementation of each.

use super::board::BoardBus;
use super::{Machine, WatchKind, tohost_offset};
use crate::cpu::{Cause, Effects, Exception, Illegal, Privilege};
use crate::host::Host;
use crate::interp::Engine;
use crate::isa::{Inst, Op, encode};

/// What the run loop has to know of an instruction that is done.
#[derive(Clone, Copy, Default)]
pub(super) struct Done {
    /// Interrupts have to be sampled.
    pub(super) sample: bool,
    /// A deadline may have moved.
    pub(super) deadline: bool,
    /// The hart gives up the rest of its turn.
    pub(super) yields: bool,
    /// The watchpoint that was met.
    pub(super) met: Option<(u64, WatchKind)>,
}

/// A trap in place of the instruction.
type Fault = (Exception, u64);

impl Machine {
    /// Carries out one instruction of the system. The caller counts the step.
    pub(super) fn system(
        &mut self,
        id: usize,
        inst: &Inst,
        length: u64,
        host: &mut dyn Host,
    ) -> Done {
        match self.attempt(id, inst, length, host) {
            Ok(done) => done,
            Err((exception, tval)) => {
                let sample = self.trap(id, Cause::from(exception), tval, host);
                Done {
                    sample,
                    ..Done::default()
                }
            }
        }
    }

    fn attempt(
        &mut self,
        id: usize,
        inst: &Inst,
        length: u64,
        host: &mut dyn Host,
    ) -> Result<Done, Fault> {
        let now = self.now();
        let mtime = self.board.aclint.mtime(now);
        let bits = u64::from(encode(inst).unwrap_or(0));
        let illegal = |_: Illegal| (Exception::IllegalInstruction, bits);
        let Some(hart) = self.harts.get_mut(id) else {
            return Ok(Done::default());
        };
        let mut yields = false;
        let effects = match inst.op {
            Op::Csrrw | Op::Csrrs | Op::Csrrc | Op::Csrrwi | Op::Csrrsi | Op::Csrrci => {
                let effects = self.csr_instruction(id, inst, mtime).map_err(illegal)?;
                self.advance_pc(id, length);
                effects
            }
            Op::Ecall => {
                if hart.privilege == Privilege::Supervisor && self.sbi.is_some() {
                    self.advance_pc(id, length);
                    return Ok(self.firmware(id, host));
                }
                return Err((Exception::environment_call(hart.privilege), 0));
            }
            Op::Ebreak => return Err((Exception::Breakpoint, hart.pc)),
            Op::Mret => hart.mret().map_err(illegal)?,
            Op::Sret => hart.sret().map_err(illegal)?,
            Op::Wfi => {
                let effects = hart.wfi().map_err(illegal)?;
                hart.pc = hart.pc.wrapping_add(length);
                yields = true;
                effects
            }
            Op::SfenceVma | Op::SinvalVma => {
                let (va, asid) = self.fence_operands(id, inst);
                let Some(hart) = self.harts.get_mut(id) else {
                    return Ok(Done::default());
                };
                let effects = if inst.op == Op::SfenceVma {
                    hart.sfence_vma(va, asid)
                } else {
                    hart.sinval_vma(va, asid)
                };
                let effects = effects.map_err(illegal)?;
                hart.pc = hart.pc.wrapping_add(length);
                effects
            }
            Op::SfenceWInval | Op::SfenceInvalIr => {
                let effects = hart.sfence_inval().map_err(illegal)?;
                hart.pc = hart.pc.wrapping_add(length);
                effects
            }
            Op::WrsNto | Op::WrsSto | Op::Fence => {
                // The hart's turn ends; a reservation set is left by the end of the quantum, so
                // that waiting for a store by another hart is waiting for one's next turn.
                hart.pc = hart.pc.wrapping_add(length);
                yields = true;
                Effects::NONE
            }
            Op::CboInval | Op::CboClean | Op::CboFlush | Op::CboZero => {
                let met = self.cache_block(id, inst, bits, host)?;
                self.advance_pc(id, length);
                return Ok(Done {
                    met,
                    ..Done::default()
                });
            }
            // FENCE.I: fetches see every store anyway.
            _ => {
                hart.pc = hart.pc.wrapping_add(length);
                Effects::NONE
            }
        };
        if !effects.is_none() {
            self.apply(id, effects);
        }
        Ok(Done {
            sample: effects.contains(Effects::SAMPLE),
            deadline: effects.contains(Effects::DEADLINE),
            yields,
            met: None,
        })
    }

    fn advance_pc(&mut self, id: usize, length: u64) {
        if let Some(hart) = self.harts.get_mut(id) {
            hart.pc = hart.pc.wrapping_add(length);
        }
    }

    /// CSRRW and its kin.
    fn csr_instruction(&mut self, id: usize, inst: &Inst, mtime: u64) -> Result<Effects, Illegal> {
        let (Some(hart), Some(view)) = (self.harts.get_mut(id), self.arena.hart(id)) else {
            return Ok(Effects::NONE);
        };
        let cx = hart.csr_context(mtime, hart.retired);
        let rs1 = view.x[usize::from(inst.rs1)];
        let (old, effects) = hart.csr_instruction(inst, rs1, &cx)?;
        if inst.rd != 0 {
            view.x[usize::from(inst.rd)] = old;
        }
        Ok(effects)
    }

    /// The operands of SFENCE.VMA: `None` where the register is `x0`.
    fn fence_operands(&mut self, id: usize, inst: &Inst) -> (Option<u64>, Option<u16>) {
        let Some(view) = self.arena.hart(id) else {
            return (None, None);
        };
        let operand = |register: u8| (register != 0).then(|| view.x[usize::from(register)]);
        (operand(inst.rs1), operand(inst.rs2).map(|asid| asid as u16))
    }

    /// CBO.*: the watchpoint that was met.
    fn cache_block(
        &mut self,
        id: usize,
        inst: &Inst,
        bits: u64,
        host: &mut dyn Host,
    ) -> Result<Option<(u64, WatchKind)>, Fault> {
        let Some(hart) = self.harts.get(id) else {
            return Ok(None);
        };
        let allowed = match inst.op {
            Op::CboInval => hart.cbo_inval_allowed(),
            Op::CboZero => hart.cbo_zero_allowed(),
            _ => hart.cbo_clean_allowed(),
        };
        if !allowed {
            return Err((Exception::IllegalInstruction, bits));
        }
        let end = self.beats;
        let Some(view) = self.arena.hart(id) else {
            return Ok(None);
        };
        let address = view.x[usize::from(inst.rs1)];
        let ram = view.ram;
        let mut bus = BoardBus {
            board: &mut self.board,
            ram,
            host,
            time: &self.time,
            end,
            still: true,
            accesses: 0,
            stops: &self.stops,
            tohost: tohost_offset(&self.symbols),
            told: false,
            met: None,
        };
        let (Some(hart), Some(shortcuts)) = (self.harts.get_mut(id), self.shortcuts.get_mut(id))
        else {
            return Ok(None);
        };
        let mut engine = Engine {
            hart,
            view,
            code: &mut self.code,
            shortcuts,
            bus: &mut bus,
            breakpoints: &[],
            pass: None,
        };
        if inst.op == Op::CboZero {
            engine.zero_block(address)?;
        } else {
            engine.probe_block(address)?;
        }
        Ok(bus.met)
    }
}
