//! Files of each released version of the format, which must open for good.

use virtarium_backends::disk::{BaseId, MemBase, MemStore, Overlay};

/// The bytes of a listing as `hexdump -C` gives it.
fn bytes(listing: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::new();
    for line in listing.lines().filter(|line| *line != "*") {
        let line = line.split('|').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let at = words.next().expect("each line begins with its place");
        let at = usize::from_str_radix(at, 16).expect("places are hexadecimal");
        // What a star stands for: the line before, again.
        while bytes.len() < at {
            bytes.extend_from_within(bytes.len() - 16..);
        }
        let row = words.map(|word| u8::from_str_radix(word, 16).expect("bytes are hexadecimal"));
        bytes.extend(row);
    }
    bytes
}

/// Written by version 0.1.0: 256 KiB over a base of 300 sectors, clusters of 8 KiB. Sectors 8 to
/// 23 hold 1 and 32 to 47 hold 2, the last eight were zeroed, and then there was a checkpoint; sector
/// 100 was written with 3 and 12 to 15 with 4, and flushed.
#[test]
fn file_of_version_1_holds_what_was_written_to_it() {
    let mut store = MemStore::new(bytes(include_str!("../../data/overlay-v1.hex")));
    let report = Overlay::<_, MemBase>::verify(&mut store).expect("memory can be read");
    assert_eq!(report.problems, []);
    let base = MemBase {
        id: BaseId([0x42; 32]),
        bytes: vec![0xbb; 300 * 512],
    };
    let mut disk = Overlay::open(store, base).expect("the file is sound");
    let mut content = vec![0; disk.size() as usize];
    disk.read_at(0, &mut content).expect("memory can be read");
    let expected = (0..512).flat_map(|sector| {
        let value = match sector {
            12..16 => 4,
            8..24 => 1,
            32..40 => 2,
            40..48 => 0,
            100 => 3,
            0..300 => 0xbb,
            _ => 0,
        };
        [value; 512]
    });
    assert!(content.into_iter().eq(expected));
}
