//! The transport, statement by statement: sections 2.1, 2.2, 2.4, 2.5, 2.6, 3.1, 4.2 and 6.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::host::Submitted;
use crate::mem::RAM_BASE;
use crate::virtio::blk::{FLUSH, RO};
use crate::virtio::regs::{TABLE, WINDOW};
use crate::virtio::testing::*;
use status::{ACKNOWLEDGE, DEVICE_NEEDS_RESET, DRIVER, DRIVER_OK, FAILED, FEATURES_OK};

/// The status of a device whose driver has left no step out.
const RUNNING: u32 = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;

/// A chain that each kind of device answers at once.
fn quick(rig: &mut Rig, which: Which) {
    let queue = which.busy_queue();
    match which {
        Which::Blk | Which::ReadOnly => {
            rig.header(BUFFERS, 8, 0);
            rig.chain(0, 0, &[(BUFFERS, 16, false), (DATA, 21, true)]);
        }
        Which::Console => rig.chain(queue, 0, &[(BUFFERS, 4, false)]),
        Which::Rng => rig.chain(queue, 0, &[(BUFFERS, 4, true)]),
    }
    rig.offer(queue, 0);
}

// 2.1 Device status

#[test]
fn status_begins_at_zero_and_is_zero_after_reset() {
    for which in EVERY {
        let mut rig = Rig::new(which);
        assert_eq!(rig.status(), 0);
        rig.start(ALL, 8);
        assert_eq!(rig.status(), RUNNING);
        rig.write(Register::Status, 0);
        assert_eq!(rig.status(), 0);
    }
}

#[test]
fn no_buffer_is_used_and_nothing_notified_before_driver_ok() {
    for which in EVERY {
        let mut rig = Rig::new(which);
        rig.prepare(ALL, 8);
        quick(&mut rig, which);
        rig.notify(which.busy_queue());
        rig.settle();
        assert_eq!(rig.used_index(which.busy_queue()), 0);
        assert_eq!(rig.take_interrupts(), 0);
        assert!(!rig.line());
        // What waits is served once it is time, with or without another notification.
        rig.or_status(DRIVER_OK);
        assert_eq!(rig.used_index(which.busy_queue()), 1);
        assert!(rig.line());
    }
}

#[test]
fn fatal_error_sets_needs_reset_and_then_raises_a_config_change() {
    for which in EVERY {
        let mut rig = Rig::running(which, ALL, 8);
        rig.set_avail_index(0, 9);
        rig.notify(0);
        if which == Which::Console {
            assert_eq!(
                rig.status(),
                RUNNING,
                "nothing to receive, nothing looked at"
            );
            rig.with(|slot, cx| slot.console_input(b"x", cx));
        }
        assert_eq!(rig.status(), RUNNING | DEVICE_NEEDS_RESET);
        assert_eq!(
            rig.read(Register::InterruptStatus),
            interrupt::CONFIG_CHANGE
        );
        assert!(rig.line());
    }
}

#[test]
fn fatal_error_before_driver_ok_does_not_notify() {
    let mut rig = Rig::new(Which::Blk);
    rig.acknowledge();
    rig.write(Register::QueueSize, 3);
    rig.write(Register::QueueReady, 1);
    assert!(rig.needs_reset());
    assert_eq!(rig.read(Register::InterruptStatus), 0);
    assert!(!rig.line());
}

#[test]
fn a_device_that_needs_reset_stands_still_until_its_reset() {
    for which in EVERY {
        let mut rig = Rig::running(which, ALL, 8);
        rig.write(Register::QueueSel, 0);
        rig.write(Register::QueueReady, 0);
        rig.write(Register::QueueSize, 0);
        rig.write(Register::QueueReady, 1);
        assert!(rig.needs_reset());
        rig.or_status(RUNNING);
        let queue = which.busy_queue();
        if queue != 0 {
            quick(&mut rig, which);
            rig.notify(queue);
            assert_eq!(rig.used_index(queue), 0);
        }
        rig.start(ALL, 8);
        quick(&mut rig, which);
        rig.notify(queue);
        assert_eq!(rig.used_index(queue), 1);
    }
}

