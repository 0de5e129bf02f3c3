//! The `virtarium` command.

use std::process::ExitCode;

use clap::Parser;

/// A RISC-V computer to use and to look into.
#[derive(Parser)]
#[command(name = "virtarium", version)]
enum Command {
    Image(virtarium::image::command::ImageCommand),
}

fn main() -> ExitCode {
    let Command::Image(command) = Command::parse();
    match command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("virtarium: {error:#}");
            ExitCode::from(125)
        }
    }
}
