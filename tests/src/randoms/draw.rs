//! One random instruction at a time.

use virtarium_machine::isa::decode::length;
use virtarium_machine::isa::{Class, Format, Inst, Op, Row, SEQUENCES, TABLE, decode, encode};

use super::csrs;
use super::layout::WINDOW_SIZE;
use super::state::{Mode, State};
use super::values::pick;
use crate::random::Rng;

/// What is to be filled in once the block is laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Goal {
    /// Nothing.
    None,
    /// The offset of a jump or branch.
    Offset,
    /// The offset of a jump from the pointer to the block's end.
    FromEnd,
}

/// An instruction, not yet with its place.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// Its bits.
    pub word: u32,
    /// What is open.
    pub goal: Goal,
    /// Whether jumps may come here.
    pub entry: bool,
}

impl Item {
    /// An instruction with nothing open.
    pub fn new(word: u32) -> Self {
        Self {
            word,
            goal: Goal::None,
            entry: true,
        }
    }

    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        length(self.word)
    }
}

/// Draws instructions for one block.
pub struct Draw<'a> {
    pub state: &'a State,
    /// The register and width in bytes of an LR, if an SC may follow.
    reserved: Option<(u8, u64)>,
    /// Whether there was an LR at all.
    reserving: bool,
    /// Whether registers are few, so that what one instruction gives the next one takes.
    close: bool,
}

/// Where the few registers begin, and how many there are: more than ever are pinned.
const CLOSE: (u8, u64) = (10, 8);

impl<'a> Draw<'a> {
    pub fn new(state: &'a State) -> Self {
        Self {
            state,
            reserved: None,
            reserving: false,
            close: false,
        }
    }

    /// Any instruction.
    pub fn any(&mut self, rng: &mut Rng) -> Vec<Item> {
        match rng.below(32) {
            0..=7 => vec![self.compressed(rng, None)],
            8 if rng.once_in(4) => vec![self.illegal(rng)],
            9..=15 => self.sequence(rng),
            _ => loop {
                let row = &TABLE[rng.below(TABLE.len() as u64) as usize];
                // Half of them would end the block.
                let ends = matches!(row.op, Op::Ecall | Op::Ebreak | Op::Mret | Op::Sret);
                if ends && !rng.once_in(4) {
                    continue;
                }
                break self.row(rng, row);
            },
        }
    }

    /// Instructions that the interpreter carries out with one dispatch, mostly: some have a
    /// rounding mode that it does not do that with, and jumps may lead into their middle.
    fn sequence(&mut self, rng: &mut Rng) -> Vec<Item> {
        let (_, parts) = pick(rng, SEQUENCES);
        self.close = !rng.once_in(4);
        let items = parts.iter().flat_map(|&part| {
            let short = rng.once_in(3).then(|| self.compressed(rng, Some(part)));
            match short {
                Some(item) if decode(item.word).op == part => vec![item],
                _ => self.row(rng, &TABLE[part as usize]),
            }
        });
        let items = items.collect();
        self.close = false;
        items
    }

    /// An instruction of this row.
    pub fn row(&mut self, rng: &mut Rng, row: &Row) -> Vec<Item> {
        for _ in 0..200 {
            if let Some(items) = self.attempt(rng, row) {
                for item in &items {
                    self.note(&decode(item.word));
                }
                return items;
            }
        }
        vec![Item::new(0x13)]
    }

