//! Files that are not what they say. Classes of `hostile-inputs`: V19 (no name of a host file in
//! a disk image), truncated, damaged and contradictory files.

use virtarium_backends::disk::overlay::{CreateError, OpenError, Problem};
use virtarium_backends::disk::{BaseId, MemBase, MemStore, Overlay, OverlayOptions};
use virtarium_machine::host::BlockRequest;
use virtarium_tests::fuzz::{fuzz_overlay, seal_overlay};
use virtarium_tests::random::{Rng, seed, setting};

use crate::model::base;

const JOURNAL: usize = 8192;
const JOURNAL_AT: usize = 8192;
const MAP_AT: usize = JOURNAL_AT + JOURNAL;

fn base_here() -> MemBase {
    base(256 << 10)
}

fn options() -> OverlayOptions {
    OverlayOptions {
        size: None,
        cluster_bits: 13,
        journal_len: JOURNAL as u32,
    }
}

fn write(sector: u64, value: u8) -> BlockRequest {
    let data = vec![value; 4096];
    BlockRequest::Write { sector, data }
}

/// Clusters 0 to 3 in the map's page, 8 and 9 in two records of the journal.
fn sound() -> Vec<u8> {
    let mut disk = Overlay::create(MemStore::default(), base_here(), &options()).expect("possible");
    for i in 0..4 {
        disk.execute(&write(i * 16, i as u8))
            .expect("memory takes all");
    }
    disk.close().expect("memory takes all");
    for i in 8..10 {
        disk.execute(&write(i * 16, i as u8))
            .expect("memory takes all");
        disk.flush().expect("memory takes all");
    }
    disk.into_store().bytes
}

fn open(file: Vec<u8>) -> Result<Overlay<MemStore, MemBase>, OpenError> {
    Overlay::open(MemStore::new(file), base_here())
}

fn problem(file: Vec<u8>) -> Problem {
    match open(file) {
        Err(OpenError::Damaged(problem)) => problem,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it can be opened"),
    }
}

/// Where the slot of the map's page that counts begins.
fn page(file: &[u8]) -> usize {
    let at = [MAP_AT, MAP_AT + 4096];
    *at.iter()
        .find(|at| file[**at] != 0)
        .expect("one is written")
}

fn set(file: &mut [u8], at: usize, value: &[u8]) {
    file[at..at + value.len()].copy_from_slice(value);
    seal_overlay(file, JOURNAL);
}

#[test]
fn sound_file_has_no_problems() {
    let report = Overlay::<_, MemBase>::verify(&mut MemStore::new(sound())).expect("readable");
    assert_eq!(report.problems, []);
    let summary = report.summary.expect("it has a header");
    assert_eq!((summary.allocated, summary.journal_used), (6, 1024));
    let mut sealed = sound();
    seal_overlay(&mut sealed, JOURNAL);
    assert!(
        sealed == sound(),
        "the description and the code differ on checksums"
    );
}

// Hostile inputs, V19.
#[test]
fn overlay_of_another_base_is_refused_with_both_identities() {
    let mut other = base_here();
    other.id = BaseId([6; 32]);
    let error = Overlay::open(MemStore::new(sound()), other).expect_err("another base");
    let expected = (BaseId([5; 32]), 256 << 10);
    let found = (BaseId([6; 32]), 256 << 10);
    assert_eq!(error, OpenError::WrongBase { expected, found });
    let mut shorter = base_here();
    shorter.bytes.pop();
    let error = Overlay::open(MemStore::new(sound()), shorter).expect_err("another size");
    assert!(matches!(error, OpenError::WrongBase { .. }));
}

// Hostile inputs, V19.
#[test]
fn other_versions_features_and_kinds_of_file_are_refused_by_name() {
    for copy in [0, 4096] {
        let mut file = sound();
        file[copy + 8] = 2;
        assert_eq!(problem(file), Problem::Version { found: 2 });
        let mut file = sound();
        set(&mut file, copy + 12, &[1]);
        assert_eq!(problem(file), Problem::Features { found: 1 });
    }
    assert_eq!(problem(Vec::new()), Problem::NotAnOverlay);
    assert_eq!(problem(vec![0; 1 << 20]), Problem::NotAnOverlay);
    assert_eq!(problem(b"QFI\xfb".repeat(10_000)), Problem::NotAnOverlay);
}

