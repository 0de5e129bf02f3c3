//! What the host can do to a disk: be full, fail, be slow to give back what was freed.

use std::collections::BTreeMap;

use virtarium_backends::disk::overlay::{Extent, Place};
use virtarium_backends::disk::{BaseId, MemBase, MemStore, NoBase, Overlay, OverlayOptions, Store};
use virtarium_machine::host::{BlockError, BlockRequest};
use virtarium_tests::crash::{Fault, Faulty};
use virtarium_tests::random::Rng;

use crate::model::{Model, base};

const SMALL: OverlayOptions = OverlayOptions {
    size: None,
    cluster_bits: 13,
    journal_len: 8192,
};

fn write(sector: u64, sectors: usize, value: u8) -> BlockRequest {
    BlockRequest::Write {
        sector,
        data: vec![value; sectors * 512],
    }
}

fn read(sector: u64, sectors: u64) -> BlockRequest {
    let len = sectors * 512;
    BlockRequest::Read { sector, len }
}

fn blank(size: u64, options: &OverlayOptions) -> Overlay<Faulty<MemStore>, NoBase> {
    let options = OverlayOptions {
        size: Some(size),
        ..options.clone()
    };
    let disk = Overlay::create(Faulty::new(MemStore::default()), NoBase, &options);
    disk.expect("the options are possible")
}

#[test]
fn full_host_loses_nothing_that_was_acknowledged() {
    for left in (0..60_000).step_by(1536) {
        let mut model = Model::create(Rng::new(left), base(1 << 20), &SMALL);
        model.write(0..100).expect("there is space");
        model.flush().expect("there is space");
        model.set_fault(Fault::Space(left));
        let mut refused = 0;
        for i in 0..40 {
            let write = model.write(i * 40..i * 40 + 23);
            refused += u32::from(write == Err(BlockError::NoSpace));
            drop(model.flush());
            model.check_all();
        }
        assert!(refused > 0, "{left} bytes were enough");
        assert!(
            !model.disk().has_failed(),
            "a full host is not a broken one"
        );
        // Killed, and opened again on a host with space: nothing acknowledged is missing.
        model.reopen();
        model.write(0..2048).expect("there is space again");
        model.flush().expect("there is space again");
        model.check_all();
    }
}

#[test]
fn host_with_space_again_goes_on_without_opening_anew() {
    let mut model = Model::create(Rng::new(0), base(1 << 20), &SMALL);
    model.set_fault(Fault::Space(10_000));
    while model.write(0..300).is_ok() {}
    model.set_fault(Fault::None);
    model.write(0..300).expect("there is space again");
    model.flush().expect("there is space again");
    model.check_all();
}

#[test]
fn place_is_not_used_again_while_a_failed_commit_leaves_it_named() {
    let mut model = Model::create(Rng::new(0), base(1 << 20), &SMALL);
    model.write(0..16).expect("there is space");
    model.flush().expect("there is space");
    model.discard(0..16);
    model.set_fault(Fault::Writes(0));
    assert_eq!(model.flush(), Err(BlockError::Io));
    model.set_fault(Fault::None);
    model.write(160..176).expect("the fault is gone");
    for image in model.log().every_crash() {
        model.after(image, Rng::new(0)).check_all();
    }
}

#[test]
fn write_that_fails_takes_no_space() {
    let mut disk = blank(1 << 20, &SMALL);
    disk.store_mut().fault = Fault::Space(5000);
    for _ in 0..1000 {
        let result = disk.execute(&write(16, 64, 1));
        assert_eq!(result, Err(BlockError::NoSpace));
    }
    assert_eq!(disk.summary().allocated, 0);
}

#[test]
fn what_a_failed_host_lacks_can_be_written_over_a_copy() {
    // The n-th flush or write from here on fails: in a record, a page, or a header.
    for fault in (0..60).flat_map(|n| [Fault::Flushes(n), Fault::Writes(n)]) {
        let mut disk = blank(64 << 20, &SMALL);
        disk.execute(&write(0, 1, 1)).expect("there is space");
        disk.execute(&BlockRequest::Flush).expect("flushes");
        assert!(disk.lacking().is_empty(), "everything is stable");
        let mut expected = BTreeMap::from([(0, 1)]);
        disk.store_mut().fault = fault;
        for i in 1..=200 {
            // Far apart, so that the journal is full after a while.
            if disk.execute(&write(i * 600, 1, i as u8)).is_ok() {
                expected.insert(i * 600, i as u8);
            }
            if disk.execute(&BlockRequest::Flush).is_err() {
                break;
            }
        }
        disk.store_mut().fault = Fault::None;
        let mut copy = disk.store().inner().clone();
        for (at, bytes) in disk.lacking() {
            copy.write(at, &bytes).expect("memory takes it");
        }
        let report = Overlay::<_, NoBase>::verify(&mut copy.clone()).expect("it can be read");
        assert_eq!(report.problems, [], "{fault:?}");
        let mut saved = Overlay::open(copy, NoBase).expect("it is sound");
        for (sector, byte) in expected {
            let found = saved.execute(&read(sector, 1)).expect("it is there");
            assert_eq!(found, vec![byte; 512], "{fault:?}, sector {sector}");
        }
    }
}

