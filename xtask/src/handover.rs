//! Commands that need more than this program is built with: another build of it has what they need,
//! and gets the arguments as they are. So the commands of every day start without building a
//! benchmark's or a page's libraries.

use anyhow::Result;
use clap::Args;

use crate::process::{self, cargo};

/// What the command takes; the other build knows, this one does not.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub struct Options {
    /// Arguments of the command (`--help` lists them)
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<String>,
}

/// Runs a command in a build with the feature of the same name.
///
/// # Errors
/// If it cannot be built, or fails.
pub fn hand_over(name: &str, arguments: &[String]) -> Result<()> {
    process::run(
        cargo()
            .args(["run", "-p", "xtask", "--features", name, "--", name])
            .args(arguments),
    )
}
