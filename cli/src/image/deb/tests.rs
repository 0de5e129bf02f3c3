use super::*;
use crate::image::testing::{DebBuilder, directory};

#[test]
fn members_of_every_compression_are_read() {
    let dir = directory("deb-ok");
    for compression in ["", ".gz"] {
        let path = dir.path().join(format!("a{compression}.deb"));
        DebBuilder::new("a", "1")
            .compression(compression)
            .file("usr/bin/a", b"program")
            .write(&path);
        let deb = Deb::open(&path).unwrap();
        let mut names = Vec::new();
        for entry in deb.data().unwrap().entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = clean(&entry.path().unwrap()).unwrap();
            if name == "usr/bin/a" {
                let size = entry.size();
                assert_eq!(read_entry(&mut entry, size, 100).unwrap(), b"program");
            }
            names.push(name);
        }
        assert!(names.contains(&"usr/bin/a".to_owned()), "{names:?}");
        assert!(deb.control().unwrap().entries().unwrap().count() > 0);
    }
}

#[test]
fn a_truncated_package_is_an_error_at_every_length() {
    let dir = directory("deb-cut");
    let path = dir.path().join("a.deb");
    DebBuilder::new("a", "1").file("f", &[7; 3000]).write(&path);
    let whole = std::fs::read(&path).unwrap();
    for length in (0..whole.len() - 1).step_by(97) {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(Deb::open(&path).is_err(), "{length} bytes are no package");
    }
}

#[test]
fn a_member_that_lies_about_its_size_is_refused() {
    let dir = directory("deb-size");
    let path = dir.path().join("a.deb");
    DebBuilder::new("a", "1").write(&path);
    let whole = std::fs::read(&path).unwrap();
    for lie in ["9999999999", "-1        ", "18446744073709551615"] {
        let mut bytes = whole.clone();
        bytes[8 + 48..8 + 58].copy_from_slice(&lie.as_bytes()[..10]);
        std::fs::write(&path, &bytes).unwrap();
        assert!(Deb::open(&path).is_err(), "{lie}");
    }
}

#[test]
fn paths_that_leave_the_root_are_refused() {
    assert_eq!(clean(Path::new("./usr//bin/")).unwrap(), "usr/bin");
    assert_eq!(clean(Path::new("./")).unwrap(), "");
    for bad in ["/etc/passwd", "../x", "a/../../x", "./a/.."] {
        assert!(clean(Path::new(bad)).is_err(), "{bad}");
    }
}

#[test]
fn an_archive_that_unpacks_to_more_than_allowed_is_an_error() {
    let mut reader = Bounded::new(io::repeat(0), 1000);
    let error = io::copy(&mut reader, &mut io::sink()).unwrap_err();
    assert!(error.to_string().contains("more than is allowed"));
    let mut enough = Bounded::new(&[1_u8; 10][..], 11);
    assert_eq!(io::copy(&mut enough, &mut io::sink()).unwrap(), 10);
}

#[test]
fn unknown_compression_is_named() {
    let error = decompress("data.tar.lrz", io::empty()).err().unwrap();
    assert!(error.to_string().contains("lrz"), "{error}");
}