#[test]
fn failed_flush_ends_writing_and_not_reading() {
    let mut disk = blank(1 << 20, &SMALL);
    disk.execute(&write(0, 1, 1)).expect("there is space");
    disk.execute(&BlockRequest::Flush).expect("flushes");
    disk.execute(&write(9, 1, 2)).expect("there is space");
    disk.store_mut().fault = Fault::Flushes(0);
    assert_eq!(disk.execute(&BlockRequest::Flush), Err(BlockError::Io));
    disk.store_mut().fault = Fault::None;
    // The host may have dropped what it could not write, and call the next flush good.
    assert!(disk.has_failed());
    assert_eq!(disk.execute(&BlockRequest::Flush), Err(BlockError::Io));
    assert_eq!(disk.execute(&write(0, 1, 3)), Err(BlockError::Io));
    let (sector, count, unmap) = (0, 64, true);
    let requests = [
        BlockRequest::Discard { sector, count },
        BlockRequest::WriteZeroes {
            sector,
            count,
            unmap,
        },
    ];
    for request in requests {
        assert_eq!(disk.execute(&request), Err(BlockError::Io));
    }
    assert_eq!(disk.execute(&read(0, 1)), Ok(vec![1; 512]));
    let mut again = Overlay::open(disk.into_store(), NoBase).expect("sound");
    again.execute(&write(0, 1, 3)).expect("a new start");
    again.flush().expect("a new start");
}

#[test]
fn space_of_discarded_clusters_is_used_again_and_given_back() {
    let mut disk = blank(64 << 20, &SMALL);
    let cluster = 16;
    let mut most = 0;
    // Ten times as much as there is room for is written, and always discarded again.
    for round in 0..40 {
        let first = (round * 31 % 64) * 128 * cluster;
        for i in 0..128 {
            let request = write(first + i * cluster, cluster as usize, round as u8);
            disk.execute(&request).expect("there is space");
        }
        disk.flush().expect("flushes");
        most = most.max(disk.store().inner().bytes.len() as u64);
        let discard = BlockRequest::Discard {
            sector: first,
            count: 128 * cluster,
        };
        disk.execute(&discard).expect("nothing is written");
        disk.flush().expect("flushes");
    }
    let metadata = disk.summary().metadata;
    assert_eq!(most, metadata + 128 * 8192);
    disk.close().expect("flushes");
    assert_eq!(disk.store().inner().bytes.len() as u64, metadata);
}

#[test]
fn file_is_never_larger_than_disk_and_metadata() {
    let size = 1 << 20;
    let mut disk = blank(size, &SMALL);
    let mut rng = Rng::new(3);
    for i in 0..3000 {
        let sector = rng.below(2000);
        let request = match i % 3 {
            0 => BlockRequest::WriteZeroes {
                sector,
                count: 48,
                unmap: true,
            },
            _ => write(sector, 40, i as u8),
        };
        // No flush: places that are given up are not free before one, so one comes by itself.
        disk.execute(&request).expect("there is space");
        let len = disk.store().inner().bytes.len() as u64;
        assert!(len <= size + disk.summary().metadata);
    }
}

#[test]
fn zeroes_that_keep_their_space_can_be_written_on_a_full_host() {
    let mut disk = blank(1 << 20, &SMALL);
    disk.execute(&write(0, 64, 1)).expect("there is space");
    disk.flush().expect("there is space");
    let (sector, count, unmap) = (0, 64, false);
    let zeroes = BlockRequest::WriteZeroes {
        sector,
        count,
        unmap,
    };
    disk.execute(&zeroes).expect("takes no space");
    disk.flush().expect("the journal has its space");
    disk.store_mut().fault = Fault::Space(0);
    disk.execute(&write(0, 64, 2)).expect("takes no space");
    disk.flush().expect("the journal has its space");
    assert_eq!(disk.execute(&read(0, 64)), Ok(vec![2; 64 * 512]));
}

#[test]
fn discard_of_what_was_never_written_costs_nothing() {
    let mut disk = blank(16 << 30, &OverlayOptions::default());
    let (sector, count) = (0, (16 << 30) / 512);
    let before = disk.summary();
    let discard = BlockRequest::Discard { sector, count };
    disk.execute(&discard).expect("nothing to do");
    disk.close().expect("nothing to do");
    assert_eq!(disk.summary(), before);
}

