//! From the arguments to the exit status.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory;

use crate::args::{self, Cli, Command};
use crate::host::{signals, terminal};
use crate::qemu;
use crate::run::end::FAILED;
use crate::suite;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    report_panics();
    signals::survive_limits();
    let args = std::env::args_os().skip(1).collect();
    // A panic is a bug of ours; its hook has told of it.
    let code = std::panic::catch_unwind(|| run(args)).unwrap_or(FAILED);
    ExitCode::from(code)
}

/// Exit status of who was ended by SIGPIPE.
const PIPE: u8 = 128 + 13;

fn run(args: Vec<OsString>) -> u8 {
    let result = qemu::rewrite(args).map(args::parse);
    let cli = match result {
        Ok(Ok(cli)) => cli,
        Ok(Err(error)) => return usage(&error),
        Err(error) => return fail(&error),
    };
    match execute(cli.command) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

fn execute(command: Command) -> Result<u8> {
    match command {
        Command::Run(args) => crate::run::command(&args),
        Command::Test(args) => suite::run(&args, &crate::run::start_case),
        Command::Serve(args) => crate::serve::command(args).map(|()| 0),
        Command::Site(args) => crate::site::command(args).map(|()| 0),
        Command::Image(command) => command.run().map(|()| 0),
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "virtarium",
                &mut std::io::stdout(),
            );
            Ok(0)
        }
    }
}

fn fail(error: &anyhow::Error) -> u8 {
    // A list of ours that nobody reads to its end (`| head`). Errors of the network have a context.
    let cause = error.downcast_ref::<std::io::Error>();
    if cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
        && error.chain().count() == 1
    {
        return PIPE;
    }
    // Each cause after what it stopped; line breaks of a library's text would make it two.
    let text = format!("{error:#}");
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    complain(&lines.join(" "));
    FAILED
}

fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "virtarium: {text}");
}

/// Help and version go out as they are; a mistake becomes one line.
fn usage(error: &clap::Error) -> u8 {
    if !error.use_stderr() {
        let _ = error.print();
        return 0;
    }
    if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return FAILED;
    }
    complain(&one_line(&error.to_string()));
    FAILED
}

/// clap's text: the error, perhaps its tips, and the usage, which `--help` tells better.
fn one_line(text: &str) -> String {
    let mut parts = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("Usage:") || line.starts_with("For more information") {
            break;
        }
        let line = line.strip_prefix("error: ").unwrap_or(line);
        match line.strip_prefix("tip: ") {
            Some(tip) => parts.push(format!("({tip})")),
            None if !line.is_empty() => parts.push(line.to_owned()),
            None => {}
        }
    }
    parts.push("(see --help)".to_owned());
    parts.join(" ")
}

/// A bug of ours: the terminal is given back, and one line says where it is.
fn report_panics() {
    let trace = std::env::var_os("RUST_BACKTRACE").is_some();
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        terminal::leave();
        if trace {
            usual(info);
            return;
        }
        let place = info.location().map(ToString::to_string);
        let text = info.payload_as_str().unwrap_or("no reason given");
        complain(&format!(
            "a bug of ours at {}: {text}; please report it (RUST_BACKTRACE=1 tells more)",
            place.unwrap_or_else(|| "an unknown place".to_owned())
        ));
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(words: &[&str]) -> String {
        let words = words.iter().map(OsString::from).collect();
        let error = args::parse(words).unwrap_err();
        assert!(error.use_stderr());
        one_line(&error.to_string())
    }

    #[test]
    fn mistakes_become_one_line_that_keeps_the_tip() {
        let text = refusal(&["run", "--memroy", "128M"]);
        assert!(
            text.contains("--memroy") && text.contains("'--memory'"),
            "{text}"
        );
        let text = refusal(&["run", "--memory", "much"]);
        assert!(
            text.contains("--memory") && text.contains("unit of memory"),
            "{text}"
        );
        let text = refusal(&["run", "--clock", "x"]);
        assert!(text.contains("deterministic"), "{text}");
        for text in [text, refusal(&["nonsense"])] {
            assert!(!text.contains('\n') && !text.contains("Usage"), "{text}");
        }
    }
}
