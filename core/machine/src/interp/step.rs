//! The interpreter as a back end of the instructions' meaning: values are numbers.
//!
//! [`Step`] lives in the inner loop's registers: nothing takes a reference to it, so everything
//! slow is a function of [`Slow`].

use super::slow::{Interrupted, Slow};
use super::{Cut, Slot};
use crate::arena::{PAGE_SIZE, Registers, TlbContext};
use crate::cpu::{Csrs, Exception, FLOAT_CSRS};
use crate::float::{self, Flags, Rounding};
use crate::isa::Inst;
use crate::isa::fused::{Decoded, Meaning};
use crate::isa::semantics::{AmoOp, Backend, Bin, Fmt, FpOp, Un};
use crate::mem::Width;

/// The next instruction is the one behind.
pub(super) const BEHIND: usize = usize::MAX;
/// The next instruction is in another page: `target` says where.
pub(super) const ELSEWHERE: usize = usize::MAX / 2;

pub(super) struct Step<'s, 'w, 'a> {
    x: &'s mut Registers,
    f: &'s mut Registers,
    data: TlbContext<'a>,
    pub(super) slow: &'s mut Slow<'w, 'a>,
    /// The address of the page that is executed.
    page: u64,
    /// This instruction.
    pub(super) slot: &'s Slot,
    /// Those behind it, to the end of the run.
    pub(super) rest: core::slice::Iter<'s, Slot>,
    /// Those of the sequence that are not carried out yet.
    tail: &'s [Slot],
    /// The halfword of the next instruction, [`BEHIND`] or [`ELSEWHERE`].
    pub(super) next: usize,
    target: u64,
    /// Steps left at the end of the run, modulo 2^64: the budget may end before the run does.
    pub(super) left: u64,
    /// Whether the floating-point unit is on and known to be in use.
    fs_ready: bool,
    /// Whether, moreover, results round to nearest even and inexactness is on record: then an
    /// ordinary result changes no flag, and the CSRs need not be looked at. Implies `fs_ready`.
    fp_settled: bool,
}

impl<'s, 'w, 'a> Step<'s, 'w, 'a> {
    #[inline(always)]
    pub(super) fn new(
        x: &'s mut Registers,
        f: &'s mut Registers,
        data: TlbContext<'a>,
        slow: &'s mut Slow<'w, 'a>,
        pc: u64,
        slot: &'s Slot,
    ) -> Self {
        let fs_ready = slow.hart.fs_is_dirty();
        let fp_settled = fs_ready && settled(&slow.hart.csr);
        Self {
            x,
            f,
            data,
            slow,
            page: pc & !(PAGE_SIZE - 1),
            slot,
            rest: [].iter(),
            tail: &[],
            next: BEHIND,
            target: 0,
            left: 0,
            fs_ready,
            fp_settled,
        }
    }

    /// The address that a halfword, or [`ELSEWHERE`], stands for.
    #[inline(always)]
    pub(super) fn address(&self, index: usize) -> u64 {
        if index == ELSEWHERE {
            self.target
        } else {
            self.page.wrapping_add(2 * index as u64)
        }
    }

    /// Goes on in the page of `pc`; gives the halfword.
    #[inline(always)]
    pub(super) fn turn(&mut self, pc: u64) -> usize {
        self.page = pc & !(PAGE_SIZE - 1);
        (pc % PAGE_SIZE / 2) as usize
    }

    /// Steps that are not made yet, this one included.
    #[inline(always)]
    pub(super) fn steps_left(&self) -> u64 {
        self.left.wrapping_add(self.slot.rest.into())
    }

    #[inline(always)]
    fn go(&mut self, offset: i32) {
        let to = (2 * i64::from(self.slot.offset) + i64::from(offset)) as u64;
        if to < PAGE_SIZE {
            self.next = (to / 2) as usize;
        } else {
            self.target = self.page.wrapping_add(to);
            self.next = ELSEWHERE;
        }
    }
}

