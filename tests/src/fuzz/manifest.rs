//! Manifests and chunks from anywhere.

use virtarium_backends::disk::chunks::{Encoding, ManifestWriter, decode};
use virtarium_backends::disk::{Base, BaseId, ChunkBase, Manifest};

/// Reads what the bytes make of a manifest, and uses what can be read; or takes a chunk out of them.
///
/// The first byte says how: the rest is a manifest as it is (0 of 4), the lines behind a head that
/// is sound (1), or a gzip file (2), whose head is sound (3).
pub fn fuzz_manifest(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else {
        return;
    };
    match mode % 4 {
        0 => manifest(rest),
        1 => {
            let chunks = u64::from(*mode) / 4 + 1;
            let mut text = format!(
                "virtarium-chunks 1\nsize {}\nchunk 131072\nencoding none\n",
                chunks << 17
            )
            .into_bytes();
            text.extend(rest);
            manifest(&text);
        }
        2 => chunk(rest),
        _ => chunk(&[&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], rest].concat()),
    }
}

fn manifest(text: &[u8]) {
    let lines = text.iter().filter(|byte| **byte == b'\n').count();
    match Manifest::parse(text) {
        Ok(manifest) => {
            // Each manifest has one text.
            assert_eq!(manifest.to_text().as_bytes(), text);
            let mut covered = 0;
            // Zero chunks may be many: those at both ends, and those around each chunk.
            let count = manifest.count();
            for index in (0..count)
                .take(256)
                .chain(count.saturating_sub(256)..count + 2)
            {
                covered += u64::from(manifest.len_of(index));
                let path = manifest.path_of(index);
                let has_bytes = manifest.hash(index).is_some();
                assert_eq!(has_bytes, !path.is_empty());
                assert_eq!(has_bytes, index < count && !manifest.is_zero(index));
                assert!(!path.starts_with('/') && !path.contains("//"), "{path}");
                assert!(manifest.check(index, &[1]).is_err());
            }
            assert!(count > 256 || covered >= manifest.size());
            let size = manifest.size();
            let mut base = ChunkBase::new(manifest, 0);
            let mut bytes = [1; 4096];
            for at in [0, size / 2, size.saturating_sub(4096), size, u64::MAX] {
                if base.read(at, &mut bytes).is_ok() {
                    assert_eq!(bytes, [0; 4096], "only zero chunks are there");
                }
            }
        }
        Err(error) => {
            assert!((1..=lines + 2).contains(&error.line), "{error}");
        }
    }
}

fn chunk(file: &[u8]) {
    for (size, encoding) in [
        (512, Encoding::Gzip),
        (131_072, Encoding::Gzip),
        (512, Encoding::None),
    ] {
        let mut writer = ManifestWriter::new(size, 131_072, encoding).expect("possible");
        writer.push_hash([7; 32]).expect("there is room");
        let (manifest, _) = writer.finish().expect("all is there");
        if let Ok(bytes) = decode(&manifest, 0, file) {
            assert_eq!(bytes.len() as u64, size);
            assert!(
                manifest.check(0, &bytes).is_err(),
                "nobody has bytes with this hash"
            );
        }
    }
    let unverified = Manifest::unverified(file.len() as u64, 131_072, BaseId::default());
    if let Ok(manifest) = unverified
        && let Ok(bytes) = decode(&manifest, 0, file)
    {
        assert_eq!(bytes, file);
    }
}
