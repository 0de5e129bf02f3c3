//! Where QEMU's choice is not ours, and both are allowed; and what judges instead.

use virtarium_machine::isa::Row;

/// One difference.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The rows that it concerns, by mnemonic; or CSRs.
    pub what: &'static str,
    /// What QEMU does, and why ours may differ.
    pub why: &'static str,
    /// How it is kept out of the comparison.
    pub mask: &'static str,
    /// What judges the case here.
    pub other: &'static str,
}

/// All of them.
pub const KNOWN: &[Known] = &[
    Known {
        what: "sc.w, sc.d",
        why: "QEMU compares address and value; a reservation here covers 64 bytes (Za64rs), and \
              a store by the same hart or WRS.* does not end it (unprivileged ISA, 13.2: may succeed)",
        mask: "an SC uses its LR's register and width, with no store or WRS between",
        other: "unit tests of the interpreter",
    },
    Known {
        what: "sc.w, sc.d",
        why: "QEMU lets an SC without a reservation fail before it looks at the address; here a \
              misaligned one traps",
        mask: "no misaligned SC",
        other: "unit tests of the interpreter",
    },
    Known {
        what: "wrs.nto",
        why: "under TW, QEMU refuses it below machine mode; here it ends within the bounded time \
              that Zawrs allows, so it is legal",
        mask: "not below machine mode where TW can be set",
        other: "unit tests of the machine",
    },
    Known {
        what: "fsw, fsd, and F and D instructions that write no floating-point register",
        why: "FS becomes dirty here with any floating-point instruction (privileged \
              architecture, 3.1.6.6: imprecise dirtiness is allowed)",
        mask: "FS 3 here equals 1 or 2 there; a block that begins so does not read mstatus",
        other: "unit tests of the status register",
    },
    Known {
        what: "sfence.w.inval, sfence.inval.ir",
        why: "QEMU carries them out in user mode, where they are illegal (privileged \
              architecture, Svinval)",
        mask: "not in user mode",
        other: "unit tests of the hart",
    },
    Known {
        what: "mret, sret, wfi, cbo.inval, cbo.clean, cbo.flush, cbo.zero",
        why: "where the privilege or a control register makes them illegal, QEMU leaves zero or \
              an earlier instruction in mtval",
        mask: "mtval there is ignored with that cause; here it has to be the instruction",
        other: "the comparison itself",
    },
    Known {
        what: "wfi",
        why: "where it is illegal and the last instruction of a page, QEMU says that it is in \
              the next page",
        mask: "its address there may be 4096 higher",
        other: "the comparison itself",
    },
    Known {
        what: "cbo.inval, cbo.clean, cbo.flush, cbo.zero",
        why: "after a fault mtval is the block's address in QEMU, and the one in rs1 here",
        mask: "the two are equal but for the lowest six bits; here it has to be rs1",
        other: "the comparison itself",
    },
    Known {
        what: "cbo.inval, cbo.clean, cbo.flush, cbo.zero",
        why: "QEMU's PMP entry for all of memory reaches beyond the 56 bits of a physical \
              address",
        mask: "no block beyond 2^56",
        other: "unit tests of the PMP",
    },
    Known {
        what: "satp",
        why: "QEMU forgets all translations when it changes, and reads a page table that is not \
              in memory as one without entries (page fault); here SFENCE.VMA is needed, and \
              there is an access fault (privileged architecture, 12.2.1, 12.3.2)",
        mask: "written in machine mode and cleared by the next instruction, or below it to the \
               mode Bare",
        other: "the comparison of page tables, unit tests of the hart",
    },
    Known {
        what: "page table entries",
        why: "QEMU takes the reserved memory type 3, and sets A and D in an entry with N whose \
              size does not exist, before it faults",
        mask: "neither is in a block's entries, but the second with A and D set",
        other: "the comparison of page tables, unit tests of the hart",
    },
    Known {
        what: "sepc, mepc",
        why: "QEMU keeps the lowest bit, which always reads as zero (privileged architecture, \
              3.1.14)",
        mask: "what is written to them is even",
        other: "unit tests of the CSRs",
    },
    Known {
        what: "menvcfg, senvcfg",
        why: "QEMU has CDE without Smcdeleg, and takes the reserved CBIE of 2",
        mask: "neither is written",
        other: "unit tests of the CSRs",
    },
    Known {
        what: "mie, sie, mip, sip",
        why: "QEMU has bits of interrupts that do not exist here",
        mask: "what is written to them has zeros there",
        other: "unit tests of the CSRs",
    },
    Known {
        what: "mstatus, sstatus",
        why: "QEMU can change UXL; here it is always 64 bits (WARL)",
        mask: "what is written to them has zeros there",
        other: "unit tests of the CSRs",
    },
];

/// CSRs whose values are the implementation's, or change by time: read to `x0`.
pub fn value_differs(csr: u16) -> bool {
    matches!(csr,
        // Counters and their controls.
        0xb00..=0xb1f | 0xc00..=0xc1f | 0x320..=0x33f
        // The address of the entry for all of memory: QEMU keeps more than 54 bits.
        | 0x3b0
        // Who made it.
        | 0xf11..=0xf13)
}

/// CSRs that this machine has and QEMU, as it is configured here, does not: PMP entries from 16
/// on, which read as zero here, and the registers of triggers.
pub fn missing_in_qemu(csr: u16) -> bool {
    matches!(csr, 0x3a4..=0x3af | 0x3c0..=0x3ef | 0x7a0..=0x7af)
}

/// CSRs that QEMU has and this machine does not.
pub fn exists_in_qemu(csr: u16) -> bool {
    // Of Sdtrig: tinfo and those behind it.
    (0x7a4..=0x7af).contains(&csr)
}

/// What judges a row that QEMU cannot; every row but these is compared with QEMU.
#[must_use]
pub fn other_oracle(row: &Row) -> Option<&'static str> {
    let _ = row;
    None
}
