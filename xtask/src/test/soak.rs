//! `cargo xtask test --soak`: the same tests with their full counts, in shards, and resumed where
//! a run was interrupted. It leaves a report.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::notes::{self, Said};
use super::page::{self, Site};
use super::report;
use super::state::{End, State};
use super::units::{self, Run, Unit};
use crate::stages::seconds;
use crate::{fuzz, process, workspace};

/// What a soak run is asked for.
pub struct Soak {
    /// From the command line.
    pub seed: Option<u64>,
    /// Which part of the units, of how many.
    pub shard: Shard,
    /// How long each fuzz target runs.
    pub fuzz_seconds: u64,
    /// Only units whose name contains this.
    pub filter: Option<String>,
    /// Forget what an interrupted run has done.
    pub fresh: bool,
    /// Where the report goes.
    pub report: Option<PathBuf>,
}

/// Part `number` of `of`, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    number: usize,
    of: usize,
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('/').and_then(|(number, of)| {
            Some(Self {
                number: number.parse().ok()?,
                of: of.parse().ok()?,
            })
        });
        parsed
            .filter(|shard| (1..=shard.of).contains(&shard.number))
            .ok_or_else(|| "give k/n, with k from 1 to n".to_owned())
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl Shard {
    /// Whether the unit at this place of the sorted list belongs to this part.
    fn has(self, place: usize) -> bool {
        place % self.of == self.number - 1
    }
}

/// Where a soak run keeps what it has done.
pub fn folder() -> Result<PathBuf> {
    super::folder("soak")
}

/// Runs what has not passed yet and writes the report.
///
/// # Errors
/// If a unit fails, or a file cannot be written.
pub fn run(soak: &Soak) -> Result<()> {
    let folder = folder()?;
    let commit = commit();
    let path = folder.join("state");
    if soak.fresh {
        let _ = fs::remove_file(&path);
    }
    let state = State::open(&path, &commit, soak.seed)?;
    let seed = state.seed();
    eprintln!("soak of {commit}, seed {seed:#x}, shard {}", soak.shard);

    let units = chosen(soak)?;
    let fuzzers = if units.iter().any(|u| matches!(u.run, Run::Fuzz { .. })) {
        Some(fuzz::build()?)
    } else {
        None
    };
    let site = if units.iter().any(|u| matches!(u.run, Run::Page { .. })) {
        Some(page::build()?)
    } else {
        None
    };
    let open: Vec<&Unit> = units.iter().filter(|u| !state.passed(&u.name)).collect();
    let done = units.len() - open.len();
    eprintln!("{} units, {done} of them done before", units.len());

    let state = Mutex::new(state);
    let next = AtomicUsize::new(0);
    let worker = || {
        while let Some(unit) = open.get(next.fetch_add(1, Ordering::Relaxed)) {
            let start = Instant::now();
            let result = one(
                unit,
                seed,
                soak.fuzz_seconds,
                fuzzers.as_ref(),
                site.as_ref(),
            );
            let took = start.elapsed();
            let end = match result {
                Ok(true) => End::Passed,
                Ok(false) => End::Failed,
                Err(error) => {
                    eprintln!("{}: {error:#}", unit.name);
                    End::Failed
                }
            };
            eprintln!("{:?} {} ({})", end, unit.name, seconds(took));
            let mut state = state.lock().unwrap_or_else(|poison| poison.into_inner());
            if let Err(error) = state.record(&unit.name, end, took) {
                eprintln!("{}: not recorded: {error:#}", unit.name);
            }
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(worker);
        }
    });
    let state = state
        .into_inner()
        .unwrap_or_else(|poison| poison.into_inner());
    finish(soak, &commit, &state, &units)
}

