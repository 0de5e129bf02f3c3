//! What lies in the reset ROM: the first instructions of a machine that starts in M-mode.
//!
//! As on QEMU's `virt`: hart id in a0, device tree in a1, and in a2 the structure by which
//! OpenSBI's dynamic firmware learns what comes after it.

use alloc::vec::Vec;

use crate::map;

/// `FW_DYNAMIC_INFO_MAGIC_VALUE`: "OSBI".
const FW_DYNAMIC_MAGIC: u64 = 0x4942_534f;
const FW_DYNAMIC_VERSION: u64 = 2;
/// `FW_DYNAMIC_INFO_NEXT_MODE_S`.
const NEXT_MODE_S: u64 = 1;

const A0: u32 = 10;
const A1: u32 = 11;
const A2: u32 = 12;
const T0: u32 = 5;
const MHARTID: u32 = 0xf14;

/// Offset of the two addresses that the code loads.
const DATA: u32 = 0x18;
/// Offset of `fw_dynamic_info`.
const INFO: u32 = DATA + 16;

/// The contents of the ROM. `entry` is where to begin, `next` where the firmware is to go on, in
/// S-mode (0 if it knows itself), `dtb` where the device tree lies; all physical addresses.
pub fn rom(entry: u64, next: u64, dtb: u64) -> Vec<u8> {
    let code = [
        auipc(T0, 0),
        addi(A2, T0, INFO),
        csrr(A0, MHARTID),
        ld(A1, DATA + 8, T0),
        ld(T0, DATA, T0),
        jr(T0),
    ];
    let mut rom: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    for value in [
        entry,
        dtb,
        FW_DYNAMIC_MAGIC,
        FW_DYNAMIC_VERSION,
        next,
        NEXT_MODE_S,
        // Options, and hart 0 to boot.
        0,
        0,
    ] {
        rom.extend(value.to_le_bytes());
    }
    rom
}

const _: () = assert!(INFO as u64 + 6 * 8 <= map::ROM.size);
const _: () = assert!(DATA == 6 * 4 && DATA.is_multiple_of(8));

fn auipc(rd: u32, upper: u32) -> u32 {
    upper << 12 | rd << 7 | 0x17
}

fn immediate(opcode: u32, funct3: u32, rd: u32, rs1: u32, immediate: u32) -> u32 {
    immediate << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode
}

fn addi(rd: u32, rs1: u32, value: u32) -> u32 {
    immediate(0x13, 0, rd, rs1, value)
}

fn ld(rd: u32, offset: u32, rs1: u32) -> u32 {
    immediate(0x03, 3, rd, rs1, offset)
}

/// `csrrs rd, csr, x0`.
fn csrr(rd: u32, csr: u32) -> u32 {
    immediate(0x73, 2, rd, 0, csr)
}

/// `jalr x0, 0(rs1)`.
fn jr(rs1: u32) -> u32 {
    immediate(0x67, 0, 0, rs1, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_an_assembler_makes_of_the_code() {
        let rom = rom(0x8000_0000, 0x8020_0000, 0x87e0_0000);
        let words: Vec<u32> = rom
            .as_chunks()
            .0
            .iter()
            .map(|word| u32::from_le_bytes(*word))
            .collect();
        assert_eq!(
            words[..6],
            [
                0x0000_0297, // auipc t0, 0
                0x0282_8613, // addi  a2, t0, 40
                0xf140_2573, // csrr  a0, mhartid
                0x0202_b583, // ld    a1, 32(t0)
                0x0182_b283, // ld    t0, 24(t0)
                0x0002_8067, // jr    t0
            ]
        );
    }

    #[test]
    fn data_lies_where_the_code_reads_it() {
        let rom = rom(1, 2, 3);
        let double = |at: usize| u64::from_le_bytes(rom[at..at + 8].try_into().unwrap());
        assert_eq!((double(24), double(32)), (1, 3));
        let info: [u64; 6] = core::array::from_fn(|field| double(40 + 8 * field));
        assert_eq!(info, [0x4942_534f, 2, 2, 1, 0, 0]);
        assert_eq!(rom.len(), 88);
    }
}
