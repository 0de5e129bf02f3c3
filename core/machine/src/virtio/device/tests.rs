//! What every device must keep to.

use alloc::vec::Vec;

use crate::mem::RAM_BASE;
use crate::virtio::testing::*;

/// 2.7.5.1: neither the descriptor table nor what the driver gave to be read is ever written, nor
/// anything else but the writable buffers and the device area.
#[test]
fn nothing_changes_but_writable_buffers_and_the_device_area() {
    for which in EVERY {
        let mut rig = Rig::running(which, ALL, 8);
        for queue in 0..rig.queues() {
            // Readable: the header of a request to read a sector, or some output.
            rig.header(BUFFERS, 0, 5);
            let (data, rest) = (DATA + 0x10, DATA + 0x1000);
            rig.chain(
                queue,
                0,
                &[(BUFFERS, 16, false), (data, 100, true), (rest, 413, true)],
            );
            if which == Which::Console && queue == 0 {
                rig.with(|slot, cx| slot.console_input(&[0x77; 513], cx));
            }
            rig.offer(queue, 0);
            let before = rig.peek(RAM_BASE, RAM as usize);
            rig.notify(queue);
            rig.settle();
            assert_eq!(rig.used_index(queue), 1);
            let after = rig.peek(RAM_BASE, RAM as usize);
            let allowed = [(Rig::used_area(queue), 6 + 8 * 8), (data, 100), (rest, 413)];
            let changed: Vec<u64> = (0..RAM)
                .filter(|at| before[*at as usize] != after[*at as usize])
                .map(|at| RAM_BASE + at)
                .collect();
            assert!(!changed.is_empty());
            for at in changed {
                let inside = |(start, len): &(u64, u64)| at >= *start && at < start + len;
                assert!(
                    allowed.iter().any(inside),
                    "{which:?} queue {queue} wrote {at:#x}"
                );
            }
        }
    }
}
