//! The block device by request: section 5.2.6 of the standard.

use alloc::vec::Vec;

use super::*;
use crate::virtio::regs::interrupt;
use crate::virtio::testing::*;

const OK: Option<u8> = Some(0);

fn rig() -> Rig {
    Rig::running(
        Which::Blk,
        ALL.with(FLUSH).with(DISCARD).with(WRITE_ZEROES),
        16,
    )
}

#[test]
fn read_brings_the_sectors_and_reports_every_byte() {
    let mut rig = rig();
    assert_eq!(rig.request(kind::IN, 3, 1024, true), OK);
    let expected = rig.host.disk[3 * 512..5 * 512].to_vec();
    assert_eq!(rig.peek(DATA, 1024), expected);
    assert_eq!(rig.used(0), [(0, 1025)]);
    assert_eq!(rig.take_interrupts(), interrupt::USED_BUFFER);
}

#[test]
fn write_then_read_gives_the_same_bytes() {
    let mut rig = rig();
    let data: Vec<u8> = (0..2048).map(|i| (i * 7) as u8).collect();
    rig.poke(DATA, &data);
    assert_eq!(rig.request(kind::OUT, 10, 2048, false), OK);
    assert_eq!(rig.host.disk[10 * 512..14 * 512], data);
    rig.poke(DATA, &[0; 2048]);
    assert_eq!(rig.request(kind::IN, 10, 2048, true), OK);
    assert_eq!(rig.peek(DATA, 2048), data);
}
