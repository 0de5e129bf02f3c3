//! `cargo xtask web` in a build without the generator of bindings: builds one that has it, and
//! hands over.

use anyhow::Result;
use clap::Args;

use crate::process::{self, cargo};

/// What the build of the page takes; it knows, we do not.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub struct Options {
    /// Arguments of the build (`--help` lists them)
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds the page.
///
/// # Errors
/// If it cannot be built.
pub fn run(options: &Options) -> Result<()> {
    process::run(
        cargo()
            .args(["run", "-p", "xtask", "--features", "web", "--", "web"])
            .args(&options.arguments),
    )
}
