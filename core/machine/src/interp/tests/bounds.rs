//! Accesses that try to leave RAM, by any width, address and translation (hostile inputs, V26). The
//! rig's storage looks at what is around RAM.

use super::*;

/// Plain accesses and their width.
const PLAIN: [(Op, u64); 15] = [
    (Op::Lb, 1),
    (Op::Lhu, 2),
    (Op::Lw, 4),
    (Op::Lwu, 4),
    (Op::Ld, 8),
    (Op::Sb, 1),
    (Op::Sh, 2),
    (Op::Sw, 4),
    (Op::Sd, 8),
    (Op::Flw, 4),
    (Op::Fld, 8),
    (Op::Fsw, 4),
    (Op::Fsd, 8),
    (Op::Lbu, 1),
    (Op::Lh, 2),
];

/// Accesses that have to be aligned.
const ATOMIC: [(Op, u64); 6] = [
    (Op::LrW, 4),
    (Op::LrD, 8),
    (Op::AmoswapW, 4),
    (Op::AmoaddD, 8),
    (Op::AmomaxuD, 8),
    (Op::AmoxorW, 4),
];

/// Where pages of the tests' own begin; a table of 512 of them.
const PAGES: u64 = 0x4000_0000;
/// mstatus.FS: the floating-point registers are on.
const FLOAT: u64 = 3 << 13;

/// Makes an access and goes back. Whether it was made; it traps if not.
fn made(rig: &mut Rig, (op, atomic): (Op, bool), at: u64, imm: i32) -> bool {
    let imm = if atomic { 0 } else { imm };
    let store = matches!(op, Op::Sb | Op::Sh | Op::Sw | Op::Sd | Op::Fsw | Op::Fsd);
    let code = match store {
        true => inst(op, 0, 10, 11, imm),
        false => inst(op, 12, 10, if atomic && !is_lr(op) { 11 } else { 0 }, imm),
    };
    rig.put(RAM_BASE, &[code]);
    rig.hart.pc = RAM_BASE;
    rig.set_x(10, at.wrapping_sub(imm as u64));
    match rig.run(1) {
        (1, Stop::Budget | Stop::Attention) => {
            assert_eq!(rig.hart.pc, RAM_BASE + 4);
            true
        }
        (0, Stop::Trap { .. }) => {
            assert_eq!(rig.hart.pc, RAM_BASE);
            false
        }
        other => panic!("{op:?} at {at:#x}: {other:x?}"),
    }
}

fn is_lr(op: Op) -> bool {
    matches!(op, Op::LrW | Op::LrD)
}

fn all() -> impl Iterator<Item = (Op, u64, bool)> {
    let plain = PLAIN.into_iter().map(|(op, len)| (op, len, false));
    plain.chain(ATOMIC.into_iter().map(|(op, len)| (op, len, true)))
}

fn in_ram(pa: u64) -> bool {
    (RAM_BASE..RAM_BASE + RAM).contains(&pa)
}

// Hostile inputs, V26.
#[test]
fn every_access_around_the_ends_of_ram_is_in_ram_or_faults() {
    let mut rig = Rig::new(&[]);
    rig.hart.csr.mstatus |= FLOAT;
    rig.set_x(11, u64::MAX);
    for end in [
        RAM_BASE,
        RAM_BASE + RAM,
        0,
        1 << 32,
        1 << 38,
        1 << 56,
        1 << 63,
    ] {
        for (op, len, atomic) in all() {
            for step in 0..20 {
                let at = end.wrapping_add(step).wrapping_sub(10);
                // Not over the code.
                let at = if at < RAM_BASE + 16 && in_ram(at) {
                    at + 16
                } else {
                    at
                };
                let inside = in_ram(at) && in_ram(at.wrapping_add(len - 1));
                let expected = inside && (!atomic || at.is_multiple_of(len));
                for imm in [0, 2047, -2048] {
                    let made = made(&mut rig, (op, atomic), at, imm);
                    assert_eq!(made, expected, "{op:?} at {at:#x}");
                }
            }
        }
    }
}

