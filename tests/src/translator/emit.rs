//! The back end: values are locals, and operations are instructions of wasm.
//!
//! Guest registers live in locals from the block's entry to its one exit, which stores them. An
//! instruction's own values are dead at its end, so their locals are used again.

use virtarium_machine::cpu::Exception;
use virtarium_machine::isa::Inst;
use virtarium_machine::isa::semantics::{AmoOp, Backend, Bin, Fmt, FpOp, Un};
use virtarium_machine::mem::Width;
use wasm_encoder::{BlockType, Function, InstructionSink, MemArg, ValType};

use super::{CAUSE, PC, Placed, TVAL, WINDOW, Window, wide};

/// A local of 64 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Local(pub(super) u32);

/// The instruction belongs to a class that this back end does not take on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotTaken;

/// The locals of the guest's registers are 0 to 31; then these, then values.
const PC_LOCAL: Local = Local(32);
const CAUSE_LOCAL: Local = Local(33);
const TVAL_LOCAL: Local = Local(34);
const FIRST_VALUE: u32 = 35;

pub(super) struct Emit {
    code: Vec<u8>,
    window: Window,
    /// Registers that the block names: loaded at its entry.
    named: u32,
    /// Registers that it has written: stored at its exit.
    written: u32,
    next_value: u32,
    most_values: u32,
    pc: u64,
    link: u64,
}

fn word(offset: u64) -> MemArg {
    MemArg {
        offset,
        align: 3,
        memory_index: 0,
    }
}

impl Emit {
    pub(super) fn new(block: &[Placed], window: Window) -> Self {
        let named = block.iter().fold(0, |named, Placed { inst, .. }| {
            named | 1 << (inst.rs1 & 31) | 1 << (inst.rs2 & 31) | 1 << (inst.rd & 31)
        });
        let mut this = Self {
            code: Vec::new(),
            window,
            named: named & !1,
            written: 0,
            next_value: FIRST_VALUE,
            most_values: FIRST_VALUE,
            pc: 0,
            link: 0,
        };
        for register in (1..32).filter(|register| named >> register & 1 != 0) {
            this.out()
                .i32_const(0)
                .i64_load(word(8 * u64::from(register)))
                .local_set(register);
        }
        // The exit is behind the end of this block.
        this.out().block(BlockType::Empty);
        this
    }

    /// Begins an instruction.
    pub(super) fn begin(&mut self, placed: &Placed) {
        self.pc = placed.pc;
        self.link = placed.pc.wrapping_add(placed.length);
        self.next_value = FIRST_VALUE;
        // Where the block leads if this is its last instruction.
        let link = self.link;
        self.set(PC_LOCAL, link);
    }

    /// The function: what was emitted, and the exit.
    pub(super) fn finish(mut self) -> Function {
        let written = self.written & self.named;
        let mut out = self.out();
        out.end();
        for register in (1..32).filter(|register| written >> register & 1 != 0) {
            out.i32_const(0)
                .local_get(register)
                .i64_store(word(8 * u64::from(register)));
        }
        for (local, offset) in [(PC_LOCAL, PC), (CAUSE_LOCAL, CAUSE), (TVAL_LOCAL, TVAL)] {
            out.i32_const(0).local_get(local.0).i64_store(word(offset));
        }
        out.end();
        let mut function = Function::new([(self.most_values, ValType::I64)]);
        function.raw(self.code);
        function
    }

