//! `cargo xtask bench` in a build without the benchmark: builds one that has it, and hands over.

use anyhow::Result;
use clap::Args;

use crate::process::{self, cargo};

/// What the benchmark takes; it knows, we do not.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub struct Options {
    /// Arguments of the benchmark (`--help` lists them)
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs the benchmark.
///
/// # Errors
/// If it cannot be built, or fails.
pub fn run(options: &Options) -> Result<()> {
    process::run(
        cargo()
            .args(["run", "-p", "xtask", "--features", "bench", "--", "bench"])
            .args(&options.arguments),
    )
}
