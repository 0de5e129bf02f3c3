//! Which CSRs a block accesses, and how.

use virtarium_machine::cpu::csr_table;
use virtarium_machine::isa::{Inst, Op};

use super::known;
use super::state::{Mode, State};
use super::values::pick;
use crate::random::Rng;

/// Any value may be written.
const FREE: [u16; 8] = [0x001, 0x002, 0x003, 0x140, 0x142, 0x143, 0x342, 0x343];
/// Any even value may be written.
const EVEN: [u16; 2] = [0x141, 0x341];
/// Only what the state's control register holds may be written.
const CONTROLLED: [u16; 6] = [0x300, 0x100, 0x105, 0x180, 0x10a, 0x30a];
/// The same; and they can end or begin an interrupt.
const INTERRUPTS: [u16; 4] = [0x104, 0x144, 0x304, 0x344];
/// What a block may not leave as it pleases.
pub const SATP: u16 = 0x180;
const MSTATUS: u16 = 0x300;
const SSTATUS: u16 = 0x100;

/// An access by this instruction.
pub fn draw(rng: &mut Rng, state: &State, op: Op) -> Inst {
    let by_register = matches!(op, Op::Csrrw | Op::Csrrs | Op::Csrrc);
    let any = rng.below(32) as u8;
    let rd = rng.below(32) as u8;
    let read = |csr: u16, rd: u8| {
        // CSRRW writes always; with this operand the others do not.
        let op = match op {
            Op::Csrrw => Op::Csrrs,
            Op::Csrrwi => Op::Csrrsi,
            other => other,
        };
        Inst::new(op, rd, 0, 0, csr.into())
    };
    let status = |csr: u16| csr == MSTATUS || csr == SSTATUS;
    let interrupts_stay = state.wakes;
    match rng.below(8) {
        0 => {
            let value = if by_register { state.control } else { any & !1 };
            Inst::new(op, rd, value, 0, pick(rng, &EVEN).into())
        }
        1 | 2 => Inst::new(op, rd, any, 0, pick(rng, &FREE).into()),
        3..=4 => {
            let csr = if interrupts_stay || rng.once_in(2) {
                pick(rng, &CONTROLLED)
            } else {
                pick(rng, &INTERRUPTS)
            };
            if csr == SATP && state.mode != Mode::Machine {
                // To no translation at all, at once: see `known`.
                return match (state.delegates, state.interrupts) {
                    (true, _) => Inst::new(op, rd, any, 0, 0x140),
                    (false, true) => Inst::new(Op::Csrrw, rd, state.control, 0, csr.into()),
                    (false, false) => Inst::new(Op::Csrrw, rd, 0, 0, csr.into()),
                };
            }
            let moves_traps = matches!(csr, 0x105 | 0x180);
            let envcfg = matches!(csr, 0x10a | 0x30a);
            let fits = state.interrupts || !by_register || !INTERRUPTS.contains(&csr);
            let fits = fits && !(envcfg && state.interrupts);
            if !fits || (state.delegates && moves_traps) || (state.fs_hidden && status(csr)) {
                return Inst::new(op, rd, any, 0, 0x140);
            }
            let operand = match (by_register, INTERRUPTS.contains(&csr)) {
                (true, _) => state.control,
                (false, true) => any & 0xa,
                (false, false) => any,
            };
            let op = if envcfg && by_register { Op::Csrrw } else { op };
            Inst::new(
                op,
                rd,
                if envcfg && !by_register { 0 } else { operand },
                0,
                csr.into(),
            )
        }
        // An existing one, read only.
        5 | 6 => {
            let count = csr_table::numbers().count() as u64;
            let nth = rng.below(count) as usize;
            let csr = csr_table::numbers().nth(nth).unwrap_or(0x140);
            if known::missing_in_qemu(csr) {
                return Inst::new(op, rd, any, 0, 0x140);
            }
            if state.fs_hidden && status(csr) {
                return Inst::new(op, rd, any, 0, 0x140);
            }
            // Below machine mode a write to its registers is refused.
            let refused = state.mode != Mode::Machine && csr >> 8 & 3 == 3;
            let rd = if known::value_differs(csr) { 0 } else { rd };
            if refused && by_register {
                return Inst::new(op, rd, any, 0, csr.into());
            }
            read(csr, rd)
        }
        // One that does not exist.
        _ => loop {
            let csr = rng.below(4096) as u16;
            if csr_table::find(csr).is_none() && !known::exists_in_qemu(csr) {
                return Inst::new(op, rd, any, 0, csr.into());
            }
        },
    }
}
