//! Cutting images up, and checking them.

use std::path::Path;

use virtarium_backends::disk::chunks::decode;
use virtarium_tests::random::Rng;

use super::super::testing::{Directory, directory};
use super::*;

pub const CHUNK: usize = 128 << 10;

/// An argument that is this file.
pub fn arg(path: &Path) -> ImageArg {
    ImageArg {
        path: path.to_path_buf(),
        format: ImageFormat::Found,
    }
}

/// Random bytes in the chunks that are named, zeroes in the others.
pub fn image(chunks: usize, full: &[usize]) -> Vec<u8> {
    let mut rng = Rng::new(full.len() as u64);
    let mut bytes = vec![0; chunks * CHUNK];
    for chunk in full {
        for word in bytes[chunk * CHUNK..][..CHUNK].chunks_exact_mut(8) {
            // Half of it can be packed.
            word.copy_from_slice(&(rng.next() >> 32).to_le_bytes());
        }
    }
    bytes
}

/// How the image at `DIR/disk.img` is to become `DIR/out/manifest.txt`.
pub fn chunking(dir: &Path) -> Chunking {
    Chunking {
        image: arg(&dir.join("disk.img")),
        manifest: dir.join("out/manifest.txt"),
        folder: "chunks/".into(),
        chunk_size: CHUNK as u32,
        encoding: Encoding::Gzip,
    }
}

/// A directory with an image in chunks.
pub fn chunked(name: &str, bytes: &[u8]) -> (Directory, Manifest) {
    let dir = directory(name);
    fs::write(dir.path().join("disk.img"), bytes).unwrap();
    let made = chunk(&chunking(dir.path()), &Progress::silent()).unwrap();
    (dir, made.manifest)
}

/// All files below a directory, and their times of change.
fn files_below(dir: &Path) -> Vec<(PathBuf, std::time::SystemTime)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(files_below(&path)),
            false => all.push((path.clone(), path.metadata().unwrap().modified().unwrap())),
        }
    }
    all.sort();
    all
}

#[test]
fn image_is_the_chunks_that_its_manifest_names() {
    for encoding in [Encoding::Gzip, Encoding::None] {
        let mut bytes = image(9, &[1, 2, 7]);
        // Two with the same bytes, and a last one that is short.
        bytes.extend(bytes[CHUNK..2 * CHUNK].to_vec());
        bytes.extend([5; 1536]);
        let dir = directory("chunk");
        fs::write(dir.path().join("disk.img"), &bytes).unwrap();
        let mut chunking = chunking(dir.path());
        chunking.encoding = encoding;
        chunking.folder = "../pool/chunks/".into();
        let made = chunk(&chunking, &Progress::silent()).unwrap();
        let text = fs::read(&chunking.manifest).unwrap();
        let manifest = Manifest::parse(&text).unwrap();
        assert_eq!(manifest, made.manifest);
        assert_eq!((manifest.encoding(), manifest.count()), (encoding, 11));
        for (index, chunk) in bytes.chunks(CHUNK).enumerate() {
            let index = index as u32;
            assert_eq!(manifest.is_zero(index), chunk.iter().all(|byte| *byte == 0));
            if !manifest.is_zero(index) {
                let path = dir.path().join("out").join(manifest.path_of(index));
                let file = fs::read(path).unwrap();
                assert!(decode(&manifest, index, &file).unwrap() == chunk);
                assert!(manifest.check(index, chunk).is_ok());
            }
        }
        let files = files_below(&dir.path().join("pool"));
        assert_eq!(files.len(), 4, "{files:?}");
        assert!(made.written >= 4);
    }
}

#[test]
fn chunks_that_are_there_are_kept_and_damaged_ones_written_anew() {
    let (dir, manifest) = chunked("chunk-again", &image(4, &[0, 1, 3]));
    let out = dir.path().join("out");
    let before = files_below(&out.join("chunks"));
    assert_eq!(before.len(), 3);
    // Another image that shares two of them.
    let mut bytes = image(4, &[0, 1, 3]);
    bytes[0] ^= 1;
    fs::write(dir.path().join("disk.img"), &bytes).unwrap();
    let made = chunk(&chunking(dir.path()), &Progress::silent()).unwrap();
    assert_eq!(made.written, 1);
    assert_ne!(made.manifest.id(), manifest.id());
    let after = files_below(&out.join("chunks"));
    assert_eq!(after.len(), 4);
    assert!(before.iter().all(|file| after.contains(file)), "not kept");
    // Cut off, as a loss of power may leave it, and with something behind it.
    let damaged = out.join(made.manifest.path_of(3));
    let whole = fs::read(&damaged).unwrap();
    let longer = [&whole[..], b"x"].concat();
    for wrong in [&whole[..whole.len() - 1], &[], &whole[1..], &longer] {
        fs::write(&damaged, wrong).unwrap();
        let made = chunk(&chunking(dir.path()), &Progress::silent()).unwrap();
        assert_eq!(made.written, 1);
        assert!(fs::read(&damaged).unwrap() == whole);
    }
}