/// Extends the low bytes of a value.
#[inline(always)]
fn extend(value: u64, width: Width, signed: bool) -> u64 {
    let shift = 64 - 8 * width.bytes() as u32;
    if signed {
        ((value << shift) as i64 >> shift) as u64
    } else {
        value << shift >> shift
    }
}

/// What an atomic operation stores.
#[inline(always)]
fn combine(op: AmoOp, width: Width, old: u64, operand: u64) -> u64 {
    let signed = |value: u64| extend(value, width, true) as i64;
    let unsigned = |value: u64| value & width.mask();
    match op {
        AmoOp::Swap => operand,
        AmoOp::Add => old.wrapping_add(operand),
        AmoOp::Xor => old ^ operand,
        AmoOp::And => old & operand,
        AmoOp::Or => old | operand,
        AmoOp::Min => signed(old).min(signed(operand)) as u64,
        AmoOp::Max => signed(old).max(signed(operand)) as u64,
        AmoOp::MinU => unsigned(old).min(unsigned(operand)),
        AmoOp::MaxU => unsigned(old).max(unsigned(operand)),
    }
}

impl Backend for Step<'_, '_, '_> {
    type V = u64;
    type Exit = Interrupted;

    #[inline(always)]
    fn imm(&mut self, value: i64) -> u64 {
        value as u64
    }

    #[inline(always)]
    fn pc(&mut self) -> u64 {
        self.page.wrapping_add(2 * u64::from(self.slot.offset))
    }

    #[inline(always)]
    fn link(&mut self) -> u64 {
        self.page
            .wrapping_add(2 * (u64::from(self.slot.offset) + u64::from(self.slot.step)))
    }

    #[inline(always)]
    fn x(&mut self, register: u8) -> u64 {
        self.x[usize::from(register)]
    }

    #[inline(always)]
    fn set_x(&mut self, register: u8, value: u64) {
        self.x[usize::from(register)] = value;
    }

    #[inline(always)]
    fn f(&mut self, register: u8) -> u64 {
        self.f[usize::from(register)]
    }

    #[inline(always)]
    fn set_f(&mut self, register: u8, value: u64) {
        self.f[usize::from(register)] = value;
    }

    #[inline(always)]
    fn bin(&mut self, op: Bin, a: u64, b: u64) -> u64 {
        match op {
            Bin::Add => a.wrapping_add(b),
            Bin::Sub => a.wrapping_sub(b),
            Bin::And => a & b,
            Bin::Or => a | b,
            Bin::Xor => a ^ b,
            Bin::Shl => a << (b & 63),
            Bin::Shr => a >> (b & 63),
            Bin::Sar => (a as i64 >> (b & 63)) as u64,
            Bin::Eq => u64::from(a == b),
            Bin::Lt => u64::from((a as i64) < b as i64),
            Bin::LtU => u64::from(a < b),
            Bin::Mul => a.wrapping_mul(b),
            Bin::MulH => ((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64,
            Bin::MulHU => ((u128::from(a) * u128::from(b)) >> 64) as u64,
            Bin::MulHSU => (i128::from(a as i64).wrapping_mul(i128::from(b)) >> 64) as u64,
            // The operands for which these would not be defined do not come.
            Bin::Div => (a as i64).wrapping_div(b as i64) as u64,
            Bin::DivU => a.wrapping_div(b),
            Bin::Rem => (a as i64).wrapping_rem(b as i64) as u64,
            Bin::RemU => a.wrapping_rem(b),
            Bin::Rol => a.rotate_left(b as u32 & 63),
        }
    }

    #[inline(always)]
    fn un(&mut self, op: Un, a: u64) -> u64 {
        match op {
            Un::Sext8 => a as i8 as u64,
            Un::Sext16 => a as i16 as u64,
            Un::Sext32 => a as i32 as u64,
            Un::Zext16 => a & 0xffff,
            Un::Zext32 => a & 0xffff_ffff,
            Un::Clz => u64::from(a.leading_zeros()),
            Un::Ctz => u64::from(a.trailing_zeros()),
            Un::Popcount => u64::from(a.count_ones()),
            Un::ByteSwap => a.swap_bytes(),
        }
    }

    #[inline(always)]
    fn select(&mut self, condition: u64, yes: u64, no: u64) -> u64 {
        if condition != 0 { yes } else { no }
    }

    #[inline(always)]
    fn load(&mut self, width: Width, signed: bool, at: u64) -> Result<u64, Interrupted> {
        let found = match width {
            Width::B1 => self.data.load::<u8>(at).map(u64::from),
            Width::B2 => self.data.load::<u16>(at).map(u64::from),
            Width::B4 => self.data.load::<u32>(at).map(u64::from),
            Width::B8 => self.data.load::<u64>(at),
        };
        let raw = match found {
            Some(raw) => raw,
            None => {
                let left = self.steps_left();
                self.slow.load(at, width, left)?
            }
        };
        Ok(extend(raw, width, signed))
    }

    #[inline(always)]
    fn store(&mut self, width: Width, at: u64, value: u64) -> Result<(), Interrupted> {
        let done = match width {
            Width::B1 => self.data.store(at, value as u8),
            Width::B2 => self.data.store(at, value as u16),
            Width::B4 => self.data.store(at, value as u32),
            Width::B8 => self.data.store(at, value),
        };
        if done {
            return Ok(());
        }
        let left = self.steps_left();
        self.slow.store(at, width, value, left)
    }

    #[inline(always)]
    fn load_reserved(&mut self, width: Width, at: u64) -> Result<u64, Interrupted> {
        let raw = self.slow.load_reserved(at, width)?;
        Ok(extend(raw, width, true))
    }

    #[inline(always)]
    fn store_conditional(&mut self, width: Width, at: u64, value: u64) -> Result<u64, Interrupted> {
        self.slow.store_conditional(at, width, value)
    }

    #[inline(always)]
    fn amo(&mut self, op: AmoOp, width: Width, at: u64, value: u64) -> Result<u64, Interrupted> {
        let found = match width {
            Width::B4 => self.data.load_to_store::<u32>(at).map(u64::from),
            _ => self.data.load_to_store::<u64>(at),
        };
        let old = match found {
            Some(old) => old,
            None => self.slow.load_to_store(at, width)?,
        };
        let new = combine(op, width, old, value);
        if let Err(interrupted) = self.store(width, at, new) {
            // If the store is made, completing the instruction takes the old value.
            self.slow.keep(old);
            return Err(interrupted);
        }
        Ok(extend(old, width, true))
    }

    #[inline(always)]
    fn branch(&mut self, condition: u64, offset: i32) -> Result<(), Interrupted> {
        if condition != 0 {
            self.go(offset);
        }
        Ok(())
    }

    #[inline(always)]
    fn jump(&mut self, offset: i32) -> Result<(), Interrupted> {
        self.go(offset);
        Ok(())
    }

    #[inline(always)]
    fn jump_to(&mut self, target: u64) -> Result<(), Interrupted> {
        let to = target.wrapping_sub(self.page);
        if to < PAGE_SIZE {
            self.next = (to / 2) as usize;
        } else {
            self.target = target;
            self.next = ELSEWHERE;
        }
        Ok(())
    }

    #[inline(always)]
    fn fp_enter(&mut self, inst: &Inst) -> Result<(), Interrupted> {
        if !self.fp_settled && !self.fs_ready {
            if !self.slow.hart.fs_enabled() {
                return self.illegal_here(inst);
            }
            self.slow.hart.mark_fs_dirty();
            self.fs_ready = true;
        }
        Ok(())
    }

    #[inline(always)]
    fn fp(
        &mut self,
        inst: &Inst,
        op: FpOp,
        fmt: Fmt,
        [a, b, c]: [u64; 3],
    ) -> Result<u64, Interrupted> {
        // RNE, static or dynamic: 0 or 7.
        if self.fp_settled && inst.rm.wrapping_add(1) & 7 <= 1 {
            let mut flags = Flags(Flags::NX);
            let value = operate(op, fmt, [a, b, c], Rounding::Rne, &mut flags);
            if flags.0 != Flags::NX {
                self.slow.hart.csr.fflags |= flags.0;
            }
            return Ok(value);
        }
        let csr = &mut self.slow.hart.csr;
        let rm = if inst.rm == DYNAMIC { csr.frm } else { inst.rm };
        let Some(rm) = Rounding::from_bits(rm) else {
            return self.illegal_here(inst).map(|()| 0);
        };
        let mut flags = Flags(csr.fflags);
        let value = operate_exactly(op, fmt, [a, b, c], rm, &mut flags);
        csr.fflags = flags.0;
        self.fp_settled = settled(csr);
        Ok(value)
    }

    #[inline(always)]
    fn system(&mut self, inst: &Inst) -> Result<(), Interrupted> {
        // Programs save and restore their flags around comparisons: not worth leaving for.
        if FLOAT_CSRS.contains(&inst.imm) {
            let rs1 = self.x[usize::from(inst.rs1)];
            if let Some(old) = self.slow.float_csr(inst, rs1) {
                if inst.rd != 0 {
                    self.x[usize::from(inst.rd)] = old;
                }
                let hart = &self.slow.hart;
                self.fs_ready = hart.fs_is_dirty();
                self.fp_settled = self.fs_ready && settled(&hart.csr);
                return Ok(());
            }
        }
        Err(self.slow.cut(Cut::System(*inst)))
    }

    #[inline(always)]
    fn illegal(&mut self, inst: &Inst) -> Result<(), Interrupted> {
        let bits = u64::from(inst.imm as u32);
        let why = (Exception::IllegalInstruction, bits).into();
        Err(self.slow.cut(why))
    }
}

impl Decoded for Step<'_, '_, '_> {
    #[inline(always)]
    fn undecoded(&mut self) -> Result<(), Interrupted> {
        Err(self.slow.cut(Cut::Undecoded))
    }

    #[inline(always)]
    fn straddle(&mut self) -> Result<(), Interrupted> {
        Err(self.slow.cut(Cut::Straddle))
    }

    #[inline(always)]
    fn fuse(&mut self, parts: usize, float: bool) -> bool {
        if float && !self.fp_settled {
            return false;
        }
        let Some((tail, rest)) = self.rest.as_slice().split_at_checked(parts) else {
            return false;
        };
        self.tail = tail;
        self.rest = rest.iter();
        true
    }

    #[inline(always)]
    fn first<M: Meaning>(&mut self, inst: &Inst) -> Result<(), Interrupted> {
        // The back end's own copy, so that the rounding mode is a constant.
        M::execute(self, &Inst { rm: 0, ..*inst })
    }

    #[inline(always)]
    fn then<M: Meaning>(&mut self) -> Result<(), Interrupted> {
        // The length is a constant where sequences call this: nothing is compared.
        let Some((slot, tail)) = self.tail.split_first() else {
            return self.undecoded();
        };
        self.slot = slot;
        self.tail = tail;
        self.first::<M>(&slot.inst)
    }
}

