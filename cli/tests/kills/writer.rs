//! A process that does nothing but write to an overlay and flush it, killed and started again on
//! what it left, with a journal that is emptied every few flushes.

use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use virtarium::host::block::overlay::OverlayDisk;
use virtarium::host::block::{Backend, ImageFormat};
use virtarium_machine::host::BlockRequest;
use virtarium_tests::notes::counted;
use virtarium_tests::random::{Rng, seed, setting, soak};

use crate::{Victim, checkpoints, contents, create};

/// Sectors of the disk.
const SECTORS: u64 = 8192;
/// Clusters of 8 KiB, so that the map has many entries.
const CLUSTER_BITS: u32 = 13;
/// The name of the test below.
const TEST: &str = "writer::flushed_sectors_survive_the_end_of_the_process";
/// Where the other process finds its disk, its seed and its first step.
const DIR: &str = "VIRTARIUM_WRITER_DIR";
const SEED: &str = "VIRTARIUM_WRITER_SEED";
const FIRST: &str = "VIRTARIUM_WRITER_FIRST";

/// Sectors that a step changes before it flushes.
struct Change {
    step: u64,
    sectors: Range<u64>,
    /// They are zeroed and their space given back, which the map of the overlay has to tell.
    zero: bool,
}

impl Change {
    fn content(&self, sector: u64) -> [u8; 512] {
        let mut bytes = [0; 512];
        if !self.zero {
            let mut rng = Rng::case(self.step, sector);
            for word in bytes.chunks_exact_mut(8) {
                word.copy_from_slice(&rng.next().to_le_bytes());
            }
        }
        bytes
    }

    fn request(&self) -> BlockRequest {
        let sector = self.sectors.start;
        if self.zero {
            return BlockRequest::WriteZeroes {
                sector,
                count: self.sectors.end - sector,
                unmap: true,
            };
        }
        let data = self.sectors.clone().flat_map(|sector| self.content(sector));
        BlockRequest::Write {
            sector,
            data: data.collect(),
        }
    }
}

fn changes(seed: u64, step: u64) -> Vec<Change> {
    let mut rng = Rng::case(seed, step);
    let mut one = || {
        let count = 1 + rng.below(24);
        let start = rng.below(SECTORS - count);
        Change {
            step,
            sectors: start..start + count,
            zero: rng.once_in(3),
        }
    };
    (0..40).map(|_| one()).collect()
}

fn open(dir: &Path) -> OverlayDisk {
    OverlayDisk::open(&dir.join("base"), ImageFormat::Raw, &dir.join("overlay"))
        .expect("it was left sound")
}

/// What the other process does, which is this test once more.
fn write_until_killed(dir: &Path) {
    let (seed, first) = (
        setting(SEED).expect("a seed"),
        setting(FIRST).expect("a step"),
    );
    let mut disk = open(dir);
    let mut out = std::io::stdout();
    for step in first..first + 100_000 {
        for change in changes(seed, step) {
            disk.execute(&change.request()).expect("the host has room");
        }
        disk.execute(&BlockRequest::Flush).expect("the host writes");
        let line = format!("FLUSHED {step}\n");
        out.write_all(line.as_bytes()).expect("somebody listens");
        out.flush().expect("somebody listens");
    }
}

fn victim(dir: &Path, seed: u64, first: u64) -> Victim {
    let child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", TEST, "--nocapture"])
        .env(DIR, dir)
        .env(SEED, seed.to_string())
        .env(FIRST, first.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program can be started");
    Victim::new(child, "FLUSHED ")
}

#[test]
fn flushed_sectors_survive_the_end_of_the_process() {
    if let Some(dir) = std::env::var_os(DIR) {
        write_until_killed(Path::new(&dir));
        return;
    }
    let name = "kills of a process that writes to an overlay";
    let seed = seed(name);
    let kills = setting("VIRTARIUM_KILLS").unwrap_or(if soak() { 2000 } else { 60 });
    let dir = tempfile::tempdir().expect("a directory for a disk");
    let image = vec![0x5a; SECTORS as usize * 512];
    std::fs::write(dir.path().join("base"), &image).expect("room for an image");
    create(
        &dir.path().join("base"),
        &dir.path().join("overlay"),
        CLUSTER_BITS,
    );
    let mut known = image;
    let mut first = 1;
    for kill in 0..kills {
        let mut rng = Rng::case(!seed, kill);
        let victim = victim(dir.path(), seed, first);
        let number = first + rng.below(12);
        let flushed = victim.kill(number, Duration::from_micros(rng.below(6000)));
        for change in (first..=flushed).flat_map(|step| changes(seed, step)) {
            for sector in change.sectors.clone() {
                known[sector as usize * 512..][..512].copy_from_slice(&change.content(sector));
            }
        }
        // There may be something of the step after the last, and of the one after that, for the
        // report of a flush may be lost with its process.
        let newer = [flushed + 1, flushed + 2].map(|step| changes(seed, step));
        let newer: Vec<Change> = newer.into_iter().flatten().collect();
        let found = contents(&mut open(dir.path()));
        let sectors = known.chunks_exact(512).zip(found.chunks_exact(512));
        for (sector, (known, found)) in (0..).zip(sectors) {
            let mut newer = newer.iter().filter(|new| new.sectors.contains(&sector));
            assert!(
                known == found || newer.any(|new| new.content(sector) == found),
                "kill {kill} of seed {seed:#x}: {flushed} steps flushed, sector {sector} is none \
                 of what it may be"
            );
        }
        known = found;
        first = flushed + 3;
    }
    let checkpoints = checkpoints(&dir.path().join("overlay"));
    println!(
        "{} flushes, {checkpoints} checkpoints",
        first - 1 - 2 * kills
    );
    assert!(
        checkpoints > kills / 2,
        "the journal is hardly ever emptied"
    );
    counted(name, kills);
}
