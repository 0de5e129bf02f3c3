//! Processes that are killed while they write to a disk: what they had reported as flushed is there.
//!
//! `VIRTARIUM_SEED` repeats the draws of a run, which is when each process is killed and what it
//! writes; where exactly it is at that moment is the host's affair. `VIRTARIUM_SOAK=1` kills a
//! hundred machines, `VIRTARIUM_KILLS` another number.

mod creation;
mod guest;
mod writer;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout};
use std::time::Duration;

use virtarium::host::block::overlay::OverlayDisk;
use virtarium::host::block::{Backend, ImageFormat};
use virtarium_backends::disk::overlay::Summary;
use virtarium_backends::disk::{MemBase, MemStore, Overlay, OverlayOptions};
use virtarium_machine::host::BlockRequest;

/// The smallest journal: it is full, and emptied, every few flushes.
const SMALL_JOURNAL: u32 = 8192;

/// Makes an overlay with a small journal over the image at `base`.
fn create(base: &Path, overlay: &Path, cluster_bits: u32) {
    drop(OverlayDisk::open(base, ImageFormat::Raw, overlay).expect("a new overlay"));
    let base = MemBase {
        id: summary(overlay).base,
        bytes: std::fs::read(base).expect("the image under it"),
    };
    let options = OverlayOptions {
        journal_len: SMALL_JOURNAL,
        cluster_bits,
        ..OverlayOptions::default()
    };
    let disk = Overlay::create(MemStore::default(), base, &options).expect("possible options");
    std::fs::write(overlay, disk.into_store().bytes).expect("room for an overlay");
}

fn summary(overlay: &Path) -> Summary {
    let mut store = MemStore::new(std::fs::read(overlay).expect("an overlay"));
    let report = Overlay::<_, MemBase>::verify(&mut store).expect("memory can be read");
    report.summary.expect("it is sound")
}

/// How often the journal of an overlay was emptied.
fn checkpoints(overlay: &Path) -> u64 {
    summary(overlay).checkpoints
}

/// All bytes of a disk.
fn contents(disk: &mut dyn Backend) -> Vec<u8> {
    const PIECE: u64 = 1 << 20;
    let size = disk.capacity();
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < size {
        let at = bytes.len() as u64;
        let read = BlockRequest::Read {
            sector: at / 512,
            len: PIECE.min(size - at),
        };
        bytes.extend(disk.execute(&read).expect("it can be read"));
    }
    bytes
}

/// A process that says what it has flushed, in lines of a word and a number.
struct Victim {
    child: Child,
    said: BufReader<ChildStdout>,
    word: &'static str,
    /// The highest number so far.
    reported: u64,
    /// Everything that it said.
    all: String,
}

impl Victim {
    fn new(mut child: Child, word: &'static str) -> Self {
        let said = BufReader::new(child.stdout.take().expect("it is piped"));
        Self {
            child,
            said,
            word,
            reported: 0,
            all: String::new(),
        }
    }

    /// Takes the next line; `false` when there is none, or only a part of one.
    fn listen(&mut self) -> bool {
        let mut line = Vec::new();
        let got = self.said.read_until(b'\n', &mut line);
        got.expect("a pipe can be read");
        let line = String::from_utf8_lossy(&line);
        let whole = line.ends_with('\n');
        let number = line.trim_end().strip_prefix(self.word).map(str::trim);
        if whole && let Some(Ok(number)) = number.map(str::parse) {
            self.reported = number;
        }
        self.all += &line;
        whole
    }

    /// Kills it this long after its report of `number`. Returns the last number that it reported.
    ///
    /// # Panics
    /// If it ends before.
    fn kill(mut self, number: u64, delay: Duration) -> u64 {
        while self.reported < number {
            assert!(self.listen(), "no {number} from\n{}", self.all);
        }
        std::thread::sleep(delay);
        self.child.kill().expect("a child of ours");
        let status = self.child.wait().expect("a child of ours");
        assert_eq!(status.code(), None, "it ended before: {}", self.all);
        while self.listen() {}
        self.reported
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
