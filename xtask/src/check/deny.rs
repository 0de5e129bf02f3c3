//! `cargo deny`: licences, bans and sources of every dependency. Installed once where missing.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::process::{self, cargo};
use crate::workspace;

/// The version that `deny.toml` was written for.
const VERSION: &str = "0.20.2";

/// The manifests with a lock file of their own.
const MANIFESTS: [&str; 2] = ["Cargo.toml", "fuzz/Cargo.toml"];

/// Checks every lock file, after installing the tool if need be.
///
/// # Errors
/// If it cannot be installed, or a dependency is not allowed; cargo-deny says which.
pub fn run() -> Result<()> {
    let program = match found() {
        Some(program) => program,
        None => install()?,
    };
    for manifest in MANIFESTS {
        process::run(
            Command::new(&program)
                .current_dir(workspace::root())
                .args(["--manifest-path", manifest, "--log-level", "error"])
                .args(["--config", "deny.toml"])
                .args(["check", "licenses", "bans", "sources"]),
        )?;
    }
    Ok(())
}

/// Where we install it: beside what cargo builds, so that `cargo clean` forgets it.
fn home() -> PathBuf {
    workspace::target().join("tools")
}

/// One on the path, or ours.
fn found() -> Option<PathBuf> {
    let name = format!("cargo-deny{}", env::consts::EXE_SUFFIX);
    let ours = home().join("bin").join(&name);
    [PathBuf::from(name), ours].into_iter().find(|program| {
        let version = process::output(Command::new(program).arg("--version"));
        version.is_some_and(|version| version.trim().ends_with(VERSION))
    })
}

/// Builds it without optimisation: it runs for a second, and is built in half the time.
fn install() -> Result<PathBuf> {
    eprintln!("cargo-deny {VERSION} is missing; building it once, which takes some minutes");
    let mut command = cargo();
    command
        .args([
            "install",
            "--locked",
            "--debug",
            "cargo-deny",
            "--version",
            VERSION,
        ])
        .arg("--root")
        .arg(home())
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_TARGET_DIR", home().join("build"));
    process::run(&mut command)?;
    // Half a gigabyte that nobody needs again.
    let _ = std::fs::remove_dir_all(home().join("build"));
    Ok(home().join("bin").join("cargo-deny"))
}
