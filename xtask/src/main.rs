//! `cargo xtask`: the one tool of this repository.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[cfg(feature = "bench")]
mod bench;
mod cast;
mod check;
mod fuzz;
#[cfg(not(all(feature = "bench", feature = "web")))]
mod handover;
mod image;
mod process;
mod setup;
mod stages;
mod start;
mod test;
#[cfg(feature = "web")]
mod web;
mod workspace;

/// Without the libraries of the benchmark.
#[cfg(not(feature = "bench"))]
mod bench {
    pub use crate::handover::Options;

    pub fn run(options: &Options) -> anyhow::Result<()> {
        crate::handover::hand_over("bench", &options.arguments)
    }
}

/// Without the generator of the page's bindings.
#[cfg(not(feature = "web"))]
mod web {
    pub use crate::handover::Options;

    pub fn run(options: &Options) -> anyhow::Result<()> {
        crate::handover::hand_over("web", &options.arguments)
    }

    pub fn build() -> anyhow::Result<()> {
        crate::handover::hand_over("web", &[])
    }
}

#[derive(Parser)]
#[command(name = "cargo xtask", about, version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Boot Linux: build the program and run it
    Start(start::Options),
    /// Run everything that CI runs: checks, tests, fuzz targets
    Test(test::Options),
    /// Format, lints, documentation, licences and the rules of this repository
    Check(check::Options),
    /// Run fuzz targets under libFuzzer
    Fuzz(fuzz::Options),
    /// Measure the same programs natively, in QEMU and here, side by side
    Bench(bench::Options),
    /// Record a boot as the picture in the README
    Cast(cast::Options),
    /// Build the page: the machine as WebAssembly, the element, the npm package
    Web(web::Options),
    /// Fetch, build and list guest images (`virtarium image`)
    Image(image::Options),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Start(options) => start::run(&options),
        Command::Test(options) => test::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Check(options) => check::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Fuzz(options) => fuzz::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Bench(options) => bench::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Cast(options) => cast::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Web(options) => web::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Image(options) => image::run(&options),
    };
    result.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