    fn attempt(&mut self, rng: &mut Rng, row: &Row) -> Option<Vec<Item>> {
        let word = rng.next() as u32 & !row.mask | row.bits;
        let mut inst = decode(word);
        if self.close {
            let mut register = || CLOSE.0 + rng.below(CLOSE.1) as u8;
            (inst.rd, inst.rs1, inst.rs2, inst.rs3) =
                (register(), register(), register(), register());
        }
        match row.format {
            Format::Load | Format::S | Format::FLoad | Format::FStore => {
                let (base, offset) = self.place(rng);
                inst.rs1 = base;
                inst.imm = match offset {
                    Some(offset) => {
                        (rng.below(WINDOW_SIZE - 8) as i32 - offset as i32).clamp(-2048, 2047)
                    }
                    None => rng.below(128) as i32 - 64,
                };
                if rng.once_in(2) {
                    inst.imm &= !7;
                }
            }
            Format::Amo | Format::Lr | Format::Cbo => inst.rs1 = self.place(rng).0,
            Format::FRm | Format::FRm1 | Format::FR4 | Format::FToXRm | Format::XToFRm => {
                inst.rm = match rng.below(40) {
                    0 => pick(rng, &[5, 6]),
                    1..32 if self.close => pick(rng, &[0, 7]),
                    _ => pick(rng, &[0, 1, 2, 3, 4, 7, 7]),
                };
            }
            Format::Jalr if rng.once_in(4) && self.state.bad_jump => {
                inst.rs1 = self.state.bad;
                inst.imm = rng.below(32) as i32 - 16;
            }
            Format::Jalr => {
                inst.rs1 = self.state.end;
                inst.imm = rng.below(2) as i32;
            }
            Format::Csr | Format::CsrI => inst = csrs::draw(rng, self.state, row.op),
            _ => {}
        }
        if !self.allowed(&inst) {
            return None;
        }
        let goal = match row.format {
            Format::B | Format::J => Goal::Offset,
            Format::Jalr if inst.rs1 == self.state.end => Goal::FromEnd,
            _ => Goal::None,
        };
        // The bits that the format leaves open stay random where decoding ignores them.
        let bits = if matches!(row.format, Format::FenceI) {
            word
        } else {
            encode(&inst)?
        };
        let item = Item {
            goal,
            ..Item::new(bits)
        };
        let satp = row.class == Class::Csr && inst.imm == i32::from(csrs::SATP);
        if satp && self.state.mode == Mode::Machine {
            // Whatever became of it is read back, and is gone before it can be used.
            let back = encode(&Inst::new(Op::Csrrw, inst.rd, 0, 0, inst.imm))?;
            let back = Item {
                entry: false,
                ..Item::new(back)
            };
            return Some(vec![item, back]);
        }
        if row.op == Op::Mret && self.state.mode == Mode::Machine {
            return Some(self.mret(rng, item));
        }
        Some(vec![item])
    }

    /// MRET goes forward: to the end, whichever way it is seen.
    fn mret(&self, rng: &mut Rng, mret: Item) -> Vec<Item> {
        let csrw = |csr: i32, register: u8| {
            encode(&Inst::new(Op::Csrrw, 0, register, 0, csr)).map_or(0x13, |word| word)
        };
        let mut items = vec![Item::new(csrw(0x341, self.state.end))];
        if rng.once_in(2) && !self.state.fs_hidden {
            items.push(Item::new(csrw(0x300, self.state.control)));
        }
        items.push(mret);
        for item in &mut items[1..] {
            item.entry = false;
        }
        items
    }

    /// A register for an address, and how far into the window it points.
    fn place(&self, rng: &mut Rng) -> (u8, Option<u64>) {
        if rng.once_in(12) {
            return (self.state.bad, None);
        }
        let (register, offset) =
            self.state.bases[rng.below(self.state.bases.len() as u64) as usize];
        (register, Some(offset))
    }

    /// A 16-bit instruction: legal, but for few, and one of this kind if it has such an encoding.
    fn compressed(&mut self, rng: &mut Rng, only: Option<Op>) -> Item {
        for _ in 0..1000 {
            let half = rng.next() as u32 & 0xffff;
            if length(half) != 2 {
                continue;
            }
            let inst = decode(half);
            if only.is_some_and(|only| only != inst.op) {
                continue;
            }
            let goal = match inst.row().map(|row| row.format) {
                None if rng.once_in(64) => return Item::new(half),
                None => continue,
                Some(Format::B | Format::J) => Goal::Offset,
                _ => Goal::None,
            };
            if inst.op == Op::Ebreak && !rng.once_in(8) {
                continue;
            }
            if self.allowed(&inst) {
                self.note(&inst);
                return Item {
                    goal,
                    ..Item::new(half)
                };
            }
        }
        Item::new(1)
    }

