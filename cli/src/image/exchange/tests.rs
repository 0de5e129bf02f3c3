//! Overlays to images and back, over raw images and over chunks.

use std::path::PathBuf;

use virtarium_backends::disk::{MemStore, OverlayOptions, Streamed};
use virtarium_machine::host::{Submitted, Token};

use super::super::chunk::tests::{CHUNK, arg, chunked, image};
use super::super::testing::directory;
use super::*;

fn write(sector: u64, data: Vec<u8>) -> BlockRequest {
    BlockRequest::Write { sector, data }
}

fn exported(dir: &Path, overlay: &str, base: &str) -> Result<Vec<u8>> {
    let output = dir.join("exported.img");
    export(
        &dir.join(overlay),
        &arg(&dir.join(base)),
        &output,
        &Progress::silent(),
    )?;
    Ok(fs::read(output)?)
}

fn imported(dir: &Path, image: &str, base: &str, overlay: &str) -> Result<()> {
    import(
        &arg(&dir.join(image)),
        &arg(&dir.join(base)),
        &dir.join(overlay),
        &Progress::silent(),
    )
}

fn text(error: anyhow::Error) -> String {
    let text = format!("{error:#}");
    assert!(!text.contains('\n'), "{text}");
    text
}

/// Names of everything in a directory.
fn names(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names
}

#[test]
fn overlay_of_a_page_is_opened_and_exported_here() {
    let mut bytes = image(6, &[0, 2, 3]);
    let (dir, manifest) = chunked("export", &bytes);
    let dir = dir.path();
    // What a page does: chunks come from a server, and the overlay is a file of the browser's.
    let options = OverlayOptions::default();
    let mut page = Streamed::create(MemStore::default(), manifest, &options, 1 << 20).unwrap();
    let mut change = |token, request: BlockRequest| {
        let result = page.submit(Token(token), &request);
        while let Some(index) = page.next_fetch() {
            let chunk = bytes[index as usize * CHUNK..][..CHUNK].to_vec();
            page.arrived(index, chunk).unwrap();
        }
        let later = page.take_completed();
        assert!(result == Submitted::Pending && later.len() == 1 || later.is_empty());
    };
    // A sector of a chunk that must come, and of one that is zero; and a whole one made zero.
    change(1, write(2 * CHUNK as u64 / 512 + 3, vec![1; 512]));
    change(2, write(4 * CHUNK as u64 / 512 + 1, vec![2; 1024]));
    let (sector, count, unmap) = (0, CHUNK as u64 / 512, true);
    change(
        3,
        BlockRequest::WriteZeroes {
            sector,
            count,
            unmap,
        },
    );
    page.flush().unwrap();
    bytes[2 * CHUNK + 3 * 512..][..512].fill(1);
    bytes[4 * CHUNK + 512..][..1024].fill(2);
    bytes[..CHUNK].fill(0);
    fs::write(dir.join("page.overlay"), page.into_store().bytes).unwrap();

    let base = "out/manifest.txt";
    assert!(exported(dir, "page.overlay", base).unwrap() == bytes);
    let mut disk = OverlayDisk::open(
        &dir.join(base),
        ImageFormat::Found,
        &dir.join("page.overlay"),
    )
    .unwrap();
    let len = bytes.len() as u64;
    let all = disk.execute(&BlockRequest::Read { sector: 0, len });
    assert!(all == Ok(bytes));
}

#[test]
fn what_is_imported_over_a_base_is_exported_again() {
    let old = image(9, &[0, 2, 3, 8]);
    let mut new = old.clone();
    new[5..9].fill(7);
    new[2 * CHUNK..3 * CHUNK].fill(0);
    new[5 * CHUNK + 1000..][..5000].fill(9);
    // It may be longer, and end anywhere.
    new.extend([3; 700]);
    new.extend([0; 836]);
    let (dir, _) = chunked("import", &old);
    let dir = dir.path();
    fs::write(dir.join("new.img"), &new).unwrap();
    for (base, overlay) in [
        ("disk.img", "raw.overlay"),
        ("out/manifest.txt", "chunks.overlay"),
    ] {
        imported(dir, "new.img", base, overlay).unwrap();
        assert!(exported(dir, overlay, base).unwrap() == new);
        let mut disk =
            OverlayDisk::open_existing(&dir.join(base), ImageFormat::Found, &dir.join(overlay))
                .unwrap();
        // The difference, and not the rest: parts of 4 KiB in clusters of 64 KiB.
        assert_eq!(disk.overlay().summary().allocated, 3);
    }
    // Nothing is different.
    imported(dir, "disk.img", "out/manifest.txt", "none.overlay").unwrap();
    assert!(exported(dir, "none.overlay", "out/manifest.txt").unwrap() == old);
    let overlay = dir.join("none.overlay");
    let base = dir.join("out/manifest.txt");
    let mut disk = OverlayDisk::open_existing(&base, ImageFormat::Found, &overlay).unwrap();
    assert_eq!(disk.overlay().summary().allocated, 0);
}

