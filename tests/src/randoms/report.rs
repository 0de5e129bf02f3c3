//! Two saved states side by side.

use std::fmt;

use virtarium_machine::cpu::status;
use virtarium_machine::isa::disassemble::{disassemble, f_name, x_name};
use virtarium_machine::isa::{Op, decode};
use virtarium_machine::mem::RAM_BASE;

use super::block::Block;
use super::layout::*;

const MSTATUS: u16 = 0x300;
const MEPC: u16 = 0x341;
const MTVAL: u16 = 0x343;
const SCAUSE: u16 = 0x142;
const SEPC: u16 = 0x141;
const STVAL: u16 = 0x143;

/// The block's words in saved states.
fn words(bytes: &[u8], n: usize) -> Vec<u64> {
    let from = n * SIGNATURE * 8;
    bytes[from..from + SIGNATURE * 8]
        .chunks_exact(8)
        .map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")))
        .collect()
}

/// What a word of a saved state is.
fn name(slot: usize) -> String {
    match slot {
        0 => "mcause".into(),
        1..32 => x_name(slot as u8).into(),
        32..64 => f_name(slot as u8).into(),
        _ if slot < SIG_FCSR => SAVED[slot - SIG_CSRS].1.into(),
        SIG_FCSR => "fcsr".into(),
        _ if slot < SIG_WINDOW => format!("page table entry {}", slot - SIG_ENTRIES),
        _ => format!("window + {:#x}", 8 * (slot - SIG_WINDOW)),
    }
}

/// The slot of a saved CSR.
fn slot_of(number: u16) -> usize {
    let found = SAVED.iter().position(|(csr, _)| *csr == number);
    found.map_or(0, |n| SIG_CSRS + n)
}

/// The instruction at this address: the block's, or what else a block that jumps away finds in
/// the image, as either privilege sees it.
fn word_at(block: &Block, image: &[u8], pc: u64) -> Option<u32> {
    if let Some((_, word)) = block.find(pc) {
        return Some(word);
    }
    let read = |base: u64| {
        let from = usize::try_from(pc.checked_sub(base)?).ok()?;
        let bytes = image.get(from..from.checked_add(4)?)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    read(RAM_BASE).or_else(|| read(USER_VA))
}

/// Whether two words say the same.
fn same(slot: usize, block: &Block, image: &[u8], ours: &[u64], theirs: &[u64]) -> bool {
    if ours[slot] == theirs[slot] {
        return true;
    }
    let machine = [0, slot_of(MEPC), slot_of(MTVAL)];
    let supervisor = [slot_of(SCAUSE), slot_of(SEPC), slot_of(STVAL)];
    if slot == slot_of(MSTATUS) {
        // Dirty here, clean or initial there.
        let began = block.record[REC_MSTATUS] & status::FS;
        let hidden = status::FS | status::SD;
        return began != status::FS
            && theirs[slot] & status::FS == began
            && ours[slot] & status::FS == status::FS
            && ours[slot] & !hidden == theirs[slot] & !hidden;
    }
    let found = [machine, supervisor]
        .into_iter()
        .find(|trap| trap.contains(&slot));
    found.is_some_and(|trap| {
        let pick = |words: &[u64]| trap.map(|slot| words[slot]);
        same_trap(block, image, pick(ours), pick(theirs))
    })
}

/// Whether two traps (cause, address, value) differ in a way that is `known` only.
fn same_trap(block: &Block, image: &[u8], ours: [u64; 3], theirs: [u64; 3]) -> bool {
    const ILLEGAL: u64 = 2;
    let [cause, pc, value] = ours;
    let Some(word) = word_at(block, image, pc) else {
        return false;
    };
    let inst = decode(word);
    let cbo = matches!(
        inst.op,
        Op::CboInval | Op::CboClean | Op::CboFlush | Op::CboZero
    );
    // At a page's end WFI finds its address in the next one.
    let beyond = inst.op == Op::Wfi && pc & 0xfff >= 0xffc && theirs[1] == pc + 0x1000;
    if cause != theirs[0] || (pc != theirs[1] && !beyond) {
        return false;
    }
    if cause == ILLEGAL {
        let left = cbo || matches!(inst.op, Op::Mret | Op::Sret | Op::Wfi);
        return left && value == u64::from(word);
    }
    let rs1 = block.record[usize::from(inst.rs1)];
    cbo && value == rs1 && theirs[2] == rs1 & !63
}

/// The differences between what two machines left behind of an image, block by block: which
/// block, what differs first and how, and the block's text.
#[must_use]
pub fn compare(blocks: &[Block], image: &[u8], ours: &[u8], theirs: &[u8]) -> Vec<String> {
    let mut reports = Vec::new();
    for (n, block) in blocks.iter().enumerate() {
        let (ours, theirs) = (words(ours, n), words(theirs, n));
        let mut different = (0..SIGNATURE)
            .filter(|slot| !same(*slot, block, image, &ours, &theirs))
            .map(|slot| {
                format!(
                    "{} {:#x} here, {:#x} in QEMU",
                    name(slot),
                    ours[slot],
                    theirs[slot]
                )
            });
        let Some(first) = different.next() else {
            continue;
        };
        let others: Vec<String> = different.take(6).collect();
        let ends = [("here", &ours), ("in QEMU", &theirs)];
        let ends = ends.map(|(who, words)| format!("{} {who}", place(block, words)));
        reports.push(format!(
            "{first}\n    also: {}\n    trap: {}\n{block}",
            others.join("; "),
            ends.join("; "),
        ));
    }
    reports
}

/// Where and why a block trapped.
fn place(block: &Block, words: &[u64]) -> String {
    let (pc, cause) = (words[SIG_CSRS], words[0]);
    let delegated = if words[SIG_CSRS] & !0xff == S_HANDLER {
        format!(
            ", scause {:#x} at {:#x}",
            words[SIG_CSRS + 3],
            words[SIG_CSRS + 4]
        )
    } else {
        String::new()
    };
    let found = block.find(pc);
    let text = found.map_or_else(String::new, |(offset, word)| {
        format!("+{offset:#x} {}", disassemble(offset, word))
    });
    format!("cause {cause} at {pc:#x} {text}{delegated}")
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, mode, at) = (self.number, self.mode, self.at);
        writeln!(f, "block {number} ({mode:?}, code at {at:#x})")?;
        writeln!(f, "{}    {}", self.text(), beginning(self))
    }
}

/// The state that a block began with.
fn beginning(block: &Block) -> String {
    let csrs = SET.iter().zip(&block.record[REC_CSRS..]);
    let csrs = csrs.map(|(csr, value)| format!("{csr:#x}={value:#x}"));
    let registers = block.record[1..32].iter().enumerate();
    let registers = registers.map(|(n, value)| format!("{}={value:#x}", x_name(n as u8 + 1)));
    let entries = block.record[REC_ENTRIES..].iter();
    let entries = entries.map(|entry| format!("{entry:#x}"));
    format!(
        "mepc={:#x} fcsr={:#x} {}\n    {}\n    entries {}",
        block.record[0],
        block.record[REC_FCSR],
        csrs.collect::<Vec<_>>().join(" "),
        registers.collect::<Vec<_>>().join(" "),
        entries.collect::<Vec<_>>().join(" "),
    )
}
