//! The format of a suite: a TOML file of `[[test]]` tables.
//!
//! ```toml
//! [defaults]            # every key of a test but its name; a test's own key wins
//! memory = "256M"
//!
//! [[test]]
//! name = "boots to a shell"
//! kernel = "vmlinux"    # paths are relative to this file
//! initrd = "initrd"
//! append = "console=ttyS0"
//! disks = ["root.img", "data.img,ro"]   # as --block; changes are forgotten
//! script = [
//!   { expect = "~ # ", timeout = 60 },
//!   { send = "poweroff -f\n" },
//! ]
//! exit = 0
//! budget = { instructions = 5_000_000_000, seconds = 120 }
//! ```

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use toml::Spanned;

/// The file as it stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SuiteFile {
    #[serde(default)]
    defaults: CaseFile,
    #[serde(default)]
    test: Vec<Spanned<CaseFile>>,
}

/// One `[[test]]`, or the `[defaults]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CaseFile {
    /// What reports call it; unique in the suite.
    pub name: Option<String>,
    /// A guest that `virtarium image` knows, instead of a kernel.
    pub guest: Option<String>,
    /// The kernel's file.
    pub kernel: Option<PathBuf>,
    /// The initial file system's file.
    pub initrd: Option<PathBuf>,
    /// The kernel's command line.
    pub append: Option<String>,
    /// The device tree's file.
    pub dtb: Option<PathBuf>,
    /// The firmware's file, `none` or `default`.
    pub bios: Option<PathBuf>,
    /// Memory: a number of MiB, or text as for `--memory`.
    pub memory: Option<Number>,
    /// Number of harts.
    pub cpus: Option<usize>,
    /// Disks, as for `--block`.
    pub disks: Option<Vec<String>>,
    /// Whether writes to disks are forgotten; true if left out.
    pub snapshot: Option<bool>,
    /// Whether there is a virtio console.
    pub console: Option<bool>,
    /// Whether there is a virtio entropy device.
    pub rng: Option<bool>,
    /// `deterministic`, if left out, or `host`.
    pub clock: Option<ClockFile>,
    /// Seed of the guest's entropy.
    pub seed: Option<u64>,
    /// Date at the start, in seconds since 1970.
    pub epoch: Option<u64>,
    /// What is expected and typed.
    pub script: Option<Vec<StepFile>>,
    /// The guest's exit code; a script that ends with an expectation is enough if left out.
    pub exit: Option<u32>,
    /// What the case may take.
    pub budget: Option<Budget>,
}

/// A number, or text that says one with a unit.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "memory is a number of MiB, or text such as \"128M\""
)]
pub enum Number {
    /// `128`
    Plain(u64),
    /// `"128M"`
    Text(String),
}

/// `clock`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockFile {
    /// Time follows from the instructions.
    Deterministic,
    /// Time follows the wall clock.
    Host,
}

/// One step of a script: `expect` or `send`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepFile {
    /// A pattern to wait for.
    pub expect: Option<String>,
    /// Text to type.
    pub send: Option<String>,
    /// Seconds that the expectation may take.
    pub timeout: Option<f64>,
}

/// `budget`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Instructions of all harts.
    pub instructions: Option<u64>,
    /// Seconds of the host's time.
    pub seconds: Option<f64>,
}

/// A case, with the defaults put in and its paths resolved.
#[derive(Clone, Debug)]
pub struct Case {
    /// What reports call it.
    pub name: String,
    /// The line of the suite on which it begins, from 1.
    pub line: usize,
    /// Its keys.
    pub keys: CaseFile,
    /// The directory that paths are relative to.
    pub dir: PathBuf,
}

/// Reads a suite.
pub fn read(path: &Path) -> Result<Vec<Case>> {
    let named = || format!("suite {}", path.display());
    let text = std::fs::read_to_string(path).with_context(named)?;
    let dir = path.parent().unwrap_or_else(|| Path::new(""));
    parse(&text, dir).with_context(named)
}

/// Reads the text of a suite whose paths are relative to `dir`.
pub fn parse(text: &str, dir: &Path) -> Result<Vec<Case>> {
    let file: SuiteFile = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        anyhow!("line {line}: {}", error.message())
    })?;
    if let Some(name) = &file.defaults.name {
        bail!("[defaults]: name = {name:?}: only a test has a name");
    }
    let mut cases: Vec<Case> = Vec::new();
    for test in file.test {
        let line = line_of(text, test.span().start);
        let keys = test.into_inner().or(&file.defaults);
        let Some(name) = keys.name.clone().filter(|name| !name.trim().is_empty()) else {
            bail!("line {line}: a test needs a name");
        };
        if let Some(other) = cases.iter().find(|case| case.name == name) {
            bail!(
                "line {line}: {name:?} is the name of the test on line {} too",
                other.line
            );
        }
        cases.push(Case {
            name,
            line,
            keys,
            dir: dir.to_owned(),
        });
    }
    if cases.is_empty() {
        bail!("there is no [[test]] in it");
    }
    Ok(cases)
}

impl CaseFile {
    /// These keys, and of the others those that are missing here.
    fn or(self, others: &Self) -> Self {
        let others = others.clone();
        Self {
            name: self.name,
            guest: self.guest.or(others.guest),
            kernel: self.kernel.or(others.kernel),
            initrd: self.initrd.or(others.initrd),
            append: self.append.or(others.append),
            dtb: self.dtb.or(others.dtb),
            bios: self.bios.or(others.bios),
            memory: self.memory.or(others.memory),
            cpus: self.cpus.or(others.cpus),
            disks: self.disks.or(others.disks),
            snapshot: self.snapshot.or(others.snapshot),
            console: self.console.or(others.console),
            rng: self.rng.or(others.rng),
            clock: self.clock.or(others.clock),
            seed: self.seed.or(others.seed),
            epoch: self.epoch.or(others.epoch),
            script: self.script.or(others.script),
            exit: self.exit.or(others.exit),
            budget: self.budget.or(others.budget),
        }
    }
}

/// The line, from 1, on which the byte `at` stands.
fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}
