//! Where things lie in a batch's memory.

use virtarium_machine::mem::RAM_BASE;

/// Bytes of RAM that a batch needs.
pub const RAM_SIZE: u64 = 64 << 20;

/// Three words: the next record, the next signature, and how many blocks are left.
pub(super) const GLOBALS: u64 = RAM_BASE + 0x8000;
/// The supervisor's trap handler: one `ecall`.
pub(super) const S_HANDLER: u64 = RAM_BASE + 0x9000;
/// The root of the page tables under Sv39; it is the second level of Sv48.
pub(super) const ROOT39: u64 = RAM_BASE + 0x1_0000;
/// The root under Sv48; it is the second level of Sv57.
pub(super) const ROOT48: u64 = RAM_BASE + 0x1_1000;
/// The root under Sv57.
pub(super) const ROOT57: u64 = RAM_BASE + 0x1_2000;
/// The second level of [`WINDOW_VA`], and the last one behind it.
pub(super) const WINDOW_TABLE: u64 = RAM_BASE + 0x1_3000;
/// The page table with the entries that a block brings along.
pub(super) const WINDOW_ENTRIES: u64 = RAM_BASE + 0x1_4000;
/// Two pages, of which blocks may write the middle; a page of zeros is behind them.
pub(super) const PAGES: u64 = RAM_BASE + 0x2_0000;
/// Offset of the window in [`PAGES`]: it lies across the boundary of the two.
pub(super) const WINDOW_OFFSET: u64 = 0xf00;
/// Bytes in the window.
pub(super) const WINDOW_SIZE: u64 = 512;
/// What the window holds when a block begins.
pub(super) const TEMPLATE: u64 = RAM_BASE + 0x2_4000;
/// The blocks' code.
pub(super) const CODE: u64 = RAM_BASE + 0x10_0000;
/// Bytes of code that fit.
pub(super) const CODE_SIZE: u64 = 0x30_0000;
/// The blocks' records.
pub(super) const RECORDS: u64 = RAM_BASE + 0x40_0000;
/// The saved states.
pub(super) const SIGNATURES: u64 = RAM_BASE + 0x180_0000;

/// Where user mode finds all of RAM: a page of one GiB.
pub(super) const USER_VA: u64 = 5 << 30;
/// Where [`PAGES`] is found through the entries that a block brings along.
pub(super) const WINDOW_VA: u64 = 6 << 30;
/// A leaf where none may be: a page of one GiB that is not aligned to its size.
pub(super) const MISALIGNED_VA: u64 = 7 << 30;

/// Page table entries that a block brings along.
pub(super) const ENTRIES: usize = 4;

/// CSRs that a record sets, by number, in the order of its slots.
///
/// `mip` comes before `menvcfg`, whose STCE makes STIP read-only; `mstatus` is last; `fcsr` is
/// apart, because it needs `mstatus.FS`.
pub(super) const SET: [u16; 16] = [
    0x344, 0x342, 0x343, 0x302, 0x180, 0x30a, 0x10a, 0x306, 0x106, 0x141, 0x142, 0x143, 0x140,
    0x105, 0x304, 0x300,
];
/// CSRs that a signature holds, in the order of its slots; `fcsr` is apart.
pub(super) const SAVED: [(u16, &str); 17] = [
    (0x341, "mepc"),
    (0x343, "mtval"),
    (0x300, "mstatus"),
    (0x142, "scause"),
    (0x141, "sepc"),
    (0x143, "stval"),
    (0x140, "sscratch"),
    (0x105, "stvec"),
    (0x180, "satp"),
    (0x10a, "senvcfg"),
    (0x30a, "menvcfg"),
    (0x306, "mcounteren"),
    (0x106, "scounteren"),
    (0x304, "mie"),
    (0x344, "mip"),
    (0x302, "medeleg"),
    (0x320, "mcountinhibit"),
];

/// A record in words: `mepc`, x1 to x31, f0 to f31, [`SET`], `fcsr`, page table entries.
pub const RECORD: usize = REC_ENTRIES + ENTRIES;
pub(super) const REC_CSRS: usize = 64;
pub(super) const REC_SATP: usize = REC_CSRS + 4;
pub(super) const REC_SEPC: usize = REC_CSRS + 9;
pub(super) const REC_MSTATUS: usize = REC_FCSR - 1;
pub(super) const REC_FCSR: usize = REC_CSRS + SET.len();
pub(super) const REC_ENTRIES: usize = REC_FCSR + 1;

/// A signature in words: `mcause`, x1 to x31, f0 to f31, [`SAVED`], `fcsr`, page table entries,
/// the window.
pub const SIGNATURE: usize = SIG_WINDOW + WINDOW_SIZE as usize / 8;
pub(super) const SIG_CSRS: usize = 64;
pub(super) const SIG_FCSR: usize = SIG_CSRS + SAVED.len();
pub(super) const SIG_ENTRIES: usize = SIG_FCSR + 1;
pub(super) const SIG_WINDOW: usize = SIG_ENTRIES + ENTRIES;

/// Blocks in a batch, at most: as many as fit.
pub(super) const MAX_BLOCKS: usize = 8000;

const _: () = {
    assert!(SET[REC_SATP - REC_CSRS] == 0x180 && SET[REC_SEPC - REC_CSRS] == 0x141);
    assert!(SET[REC_MSTATUS - REC_CSRS] == 0x300);
    assert!(CODE + CODE_SIZE <= RECORDS);
    assert!(RECORDS + (MAX_BLOCKS * RECORD * 8) as u64 <= SIGNATURES);
    // QEMU puts a device tree at the end of RAM.
    assert!(SIGNATURES + (MAX_BLOCKS * SIGNATURE * 8) as u64 <= RAM_BASE + RAM_SIZE - 0x20_0000);
    // Loads and stores reach every slot from the first.
    assert!(SIGNATURE * 8 < 2048 && RECORD * 8 < 2048);
};
