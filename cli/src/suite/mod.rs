//! `virtarium test`: many guests as regression cases, several at once.

pub mod case;
pub mod file;
pub mod report;

use std::io::Write;
use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use regex::Regex;

use crate::args::test::TestArgs;
use crate::host::files;
use crate::run::end::{End, FAILED};
use crate::settings::Settings;
use case::{Outcome, Verdict};
use file::Case;

/// Builds and runs a machine for a case, with a screen: the end and the instructions.
pub type Start<'a> =
    &'a (dyn Fn(&Case, Settings, Box<dyn Write + Send>) -> Result<(End, u64)> + Sync);

/// Does what the command line says. Returns the exit status.
pub fn run(args: &TestArgs, start: Start<'_>) -> Result<u8> {
    let cases = file::read(&args.suite)?;
    let chosen = choose(&cases, args)?;
    let mut out = std::io::stdout();
    if args.list {
        for case in chosen {
            writeln!(out, "{}", case.name)?;
        }
        return Ok(0);
    }
    // Before hours of cases, not after them.
    if let Some(path) = &args.junit {
        let parent = path.parent().filter(|parent| *parent != Path::new(""));
        let there = parent.is_none_or(Path::is_dir) && !path.is_dir();
        ensure!(
            path.canonicalize().ok() != args.suite.canonicalize().ok() || !path.exists(),
            "--junit {}: is the suite itself; name another file",
            path.display()
        );
        ensure!(
            there,
            "--junit {}: needs a file's name in a directory that exists",
            path.display()
        );
    }
    let jobs = match args.jobs {
        Some(0) => bail!("--jobs 0: needs at least 1"),
        Some(jobs) => jobs,
        None => std::thread::available_parallelism().map_or(1, NonZero::get),
    };
    let annotate = std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true");
    let begin = Instant::now();
    let results = run_all(&chosen, jobs, start, |case, outcome| {
        report::print(&mut out, &args.suite, case, outcome, args.quiet)?;
        match report::annotation(&args.suite, case, outcome) {
            Some(line) if annotate => writeln!(out, "{line}"),
            _ => Ok(()),
        }
    })?;
    let time = begin.elapsed();
    let count = |wanted: fn(&Verdict) -> bool| {
        results
            .iter()
            .filter(|(_, outcome)| wanted(&outcome.verdict))
            .count()
    };
    let failed = count(|verdict| matches!(verdict, Verdict::Failed(_)));
    let broken = count(|verdict| matches!(verdict, Verdict::Broken(_)));
    writeln!(
        std::io::stdout(),
        "{} passed, {failed} failed, {broken} broken, of {} ({:.1} s)",
        results.len() - failed - broken,
        cases.len(),
        time.as_secs_f64()
    )?;
    if let Some(path) = &args.junit {
        let bytes = report::junit(&args.suite, &results, time)?;
        files::write("JUnit report", path, &bytes)?;
    }
    Ok(match (failed, broken) {
        (0, 0) => 0,
        (0, _) => FAILED,
        _ => 1,
    })
}

/// The cases that the filter lets pass, and of those the shard's.
fn choose<'a>(cases: &'a [Case], args: &TestArgs) -> Result<Vec<&'a Case>> {
    let filter = match &args.filter {
        None => None,
        Some(text) => Some(Regex::new(text).with_context(|| format!("--filter {text}"))?),
    };
    let mut chosen: Vec<_> = cases
        .iter()
        .filter(|case| {
            filter
                .as_ref()
                .is_none_or(|filter| filter.is_match(&case.name))
        })
        .collect();
    if chosen.is_empty() {
        bail!(
            "--filter {}: no test of {} has such a name; --list shows them",
            args.filter.as_deref().unwrap_or_default(),
            args.suite.display()
        );
    }
    if let Some(shard) = args.shard {
        let mut position = 0..;
        chosen.retain(|_| position.next().is_some_and(|position| shard.has(position)));
    }
    Ok(chosen)
}

/// Runs the cases, `jobs` at once; `done` is called for each as it ends, the results are in the
/// order of the suite.
fn run_all<'a>(
    cases: &[&'a Case],
    jobs: usize,
    start: Start<'_>,
    mut done: impl FnMut(&Case, &Outcome) -> std::io::Result<()>,
) -> Result<Vec<(&'a Case, Outcome)>> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = channel();
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(cases.len()) {
            let sender = sender.clone();
            let next = &next;
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(index) else {
                        return;
                    };
                    let outcome = guarded(case, start);
                    if sender.send((index, outcome)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut results: Vec<Option<Outcome>> = cases.iter().map(|_| None).collect();
        for (index, outcome) in receiver {
            done(cases[index], &outcome)?;
            results[index] = Some(outcome);
        }
        let pairs = cases.iter().copied().zip(results);
        Ok(pairs
            .filter_map(|(case, outcome)| Some((case, outcome?)))
            .collect())
    })
}

/// A panic is a bug of ours, and one case's only.
fn guarded(case: &Case, start: Start<'_>) -> Outcome {
    let begin = Instant::now();
    let run = || case::run(case, |settings, screen| start(case, settings, screen));
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or_else(|_| Outcome {
        verdict: Verdict::Broken("a bug of ours: see standard error".to_owned()),
        time: begin.elapsed(),
        instructions: 0,
        console: Vec::new(),
    })
}

#[cfg(test)]
mod tests;
