//! Manifests of each released version of the format, which must be read for good.

use std::io::Write;

use flate2::GzBuilder;
use virtarium_backends::disk::chunks::{Encoding, ManifestWriter, decode};
use virtarium_backends::disk::{BaseId, Manifest};

/// Written by version 0.1.0: 1 MiB and 512 bytes in chunks of 128 KiB, of which 0, 5 and 8 have the
/// bytes of [`content`] and the others are zero.
const VERSION_1: &[u8] = include_bytes!("../../data/manifest-v1.txt");
const IDENTITY: &str = "dbe69c37f9c1569e0d5639f7c88e6aa7a91d339aa06e87e989b1b4442cfd7ed1";

fn content(index: u32) -> Vec<u8> {
    let len = if index == 8 { 512 } else { 128 << 10 };
    let word = |place: u32| (place * 97 + index).to_le_bytes();
    (0..len / 4).flat_map(word).collect()
}

#[test]
fn manifest_of_version_1_is_read_and_written_again() {
    let manifest = Manifest::parse(VERSION_1).expect("the manifest is sound");
    assert_eq!(manifest.size(), (1 << 20) + 512);
    assert_eq!((manifest.count(), manifest.chunk_size()), (9, 128 << 10));
    assert_eq!(manifest.encoding(), Encoding::Gzip);
    assert_eq!(manifest.folder(), "../../chunks/");
    assert_eq!(manifest.id().to_string(), IDENTITY);
    for index in 0..9 {
        let zero = ![0, 5, 8].contains(&index);
        assert_eq!(manifest.is_zero(index), zero, "{index}");
        if zero {
            assert_eq!(
                (manifest.hash(index), manifest.path_of(index)),
                (None, String::new())
            );
        } else {
            let hash = BaseId(manifest.hash(index).expect("it is not zero")).to_string();
            let path = format!("../../chunks/{}/{hash}.gz", &hash[..2]);
            assert_eq!(manifest.path_of(index), path);
            assert_eq!(manifest.check(index, &content(index)), Ok(()));
        }
    }
    assert_eq!(
        (manifest.len_of(7), manifest.len_of(8), manifest.len_of(9)),
        (128 << 10, 512, 0)
    );
    assert_eq!(manifest.to_text().as_bytes(), VERSION_1);

    let mut writer = ManifestWriter::new(manifest.size(), manifest.chunk_size(), Encoding::Gzip)
        .and_then(|writer| writer.at("../../chunks/"))
        .expect("it was possible before");
    for index in 0..9 {
        let bytes = match [0, 5, 8].contains(&index) {
            true => content(index),
            false => vec![0; 128 << 10],
        };
        writer.push(&bytes).expect("there is room");
    }
    let (again, text) = writer.finish().expect("all chunks are there");
    assert_eq!(text.as_bytes(), VERSION_1);
    assert_eq!(again, manifest);
}

#[test]
fn chunk_is_taken_out_of_whatever_gzip_file_it_is_in() {
    let manifest = Manifest::parse(VERSION_1).expect("the manifest is sound");
    let bytes = content(5);
    let pack = |builder: GzBuilder, level| {
        let mut file = builder.write(Vec::new(), flate2::Compression::new(level));
        file.write_all(&bytes).expect("memory takes all");
        file.finish().expect("memory takes all")
    };
    for level in [0, 1, 6, 9] {
        let plain = pack(GzBuilder::new(), level);
        assert_eq!(decode(&manifest, 5, &plain), Ok(bytes.clone()));
        let named = GzBuilder::new()
            .filename("chunk")
            .comment("of a test")
            .extra([1, 2, 3]);
        let named = pack(named, level);
        assert_eq!(decode(&manifest, 5, &named), Ok(bytes.clone()));
    }
    // A checksum of the header, which flate2 does not write: the low half of its CRC32.
    let mut sealed = pack(GzBuilder::new(), 6);
    sealed[3] |= 2;
    let mut crc = flate2::Crc::new();
    crc.update(&sealed[..10]);
    let sum = (crc.sum() as u16).to_le_bytes();
    sealed.splice(10..10, sum);
    assert_eq!(decode(&manifest, 5, &sealed), Ok(bytes.clone()));
    sealed[10] ^= 1;
    assert!(decode(&manifest, 5, &sealed).is_err());
}

#[test]
fn chunk_without_encoding_is_its_file() {
    let mut writer = ManifestWriter::new(128 << 10, 128 << 10, Encoding::None).expect("possible");
    writer.push(&content(1)).expect("there is room");
    let (manifest, text) = writer.finish().expect("all chunks are there");
    assert!(text.contains("encoding none\n"), "{text}");
    assert!(!manifest.path_of(0).ends_with(".gz"));
    assert_eq!(decode(&manifest, 0, &content(1)), Ok(content(1)));
    assert!(decode(&manifest, 0, &content(1)[1..]).is_err());
}
