//! Where things are in this repository, and how its own programs are built.

use std::env;
use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::process;

/// The folder of the workspace's `Cargo.toml`.
pub fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// A path as the command line has it, for programs that run in another folder.
///
/// # Errors
/// If it is empty, or the current folder is gone.
#[cfg(any(feature = "bench", feature = "web", test))]
pub fn absolute(path: impl AsRef<Path>) -> Result<PathBuf> {
    let path = path.as_ref();
    std::path::absolute(path).with_context(|| format!("{} is no folder", path.display()))
}

/// Cargo's target folder, absolute.
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// Builds the `virtarium` program with the release profile and returns its path. The first
/// build takes minutes, so somebody at a terminal sees it go on.
///
/// # Errors
/// If cargo cannot be run or the build fails; cargo has said why.
pub fn release_program() -> Result<PathBuf> {
    let mut cargo = process::cargo();
    cargo.args(["build", "--release", "--package", "virtarium"]);
    if !stderr().is_terminal() {
        cargo.arg("--quiet");
    }
    let status = cargo.status().context("cargo cannot be run")?;
    ensure!(status.success(), "`cargo build --release` failed");
    Ok(target().join("release").join("virtarium"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_current_folder() {
        let here = env::current_dir().unwrap();
        assert_eq!(absolute("types").unwrap(), here.join("types"));
        assert_eq!(absolute(here.join("a")).unwrap(), here.join("a"));
        assert!(absolute("").is_err());
    }
}
