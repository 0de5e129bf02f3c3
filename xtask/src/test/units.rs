//! The tests with a full count, one by one: what a soak run divides, repeats and resumes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::process::{self, cargo};
use crate::workspace;

/// The tests that have a full count, as cargo is asked for them.
const PROGRAMS: [&[&str]; 2] = [
    &["-p", "virtarium-tests", "--tests"],
    // Tests of the program itself are beside it.
    &["-p", "virtarium", "--test", "kills"],
];

/// One test, or one fuzz target.
#[derive(Clone, Debug)]
pub struct Unit {
    /// `target::test`, or `fuzz::target`.
    pub name: String,
    /// How it is run.
    pub run: Run,
}

/// How a unit is run.
#[derive(Clone, Debug)]
pub enum Run {
    /// A test of a test program.
    Test { program: PathBuf, test: String },
    /// A file of tests that drive browsers.
    Page { file: String },
    /// A fuzz target.
    Fuzz { target: String },
}

/// Builds the test programs and lists their tests, in the order of their names.
///
/// # Errors
/// If the build fails, or a test program cannot list its tests.
pub fn tests() -> Result<Vec<Unit>> {
    let mut units = Vec::new();
    for program in programs()? {
        let list = process::output(
            Command::new(&program.path)
                .current_dir(folder())
                .args(["--list", "--format", "terse"]),
        );
        let list = list.with_context(|| format!("{} --list failed", program.path.display()))?;
        units.extend(names(&list).map(|test| Unit {
            name: format!("{}::{test}", program.name),
            run: Run::Test {
                program: program.path.clone(),
                test: test.to_owned(),
            },
        }));
    }
    units.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(units)
}

/// Runs a test with these variables, what it prints going to `log`; whether it passed.
///
/// # Errors
/// If it cannot be started.
pub fn run_test(
    program: &Path,
    test: &str,
    variables: &[(&str, String)],
    log: &Path,
) -> Result<bool> {
    let file = || File::create(log).with_context(|| format!("{}", log.display()));
    let output = file()?;
    let errors = output.try_clone().context("a log cannot be shared")?;
    let status = Command::new(program)
        .current_dir(folder())
        .args(["--exact", test, "--nocapture"])
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .env("CARGO_MANIFEST_DIR", folder())
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .status()
        .with_context(|| format!("{} cannot be run", program.display()))?;
    Ok(status.success())
}

/// Where cargo runs the tests of `virtarium-tests`.
fn folder() -> PathBuf {
    workspace::root().join("tests")
}

struct Program {
    name: String,
    path: PathBuf,
}

fn programs() -> Result<Vec<Program>> {
    let mut all = Vec::new();
    for which in PROGRAMS {
        let mut command = cargo();
        command
            .args([
                "test",
                "--no-run",
                "--message-format=json-render-diagnostics",
            ])
            .args(which);
        command.stdin(Stdio::null()).stderr(Stdio::inherit());
        let output = command.output().context("cargo cannot be run")?;
        ensure!(output.status.success(), "the tests do not build");
        let text = String::from_utf8_lossy(&output.stdout);
        all.extend(text.lines().filter_map(program));
    }
    Ok(all)
}

/// Reads a line of cargo's JSON, if it is about a test program.
fn program(line: &str) -> Option<Program> {
    let path = string(line, "executable")?;
    let (_, target) = line.split_once("\"target\":")?;
    // A program that can be tested says so in its target; one that is a test, in its profile.
    let (_, profile) = target.split_once("\"profile\":")?;
    profile.contains("\"test\":true").then_some(())?;
    Some(Program {
        name: string(target, "name")?,
        path: PathBuf::from(path),
    })
}

/// The string of a field. Names and paths of this repository have nothing to escape.
fn string(json: &str, field: &str) -> Option<String> {
    let (_, rest) = json.split_once(&format!("\"{field}\":\""))?;
    Some(rest.split('"').next()?.to_owned())
}

/// The names in the output of `--list --format terse`.
fn names(list: &str) -> impl Iterator<Item = &str> {
    list.lines().filter_map(|line| line.strip_suffix(": test"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_program_is_found_in_what_cargo_says() {
        let line = r#"{"reason":"compiler-artifact","target":{"kind":["test"],"name":"disk"},"profile":{"test":true},"executable":"/t/disk-1"}"#;
        let found = program(line).unwrap();
        assert_eq!(found.name, "disk");
        assert_eq!(found.path, Path::new("/t/disk-1"));
        for other in [
            r#"{"target":{"name":"disk"},"profile":{"test":true},"executable":null}"#,
            r#"{"target":{"name":"disk","test":true},"profile":{"test":false},"executable":"/t/disk"}"#,
        ] {
            assert!(program(other).is_none());
        }
    }

    #[test]
    fn tests_are_told_from_other_lines() {
        let list = "a::b: test\nc: benchmark\n\n1 test, 1 benchmark\n";
        assert_eq!(names(list).collect::<Vec<_>>(), ["a::b"]);
    }
}
