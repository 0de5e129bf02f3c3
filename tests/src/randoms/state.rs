//! What a block begins with: privilege, control registers, and registers that point somewhere.

use virtarium_machine::cpu::status;
use virtarium_machine::isa::Op;

use super::layout::*;
use super::values::{self, VIEWS, pick};
use crate::random::Rng;

/// The privilege that a block begins in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// U
    User = 0,
    /// S
    Supervisor = 1,
    /// M
    Machine = 3,
}

/// What the instructions of a block may count on.
#[derive(Clone, Debug)]
pub struct State {
    pub mode: Mode,
    /// Whether the data accesses of the first instruction are translated.
    pub translated: bool,
    /// SSIP is pending and enabled, and stays so: WFI ends at once.
    pub wakes: bool,
    /// Whether exceptions can go to the supervisor.
    pub delegates: bool,
    /// `mstatus.FS` begins as clean or initial, so `mstatus` is not to be read: how early it
    /// becomes dirty is the implementation's choice.
    pub fs_hidden: bool,
    /// Registers that no instruction of the block writes.
    pub pinned: u32,
    /// Pointers into the window, and how far in.
    pub bases: Vec<(u8, u64)>,
    /// A pointer to where nothing is.
    pub bad: u8,
    /// Whether a jump through it ends in a trap.
    pub bad_jump: bool,
    /// Whether it is below 2^56: physical memory protection knows no more bits.
    pub bad_block: bool,
    /// A pointer to the end of the block.
    pub end: u8,
    /// How far the end's address is from its physical one.
    pub end_alias: u64,
    /// A value for control registers that are particular about it.
    pub control: u8,
    /// Whether that value has bits of interrupts that exist, and no others.
    pub interrupts: bool,
}

const ALL_STATUS: u64 = status::SIE
    | status::MIE
    | status::SPIE
    | status::MPIE
    | status::SPP
    | status::MPP
    | status::FS
    | status::MPRV
    | status::SUM
    | status::MXR
    | status::TVM
    | status::TW
    | status::TSR;

fn chance(rng: &mut Rng, n: u64, bits: u64) -> u64 {
    if rng.once_in(n) { bits } else { 0 }
}

/// Draws a state, and fills everything of the record but what depends on the code's address.
pub fn draw(rng: &mut Rng, first: Op, record: &mut [u64; RECORD]) -> State {
    let mode = pick(
        rng,
        &[
            Mode::Machine,
            Mode::Machine,
            Mode::Supervisor,
            Mode::Supervisor,
            Mode::User,
        ],
    );
    let paged = if mode == Mode::Machine {
        rng.once_in(3)
    } else {
        !rng.once_in(4)
    };
    let satp = match (paged, rng.below(4)) {
        (false, _) => 0,
        (true, 0) => 9 << 60 | ROOT48 >> 12,
        (true, 1) => 10 << 60 | ROOT57 >> 12,
        (true, _) => 8 << 60 | ROOT39 >> 12,
    };
    let mprv = mode == Mode::Machine && rng.once_in(if paged { 2 } else { 8 });
    let wakes = matches!(first, Op::Wfi) || rng.once_in(8);
    let delegates = mode != Mode::Machine && rng.once_in(4);
    let fs = pick(rng, &[3, 3, 3, 3, 3, 3, 1, 2, 0]);
    let mut mstatus = (mode as u64) << status::MPP_SHIFT
        | chance(rng, 2, status::MPIE)
        | chance(rng, 2, status::SPIE)
        | chance(rng, 4, status::SIE)
        | chance(rng, 2, status::SPP)
        | chance(rng, 2, status::SUM)
        | chance(rng, 2, status::MXR)
        | chance(rng, 8, status::TVM)
        | chance(rng, 8, status::TW)
        | chance(rng, 8, status::TSR)
        | fs << 13;
    if mprv {
        mstatus |= status::MPRV;
    }
    let interrupts = [0, status::SSIP];
    let (mie, mip) = if wakes {
        (status::SSIP, status::SSIP)
    } else {
        (pick(rng, &interrupts), chance(rng, 4, status::SSIP))
    };
    let medeleg = if delegates {
        // Not ECALL from supervisor mode: it is how a block ends.
        (rng.next() | chance(rng, 2, u64::MAX)) & status::DELEGABLE & !(1 << 9)
    } else {
        0
    };
    let envcfg = |rng: &mut Rng| {
        pick(rng, &[0, 1, 3]) << 4
            | chance(rng, 4, status::FIOM)
            | if rng.once_in(4) { 0 } else { status::CBCFE }
            | if rng.once_in(4) { 0 } else { status::CBZE }
    };
    let menvcfg = envcfg(rng)
        | if rng.once_in(3) { 0 } else { status::ADUE }
        | chance(rng, 2, status::PBMTE)
        | chance(rng, 4, status::STCE);
    let senvcfg = envcfg(rng);
    let counters = |rng: &mut Rng| pick(rng, &[0, 7, 7, 1, 2, 4]);
    let stvec = S_HANDLER | u64::from(rng.once_in(2));
    let csrs = [
        mip,
        values::integer(rng),
        values::integer(rng),
        medeleg,
        satp,
        menvcfg,
        senvcfg,
        counters(rng),
        counters(rng),
        0, // sepc follows from the code
        values::integer(rng),
        values::integer(rng),
        values::integer(rng),
        stvec,
        mie,
        mstatus,
    ];
    record[REC_CSRS..REC_FCSR].copy_from_slice(&csrs);
    let frm = match rng.below(16) {
        0 => 5 + rng.below(3),
        // What most programs run with, and inexactness on record.
        1..8 => 0,
        _ => rng.below(5),
    };
    record[REC_FCSR] = frm << 5 | rng.below(32) | chance(rng, 2, 1);
    for (n, entry) in record[REC_ENTRIES..].iter_mut().enumerate() {
        *entry = page_entry(rng, n as u64);
    }
    for slot in &mut record[1..32] {
        *slot = values::integer(rng);
    }
    for slot in &mut record[32..64] {
        *slot = values::float(rng);
    }
    let translated = paged && (mode != Mode::Machine || mprv);
    let mut state = State {
        mode,
        translated,
        wakes,
        delegates,
        fs_hidden: fs == 1 || fs == 2,
        pinned: 1,
        bases: Vec::new(),
        bad: 0,
        bad_jump: true,
        bad_block: true,
        end: 0,
        end_alias: if paged && (mode == Mode::User || rng.once_in(4)) {
            USER_VA - virtarium_machine::mem::RAM_BASE
        } else {
            0
        },
        control: 0,
        interrupts: false,
    };
    point(rng, &mut state, record);
    state
}

