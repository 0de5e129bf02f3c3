//! A small assembler over the table of instructions: labels, constants, and nothing else.

use virtarium_machine::isa::{Inst, Op, encode};

/// `x0`
pub const ZERO: u8 = 0;
/// `x1`, the return address.
pub const RA: u8 = 1;
/// `x2`
pub const SP: u8 = 2;
/// `x5`, `x6`, `x7`
pub const T: [u8; 3] = [5, 6, 7];
/// `s0` to `s11`
pub const S: [u8; 12] = [8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27];
/// `a0` to `a7`
pub const A: [u8; 8] = [10, 11, 12, 13, 14, 15, 16, 17];
/// `t3` to `t6`, which trap handlers here keep for themselves.
pub const H: [u8; 4] = [28, 29, 30, 31];

/// A place in the code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Label(usize);

/// Code under construction.
#[derive(Clone, Debug)]
pub struct Asm {
    base: u64,
    words: Vec<u32>,
    labels: Vec<Option<u64>>,
    /// Instructions whose immediate is the distance to a label.
    open: Vec<(usize, Inst, Label)>,
}

impl Asm {
    /// Code that will lie at this address.
    #[must_use]
    pub fn new(base: u64) -> Self {
        Self {
            base,
            words: Vec::new(),
            labels: Vec::new(),
            open: Vec::new(),
        }
    }

    /// The address of the next instruction.
    #[must_use]
    pub fn here(&self) -> u64 {
        self.base + 4 * self.words.len() as u64
    }

    /// Appends an instruction.
    ///
    /// # Panics
    /// If it is a mark of the decoder.
    pub fn put(&mut self, inst: Inst) {
        self.words.push(encode(&inst).expect("an instruction"));
    }

    /// Appends four bytes as they are.
    pub fn word(&mut self, word: u32) {
        self.words.push(word);
    }

    /// `op rd, rs1, imm`, loads and `jalr` too.
    pub fn i(&mut self, op: Op, rd: u8, rs1: u8, imm: i32) {
        self.put(Inst::new(op, rd, rs1, 0, imm));
    }

    /// `op rd, rs1, rs2`, atomic operations too.
    pub fn r(&mut self, op: Op, rd: u8, rs1: u8, rs2: u8) {
        self.put(Inst::new(op, rd, rs1, rs2, 0));
    }

    /// `op rs2, imm(rs1)`
    pub fn store(&mut self, op: Op, rs2: u8, rs1: u8, imm: i32) {
        self.put(Inst::new(op, 0, rs1, rs2, imm));
    }

    /// An instruction without operands.
    pub fn plain(&mut self, op: Op) {
        self.put(Inst::new(op, 0, 0, 0, 0));
    }

    /// `csrw csr, rs1`
    pub fn csrw(&mut self, csr: u16, rs1: u8) {
        self.i(Op::Csrrw, ZERO, rs1, i32::from(csr));
    }

    /// `csrr rd, csr`
    pub fn csrr(&mut self, rd: u8, csr: u16) {
        self.i(Op::Csrrs, rd, ZERO, i32::from(csr));
    }

    /// A label that is placed later.
    pub fn later(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// Places a label before the next instruction.
    pub fn place(&mut self, label: Label) {
        self.labels[label.0] = Some(self.here());
    }

    /// A label before the next instruction.
    pub fn label(&mut self) -> Label {
        let label = self.later();
        self.place(label);
        label
    }

    /// A branch to a label.
    pub fn branch(&mut self, op: Op, rs1: u8, rs2: u8, to: Label) {
        self.open
            .push((self.words.len(), Inst::new(op, 0, rs1, rs2, 0), to));
        self.words.push(0);
    }

    /// `jal rd, label`
    pub fn jump(&mut self, rd: u8, to: Label) {
        self.open
            .push((self.words.len(), Inst::new(Op::Jal, rd, 0, 0, 0), to));
        self.words.push(0);
    }

    /// Puts a constant into a register: one to eight instructions.
    pub fn li(&mut self, rd: u8, value: u64) {
        let low = ((value << 52) as i64 >> 52) as i32;
        let rest = value.wrapping_sub(low as u64);
        if rest as i64 == i64::from(rest as i32) {
            if rest == 0 {
                self.i(Op::Addi, rd, ZERO, low);
                return;
            }
            self.put(Inst::new(Op::Lui, rd, 0, 0, rest as i32));
        } else {
            // `rest` ends in twelve zeros at least.
            self.li(rd, (rest as i64 >> 12) as u64);
            self.i(Op::Slli, rd, rd, 12);
        }
        if low != 0 {
            self.i(Op::Addi, rd, rd, low);
        }
    }

    /// Puts a label's address into a register: two instructions.
    pub fn la(&mut self, rd: u8, label: Label) {
        self.open
            .push((self.words.len(), Inst::new(Op::Auipc, rd, 0, 0, 0), label));
        self.words.extend([0, 0]);
    }

    /// The code.
    ///
    /// # Panics
    /// If a label was never placed or is too far away.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        for (index, mut inst, label) in std::mem::take(&mut self.open) {
            let target = self.labels[label.0].expect("a label that was placed");
            let distance = target.wrapping_sub(self.base + 4 * index as u64) as i64 as i32;
            if inst.op == Op::Auipc {
                let low = distance << 20 >> 20;
                inst.imm = distance - low;
                self.words[index] = encode(&inst).expect("auipc");
                let add = Inst::new(Op::Addi, inst.rd, inst.rd, 0, low);
                self.words[index + 1] = encode(&add).expect("addi");
                continue;
            }
            let reach = if inst.op == Op::Jal { 1 << 20 } else { 1 << 12 };
            assert!((-reach..reach).contains(&distance), "{distance} is too far");
            inst.imm = distance;
            self.words[index] = encode(&inst).expect("a jump or branch");
        }
        self.words
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect()
    }
}
