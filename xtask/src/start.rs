//! `cargo xtask start`: from a fresh clone to a running Linux.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::Args;

use crate::{process, web, workspace};

/// Where the machine is to be seen.
#[derive(Args)]
pub struct Options {
    /// Run in this terminal, not in a page
    #[arg(long)]
    terminal: bool,
    /// Arguments of `virtarium serve`, or of `virtarium run` with --terminal (after `--`)
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Builds the program and boots the default guest: in a page that it serves until Ctrl-C, or in
/// this terminal, and then ends with the guest's exit status.
///
/// # Errors
/// If page or program cannot be built or started.
pub fn run(options: &Options) -> Result<ExitCode> {
    let page = match options.terminal {
        true => None,
        false => Some(page()?),
    };
    let program = workspace::release_program()?;
    eprintln!(
        "{}",
        match options.terminal {
            true => "Press Ctrl-A X to leave; `poweroff` in the guest does it as well.",
            false => "Press Ctrl-C to leave.",
        }
    );
    let status = Command::new(&program)
        .args(arguments(options, page.as_deref()))
        .status()
        .with_context(|| format!("{} cannot be run", program.display()))?;
    Ok(process::exit_code(status))
}

/// Builds the page.
fn page() -> Result<PathBuf> {
    web::build().context(
        "the page cannot be built; `cargo xtask start --terminal` boots the same machine here",
    )?;
    Ok(workspace::target().join("web"))
}

/// What the program is called with: to serve this page, or without one to run a guest with virtio
/// devices to look at.
fn arguments<'a>(options: &'a Options, page: Option<&'a Path>) -> Vec<&'a OsStr> {
    let mut all: Vec<&OsStr> = match page {
        Some(page) => vec!["serve".as_ref(), "--page".as_ref(), page.as_os_str()],
        None => ["run", "--console", "--rng"].map(OsStr::new).to_vec(),
    };
    all.extend(options.arguments.iter().map(OsStr::new));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guest_has_virtio_devices_and_what_the_user_adds() {
        let options = Options {
            terminal: true,
            arguments: vec!["--first".to_owned(), "2".to_owned()],
        };
        let all = arguments(&options, None);
        assert_eq!(all, ["run", "--console", "--rng", "--first", "2"]);
        let all = arguments(&options, Some(Path::new("page")));
        assert_eq!(all, ["serve", "--page", "page", "--first", "2"]);
    }
}