#[cfg(target_os = "linux")]
#[test]
fn exported_image_has_holes_where_it_is_zero() {
    use std::os::unix::fs::MetadataExt;
    let (dir, _) = chunked("export-holes", &image(200, &[7]));
    let dir = dir.path();
    imported(dir, "disk.img", "out/manifest.txt", "a.overlay").unwrap();
    exported(dir, "a.overlay", "out/manifest.txt").unwrap();
    let metadata = fs::metadata(dir.join("exported.img")).unwrap();
    assert_eq!(metadata.len(), 200 * CHUNK as u64);
    assert!(metadata.blocks() * 512 < 4 * CHUNK as u64, "{metadata:?}");
}

#[test]
fn overlay_of_another_base_is_refused_with_both_identities() {
    let (dir, manifest) = chunked("export-other", &image(3, &[0, 1]));
    let (other, second) = chunked("export-second", &image(3, &[1, 2]));
    let dir = dir.path();
    imported(dir, "disk.img", "out/manifest.txt", "a.overlay").unwrap();
    fs::copy(dir.join("a.overlay"), other.path().join("a.overlay")).unwrap();
    let before = names(other.path());
    let error = text(exported(other.path(), "a.overlay", "out/manifest.txt").unwrap_err());
    for id in [manifest.id(), second.id()] {
        assert!(error.contains(&id.to_string()), "{error}");
    }
    assert!(
        error.contains("a.overlay") && error.contains("out/manifest.txt"),
        "{error}"
    );
    // The raw image that the chunks are of is another base, too.
    assert!(text(exported(dir, "a.overlay", "disk.img").unwrap_err()).contains("another base"));
    assert_eq!(names(other.path()), before, "something was left");
}

#[test]
fn damaged_chunk_ends_an_export_with_its_name_and_leaves_nothing() {
    let (dir, manifest) = chunked("export-damaged", &image(3, &[0, 1]));
    let dir = dir.path();
    imported(dir, "disk.img", "out/manifest.txt", "a.overlay").unwrap();
    let path = dir.join("out").join(manifest.path_of(1));
    fs::write(&path, b"not this").unwrap();
    let before = names(dir);
    let error = text(exported(dir, "a.overlay", "out/manifest.txt").unwrap_err());
    assert!(error.contains(&manifest.path_of(1)), "{error}");
    let error = text(imported(dir, "disk.img", "out/manifest.txt", "b.overlay").unwrap_err());
    assert!(error.contains(&manifest.path_of(1)), "{error}");
    assert_eq!(names(dir), before, "something was left");
}

#[test]
fn files_that_are_needed_are_not_written_over() {
    let (dir, _) = chunked("export-over", &image(3, &[0, 1]));
    let dir = dir.path();
    imported(dir, "disk.img", "disk.img", "a.overlay").unwrap();
    let export_to = |output: &str| {
        let base = arg(&dir.join("disk.img"));
        let result = export(
            &dir.join("a.overlay"),
            &base,
            &dir.join(output),
            &Progress::silent(),
        );
        text(result.unwrap_err())
    };
    assert!(export_to("a.overlay").contains("written over"));
    assert!(export_to("disk.img").contains("written over"));
    assert!(export_to("out").contains("is no file"));
    let before = fs::read(dir.join("a.overlay")).unwrap();
    let error = text(imported(dir, "disk.img", "disk.img", "a.overlay").unwrap_err());
    assert!(error.contains("remove it"), "{error}");
    assert!(fs::read(dir.join("a.overlay")).unwrap() == before);
    // An overlay that is not there is not made.
    assert!(exported(dir, "b.overlay", "disk.img").is_err());
    assert!(!dir.join("b.overlay").exists());
}

#[test]
fn image_that_is_smaller_than_its_base_is_refused_with_a_remedy() {
    let dir = directory("import-small");
    let dir = dir.path();
    fs::write(dir.join("base.img"), vec![1; 4096]).unwrap();
    fs::write(dir.join("small.img"), vec![1; 2048]).unwrap();
    let error = text(imported(dir, "small.img", "base.img", "a.overlay").unwrap_err());
    assert!(error.contains("truncate -s 4096"), "{error}");
    assert!(!dir.join("a.overlay").exists());
}