/// Chooses the registers that point somewhere.
fn point(rng: &mut Rng, state: &mut State, record: &mut [u64; RECORD]) {
    let mut take = |rng: &mut Rng, from: u8, count: u64| loop {
        let register = from + rng.below(count) as u8;
        if state.pinned & 1 << register == 0 {
            state.pinned |= 1 << register;
            return register;
        }
    };
    let stack = (!rng.once_in(8)).then(|| take(rng, 2, 1));
    let (aligned, any, bad) = (take(rng, 8, 8), take(rng, 8, 8), take(rng, 8, 8));
    (state.bad, state.end, state.control) = (bad, take(rng, 1, 31), take(rng, 1, 31));
    // Half of the pointers lie close to the boundary of the two pages.
    let offset = |rng: &mut Rng| match rng.below(2) {
        0 => rng.below(WINDOW_SIZE - 8),
        _ => 256 - 16 + rng.below(32),
    };
    let mut base = |rng: &mut Rng, register: u8, offset: u64| {
        let view = match (state.translated, rng.below(4)) {
            (false, _) => PAGES,
            (true, 0) if state.mode == Mode::Supervisor => PAGES,
            (true, 0) => USER_VA + 0x2_0000,
            (true, _) => WINDOW_VA,
        };
        record[usize::from(register)] = view + WINDOW_OFFSET + offset;
        state.bases.push((register, offset));
    };
    if let Some(stack) = stack {
        let offset = rng.below(4) * 8;
        base(rng, stack, offset);
    }
    let even = offset(rng) & !7;
    base(rng, aligned, even);
    let odd = offset(rng);
    base(rng, any, odd);
    let nowhere = values::bad_address(rng);
    record[usize::from(bad)] = nowhere;
    state.bad_block = nowhere >> 56 == 0;
    state.bad_jump = !VIEWS.contains(&nowhere);
    // UXL and SXL stay: see `known`.
    let (high, low) = (rng.next() << 36, rng.next() & 0xff);
    let control = rng.next() & rng.next() & ALL_STATUS | chance(rng, 2, high) | chance(rng, 2, low);
    let control = if control & status::CBIE == 2 << 4 {
        control | status::CBIE
    } else {
        control
    };
    let control = if rng.once_in(3) {
        state.interrupts = true;
        rng.next() & status::INTERRUPTS
    } else {
        control
    };
    // See `known`: even for `sepc`, FS off or dirty, without CDE of `menvcfg`.
    let fs = if control & status::FS == 0 {
        0
    } else {
        status::FS
    };
    record[usize::from(state.control)] = control & !(1 | 1 << 60) | fs;
}

/// An entry over a page of the window, or over what lies behind it.
fn page_entry(rng: &mut Rng, n: u64) -> u64 {
    const V: u64 = 1;
    const ALL: u64 = 0xff;
    if n >= 2 {
        return 0;
    }
    let ppn = (PAGES >> 12) + n;
    let flags = match rng.below(6) {
        0..=2 => ALL,
        3 => ALL & !(1 << rng.below(8)),
        _ => rng.below(256) | V,
    };
    let user = rng.below(2) << 4;
    let flags = flags & !0x10 | user;
    let high = match rng.below(16) {
        0 => 1 << (54 + rng.below(9)),
        1 => pick(rng, &[1, 2]) << 61,
        // Not a size that exists; accessed and dirty: see `known`.
        3 if n == 1 => return 1 << 63 | ppn << 10 | flags | 0xc0,
        // A 64 KiB page, which begins with the window's pages.
        2 => return 1 << 63 | ((PAGES >> 12) | 8) << 10 | flags,
        _ => 0,
    };
    high | ppn << 10 | rng.below(4) << 8 | flags
}
