use super::*;
use crate::image::progress::Progress;
use crate::image::testing::{DebBuilder, directory};

fn package(name: &str) -> Package {
    Package {
        name: name.to_owned(),
        version: "1".to_owned(),
        file: format!("pool/{name}.deb"),
        size: 1,
        sha256: crate::image::digest::Sha256::of(b""),
    }
}

fn system(dir: &Path, debs: Vec<(&str, DebBuilder)>) -> Result<()> {
    let packages = debs
        .into_iter()
        .map(|(name, deb)| {
            let path = dir.join(format!("{name}.deb"));
            deb.write(&path);
            (package(name), path)
        })
        .collect();
    let inputs = Inputs {
        packages: BTreeMap::from([("debian".to_owned(), packages)]),
        progress: Progress::silent(),
    };
    build(&inputs, dir)
}

fn read(dir: &Path, path: &str) -> String {
    let mut reader = arcbox_ext4::Reader::new(&dir.join("disk.img")).unwrap();
    String::from_utf8(reader.read_file(path, 0, None).unwrap()).unwrap()
}

#[test]
fn packages_are_entered_as_unpacked() {
    let dir = directory("debian");
    let base = DebBuilder::new("base-passwd", "1")
        .file(
            "usr/share/base-passwd/passwd.master",
            b"root:*:0:0:root:/root:/bin/bash\n",
        )
        .file(
            "usr/share/base-passwd/group.master",
            b"root:*:0:\nmail:*:8:\n",
        );
    let app = DebBuilder::new("app", "1")
        .field("Multi-Arch", "same")
        .control("conffiles", b"/etc/app.conf\n")
        .control("postinst", b"#!/bin/sh\n")
        .file("etc/app.conf", b"abc")
        .file("usr/share/man/man1/app.1.gz", b"manual")
        .file("usr/share/doc/app/copyright", b"free")
        .file("usr/bin/app", b"program");
    system(dir.path(), vec![("base-passwd", base), ("app", app)]).unwrap();
    let status = read(dir.path(), "/var/lib/dpkg/status");
    assert!(
        status.contains("Package: app\nStatus: install ok unpacked\n"),
        "{status}"
    );
    // RFC 1321, A.5: the MD5 of "abc".
    let line = "Conffiles:\n /etc/app.conf 900150983cd24fb0d6963f7d28e17f72\n";
    assert!(status.contains(line), "{status}");
    assert_eq!(read(dir.path(), "/usr/bin/app"), "program");
    assert_eq!(read(dir.path(), "/usr/share/doc/app/copyright"), "free");
    assert_eq!(
        read(dir.path(), "/var/lib/dpkg/info/app:riscv64.postinst"),
        "#!/bin/sh\n"
    );
    let list = read(dir.path(), "/var/lib/dpkg/info/app:riscv64.list");
    assert!(
        list.contains("/usr/share/man/man1/app.1.gz\n"),
        "dpkg knows what is left out"
    );
    let passwd = read(dir.path(), "/etc/passwd");
    assert!(passwd.starts_with("root::0:0:"), "{passwd}");
    assert!(read(dir.path(), "/etc/group").contains("mail"));
    let mut reader = arcbox_ext4::Reader::new(&dir.path().join("disk.img")).unwrap();
    assert!(!reader.exists("/usr/share/man/man1/app.1.gz"));
    assert!(reader.exists("/var/lib/virtarium/unconfigured"));
    let (_, script) = reader.stat("/usr/lib/virtarium/second-stage").unwrap();
    assert_eq!(script.mode & 0o777, 0o755);
}

#[test]
fn a_package_under_a_wrong_name_is_refused() {
    let dir = directory("debian-name");
    let deb = DebBuilder::new("other", "1");
    let error = system(dir.path(), vec![("app", deb)]).unwrap_err();
    assert!(
        format!("{error:#}").contains("it is other 1, not app 1"),
        "{error:#}"
    );
}

#[test]
fn entries_that_no_package_may_have_are_refused() {
    let odd: [(tar::EntryType, &str, &str); 4] = [
        (tar::EntryType::Char, "dev/x", ""),
        (tar::EntryType::Fifo, "x", ""),
        (tar::EntryType::Link, "x", "../../etc/shadow"),
        (tar::EntryType::Regular, "../x", ""),
    ];
    for (kind, path, target) in odd {
        let dir = directory("debian-odd");
        let deb = DebBuilder::new("app", "1").entry(kind, path, target);
        let result = system(dir.path(), vec![("app", deb)]);
        assert!(result.is_err(), "{kind:?} {path} {target}");
    }
}
