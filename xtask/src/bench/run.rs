//! Running programs on the host and machines in a child process, with the host's clock.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::clock::Clock;
use super::console::{Outcome, Session, checksum};
use super::subject::{Boot, Machine};

/// Bytes of the console that an error message repeats.
const TAIL: usize = 2000;

/// The processor that everything measured runs on, one at a time: the last that this process
/// may use, so that the reader of the console has another where there are several.
pub struct Pin(Option<usize>);

impl Pin {
    /// Finds the processor; none where there is no `taskset` or no `/proc`.
    pub fn find() -> Self {
        let works = Command::new("taskset").arg("--version").output().is_ok();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let list = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        Self(list.and_then(last_processor).filter(|_| works))
    }

    /// No processor in particular.
    #[cfg(test)]
    pub fn none() -> Self {
        Self(None)
    }

    /// The processor's number.
    pub fn processor(&self) -> Option<usize> {
        self.0
    }

    /// A command that runs `program` there.
    fn command(&self, program: &Path) -> Command {
        match self.0 {
            // taskset replaces itself, so the child's id is the program's.
            Some(number) => {
                let mut command = Command::new("taskset");
                command.arg("-c").arg(number.to_string()).arg(program);
                command
            }
            None => Command::new(program),
        }
    }
}

/// The last number of a list such as `0-3,8`.
fn last_processor(list: &str) -> Option<usize> {
    list.trim().rsplit(['-', ',']).next()?.parse().ok()
}

/// How things are run and timed.
pub struct Bench {
    /// Where.
    pub pin: Pin,
    /// Time is the process's use of processors, not the wall's.
    pub processor_time: bool,
    /// How long a machine may be silent.
    pub patience: Duration,
}

/// Runs one program on the host, with a share of its work if `divisor` is not 1.
///
/// # Errors
/// If it cannot be run.
pub fn native(bench: &Bench, folder: &Path, name: &str, divisor: u64) -> Result<Outcome> {
    let mut command = bench.pin.command(&folder.join(name));
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    if divisor > 1 {
        command.arg(divisor.to_string());
    }
    let start = Instant::now();
    let mut child = command
        .spawn()
        .with_context(|| format!("{name} cannot be run"))?;
    let clock = Clock::of(bench.processor_time, start, child.id());
    let mut output = Vec::new();
    let mut stdout = child.stdout.take().context("no output")?;
    stdout.read_to_end(&mut output)?;
    clock.wait_for_end();
    let used = clock.now();
    let status = child.wait()?;
    // The wall's clock runs until the process is gone, as in the guest.
    let seconds = if bench.processor_time {
        used
    } else {
        clock.now()
    };
    let text = String::from_utf8_lossy(&output);
    Ok(Outcome {
        name: name.to_owned(),
        seconds: seconds.as_secs_f64(),
        guest_nanoseconds: 0,
        status: status.code().unwrap_or(-1),
        checksum: text.lines().find_map(|line| checksum(line, name)),
    })
}

/// Boots a machine and reads its console until the programs have run.
///
/// # Errors
/// If the machine's program cannot be run, ends early, or is silent for too long; with the end
/// of what the console said.
pub fn machine(bench: &Bench, machine: &Machine, program: &Path, boot: &Boot) -> Result<Session> {
    let arguments: Vec<OsString> = (machine.arguments)(boot);
    let mut command = bench.pin.command(program);
    command
        .args(&arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let start = Instant::now();
    let mut child = command
        .spawn()
        .with_context(|| format!("{} cannot be run", program.display()))?;
    let clock = Clock::of(bench.processor_time, start, child.id());
    let result = follow(&mut child, clock, bench.patience);
    // Whatever happened, nothing stays behind. Both fail only if it has ended already.
    let _ = child.kill();
    let _ = child.wait();
    result.with_context(|| format!("{} did not run the programs", machine.title))
}

/// Reads a child's console to the end of the programs.
fn follow(child: &mut Child, clock: Clock, patience: Duration) -> Result<Session> {
    let stdout = child.stdout.take().context("no console")?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(stdout);
        let mut line = Vec::new();
        // The line's end is read as soon as it is there: a pipe gives what it has.
        while let Ok(1..) = reader.read_until(b'\n', &mut line) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            if sender.send((clock.now(), text)).is_err() {
                break;
            }
        }
    });
    let mut session = Session::default();
    let mut heard = String::new();
    while !session.done {
        match receiver.recv_timeout(patience) {
            Ok((at, line)) => {
                session.line(at, &line);
                heard.push_str(&line);
                heard.push('\n');
                if heard.len() > 8 * TAIL {
                    heard = tail(&heard).to_owned();
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                bail!("silent for {patience:?} after:\n{}", tail(&heard))
            }
            Err(RecvTimeoutError::Disconnected) => bail!("it ended after:\n{}", tail(&heard)),
        }
    }
    Ok(session)
}

/// The last [`TAIL`] bytes or a little less, at a character's boundary.
fn tail(text: &str) -> &str {
    let mut from = text.len().saturating_sub(TAIL);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text.get(from..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_processor_of_a_list_is_found() {
        assert_eq!(last_processor("\t0-3,8\n"), Some(8));
        assert_eq!(last_processor("0-1"), Some(1));
        assert_eq!(last_processor("5"), Some(5));
        assert_eq!(last_processor(""), None);
    }

    #[test]
    fn the_tail_ends_the_text_and_cuts_no_character() {
        let text = "ä".repeat(TAIL);
        assert!(tail(&text).len() <= TAIL);
        assert!(text.ends_with(tail(&text)));
        assert_eq!(tail("short"), "short");
    }
}
