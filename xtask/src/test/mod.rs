//! `cargo xtask test`: everything that CI runs, in one command.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use clap::Args;

mod notes;

use crate::check;
use crate::process::{self, cargo};
use crate::setup;
use crate::stages::Stages;
use crate::workspace;
use notes::Notes;

/// How much, and from which seed.
#[derive(Args)]
pub struct Options {
    /// The seed of everything random, to repeat a run [default: from the clock]
    #[arg(long, value_name = "N", value_parser = number)]
    seed: Option<u64>,
    /// Tests only: no checks before them
    #[arg(long)]
    no_check: bool,
    /// Install nothing, whatever is missing
    #[arg(long)]
    no_install: bool,
    #[command(flatten)]
    check: check::Options,
}

/// Sets up, checks, tests, and prints how long each took.
///
/// # Errors
/// If a check or a test fails. Every step runs all the same.
pub fn run(options: &Options) -> Result<()> {
    let seed = options.seed.unwrap_or_else(seed_from_clock);
    eprintln!("seed {seed:#x} (repeat with --seed {seed:#x})");
    let mut stages = Stages::default();
    if !options.no_install {
        stages.run("toolchain", setup::toolchain);
        stages.run("programs", setup::programs);
    }
    if !options.no_check {
        check::all(&mut stages, &options.check);
    }
    let notes = Notes::new()?;
    stages.run("tests", || tests(seed, &notes));
    eprint!("{}", notes.read()?.summary());
    let ended = stages.finish();
    eprintln!("seed {seed:#x}");
    ended
}

/// Every test of the workspace, those in documentation too.
fn tests(seed: u64, notes: &Notes) -> Result<()> {
    process::run(
        cargo()
            .args(["test", "--workspace", "--all-features", "--no-fail-fast"])
            .env("VIRTARIUM_SEED", format!("{seed:#x}"))
            .env(notes::VARIABLE, notes.path()),
    )
}

/// A number, decimal or with `0x`.
fn number(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix("0x");
    let number = digits.map_or_else(|| text.parse(), |hex| u64::from_str_radix(hex, 16));
    number.map_err(|error| error.to_string())
}

fn seed_from_clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(1, |since| since.as_nanos() as u64)
}

/// A folder below `target` for what a command leaves behind.
fn folder(name: &str) -> Result<std::path::PathBuf> {
    let folder = workspace::target().join(name);
    fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_seed_is_given_as_it_is_printed() {
        assert_eq!(super::number("0x2a"), Ok(42));
        assert_eq!(super::number("42"), Ok(42));
        assert!(super::number("x").is_err());
    }
}
