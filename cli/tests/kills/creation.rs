//! A process that makes overlays, one after the other, and is killed at it: the next one makes it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use virtarium::host::block::ImageFormat;
use virtarium::host::block::overlay::OverlayDisk;
use virtarium_tests::notes::counted;
use virtarium_tests::random::{Rng, seed, setting, soak};

use crate::{Victim, contents};

/// The name of the test below.
const TEST: &str = "creation::overlay_is_made_after_the_end_of_a_process_that_made_it";
/// Where the other process, which is this test once more, finds its image.
const DIR: &str = "VIRTARIUM_MAKER_DIR";

fn open(dir: &Path) -> OverlayDisk {
    let opened = OverlayDisk::open(&dir.join("base"), ImageFormat::Raw, &dir.join("overlay"));
    opened.unwrap_or_else(|error| panic!("{error:#}"))
}

fn make_until_killed(dir: &Path) {
    for made in 1..10_000 {
        drop(open(dir));
        println!("\nMADE {made}");
        std::fs::remove_file(dir.join("overlay")).expect("it was just made");
    }
}

#[test]
fn overlay_is_made_after_the_end_of_a_process_that_made_it() {
    if let Some(dir) = std::env::var_os(DIR) {
        make_until_killed(Path::new(&dir));
        return;
    }
    let name = "kills of a process that makes overlays";
    let seed = seed(name);
    let kills = setting("VIRTARIUM_KILLS").unwrap_or(if soak() { 1000 } else { 40 });
    let dir = tempfile::tempdir().expect("a directory for a disk");
    let image = vec![0x5a; 1 << 20];
    std::fs::write(dir.path().join("base"), &image).expect("room for an image");
    let mut unfinished = 0;
    for kill in 0..kills {
        let mut rng = Rng::case(seed, kill);
        let child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", TEST, "--nocapture"])
            .env(DIR, dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program can be started");
        let delay = Duration::from_micros(rng.below(10_000));
        Victim::new(child, "MADE ").kill(1, delay);
        let left = std::fs::read(dir.path().join("overlay")).unwrap_or_default();
        unfinished += u64::from(!left.is_empty() && left.iter().all(|byte| *byte == 0));
        assert!(
            contents(&mut open(dir.path())) == image,
            "kill {kill} of seed {seed:#x}"
        );
    }
    println!("{unfinished} overlays were not finished");
    counted(name, kills);
}
