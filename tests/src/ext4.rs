//! File systems on the host, by e2fsprogs: made, checked after a crash, and read.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::notes;

/// Where Debian puts them, which is not in everybody's path.
const PLACES: [&str; 3] = ["", "/usr/sbin/", "/sbin/"];

fn find(program: &str) -> Option<Command> {
    PLACES.iter().find_map(|place| {
        let path = format!("{place}{program}");
        let mut version = Command::new(&path);
        version.arg("-V").stdin(Stdio::null());
        version.output().is_ok().then(|| Command::new(path))
    })
}

/// The programs, whose presence was checked.
#[derive(Clone, Copy, Debug)]
pub struct Tools(());

impl Tools {
    /// The programs; where one is missing, the test `name` is skipped.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        for program in ["mke2fs", "e2fsck", "debugfs"] {
            if find(program).is_none() {
                let reason = format!("{program} is not installed (package e2fsprogs)");
                notes::skipped(name, &reason);
                return None;
            }
        }
        Some(Self(()))
    }

    fn run(self, program: &str, args: &[&str], file: &Path) -> Output {
        let mut command = find(program).expect("it was there at the start");
        command.args(args).arg(file).stdin(Stdio::null());
        command.output().expect("programs can be started")
    }

    /// Makes an ext4 file system of `mib` MiB with the smallest journal.
    ///
    /// # Panics
    /// If that fails.
    pub fn make(self, file: &Path, mib: u64) {
        let image = std::fs::File::create(file).expect("a file for the disk");
        image.set_len(mib << 20).expect("room for the disk");
        let args = ["-q", "-F", "-t", "ext4", "-b", "1024", "-J", "size=1"];
        let output = self.run("mke2fs", &args, file);
        assert!(output.status.success(), "{}", words(&output));
    }

    /// Replays the journal, as a mount would do.
    ///
    /// # Errors
    /// What e2fsck says if it cannot.
    pub fn replay(self, file: &Path) -> Result<(), String> {
        let output = self.run("e2fsck", &["-y", "-E", "journal_only"], file);
        // 1: the file system was changed, as it should.
        match output.status.code() {
            Some(0 | 1) => Ok(()),
            _ => Err(format!("e2fsck -E journal_only: {}", words(&output))),
        }
    }

    /// Checks a file system whose journal was replayed.
    ///
    /// # Errors
    /// What e2fsck finds wrong.
    pub fn check(self, file: &Path) -> Result<(), String> {
        let output = self.run("e2fsck", &["-f", "-n"], file);
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("e2fsck -fn: {}", words(&output))),
        }
    }

    /// Reads files by their paths in the file system; one that is missing is `None`. `scratch` is
    /// a directory for them.
    ///
    /// # Panics
    /// If debugfs cannot be run.
    #[must_use]
    pub fn read(self, file: &Path, paths: &[String], scratch: &Path) -> Vec<Option<Vec<u8>>> {
        let copy = |nth| scratch.join(format!("dump-{nth}"));
        let copies: Vec<PathBuf> = (0..paths.len()).map(copy).collect();
        let mut requests = String::new();
        for (path, copy) in paths.iter().zip(&copies) {
            let _ = std::fs::remove_file(copy);
            requests += &format!("dump {path} {}\n", copy.display());
        }
        let script = scratch.join("requests");
        std::fs::write(&script, requests).expect("room for a few lines");
        let script = script.to_str().expect("a name of ours");
        self.run("debugfs", &["-f", script], file);
        copies.iter().map(|copy| std::fs::read(copy).ok()).collect()
    }
}

fn words(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    format!("{}: {out}{err}", output.status)
}

/// A directory for images, in memory where the host has such a place.
#[must_use]
pub fn scratch() -> PathBuf {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => memory.to_owned(),
        false => std::env::temp_dir(),
    }
}
