//! `cargo xtask start`: from a fresh clone to a running Linux.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::Args;

use crate::{process, workspace};

/// Where the machine is to be seen.
#[derive(Args)]
pub struct Options {
    /// Run in this terminal
    #[arg(long)]
    terminal: bool,
    /// Arguments of `virtarium run` (after `--`)
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Builds the program and boots the default guest; ends with the guest's exit status.
///
/// # Errors
/// If the program cannot be built or started.
pub fn run(options: &Options) -> Result<ExitCode> {
    if !options.terminal {
        eprintln!("There is no page yet: starting in this terminal, as with --terminal.");
    }
    let program = workspace::release_program()?;
    eprintln!("Press Ctrl-A X to leave; `poweroff` in the guest does it as well.");
    let status = Command::new(&program)
        .args(arguments(options))
        .status()
        .with_context(|| format!("{} cannot be run", program.display()))?;
    Ok(process::exit_code(status))
}

/// What the program is called with: a guest with virtio devices to look at.
fn arguments(options: &Options) -> impl Iterator<Item = &str> {
    let ours = ["run", "--console", "--rng"].into_iter();
    ours.chain(options.arguments.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guest_has_virtio_devices_and_what_the_user_adds() {
        let options = Options {
            terminal: true,
            arguments: vec!["--cpus".to_owned(), "2".to_owned()],
        };
        let all: Vec<_> = arguments(&options).collect();
        assert_eq!(all, ["run", "--console", "--rng", "--cpus", "2"]);
    }
}
