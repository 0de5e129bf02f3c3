//! From a package of sources to a kernel in the cache, with a shell in the place of `make`.

use std::collections::BTreeMap;

use super::*;
use crate::image::digest::Sha256;
use crate::image::testing::{DebBuilder, Directory, directory, xz};
use crate::image::{GUESTS, Options, guest, needs_compiling};

/// A `make` that takes the options as they are and builds an Image of nothing.
const GOOD: &str = "
case $* in
*allnoconfig) cp \"$KCONFIG_ALLCONFIG\" .config ;;
*Image)
    echo '  CC      a.o'
    mkdir -p arch/riscv/boot
    { head -c 56 /dev/zero; printf 'RSC\\005'; } >arch/riscv/boot/Image
    ;;
esac
";

struct Bench(Directory);

impl Bench {
    fn new(name: &str) -> Self {
        let dir = directory(name);
        fs::create_dir(dir.path().join("image")).unwrap();
        Self(dir)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// Builds out of a package whose `make` is this script.
    fn build(&self, script: &str) -> Result<()> {
        let mut sources = tar::Builder::new(Vec::new());
        for (name, content) in [
            ("top/Makefile", "x"),
            ("top/Kconfig", "x"),
            ("top/arch/riscv/Makefile", "x"),
            // The first argument of make, which a shell takes for its script.
            ("top/ARCH=riscv", script),
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(0);
            sources
                .append_data(&mut header, name, content.as_bytes())
                .unwrap();
        }
        let archive = xz(&sources.into_inner().unwrap());
        let path = self.path("a.deb");
        DebBuilder::new("linux-source-6.12", "6.12.1-1")
            .file("usr/src/linux-source-6.12.tar.xz", &archive)
            .write(&path);
        let package = Package {
            name: "linux-source-6.12".to_owned(),
            version: "6.12.1-1".to_owned(),
            file: "pool/main/l/linux/a.deb".to_owned(),
            size: 3,
            sha256: Sha256::of(b"x"),
        };
        let inputs = Inputs {
            packages: BTreeMap::from([(SOURCE.to_owned(), vec![(package, path)])]),
            progress: Progress::silent(),
        };
        build_with(
            "sh",
            &inputs,
            &self.path("image"),
            &self.path("build/small"),
        )
    }

    fn complaint(&self, script: &str) -> String {
        format!("{:#}", self.build(script).unwrap_err())
    }

    /// Names below the folder of builds.
    fn left(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("build")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    }
}

#[test]
fn a_kernel_comes_with_its_options_and_the_way_to_its_source() {
    let bench = Bench::new("compile");
    // What an interrupted build left is in nobody's way.
    fs::create_dir_all(bench.path("build/small/linux/Makefile")).unwrap();
    bench.build(GOOD).unwrap();
    let read = |name: &str| fs::read_to_string(bench.path("image").join(name)).unwrap();
    assert!(is_image(read(IMAGE).as_bytes()));
    assert_eq!(read(CONFIG), recipe::SMALL_CONFIG.1);
    let notice = read(NOTICE);
    for part in [
        "linux-source-6.12, version 6.12.1-1",
        "pool/main/l/linux/a.deb",
        &Sha256::of(b"x").to_string(),
        "General Public License",
    ] {
        assert!(notice.contains(part), "{notice}");
    }
    assert!(bench.left().is_empty(), "{:?}", bench.left());
}

#[test]
fn a_build_that_fails_leaves_its_log_and_nothing_else() {
    let bench = Bench::new("compile-failed");
    let script = GOOD.replace("mkdir", "echo a.c: error: no >&2; exit 2; mkdir");
    let text = bench.complaint(&script);
    assert!(text.contains("`make Image` failed"), "{text}");
    assert!(text.contains("a.c: error: no; "), "{text}");
    assert!(
        text.contains(&*bench.path("build/small.log").to_string_lossy()),
        "{text}"
    );
    assert_eq!(bench.left(), ["small.log"]);
    let log = fs::read_to_string(bench.path("build/small.log")).unwrap();
    assert_eq!(log, "  CC      a.o\na.c: error: no\n");
    assert!(!bench.path("image").join(IMAGE).exists());
}

#[test]
fn an_option_that_the_source_has_no_more_ends_the_build_before_it_begins() {
    let bench = Bench::new("compile-option");
    let script = GOOD.replace(
        "cp \"$KCONFIG_ALLCONFIG\"",
        "grep -v VIRTIO_BLK= \"$KCONFIG_ALLCONFIG\" >",
    );
    let text = bench.complaint(&script);
    assert_eq!(
        text,
        "kernel/small.config does not fit linux-source-6.12: CONFIG_VIRTIO_BLK=y vanished: \
         there is no such option any more, or one that it depends on is off"
    );
    let log = fs::read_to_string(bench.path("build/small.log")).unwrap();
    assert_eq!(log, "", "nothing was compiled");
}

#[test]
fn what_is_no_kernel_is_refused() {
    let bench = Bench::new("compile-none");
    let text = bench.complaint(&GOOD.replace("RSC", "XXX"));
    assert_eq!(text, "what make built is not a RISC-V Image");
    let text = bench.complaint(&GOOD.replace(">arch/riscv/boot/Image", ">/dev/null"));
    assert!(text.starts_with("make left no "), "{text}");
    let text = bench.complaint(&GOOD.replace(".config", "/dev/null"));
    assert!(text.starts_with("cannot read "), "{text}");
}

#[test]
fn a_disk_that_is_too_small_is_said_before_the_work() {
    let dir = directory("compile-room");
    room(dir.path(), 1).unwrap();
    let text = room(dir.path(), u64::MAX).unwrap_err().to_string();
    assert!(text.contains("are free: free some space"), "{text}");
}

#[test]
fn a_guest_that_was_not_compiled_says_how_to() {
    let dir = directory("compile-not");
    let options = Options {
        cache: Some(dir.path().join("cache")),
        mirror: Some("http://127.0.0.1:1/none".to_owned()),
        progress: Progress::silent(),
        ..Options::default()
    };
    assert!(GUESTS.contains(&"small"));
    assert!(needs_compiling(&options, "small").unwrap());
    assert!(!needs_compiling(&options, "busybox").unwrap());
    let text = guest(&options, "small").unwrap_err().to_string();
    assert!(text.contains("`virtarium image build small`"), "{text}");
    assert!(!text.contains('\n'), "{text}");
    assert!(!dir.path().join("cache").exists(), "nothing was begun");
}