#[test]
fn failed_stops_the_device() {
    for which in EVERY {
        let mut rig = Rig::running(which, ALL, 8);
        rig.or_status(FAILED);
        quick(&mut rig, which);
        rig.notify(which.busy_queue());
        assert_eq!(rig.used_index(which.busy_queue()), 0);
    }
}

#[test]
fn bits_that_a_driver_clears_stay_set() {
    let mut rig = Rig::running(Which::Blk, ALL, 8);
    rig.write(Register::Status, ACKNOWLEDGE);
    assert_eq!(rig.status(), RUNNING);
    rig.write(Register::Status, DEVICE_NEEDS_RESET);
    assert_eq!(rig.status(), RUNNING, "only the device sets it");
    rig.write(Register::Status, 0xffff_ff00);
    assert_eq!(rig.status(), RUNNING);
}

#[test]
fn a_driver_that_fails_takes_back_what_is_under_way() {
    let mut rig = Rig::new(Which::Blk);
    rig.host.fault = Some(Submitted::Pending);
    rig.start(ALL, 8);
    rig.request(0, 0, 512, true);
    rig.or_status(FAILED);
    assert_eq!(rig.host.abandoned, rig.host.tokens);
    assert!(rig.pending.requests().is_empty());
    match rig.slot.device() {
        Some(DeviceKind::Block(blk)) => assert_eq!(blk.in_flight(), 0),
        other => panic!("{other:?}"),
    }
}

// 2.2 Feature bits, 6 Reserved feature bits

#[test]
fn version_1_and_the_rings_features_are_always_offered() {
    for which in EVERY {
        assert!(Rig::new(which).offered().contains(Features::TRANSPORT));
    }
}

#[test]
fn packed_rings_and_other_features_without_code_are_not_offered() {
    for which in EVERY {
        let offered = Rig::new(which).offered().0;
        // ACCESS_PLATFORM 33, RING_PACKED 34, IN_ORDER 35, ORDER_PLATFORM 36, SR_IOV 37,
        // NOTIFICATION_DATA 38, NOTIF_CONFIG_DATA 39, ADMIN_VQ 41, SUSPEND 43.
        for bit in [33, 34, 35, 36, 37, 38, 39, 41, 43] {
            assert_eq!(offered >> bit & 1, 0, "bit {bit}");
        }
    }
}

#[test]
fn every_subset_of_what_is_offered_is_accepted() {
    for which in EVERY {
        let mut rig = Rig::new(which);
        let offered = rig.offered().0;
        // Every subset, of ten bits at most.
        let mut subset = offered;
        loop {
            rig.acknowledge();
            rig.accept(Features(subset));
            rig.or_status(FEATURES_OK);
            assert_ne!(rig.status() & FEATURES_OK, 0, "{subset:#x}");
            if subset == 0 {
                break;
            }
            subset = (subset - 1) & offered;
        }
    }
}

#[test]
fn a_feature_that_is_not_offered_keeps_features_ok_from_sticking() {
    for which in EVERY {
        let mut rig = Rig::new(which);
        let offered = u128::from(rig.offered().0);
        for bit in (0..128).filter(|bit| offered >> bit & 1 == 0) {
            rig.acknowledge();
            rig.write(Register::DriverFeaturesSel, bit / 32);
            rig.write(Register::DriverFeatures, 1 << (bit % 32));
            rig.or_status(FEATURES_OK);
            assert_eq!(rig.status(), ACKNOWLEDGE | DRIVER, "bit {bit}");
            // The same driver may think better of it.
            rig.write(Register::DriverFeatures, 0);
            rig.or_status(FEATURES_OK);
            assert_ne!(rig.status() & FEATURES_OK, 0);
        }
    }
}

#[test]
fn a_driver_that_never_acknowledges_version_1_is_served() {
    for which in EVERY {
        let mut rig = Rig::running(which, Features::default(), 8);
        quick(&mut rig, which);
        rig.notify(which.busy_queue());
        assert_eq!(rig.used_index(which.busy_queue()), 1);
    }
}

#[test]
fn features_written_after_features_ok_are_ignored() {
    let mut rig = Rig::new(Which::Blk);
    rig.acknowledge();
    rig.accept(Features::VERSION_1);
    rig.or_status(FEATURES_OK);
    rig.accept(ALL);
    rig.or_status(FEATURES_OK);
    assert_eq!(rig.slot.features(), Features::VERSION_1);
}

