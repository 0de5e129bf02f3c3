//! What a person or a CI log sees of a long step: bars on a terminal, otherwise one plain
//! line every few seconds; notes and warnings between them. Everything goes to stderr.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Pause between two plain lines of one task: enough for a log, short enough for a CI that
/// kills what is silent.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// Where progress goes.
#[derive(Clone)]
pub struct Progress {
    mode: Mode,
}

#[derive(Clone)]
enum Mode {
    Silent,
    Plain,
    Bars(MultiProgress),
}

impl Progress {
    /// Bars if stderr is a terminal, plain lines otherwise.
    pub fn auto() -> Self {
        let mode = if std::io::stderr().is_terminal() {
            Mode::Bars(MultiProgress::with_draw_target(ProgressDrawTarget::stderr()))
        } else {
            Mode::Plain
        };
        Self { mode }
    }

    /// Nothing at all, not even warnings: for tests and embedders.
    pub fn silent() -> Self {
        Self { mode: Mode::Silent }
    }

    /// Begins a task of `total` bytes.
    pub fn bytes(&self, label: impl Into<String>, total: u64) -> Task {
        self.task(label.into(), total, Unit::Bytes)
    }

    /// Begins a task of about `total` files: more than that count as that many.
    pub fn files(&self, label: impl Into<String>, total: u64) -> Task {
        self.task(label.into(), total, Unit::Files)
    }

    /// Begins a task of about `total` packages.
    pub fn packages(&self, label: impl Into<String>, total: u64) -> Task {
        self.task(label.into(), total, Unit::Packages)
    }

    fn task(&self, label: String, total: u64, unit: Unit) -> Task {
        let bar = match &self.mode {
            Mode::Bars(bars) => {
                let style = ProgressStyle::with_template(match unit {
                    Unit::Bytes => {
                        "{msg:30!} [{bar:30}] {bytes:>11}/{total_bytes:<11} {bytes_per_sec:>12} {eta:>4}"
                    }
                    Unit::Files => "{msg:30!} [{bar:30}] {pos:>5}/{len:<5} files {eta:>4}",
                    Unit::Packages => "{msg:30!} [{bar:30}] {pos:>5}/{len:<5} packages {eta:>4}",
                })
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("=> ");
                let bar = bars.add(ProgressBar::new(total).with_style(style));
                bar.set_message(label.clone());
                Some(bar)
            }
            Mode::Silent | Mode::Plain => None,
        };
        Task {
            label,
            unit,
            total,
            done: 0,
            last: Instant::now(),
            bar,
            plain: matches!(self.mode, Mode::Plain),
        }
    }

    /// One line that says what is going on.
    pub fn note(&self, text: &str) {
        match &self.mode {
            Mode::Silent => {}
            Mode::Plain => eprintln!("virtarium: {text}"),
            Mode::Bars(bars) => bars.suspend(|| eprintln!("virtarium: {text}")),
        }
    }

    /// One line about something that a person should know, but that is not an error.
    pub fn warn(&self, text: &str) {
        self.note(&format!("warning: {text}"));
    }
}

/// What a task counts.
#[derive(Clone, Copy)]
enum Unit {
    Bytes,
    Files,
    Packages,
}

/// One running task; its bar goes away when it is dropped.
pub struct Task {
    label: String,
    unit: Unit,
    total: u64,
    done: u64,
    last: Instant,
    bar: Option<ProgressBar>,
    plain: bool,
}

impl Task {
    /// Sets the number of things done.
    pub fn set(&mut self, done: u64) {
        self.done = done.min(self.total);
        if let Some(bar) = &self.bar {
            bar.set_position(self.done);
        }
        if self.plain && self.last.elapsed() >= PLAIN_INTERVAL {
            self.last = Instant::now();
            eprintln!("virtarium: {}", self.line());
        }
    }

    /// The plain line.
    fn line(&self) -> String {
        let (label, done, total) = (&self.label, self.done, self.total);
        match self.unit {
            Unit::Bytes => format!("{label}: {} of {}", megabytes(done), megabytes(total)),
            Unit::Files => format!("{label}: {done} of {total} files"),
            Unit::Packages => format!("{label}: {done} of {total} packages"),
        }
    }

    /// Adds to the number of things done.
    pub fn add(&mut self, more: u64) {
        self.set(self.done.saturating_add(more));
    }

    /// Things done so far.
    pub fn done(&self) -> u64 {
        self.done
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A size for people: one decimal below 100 MB, none above.
pub fn megabytes(bytes: u64) -> String {
    let tenths = bytes / 100_000;
    if tenths >= 1000 {
        format!("{} MB", tenths / 10)
    } else {
        format!("{}.{} MB", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        assert_eq!(megabytes(941_532), "0.9 MB");
        assert_eq!(megabytes(112_012_420), "112 MB");
    }

    #[test]
    fn a_count_that_was_too_low_stays_at_its_end() {
        let mut task = Progress::silent().files("compiling", 3);
        task.add(2);
        assert_eq!(task.line(), "compiling: 2 of 3 files");
        task.add(5);
        assert_eq!(task.line(), "compiling: 3 of 3 files");
        let task = Progress::silent().packages("configuring", 2);
        assert_eq!(task.line(), "configuring: 0 of 2 packages");
    }
}
