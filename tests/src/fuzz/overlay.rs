//! Overlay files from anywhere.

use crc::{CRC_64_XZ, Crc};
use virtarium_backends::disk::{BaseId, MemBase, MemStore, Overlay, OverlayOptions};
use virtarium_machine::host::BlockRequest;

const DISK: u64 = 256 << 10;
const JOURNAL: usize = 8192;

/// Opens what the bytes make of a file, and uses what can be opened.
///
/// The first byte says how: the rest is a file as it is (even), or changes to a file that was
/// sound, with the checksums corrected after some of them (odd), and requests.
pub fn fuzz_overlay(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else {
        return;
    };
    let (file, requests) = if mode % 2 == 0 {
        (rest.to_vec(), rest)
    } else {
        let (changes, requests) = rest.split_at(rest.len() / 2);
        let mut file = sound(changes.first().copied().unwrap_or_default());
        for change in changes.chunks_exact(4) {
            damage(&mut file, [change[0], change[1], change[2], change[3]]);
        }
        if mode & 2 != 0 {
            seal_overlay(&mut file, JOURNAL);
        }
        (file, requests)
    };
    let report = Overlay::<_, MemBase>::verify(&mut MemStore::new(file.clone()));
    let report = report.expect("a store in memory can be read");
    let mut base = base(report.summary.as_ref().map_or(DISK, |s| s.base_size));
    // Whatever identity the file asks for: that another one is refused has a test.
    base.id = report.summary.as_ref().map_or(base.id, |s| s.base);
    match Overlay::open(MemStore::new(file), base.clone()) {
        Ok(disk) => {
            use_disk(disk, requests);
            let harmless = |problem: &_| {
                matches!(
                    problem,
                    virtarium_backends::disk::overlay::Problem::HeaderCopy { .. }
                )
            };
            assert!(report.problems.iter().all(harmless), "{report:?}");
        }
        Err(error) => {
            let _ = error.to_string();
        }
    }
}

fn base(size: u64) -> MemBase {
    MemBase {
        id: BaseId([9; 32]),
        // A header may claim a base of any size, and nobody would have such a one.
        bytes: vec![0xbb; size.min(4 << 20) as usize],
    }
}

/// An overlay with something in each of its structures.
fn sound(variant: u8) -> Vec<u8> {
    let options = OverlayOptions {
        cluster_bits: 13,
        journal_len: JOURNAL as u32,
        ..OverlayOptions::default()
    };
    let disk = Overlay::create(MemStore::default(), base(DISK), &options);
    let mut disk = disk.expect("these options are possible");
    for i in 0..u64::from(variant) % 8 {
        let data = vec![i as u8; 512 * (1 + i as usize * 3)];
        let write = BlockRequest::Write {
            sector: i * 37,
            data,
        };
        disk.execute(&write).expect("memory takes all");
        if i == 4 {
            disk.close().expect("memory takes all");
        }
        disk.flush().expect("memory takes all");
    }
    disk.into_store().bytes
}

/// Changes one byte of the file, or its length, preferably where there is something.
fn damage(file: &mut Vec<u8>, [kind, high, low, value]: [u8; 4]) {
    let at = usize::from(u16::from_be_bytes([high, low]));
    let at = match kind % 8 {
        0 => at % 96,
        1 => 4096 + at % 96,
        2 | 3 => 8192 + at % 160,
        4 => 8192 + JOURNAL + at % 160,
        5 => 8192 + JOURNAL + 4096 + at % 160,
        6 => at,
        _ => return file.truncate(at),
    };
    if let Some(byte) = file.get_mut(at) {
        *byte = value;
    }
}

/// Corrects every checksum of an overlay file with one page of map and a journal of `journal`
/// bytes; from `docs/disk-format.md`, not from the code under test.
pub fn seal_overlay(file: &mut [u8], journal: usize) {
    let crc = Crc::<u64>::new(&CRC_64_XZ);
    let sum = |bytes: &[u8]| crc.checksum(bytes).to_le_bytes();
    for header in [0, 4096] {
        if let Some(header) = file.get_mut(header..header + 512) {
            let (body, end) = header.split_at_mut(504);
            end.copy_from_slice(&sum(body));
        }
    }
    let mut places = Vec::new();
    // One page of the map, in two slots, is enough for this disk.
    for at in [8192 + journal, 8192 + journal + 4096] {
        if file.get(at..at + 4) == Some(b"VTRM") {
            places.push((at, 4096));
        }
    }
    for at in (8192..8192 + journal).step_by(512) {
        if let Some([b'V', b'T', b'R', b'J', low, high, ..]) = file.get(at..) {
            let len = 64 + 16 * usize::from(u16::from_le_bytes([*low, *high]));
            places.push((at, len.next_multiple_of(512)));
        }
    }
    for (at, len) in places {
        if let Some(bytes) = file.get_mut(at..at + len) {
            let (prefix, body) = bytes.split_at_mut(64);
            prefix[24..32].copy_from_slice(&sum(body));
            let (start, end) = prefix.split_at_mut(56);
            end.copy_from_slice(&sum(start));
        }
    }
}

fn use_disk(mut disk: Overlay<MemStore, MemBase>, requests: &[u8]) {
    for bytes in requests.chunks_exact(4).take(64) {
        let sector = u64::from(u16::from_le_bytes([bytes[1], bytes[2]])) % 600;
        let count = u64::from(bytes[3]) + 1;
        let request = match bytes[0] % 6 {
            0 => BlockRequest::Read {
                sector,
                len: count * 512,
            },
            1 => BlockRequest::Write {
                sector,
                data: vec![bytes[3]; count as usize * 512],
            },
            2 => BlockRequest::Flush,
            3 => BlockRequest::Discard { sector, count },
            _ => BlockRequest::WriteZeroes {
                sector,
                count,
                unmap: bytes[0] & 8 != 0,
            },
        };
        for (at, len) in disk.base_ranges(&request) {
            assert!(at + len <= virtarium_backends::disk::Base::size(disk.base()));
        }
        let _ = disk.execute(&request);
    }
    disk.close().expect("memory takes all");
    let base = disk.base().clone();
    let report = Overlay::<_, MemBase>::verify(disk.store_mut()).expect("memory can be read");
    assert_eq!(report.problems, [], "what was opened must stay sound");
    Overlay::open(disk.into_store(), base).expect("what was opened can be opened again");
}
