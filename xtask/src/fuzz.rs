//! `cargo xtask fuzz`: the targets of `fuzz/` under libFuzzer, without cargo-fuzz.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::process::{self, cargo};
use crate::workspace;

/// Coverage of every edge, with counters, and the operands of comparisons. Stable compilers
/// take these flags.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// One input that takes longer is a hang.
const HANG_SECONDS: u32 = 20;
/// One process that takes more has met an unbounded allocation.
const MEMORY_MIB: u32 = 2048;

/// Which targets, and how long.
#[derive(Args)]
pub struct Options {
    /// Targets [default: all of fuzz/fuzz_targets]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// How long each target runs
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// The seed of libFuzzer [default: from the clock]
    #[arg(long, value_name = "N", value_parser = crate::test::number)]
    seed: Option<u64>,
    /// Run the target once, on this input
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
}

/// Builds the targets and runs those that are asked for.
///
/// # Errors
/// If one finds something, or cannot be built.
pub fn run(options: &Options) -> Result<()> {
    let all = targets()?;
    for name in &options.targets {
        ensure!(
            all.contains(name),
            "there is no target {name:?}; there are: {}",
            all.join(", ")
        );
    }
    let built = build()?;
    let seed = options.seed.unwrap_or_else(crate::test::seed_from_clock);
    let chosen = if options.targets.is_empty() {
        all
    } else {
        options.targets.clone()
    };
    for name in &chosen {
        if let Some(input) = &options.input {
            process::run(Command::new(built.join(name)).arg(input))?;
        } else {
            let found = target(&built, name, options.seconds, seed)?;
            eprintln!("{name}: {found} inputs in {} s", options.seconds);
        }
    }
    Ok(())
}

/// The names of the targets: those of the files in `fuzz/fuzz_targets`.
///
/// # Errors
/// If the folder cannot be read.
pub fn targets() -> Result<Vec<String>> {
    let folder = workspace::root().join("fuzz").join("fuzz_targets");
    let entries = fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some(name.strip_suffix(".rs")?.to_owned())
        })
        .collect();
    names.sort();
    Ok(names)
}

/// Builds every target with coverage and returns the folder of the programs.
///
/// # Errors
/// If the build fails; libFuzzer needs a C++ compiler.
pub fn build() -> Result<PathBuf> {
    let host = host()?;
    let folder = workspace::target().join("fuzz");
    process::run(
        cargo()
            .args(["build", "--manifest-path", "fuzz/Cargo.toml", "--release"])
            // With a target named, build scripts are built without the flags.
            .args(["--target", &host])
            .env("CARGO_TARGET_DIR", &folder)
            .env("RUSTFLAGS", COVERAGE),
    )?;
    Ok(folder.join(host).join("release"))
}

/// Runs one target for some seconds, its output in a file, and returns how many inputs it took.
/// What is found joins the corpus below `target`, from which the next run begins.
///
/// # Errors
/// If an input makes the target panic, hang or take too much memory: with the end of its output
/// and the command that repeats it.
pub fn target(built: &Path, name: &str, seconds: u64, seed: u64) -> Result<u64> {
    let folder = workspace::target().join("fuzz");
    let corpus = folder.join("corpus").join(name);
    let artifacts = folder.join("artifacts");
    for folder in [&corpus, &artifacts] {
        fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    }
    let log = folder.join(format!("{name}.log"));
    let file = File::create(&log).with_context(|| format!("{}", log.display()))?;
    let prefix = artifacts.join(format!("{name}-"));
    let status = Command::new(built.join(name))
        .arg(format!("-max_total_time={seconds}"))
        // Zero would mean one from the clock.
        .arg(format!("-seed={}", (seed as u32).max(1)))
        .arg(format!("-timeout={HANG_SECONDS}"))
        .arg(format!("-rss_limit_mb={MEMORY_MIB}"))
        .arg(format!("-artifact_prefix={}", prefix.display()))
        .arg("-print_final_stats=1")
        .arg(&corpus)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        .status()
        .with_context(|| format!("{} cannot be run", built.join(name).display()))?;
    let said = fs::read(&log).with_context(|| format!("{}", log.display()))?;
    let said = String::from_utf8_lossy(&said);
    if !status.success() {
        let lines: Vec<_> = said.lines().collect();
        let end = lines.len().saturating_sub(40);
        eprintln!("{}", lines.get(end..).unwrap_or_default().join("\n"));
        let input = artifact(&said).unwrap_or_else(|| prefix.display().to_string());
        bail!("{name}: repeat with `cargo xtask fuzz {name} --input {input}`");
    }
    executed(&said).with_context(|| format!("{name} did not say how many inputs it took"))
}

/// The triple that this compiler builds for by itself.
fn host() -> Result<String> {
    let version = process::output(Command::new("rustc").arg("-vV")).context("rustc -vV failed")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names no host")?.to_owned())
}

/// How many inputs, from libFuzzer's statistics.
fn executed(said: &str) -> Option<u64> {
    let (_, rest) = said.split_once("stat::number_of_executed_units:")?;
    rest.split_whitespace().next()?.parse().ok()
}

/// The file with the input that failed.
fn artifact(said: &str) -> Option<String> {
    let (_, rest) = said.split_once("Test unit written to ")?;
    Some(rest.lines().next()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_inputs_is_read() {
        let said = "Done 7 runs\nstat::number_of_executed_units: 1234\nstat::x: 1\n";
        assert_eq!(executed(said), Some(1234));
    }

    #[test]
    fn every_target_has_a_program_of_its_name() {
        let manifest = fs::read_to_string(workspace::root().join("fuzz/Cargo.toml")).unwrap();
        for name in targets().unwrap() {
            let line = format!("path = \"fuzz_targets/{name}.rs\"");
            assert!(manifest.contains(&line), "{name}");
        }
    }
}
