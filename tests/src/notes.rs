//! What a test says beside passing, for the table that `cargo xtask test` prints at its end.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::{Command, Stdio};

/// Says that the test `name` did not run, and why: one that is skipped in silence is no test.
pub fn skipped(name: &str, reason: &str) {
    eprintln!("{name} skipped: {reason}");
    append(&format!("skip\t{name}\t{reason}\n"));
}

/// Says how many cases of `name` were looked at. Counts of one name are added up.
pub fn counted(name: &str, cases: u64) {
    println!("{name}: {cases}");
    append(&format!("count\t{name}\t{cases}\n"));
}

/// Whether a program is installed; where it is not, the test `name` is skipped.
#[must_use]
pub fn have(program: &str, name: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        skipped(name, &format!("{program} is not installed"));
    }
    found
}

/// Appends to the file that `VIRTARIUM_NOTES` names. One write each, so that the lines of tests
/// that run at a time stay whole; nothing is lost but a line of a table if it fails.
fn append(line: &str) {
    if let Some(path) = std::env::var_os("VIRTARIUM_NOTES")
        && let Ok(mut file) = OpenOptions::new().append(true).open(path)
    {
        let _ = file.write_all(line.as_bytes());
    }
}