/// The rounding mode that stands for `frm`.
const DYNAMIC: u8 = 7;

impl Step<'_, '_, '_> {
    /// The instruction is legal in general, but not now: its own bits are the trap's value.
    #[inline(always)]
    fn illegal_here(&mut self, _inst: &Inst) -> Result<(), Interrupted> {
        let pc = self.pc();
        let bits = self.slow.instruction_bits(pc);
        Err(self.slow.cut((Exception::IllegalInstruction, bits).into()))
    }
}

/// See [`Step::fp_settled`].
fn settled(csr: &Csrs) -> bool {
    csr.fflags & Flags::NX != 0 && csr.frm == Rounding::Rne as u8
}

#[inline(always)]
fn operate(op: FpOp, fmt: Fmt, [a, b, c]: [u64; 3], rm: Rounding, flags: &mut Flags) -> u64 {
    match fmt {
        Fmt::Single => single(op, [a as u32, b as u32, c as u32], a, rm, flags),
        Fmt::Double => double(op, [a, b, c], rm, flags),
    }
}

/// The same, out of the inner loop.
#[cold]
#[inline(never)]
fn operate_exactly(op: FpOp, fmt: Fmt, operands: [u64; 3], rm: Rounding, flags: &mut Flags) -> u64 {
    operate(op, fmt, operands, rm, flags)
}

