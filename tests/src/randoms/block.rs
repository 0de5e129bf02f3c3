//! A block: random instructions, where they lie, and what they begin with.

use virtarium_machine::cpu::status;
use virtarium_machine::isa::disassemble::disassemble;
use virtarium_machine::isa::{Inst, Op, Row, TABLE, decode, encode, fused};

use super::compressed;
use super::draw::{Draw, Goal, Item};
use super::layout::*;
use super::state::{self, Mode, State};
use crate::random::Rng;
use virtarium_machine::mem::RAM_BASE;

/// A block, ready to be placed in an image.
pub struct Block {
    /// Its number in the run.
    pub number: u64,
    /// The physical address of its code.
    pub at: u64,
    /// The code.
    pub code: Vec<u8>,
    /// What the runner loads.
    pub record: [u64; RECORD],
    /// The privilege that it begins in.
    pub mode: Mode,
    /// The instruction at its entry.
    pub first: Op,
    /// Where the instructions are, from `at`, and their bits.
    pub listing: Vec<(u64, u32)>,
    /// Where it begins, from `at`.
    pub entry: u64,
}

impl Block {
    /// The n-th block of a seed, with this row first, at this physical address.
    #[must_use]
    pub fn draw(seed: u64, number: u64, first: &Row, at: u64) -> Self {
        let mut rng = Rng::case(seed, number);
        let rng = &mut rng;
        let mut record = [0; RECORD];
        let state = state::draw(rng, first.op, &mut record);
        let mut draw = Draw::new(&state);
        let count = 1 + rng.below(16);
        let mut head = draw.row(rng, first);
        while (head.len() as u64) < count {
            head.extend(draw.any(rng));
        }
        // Where branches can go back to lies before the entry, and ends by itself.
        let mut items = Vec::new();
        if rng.once_in(3) {
            for _ in 0..1 + rng.below(4) {
                items.extend(draw.any(rng));
            }
            items.push(end(rng));
        }
        let entry = items.len();
        items.extend(head);
        items.push(end(rng));
        place(rng, number, at, items, entry, &state, record)
    }

    /// A block in machine mode with nothing in it but its end.
    #[must_use]
    pub fn empty(row: &Row) -> Self {
        let mut block = Self::draw(0, 0, row, CODE);
        block.code = 0x0000_0073_u32.to_le_bytes().to_vec();
        block.record[0] = CODE;
        block.record[REC_CSRS..REC_FCSR].fill(0);
        block.record[REC_MSTATUS] = status::MPP;
        block
    }

    /// The instruction at this address, as either privilege sees it: offset and bits.
    #[must_use]
    pub fn find(&self, pc: u64) -> Option<(u64, u32)> {
        let offset = pc.wrapping_sub(self.at);
        let user = offset.wrapping_sub(USER_VA - RAM_BASE);
        let found = |(at, _): &&(u64, u32)| *at == offset || *at == user;
        self.listing.iter().find(found).copied()
    }

    /// The sequences that begin in it, from its entry on.
    pub fn sequences(&self) -> impl Iterator<Item = Op> {
        let behind = self.listing.iter().filter(|(at, _)| *at >= self.entry);
        let insts: Vec<Inst> = behind.map(|(_, word)| decode(*word)).collect();
        (0..insts.len()).filter_map(move |at| fused::longest(insts[at..].iter()))
    }

    /// The block's text: addresses from its beginning, bits, assembly.
    #[must_use]
    pub fn text(&self) -> String {
        let lines = self.listing.iter().map(|(offset, word)| {
            let mark = if *offset == self.entry { '>' } else { ' ' };
            let text = disassemble(*offset, *word);
            format!("  {mark}{offset:4x}: {word:08x}  {text}\n")
        });
        lines.collect()
    }
}

/// The blocks of a batch.
pub struct Blocks(pub Vec<Block>);

impl Blocks {
    /// The blocks of a seed from this number on: as many as fit, and `most` at most.
    #[must_use]
    pub fn draw(seed: u64, from: u64, most: usize) -> Self {
        let mut blocks = Vec::new();
        let mut at = CODE;
        // The longest block is far below a page.
        while blocks.len() < most.min(MAX_BLOCKS) && at < CODE + CODE_SIZE - 4096 {
            let number = from + blocks.len() as u64;
            let first = &TABLE[(number % TABLE.len() as u64) as usize];
            let block = Block::draw(seed, number, first, at);
            at += block.code.len() as u64;
            blocks.push(block);
        }
        Self(blocks)
    }
}

/// The instruction that ends a block.
fn end(rng: &mut Rng) -> Item {
    Item::new(match rng.below(4) {
        0 => 0x0010_0073,
        1 => 0x9002,
        _ => 0x0000_0073,
    })
}

/// Gives each instruction its place, and jumps their offsets.
fn place(
    rng: &mut Rng,
    number: u64,
    at: u64,
    items: Vec<Item>,
    entry: usize,
    state: &State,
    mut record: [u64; RECORD],
) -> Block {
    let mut offsets = Vec::new();
    let mut offset = 0;
    for item in &items {
        offsets.push(offset);
        offset += item.len();
    }
    let last = items.len() - 1;
    let mut code = Vec::new();
    let mut listing = Vec::new();
    for (n, item) in items.iter().enumerate() {
        // Forward in its part, and from the second part to anywhere in the first.
        let behind = n + 1..=if n < entry { entry - 1 } else { last };
        let before = 0..if n < entry { 0 } else { entry };
        let goals: Vec<usize> = before.chain(behind).filter(|n| items[*n].entry).collect();
        let word = if goals.is_empty() {
            item.word
        } else {
            let goal = goals[rng.below(goals.len() as u64) as usize];
            aim(item, offsets[n], offsets[goal], offsets[last])
        };
        listing.push((offsets[n], word));
        code.extend(&word.to_le_bytes()[..item.len() as usize]);
    }
    let alias = state.end_alias;
    let end = at + offsets[last];
    record[usize::from(state.end)] = end.wrapping_add(alias);
    // SRET goes to the end.
    record[REC_SEPC] = end.wrapping_add(if rng.once_in(2) { alias } else { 0 });
    let user_view = state.mode == Mode::User && record[REC_SATP] != 0;
    record[0] = at + offsets[entry] + if user_view { alias } else { 0 };
    Block {
        number,
        at,
        code,
        record,
        mode: state.mode,
        first: decode(items[entry].word).op,
        listing,
        entry: offsets[entry],
    }
}

/// The bits of an instruction at `from` that is to go to `to`.
fn aim(item: &Item, from: u64, to: u64, end: u64) -> u32 {
    let offset = to as i64 - from as i64;
    let mut inst = decode(item.word);
    match item.goal {
        Goal::None => item.word,
        Goal::Offset if item.len() == 2 => {
            let funct3 = item.word >> 13;
            let (keep, bits) = if funct3 == 5 {
                (0xe003, compressed::jump(offset))
            } else {
                (0xe383, compressed::branch(offset))
            };
            bits.map_or(1, |bits| item.word & keep | u32::from(bits))
        }
        Goal::Offset => {
            inst.imm = offset as i32;
            encode(&inst).unwrap_or(0x13)
        }
        Goal::FromEnd => {
            // The lowest bit of the target is ignored.
            inst.imm = (to as i64 - end as i64) as i32 | inst.imm & 1;
            encode(&inst).unwrap_or(0x13)
        }
    }
}
