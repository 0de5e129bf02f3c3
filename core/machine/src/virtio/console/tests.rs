//! The console: section 5.3 of the standard.

use super::*;
use crate::virtio::testing::*;

#[test]
fn output_reaches_its_console() {
    let mut rig = Rig::running(Which::Console, ALL, 8);
    rig.poke(BUFFERS, b"hello");
    rig.chain(TRANSMIT, 0, &[(BUFFERS, 2, false), (BUFFERS + 2, 3, false)]);
    rig.offer_and_notify(TRANSMIT, 0);
    assert_eq!(rig.host.printed, b"hello");
    assert!(
        rig.host
            .consoles
            .iter()
            .all(|id| *id == ConsoleId::Virtio(1))
    );
    assert_eq!(rig.used(TRANSMIT), [(0, 0)]);
}

#[test]
fn input_waits_for_buffers() {
    let mut rig = Rig::running(Which::Console, ALL, 8);
    assert_eq!(rig.with(|slot, cx| slot.console_input(b"typed", cx)), 5);
    assert_eq!(rig.used(RECEIVE), []);
    rig.chain(RECEIVE, 0, &[(BUFFERS, 3, true)]);
    rig.chain(RECEIVE, 1, &[(BUFFERS + 16, 16, true)]);
    rig.offer(RECEIVE, 0);
    rig.offer_and_notify(RECEIVE, 1);
    assert_eq!(rig.used(RECEIVE), [(0, 3), (1, 2)]);
    assert_eq!(rig.peek(BUFFERS, 3), b"typ");
    assert_eq!(rig.peek(BUFFERS + 16, 2), b"ed");
}