#[test]
fn feature_windows_beyond_the_first_two_read_as_zero() {
    let mut rig = Rig::new(Which::Blk);
    for sel in [2, 3, 4, 0x8000_0000, u32::MAX] {
        rig.write(Register::DeviceFeaturesSel, sel);
        assert_eq!(rig.read(Register::DeviceFeatures), 0);
    }
}

#[test]
fn driver_feature_windows_beyond_the_fourth_are_ignored() {
    let mut rig = Rig::new(Which::Blk);
    rig.acknowledge();
    for sel in [4, 0x8000_0000, u32::MAX] {
        rig.write(Register::DriverFeaturesSel, sel);
        rig.write(Register::DriverFeatures, u32::MAX);
    }
    rig.or_status(FEATURES_OK);
    assert_ne!(rig.status() & FEATURES_OK, 0);
}

// 2.4 Device reset

#[test]
fn reset_clears_queues_features_and_interrupts() {
    for which in EVERY {
        let mut rig = Rig::running(which, ALL, 8);
        quick(&mut rig, which);
        rig.notify(which.busy_queue());
        assert!(rig.line());
        rig.write(Register::Status, 0);
        assert!(!rig.line());
        assert_eq!(rig.read(Register::InterruptStatus), 0);
        assert_eq!(rig.slot.features(), Features::default());
        for queue in 0..rig.queues() as u32 {
            rig.write(Register::QueueSel, queue);
            assert_eq!(rig.read(Register::QueueReady), 0);
        }
    }
}

#[test]
fn reset_takes_back_what_is_under_way_and_late_results_are_dropped() {
    let mut rig = Rig::new(Which::Blk);
    rig.host.fault = Some(Submitted::Pending);
    rig.start(ALL, 8);
    assert_eq!(rig.request(0, 0, 512, true), None);
    let tokens = rig.host.tokens.clone();
    assert_eq!(tokens.len(), 1);
    rig.poke(DATA, &[0x55; 512]);
    rig.start(ALL, 8);
    assert_eq!(rig.host.abandoned, tokens);
    rig.pending.complete(tokens[0], Ok(vec![0xaa; 512]));
    // And even if the queue of completions had kept it.
    rig.with(|slot, cx| slot.complete(0, Ok(vec![0xaa; 512]), cx));
    rig.settle();
    assert_eq!(rig.peek(DATA, 512), [0x55; 512]);
    assert_eq!(rig.used_index(0), 0);
    assert_eq!(rig.take_interrupts(), 0);
}

#[test]
fn reset_works_from_every_state() {
    for which in EVERY {
        let mut rig = Rig::new(which);
        for bits in 0..256u32 {
            rig.write(Register::Status, 0);
            rig.write(Register::Status, bits);
            rig.start(ALL, 8);
        }
    }
}

// 2.5, 4.2.2.1 Configuration space and its generation

#[test]
fn configuration_is_readable_before_features_ok() {
    let mut rig = Rig::new(Which::Blk);
    assert_eq!(rig.read_at(CONFIG, Width::B4), SECTORS);
    let mut rig = Rig::new(Which::Console);
    assert_eq!(rig.read_at(CONFIG, Width::B2), 80);
    assert_eq!(rig.read_at(CONFIG + 2, Width::B2), 25);
}

#[test]
fn generation_changes_with_the_configuration_and_only_then() {
    let mut rig = Rig::running(Which::Console, ALL, 8);
    let before = rig.read(Register::ConfigGeneration);
    rig.with(|slot, cx| slot.resize(80, 25, cx));
    assert_eq!(rig.read(Register::ConfigGeneration), before);
    assert_eq!(rig.take_interrupts(), 0);
    rig.with(|slot, cx| slot.resize(100, 30, cx));
    assert_ne!(rig.read(Register::ConfigGeneration), before);
    assert_eq!(rig.take_interrupts(), interrupt::CONFIG_CHANGE);
    assert_eq!(rig.read_at(CONFIG, Width::B4), 30 << 16 | 100);
}

#[test]
fn a_change_of_configuration_before_driver_ok_does_not_notify() {
    let mut rig = Rig::new(Which::Console);
    rig.prepare(ALL, 8);
    rig.with(|slot, cx| slot.resize(100, 30, cx));
    assert!(!rig.line());
    assert_eq!(rig.read_at(CONFIG, Width::B2), 100);
}

