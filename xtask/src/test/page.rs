//! The page: types and unit tests in Node.js, and tests in real browsers.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, io};

use anyhow::{Context, Result, bail};

use super::notes;
use crate::process::{self, cargo};
use crate::stages::Outcome;
use crate::{setup, workspace};

/// The guest that browsers boot: it is there without compiling a kernel.
const GUEST: &str = "busybox";
/// The guest whose disk is streamed; its image takes minutes, once.
const LARGE: &str = "debian";
/// The folders of tests that drive browsers, below `www/test`.
const BROWSERS: [&str; 2] = ["element", "browser"];
/// Its test with a full count.
pub const KILLS: &str = "test/browser/kill.test.mjs";

/// Builds the page, checks its types against the module's, and tests what needs no browser.
///
/// # Errors
/// If a test fails, or nothing can be tested where everything has to be.
pub fn units() -> Result<Outcome> {
    if let Some(reason) = no_node() {
        return impossible(reason);
    }
    web()?;
    process::run(npm().args(["run", "--silent", "check"]))?;
    process::run(node().args(files(&["unit"])?))?;
    Ok(Outcome::Done)
}

/// The page that [`units`] has built, in the browsers that are here.
///
/// # Errors
/// If a test fails, or nothing can be tested where everything has to be.
pub fn browsers(seed: u64, notes: &Path) -> Result<Outcome> {
    if let Some(reason) = absent() {
        return impossible(reason);
    }
    let program = program()?;
    let mut guests = vec![GUEST];
    // Its test says that it was skipped.
    match process::run(Command::new(&program).args(["image", "build", LARGE])) {
        Ok(()) => guests.push(LARGE),
        Err(error) if in_ci() => return Err(error.context("in CI nothing is skipped")),
        Err(error) => eprintln!("no page boots {LARGE} here: {error:#}"),
    }
    let site = site(program, &guests)?;
    process::run(
        node()
            .args(files(&BROWSERS)?)
            .envs(site.variables())
            .env("VIRTARIUM_SEED", format!("{seed:#x}"))
            .env(notes::VARIABLE, notes),
    )?;
    Ok(Outcome::Done)
}

/// Why no browser can be driven here.
pub fn absent() -> Option<String> {
    no_node().or_else(|| {
        let browsers = setup::browsers();
        browsers
            .is_empty()
            .then(|| "no browser (chromium, firefox-esr)".to_owned())
    })
}

/// What browsers boot.
pub struct Site {
    folder: PathBuf,
    program: PathBuf,
}

impl Site {
    /// What the tests are told.
    fn variables(&self) -> [(&'static str, &Path); 2] {
        [
            ("VIRTARIUM_SITE", &self.folder),
            ("VIRTARIUM_PROGRAM", &self.program),
        ]
    }
}

/// Builds everything that browsers boot.
///
/// # Errors
/// If something cannot be built.
pub fn build() -> Result<Site> {
    web()?;
    site(program()?, &[GUEST])
}

/// Builds the page, and with it the packages and bindings that its tests need.
fn web() -> Result<()> {
    process::run(cargo().args(["xtask", "web"]))
}

/// Builds the program with the page in it.
fn program() -> Result<PathBuf> {
    process::run(
        cargo()
            .args(["build", "--package", "virtarium"])
            .env("VIRTARIUM_PAGE", workspace::target().join("web")),
    )?;
    Ok(workspace::target().join("debug/virtarium"))
}

/// Has the program make a site of the page, with these guests.
fn site(program: PathBuf, guests: &[&str]) -> Result<Site> {
    let folder = super::folder("test/site")?;
    process::run(
        Command::new(&program)
            .arg("site")
            .arg(&folder)
            .args(guests.iter().flat_map(|guest| ["--guest", guest])),
    )?;
    Ok(Site { folder, program })
}

/// Runs one file of tests with these variables, what it prints going to `log`; whether it passed.
///
/// # Errors
/// If it cannot be started.
pub fn run_file(site: &Site, file: &str, variables: &[(&str, String)], log: &Path) -> Result<bool> {
    let output = File::create(log).with_context(|| format!("{}", log.display()))?;
    let errors = output.try_clone().context("a log cannot be shared")?;
    let status = node()
        .arg(file)
        .envs(site.variables())
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .status()
        .context("node cannot be run")?;
    Ok(status.success())
}

/// A step that cannot be done here; in CI everything can.
fn impossible(reason: String) -> Result<Outcome> {
    if in_ci() {
        bail!("{reason}, and in CI nothing is skipped");
    }
    Ok(Outcome::Skipped(reason))
}

fn in_ci() -> bool {
    env::var_os("CI").is_some()
}

fn no_node() -> Option<String> {
    (!setup::node()).then(|| "no Node.js 20 with npm".to_owned())
}

fn npm() -> Command {
    in_www("npm")
}

/// Node's test runner, one file at a time: two browsers at once measure each other.
fn node() -> Command {
    let mut command = in_www("node");
    command.args(["--test", "--test-reporter=spec", "--test-concurrency=1"]);
    command
}

fn in_www(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(www())
        .env("CARGO_TARGET_DIR", workspace::target());
    command
}

fn www() -> PathBuf {
    workspace::root().join("www")
}

/// The files of tests in folders below `www/test`, in the order of their names. They are named
/// one by one: what Node makes of a folder differs from version to version.
fn files(folders: &[&str]) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for folder in folders {
        let path = www().join("test").join(folder);
        let entries: io::Result<Vec<_>> = fs::read_dir(&path).and_then(Iterator::collect);
        let entries = entries.with_context(|| format!("{}", path.display()))?;
        let mut names: Vec<_> = entries
            .iter()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.ends_with(".test.mjs"))
            .map(|name| format!("test/{folder}/{name}"))
            .collect();
        names.sort();
        all.append(&mut names);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_of_the_page_are_found() {
        let units = files(&["unit"]).unwrap();
        assert!(units.contains(&"test/unit/source-range.test.mjs".to_owned()));
        let browsers = files(&BROWSERS).unwrap();
        assert!(browsers.contains(&KILLS.to_owned()));
        assert!(browsers.iter().all(|name| !name.contains("harness")));
        assert!(files(&["no-such-folder"]).is_err());
    }
}
