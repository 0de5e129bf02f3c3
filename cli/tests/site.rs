//! `virtarium site`: what is in the folder is what the machine files say, and stays.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use flate2::read::GzDecoder;
use virtarium::image::digest::Sha256;
use virtarium::site::machine::{Encoding, Entry, MachineFile};

const PAGE: [&str; 7] = [
    "index.html",
    "virtarium.js",
    "worker.js",
    "virtarium.wasm",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "THIRD-PARTY.txt",
];

fn write(page: &Path, site: &Path) {
    let status = Command::new(env!("CARGO_BIN_EXE_virtarium"))
        .args(["site", "--guest", "busybox", "--page"])
        .args([page, site])
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
}

/// When each file of a folder was written.
fn times(dir: &Path, into: &mut BTreeMap<String, SystemTime>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => times(&path, into),
            false => {
                let time = fs::metadata(&path).unwrap().modified().unwrap();
                into.insert(path.to_str().unwrap().to_owned(), time);
            }
        }
    }
}

#[test]
fn a_site_is_what_its_machine_files_say_and_is_written_once() {
    let dir = tempfile::tempdir().unwrap();
    let (page, site) = (dir.path().join("page"), dir.path().join("site"));
    fs::create_dir(&page).unwrap();
    for name in PAGE {
        fs::write(page.join(name), name).unwrap();
    }
    write(&page, &site);
    for name in PAGE {
        assert_eq!(fs::read_to_string(site.join(name)).unwrap(), name);
    }
    let machines = site.join("machines");
    let index = fs::read(machines.join("index.json")).unwrap();
    let index: Vec<Entry> = serde_json::from_slice(&index).unwrap();
    assert_eq!(index.len(), 1);
    let machine = fs::read(machines.join(&index[0].url)).unwrap();
    let machine: MachineFile = serde_json::from_slice(&machine).unwrap();
    assert_eq!(machine.title, index[0].title);
    assert_eq!(index[0].disks, !machine.disks.is_empty());
    assert!(machine.agent < Some(machine.consoles));
    // What is written to /root is kept.
    assert_eq!(machine.disks.len(), 1);
    assert_eq!(machine.disks[0].size.as_deref(), Some("64M"));
    assert!(machine.append.ends_with(" virtarium.home=/dev/vda"));
    for file in [&machine.kernel, machine.initrd.as_ref().unwrap()] {
        assert_eq!(file.encoding, Some(Encoding::Gzip));
        let packed = fs::File::open(machines.join(&file.url)).unwrap();
        let mut bytes = Vec::new();
        GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
        assert_eq!(
            (bytes.len() as u64, Sha256::of(&bytes)),
            (file.size, file.sha256)
        );
    }
    let sources = fs::read_to_string(machines.join(machine.sources.unwrap())).unwrap();
    // What the kernel is made of, the shell, and what the shell is linked with.
    for source in [
        "| linux | ",
        "| busybox | ",
        "| glibc | ",
        "(THIRD-PARTY.txt)",
    ] {
        assert!(sources.contains(source), "{source} in {sources}");
    }

    let mut before = BTreeMap::new();
    times(&site, &mut before);
    assert_eq!(before.len(), PAGE.len() + 5);
    fs::write(page.join("worker.js"), "changed").unwrap();
    write(&page, &site);
    let mut after = BTreeMap::new();
    times(&site, &mut after);
    let changed: Vec<_> = after
        .iter()
        .filter(|(path, time)| before.get(*path) != Some(time))
        .collect();
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert_eq!(
        fs::read_to_string(site.join("worker.js")).unwrap(),
        "changed"
    );
}
