use super::decode::length;
use super::disassemble::disassemble;
use super::*;

/// Random operands for a row: the bits that its encoding leaves free.
fn words(row: &Row) -> impl Iterator<Item = u32> + '_ {
    let mut state = 0x9e37_79b9_u32 ^ row.bits;
    (0..2000).map(move |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state & !row.mask | row.bits
    })
}

#[test]
fn every_row_decodes_to_itself_and_encodes_back() {
    for row in TABLE {
        for word in words(row) {
            let inst = decode(word);
            assert_eq!(inst.op, row.op, "{} {word:#010x}", row.name);
            if !matches!(row.format, Format::FenceI) {
                assert_eq!(encode(&inst), Some(word), "{} {word:#010x}", row.name);
            }
            assert_eq!(decode(encode(&inst).unwrap()), inst, "{}", row.name);
        }
    }
}

#[test]
fn compressed_encodings_stand_for_encodable_instructions() {
    let mut legal = 0;
    for half in 0..=u16::MAX {
        if length(u32::from(half)) != 2 {
            continue;
        }
        let inst = decode(u32::from(half));
        if inst.op == Op::Illegal {
            assert_eq!(inst.imm, i32::from(half as i16) & 0xffff);
            continue;
        }
        legal += 1;
        let word = encode(&inst).unwrap();
        assert_eq!(decode(word), inst, "{half:#06x}");
    }
    assert!(legal > 40_000, "{legal}");
    assert_eq!(decode(0).op, Op::Illegal, "all zeros is defined illegal");
}

#[test]
fn text_follows_the_assembler() {
    for (word, text) in [
        (0x0000_0013, "addi zero, zero, 0"),
        (0xfe01_0113, "addi sp, sp, -32"),
        (0x0081_3823, "sd s0, 16(sp)"),
        (0x0000_0073, "ecall"),
        (0x3000_2573, "csrrs a0, 0x300, zero"),
        (0x0ff0_000f, "fence iorw, iorw"),
        (0x0100_000f, "pause"),
        (0x0000_0533, "add a0, zero, zero"),
        (0x02b5_7553, "fadd.d fa0, fa0, fa1"),
        (0x02b5_0553, "fadd.d fa0, fa0, fa1, rne"),
        (0x0000_8082, "jalr zero, 0(ra)"),
        (0xffff_ffff, ".word 0xffffffff"),
        (0x0000_0000, ".half 0x0000"),
    ] {
        assert_eq!(disassemble(0x8000_0000, word), text, "{word:#010x}");
    }
    assert_eq!(disassemble(0x1000, 0x0000_006f), "jal zero, 0x1000");
}
