//! Packages of sources, good ones and hostile ones.

use super::*;
use crate::image::testing::{DebBuilder, Directory, directory, xz};
use tar::EntryType::{self, Regular, Symlink};

const NAME: &str = "usr/src/linux-source-6.12.tar.xz";
const DATE: u64 = 1_787_977_149;

/// An archive of sources under construction; names are taken as they are.
struct Sources(tar::Builder<Vec<u8>>);

impl Sources {
    fn new() -> Self {
        let sources = Self(tar::Builder::new(Vec::new()));
        ["Makefile", "Kconfig", "arch/riscv/Makefile"]
            .into_iter()
            .fold(sources, |sources, name| {
                sources.file(&format!("top/{name}"), b"x")
            })
    }

    fn file(self, path: &str, content: &[u8]) -> Self {
        self.entry(Regular, path, "", content.len() as u64, 0o644, content)
    }

    fn link(self, kind: EntryType, path: &str, target: &str) -> Self {
        self.entry(kind, path, target, 0, 0o777, b"")
    }

    fn entry(
        mut self,
        kind: EntryType,
        path: &str,
        target: &str,
        size: u64,
        mode: u32,
        content: &[u8],
    ) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        header.set_mtime(DATE);
        let old = header.as_old_mut();
        old.name[..path.len()].copy_from_slice(path.as_bytes());
        old.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// A folder with a package in it and room for the tree, and something beside the tree.
struct Bench(Directory);

impl Bench {
    fn new(name: &str) -> Self {
        Self(directory(name))
    }

    fn tree(&self) -> std::path::PathBuf {
        self.0.path().join("work/tree")
    }

    /// Unpacks a package with this archive into an empty tree.
    fn unpack(&self, archive: &[u8]) -> Result<u64> {
        let package = self.0.path().join("a.deb");
        DebBuilder::new("linux-source-6.12", "1")
            .file("usr/src/README", b"no sources")
            .file(NAME, archive)
            .write(&package);
        let _ = fs::remove_dir_all(self.0.path().join("work"));
        unpack(&package, &self.tree(), &Progress::silent())
    }

    fn complaint(&self, sources: Sources) -> String {
        format!("{:#}", self.unpack(&xz(&sources.bytes())).unwrap_err())
    }

    /// That the test's folder has the package and the tree, and nothing beside them.
    fn nothing_outside(&self) {
        let names = |path: &Path| {
            let entries = fs::read_dir(path).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name());
            names.collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(
            names(self.0.path()),
            ["a.deb", "work"].map(Into::into).into()
        );
        assert_eq!(names(&self.0.path().join("work")), ["tree".into()].into());
    }
}

#[test]
fn a_tree_is_unpacked_without_what_the_kernel_is_not_made_of() {
    let bench = Bench::new("source");
    let sources = Sources::new()
        .entry(EntryType::Directory, "top/empty/", "", 0, 0o755, b"")
        .entry(Regular, "top/scripts/run.sh", "", 2, 0o755, b"#!")
        .file("top/arch/Kconfig", b"x")
        .file("top/arch/x86/Kconfig.cpu", b"x")
        .file("top/arch/x86/a.c", b"x")
        .file("top/arch/um/scripts/Makefile.rules", b"x")
        .file("top/arch/x86/syscall_32.tbl", b"x")
        .file("top/Documentation/Kconfig", b"x")
        .file("top/Documentation/text.rst", b"x")
        .file("top/drivers/gpu/drm/amd/a/b.h", b"x")
        .file("top/drivers/gpu/drm/amdother/b.h", b"content")
        .link(Symlink, "top/include/link.h", "../scripts/run.sh");
    assert_eq!(bench.unpack(&xz(&sources.bytes())).unwrap(), DATE);
    let tree = bench.tree();
    for there in [
        "Makefile",
        "scripts/run.sh",
        "arch/Kconfig",
        "arch/x86/Kconfig.cpu",
        "arch/x86/syscall_32.tbl",
        "arch/um/scripts/Makefile.rules",
        "Documentation/Kconfig",
    ] {
        assert!(tree.join(there).is_file(), "{there}");
    }
    for left_out in [
        "arch/x86/a.c",
        "Documentation/text.rst",
        "drivers/gpu/drm/amd",
        "include/link.h",
    ] {
        assert!(!tree.join(left_out).exists(), "{left_out}");
    }
    let content = fs::read(tree.join("drivers/gpu/drm/amdother/b.h")).unwrap();
    assert_eq!(content, b"content");
    bench.nothing_outside();
}

#[cfg(unix)]
#[test]
fn scripts_can_be_run_and_nothing_else() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new("source-modes");
    // Set-user-id and write permission of others are not taken over.
    let sources = Sources::new()
        .entry(Regular, "top/run", "", 0, 0o4777, b"")
        .entry(Regular, "top/text", "", 0, 0o2666, b"");
    bench.unpack(&xz(&sources.bytes())).unwrap();
    let mode = |name| {
        fs::metadata(bench.tree().join(name))
            .unwrap()
            .permissions()
            .mode()
    };
    assert_eq!(mode("run") & 0o7111, 0o111);
    assert_eq!(mode("text") & 0o7111, 0);
    assert_eq!((mode("run") | mode("text")) & 0o022, 0);
}