// 2.6, 4.2.2 Queue reset

#[test]
fn queue_reset_gives_the_defaults_back_and_reads_zero() {
    for which in EVERY {
        let mut rig = Rig::running(which, ALL, 8);
        let queue = which.busy_queue();
        rig.write(Register::QueueSel, queue as u32);
        assert_eq!(rig.read(Register::QueueReset), 0);
        rig.write(Register::QueueReset, 1);
        assert_eq!(rig.read(Register::QueueReset), 0);
        assert_eq!(rig.read(Register::QueueReady), 0);
        quick(&mut rig, which);
        rig.notify(queue);
        assert_eq!(rig.used_index(queue), 0);
        assert_eq!(rig.take_interrupts(), 0);
        // 2.6.1.2.1: another size is honoured when the queue comes back.
        rig.enable(queue, 4);
        assert_eq!(rig.read(Register::QueueReset), 0);
        for _ in 0..6 {
            quick(&mut rig, which);
            rig.notify(queue);
        }
        assert_eq!(rig.used_index(queue), 6);
    }
}

#[test]
fn queue_reset_takes_back_what_is_under_way() {
    let mut rig = Rig::new(Which::Blk);
    rig.host.fault = Some(Submitted::Pending);
    rig.start(ALL, 8);
    rig.request(0, 0, 512, true);
    rig.write(Register::QueueReset, 1);
    assert_eq!(rig.host.abandoned, rig.host.tokens);
    assert!(rig.pending.requests().is_empty());
    rig.enable(0, 8);
    rig.with(|slot, cx| slot.complete(0, Ok(vec![0xaa; 512]), cx));
    assert_eq!(rig.used_index(0), 0);
    rig.host.fault = None;
    assert_eq!(rig.request(0, 0, 512, true), Some(0));
}

#[test]
fn queue_reset_without_its_feature_is_ignored() {
    let mut rig = Rig::running(Which::Blk, Features::VERSION_1, 8);
    rig.write(Register::QueueReset, 1);
    assert_eq!(rig.read(Register::QueueReady), 1);
    assert_eq!(rig.request(0, 0, 512, true), Some(0));
}

#[test]
fn queue_reset_of_a_queue_that_is_not_there_is_ignored() {
    let mut rig = Rig::running(Which::Blk, ALL, 8);
    rig.host.fault = Some(Submitted::Pending);
    rig.request(0, 0, 512, true);
    for queue in [1, 8, u32::MAX] {
        rig.write(Register::QueueSel, queue);
        rig.write(Register::QueueReset, 1);
        rig.write(Register::QueueReady, 0);
    }
    assert!(rig.host.abandoned.is_empty());
    rig.pending.complete(rig.host.tokens[0], Ok(vec![1; 512]));
    rig.settle();
    assert_eq!(rig.used(0), [(0, 513)]);
}

// 3.1.1 Driver requirements: device initialization

/// The steps of initialization; the legal order is the order here.
const STEPS: [fn(&mut Rig); 6] = [
    |rig| rig.or_status(ACKNOWLEDGE),
    |rig| rig.or_status(DRIVER),
    |rig| rig.accept(ALL),
    |rig| rig.or_status(FEATURES_OK),
    |rig| {
        for queue in 0..rig.queues() {
            rig.enable(queue, 8);
        }
    },
    |rig| rig.or_status(DRIVER_OK),
];

/// Every order of the numbers below `n`.
fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![vec![]];
    }
    let mut all = Vec::new();
    for shorter in permutations(n - 1) {
        for at in 0..=shorter.len() {
            let mut order = shorter.clone();
            order.insert(at, n - 1);
            all.push(order);
        }
    }
    all
}

