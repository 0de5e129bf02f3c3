//! Manifests and chunks that are not what they say.

use std::io::Write;

use virtarium_backends::disk::chunks::{ChunkError, Encoding, ManifestWriter, decode};
use virtarium_backends::disk::{Base, BaseId, ChunkBase, Manifest};
use virtarium_tests::fuzz::fuzz_manifest;
use virtarium_tests::random::{Rng, seed, setting};

const HASH: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Line and text of the refusal.
fn refusal(text: &[u8]) -> (usize, String) {
    let error = Manifest::parse(text).expect_err("it is refused");
    (error.line, error.to_string())
}

#[test]
fn each_mistake_is_named_with_its_line() {
    let head = "virtarium-chunks 1\nsize 262144\nchunk 131072\nencoding gzip\n";
    let body = format!("{head}{HASH}\n- 1\n");
    assert!(Manifest::parse(body.as_bytes()).is_ok());
    let folder = |name: &str| body.replace("gzip\n", &format!("gzip\nat {name}\n"));
    let long = format!("{}/", "a".repeat(255));
    let cases: Vec<(String, usize, &str)> = vec![
        (String::new(), 1, "begins with"),
        ("\n".into(), 1, "begins with"),
        ("qcow2".into(), 1, "begins with"),
        ("x".repeat(100_000), 1, "begins with"),
        (body.replace("chunks 1\n", "chunks 2\n"), 1, "version \"2\""),
        (
            body.replace("chunks 1\n", "chunks 01\n"),
            1,
            "version \"01\"",
        ),
        (body.replace("chunks 1\n", "chunks 1\r\n"), 1, "version"),
        (body.replace("size ", "sizes "), 2, "size"),
        (body.replace("262144", "0262144"), 2, "a number of bytes"),
        (body.replace("262144", "0x40000"), 2, "a number of bytes"),
        (body.replace("262144", "-1"), 2, "a number of bytes"),
        (body.replace("262144", ""), 2, "a number of bytes"),
        (
            body.replace("262144", "99999999999999999999"),
            2,
            "a number of bytes",
        ),
        (body.replace("262144", "0"), 2, "0 bytes"),
        (body.replace("262144", "262143"), 2, "262143 bytes"),
        (
            body.replace("262144", "18446744073709551104"),
            2,
            "18446744073709551104 bytes",
        ),
        (body.replace("131072", "131071"), 3, "131071 bytes"),
        (body.replace("131072", "65536"), 3, "65536 bytes"),
        (body.replace("131072", "8388608"), 3, "8388608 bytes"),
        (body.replace("131072", "4294967296"), 3, "4294967296 bytes"),
        (
            body.replace("262144", "1099511627776"),
            3,
            "chunks of 262144 bytes would do",
        ),
        (body.replace("gzip", "zstd"), 4, "gzip or none"),
        (body.replace("gzip", "gzip "), 4, "gzip or none"),
        (body.replace("encoding", "Encoding"), 4, "encoding"),
        (folder("chunks/"), 5, "folder"),
        (folder("/etc/"), 5, "folder"),
        (folder("//host/"), 5, "folder"),
        (folder("https://host/"), 5, "folder"),
        (folder("chunks"), 5, "folder"),
        (folder(""), 5, "folder"),
        (folder("/"), 5, "folder"),
        (folder("a/../b/"), 5, "folder"),
        (folder("./"), 5, "folder"),
        (folder("a//b/"), 5, "folder"),
        (folder("a\\b/"), 5, "folder"),
        (folder("a b/"), 5, "folder"),
        (folder("a%2f/"), 5, "folder"),
        (folder("ä/"), 5, "folder"),
        (folder(&long), 5, "folder"),
        (folder(&"../".repeat(200)), 5, "shorter"),
        (body.replace(HASH, &HASH[1..]), 5, "64 hexadecimal digits"),
        (
            body.replace(HASH, &format!("{HASH}0")),
            5,
            "64 hexadecimal digits",
        ),
        (
            body.replace(HASH, &HASH.to_uppercase()),
            5,
            "64 hexadecimal digits",
        ),
        (
            body.replace(HASH, &format!("{HASH}\r")),
            5,
            "64 hexadecimal digits",
        ),
        (body.replace(HASH, ""), 5, "64 hexadecimal digits"),
        (body.replace(HASH, &"a".repeat(10_000)), 5, "shorter line"),
        (body.replace("- 1", "-1"), 6, "64 hexadecimal digits"),
        (body.replace("- 1", "- 01"), 6, "64 hexadecimal digits"),
        (body.replace("- 1", "- 0"), 6, "zero chunks"),
        (body.replace("- 1", "- 2"), 6, "2 chunks"),
        (body.replace("- 1", "- 4294967297"), 6, "2 chunks"),
        (format!("{head}- 1\n- 1\n"), 6, "zero chunks"),
        (head.into(), 5, "after 0 of 2"),
        (format!("{head}- 1\n"), 6, "after 1 of 2"),
        (format!("{body}{HASH}\n"), 7, "one more"),
        (format!("{body}\n"), 7, "one more"),
        (body.trim_end().into(), 6, "cut off"),
    ];
    for (text, line, word) in cases {
        let (found, message) = refusal(text.as_bytes());
        let shown = text.get(..200).unwrap_or(&text);
        assert_eq!(found, line, "{message}\n{shown}");
        assert!(
            message.starts_with(&format!("line {line} of the manifest: ")),
            "{message}"
        );
        assert!(message.contains(word), "{word}: {message}\n{shown}");
        assert!(message.len() < 400, "{message}");
    }
    let (line, message) = refusal(b"virtarium-chunks \xff\xfe\n");
    assert!(line == 1 && message.contains("version"), "{message}");
    assert_eq!(refusal(&[body.as_bytes(), &[0xff, b'\n']].concat()).0, 7);
}

