//! Small programs without an operating system, drawn from a seed: what they do to a machine is
//! the same on every engine, or an engine is wrong.

mod body;
pub mod compute;
pub mod disk;
pub mod paging;

use virtarium_machine::boot::{Boot, Firmware};
use virtarium_machine::isa::Op;
use virtarium_machine::machine::MachineConfig;
use virtarium_machine::mem::RAM_BASE;
use virtarium_tests_wasm::Case;

use crate::asm::{A, Asm, H, Label, RA, S, T, ZERO};
use crate::random::Rng;

/// Bytes of RAM of each program's machine.
const RAM_SIZE: u64 = 4 << 20;
/// Where programs begin.
const CODE: u64 = RAM_BASE;
/// Where constants and tables lie.
const TABLES: u64 = RAM_BASE + 0x10_0000;
/// Memory that all harts share.
const SHARED: u64 = RAM_BASE + 0x18_0000;
/// Memory of hart 0; each further hart's lies [`HART_DATA`] behind.
const DATA: u64 = RAM_BASE + 0x20_0000;
const HART_DATA: u32 = 16;

const FINISHER: u64 = 0x10_0000;
const MTIMECMP: u64 = 0x200_4000;
const MTIME: u64 = 0x200_bff8;

const MSTATUS: u16 = 0x300;
const MIE: u16 = 0x304;
const MTVEC: u16 = 0x305;
const MEPC: u16 = 0x341;
const MCAUSE: u16 = 0x342;
const MTVAL: u16 = 0x343;
const MHARTID: u16 = 0xf14;

/// mstatus.MIE
const GLOBAL: u64 = 1 << 3;
/// mie.MTIE
const TIMER: u64 = 1 << 7;
/// mstatus.FS: initial
const FLOAT: u64 = 1 << 13;

/// The hart's own memory.
const OWN: u8 = S[0];
/// Rounds left.
const ROUNDS: u8 = S[1];
/// A linear congruential generator's state, and its two constants.
const CHANCE: u8 = S[2];
const CHANCE_BY: u8 = S[10];
const CHANCE_PLUS: u8 = S[11];
/// [`SHARED`]
const COMMON: u8 = S[3];
/// The hart's number.
const HART: u8 = S[7];
/// What the trap handler gathers.
const GATHERED: u8 = H[3];

/// A program, with what else is in memory when it begins.
struct Program {
    asm: Asm,
    /// Where traps go.
    handler: Label,
    /// Where the end is.
    end: Label,
    loads: Vec<(u64, Vec<u8>)>,
}

impl Program {
    /// The common beginning, in machine mode on each hart: registers, the trap handler, the
    /// timer, the floating-point unit.
    fn begin(rng: &mut Rng, rounds: u64, timer: bool) -> Self {
        let mut asm = Asm::new(CODE);
        let (handler, end) = (asm.later(), asm.later());
        asm.csrr(HART, MHARTID);
        asm.li(OWN, DATA);
        asm.i(Op::Slli, T[0], HART, HART_DATA as i32);
        asm.r(Op::Add, OWN, OWN, T[0]);
        asm.li(ROUNDS, rounds);
        asm.li(COMMON, SHARED);
        asm.li(CHANCE_BY, 0x5851_f42d_4c95_7f2d);
        asm.li(CHANCE_PLUS, rng.next() | 1);
        asm.li(CHANCE, rng.next());
        asm.r(Op::Add, CHANCE, CHANCE, HART);
        asm.la(T[0], handler);
        asm.csrw(MTVEC, T[0]);
        asm.li(T[0], if timer { TIMER } else { 0 });
        asm.csrw(MIE, T[0]);
        if timer {
            Self::set_timer(&mut asm, T[0], T[1]);
        }
        asm.li(T[0], GLOBAL | FLOAT);
        asm.csrw(MSTATUS, T[0]);
        Self {
            asm,
            handler,
            end,
            loads: Vec::new(),
        }
    }

    /// The timer of this hart, 97 ticks from now.
    fn set_timer(asm: &mut Asm, x: u8, y: u8) {
        asm.li(x, MTIME);
        asm.i(Op::Ld, y, x, 0);
        asm.i(Op::Addi, y, y, 97);
        asm.i(Op::Slli, x, HART, 3);
        asm.li(H[1], MTIMECMP);
        asm.r(Op::Add, x, x, H[1]);
        asm.store(Op::Sd, y, x, 0);
    }

