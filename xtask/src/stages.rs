//! The steps of a long command: each announced, timed, and listed at the end.

use std::fmt::Write;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// The steps so far. One that fails does not stop the others: a run names all that is wrong.
#[derive(Default)]
pub struct Stages {
    done: Vec<Stage>,
}

struct Stage {
    name: String,
    took: Duration,
    end: End,
}

enum End {
    Passed,
    Failed(String),
    /// With the reason.
    Skipped(String),
}

/// What a step that did not fail came to.
pub enum Outcome {
    /// It did what it should.
    Done,
    /// It could not be done here, and why.
    Skipped(String),
}

impl Stages {
    /// Announces and runs a step.
    pub fn run(&mut self, name: &str, step: impl FnOnce() -> Result<()>) {
        self.run_or_skip(name, || step().map(|()| Outcome::Done));
    }

    /// Announces and runs a step that may be impossible on this machine.
    pub fn run_or_skip(&mut self, name: &str, step: impl FnOnce() -> Result<Outcome>) {
        eprintln!("\n== {name}");
        let start = Instant::now();
        let end = match step() {
            Ok(Outcome::Done) => End::Passed,
            Ok(Outcome::Skipped(reason)) => End::Skipped(reason),
            Err(error) => End::Failed(format!("{error:#}")),
        };
        let took = start.elapsed();
        let word = match &end {
            End::Passed => "done".to_owned(),
            End::Failed(why) => format!("FAILED: {why}"),
            End::Skipped(why) => format!("skipped: {why}"),
        };
        eprintln!("== {name}: {word} ({})", seconds(took));
        self.done.push(Stage {
            name: name.to_owned(),
            took,
            end,
        });
    }

    /// One line for each step, with its time and its end, and a line for the sum.
    fn table(&self) -> String {
        let width = self.done.iter().map(|stage| stage.name.len()).max();
        let width = width.unwrap_or_default().max("total".len());
        let mut text = String::new();
        let mut total = Duration::ZERO;
        for stage in &self.done {
            total += stage.took;
            let end = match &stage.end {
                End::Passed => "ok".to_owned(),
                End::Failed(_) => "FAILED".to_owned(),
                End::Skipped(why) => format!("skipped: {why}"),
            };
            let took = seconds(stage.took);
            writeln!(text, "{:width$}  {took:>8}  {end}", stage.name).expect("a string takes all");
        }
        let took = seconds(total);
        write!(text, "{:width$}  {took:>8}", "total").expect("a string takes all");
        text
    }

    /// Prints the table.
    ///
    /// # Errors
    /// If a step failed.
    pub fn finish(self) -> Result<()> {
        eprintln!("\n{}", self.table());
        let failed: Vec<_> = self
            .done
            .iter()
            .filter(|stage| matches!(stage.end, End::Failed(_)))
            .map(|stage| stage.name.as_str())
            .collect();
        if !failed.is_empty() {
            bail!("failed: {}", failed.join(", "));
        }
        Ok(())
    }
}

/// A time for people: tenths below a minute, minutes and seconds above.
pub fn seconds(took: Duration) -> String {
    let whole = took.as_secs();
    if whole < 60 {
        format!("{:.1} s", took.as_secs_f64())
    } else {
        format!("{} m {:02} s", whole / 60, whole % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_fails_lets_the_others_run_and_fails_the_whole() {
        let mut stages = Stages::default();
        let mut ran = false;
        stages.run("first", || bail!("no"));
        stages.run("second", || {
            ran = true;
            Ok(())
        });
        assert!(ran);
        let error = stages.finish().unwrap_err();
        assert_eq!(error.to_string(), "failed: first");
    }

    #[test]
    fn a_step_that_is_skipped_is_listed_with_its_reason_and_fails_nothing() {
        let mut stages = Stages::default();
        stages.run_or_skip("one", || Ok(Outcome::Skipped("no tool".to_owned())));
        assert!(stages.table().contains("skipped: no tool"));
        assert!(stages.finish().is_ok());
    }

    #[test]
    fn times_are_short() {
        assert_eq!(seconds(Duration::from_millis(1_240)), "1.2 s");
        assert_eq!(seconds(Duration::from_secs(61)), "1 m 01 s");
    }
}
