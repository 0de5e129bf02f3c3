//! `cargo xtask bench`: the programs of `guest/bench` natively, in QEMU and here, side by side.
//!
//! Nothing passes or fails by its time. A wrong checksum is a failure.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

mod clock;
mod compile;
mod console;
mod guest;
mod picture;
mod programs;
mod report;
mod results;
mod run;
mod stats;
mod subject;
mod web;

use crate::workspace;
use programs::Program;
use results::{Column, Results};
use run::{Bench, Pin};
use subject::{Boot, COUNTER, MACHINES, Machine, NATIVE, QEMU};

/// What to measure, how often, and where the report goes.
#[derive(Args)]
pub struct Options {
    /// Only these programs (their names are those of the files in guest/bench)
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Only these machines (qemu, virtarium); the host runs in any case
    #[arg(long, value_name = "KEY", value_delimiter = ',')]
    machine: Vec<String>,
    /// Leave QEMU out
    #[arg(long)]
    no_qemu: bool,
    /// How often everything runs
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Divide each program's work by this, for a quick look
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    divide: u64,
    /// Count the instructions of each program first (QEMU with -icount)
    #[arg(long)]
    count: bool,
    /// Take the processor time of each process instead of the wall's (Linux): rougher, and of
    /// use on a host that is busy
    #[arg(long)]
    cpu_time: bool,
    /// A RISC-V kernel Image in place of Debian's, which is fetched if need be
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,
    /// Folder of the report: bench.md, bench.csv, bench.svg [default: target/bench]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Measure the page instead: from the click to the prompt, and an idle guest, in each browser
    #[arg(long)]
    web: bool,
    /// The guest of --web; `small` compiles a kernel the first time
    #[arg(long, value_name = "NAME", default_value = "small", requires = "web")]
    guest: String,
    /// Give a machine up that has said nothing for so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    patience: u64,
}

/// A machine with its program found.
struct Ready {
    machine: &'static Machine,
    program: PathBuf,
}

/// Measures and reports.
///
/// # Errors
/// If a tool is missing, a machine does not run the programs, a file cannot be written, or a
/// checksum is wrong.
pub fn run(options: &Options) -> Result<()> {
    if options.web {
        return web::run(options);
    }
    let programs = programs::select(&options.only)?;
    let work = workspace::target().join("bench");
    let native = work.join("native");
    compile::NATIVE.all(&programs, &native)?;
    let boot = guest::build(options.kernel.as_deref(), &programs, options.divide, &work)?;
    let machines = ready(options)?;
    let bench = Bench {
        pin: Pin::find(),
        processor_time: options.cpu_time,
        patience: Duration::from_secs(options.patience),
    };

    let mut columns = vec![Column::new(NATIVE, "native", compile::NATIVE.version())];
    columns.extend(machines.iter().map(|ready| {
        let machine = ready.machine;
        Column::new(machine.key, machine.title, machine.version(&ready.program))
    }));
    let mut results = Results::new(programs, columns);
    results.divided = options.divide > 1;
    if options.count {
        results.counted = count(&bench, &boot, &results.programs)?;
    }
    for repetition in 0..options.repeat {
        let subjects = machines.len() + 1;
        // Who is first changes, so that a slow minute of the host does not meet one alone.
        for place in 0..subjects {
            let column = (place + repetition as usize) % subjects;
            let title = results
                .columns
                .get(column)
                .map_or("", |column| column.title);
            eprintln!("{title}: {} of {}", repetition + 1, options.repeat);
            match column.checked_sub(1).and_then(|index| machines.get(index)) {
                Some(ready) => {
                    let session = run::machine(&bench, ready.machine, &ready.program, &boot)?;
                    results.session(column, &session);
                }
                None => {
                    for program in results.programs.clone() {
                        let outcome = run::native(&bench, &native, program.name, options.divide)?;
                        results.outcome(column, &outcome);
                    }
                }
            }
        }
    }
    let host = host(&bench, &boot, results.kernel.as_deref());
    write(options, &work, &results, &host)
}

