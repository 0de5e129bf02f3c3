//! Whatever a crash leaves, the disk opens, and each sector is what the guest wrote to it.

use virtarium_backends::disk::overlay::{OpenError, Problem};
use virtarium_backends::disk::{MemStore, Overlay, OverlayOptions};
use virtarium_tests::crash::{Fault, Recorder};
use virtarium_tests::notes::counted;
use virtarium_tests::random::{Rng, seed, setting, soak};

use crate::model::{Model, base};

fn options(rng: &mut Rng) -> OverlayOptions {
    OverlayOptions {
        // Seldom a size that ends with a cluster.
        size: rng.once_in(2).then(|| (6 << 20) + 512 * rng.below(40)),
        cluster_bits: if rng.once_in(4) { 16 } else { 13 },
        journal_len: if rng.once_in(4) { 1 << 20 } else { 8192 },
    }
}

fn random_fault(rng: &mut Rng) -> Fault {
    match rng.below(4) {
        0 => Fault::Space(rng.below(40_000)),
        1 => Fault::Writes(rng.below(20)),
        2 => Fault::Flushes(rng.below(10)),
        _ => Fault::None,
    }
}

/// Crash states checked for a workload.
const PER_WORKLOAD: usize = 20;

#[test]
fn random_crash_leaves_each_sector_old_or_new() {
    let seed = seed("random crashes of random workloads");
    let states = if soak() { 10_000 } else { 200 };
    let states = setting("VIRTARIUM_CRASHES").unwrap_or(states);
    let (mut checked, mut nested) = (0, 0);
    let mut case = 0;
    while checked < states {
        let mut rng = Rng::case(seed, case);
        println!("workload {case}, {checked} states checked");
        case += 1;
        let options = options(&mut rng);
        let base = base(rng.below(4 << 20) as usize + 1);
        let mut model = Model::create(Rng::new(rng.next()), base, &options);
        let steps = 20 + rng.below(300);
        for step in 0..steps {
            if step % 50 == 25 {
                let fault = random_fault(&mut rng);
                model.set_fault(fault);
            } else if step % 50 == 40 {
                model.set_fault(Fault::None);
            }
            model.step();
        }
        model.check_all();
        for image in model.log().crashes(rng.next(), PER_WORKLOAD) {
            println!("  {}", image.what);
            let mut after = model.after(image, Rng::new(rng.next()));
            checked += 1;
            // What was opened must bear another crash, in its opening too.
            if rng.once_in(3) {
                for _ in 0..rng.below(30) {
                    after.step();
                }
                for image in after.log().crashes(rng.next(), 2) {
                    println!("    then {}", image.what);
                    after.after(image, Rng::new(0)).check_all();
                    nested += 1;
                }
            }
        }
    }
    counted("crash states of the overlay", checked);
    counted("crash states after a first crash", nested);
    println!("of {case} workloads");
}

/// The workload has each kind of write to the file: data beside data, filled parts, places used
/// again, records, pages, headers.
#[test]
fn every_single_loss_of_a_short_workload_leaves_each_sector_old_or_new() {
    let options = OverlayOptions {
        size: None,
        cluster_bits: 13,
        journal_len: 8192,
    };
    let mut model = Model::create(Rng::new(1), base(1 << 20), &options);
    let done = |result: virtarium_machine::host::BlockResult| {
        result.expect("memory takes all");
    };
    done(model.write(0..8));
    done(model.write(17..18));
    done(model.flush());
    done(model.write(3..20));
    model.discard(0..16);
    // A record of more than one block.
    for cluster in 20..60 {
        model.zero(32 * cluster..32 * cluster + 16, true);
    }
    done(model.write(40..48));
    done(model.flush());
    done(model.write(64..72));
    model.zero(17..41, true);
    model.disk().close().expect("memory takes all");
    done(model.write(16..32));
    done(model.flush());
    done(model.write(90..93));
    model.disk().close().expect("memory takes all");
    done(model.write(90..93));
    let mut checked = 0;
    for image in model.log().every_crash() {
        let what = image.what.clone();
        println!("{what}");
        model.after(image, Rng::new(0)).check_all();
        checked += 1;
    }
    println!("{checked} crash states");
    assert!(
        checked > 250,
        "only {checked} states: the workload does not write what it should"
    );
}

