//! Running other programs: said before it happens, with nothing to read from.

use std::env;
use std::ffi::OsStr;
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// The cargo that runs this program, in the root of the workspace.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(workspace::root())
        .env("CARGO_TARGET_DIR", workspace::target());
    command
}

/// Shows the command and runs it, its output going where ours goes.
///
/// # Errors
/// If it cannot be run or fails.
pub fn run(command: &mut Command) -> Result<()> {
    let line = line(command);
    eprintln!("$ {line}");
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("`{line}` cannot be run"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// What a command prints to stdout, if it can be run and succeeds.
pub fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then_some(text)
}

/// Whether a command can be run and succeeds; what it prints is dropped.
pub fn succeeds(command: &mut Command) -> bool {
    output(command).is_some()
}

/// The command as it could be typed. Arguments with spaces are quoted; variables are left out.
fn line(command: &Command) -> String {
    let word = |word: &OsStr| {
        let word = word.to_string_lossy();
        if word.contains(char::is_whitespace) {
            format!("'{word}'")
        } else {
            word.into_owned()
        }
    };
    let program = std::path::Path::new(command.get_program());
    let mut words = vec![word(program.file_name().unwrap_or(program.as_os_str()))];
    words.extend(command.get_args().map(word));
    words.join(" ")
}

/// The end of a program that ran in our place, as ours. One that a signal ended counts as 128
/// and the signal's number, as in a shell.
pub fn exit_code(status: ExitStatus) -> ExitCode {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    #[cfg(not(unix))]
    let signal: Option<i32> = None;
    let code = status
        .code()
        .unwrap_or_else(|| 128 + signal.unwrap_or_default());
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_could_be_typed() {
        let mut command = Command::new("/usr/bin/printf");
        command.args(["%s", "two words"]);
        assert_eq!(line(&command), "printf %s 'two words'");
    }

    #[test]
    fn a_program_that_is_missing_has_no_output() {
        assert_eq!(output(&mut Command::new("no-such-program")), None);
    }
}