#[test]
fn every_truncation_of_a_manifest_is_refused_at_its_end() {
    let text = include_str!("../../data/manifest-v1.txt");
    for len in 0..text.len() {
        let (line, message) = refusal(&text.as_bytes()[..len]);
        let lines = text[..len].lines().count();
        assert!(
            line == lines.max(1) || line == lines + 1,
            "{len}: {message}"
        );
    }
}

#[test]
fn manifest_of_a_million_zero_chunks_takes_no_memory() {
    let text = "virtarium-chunks 1\nsize 17592186044416\nchunk 4194304\nencoding none\n- 4194304\n";
    let manifest = Manifest::parse(text.as_bytes()).expect("it is sound");
    assert_eq!(manifest.count(), 4_194_304);
    assert!((0..manifest.count()).all(|index| manifest.is_zero(index)));
    assert!(!manifest.is_zero(manifest.count()));
    let mut base = ChunkBase::new(manifest, 0);
    let mut bytes = [1; 512];
    base.read(base.size() - 512, &mut bytes)
        .expect("zero is always there");
    assert_eq!(bytes, [0; 512]);
}

/// A manifest of one chunk with these bytes, and the bytes in a gzip file.
fn one_chunk() -> (Manifest, Vec<u8>, Vec<u8>) {
    let words = (0..32_768_u32).flat_map(|i| (i / 512).to_le_bytes());
    let bytes: Vec<u8> = words.collect();
    let mut writer = ManifestWriter::new(131_072, 131_072, Encoding::Gzip).expect("possible");
    writer.push(&bytes).expect("there is room");
    let (manifest, _) = writer.finish().expect("all is there");
    let file = gzip(&bytes);
    (manifest, bytes, file)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut file = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    file.write_all(bytes).expect("memory takes all");
    file.finish().expect("memory takes all")
}

#[test]
fn damaged_gzip_files_are_refused_with_the_reason() {
    let (manifest, bytes, file) = one_chunk();
    let refused = |file: &[u8], word: &str| {
        let error = decode(&manifest, 0, file)
            .expect_err("it is refused")
            .to_string();
        assert!(
            error.contains(word) && error.contains("chunk 0"),
            "{word}: {error}"
        );
    };
    let changed = |at: usize, to: u8| {
        let mut file = file.clone();
        let at = if at < 20 { at } else { file.len() - (100 - at) };
        file[at] = to;
        file
    };
    refused(b"", "does not begin");
    refused(b"<!doctype html><title>404</title>", "does not begin");
    refused(&changed(2, 7), "packed in a way");
    refused(&changed(3, 0x20), "packed in a way");
    // Says that a name follows, which then takes what the packed bytes have before a zero.
    refused(&changed(3, 8), "damaged");
    refused(&changed(3, 4), "damaged");
    refused(&changed(92, !file[file.len() - 8]), "checksum");
    refused(&changed(96, !file[file.len() - 4]), "checksum");
    refused(&[&file[..], &[0]].concat(), "something follows");
    refused(&[&file[..], &file[..]].concat(), "something follows");
    refused(&gzip(&bytes[1..]), "131071 bytes in place of 131072");
    refused(
        &gzip(&[&bytes[..], &[1]].concat()),
        "131073 bytes in place of 131072",
    );
    refused(&gzip(b""), "0 bytes in place of");
    for len in 0..file.len() {
        assert!(decode(&manifest, 0, &file[..len]).is_err(), "{len}");
    }
    // Other bytes of the right length are what only the hash shows.
    let other = decode(&manifest, 0, &gzip(&[7; 131_072])).expect("a sound file");
    assert_eq!(
        manifest.check(0, &other),
        Err(ChunkError::Hash { index: 0 })
    );
}

