//! Loads and stores of every width, in RAM and on devices.

use super::*;

const LOADS: [(Op, u64, bool); 7] = [
    (Op::Lb, 1, true),
    (Op::Lh, 2, true),
    (Op::Lw, 4, true),
    (Op::Ld, 8, true),
    (Op::Lbu, 1, false),
    (Op::Lhu, 2, false),
    (Op::Lwu, 4, false),
];

const STORES: [(Op, u64); 4] = [(Op::Sb, 1), (Op::Sh, 2), (Op::Sw, 4), (Op::Sd, 8)];

/// The byte of a pattern at this address.
fn pattern(at: u64) -> u8 {
    (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

fn filled(rig: &mut Rig) {
    let bytes: Vec<u8> = (DATA..DATA + 0x3000).map(pattern).collect();
    rig.arena.ram().write(DATA - RAM_BASE, &bytes).unwrap();
}

fn value(at: u64, len: u64, signed: bool) -> u64 {
    let raw = (0..len).fold(0, |value, byte| {
        value | u64::from(pattern(at + byte)) << (8 * byte)
    });
    let shift = 64 - 8 * len;
    if signed {
        ((raw << shift) as i64 >> shift) as u64
    } else {
        raw
    }
}

/// Addresses around a line, a page and an aligned word.
fn places() -> impl Iterator<Item = u64> {
    (0..9)
        .chain(57..66)
        .chain(0xff8..0x1003)
        .map(|offset| DATA + offset)
}

#[test]
fn loads_of_every_width_and_alignment_give_what_is_there() {
    for paged in [false, true] {
        for (op, len, signed) in LOADS {
            let mut rig = Rig::new(&[inst(op, 11, 10, 0, -8); 2]);
            filled(&mut rig);
            if paged {
                rig.translate(&[]);
            }
            for at in places() {
                rig.hart.pc = RAM_BASE;
                rig.set_x(10, at + 8);
                // Once to fill shortcuts, once through them.
                for _ in 0..2 {
                    rig.set_x(11, 0);
                    assert_eq!(rig.run(1), (1, Stop::Budget));
                    assert_eq!(rig.x(11), value(at, len, signed), "{op:?} at {at:#x}");
                }
            }
        }
    }
}

// Hostile inputs, V26.
#[test]
fn stores_of_every_width_and_alignment_change_their_bytes_only() {
    for paged in [false, true] {
        for (op, len) in STORES {
            let mut rig = Rig::new(&[inst(op, 0, 10, 11, 8); 2]);
            filled(&mut rig);
            if paged {
                rig.translate(&[]);
            }
            for at in places() {
                rig.hart.pc = RAM_BASE;
                rig.set_x(10, at - 8);
                for stored in [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210_u64] {
                    rig.set_x(11, stored);
                    assert_eq!(rig.run(1), (1, Stop::Budget));
                    let mut around = [0; 24];
                    let ram = rig.arena.ram();
                    ram.read(at - 8 - RAM_BASE, &mut around).unwrap();
                    for (address, byte) in (at - 8..).zip(around) {
                        let expected = match address.checked_sub(at) {
                            Some(nth) if nth < len => (stored >> (8 * nth)) as u8,
                            _ if address < DATA => 0,
                            _ => pattern(address),
                        };
                        assert_eq!(byte, expected, "{op:?} at {at:#x}, {address:#x}");
                    }
                }
                filled(&mut rig);
            }
        }
    }
}

// Hostile inputs, V26.
#[test]
fn access_into_a_missing_page_faults_there_and_stores_nothing() {
    let second = DATA + 0x1000;
    for (op, len) in STORES.into_iter().skip(1) {
        for before in 1..len {
            let mut rig = Rig::new(&[inst(op, 0, 10, 11, 0)]);
            filled(&mut rig);
            rig.translate(&[second]);
            rig.set_x(10, second - before);
            // 5.2: the address of the part that faults.
            assert_eq!(rig.trap(), (Exception::StorePageFault, second));
            assert_eq!(rig.hart.pc, RAM_BASE);
            let found = rig.word(second - 8);
            assert_eq!(found, value(second - 8, 8, true), "{op:?}, {before} before");
        }
    }
    for (op, len, _) in LOADS.into_iter().filter(|(_, len, _)| *len > 1) {
        for before in 1..len {
            let mut rig = Rig::new(&[inst(op, 10, 10, 0, 0)]);
            rig.translate(&[second]);
            rig.set_x(10, second - before);
            assert_eq!(rig.trap(), (Exception::LoadPageFault, second));
            assert_eq!(rig.x(10), second - before);
        }
    }
}

#[test]
fn access_out_of_a_missing_page_names_its_own_address() {
    let second = DATA + 0x1000;
    let mut rig = Rig::new(&[inst(Op::Sd, 0, 10, 11, 0), inst(Op::Ld, 11, 10, 0, 0)]);
    rig.translate(&[DATA]);
    rig.set_x(10, second - 3);
    assert_eq!(rig.trap(), (Exception::StorePageFault, second - 3));
    rig.hart.pc += 4;
    assert_eq!(rig.trap(), (Exception::LoadPageFault, second - 3));
}

// Hostile inputs, V26.
#[test]
fn accesses_across_the_end_of_ram_fault_whole() {
    let end = RAM_BASE + RAM;
    let mut rig = Rig::new(&[inst(Op::Sd, 0, 10, 11, 0), inst(Op::Ld, 11, 10, 0, 0)]);
    rig.set_x(11, u64::MAX);
    for at in end - 7..=end {
        rig.set_x(10, at);
        rig.hart.pc = RAM_BASE;
        let (exception, tval) = rig.trap();
        assert_eq!(exception, Exception::StoreAccessFault);
        assert!((at..=end).contains(&tval), "{tval:#x}");
        rig.hart.pc = RAM_BASE + 4;
        let (exception, tval) = rig.trap();
        assert_eq!(exception, Exception::LoadAccessFault);
        assert!((at..=end).contains(&tval), "{tval:#x}");
    }
    assert_eq!(rig.word(end - 8), 0);
    rig.set_x(10, end - 8);
    rig.hart.pc = RAM_BASE;
    rig.steps(2);
    assert_eq!(rig.word(end - 8), u64::MAX);
}

// Hostile inputs, V26.
#[test]
fn addresses_wrap_around_the_address_space() {
    let mut rig = Rig::new(&[inst(Op::Ld, 11, 10, 0, 0), inst(Op::Sd, 0, 10, 11, 0)]);
    for at in [u64::MAX, u64::MAX - 6] {
        rig.set_x(10, at);
        rig.hart.pc = RAM_BASE;
        assert_eq!(rig.trap().0, Exception::LoadAccessFault);
        rig.hart.pc = RAM_BASE + 4;
        assert_eq!(rig.trap().0, Exception::StoreAccessFault);
    }
}

#[test]
fn device_is_accessed_exactly_once() {
    // The result goes where the address was; instructions around are decoded with it.
    for slices in [1, 2, 10] {
        for (op, len, signed) in LOADS {
            let code = [addi(12, 12, 1), inst(op, 10, 10, 0, 8), addi(12, 12, 1)];
            let mut rig = Rig::new(&code);
            rig.set_x(10, DEVICE);
            let mut attentions = 0;
            let mut made = 0;
            while made < 3 {
                let (steps, stop) = rig.run(slices.min(3 - made));
                made += steps;
                attentions += u32::from(stop == Stop::Attention);
            }
            assert_eq!(attentions, 1);
            assert_eq!(rig.bus.made.len(), 1);
            assert!(matches!(rig.bus.made[0], Made::Read(8, w) if w.bytes() == len));
            let expected = if signed && len == 1 {
                -0x7f_i64 as u64
            } else {
                0x81
            };
            assert_eq!((rig.x(10), rig.x(12)), (expected, 2));
            assert_eq!(rig.hart.pc, RAM_BASE + 12);
        }
        for (op, len) in STORES {
            let code = [addi(12, 12, 1), inst(op, 0, 10, 10, 0), addi(12, 12, 1)];
            let mut rig = Rig::new(&code);
            rig.set_x(10, DEVICE + 16);
            let mut made = 0;
            while made < 3 {
                made += rig.run(slices.min(3 - made)).0;
            }
            let width = [Width::B1, Width::B2, Width::B4, Width::B8][len.ilog2() as usize];
            let written = (DEVICE + 16) & width.mask();
            assert_eq!(rig.bus.made, [Made::Write(16, width, written)]);
            assert_eq!(rig.x(12), 2);
        }
    }
}

#[test]
fn misaligned_and_missing_device_registers_fault_without_an_access() {
    let mut rig = Rig::new(&[inst(Op::Lw, 11, 10, 0, 0), inst(Op::Sw, 0, 10, 11, 0)]);
    for at in [
        DEVICE + 1,
        DEVICE + 2,
        DEVICE + 0x100,
        0,
        0xffe,
        RAM_BASE - 2,
    ] {
        rig.set_x(10, at);
        rig.hart.pc = RAM_BASE;
        assert_eq!(rig.trap().0, Exception::LoadAccessFault, "{at:#x}");
        rig.hart.pc = RAM_BASE + 4;
        assert_eq!(rig.trap().0, Exception::StoreAccessFault, "{at:#x}");
    }
    assert!(rig.bus.made.is_empty());
}

#[test]
fn watched_pages_report_each_access() {
    use crate::arena::PageFlags;
    let mut rig = Rig::new(&[
        inst(Op::Sd, 0, 10, 11, 0),
        inst(Op::Ld, 11, 10, 0, 0),
        inst(Op::Ld, 11, 10, 0, 0),
        inst(Op::AmoaddD, 11, 10, 11, 0),
    ]);
    let offset = DATA - RAM_BASE;
    rig.arena.ram().set_flags(offset, PageFlags::WATCHED);
    rig.set_x(10, DATA);
    rig.steps(4);
    let (read, write) = ((offset, 8, false), (offset, 8, true));
    // The atomic operation is the last read and write.
    assert_eq!(rig.bus.watched, [write, read, read, read, write]);
}