    /// The next random number.
    fn draw(asm: &mut Asm) {
        asm.r(Op::Mul, CHANCE, CHANCE, CHANCE_BY);
        asm.r(Op::Add, CHANCE, CHANCE, CHANCE_PLUS);
    }

    /// `to` = `bits` bits of the random number from bit `from` on, times `1 << scale`.
    fn pick(asm: &mut Asm, to: u8, from: i32, bits: i32, scale: i32) {
        asm.i(Op::Slli, to, CHANCE, 64 - from - bits);
        asm.i(Op::Srli, to, to, 64 - bits);
        if scale > 0 {
            asm.i(Op::Slli, to, to, scale);
        }
    }

    /// Goes back to `top` as long as there are rounds left, and then to the end.
    fn repeat(&mut self, top: Label) {
        let asm = &mut self.asm;
        let over = asm.later();
        asm.i(Op::Addi, ROUNDS, ROUNDS, -1);
        asm.branch(Op::Beq, ROUNDS, ZERO, over);
        asm.jump(ZERO, top);
        asm.place(over);
    }

    /// The common end: hart 0 waits for the others and switches off; and the trap handler.
    fn finish(mut self, config: MachineConfig) -> Case {
        let asm = &mut self.asm;
        asm.place(self.end);
        asm.csrw(MIE, ZERO);
        // Harts that are done, behind all that bodies use.
        asm.li(T[0], SHARED + 0x1000);
        asm.li(T[1], 1);
        asm.r(Op::AmoaddD, ZERO, T[0], T[1]);
        let (wait, sleep) = (asm.later(), asm.later());
        asm.branch(Op::Bne, HART, ZERO, sleep);
        asm.place(wait);
        asm.i(Op::Ld, T[1], T[0], 0);
        asm.li(T[2], config.harts as u64);
        asm.branch(Op::Bne, T[1], T[2], wait);
        asm.li(T[0], FINISHER);
        asm.li(T[1], 0x5555);
        asm.store(Op::Sw, T[1], T[0], 0);
        asm.place(sleep);
        asm.plain(Op::Wfi);
        asm.jump(ZERO, sleep);
        self.handle();
        let mut loads = self.loads;
        loads.push((CODE, self.asm.finish()));
        Case {
            config: MachineConfig {
                ram_size: RAM_SIZE,
                boot: Boot {
                    firmware: Firmware::None,
                    loads,
                    ..Boot::default()
                },
                ..config
            },
            disk: 0,
            manifest: None,
        }
    }

    /// The trap handler: gathers causes and values, and goes on behind the instruction; after
    /// a fetch that failed, at the return address; after a call from S-mode, at the end.
    fn handle(&mut self) {
        let asm = &mut self.asm;
        // mtvec has no room for the lowest two bits.
        asm.place(self.handler);
        let (interrupt, fetch) = (asm.later(), asm.later());
        asm.csrr(H[0], MCAUSE);
        asm.branch(Op::Blt, H[0], ZERO, interrupt);
        asm.csrr(H[1], MTVAL);
        asm.i(Op::Slli, H[2], GATHERED, 5);
        asm.r(Op::Sub, GATHERED, H[2], GATHERED);
        asm.r(Op::Add, GATHERED, GATHERED, H[0]);
        asm.r(Op::Xor, GATHERED, GATHERED, H[1]);
        for (cause, to) in [(1, fetch), (12, fetch), (9, self.end)] {
            asm.i(Op::Addi, H[1], ZERO, cause);
            asm.branch(Op::Beq, H[0], H[1], to);
        }
        asm.csrr(H[0], MEPC);
        asm.i(Op::Addi, H[0], H[0], 4);
        asm.csrw(MEPC, H[0]);
        asm.plain(Op::Mret);
        asm.place(fetch);
        asm.csrw(MEPC, RA);
        asm.plain(Op::Mret);
        asm.place(interrupt);
        Self::set_timer(asm, H[0], H[2]);
        asm.plain(Op::Mret);
    }
}

/// Registers that random instructions read and write.
const POOL: [u8; 12] = [
    2, T[0], T[1], T[2], A[0], A[1], A[2], A[3], A[4], A[5], A[6], A[7],
];

fn doubles(values: &[u64]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// A configuration for `harts` harts, with a quantum that nothing else divides.
fn harts(harts: usize) -> MachineConfig {
    MachineConfig {
        harts,
        quantum: 1_009,
        ..MachineConfig::default()
    }
}
