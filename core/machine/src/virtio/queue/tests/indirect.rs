//! Indirect descriptors (virtio 1.2, 2.7.5.3).

use super::*;

/// An indirect descriptor at entry 0 of the queue, a table of four bytes to read at its end.
fn indirect(edit: impl FnOnce(&mut Bench)) -> Result<(u32, u32), QueueError> {
    let mut bench = Bench::new(8);
    bench.desc(0, TABLE, 4 * 16, INDIRECT, 0);
    bench.row(TABLE, 0, 4, 0);
    edit(&mut bench);
    bench.walk(0, Features::INDIRECT_DESC)
}

#[test]
fn a_chain_may_be_in_a_table() {
    assert_eq!(indirect(|_| {}), Ok((4, 0)));
}

#[test]
fn a_table_may_be_as_long_as_the_queue_and_no_longer() {
    assert_eq!(
        indirect(|b| b.desc(0, TABLE, 8 * 16, INDIRECT, 0)),
        Ok((4, 0))
    );
    assert_eq!(
        indirect(|b| b.desc(0, TABLE, 9 * 16, INDIRECT, 0)),
        Err(QueueError::Indirect)
    );
}

#[test]
fn the_write_flag_of_an_indirect_descriptor_is_ignored() {
    assert_eq!(
        indirect(|b| b.desc(0, TABLE, 4 * 16, INDIRECT | WRITE, 0)),
        Ok((4, 0))
    );
}

#[test]
fn direct_descriptors_may_come_before_one_indirect() {
    for direct in 1..=4 {
        let mut bench = Bench::new(8);
        bench.row(DESC, 0, direct, 0);
        bench.desc(direct - 1, DATA, 1, NEXT, direct);
        bench.desc(direct, TABLE, 4 * 16, INDIRECT | WRITE, 0);
        bench.row(TABLE, 0, 4, WRITE);
        assert_eq!(
            bench.walk(0, Features::INDIRECT_DESC),
            Ok((u32::from(direct), 4))
        );
    }
}

#[test]
fn an_indirect_descriptor_that_was_not_negotiated_is_an_error() {
    let mut bench = Bench::new(8);
    bench.desc(0, TABLE, 16, INDIRECT, 0);
    bench.row(TABLE, 0, 1, 0);
    assert_eq!(
        bench.walk(0, Features::EVENT_IDX),
        Err(QueueError::Indirect)
    );
}

#[test]
fn an_indirect_descriptor_in_a_table_is_an_error() {
    for index in 0..4 {
        let nested = |b: &mut Bench| b.entry(TABLE, index, TABLE + 64, 16, INDIRECT, 0);
        assert_eq!(indirect(nested), Err(QueueError::Indirect));
    }
}

#[test]
fn an_indirect_descriptor_with_next_is_an_error() {
    assert_eq!(
        indirect(|b| b.desc(0, TABLE, 4 * 16, INDIRECT | NEXT, 1)),
        Err(QueueError::Indirect)
    );
}

#[test]
fn tables_of_impossible_sizes_are_errors() {
    for len in [0, 1, 8, 15, 17, 63, 65, u32::MAX, 0xffff_fff0] {
        assert_eq!(
            indirect(|b| b.desc(0, TABLE, len, INDIRECT, 0)),
            Err(QueueError::Indirect),
            "{len}"
        );
    }
}

#[test]
fn tables_outside_of_ram_are_errors() {
    for at in [
        0,
        0x1000_1000,
        RAM_BASE - 16,
        RAM_BASE + RAM - 48,
        u64::MAX - 31,
    ] {
        assert_eq!(
            indirect(|b| b.desc(0, at, 64, INDIRECT, 0)),
            Err(QueueError::Indirect)
        );
    }
}

#[test]
fn next_beyond_the_end_of_a_table_is_an_error() {
    for next in [4, 5, 8, 0xffff] {
        assert_eq!(
            indirect(|b| b.entry(TABLE, 1, DATA, 1, NEXT, next)),
            Err(QueueError::DescriptorIndex)
        );
    }
}
