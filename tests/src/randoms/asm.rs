//! Instructions by hand: a list of words that knows its address.

use virtarium_machine::isa::{Inst, Op, encode};

/// Code at an address.
pub struct Asm {
    base: u64,
    /// The code.
    pub bytes: Vec<u8>,
}

impl Asm {
    /// Code that will lie at `base`.
    #[must_use]
    pub fn at(base: u64) -> Self {
        Self {
            base,
            bytes: Vec::new(),
        }
    }

    /// The address of the next instruction.
    #[must_use]
    pub fn here(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    /// Appends a 32-bit instruction.
    pub fn word(&mut self, word: u32) {
        self.bytes.extend(word.to_le_bytes());
    }

    /// Appends an instruction.
    pub fn op(&mut self, op: Op, rd: u8, rs1: u8, rs2: u8, imm: i32) {
        let fields = Inst::new(op, rd, rs1, rs2, imm);
        self.word(encode(&fields).expect("an instruction"));
    }

    /// `ld rd, 8 * slot(rs1)`
    pub fn ld(&mut self, rd: u8, rs1: u8, slot: usize) {
        self.op(Op::Ld, rd, rs1, 0, 8 * slot as i32);
    }

    /// `sd rs2, 8 * slot(rs1)`
    pub fn sd(&mut self, rs2: u8, rs1: u8, slot: usize) {
        self.op(Op::Sd, 0, rs1, rs2, 8 * slot as i32);
    }

    /// `csrr rd, csr`
    pub fn csrr(&mut self, rd: u8, csr: u16) {
        self.op(Op::Csrrs, rd, 0, 0, csr.into());
    }

    /// `csrw csr, rs1`
    pub fn csrw(&mut self, csr: u16, rs1: u8) {
        self.op(Op::Csrrw, 0, rs1, 0, csr.into());
    }

    /// The address `target`, within 2 GiB of here, in two instructions.
    pub fn la(&mut self, rd: u8, target: u64) {
        let offset = target.wrapping_sub(self.here()) as i64;
        let low = (offset << 52 >> 52) as i32;
        self.op(Op::Auipc, rd, 0, 0, (offset - i64::from(low)) as i32);
        self.op(Op::Addi, rd, rd, 0, low);
    }

    /// Adds a number to a register, with the help of no other.
    pub fn add(&mut self, register: u8, mut number: usize) {
        while number > 0 {
            let step = number.min(2047);
            self.op(Op::Addi, register, register, 0, step as i32);
            number -= step;
        }
    }

    /// Goes to `target`.
    pub fn jump(&mut self, target: u64) {
        let offset = target.wrapping_sub(self.here()) as i32;
        self.op(Op::Jal, 0, 0, 0, offset);
    }

    /// Ends the machine with success.
    pub fn finish(&mut self) {
        self.op(Op::Lui, 5, 0, 0, 0x10_0000);
        self.op(Op::Lui, 6, 0, 0, 0x5000);
        self.op(Op::Addi, 6, 6, 0, 0x555);
        self.op(Op::Sw, 0, 5, 6, 0);
        self.jump(self.here());
    }
}