#[test]
fn names_that_leave_the_tree_are_refused() {
    let bench = Bench::new("source-names");
    for bad in [
        "../evil",
        "../../evil",
        "top/../../evil",
        "top/a/../../../evil",
        "top/..",
        "/evil",
    ] {
        let text = bench.complaint(Sources::new().file(bad, b"x"));
        assert!(text.contains("leaves the archive's root"), "{bad}: {text}");
        bench.nothing_outside();
    }
    let deep = format!("top/{}x", "a/".repeat(40));
    let text = bench.complaint(Sources::new().file(&deep, b"x"));
    assert!(text.contains("is too long"), "{text}");
}

#[test]
fn links_that_lead_out_of_the_tree_are_refused() {
    let bench = Bench::new("source-links");
    for (kind, path, target) in [
        (Symlink, "top/a", "/etc/passwd"),
        (Symlink, "top/a", ".."),
        (Symlink, "top/a", "../other/x"),
        (Symlink, "top/a/b/c", "../../../x"),
        (Symlink, "top/a/b", "c/../../../x"),
        (EntryType::Link, "top/a", "/etc/passwd"),
        (EntryType::Link, "top/a", "../x"),
        (EntryType::Link, "top/a", "top/../../x"),
    ] {
        let text = bench.complaint(Sources::new().link(kind, path, target));
        assert!(
            text.contains("leads out of the sources"),
            "{target}: {text}"
        );
    }
    for (kind, path, target) in [
        (Symlink, "top/a", "b"),
        (Symlink, "top/a/b", "../c"),
        (Symlink, "top/a/b/c", "../../d/./e"),
        (EntryType::Link, "top/a", "top/b"),
    ] {
        let sources = Sources::new().link(kind, path, target);
        bench.unpack(&xz(&sources.bytes())).unwrap();
    }
}

#[test]
fn no_file_is_written_through_a_link() {
    let bench = Bench::new("source-through");
    let sources = Sources::new()
        .link(Symlink, "top/a", "b")
        .file("top/b/f", b"first")
        .file("top/a/f", b"second");
    bench.unpack(&xz(&sources.bytes())).unwrap();
    let read = |name| fs::read(bench.tree().join(name)).unwrap();
    assert_eq!(
        (read("b/f"), read("a/f")),
        (b"first".to_vec(), b"second".to_vec())
    );
}

#[test]
fn a_file_that_comes_twice_is_refused() {
    let bench = Bench::new("source-twice");
    let text = bench.complaint(Sources::new().file("top/Makefile", b"other"));
    assert!(text.contains("Makefile is there twice"), "{text}");
    // Nor does a folder take the place of a file.
    bench.complaint(Sources::new().file("top/Makefile/f", b"x"));
}

#[test]
fn devices_and_what_is_too_large_are_refused() {
    let bench = Bench::new("source-kinds");
    for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo] {
        let text = bench.complaint(Sources::new().entry(kind, "top/d", "", 0, 0o666, b""));
        assert!(text.contains("are none of sources"), "{text}");
    }
    for size in [MAX_FILE + 1, u64::MAX / 2] {
        let sources = Sources::new().entry(Regular, "top/f", "", size, 0o644, b"x");
        let text = bench.complaint(sources);
        assert!(text.contains("the file top/f has"), "{text}");
    }
}

#[test]
fn a_package_that_is_cut_off_is_an_error_at_every_length() {
    let bench = Bench::new("source-cut");
    // Bytes that do not compress, so that every part of the archive is cut somewhere.
    let noise: Vec<u8> = (0..9000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let archive = xz(&Sources::new().file("top/noise", &noise).bytes());
    bench.unpack(&archive).unwrap();
    for length in (0..archive.len()).rev().step_by(61) {
        let error = bench.unpack(&archive[..length]);
        assert!(
            error.is_err(),
            "{length} of {} bytes are whole",
            archive.len()
        );
    }
    // The same for the package around it.
    bench.unpack(&archive).unwrap();
    let package = bench.0.path().join("a.deb");
    let whole = fs::read(&package).unwrap();
    for length in (0..whole.len() - 1).rev().step_by(97) {
        fs::write(&package, &whole[..length]).unwrap();
        let _ = fs::remove_dir_all(bench.tree());
        let error = unpack(&package, &bench.tree(), &Progress::silent());
        assert!(
            error.is_err(),
            "{length} of {} bytes are whole",
            whole.len()
        );
    }
}

#[test]
fn a_file_that_is_damaged_is_found_by_the_checksum() {
    let bench = Bench::new("source-damaged");
    let mut archive = xz(&Sources::new().file("top/f", &[b'a'; 100]).bytes());
    let end = archive.len();
    // The check of the block, before the index and the footer.
    for at in (end - 60..end - 12).step_by(5) {
        archive[at] ^= 1;
        let error = bench.unpack(&archive);
        archive[at] ^= 1;
        assert!(error.is_err(), "byte {at} of {end}");
    }
}

#[test]
fn a_package_without_sources_is_named() {
    let dir = directory("source-none");
    let package = dir.path().join("other.deb");
    DebBuilder::new("other", "1")
        .file("usr/bin/x", b"x")
        .write(&package);
    let error = unpack(&package, &dir.path().join("tree"), &Progress::silent());
    let text = error.unwrap_err().to_string();
    assert!(
        text.contains("other.deb has no sources of a kernel"),
        "{text}"
    );

    let bench = Bench::new("source-other");
    let archive = Sources(tar::Builder::new(Vec::new())).file("top/Makefile", b"x");
    let text = bench.complaint(archive);
    assert!(text.contains("have no Kconfig"), "{text}");
    let text = format!("{:#}", bench.unpack(b"no archive at all").unwrap_err());
    assert!(text.contains("a.deb cannot be unpacked: "), "{text}");
}