/// Writes the report and says what failed. Units that a run with another filter has done are in
/// it too, so that a soak can be done in parts.
fn finish(soak: &Soak, commit: &str, state: &State, units: &[Unit]) -> Result<()> {
    let names: BTreeSet<&str> = units
        .iter()
        .map(|unit| unit.name.as_str())
        .chain(state.names())
        .collect();
    let results: Vec<report::Line> = names
        .into_iter()
        .map(|name| {
            let (end, took) = state.of(name).unwrap_or((End::Failed, Duration::ZERO));
            let said = fs::read_to_string(notes_of(name).unwrap_or_default());
            report::Line {
                name: name.to_owned(),
                passed: end == End::Passed,
                took,
                said: Said::parse(&said.unwrap_or_default()),
            }
        })
        .collect();
    let text = report::markdown(commit, state.seed(), &soak.shard.to_string(), &results);
    let path = match &soak.report {
        Some(path) => path.clone(),
        None => folder()?.join(format!(
            "report-{}-of-{}.md",
            soak.shard.number, soak.shard.of
        )),
    };
    fs::write(&path, text).with_context(|| format!("{}", path.display()))?;
    eprintln!("report: {}", path.display());
    let failed: Vec<_> = results.iter().filter(|line| !line.passed).collect();
    for line in &failed {
        eprintln!("failed: {} ({})", line.name, log_of(&line.name)?.display());
    }
    if !failed.is_empty() {
        bail!("{} of {} units failed", failed.len(), results.len());
    }
    Ok(())
}

/// The units of this shard, fuzz targets after tests.
fn chosen(soak: &Soak) -> Result<Vec<Unit>> {
    let mut units = units::tests()?;
    match page::absent() {
        Some(reason) => eprintln!("kills of a worker are left out: {reason}"),
        None => units.push(Unit {
            name: "page::kill".to_owned(),
            run: Run::Page {
                file: page::KILLS.to_owned(),
            },
        }),
    }
    units.extend(fuzz::targets()?.into_iter().map(|target| Unit {
        name: format!("fuzz::{target}"),
        run: Run::Fuzz { target },
    }));
    if let Some(filter) = &soak.filter {
        units.retain(|unit| unit.name.contains(filter.as_str()));
    }
    let mut place = 0;
    units.retain(|_| {
        let mine = soak.shard.has(place);
        place += 1;
        mine
    });
    ensure!(!units.is_empty(), "no unit is in shard {}", soak.shard);
    Ok(units)
}

fn one(
    unit: &Unit,
    seed: u64,
    fuzz_seconds: u64,
    fuzzers: Option<&PathBuf>,
    site: Option<&Site>,
) -> Result<bool> {
    let path = notes_of(&unit.name)?;
    fs::write(&path, "").with_context(|| format!("{}", path.display()))?;
    let variables = [
        ("VIRTARIUM_SOAK", "1".to_owned()),
        ("VIRTARIUM_SEED", format!("{seed:#x}")),
        (notes::VARIABLE, path.to_string_lossy().into_owned()),
    ];
    match &unit.run {
        Run::Test { program, test } => {
            units::run_test(program, test, &variables, &log_of(&unit.name)?)
        }
        Run::Page { file } => {
            let site = site.context("the site is not built")?;
            page::run_file(site, file, &variables, &log_of(&unit.name)?)
        }
        Run::Fuzz { target } => {
            let built = fuzzers.context("the fuzz targets are not built")?;
            let inputs = fuzz::target(built, target, fuzz_seconds, seed)?;
            let line = format!("count\tinputs of {target}\t{inputs}\n");
            fs::write(&path, line).with_context(|| format!("{}", path.display()))?;
            Ok(true)
        }
    }
}

fn file_of(name: &str, extension: &str) -> Result<PathBuf> {
    let folder = super::folder("soak/units")?;
    Ok(folder.join(format!("{}.{extension}", name.replace("::", "-"))))
}

fn notes_of(name: &str) -> Result<PathBuf> {
    file_of(name, "notes")
}

fn log_of(name: &str) -> Result<PathBuf> {
    file_of(name, "log")
}

/// The commit, with a mark if the tree differs from it.
fn commit() -> String {
    let mut git = Command::new("git");
    git.current_dir(workspace::root()).args([
        "describe",
        "--always",
        "--dirty",
        "--abbrev=12",
        "--exclude=*",
    ]);
    process::output(&mut git).map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_cover_everything_once() {
        for of in 1..5 {
            for place in 0..20 {
                let owners = (1..=of).filter(|&number| Shard { number, of }.has(place));
                assert_eq!(owners.count(), 1);
            }
        }
    }

    #[test]
    fn a_shard_is_one_of_its_number() {
        assert_eq!("2/3".parse(), Ok(Shard { number: 2, of: 3 }));
        for bad in ["0/3", "4/3", "1", "x/y", "1/0"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }
}