// Hostile inputs, V19.
#[test]
fn names_of_files_in_a_header_mean_nothing() {
    // The format names no file, and who reads it has a store and a base and no way to others: a
    // name is not found because there is no place where it would be looked for.
    let whole = contents(&mut open(sound()).expect("sound"));
    let own = format!("overlay-{}", std::process::id());
    let names = [
        "../../etc/passwd",
        "/etc/passwd",
        "http://127.0.0.1:1/x",
        "nbd://127.0.0.1:1",
        "json:{\"driver\":\"host_device\",\"filename\":\"/dev/sda\"}",
        "/dev/stdin",
        own.as_str(),
    ];
    for name in names {
        // The bytes of a header that nothing is in.
        for at in (88..504 - name.len()).step_by(8) {
            let mut file = sound();
            for copy in [0, 4096] {
                let at = copy + at;
                file[at..at + name.len()].copy_from_slice(name.as_bytes());
            }
            seal_overlay(&mut file, JOURNAL);
            let before = file.clone();
            let mut disk = open(file).expect("it is sound otherwise");
            assert!(contents(&mut disk) == whole, "{name} at {at}");
            let after = disk.into_store().bytes;
            assert!(after == before, "nothing is to be done for {name}");
        }
        // And in the place of the base's identity it is the identity of another one.
        let mut file = sound();
        let mut id = [0; 32];
        let len = name.len().min(32);
        id[..len].copy_from_slice(&name.as_bytes()[..len]);
        file[4096 + 56..4096 + 88].copy_from_slice(&id);
        set(&mut file, 56, &id);
        assert!(matches!(open(file), Err(OpenError::WrongBase { .. })));
    }
}

#[test]
fn one_damaged_header_is_repaired_and_two_are_not() {
    for copy in [0, 4096] {
        let mut file = sound();
        file[copy + 33] ^= 1;
        let report = Overlay::<_, MemBase>::verify(&mut MemStore::new(file.clone()));
        let problems = report.expect("readable").problems;
        assert_eq!(problems, [Problem::HeaderCopy { at: copy as u64 }]);
        let repaired = open(file).expect("the other copy will do").into_store();
        let report = Overlay::<_, MemBase>::verify(&mut repaired.clone()).expect("readable");
        assert_eq!(report.problems, []);
    }
    let mut file = sound();
    file[33] ^= 1;
    file[4096 + 33] ^= 1;
    assert!(matches!(problem(file), Problem::Header { .. }));
    let mut file = sound();
    set(&mut file, 60, &[0x55]);
    assert_eq!(problem(file), Problem::HeadersDiffer);
}

#[test]
fn impossible_sizes_are_refused() {
    let fields: [(usize, &[u8]); 7] = [
        (32, &[0; 8]),
        (32, &[1, 0, 4]),
        (32, &[0, 0, 0, 0, 0, 0, 0, 0x80]),
        (40, &[12]),
        (40, &[64]),
        (44, &[0, 0x10]),
        (44, &[0, 0, 0, 0xff]),
    ];
    for (at, value) in fields {
        let mut file = sound();
        file[4096 + at..4096 + at + value.len()].copy_from_slice(value);
        set(&mut file, at, value);
        assert!(
            matches!(problem(file), Problem::Header { .. }),
            "{at}: {value:?}"
        );
    }
}