#[test]
fn every_order_of_initialization_is_survived_and_none_runs_without_negotiation() {
    for which in EVERY {
        let mut rig = Rig::new(which);
        for order in permutations(STEPS.len()) {
            rig.write(Register::Status, 0);
            for step in &order {
                STEPS[*step](&mut rig);
            }
            let before = |a: usize, b: usize| {
                order.iter().position(|step| *step == a) < order.iter().position(|step| *step == b)
            };
            let negotiated = before(1, 3);
            assert_eq!(
                rig.slot.is_running(),
                negotiated && before(3, 5),
                "{order:?}"
            );
            // Features that came too late are not in force.
            let late = negotiated && !before(2, 3);
            assert_eq!(rig.slot.features() == ALL, !late, "{order:?}");
            // And whatever the order was, a reset and the right one work.
            rig.start(ALL, 8);
            quick(&mut rig, which);
            rig.notify(which.busy_queue());
            assert_eq!(rig.used_index(which.busy_queue()), 1);
        }
    }
}

#[test]
fn driver_that_never_says_that_it_saw_the_device_is_served() {
    let mut rig = Rig::new(Which::Blk);
    rig.accept(ALL);
    for step in [DRIVER, FEATURES_OK, DRIVER_OK] {
        rig.or_status(step);
    }
    assert_eq!(rig.status(), DRIVER | FEATURES_OK | DRIVER_OK);
    assert!(rig.slot.is_running());
}

#[test]
fn all_steps_in_one_write_are_taken_in_order() {
    let mut rig = Rig::new(Which::Blk);
    rig.write(Register::Status, RUNNING);
    assert_eq!(rig.status(), RUNNING);
}

#[test]
fn features_ok_twice_changes_nothing() {
    let mut rig = Rig::running(Which::Blk, ALL, 8);
    rig.accept(Features(u64::MAX));
    rig.write(Register::Status, RUNNING);
    assert_eq!(rig.status(), RUNNING);
    assert_eq!(rig.slot.features(), ALL);
}

// 4.2.2 Registers

#[test]
fn identity_registers_say_what_is_there() {
    for (which, id) in EVERY.into_iter().zip([2, 3, 4]) {
        let mut rig = Rig::new(which);
        assert_eq!(rig.read(Register::MagicValue), 0x7472_6976);
        assert_eq!(rig.read(Register::Version), 2);
        assert_eq!(rig.read(Register::DeviceId), id);
        assert_eq!(rig.read(Register::VendorId), VENDOR);
    }
}

#[test]
fn an_empty_slot_is_a_placeholder() {
    let mut rig = Rig::new(Which::Blk);
    rig.slot = Slot::empty(SLOT);
    for offset in 0..WINDOW {
        for width in [Width::B1, Width::B2, Width::B4, Width::B8] {
            rig.write_at(offset, width, u64::MAX);
        }
    }
    for (offset, register, _) in TABLE {
        let expected = match register {
            Register::MagicValue => MAGIC,
            Register::Version => VERSION,
            Register::VendorId => VENDOR,
            _ => 0,
        };
        assert_eq!(
            rig.read_at(offset, Width::B4),
            u64::from(expected),
            "{register:?}"
        );
    }
    rig.with(|slot, cx| {
        slot.complete(0, Ok(Vec::new()), cx);
        assert_eq!(slot.console_input(b"x", cx), 0);
        slot.resize(1, 1, cx);
        slot.reset(cx);
    });
    assert!(!rig.line());
}

#[test]
fn a_queue_that_is_not_there_has_no_size_and_ignores_writes() {
    for which in EVERY {
        let mut rig = Rig::new(which);
        for queue in [rig.queues() as u32, 8, 0xffff, u32::MAX] {
            rig.set_areas(0, RAM_BASE, RAM_BASE, RAM_BASE);
            rig.write(Register::QueueSel, queue);
            assert_eq!(rig.read(Register::QueueSizeMax), 0);
            rig.write(Register::QueueSize, 8);
            rig.write(Register::QueueReady, 1);
            assert_eq!(rig.read(Register::QueueReady), 0);
            assert!(!rig.needs_reset());
        }
    }
}

#[test]
fn queue_size_max_is_a_power_of_two_for_every_queue() {
    for which in EVERY {
        let mut rig = Rig::new(which);
        for queue in 0..rig.queues() as u32 {
            rig.write(Register::QueueSel, queue);
            assert!(rig.read(Register::QueueSizeMax).is_power_of_two());
        }
    }
}