    pub(super) fn out(&mut self) -> InstructionSink<'_> {
        InstructionSink::new(&mut self.code)
    }

    /// A local for a value of this instruction.
    pub(super) fn fresh(&mut self) -> Local {
        let local = Local(self.next_value);
        self.next_value += 1;
        self.most_values = self.most_values.max(self.next_value);
        local
    }

    /// Keeps what is on the stack.
    pub(super) fn keep(&mut self) -> Local {
        let local = self.fresh();
        self.out().local_set(local.0);
        local
    }

    fn set(&mut self, local: Local, value: u64) {
        self.out().i64_const(value as i64).local_set(local.0);
    }

    /// Checks an access against the window; leaves its address in the module's memory, without
    /// the window's offset, on the stack.
    fn check(&mut self, width: Width, at: Local, exception: Exception) {
        let Window { at: start, size } = self.window;
        let offset = self.fresh();
        let pc = self.pc;
        self.out()
            .local_get(at.0)
            .i64_const(start as i64)
            .i64_sub()
            .local_tee(offset.0)
            .i64_const((size - width.bytes()) as i64)
            .i64_gt_u()
            .if_(BlockType::Empty);
        self.set(PC_LOCAL, pc);
        self.set(CAUSE_LOCAL, exception as u64 + 1);
        self.out()
            // The first byte that is not in the window, as an access across two pages names it.
            .i64_const(start.wrapping_add(size) as i64)
            .local_get(at.0)
            .local_get(offset.0)
            .i64_const(size as i64)
            .i64_lt_u()
            .select()
            .local_set(TVAL_LOCAL.0)
            // Out of the `if`, and to the exit.
            .br(1)
            .end()
            .local_get(offset.0)
            .i32_wrap_i64();
    }
}

fn flat() -> MemArg {
    MemArg {
        offset: WINDOW,
        align: 0,
        memory_index: 0,
    }
}

impl Backend for Emit {
    type V = Local;
    type Exit = NotTaken;

    fn imm(&mut self, value: i64) -> Local {
        self.out().i64_const(value);
        self.keep()
    }

    fn pc(&mut self) -> Local {
        let pc = self.pc;
        self.imm(pc as i64)
    }

    fn link(&mut self) -> Local {
        let link = self.link;
        self.imm(link as i64)
    }

    /// A copy: the register may be written before the value is used.
    fn x(&mut self, register: u8) -> Local {
        if register == 0 {
            return self.imm(0);
        }
        self.out().local_get(u32::from(register));
        self.keep()
    }

    fn set_x(&mut self, register: u8, value: Local) {
        if register != 0 {
            self.written |= 1 << register;
            self.out().local_get(value.0).local_set(u32::from(register));
        }
    }

    fn f(&mut self, _: u8) -> Local {
        // Only ever asked behind `fp_enter`.
        self.imm(0)
    }

    fn set_f(&mut self, _: u8, _: Local) {}

    fn bin(&mut self, op: Bin, a: Local, b: Local) -> Local {
        if matches!(op, Bin::MulH | Bin::MulHU | Bin::MulHSU) {
            return wide::product(self, op, a, b);
        }
        let mut out = self.out();
        out.local_get(a.0).local_get(b.0);
        match op {
            Bin::Add => out.i64_add(),
            Bin::Sub => out.i64_sub(),
            Bin::And => out.i64_and(),
            Bin::Or => out.i64_or(),
            Bin::Xor => out.i64_xor(),
            Bin::Shl => out.i64_shl(),
            Bin::Shr => out.i64_shr_u(),
            Bin::Sar => out.i64_shr_s(),
            Bin::Eq => out.i64_eq().i64_extend_i32_u(),
            Bin::Lt => out.i64_lt_s().i64_extend_i32_u(),
            Bin::LtU => out.i64_lt_u().i64_extend_i32_u(),
            Bin::Mul | Bin::MulH | Bin::MulHU | Bin::MulHSU => out.i64_mul(),
            Bin::Div => out.i64_div_s(),
            Bin::DivU => out.i64_div_u(),
            Bin::Rem => out.i64_rem_s(),
            Bin::RemU => out.i64_rem_u(),
            Bin::Rol => out.i64_rotl(),
        };
        self.keep()
    }