#[inline(always)]
fn single(op: FpOp, [a, b, c]: [u32; 3], wide: u64, rm: Rounding, flags: &mut Flags) -> u64 {
    match op {
        FpOp::Add => float::add_f32(a, b, rm, flags).into(),
        FpOp::Sub => float::sub_f32(a, b, rm, flags).into(),
        FpOp::Mul => float::mul_f32(a, b, rm, flags).into(),
        FpOp::Div => float::div_f32(a, b, rm, flags).into(),
        FpOp::Sqrt => float::sqrt_f32(a, rm, flags).into(),
        FpOp::Fma => float::fma_f32(a, b, c, rm, flags).into(),
        FpOp::Min => float::min_f32(a, b, flags).into(),
        FpOp::Max => float::max_f32(a, b, flags).into(),
        FpOp::Eq => float::eq_f32(a, b, flags).into(),
        FpOp::Lt => float::lt_f32(a, b, flags).into(),
        FpOp::Le => float::le_f32(a, b, flags).into(),
        FpOp::Class => float::class_f32(a),
        FpOp::ToI32 => float::to_i32_f32(a, rm, flags) as u64,
        FpOp::ToU32 => float::to_u32_f32(a, rm, flags) as i32 as u64,
        FpOp::ToI64 => float::to_i64_f32(a, rm, flags) as u64,
        FpOp::ToU64 => float::to_u64_f32(a, rm, flags),
        FpOp::FromI32 => float::from_i32_f32(wide as i32, rm, flags).into(),
        FpOp::FromU32 => float::from_u32_f32(wide as u32, rm, flags).into(),
        FpOp::FromI64 => float::from_i64_f32(wide as i64, rm, flags).into(),
        FpOp::FromU64 => float::from_u64_f32(wide, rm, flags).into(),
        FpOp::Convert => float::f32_to_f64(a, flags),
    }
}