#[test]
fn queue_registers_are_ignored_while_the_queue_is_ready() {
    let mut rig = Rig::running(Which::Blk, ALL, 8);
    rig.set_areas(0, 0, 0, 0);
    rig.write(Register::QueueSize, 0);
    rig.write(Register::QueueReady, 1);
    assert!(!rig.needs_reset());
    assert_eq!(rig.request(0, 0, 512, true), Some(0));
}

#[test]
fn a_queue_that_is_not_ready_is_not_touched() {
    let mut rig = Rig::new(Which::Blk);
    rig.prepare(ALL, 8);
    rig.write(Register::QueueReady, 0);
    assert_eq!(rig.read(Register::QueueReady), 0);
    rig.or_status(DRIVER_OK);
    assert_eq!(rig.request(0, 0, 512, true), None);
    assert!(rig.host.requests.is_empty());
    // Made ready again it begins at index zero, with the size and the addresses it had.
    rig.write(Register::QueueReady, 1);
    rig.notify(0);
    rig.settle();
    assert_eq!(rig.used_index(0), 1);
}

#[test]
fn a_queue_made_unready_takes_back_what_is_under_way() {
    let mut rig = Rig::new(Which::Blk);
    rig.host.fault = Some(Submitted::Pending);
    rig.start(ALL, 8);
    rig.request(0, 0, 512, true);
    rig.write(Register::QueueReady, 0);
    assert_eq!(rig.host.abandoned, rig.host.tokens);
}

#[test]
fn spurious_notifications_are_tolerated() {
    for which in EVERY {
        let mut rig = Rig::running(which, ALL, 8);
        for queue in 0..rig.queues() {
            for _ in 0..100 {
                rig.notify(queue);
            }
            assert_eq!(rig.used_index(queue), 0);
        }
        assert_eq!(rig.status(), RUNNING);
    }
}

#[test]
fn interrupt_status_holds_until_acknowledged_bit_by_bit() {
    let mut rig = Rig::running(Which::Console, ALL, 8);
    quick(&mut rig, Which::Console);
    rig.notify(1);
    rig.with(|slot, cx| slot.resize(1, 1, cx));
    let both = interrupt::USED_BUFFER | interrupt::CONFIG_CHANGE;
    assert_eq!(rig.read(Register::InterruptStatus), both);
    assert_eq!(
        rig.read(Register::InterruptStatus),
        both,
        "reading clears nothing"
    );
    rig.write(Register::InterruptAck, interrupt::USED_BUFFER);
    assert_eq!(
        rig.read(Register::InterruptStatus),
        interrupt::CONFIG_CHANGE
    );
    assert!(rig.line());
    rig.write(Register::InterruptAck, u32::MAX);
    assert!(!rig.line());
}

#[test]
fn shared_memory_regions_do_not_exist() {
    let mut rig = Rig::new(Which::Blk);
    for region in [0, 1, 255, u32::MAX] {
        rig.write(Register::ShmSel, region);
        for register in [
            Register::ShmLenLow,
            Register::ShmLenHigh,
            Register::ShmBaseLow,
            Register::ShmBaseHigh,
        ] {
            assert_eq!(rig.read(register), u32::MAX);
        }
    }
}

#[test]
fn the_table_is_that_of_the_standard() {
    // Offsets of 4.2.2, read from the text once more.
    let offsets = [
        0x00, 0x04, 0x08, 0x0c, 0x10, 0x14, 0x20, 0x24, 0x30, 0x34, 0x38, 0x44, 0x50, 0x60, 0x64,
        0x70, 0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4, 0xac, 0xb0, 0xb4, 0xb8, 0xbc, 0xc0, 0xfc,
    ];
    assert!(TABLE.iter().map(|row| row.0).eq(offsets));
}

/// Every offset below the configuration space that is not a readable register.
fn holes() -> impl Iterator<Item = u64> {
    (0..CONFIG).filter(|offset| Register::readable(*offset).is_none())
}

#[test]
fn write_only_legacy_and_missing_registers_read_as_zero() {
    for which in EVERY {
        let mut rig = Rig::running(which, ALL, 8);
        for offset in holes() {
            assert_eq!(rig.read_at(offset, Width::B4), 0, "{offset:#x}");
        }
    }
}

