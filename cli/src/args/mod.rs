//! The command line, as clap reads it.

pub mod devices;
pub mod keys;
pub mod run;
pub mod serve;
pub mod site;
pub mod test;
pub mod units;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::image::command::ImageCommand;
use run::RunArgs;
use serve::ServeArgs;
use site::SiteArgs;
use test::TestArgs;

/// A RISC-V computer in a terminal.
#[derive(Debug, Parser)]
#[command(
    name = "virtarium",
    version = crate::version::VERSION,
    long_version = crate::version::LONG_VERSION,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a machine in this terminal
    Run(Box<RunArgs>),
    /// Run a suite of guests as regression cases
    Test(TestArgs),
    /// Serve the page with the machine to the browsers of this machine
    Serve(ServeArgs),
    /// Write the page and its machines into a folder that any web server can hand out
    Site(SiteArgs),
    /// Fetch and build guest images
    Image(ImageCommand),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Reads the arguments, without the program's name.
pub fn parse(args: Vec<OsString>) -> Result<Cli, clap::Error> {
    let argv = std::iter::once(OsString::from("virtarium")).chain(args);
    let mut matches = Cli::command().try_get_matches_from(argv)?;
    let run = matches.subcommand_matches("run").cloned();
    let mut cli = Cli::from_arg_matches_mut(&mut matches)?;
    if let (Command::Run(args), Some(run)) = (&mut cli.command, run) {
        args.restore_order(&run);
    }
    Ok(cli)
}

/// How many of the following words belong to an option of `run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// None: a switch, or the value is part of the word.
    Nothing,
    /// One, whatever it looks like.
    One,
    /// One, unless it looks like an option.
    Optional,
}

/// What `word` takes if it is an option of `virtarium run`, or `None` if it is none.
pub fn run_option(word: &str) -> Option<Takes> {
    let command = Cli::command();
    let run = command.find_subcommand("run")?;
    let (name, has_value) = match word.split_once('=') {
        Some((name, _)) => (name, true),
        None => (word, false),
    };
    if ["-h", "--help"].contains(&name) {
        return Some(Takes::Nothing);
    }
    let arg = run.get_arguments().find(|arg| {
        let long = arg.get_long().map(|long| format!("--{long}"));
        let short = arg.get_short().map(|short| format!("-{short}"));
        long.as_deref() == Some(name) || short.as_deref() == Some(name)
    })?;
    Some(match arg.get_num_args() {
        _ if has_value => Takes::Nothing,
        Some(range) if range.max_values() == 0 => Takes::Nothing,
        Some(range) if range.min_values() == 0 => Takes::Optional,
        // clap sets the range only when it builds the command; the action tells as well.
        _ if arg.get_action().takes_values() => Takes::One,
        _ => Takes::Nothing,
    })
}

#[cfg(test)]
mod tests;