#[test]
fn holes_cost_nothing() {
    let dir = directory("chunk-holes");
    let path = dir.path().join("disk.img");
    // To read this would take minutes.
    if File::create(&path).unwrap().set_len(1 << 38).is_err() {
        return;
    }
    let mut chunking = chunking(dir.path());
    chunking.chunk_size = 256 << 10;
    let start = std::time::Instant::now();
    let made = chunk(&chunking, &Progress::silent()).unwrap();
    if cfg!(target_os = "linux") {
        assert!(start.elapsed().as_secs() < 20, "the hole was read");
    }
    assert_eq!((made.manifest.count(), made.written), (1 << 20, 0));
    let text = fs::read_to_string(&chunking.manifest).unwrap();
    assert!(text.ends_with("\n- 1048576\n"), "{text}");
}

#[test]
fn images_that_cannot_be_cut_up_are_refused_with_a_remedy() {
    let dir = directory("chunk-refused");
    let path = dir.path().join("disk.img");
    let refused = |change: &dyn Fn(&mut Chunking)| {
        let mut chunking = chunking(dir.path());
        change(&mut chunking);
        let error = chunk(&chunking, &Progress::silent()).unwrap_err();
        assert!(!chunking.manifest.exists());
        format!("{error:#}")
    };
    assert!(refused(&|_| ()).contains("disk.img"));
    fs::write(&path, [0; 1000]).unwrap();
    assert!(refused(&|_| ()).contains("truncate"));
    fs::write(&path, [1; 1024]).unwrap();
    let text = refused(&|chunking| chunking.chunk_size = 1000);
    assert!(
        text.contains("power of two from 131072 to 4194304"),
        "{text}"
    );
    let text = refused(&|chunking| chunking.folder = "/tmp/".into());
    assert!(text.contains("folder"), "{text}");
    fs::write(&path, [&b"QFI\xfb"[..], &[0; 508]].concat()).unwrap();
    assert!(refused(&|_| ()).contains(",format=raw"));
    let mut chunking = chunking(dir.path());
    chunking.image.format = ImageFormat::Raw;
    let made = chunk(&chunking, &Progress::silent()).unwrap();
    assert_eq!(made.written, 1);
    chunking.image = arg(&chunking.manifest);
    let error = chunk(&chunking, &Progress::silent())
        .unwrap_err()
        .to_string();
    assert!(error.contains("in chunks already"), "{error}");
}

#[test]
fn every_chunk_that_is_missing_or_damaged_is_named() {
    let (dir, manifest) = chunked("chunk-verify", &image(6, &[0, 2, 3, 5]));
    let path = dir.path().join("out/manifest.txt");
    let verify = || verify_chunks(&path, &Progress::silent()).unwrap();
    let report = verify();
    assert_eq!((report.checked, report.wrong.len()), (4, 0));
    assert_eq!(report.id, manifest.id());
    let file = |index| dir.path().join("out").join(manifest.path_of(index));
    fs::remove_file(file(0)).unwrap();
    // A sound file of other bytes, and one that is damaged.
    fs::copy(file(3), file(2)).unwrap();
    let mut bytes = fs::read(file(3)).unwrap();
    bytes[50] ^= 1;
    fs::write(file(3), bytes).unwrap();
    fs::remove_file(file(5)).unwrap();
    fs::create_dir(file(5)).unwrap();
    let report = verify();
    assert_eq!(report.wrong.len(), 4, "{:?}", report.wrong);
    for ((line, index), word) in report.wrong.iter().zip([0, 2, 3, 5]).zip([
        "missing",
        "not those that the manifest names",
        "damaged",
        "no file",
    ]) {
        assert!(
            line.contains(&manifest.hash(index).map(|h| BaseId(h).to_string()).unwrap()),
            "{line}"
        );
        assert!(line.contains(word), "{line}");
    }
}
