//! One case: its settings, and what its end means.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::file::{Budget, Case, ClockFile, Number, StepFile};
use crate::args::devices::{BlockArg, ConsoleArg, RngArg, Sink};
use crate::args::run::{AdUpdateArg, DeviceArg};
use crate::args::units::parse_memory;
use crate::expect::Step;
use crate::run::end::End;
use crate::settings::{Firmware, Settings, place};

/// The host's time that a case may take if it does not say.
const PATIENCE: Duration = Duration::from_secs(300);
/// Bytes of console output that are kept for the report.
const KEPT: usize = 64 * 1024;

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As expected.
    Passed,
    /// Not as expected, and why.
    Failed(String),
    /// It could not be run, and why.
    Broken(String),
}

/// A case that has run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What became of it.
    pub verdict: Verdict,
    /// The host's time.
    pub time: Duration,
    /// Instructions of all harts.
    pub instructions: u64,
    /// The end of its console output.
    pub console: Vec<u8>,
}

/// The settings of a case.
pub fn settings(case: &Case) -> Result<Settings> {
    let keys = &case.keys;
    let at = |path: &PathBuf| case.dir.join(path);
    let mut devices = Vec::new();
    for disk in keys.disks.iter().flatten() {
        let mut arg = BlockArg::parse(disk)
            .map_err(anyhow::Error::msg)
            .with_context(|| format!("disks = [{disk:?}]"))?;
        arg.path = at(&arg.path);
        arg.overlay = arg.overlay.as_ref().map(at);
        devices.push(DeviceArg::Block(arg));
    }
    if keys.console == Some(true) {
        devices.push(DeviceArg::Console(ConsoleArg::default()));
    }
    if keys.rng == Some(true) {
        devices.push(DeviceArg::Rng(RngArg::default()));
    }
    let mut script = Vec::new();
    for (index, step) in keys.script.iter().flatten().enumerate() {
        script.push(self::step(step).with_context(|| format!("step {} of the script", index + 1))?);
    }
    // With a code to see, the last match is not the end of the case.
    if keys.exit.is_some() && matches!(script.last(), Some(Step::Expect { .. })) {
        script.push(Step::Send(Vec::new()));
    }
    let Budget {
        instructions,
        seconds,
    } = keys.budget.unwrap_or_default();
    let firmware = match &keys.bios {
        None => Firmware::BuiltIn,
        Some(path) => match Firmware::from_path(path.clone()) {
            Firmware::File(path) => Firmware::File(at(&path)),
            other => other,
        },
    };
    let settings = Settings {
        kernel: keys.kernel.as_ref().map(at),
        initrd: keys.initrd.as_ref().map(at),
        append: keys.append.clone(),
        dtb: keys.dtb.as_ref().map(at),
        firmware,
        loads: Vec::new(),
        memory: memory(keys.memory.as_ref())?,
        cpus: keys.cpus.unwrap_or(1),
        ad_update: AdUpdateArg::Svadu,
        deterministic: keys.clock != Some(ClockFile::Host),
        seed: keys.seed,
        epoch: keys.epoch,
        devices: place(&devices)?,
        serial: Sink::Stdio,
        snapshot: keys.snapshot.unwrap_or(true),
        no_reboot: false,
        script,
        timeout: Some(match seconds {
            None => PATIENCE,
            Some(seconds) => duration(seconds).context("budget.seconds")?,
        }),
        max_instructions: instructions,
    };
    settings.check()?;
    if keys.guest.is_none() && settings.wants_guest() {
        bail!("needs a kernel, a bios, or a guest = \"busybox\"");
    }
    Ok(settings)
}

fn memory(number: Option<&Number>) -> Result<u64> {
    let text = match number {
        None => "128M".to_owned(),
        Some(Number::Plain(number)) => number.to_string(),
        Some(Number::Text(text)) => text.clone(),
    };
    parse_memory(&text)
        .map_err(anyhow::Error::msg)
        .with_context(|| format!("memory = {text}"))
}

fn step(step: &StepFile) -> Result<Step> {
    match (&step.expect, &step.send, step.timeout) {
        (Some(pattern), None, timeout) => {
            let timeout = timeout.map(duration).transpose()?;
            Step::expect(pattern, timeout)
        }
        (None, Some(text), None) => Step::send(text),
        (None, Some(_), Some(_)) => bail!("only an expectation has a timeout"),
        _ => bail!("needs either expect or send"),
    }
}

fn duration(seconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|duration| !duration.is_zero())
        .with_context(|| format!("{seconds} is not a number of seconds"))
}

/// What the end of a case means, given the code that was expected.
pub fn verdict(end: &End, exit: Option<u32>) -> Verdict {
    match (end, exit) {
        (End::Matched, None) => Verdict::Passed,
        (End::PowerOff(code), exit) if *code == exit.unwrap_or(0) => Verdict::Passed,
        (End::PowerOff(code), exit) => Verdict::Failed(format!(
            "the guest ended with code {code}, not {}",
            exit.unwrap_or(0)
        )),
        (End::TimedOut(limit), _) => {
            Verdict::Failed(format!("over its budget of {} s", limit.as_secs_f64()))
        }
        (End::OutOfInstructions(limit), _) => {
            Verdict::Failed(format!("over its budget of {limit} instructions"))
        }
        (End::Failed(reason), _) => Verdict::Broken(reason.clone()),
        (end, _) => Verdict::Failed(end.to_string()),
    }
}

/// Runs a case to its end. `start` builds the machine and runs it with the given screen; it
/// returns the end and the instructions.
pub fn run(
    case: &Case,
    start: impl FnOnce(Settings, Box<dyn Write + Send>) -> Result<(End, u64)>,
) -> Outcome {
    let begin = Instant::now();
    let tail = Tail::default();
    let result = settings(case).and_then(|settings| start(settings, Box::new(tail.clone())));
    let (verdict, instructions) = match result {
        Ok((end, instructions)) => (verdict(&end, case.keys.exit), instructions),
        Err(error) => (Verdict::Broken(format!("{error:#}")), 0),
    };
    Outcome {
        verdict,
        time: begin.elapsed(),
        instructions,
        console: tail.take(),
    }
}

/// The end of what was printed.
#[derive(Clone, Debug, Default)]
struct Tail(Arc<Mutex<Vec<u8>>>);

impl Tail {
    fn take(&self) -> Vec<u8> {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *bytes)
    }
}

impl Write for Tail {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(bytes);
        // Twice as much before it is cut, so that most writes move nothing.
        if kept.len() > 2 * KEPT {
            let excess = kept.len() - KEPT;
            kept.drain(..excess);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where the paths of a case lead, for messages.
pub fn place_of(suite: &Path, case: &Case) -> String {
    format!("{}:{}", suite.display(), case.line)
}
