//! Where things are in this repository, and how its own programs are built.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The folder of the workspace's `Cargo.toml`.
pub fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// Cargo's target folder, absolute.
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// Builds the `virtarium` program with the release profile and returns its path.
///
/// # Errors
/// If cargo cannot be run or the build fails; cargo has said why.
pub fn release_program() -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(root())
        .args(["build", "--quiet", "--release", "--package", "virtarium"])
        .arg("--target-dir")
        .arg(target())
        .status()
        .context("cargo cannot be run")?;
    ensure!(status.success(), "`cargo build --release` failed");
    Ok(target().join("release").join("virtarium"))
}