#[inline(always)]
fn double(op: FpOp, [a, b, c]: [u64; 3], rm: Rounding, flags: &mut Flags) -> u64 {
    match op {
        FpOp::Add => float::add_f64(a, b, rm, flags),
        FpOp::Sub => float::sub_f64(a, b, rm, flags),
        FpOp::Mul => float::mul_f64(a, b, rm, flags),
        FpOp::Div => float::div_f64(a, b, rm, flags),
        FpOp::Sqrt => float::sqrt_f64(a, rm, flags),
        FpOp::Fma => float::fma_f64(a, b, c, rm, flags),
        FpOp::Min => float::min_f64(a, b, flags),
        FpOp::Max => float::max_f64(a, b, flags),
        FpOp::Eq => float::eq_f64(a, b, flags).into(),
        FpOp::Lt => float::lt_f64(a, b, flags).into(),
        FpOp::Le => float::le_f64(a, b, flags).into(),
        FpOp::Class => float::class_f64(a),
        FpOp::ToI32 => float::to_i32_f64(a, rm, flags) as u64,
        FpOp::ToU32 => float::to_u32_f64(a, rm, flags) as i32 as u64,
        FpOp::ToI64 => float::to_i64_f64(a, rm, flags) as u64,
        FpOp::ToU64 => float::to_u64_f64(a, rm, flags),
        FpOp::FromI32 => float::from_i32_f64(a as i32, rm, flags),
        FpOp::FromU32 => float::from_u32_f64(a as u32, rm, flags),
        FpOp::FromI64 => float::from_i64_f64(a as i64, rm, flags),
        FpOp::FromU64 => float::from_u64_f64(a, rm, flags),
        FpOp::Convert => float::f64_to_f32(a, rm, flags).into(),
    }
}
