use super::*;
use crate::image::testing::directory;

fn add(files: &mut Ext4, path: &str, content: &str) -> Result<()> {
    files.file(path, Attributes::root(0o644), &mut content.as_bytes())
}

#[test]
fn what_is_written_can_be_read() {
    let dir = directory("ext4");
    let image = dir.path().join("disk");
    let mut files = Ext4::create(&image, 16 << 20, "x").unwrap();
    files.directory("usr/bin", Attributes::root(0o755)).unwrap();
    files
        .link("bin", "usr/bin", Attributes::root(0o777))
        .unwrap();
    add(&mut files, "bin/a", "through the link").unwrap();
    add(&mut files, "var/lib/b", "parents are made").unwrap();
    add(&mut files, "var/lib/b", "and files replaced").unwrap();
    files.hard_link("usr/bin/c", "bin/a").unwrap();
    let sticky = Attributes {
        mode: 0o1777,
        owner: (7, 70_000),
        time: 9,
    };
    add(&mut files, "tmp/x", "").unwrap();
    files.directory("tmp", sticky).unwrap();
    files.finish().unwrap();

    let mut reader = arcbox_ext4::Reader::new(&image).unwrap();
    let read = |reader: &mut arcbox_ext4::Reader, path: &str| {
        String::from_utf8(reader.read_file(path, 0, None).unwrap()).unwrap()
    };
    assert_eq!(read(&mut reader, "/usr/bin/a"), "through the link");
    assert_eq!(read(&mut reader, "/usr/bin/c"), "through the link");
    assert_eq!(read(&mut reader, "/var/lib/b"), "and files replaced");
    let (_, tmp) = reader.stat("/tmp").unwrap();
    assert_eq!(tmp.mode & 0o7777, 0o1777);
    assert_eq!(
        (tmp.uid, (u32::from(tmp.gid_hi) << 16) | u32::from(tmp.gid)),
        (7, 70_000)
    );
    check_with_e2fsck(&image);
}

/// An independent judge, where it is installed.
fn check_with_e2fsck(image: &Path) {
    let judge = std::process::Command::new("e2fsck")
        .arg("-fn")
        .arg(image)
        .output();
    if let Ok(output) = judge {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}");
    }
}

#[test]
fn paths_cannot_leave_the_root() {
    let dir = directory("ext4-paths");
    let mut files = Ext4::create(&dir.path().join("disk"), 16 << 20, "x").unwrap();
    for bad in ["", "/a", "a//b", "../a", "a/../b", "a/.", "a\0b"] {
        assert!(add(&mut files, bad, "").is_err(), "{bad:?}");
    }
    // A link out of the root ends at the root, as it does in a running system.
    files
        .link("up", "../../..", Attributes::root(0o777))
        .unwrap();
    add(&mut files, "up/etc", "inside").unwrap();
    assert!(files.seen.contains_key("etc"));
    assert!(add(&mut files, &"a/".repeat(3000), "").is_err());
    assert!(add(&mut files, &"n".repeat(300), "").is_err());
}

#[test]
fn circles_of_links_and_files_in_the_way_are_errors() {
    let dir = directory("ext4-links");
    let mut files = Ext4::create(&dir.path().join("disk"), 16 << 20, "x").unwrap();
    files.link("a", "b", Attributes::root(0o777)).unwrap();
    files.link("b", "a", Attributes::root(0o777)).unwrap();
    let error = add(&mut files, "a/x", "").unwrap_err().to_string();
    assert!(error.contains("too many links"), "{error}");
    add(&mut files, "f", "").unwrap();
    assert!(add(&mut files, "f/x", "").is_err());
    assert!(files.directory("f", Attributes::root(0o755)).is_err());
    assert!(files.hard_link("h", "nothing").is_err());
    files
        .link("dangling", "nowhere", Attributes::root(0o777))
        .unwrap();
    assert!(add(&mut files, "dangling/x", "").is_err());
}

#[test]
fn sizes_that_make_no_file_system_are_refused() {
    let dir = directory("ext4-size");
    for size in [0, 1 << 20, u64::MAX] {
        let error = Ext4::create(&dir.path().join("disk"), size, "x").err();
        assert!(error.is_some(), "{size}");
    }
}
