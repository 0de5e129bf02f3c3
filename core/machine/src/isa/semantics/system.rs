//! What has one implementation only, and what does nothing here.

use super::{Backend, Inst};

/// Control and status registers, traps, fences of translation: the back end's business.
#[inline(always)]
pub fn call<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    b.system(inst)
}

/// Harts take turns and devices act between instructions: memory is always in order. PAUSE,
/// which is a fence without a successor set, gives up the rest of the turn.
#[inline(always)]
pub fn fence<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    if inst.imm == PAUSE && inst.rd == 0 && inst.rs1 == 0 {
        return b.system(inst);
    }
    Ok(())
}

/// `fence w, 0`
const PAUSE: i32 = 0x010;
