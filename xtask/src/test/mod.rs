//! `cargo xtask test`: everything that CI runs, in one command.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use clap::Args;

mod notes;
mod page;
mod report;
mod soak;
mod state;
mod units;

use crate::process::{self, cargo};
use crate::stages::{Outcome, Stages};
use crate::{check, fuzz, setup, workspace};
use notes::Notes;
use soak::{Shard, Soak};

/// How long each fuzz target runs, in seconds: without `--soak`, and with it.
const FUZZ_SECONDS: (u64, u64) = (10, 600);

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
    /// How long each fuzz target runs [default: 10, with --soak 600]
    #[arg(long, value_name = "SECONDS")]
    fuzz_seconds: Option<u64>,
    /// The full counts, and a report; an interrupted run of this commit is resumed
    #[arg(long)]
    soak: bool,
    /// Only part k of n of the soak run
    #[arg(long, value_name = "K/N", default_value = "1/1", requires = "soak")]
    shard: Shard,
    /// Only tests of the soak run whose name contains this
    #[arg(long, value_name = "TEXT", requires = "soak")]
    filter: Option<String>,
    /// Forget what an interrupted soak run has done
    #[arg(long, requires = "soak")]
    fresh: bool,
    /// Where the report of the soak run goes [default: target/soak]
    #[arg(long, value_name = "FILE", requires = "soak")]
    report: Option<PathBuf>,
    #[command(flatten)]
    check: check::Options,
}

/// Sets up, checks, tests, and prints how long each took.
///
/// # Errors
/// If a check or a test fails. Every step runs all the same.
pub fn run(options: &Options) -> Result<()> {
    if options.soak {
        return full(options);
    }
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
    stages.run_or_skip("page", page::units);
    stages.run_or_skip("page in browsers", || page::browsers(seed, notes.path()));
    let targets = fuzz_targets(options.fuzz_seconds.unwrap_or(FUZZ_SECONDS.0), seed);
    stages.run_or_skip("fuzz targets", targets);
    eprint!("{}", notes.read()?.summary());
    let ended = stages.finish();
    eprintln!("seed {seed:#x}");
    ended
}

/// The full counts.
fn full(options: &Options) -> Result<()> {
    if !options.no_install {
        setup::toolchain()?;
        setup::programs()?;
    }
    soak::run(&Soak {
        seed: options.seed,
        shard: options.shard,
        fuzz_seconds: options.fuzz_seconds.unwrap_or(FUZZ_SECONDS.1),
        filter: options.filter.clone(),
        fresh: options.fresh,
        report: options.report.clone(),
    })
}

/// Every target under libFuzzer for some seconds, all of them whatever one finds.
fn fuzz_targets(seconds: u64, seed: u64) -> impl FnOnce() -> Result<Outcome> {
    move || {
        if !process::succeeds(Command::new("c++").arg("--version")) {
            return Ok(Outcome::Skipped("no C++ compiler (c++)".to_owned()));
        }
        let built = fuzz::build()?;
        let mut failed = Vec::new();
        for name in fuzz::targets()? {
            match fuzz::target(&built, &name, seconds, seed) {
                Ok(inputs) => eprintln!("{name}: {inputs} inputs in {seconds} s"),
                Err(error) => failed.push(format!("{error:#}")),
            }
        }
        ensure!(failed.is_empty(), "{}", failed.join("; "));
        Ok(Outcome::Done)
    }
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
///
/// # Errors
/// If it is none.
pub fn number(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix("0x");
    let number = digits.map_or_else(|| text.parse(), |hex| u64::from_str_radix(hex, 16));
    number.map_err(|error| error.to_string())
}

/// Another seed each time.
pub fn seed_from_clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(1, |since| since.as_nanos() as u64)
}

/// A folder below `target` for what a command leaves behind.
fn folder(name: &str) -> Result<PathBuf> {
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