/// A page that is torn and then not written again for as long as its slot is not the one that
/// counts must not look like damage when checkpoints have passed.
#[test]
fn torn_page_is_no_damage_after_later_checkpoints() {
    let options = OverlayOptions {
        size: Some(8 << 20),
        cluster_bits: 13,
        journal_len: 8192,
    };
    let base = base(512);
    let write = |sector| virtarium_machine::host::BlockRequest::Write {
        sector,
        data: vec![1; 512],
    };
    let disk = Overlay::create(MemStore::default(), base.clone(), &options).expect("possible");
    let store = Recorder::new(disk.into_store()).expect("memory can be read");
    let mut disk = Overlay::open(store, base.clone()).expect("sound");
    let first_of_second_page = 504 * 16;
    for sector in [0, first_of_second_page, first_of_second_page + 160 * 16] {
        disk.execute(&write(sector)).expect("memory takes all");
        disk.close().expect("memory takes all");
    }
    let mut checked = 0;
    for image in disk.into_store().into_log().every_crash() {
        let mut disk = Overlay::open(MemStore::new(image.bytes), base.clone()).expect("sound");
        for sector in [32, 48] {
            disk.execute(&write(sector)).expect("memory takes all");
            disk.close().expect("memory takes all");
            let again = Overlay::open(disk.into_store(), base.clone());
            disk = again.unwrap_or_else(|error| panic!("{}: {error}", image.what));
        }
        checked += 1;
    }
    assert!(checked > 100, "only {checked} states");
}

#[test]
fn creation_cut_short_is_refused_or_complete() {
    let options = OverlayOptions {
        size: None,
        cluster_bits: 13,
        journal_len: 8192,
    };
    let base = base(20_000);
    for old in [false, true] {
        let mut store = MemStore::default();
        if old {
            let mut disk = Overlay::create(store, base.clone(), &options).expect("possible");
            let write = virtarium_machine::host::BlockRequest::Write {
                sector: 0,
                data: vec![1; 512],
            };
            disk.execute(&write).expect("memory takes all");
            disk.flush().expect("memory takes all");
            store = disk.into_store();
        }
        let store = Recorder::new(store).expect("memory can be read");
        let disk = Overlay::create(store, base.clone(), &options).expect("possible");
        let mut store = disk.into_store();
        store.mark(1);
        let log = store.into_log();
        let (mut refused, mut fresh, mut former) = (0, 0, 0);
        for image in log.every_crash() {
            let what = image.what;
            let mut left = MemStore::new(image.bytes.clone());
            let unfinished = Overlay::is_unfinished(&mut left, &base, &options);
            let unfinished = unfinished.expect("memory can be read");
            match Overlay::open(MemStore::new(image.bytes), base.clone()) {
                Ok(mut disk) => {
                    assert!(!unfinished, "{what}: it could be lost");
                    let mut first = vec![0; 20_480];
                    disk.read_at(0, &mut first).expect("memory can be read");
                    if old && image.mark.is_none() && first[0] == 1 {
                        former += 1;
                    } else {
                        assert!(first.starts_with(&base.bytes), "{what}");
                        fresh += 1;
                    }
                }
                Err(OpenError::Damaged(Problem::NotAnOverlay)) if image.mark.is_none() => {
                    assert!(unfinished || old, "{what}: it cannot be begun anew");
                    refused += 1;
                }
                Err(error) => panic!("{what}: {error}"),
            }
        }
        assert!(refused > 0 && fresh > 0 && (former > 0) == old);
    }
}

/// A disk on which more pages of the map change than a checkpoint may write, so that requests
/// commit by themselves.
#[test]
fn crash_of_a_disk_larger_than_a_checkpoint_leaves_each_sector_old_or_new() {
    let seed = seed("crashes of a large disk");
    let options = OverlayOptions {
        size: Some(3 << 30),
        cluster_bits: 13,
        journal_len: 1 << 20,
    };
    let base = base(4096);
    let disk = Overlay::create(MemStore::default(), base.clone(), &options).expect("possible");
    let store = Recorder::new(disk.into_store()).expect("memory can be read");
    let mut disk = Overlay::open(store, base.clone()).expect("sound");
    // One write in each page of the map, twice, the second before its flush.
    let place = |i: u64| i * 504 * 16;
    let pages = (3 << 30) / (504 * 8192);
    for round in 1..3 {
        for i in 0..pages {
            let write = virtarium_machine::host::BlockRequest::Write {
                sector: place(i),
                data: vec![round * 100 + (i % 50) as u8; 512],
            };
            disk.execute(&write).expect("memory takes all");
        }
        if round == 1 {
            disk.flush().expect("memory takes all");
            disk.store_mut().mark(1);
        }
    }
    assert!(disk.summary().checkpoints >= 2, "{:?}", disk.summary());
    let log = disk.into_store().into_log();
    for image in log.crashes(seed, 12) {
        let mut disk = Overlay::open(MemStore::new(image.bytes), base.clone()).expect("sound");
        for i in 0..pages {
            let mut sector = [0; 512];
            disk.read_at(place(i) * 512, &mut sector)
                .expect("memory can be read");
            let mut allowed = vec![100 + (i % 50) as u8, 200 + (i % 50) as u8];
            if image.mark.is_none() {
                allowed.push(if i == 0 { base.bytes[0] } else { 0 });
            }
            assert!(allowed.contains(&sector[0]), "{}: page {i}", image.what);
        }
    }
}