// Hostile inputs, V26.
#[test]
fn no_translation_leads_out_of_ram() {
    let last = (RAM_BASE + RAM - 1) >> 12;
    let pages = [
        RAM_BASE >> 12,
        last - 4,
        last - 3,
        last + 1,
        (RAM_BASE >> 12) - 1,
        0x100,
        (1 << 44) - 1,
        1 << 43,
        last + (1 << 20),
    ];
    for seed in 1..40 {
        let mut draw = Draw(seed);
        let mut rig = Rig::new(&[]);
        rig.hart.csr.mstatus |= FLOAT;
        let table = |nth: u64| RAM_BASE + RAM - 0x1000 * nth;
        let pointer = |nth: u64| table(nth) >> 2 | pte::V;
        let bits = pte::V | pte::R | pte::W | pte::X | pte::A | pte::D;
        // A gigabyte over a RAM of 64 KiB, for the code and for what lies behind.
        rig.set_word(table(1) + 8 * (RAM_BASE >> 30), RAM_BASE >> 2 | bits);
        // One that ends where RAM begins.
        rig.set_word(table(1) + 8 * 3, 0x4000_0000 >> 2 | bits);
        rig.set_word(table(1) + 8 * (PAGES >> 30), pointer(2));
        rig.set_word(table(2), pointer(3));
        // Two megabytes that begin with RAM.
        rig.set_word(table(2) + 8, RAM_BASE >> 2 | bits);
        let shown: Vec<u64> = (0..512).map(|_| draw.one(&pages)).collect();
        for (nth, page) in (0..).zip(&shown) {
            rig.set_word(table(3) + 8 * nth, page << 10 | bits);
        }
        rig.hart.privilege = Privilege::Supervisor;
        rig.hart.pmp.set_address(0, u64::MAX);
        rig.hart.pmp.set_config(0, 0x1f);
        rig.hart.csr.satp = 8 << 60 | table(1) >> 12;
        let physical = |va: u64| match va {
            PAGES..0x4020_0000 => Some(shown[((va - PAGES) >> 12) as usize] << 12 | va & 0xfff),
            0x4020_0000..0x4040_0000 => Some(va - 0x4020_0000 + RAM_BASE),
            0x8000_0000..0xc000_0000 => Some(va),
            0xc000_0000..0x1_0000_0000 => Some(va - 0x8000_0000),
            _ => None,
        };
        let cases: Vec<_> = all().collect();
        for _ in 0..2000 {
            let (op, len, atomic) = draw.one(&cases);
            let page = match draw.next() >> 60 {
                0..10 => PAGES + ((draw.next() >> 40 & 0x1ff) << 12),
                10 => 0x4020_0000 + RAM,
                11 => RAM_BASE + RAM,
                12 => 0xffff_f000,
                13 => 0x4020_0000,
                14 => 0x3fff_f000,
                _ => draw.next() & !0xfff,
            };
            let at = page + (draw.next() >> 30 & 0xfff) / 8 * 8;
            let at = at.wrapping_add(draw.one(&[0, 0, 1, 4, 6, 7]));
            let at = draw.one(&[at, at, page, page.wrapping_sub(3), page | 0xffc]);
            let bytes = (0..len).map(|byte| physical(at.wrapping_add(byte)));
            let expected = bytes.clone().all(|pa| pa.is_some_and(in_ram))
                && (!atomic || at.is_multiple_of(len));
            // Neither the code nor the tables, which are this test's.
            let mine = |pa: u64| pa < RAM_BASE + 0x10 || pa >= table(3);
            if bytes.flatten().any(|pa| in_ram(pa) && mine(pa)) {
                continue;
            }
            let value = draw.next();
            rig.set_x(11, value);
            let made = made(&mut rig, (op, atomic), at, 0);
            assert_eq!(made, expected, "seed {seed}: {op:?} at {at:#x}");
        }
    }
}

// Hostile inputs, V26.
#[test]
fn instructions_are_not_fetched_from_behind_ram() {
    let last = RAM_BASE + RAM;
    for translated in [false, true] {
        let mut rig = Rig::new(&[]);
        // `c.addi x10, 1` up to the end.
        for at in (last - 64..last).step_by(2) {
            rig.arena.ram().store(at - RAM_BASE, C_ADDI).unwrap();
        }
        if translated {
            let table = RAM_BASE + 0x1000;
            let bits = pte::V | pte::R | pte::W | pte::X | pte::A | pte::D;
            rig.set_word(table + 8 * (RAM_BASE >> 30), RAM_BASE >> 2 | bits);
            rig.hart.privilege = Privilege::Supervisor;
            rig.hart.pmp.set_address(0, u64::MAX);
            rig.hart.pmp.set_config(0, 0x1f);
            rig.hart.csr.satp = 8 << 60 | table >> 12;
        }
        for budget in [1, 7, 100] {
            rig.hart.pc = last - 64;
            rig.set_x(10, 0);
            let fault = loop {
                match rig.run(budget) {
                    (_, Stop::Trap { exception, tval }) => break (exception, tval),
                    (made, stop) => assert!(made > 0, "{stop:?}"),
                }
            };
            assert_eq!(fault, (Exception::InstructionAccessFault, last));
            assert_eq!(rig.x(10), 32);
        }
    }
}
