//! A: reservations and atomic memory operations. One machine's memory is always in order, so
//! `aq` and `rl` ask for nothing more.

use super::{AmoOp, Backend, Inst};
use crate::mem::Width;

macro_rules! amos {
    ($($word:ident $double:ident $op:ident),* $(,)?) => { $(
        #[inline(always)]
        pub fn $word<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            amo(b, inst, AmoOp::$op, Width::B4)
        }
        #[inline(always)]
        pub fn $double<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            amo(b, inst, AmoOp::$op, Width::B8)
        }
    )* };
}
amos!(
    amoswap_w amoswap_d Swap,
    amoadd_w amoadd_d Add,
    amoxor_w amoxor_d Xor,
    amoand_w amoand_d And,
    amoor_w amoor_d Or,
    amomin_w amomin_d Min,
    amomax_w amomax_d Max,
    amominu_w amominu_d MinU,
    amomaxu_w amomaxu_d MaxU,
);

#[inline(always)]
fn amo<B: Backend>(b: &mut B, inst: &Inst, op: AmoOp, width: Width) -> Result<(), B::Exit> {
    let (at, value) = (b.x(inst.rs1), b.x(inst.rs2));
    let old = b.amo(op, width, at, value)?;
    b.set_x(inst.rd, old);
    Ok(())
}

macro_rules! reservations {
    ($($lr:ident $sc:ident $width:ident),* $(,)?) => { $(
        #[inline(always)]
        pub fn $lr<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            let at = b.x(inst.rs1);
            let value = b.load_reserved(Width::$width, at)?;
            b.set_x(inst.rd, value);
            Ok(())
        }
        #[inline(always)]
        pub fn $sc<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            let (at, value) = (b.x(inst.rs1), b.x(inst.rs2));
            let failed = b.store_conditional(Width::$width, at, value)?;
            b.set_x(inst.rd, failed);
            Ok(())
        }
    )* };
}
reservations!(lr_w sc_w B4, lr_d sc_d B8);