#[test]
fn zeroes_over_a_whole_disk_are_one_run_in_the_journal() {
    let base = base(1 << 20);
    let mut disk = Overlay::create(MemStore::default(), base, &SMALL).expect("possible");
    let (sector, count, unmap) = (0, 2048, true);
    let zeroes = BlockRequest::WriteZeroes {
        sector,
        count,
        unmap,
    };
    disk.execute(&zeroes).expect("memory takes all");
    disk.flush().expect("memory takes all");
    assert_eq!(disk.summary().journal_used, 512);
    let (at, len, place) = (0, 1 << 20, Place::Zero);
    assert_eq!(disk.extent(0, u64::MAX), Some(Extent { at, len, place }));
}

#[test]
fn neighbours_lie_together() {
    let mut disk = blank(8 << 20, &OverlayOptions::default());
    for i in 0..100 {
        disk.execute(&write(i * 40, 40, 1)).expect("there is space");
    }
    let first = disk.extent(0, 100 * 40 * 512).expect("it is on the disk");
    assert_eq!(first.len, 100 * 40 * 512);
    assert!(matches!(first.place, Place::File(_)));
}

#[test]
fn flush_without_writes_asks_nothing_of_the_store() {
    let mut disk = blank(1 << 20, &SMALL);
    disk.execute(&write(0, 1, 1)).expect("there is space");
    disk.flush().expect("flushes");
    disk.store_mut().fault = Fault::Flushes(0);
    disk.flush().expect("there is nothing to flush");
    disk.store_mut().fault = Fault::Flushes(1);
    disk.execute(&write(0, 1, 2)).expect("there is space");
    disk.flush().expect("in place, one flush is enough");
}

#[test]
fn range_beyond_the_disk_fails_and_changes_nothing() {
    let mut disk = blank(1 << 20, &SMALL);
    for (sector, count) in [
        (2048, 1),
        (2047, 2),
        (u64::MAX, 1),
        (u64::MAX / 512, 1),
        (0, 2049),
    ] {
        let unmap = true;
        let zeroes = BlockRequest::WriteZeroes {
            sector,
            count,
            unmap,
        };
        let requests = [
            write(sector, count as usize, 1),
            read(sector, count),
            BlockRequest::Discard { sector, count },
            zeroes,
        ];
        for request in requests {
            assert_eq!(disk.execute(&request), Err(BlockError::Io));
            assert_eq!(disk.base_ranges(&request), []);
        }
    }
    let count = u64::MAX;
    let request = BlockRequest::Discard { sector: 0, count };
    assert_eq!(disk.execute(&request), Err(BlockError::Io));
    let odd = BlockRequest::Read {
        sector: 0,
        len: 100,
    };
    assert_eq!(disk.execute(&odd), Err(BlockError::Io));
    assert_eq!(disk.summary().allocated, 0);
}

/// A base that notes what is read of it.
struct Noting(MemBase, Vec<(u64, u64)>);

impl virtarium_backends::disk::Base for Noting {
    fn id(&self) -> BaseId {
        self.0.id
    }

    fn size(&self) -> u64 {
        self.0.bytes.len() as u64
    }

    fn read(
        &mut self,
        at: u64,
        buf: &mut [u8],
    ) -> Result<(), virtarium_backends::disk::StoreError> {
        self.1.push((at, buf.len() as u64));
        virtarium_backends::disk::Base::read(&mut self.0, at, buf)
    }
}

#[test]
fn base_ranges_are_what_a_request_reads_of_the_base() {
    let noting = Noting(base((1 << 20) - 700), Vec::new());
    let mut disk = Overlay::create(MemStore::default(), noting, &SMALL).expect("possible");
    let mut rng = Rng::new(11);
    for i in 0..2000 {
        let sector = rng.below(2040);
        let count = 1 + rng.below(40).min(2046 - sector);
        let request = match rng.below(5) {
            0 => write(sector, count as usize, i as u8),
            1 => BlockRequest::WriteZeroes {
                sector,
                count,
                unmap: rng.once_in(2),
            },
            2 => BlockRequest::Discard { sector, count },
            3 if rng.once_in(20) => BlockRequest::Flush,
            _ => read(sector, count),
        };
        let said = disk.base_ranges(&request);
        disk.base_mut().1.clear();
        disk.execute(&request).expect("memory takes all");
        let bytes = |ranges: &[(u64, u64)]| -> std::collections::BTreeSet<u64> {
            let sectors = ranges.iter().flat_map(|(at, len)| *at..at + len);
            sectors.collect()
        };
        let read = bytes(&disk.base().1);
        assert_eq!(bytes(&said), read, "{request:?}");
    }
}