#[test]
fn bomb_stops_at_the_size_of_the_chunk() {
    let (manifest, _, _) = one_chunk();
    let bomb = gzip(&vec![0; 64 << 20]);
    let expected = 131_072;
    let (index, found) = (0, 131_073);
    let length = ChunkError::Length {
        index,
        found,
        expected,
    };
    assert_eq!(decode(&manifest, 0, &bomb), Err(length));
}

#[test]
fn chunks_that_are_not_to_be_fetched_are_refused() {
    let text = "virtarium-chunks 1\nsize 262144\nchunk 131072\nencoding none\n- 2\n";
    let manifest = Manifest::parse(text.as_bytes()).expect("sound");
    for index in [0, 1, 2, u32::MAX] {
        let refused = Err(ChunkError::NoSuchChunk { index });
        assert_eq!(decode(&manifest, index, &[]).map(drop), refused);
        assert_eq!(manifest.check(index, &[0; 131_072]), refused);
        let mut base = ChunkBase::new(manifest.clone(), 1 << 20);
        assert_eq!(base.insert(index, vec![0; 131_072]), refused);
    }
}

#[test]
fn image_without_hashes_is_checked_by_its_lengths() {
    let id = BaseId([3; 32]);
    assert!(Manifest::unverified(0, 131_072, id).is_err());
    assert!(Manifest::unverified(1 << 60, 131_072, id).is_err());
    assert!(Manifest::unverified(1000, 1000, id).is_err());
    let manifest = Manifest::unverified(131_072 + 1000, 131_072, id).expect("possible");
    assert_eq!(
        (manifest.id(), manifest.count(), manifest.is_verified()),
        (id, 2, false)
    );
    assert_eq!(
        (manifest.path_of(0), manifest.hash(0)),
        (String::new(), None)
    );
    assert_eq!(manifest.check(0, &[1; 131_072]), Ok(()));
    assert_eq!(manifest.check(1, &[1; 1000]), Ok(()));
    let index = 1;
    let (found, expected) = (131_072, 1000);
    let length = ChunkError::Length {
        index,
        found,
        expected,
    };
    assert_eq!(manifest.check(1, &[1; 131_072]), Err(length));
    assert_eq!(
        manifest.check(2, &[]),
        Err(ChunkError::NoSuchChunk { index: 2 })
    );
}

#[test]
fn writer_takes_exactly_the_chunks_that_there_are() {
    let writer = || ManifestWriter::new(131_072 * 3, 131_072, Encoding::Gzip).expect("possible");
    assert!(ManifestWriter::new(1000, 131_072, Encoding::Gzip).is_err());
    assert!(writer().at("chunks").is_err());
    let mut short = writer();
    short.push_zeros(2).expect("there is room");
    assert!(short.clone().finish().is_err());
    assert!(short.push_zeros(2).is_err());
    short.push_hash([1; 32]).expect("there is room");
    assert!(short.push_hash([1; 32]).is_err());
    let (manifest, text) = short.finish().expect("all is there");
    assert_eq!(Manifest::parse(text.as_bytes()), Ok(manifest));
}

#[test]
fn fuzz_body_bears_random_manifests_for_a_while() {
    let seed = seed("random manifests");
    let cases = setting("VIRTARIUM_FUZZ_CASES").unwrap_or(3000);
    let sound = include_bytes!("../../data/manifest-v1.txt");
    let (_, _, file) = one_chunk();
    for case in 0..cases {
        let mut rng = Rng::case(seed, case);
        let mut data = match case % 4 {
            0 => (0..rng.below(200)).map(|_| rng.next() as u8).collect(),
            1 => [&[2][..], &file].concat(),
            _ => [&[0][..], sound].concat(),
        };
        for _ in 0..rng.below(4) {
            if let Some(at) = (data.len() as u64).checked_sub(1) {
                let at = rng.below(at + 1) as usize;
                data[at] = rng.next() as u8;
            }
        }
        let result = std::panic::catch_unwind(|| fuzz_manifest(&data));
        assert!(result.is_ok(), "case {case} of seed {seed:#x}");
    }
}
