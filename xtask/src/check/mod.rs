//! `cargo xtask check`: what can be said about the tree without running a test.

use anyhow::{Result, bail};
use clap::Args;

mod deny;
mod files;
mod layers;
mod rules;

use crate::process::{self, cargo};
use crate::setup::{self, WASM};
use crate::stages::{Outcome, Stages};

/// Which checks.
#[derive(Args)]
#[group(skip)]
pub struct Options {
    /// Leave the licences out (the first time, cargo-deny is built, which takes minutes)
    #[arg(long)]
    no_deny: bool,
}

/// Runs the checks and prints how long each took.
///
/// # Errors
/// If one of them fails.
pub fn run(options: &Options) -> Result<()> {
    let mut stages = Stages::default();
    stages.run("toolchain", setup::toolchain);
    all(&mut stages, options);
    stages.finish()
}

/// Every check, the quick ones first.
pub fn all(stages: &mut Stages, options: &Options) {
    stages.run("repository", repository);
    stages.run("format", || {
        process::run(cargo().args(["fmt", "--all", "--check"]))
    });
    if !options.no_deny {
        stages.run("licences", deny::run);
    }
    stages.run("lints", || {
        process::run(cargo().args([
            "clippy",
            "--workspace",
            "--all-features",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))
    });
    // Prose may name what is private: the readers of these pages change the code.
    stages.run("documentation", || {
        process::run(
            cargo()
                .args(["doc", "--workspace", "--all-features", "--no-deps"])
                .env(
                    "RUSTDOCFLAGS",
                    "-D warnings -A rustdoc::private_intra_doc_links",
                ),
        )
    });
    stages.run_or_skip("core for wasm32", wasm);
}

/// The rules of this repository, on every file that git knows or would add.
fn repository() -> Result<()> {
    let files = files::texts()?;
    let mut found: Vec<String> = files.iter().flat_map(rules::check).collect();
    found.extend(files.iter().flat_map(layers::check));
    found.extend(rules::check_names(&files));
    for line in &found {
        eprintln!("{line}");
    }
    eprintln!("{} files read", files.len());
    if !found.is_empty() {
        bail!(
            "{} things against the rules of this repository",
            found.len()
        );
    }
    Ok(())
}

/// The core crates build without a standard library's services: no clock, no files, no threads.
fn wasm() -> Result<Outcome> {
    if !setup::has_target(WASM) {
        return Ok(Outcome::Skipped(format!(
            "no Rust target {WASM} (rustup target add {WASM})"
        )));
    }
    process::run(cargo().args([
        "build",
        "-p",
        "virtarium-machine",
        "-p",
        "virtarium-backends",
        "--target",
        WASM,
    ]))?;
    Ok(Outcome::Done)
}