#[test]
fn truncated_file_is_refused_wherever_it_ends() {
    let file = sound();
    let whole = contents(&mut open(file.clone()).expect("sound"));
    let data_at = MAP_AT + 8192;
    let mut outside = 0;
    for len in (0..file.len()).step_by(512) {
        match open(file[..len].to_vec()) {
            Err(OpenError::Damaged(Problem::NotAnOverlay)) => assert!(len < 512),
            Err(OpenError::Damaged(Problem::Truncated { needed, .. })) => {
                assert!(len < data_at && needed == data_at as u64);
            }
            Err(OpenError::Damaged(Problem::OutsideFile { .. })) => outside += 1,
            Err(error) => panic!("{len}: {error}"),
            Ok(mut disk) => assert!(contents(&mut disk) == whole, "{len}"),
        }
    }
    assert!(outside > 30);
}

fn contents(disk: &mut Overlay<MemStore, MemBase>) -> Vec<u8> {
    let mut bytes = vec![0; disk.size() as usize];
    disk.read_at(0, &mut bytes).expect("memory can be read");
    bytes
}

#[test]
fn contradictory_map_is_refused_by_cluster() {
    let entry = |file: &[u8], cluster: usize| page(file) + 64 + 8 * cluster;
    // Clusters 0 and 2 in one place.
    let mut file = sound();
    let (from, to) = (entry(&file, 0), entry(&file, 2));
    let location: [u8; 4] = file[from..from + 4].try_into().expect("four bytes");
    set(&mut file, to, &location);
    let at = (MAP_AT + 8192) as u64;
    let clusters = (0, 2);
    assert_eq!(problem(file), Problem::CrossLinked { at, clusters });
    // A place that no file has; one that this file does not reach.
    let mut file = sound();
    let at = entry(&file, 1);
    set(&mut file, at, &33u32.to_le_bytes());
    assert!(matches!(problem(file), Problem::Entry { cluster: 1, .. }));
    let mut file = sound();
    set(&mut file, at, &32u32.to_le_bytes());
    assert!(matches!(
        problem(file),
        Problem::OutsideFile { cluster: 1, .. }
    ));
    // In the file and zero; in the file and nowhere; beyond the end of the disk.
    let mut file = sound();
    set(&mut file, at + 6, &[1]);
    assert!(matches!(problem(file), Problem::Entry { cluster: 1, .. }));
    let mut file = sound();
    set(&mut file, at, &[0; 4]);
    assert!(matches!(problem(file), Problem::Entry { cluster: 1, .. }));
    let mut file = sound();
    let beyond = entry(&file, 32);
    set(&mut file, beyond + 6, &[1]);
    assert!(matches!(problem(file), Problem::Entry { cluster: 32, .. }));
}

#[test]
fn verify_reports_every_problem() {
    let mut file = sound();
    let entries = page(&file) + 64;
    for cluster in [1, 2, 3] {
        let first: [u8; 4] = file[entries..entries + 4].try_into().expect("four bytes");
        set(&mut file, entries + 8 * cluster, &first);
    }
    file[33] ^= 1;
    let report = Overlay::<_, MemBase>::verify(&mut MemStore::new(file)).expect("readable");
    let cross = |problem: &&Problem| matches!(problem, Problem::CrossLinked { .. });
    assert_eq!(report.problems.iter().filter(cross).count(), 3);
    assert!(report.problems.contains(&Problem::HeaderCopy { at: 0 }));
}

#[test]
fn record_that_says_the_impossible_is_refused() {
    let run = JOURNAL_AT + 64;
    // Cluster 32 of 32; no cluster; four thousand million; a place beyond all.
    for (at, value) in [
        (run, 32u32),
        (run + 4, 0),
        (run + 4, u32::MAX),
        (run + 8, 100),
    ] {
        let mut file = sound();
        set(&mut file, at, &value.to_le_bytes());
        let problem = problem(file);
        let at = JOURNAL_AT as u64;
        assert!(
            matches!(problem, Problem::Record { at: a, .. } if a == at),
            "{problem:?}"
        );
    }
}