    fn un(&mut self, op: Un, a: Local) -> Local {
        if op == Un::ByteSwap {
            return wide::byte_swap(self, a);
        }
        let mut out = self.out();
        out.local_get(a.0);
        match op {
            Un::Sext8 => out.i64_extend8_s(),
            Un::Sext16 => out.i64_extend16_s(),
            Un::Sext32 => out.i64_extend32_s(),
            Un::Zext16 => out.i64_const(0xffff).i64_and(),
            Un::Zext32 => out.i64_const(0xffff_ffff).i64_and(),
            Un::Clz => out.i64_clz(),
            Un::Ctz => out.i64_ctz(),
            Un::Popcount | Un::ByteSwap => out.i64_popcnt(),
        };
        self.keep()
    }

    fn select(&mut self, condition: Local, yes: Local, no: Local) -> Local {
        self.out()
            .local_get(yes.0)
            .local_get(no.0)
            .local_get(condition.0)
            .i64_const(0)
            .i64_ne()
            .select();
        self.keep()
    }

    fn load(&mut self, width: Width, signed: bool, at: Local) -> Result<Local, NotTaken> {
        self.check(width, at, Exception::LoadAccessFault);
        let mut out = self.out();
        match (width, signed) {
            (Width::B1, true) => out.i64_load8_s(flat()),
            (Width::B1, false) => out.i64_load8_u(flat()),
            (Width::B2, true) => out.i64_load16_s(flat()),
            (Width::B2, false) => out.i64_load16_u(flat()),
            (Width::B4, true) => out.i64_load32_s(flat()),
            (Width::B4, false) => out.i64_load32_u(flat()),
            (Width::B8, _) => out.i64_load(flat()),
        };
        Ok(self.keep())
    }

    fn store(&mut self, width: Width, at: Local, value: Local) -> Result<(), NotTaken> {
        self.check(width, at, Exception::StoreAccessFault);
        let mut out = self.out();
        out.local_get(value.0);
        match width {
            Width::B1 => out.i64_store8(flat()),
            Width::B2 => out.i64_store16(flat()),
            Width::B4 => out.i64_store32(flat()),
            Width::B8 => out.i64_store(flat()),
        };
        Ok(())
    }

    fn load_reserved(&mut self, _: Width, _: Local) -> Result<Local, NotTaken> {
        Err(NotTaken)
    }

    fn store_conditional(&mut self, _: Width, _: Local, _: Local) -> Result<Local, NotTaken> {
        Err(NotTaken)
    }

    fn amo(&mut self, _: AmoOp, _: Width, _: Local, _: Local) -> Result<Local, NotTaken> {
        Err(NotTaken)
    }

    fn branch(&mut self, condition: Local, offset: i32) -> Result<(), NotTaken> {
        let target = self.pc.wrapping_add(offset as u64);
        self.out()
            .i64_const(target as i64)
            .local_get(PC_LOCAL.0)
            .local_get(condition.0)
            .i64_const(0)
            .i64_ne()
            .select()
            .local_set(PC_LOCAL.0);
        Ok(())
    }

    fn jump(&mut self, offset: i32) -> Result<(), NotTaken> {
        let target = self.pc.wrapping_add(offset as u64);
        self.set(PC_LOCAL, target);
        Ok(())
    }

    fn jump_to(&mut self, target: Local) -> Result<(), NotTaken> {
        self.out().local_get(target.0).local_set(PC_LOCAL.0);
        Ok(())
    }

    fn fp_enter(&mut self, _: &Inst) -> Result<(), NotTaken> {
        Err(NotTaken)
    }

    fn fp(&mut self, _: &Inst, _: FpOp, _: Fmt, _: [Local; 3]) -> Result<Local, NotTaken> {
        Err(NotTaken)
    }

    fn system(&mut self, _: &Inst) -> Result<(), NotTaken> {
        Err(NotTaken)
    }

    fn illegal(&mut self, _: &Inst) -> Result<(), NotTaken> {
        Err(NotTaken)
    }
}