/// The machines that the options ask for.
fn ready(options: &Options) -> Result<Vec<Ready>> {
    for key in &options.machine {
        if !MACHINES.iter().any(|machine| machine.key == key) {
            let known: Vec<_> = MACHINES.iter().map(|machine| machine.key).collect();
            bail!(
                "there is no machine {key:?}; there are: {}",
                known.join(", ")
            );
        }
    }
    let wanted = |machine: &&Machine| {
        let named = options.machine.iter().any(|key| key == machine.key);
        let refused = options.no_qemu && machine.key == QEMU;
        (named || options.machine.is_empty()) && !refused
    };
    let find = |machine: &'static Machine| {
        let program = (machine.program)()?;
        machine.check(&program)?;
        Ok(Ready { machine, program })
    };
    MACHINES.iter().filter(wanted).map(find).collect()
}

/// Counts the instructions of each program, in millions, and says where the table is wrong.
fn count(
    bench: &Bench,
    boot: &Boot,
    programs: &[&'static Program],
) -> Result<BTreeMap<&'static str, f64>> {
    eprintln!("counting instructions");
    let program = (COUNTER.program)()?;
    COUNTER.check(&program)?;
    let session = run::machine(bench, &COUNTER, &program, boot)?;
    let mut counted = BTreeMap::new();
    for outcome in &session.outcomes {
        let program = programs.iter().find(|program| program.name == outcome.name);
        let Some(program) = program else { continue };
        let minsn = outcome.guest_nanoseconds as f64 / 1e6;
        let (name, table) = (program.name, program.minsn);
        eprintln!("{name}: {minsn:.1} million; the table has {table}");
        counted.insert(name, minsn);
    }
    Ok(counted)
}

/// What the measurements depend on, one line each.
fn host(bench: &Bench, boot: &Boot, kernel: Option<&str>) -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| {
            rest.trim_matches([' ', '\t', ':'])
        });
    let commit = Command::new("git")
        .current_dir(workspace::root())
        .args(["describe", "--always", "--dirty", "--abbrev=12"])
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default();
    let pinned = bench.pin.processor().map_or_else(
        || "not pinned".to_owned(),
        |number| format!("pinned to processor {number}"),
    );
    let clock = if bench.processor_time {
        "processor time of each process"
    } else {
        "the wall's"
    };
    let lines = [
        format!("- host: {model}, {pinned}"),
        format!("- clock: {clock}"),
        format!("- commit: {commit}"),
        format!("- guest compiler: {}", compile::RISCV64.version()),
        format!("- kernel: {}", kernel.unwrap_or("unknown")),
        format!("- kernel parameters: `{}`", boot.append),
    ];
    lines.join("\n")
}

/// Writes the files and prints the report.
fn write(options: &Options, work: &Path, results: &Results, host: &str) -> Result<()> {
    let folder = options.out.clone().unwrap_or_else(|| work.to_owned());
    fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    let text = report::markdown(results, host);
    let mut files = vec![
        ("bench.md", text.clone()),
        ("bench.csv", report::csv(results)),
    ];
    files.extend(picture::svg(results).map(|picture| ("bench.svg", picture)));
    for (name, content) in files {
        let path = folder.join(name);
        fs::write(&path, content).with_context(|| format!("{}", path.display()))?;
    }
    print!("{text}");
    eprintln!("written to {}", folder.display());
    ensure!(
        results.failures.is_empty(),
        "{}",
        results.failures.join("; ")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_passes_its_own_check_natively() {
        let folder = workspace::target().join("bench").join("test");
        let programs = programs::select(&[]).unwrap();
        compile::NATIVE.all(&programs, &folder).unwrap();
        let bench = Bench {
            pin: Pin::none(),
            processor_time: false,
            patience: Duration::ZERO,
        };
        for program in programs {
            let outcome = run::native(&bench, &folder, program.name, 1).unwrap();
            assert_eq!(outcome.status, 0, "{}", program.name);
            assert!(outcome.checksum.is_some(), "{}", program.name);
        }
    }
}