#[test]
fn damaged_record_is_a_lost_tail_only_at_the_end() {
    let mut file = sound();
    file[JOURNAL_AT + 70] ^= 1;
    let (at, next) = (JOURNAL_AT as u64, JOURNAL_AT as u64 + 512);
    assert_eq!(problem(file), Problem::JournalGap { at, next });
    // As if the machine had lost power in the middle of the last flush.
    let mut file = sound();
    file[JOURNAL_AT + 512 + 70] ^= 1;
    let mut disk = open(file).expect("nobody was told that it is there");
    let mut sector = [0; 512];
    disk.read_at(9 * 8192, &mut sector)
        .expect("memory can be read");
    assert!(sector == base_here().bytes[9 * 8192..][..512]);
}

// Found by fuzzing: after the next checkpoint the spent record counted again, and gave a place of
// the file to a second cluster.
#[test]
fn header_older_than_its_journal_is_refused() {
    let mut file = sound();
    for header in [0, 4096] {
        let epoch = file[header + 24];
        file[header + 24] = epoch - 1;
    }
    seal_overlay(&mut file, JOURNAL);
    let at = JOURNAL_AT as u64;
    let reason = "is of a later epoch than the header";
    assert_eq!(problem(file), Problem::Record { at, reason });
    let found = [
        0x5f, 1, 0, 0x18, 0, 0, 0, 0, 0, 0, 1, 9, 0x13, 0x81, 0, 0xb4, 1, 0, 0, 0x3a, 0x19, 0, 0, 0,
    ];
    fuzz_overlay(&found);
}

#[test]
fn each_changed_byte_of_the_metadata_is_noticed_or_harmless() {
    let file = sound();
    let whole = contents(&mut open(file.clone()).expect("sound"));
    let last_record = JOURNAL_AT + 512..JOURNAL_AT + 1024;
    let (mut noticed, mut harmless) = (0, 0);
    for at in (0..MAP_AT + 8192).filter(|at| !last_record.contains(at)) {
        // Far from everything, one byte of a block stands for all.
        if file[at / 64 * 64..at / 64 * 64 + 64]
            .iter()
            .all(|byte| *byte == 0)
            && at % 64 != 5
        {
            continue;
        }
        let mut file = file.clone();
        file[at] ^= 0x41;
        match open(file) {
            Ok(mut disk) => {
                assert!(
                    contents(&mut disk) == whole,
                    "byte {at} changed and was believed"
                );
                harmless += 1;
            }
            Err(_) => noticed += 1,
        }
    }
    assert!(noticed > 100 && harmless > 100, "{noticed} {harmless}");
}

#[test]
fn options_that_cannot_be_are_refused() {
    let refused = |options: &OverlayOptions| {
        let error = Overlay::create(MemStore::default(), base_here(), options).map(drop);
        assert!(matches!(error, Err(CreateError::Options(_))), "{options:?}");
    };
    for size in [0, 100, (256 << 10) - 512, 1 << 50, u64::MAX] {
        refused(&OverlayOptions {
            size: Some(size),
            ..OverlayOptions::default()
        });
    }
    for cluster_bits in [0, 12, 21, u32::MAX] {
        refused(&OverlayOptions {
            cluster_bits,
            ..OverlayOptions::default()
        });
    }
    for journal_len in [0, 4096, 8193, u32::MAX] {
        refused(&OverlayOptions {
            journal_len,
            ..OverlayOptions::default()
        });
    }
}

#[test]
fn fuzz_body_bears_random_files_for_a_while() {
    let seed = seed("random overlay files");
    let cases = setting("VIRTARIUM_FUZZ_CASES").unwrap_or(3000);
    for case in 0..cases {
        let mut rng = Rng::case(seed, case);
        let len = rng.below(200) as usize;
        let mut data: Vec<u8> = (0..len).map(|_| rng.next() as u8).collect();
        if case % 8 == 0 {
            let mut file = vec![0];
            file.extend(sound());
            for _ in 0..rng.below(5) {
                let at = rng.below(file.len() as u64) as usize;
                file[at] = rng.next() as u8;
            }
            data = file;
        }
        let result = std::panic::catch_unwind(|| fuzz_overlay(&data));
        assert!(result.is_ok(), "case {case} of seed {seed:#x}");
    }
}