#[test]
fn control_registers_answer_only_to_aligned_words() {
    for which in EVERY {
        let mut rig = Rig::running(which, ALL, 8);
        let before = rig.slot.clone();
        for offset in 0..CONFIG {
            for width in [Width::B1, Width::B2, Width::B8] {
                assert_eq!(rig.read_at(offset, width), 0);
                rig.write_at(offset, width, 0);
                rig.write_at(offset, width, u64::MAX);
            }
            if offset % 4 != 0 {
                assert_eq!(rig.read_at(offset, Width::B4), 0);
                rig.write_at(offset, Width::B4, 0);
                rig.write_at(offset, Width::B4, u64::MAX);
            }
        }
        assert_eq!(format!("{before:?}"), format!("{:?}", rig.slot));
    }
}

#[test]
fn writes_to_read_only_registers_are_ignored() {
    for which in EVERY {
        let mut rig = Rig::running(which, ALL, 8);
        let before = format!("{:?}", rig.slot);
        for offset in (0..CONFIG).step_by(4) {
            if Register::writable(offset).is_none() {
                rig.write_at(offset, Width::B4, u64::MAX);
            }
        }
        assert_eq!(before, format!("{:?}", rig.slot));
    }
}

// 4.2.2.2, with hostile inputs V15

#[test]
fn configuration_is_byte_granular_and_zero_beyond_its_end() {
    for (which, len) in EVERY.into_iter().zip([60, 12, 0]) {
        let mut rig = Rig::new(which);
        let bytes: Vec<u8> = (0..WINDOW - CONFIG)
            .map(|at| rig.read_at(CONFIG + at, Width::B1) as u8)
            .collect();
        assert!(bytes[len..].iter().all(|byte| *byte == 0));
        for width in [Width::B1, Width::B2, Width::B4, Width::B8] {
            for at in 0..bytes.len() - 8 {
                let mut expected = [0; 8];
                let n = width.bytes() as usize;
                expected[..n].copy_from_slice(&bytes[at..at + n]);
                let read = rig.read_at(CONFIG + at as u64, width);
                assert_eq!(read, u64::from_le_bytes(expected), "{at} {width:?}");
            }
        }
    }
}

#[test]
fn writes_to_read_only_configuration_change_nothing() {
    for which in EVERY {
        let mut rig = Rig::new(which);
        let before = format!("{:?}", rig.slot);
        for offset in CONFIG..WINDOW {
            for width in [Width::B1, Width::B2, Width::B4, Width::B8] {
                rig.write_at(offset, width, u64::MAX);
            }
        }
        assert_eq!(before, format!("{:?}", rig.slot));
        // emerg_wr of the console, once a width; nothing else has an effect on the host.
        let printed = if which == Which::Console { 4 } else { 0 };
        assert_eq!(rig.host.printed.len(), printed);
        assert!(rig.host.requests.is_empty());
    }
}

// What the machine does

#[test]
fn power_cycle_forgets_input_and_repeats_the_random_bytes() {
    let mut rig = Rig::running(Which::Console, ALL, 8);
    rig.with(|slot, cx| {
        slot.console_input(b"typed", cx);
        slot.reset(cx);
    });
    let fresh = Rig::new(Which::Console);
    assert_eq!(format!("{:?}", rig.slot), format!("{:?}", fresh.slot));

    let mut rig = Rig::running(Which::Rng, ALL, 8);
    quick(&mut rig, Which::Rng);
    rig.notify(0);
    rig.with(|slot, cx| slot.reset(cx));
    assert_eq!(
        format!("{:?}", rig.slot),
        format!("{:?}", Rig::new(Which::Rng).slot)
    );
}

#[test]
fn input_outlives_a_reset_by_the_driver() {
    let mut rig = Rig::new(Which::Console);
    rig.with(|slot, cx| slot.console_input(b"early", cx));
    rig.start(ALL, 8);
    rig.chain(0, 0, &[(BUFFERS, 8, true)]);
    rig.offer_and_notify(0, 0);
    assert_eq!(rig.peek(BUFFERS, 5), b"early");
}

#[test]
fn read_only_is_offered_for_read_only_disks_alone() {
    assert!(Rig::new(Which::ReadOnly).offered().contains(RO));
    assert!(!Rig::new(Which::Blk).offered().contains(RO));
    assert!(Rig::new(Which::ReadOnly).offered().contains(FLUSH));
}
