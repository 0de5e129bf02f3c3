//! The offsets of 16-bit jumps and branches.

/// The bits of C.J's offset, or `None` where it does not reach.
pub fn jump(offset: i64) -> Option<u16> {
    (offset & 1 == 0 && (-2048..2048).contains(&offset)).then(|| {
        let o = offset as u16;
        let bit = |from: u16, to: u16| (o >> from & 1) << to;
        bit(11, 12)
            | bit(4, 11)
            | (o >> 8 & 3) << 9
            | bit(10, 8)
            | bit(6, 7)
            | bit(7, 6)
            | (o >> 1 & 7) << 3
            | bit(5, 2)
    })
}

/// The bits of the offset of C.BEQZ and C.BNEZ, or `None` where it does not reach.
pub fn branch(offset: i64) -> Option<u16> {
    (offset & 1 == 0 && (-256..256).contains(&offset)).then(|| {
        let o = offset as u16;
        (o >> 8 & 1) << 12
            | (o >> 3 & 3) << 10
            | (o >> 6 & 3) << 5
            | (o >> 1 & 3) << 3
            | (o >> 5 & 1) << 2
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use virtarium_machine::isa::decode;

    #[test]
    fn offsets_decode_to_themselves() {
        for offset in (-2048..2048).step_by(2) {
            let word = 0xa001 | jump(offset).unwrap();
            assert_eq!(i64::from(decode(word.into()).imm), offset);
        }
        for offset in (-256..256).step_by(2) {
            let word = 0xc001 | branch(offset).unwrap();
            assert_eq!(i64::from(decode(word.into()).imm), offset);
        }
        assert_eq!((jump(2048), branch(-258), jump(3)), (None, None, None));
    }
}
