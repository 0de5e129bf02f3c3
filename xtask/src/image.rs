//! `cargo xtask image`: builds the program and hands everything to `virtarium image`.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::Args;

use crate::{process, workspace};

/// What `virtarium image` takes.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub struct Options {
    /// Arguments of `virtarium image`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs `virtarium image` and ends as it does.
///
/// # Errors
/// If the program cannot be built or started.
pub fn run(options: &Options) -> Result<ExitCode> {
    let program = workspace::release_program()?;
    let status = Command::new(&program)
        .arg("image")
        .args(&options.arguments)
        .status()
        .with_context(|| format!("{} cannot be run", program.display()))?;
    Ok(process::exit_code(status))
}
