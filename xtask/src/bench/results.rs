//! All measurements of one run, by subject and program.

use std::collections::BTreeMap;

use super::console::{Outcome, Session};
use super::programs::{Class, Program};
use super::stats::{Samples, geometric_mean};
use super::subject::{NATIVE, QEMU};

/// A column: the host or a machine.
#[derive(Debug)]
pub struct Column {
    /// Its name on the command line.
    pub key: &'static str,
    /// Its name in the report.
    pub title: &'static str,
    /// What it says about its version.
    pub version: String,
    /// Seconds by program.
    pub times: BTreeMap<&'static str, Samples>,
    /// Seconds from the kernel's start to the first process.
    pub boot: Samples,
    /// Seconds from the start of the process to the first process of the guest.
    pub power_on: Samples,
}

impl Column {
    /// An empty one.
    pub fn new(key: &'static str, title: &'static str, version: String) -> Self {
        Self {
            key,
            title,
            version,
            times: BTreeMap::new(),
            boot: Samples::default(),
            power_on: Samples::default(),
        }
    }

    /// The median time of a program.
    pub fn median(&self, program: &str) -> Option<f64> {
        self.times.get(program)?.median()
    }
}

/// Everything that one run measured.
#[derive(Debug)]
pub struct Results {
    /// The programs that ran.
    pub programs: Vec<&'static Program>,
    /// What they ran on, in the order of the report.
    pub columns: Vec<Column>,
    /// Millions of instructions by program, where they were counted in this run.
    pub counted: BTreeMap<&'static str, f64>,
    /// What the guest's kernel calls itself.
    pub kernel: Option<String>,
    /// The programs do a share of their work, so that the table's counts do not hold.
    pub divided: bool,
    /// Checksums of the first run, by program.
    checksums: BTreeMap<&'static str, u64>,
    /// What went wrong, a line each.
    pub failures: Vec<String>,
}

impl Results {
    /// Without measurements yet.
    pub fn new(programs: Vec<&'static Program>, columns: Vec<Column>) -> Self {
        Self {
            programs,
            columns,
            counted: BTreeMap::new(),
            kernel: None,
            divided: false,
            checksums: BTreeMap::new(),
            failures: Vec::new(),
        }
    }

    /// Takes one program's outcome on a column. A wrong one becomes a failure, not a time.
    pub fn outcome(&mut self, column: usize, outcome: &Outcome) {
        let program = self
            .programs
            .iter()
            .find(|program| program.name == outcome.name);
        let (Some(program), Some(column)) = (program, self.columns.get_mut(column)) else {
            return;
        };
        let name = program.name;
        let mut failed = |what: String| {
            let line = format!("{name} on {}: {what}", column.title);
            self.failures.push(line);
        };
        let Some(checksum) = outcome.checksum.filter(|_| outcome.status == 0) else {
            return failed(format!("exit status {}", outcome.status));
        };
        let expected = *self.checksums.entry(name).or_insert(checksum);
        if checksum != expected {
            return failed(format!("checksum {checksum:016x}, not {expected:016x}"));
        }
        column.times.entry(name).or_default().push(outcome.seconds);
    }

    /// Takes a machine's whole session.
    pub fn session(&mut self, column: usize, session: &Session) {
        for outcome in &session.outcomes {
            self.outcome(column, outcome);
        }
        self.kernel = session.version.clone().or_else(|| self.kernel.take());
        if let Some(column) = self.columns.get_mut(column) {
            let seconds = |duration: std::time::Duration| duration.as_secs_f64();
            session
                .boot()
                .map(seconds)
                .into_iter()
                .for_each(|boot| column.boot.push(boot));
            session
                .init
                .map(seconds)
                .into_iter()
                .for_each(|init| column.power_on.push(init));
        }
    }

    /// The column with this key.
    pub fn column(&self, key: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.key == key)
    }

    /// Millions of instructions of a program: counted in this run, else the table's.
    pub fn minsn(&self, program: &Program) -> Option<f64> {
        let counted = self.counted.get(program.name).copied();
        counted.or_else(|| (!self.divided).then_some(program.minsn))
    }

    /// A column's median time over another's, for one program.
    pub fn ratio(&self, column: &Column, base: &str, program: &str) -> Option<f64> {
        Some(column.median(program)? / self.column(base)?.median(program)?)
    }

    /// The geometric mean of the ratios of a class; none unless all its measured programs ran
    /// on both.
    pub fn mean_ratio(&self, column: &Column, base: &str, class: Class) -> Option<f64> {
        let ratios: Option<Vec<f64>> = self
            .programs
            .iter()
            .filter(|program| program.class == class)
            .map(|program| self.ratio(column, base, program.name))
            .collect();
        geometric_mean(ratios?)
    }

    /// A column's median boot over QEMU's.
    pub fn boot_ratio(&self, column: &Column) -> Option<f64> {
        Some(column.boot.median()? / self.column(QEMU)?.boot.median()?)
    }

    /// The machines, without the host.
    pub fn machines(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| column.key != NATIVE)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::bench::programs::PROGRAMS;

    fn outcome(name: &str, seconds: f64, checksum: u64) -> Outcome {
        Outcome {
            name: name.into(),
            seconds,
            guest_nanoseconds: 0,
            status: 0,
            checksum: Some(checksum),
        }
    }

    /// Every program: one second on the host, two in QEMU, six in a third machine.
    pub fn example() -> Results {
        let columns = vec![
            Column::new(NATIVE, "native", "gcc 1".into()),
            Column::new(QEMU, "QEMU", "QEMU 2".into()),
            Column::new("virtarium", "Virtarium", "v3".into()),
        ];
        let mut results = Results::new(PROGRAMS.iter().collect(), columns);
        for (column, seconds) in [1.0, 2.0, 6.0].into_iter().enumerate() {
            for program in &PROGRAMS {
                results.outcome(column, &outcome(program.name, seconds, 9));
            }
        }
        results
    }

    #[test]
    fn means_are_of_the_ratios_of_a_class() {
        let results = example();
        let last = results.column("virtarium").unwrap();
        let near = |value: Option<f64>, wanted: f64| (value.unwrap() - wanted).abs() < 1e-9;
        assert!(near(results.mean_ratio(last, QEMU, Class::Integer), 3.0));
        assert!(near(results.mean_ratio(last, NATIVE, Class::Float), 6.0));
    }

    #[test]
    fn a_wrong_checksum_is_a_failure_and_not_a_time() {
        let mut results = example();
        results.outcome(2, &outcome("fib", 0.1, 10));
        assert_eq!(results.failures.len(), 1);
        let last = results.column("virtarium").unwrap();
        assert_eq!(last.times.get("fib").unwrap().all(), [6.0]);
    }

    #[test]
    fn a_mean_over_a_program_that_did_not_run_is_none() {
        let mut results = example();
        results.columns.get_mut(2).unwrap().times.remove("fib");
        let last = results.column("virtarium").unwrap();
        assert_eq!(results.mean_ratio(last, QEMU, Class::Integer), None);
        assert!(results.mean_ratio(last, QEMU, Class::Float).is_some());
    }

    #[test]
    fn a_failed_program_has_no_time() {
        let mut results = example();
        let mut failed = outcome("mix", 0.1, 9);
        failed.status = 139;
        results.outcome(1, &failed);
        assert_eq!(results.failures, ["mix on QEMU: exit status 139"]);
    }
}
