//! The bits of `mstatus`, `mip`, `menvcfg` and their kin.

/// `mstatus`: interrupts enabled in supervisor mode.
pub const SIE: u64 = 1 << 1;
/// `mstatus`: interrupts enabled in machine mode.
pub const MIE: u64 = 1 << 3;
/// `mstatus`: SIE before the trap.
pub const SPIE: u64 = 1 << 5;
/// `mstatus`: MIE before the trap.
pub const MPIE: u64 = 1 << 7;
/// `mstatus`: privilege before the trap into supervisor mode.
pub const SPP: u64 = 1 << 8;
/// `mstatus`: where MPP, the privilege before the trap into machine mode, begins.
pub const MPP_SHIFT: u32 = 11;
/// `mstatus`: MPP.
pub const MPP: u64 = 3 << MPP_SHIFT;
/// `mstatus`: state of the floating-point registers; 0 off, 3 dirty.
pub const FS: u64 = 3 << 13;
/// `mstatus`: loads and stores as with privilege MPP.
pub const MPRV: u64 = 1 << 17;
/// `mstatus`: supervisor mode may load and store in user pages.
pub const SUM: u64 = 1 << 18;
/// `mstatus`: loads from executable pages.
pub const MXR: u64 = 1 << 19;
/// `mstatus`: `satp` and the fences trap in supervisor mode.
pub const TVM: u64 = 1 << 20;
/// `mstatus`: WFI traps below machine mode.
pub const TW: u64 = 1 << 21;
/// `mstatus`: SRET traps in supervisor mode.
pub const TSR: u64 = 1 << 22;
/// `mstatus`: FS is dirty; read-only.
pub const SD: u64 = 1 << 63;
/// `mstatus`: user mode runs with 64 bits; read-only.
pub const UXL64: u64 = 2 << 32;
/// `mstatus`: supervisor mode runs with 64 bits; read-only.
pub const SXL64: u64 = 2 << 34;

/// The bits of `mstatus` that are stored. Endianness, VS and XS are fixed at zero.
pub const MSTATUS: u64 = SSTATUS | MIE | MPIE | MPP | MPRV | TVM | TW | TSR;
/// The stored bits of `mstatus` that `sstatus` shows.
pub const SSTATUS: u64 = SIE | SPIE | SPP | FS | SUM | MXR;

/// `mip`: supervisor software interrupt.
pub const SSIP: u64 = 1 << 1;
/// `mip`: machine software interrupt.
pub const MSIP: u64 = 1 << 3;
/// `mip`: supervisor timer interrupt.
pub const STIP: u64 = 1 << 5;
/// `mip`: machine timer interrupt.
pub const MTIP: u64 = 1 << 7;
/// `mip`: supervisor external interrupt.
pub const SEIP: u64 = 1 << 9;
/// `mip`: machine external interrupt.
pub const MEIP: u64 = 1 << 11;

/// The supervisor's interrupts: what `mideleg` can hold.
pub const S_INTERRUPTS: u64 = SSIP | STIP | SEIP;
/// All interrupts that exist: what `mie` can hold.
pub const INTERRUPTS: u64 = S_INTERRUPTS | MSIP | MTIP | MEIP;

/// What `medeleg` can hold: the exceptions that exist, without the one that can only come from
/// machine mode.
pub const DELEGABLE: u64 = 0xb3ff;

/// `menvcfg`, `senvcfg`: fences of I/O order memory too.
pub const FIOM: u64 = 1 << 0;
/// `menvcfg`, `senvcfg`: `cbo.inval` traps (0), flushes (1), invalidates (3).
pub const CBIE: u64 = 3 << 4;
/// `menvcfg`, `senvcfg`: `cbo.clean` and `cbo.flush` do not trap.
pub const CBCFE: u64 = 1 << 6;
/// `menvcfg`, `senvcfg`: `cbo.zero` does not trap.
pub const CBZE: u64 = 1 << 7;
/// `menvcfg`: page walks set A and D.
pub const ADUE: u64 = 1 << 61;
/// `menvcfg`: page table entries carry a memory type.
pub const PBMTE: u64 = 1 << 62;
/// `menvcfg`: `stimecmp` drives STIP.
pub const STCE: u64 = 1 << 63;

/// The bits of `senvcfg` that exist.
pub const SENVCFG: u64 = FIOM | CBIE | CBCFE | CBZE;
/// The bits of `menvcfg` that exist.
pub const MENVCFG: u64 = SENVCFG | ADUE | PBMTE | STCE;

/// `mcounteren`, `scounteren`: the `time` CSR.
pub const COUNTER_TM: u64 = 1 << 1;
/// `mcountinhibit`: `mcycle`.
pub const COUNTER_CY: u64 = 1 << 0;
/// `mcountinhibit`: `minstret`.
pub const COUNTER_IR: u64 = 1 << 2;
