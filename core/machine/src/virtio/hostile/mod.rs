//! What hostile drivers have done to other machines, done to every device here.
//!
//! [`CLASSES`] is the list of tests and the table in `docs/hostile.md` at once: a class by row, a
//! device by column, in each cell the cases that run or the reason why there is none. The classes
//! and their numbers are those of the catalogue of hostile inputs that the table's first column
//! sums up. After each case the device must work again once it was reset, and RAM that no
//! descriptor named must be what it was.

extern crate std;

mod buffers;
mod device;
mod rings;

use alloc::format;
use alloc::string::String;
use alloc::vec;

use super::regs::{Features, status};
use super::testing::*;
use crate::mem::RAM_BASE;

/// A test of one device; the rig is fresh and its driver has not begun.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    run: fn(&mut Rig, Which),
}

/// What there is on a class for a device.
#[derive(Clone, Copy)]
enum Cell {
    Tested(&'static [Case]),
    /// Why there is nothing to test.
    Empty(&'static str),
}

struct Class {
    id: &'static str,
    what: &'static str,
    /// In the order of [`EVERY`].
    cells: [Cell; 3],
}

/// Names functions as cases.
macro_rules! cases {
    ($($module:ident :: $name:ident),* $(,)?) => {
        Cell::Tested(&[$(Case { name: concat!(stringify!($module), "::", stringify!($name)), run: $module::$name }),*])
    };
}

const CHAINS: Cell = cases![
    rings::chain_that_is_its_own_next,
    rings::chain_of_two_in_a_circle,
    rings::chain_as_long_as_the_queue_is_served,
    rings::chain_longer_than_the_queue,
    rings::circle_inside_of_a_table,
];

const TABLES: Cell = cases![
    rings::table_in_a_table,
    rings::table_with_next,
    rings::table_that_was_not_negotiated,
    rings::table_of_a_broken_length,
    rings::table_longer_than_the_queue,
    rings::table_outside_of_ram,
    rings::table_behind_direct_descriptors_is_served,
    rings::table_marked_writable_is_served,
];

const AVAILABLE: Cell = cases![
    rings::available_index_jumps_ahead,
    rings::available_index_goes_backwards,
];

const QUEUE_SETUP: Cell = cases![
    rings::queue_of_an_impossible_size,
    rings::queue_changed_after_it_was_ready,
];

const HEADS: Cell = cases![
    rings::head_outside_of_the_table,
    rings::next_outside_of_the_table
];

const AREAS: Cell = cases![
    rings::areas_misaligned_outside_of_ram_or_wrapping,
    rings::areas_on_top_of_each_other,
    rings::buffer_over_each_area_of_its_queue,
    rings::used_ring_over_code_is_noticed,
];

const NOTIFICATIONS: Cell = cases![
    rings::notification_of_a_queue_that_is_not_there,
    rings::notification_of_a_queue_that_is_not_ready,
    rings::notification_before_driver_ok,
];

const MMIO: Cell = cases![
    buffers::buffer_in_registers_of_any_device,
    buffers::buffer_partly_in_ram,
];

const SPACE: Cell = cases![
    device::configuration_read_at_every_offset_and_width,
    device::configuration_written_at_every_offset_and_width,
];

/// The table.
const CLASSES: [Class; 17] = [
    Class {
        id: "V01",
        what: "a chain that loops or is longer than its queue",
        cells: [CHAINS; 3],
    },
    Class {
        id: "V02",
        what: "indirect tables: nested, not negotiated, of a broken length; and legal ones refused",
        cells: [TABLES; 3],
    },
    Class {
        id: "V03",
        what: "the available index jumps, so that chains are served again and again",
        cells: [AVAILABLE; 3],
    },
    Class {
        id: "V04",
        what: "a queue of size 0, above the maximum, no power of two, or changed after it was ready",
        cells: [QUEUE_SETUP; 3],
    },
    Class {
        id: "V05",
        what: "a head or next beyond the descriptor table",
        cells: [HEADS; 3],
    },
    Class {
        id: "V06",
        what: "ring areas misaligned, overlapping, wrapping, outside of RAM, or hit by their own buffers",
        cells: [AREAS; 3],
    },
    Class {
        id: "V07",
        what: "notification of queues that do not exist or are not ready",
        cells: [NOTIFICATIONS; 3],
    },
    Class {
        id: "V08",
        what: "buffers in the registers of a device",
        cells: [MMIO; 3],
    },
    Class {
        id: "V09",
        what: "descriptors or headers changed after they were checked",
        cells: [
            cases![
                buffers::descriptors_overwritten_by_their_own_buffers,
                buffers::request_rewritten_between_its_pieces,
            ],
            cases![buffers::descriptors_overwritten_by_their_own_buffers],
            cases![buffers::descriptors_overwritten_by_their_own_buffers],
        ],
    },
    Class {
        id: "V10",
        what: "a chain submitted again while it is in flight",
        cells: [
            cases![
                device::same_head_again_while_the_host_is_silent,
                device::every_head_while_the_host_is_silent,
            ],
            Cell::Empty("no chain outlives the call that takes it: input waits on the host's side"),
            Cell::Empty("no chain outlives the call that takes it"),
        ],
    },
    Class {
        id: "V11",
        what: "a completion after a reset",
        cells: [
            cases![
                device::result_after_a_reset,
                device::result_after_a_queue_reset,
                device::result_after_an_error,
            ],
            Cell::Empty("asks the host for nothing that could complete"),
            Cell::Empty("asks the host for nothing that could complete"),
        ],
    },
    Class {
        id: "V12",
        what: "memory or work as the guest likes it",
        cells: [
            cases![device::requests_of_a_gigabyte],
            cases![
                device::output_of_a_gigabyte,
                device::input_buffers_of_a_gigabyte,
                device::input_without_end,
            ],
            cases![device::random_bytes_by_the_gigabyte],
        ],
    },
    Class {
        id: "V13",
        what: "an answer larger than, or split across, the writable descriptors",
        cells: [
            cases![
                buffers::chain_with_nothing_to_write_to,
                buffers::chain_of_empty_descriptors,
                buffers::answer_split_into_single_bytes,
                buffers::header_cut_short,
                buffers::status_shares_a_descriptor_with_data,
            ],
            cases![
                buffers::chain_with_nothing_to_write_to,
                buffers::chain_of_empty_descriptors,
                buffers::answer_split_into_single_bytes,
            ],
            cases![
                buffers::chain_with_nothing_to_write_to,
                buffers::chain_of_empty_descriptors,
                buffers::answer_split_into_single_bytes,
            ],
        ],
    },
    Class {
        id: "V14",
        what: "sectors beyond the disk, lengths that are no sectors, writes to what is read-only",
        cells: [
            cases![
                device::sectors_beyond_the_disk,
                device::lengths_that_are_no_sectors,
                device::ranges_beyond_the_disk,
            ],
            Cell::Empty("has no sectors"),
            Cell::Empty("has no sectors"),
        ],
    },
    Class {
        id: "V15",
        what: "configuration space read and written out of bounds and at odd widths",
        cells: [SPACE; 3],
    },
    Class {
        id: "V23",
        what: "bytes of the host leaked to the guest; a used length beyond what was written",
        cells: [cases![buffers::every_byte_of_the_used_length_was_written]; 3],
    },
    Class {
        id: "V24",
        what: "lost wake-ups",
        cells: [
            cases![
                rings::no_wake_up_is_lost_around_all_indices,
                rings::suppression_given_up_while_chains_are_served,
                device::snapshot_with_requests_under_way,
                device::more_requests_than_are_taken_at_once,
            ],
            cases![
                rings::no_wake_up_is_lost_around_all_indices,
                rings::suppression_given_up_while_chains_are_served,
                device::snapshot_with_input_waiting,
            ],
            cases![
                rings::no_wake_up_is_lost_around_all_indices,
                rings::suppression_given_up_while_chains_are_served,
            ],
        ],
    },
];

/// RAM that no case names.
const CANARY: u64 = RAM_BASE + 0x4_0000;
const CANARY_LEN: usize = 0x4_0000;

/// Wakes a queue up. A console looks for room for input only if there is input.
fn kick(rig: &mut Rig, which: Which, queue: usize) {
    if which == Which::Console && queue == super::console::RECEIVE {
        rig.with(|slot, cx| slot.console_input(b"input", cx));
    }
    rig.notify(queue);
}

/// Writes a chain of `count` descriptors, three at least for a disk, which the device answers at
/// once (a disk: with what GET_ID says). The first is at `head` of `table`.
fn legal(rig: &mut Rig, which: Which, queue: usize, table: u64, head: u16, count: u16) {
    let readable = match which {
        Which::Blk | Which::ReadOnly => 1,
        Which::Console if queue == super::console::TRANSMIT => count,
        Which::Console | Which::Rng => 0,
    };
    rig.header(BUFFERS, 8, 0);
    let parts: vec::Vec<_> = (0..count)
        .map(|step| {
            let at = BUFFERS + 64 * u64::from(step);
            (at, if step == 0 { 16 } else { 8 }, step >= readable)
        })
        .collect();
    rig.chain_in(table, head, &parts);
}

/// The device has stopped, has said so, and has used nothing.
fn assert_stopped(rig: &mut Rig, queue: usize) {
    assert!(rig.needs_reset());
    assert!(rig.line());
    assert_eq!(rig.used_index(queue), 0);
}

/// The device works once it was reset.
fn assert_recovers(rig: &mut Rig, which: Which) {
    rig.host.fault = None;
    rig.start(ALL, 8);
    for queue in 0..rig.queues() {
        legal(rig, which, queue, Rig::desc_area(queue), 0, 3);
        rig.offer(queue, 0);
        kick(rig, which, queue);
        assert_eq!(rig.used_index(queue), 1);
    }
    assert_eq!(rig.status() & status::DEVICE_NEEDS_RESET, 0);
}

fn run(class: &Class, which: Which, case: &Case) {
    let mut rig = Rig::new(which);
    rig.poke(CANARY, &[0xc5; CANARY_LEN]);
    (case.run)(&mut rig, which);
    assert_recovers(&mut rig, which);
    assert!(
        rig.peek(CANARY, CANARY_LEN)
            .iter()
            .all(|byte| *byte == 0xc5),
        "{} {which:?} {}: wrote where no descriptor is",
        class.id,
        case.name
    );
}

/// The table as it is committed.
fn table() -> String {
    let mut text = String::from("| class | blk | console | rng |\n|---|---|---|---|\n");
    for class in &CLASSES {
        text += &format!("| {}: {} |", class.id, class.what);
        for cell in &class.cells {
            match cell {
                Cell::Tested(cases) => {
                    let names: vec::Vec<_> = cases
                        .iter()
                        .map(|case| format!("`{}`", case.name))
                        .collect();
                    text += &format!(" {} |", names.join("<br>"));
                }
                Cell::Empty(reason) => text += &format!(" *none: {reason}* |"),
            }
        }
        text.push('\n');
    }
    text
}

#[test]
fn every_class_is_there_once() {
    let ids: vec::Vec<_> = CLASSES.iter().map(|class| class.id).collect();
    let expected: vec::Vec<_> = (1..=15)
        .chain([23, 24])
        .map(|n| format!("V{n:02}"))
        .collect();
    assert_eq!(ids, expected);
}

#[test]
fn the_committed_table_is_that_of_the_tests() {
    const COMMITTED: &str = include_str!("../../../../../docs/hostile.md");
    let table = table();
    if std::env::var_os("VIRTARIUM_WRITE_TABLES").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/hostile.md");
        let begin = COMMITTED.find("| class | blk").unwrap_or(COMMITTED.len());
        let end = COMMITTED[begin..]
            .find("\n\n")
            .map_or(COMMITTED.len(), |at| begin + at + 1);
        let text = format!("{}{table}{}", &COMMITTED[..begin], &COMMITTED[end..]);
        std::fs::write(path, text).unwrap();
        return;
    }
    assert!(
        COMMITTED.contains(&table),
        "docs/hostile.md is out of date; run this test with VIRTARIUM_WRITE_TABLES=1"
    );
}

/// Runs the cells of one class.
macro_rules! class_tests {
    ($($name:ident = $row:literal),* $(,)?) => { $(
        #[test]
        fn $name() {
            let class = &CLASSES[$row];
            for (which, cell) in EVERY.into_iter().zip(&class.cells) {
                if let Cell::Tested(cases) = cell {
                    for case in *cases {
                        run(class, which, case);
                    }
                }
            }
        }
    )* };
}
class_tests!(
    v01 = 0,
    v02 = 1,
    v03 = 2,
    v04 = 3,
    v05 = 4,
    v06 = 5,
    v07 = 6,
    v08 = 7,
    v09 = 8,
    v10 = 9,
    v11 = 10,
    v12 = 11,
    v13 = 12,
    v14 = 13,
    v15 = 14,
    v23 = 15,
    v24 = 16,
);
