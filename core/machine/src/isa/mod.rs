//! The instruction set: one table; decoder, encoder, disassembler and meaning over it.

pub mod compressed;
pub mod decode;
pub mod disassemble;
pub mod encode;
pub mod fused;
pub mod semantics;
mod table;

pub use decode::decode;
pub use encode::encode;
pub use semantics::Backend;
pub use table::{Op, SEQUENCES, TABLE, execute, execute_decoded, meaning};

/// A decoded instruction. Which fields mean something is the row's [`Format`]; the others are 0.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Inst {
    /// Which instruction.
    pub op: Op,
    /// Destination register.
    pub rd: u8,
    /// First source register, or the 5-bit immediate of `csrr?i`.
    pub rs1: u8,
    /// Second source register.
    pub rs2: u8,
    /// Third source register.
    pub rs3: u8,
    /// Rounding mode as encoded: 0 to 4 static, 7 dynamic, 5 and 6 reserved.
    pub rm: u8,
    /// Immediate, shift amount, CSR number, fence sets, or `aq`/`rl` (bits 1 and 0).
    pub imm: i32,
}

impl Inst {
    /// An instruction with these fields, and zero in the others.
    #[must_use]
    pub const fn new(op: Op, rd: u8, rs1: u8, rs2: u8, imm: i32) -> Self {
        Self {
            op,
            rd,
            rs1,
            rs2,
            rs3: 0,
            rm: 0,
            imm,
        }
    }

    /// The row of the table; `None` for the marks that are not instructions.
    pub fn row(&self) -> Option<&'static Row> {
        TABLE.get(self.op as usize)
    }
}

/// What the table says of an instruction.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Which instruction.
    pub op: Op,
    /// The standard's mnemonic.
    pub name: &'static str,
    /// The extension that brings it.
    pub extension: Extension,
    /// Operands and their places.
    pub format: Format,
    /// What kind of work it does.
    pub class: Class,
    /// Bits that the encoding fixes.
    pub mask: u32,
    /// Their values.
    pub bits: u32,
}

/// Extensions by their standard names; `Priv` is the privileged architecture.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
#[allow(missing_docs, reason = "the standard's names")]
pub enum Extension {
    I,
    M,
    A,
    F,
    D,
    Zicsr,
    Zifencei,
    Zba,
    Zbb,
    Zbs,
    Zicond,
    Zicbom,
    Zicboz,
    Zicbop,
    Zihintpause,
    Zawrs,
    Svinval,
    Priv,
}

/// Operands in the order of assembly, and where their bits are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Format {
    /// `rd, rs1, rs2`
    R,
    /// `rd, rs1`
    R1,
    /// `rd, rs1, imm`
    I,
    /// `rd, rs1, shamt` of 6 bits
    Shift,
    /// `rd, rs1, shamt` of 5 bits
    ShiftW,
    /// `rd, imm(rs1)`
    Load,
    /// `rs2, imm(rs1)`
    S,
    /// `rs1, rs2, offset`
    B,
    /// `rd, imm`, the upper 20 bits
    U,
    /// `rd, offset`
    J,
    /// `rd, imm(rs1)`, a jump
    Jalr,
    /// `rd, rs2, (rs1)`
    Amo,
    /// `rd, (rs1)`
    Lr,
    /// `rd, csr, rs1`
    Csr,
    /// `rd, csr, uimm`
    CsrI,
    /// `pred, succ`
    Fence,
    /// No operands; `rd`, `rs1` and the immediate are ignored.
    FenceI,
    /// No operands.
    Plain,
    /// `rs1, rs2`: address and address space
    FenceVma,
    /// `(rs1)`
    Cbo,
    /// `frd, imm(rs1)`
    FLoad,
    /// `frs2, imm(rs1)`
    FStore,
    /// `frd, frs1, frs2`
    FR,
    /// `frd, frs1, frs2, rm`
    FRm,
    /// `frd, frs1, rm`
    FRm1,
    /// `frd, frs1, frs2, frs3, rm`
    FR4,
    /// `rd, frs1, frs2`
    FCmp,
    /// `rd, frs1`
    FToX,
    /// `rd, frs1, rm`
    FToXRm,
    /// `frd, rs1`
    XToF,
    /// `frd, rs1, rm`
    XToFRm,
}

impl Format {
    /// Whether `rd` names an integer register.
    pub fn writes_x(self) -> bool {
        matches!(
            self,
            Self::R
                | Self::R1
                | Self::I
                | Self::Shift
                | Self::ShiftW
                | Self::Load
                | Self::U
                | Self::J
                | Self::Jalr
                | Self::Amo
                | Self::Lr
                | Self::Csr
                | Self::CsrI
                | Self::FCmp
                | Self::FToX
                | Self::FToXRm
        )
    }
}

/// What kind of work an instruction does; translators choose by it what they take on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Class {
    /// Registers to register.
    Alu,
    /// Reads memory.
    Load,
    /// Writes memory.
    Store,
    /// Goes elsewhere if a condition holds.
    Branch,
    /// Goes elsewhere.
    Jump,
    /// Reads and writes memory in one step, or as a pair with a reservation.
    Amo,
    /// Floating-point registers and flags.
    Fp,
    /// Reads and writes a control and status register.
    Csr,
    /// Changes what later instructions mean, or leaves the program.
    System,
    /// Does nothing that this machine would show.
    Hint,
}

impl Class {
    /// Whether the next instruction may be another than the one behind.
    pub const fn goes_elsewhere(self) -> bool {
        matches!(self, Self::Branch | Self::Jump | Self::Csr | Self::System)
    }
}

#[cfg(test)]
mod tests;