    /// Bits that mean nothing: any, or those of a row with one or two wrong.
    fn illegal(&self, rng: &mut Rng) -> Item {
        loop {
            let word = if rng.once_in(2) {
                rng.next() as u32
            } else {
                let row = &TABLE[rng.below(TABLE.len() as u64) as usize];
                let word = rng.next() as u32 & !row.mask | row.bits;
                word ^ 1 << rng.below(32) ^ 1 << rng.below(32)
            };
            if length(word) == 4 && decode(word).op == Op::Illegal {
                return Item::new(word);
            }
        }
    }

    /// Whether the instruction keeps to what the block relies on.
    fn allowed(&self, inst: &Inst) -> bool {
        let Some(row) = inst.row() else {
            return false;
        };
        let state = self.state;
        if row.format.writes_x() && inst.rd != 0 && state.pinned & 1 << inst.rd != 0 {
            return false;
        }
        match row.class {
            Class::Load | Class::Store => self.reaches(inst.rs1, inst.imm),
            Class::Amo => self.atomic(row, inst),
            Class::Jump if inst.op == Op::Jalr => {
                inst.rs1 == state.end || (inst.rs1 == state.bad && state.bad_jump)
            }
            Class::System => match inst.op {
                Op::Wfi => state.wakes || state.mode == Mode::User,
                // See `known`.
                Op::WrsNto => state.mode == Mode::Machine,
                Op::SfenceWInval | Op::SfenceInvalIr => state.mode != Mode::User,
                Op::CboInval | Op::CboClean | Op::CboFlush | Op::CboZero => {
                    self.reaches(inst.rs1, 0) && (inst.rs1 != state.bad || state.bad_block)
                }
                _ => true,
            },
            _ => true,
        }
    }

    fn reaches(&self, base: u8, imm: i32) -> bool {
        let found = self
            .state
            .bases
            .iter()
            .find(|(register, _)| *register == base);
        match found {
            Some((_, offset)) => {
                (0..=WINDOW_SIZE as i64 - 8).contains(&(*offset as i64 + i64::from(imm)))
            }
            None => base == self.state.bad && (-64..64).contains(&imm),
        }
    }

    /// What is said of SC in `known`.
    fn atomic(&self, row: &Row, inst: &Inst) -> bool {
        if !self.reaches(inst.rs1, 0) {
            return false;
        }
        if !matches!(inst.op, Op::ScW | Op::ScD) {
            return true;
        }
        let found = self
            .state
            .bases
            .iter()
            .find(|(register, _)| *register == inst.rs1);
        let aligned = found.is_some_and(|(_, offset)| offset % 8 == 0);
        let bytes = width(row);
        aligned
            && match self.reserved {
                Some((register, reserved)) => register == inst.rs1 && bytes == reserved,
                None => !self.reserving,
            }
    }

    /// Remembers what later instructions depend on.
    fn note(&mut self, inst: &Inst) {
        let Some(row) = inst.row() else {
            return;
        };
        match (row.class, row.format) {
            (_, Format::Lr) => {
                self.reserved = Some((inst.rs1, width(row)));
                self.reserving = true;
            }
            (Class::Amo | Class::Store, _) => self.reserved = None,
            (Class::System, Format::Cbo) => self.reserved = None,
            _ if matches!(inst.op, Op::WrsNto | Op::WrsSto) => self.reserved = None,
            _ => {}
        }
    }
}

/// Bytes that an atomic instruction accesses.
fn width(row: &Row) -> u64 {
    if row.name.ends_with(".w") { 4 } else { 8 }
}
