//! `make` in a kernel's source tree: in an environment of its own, with a log.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use chrono::DateTime;

use super::tools::CROSS;
use crate::image::cache::unwritable;

/// Bytes of a line that are looked at at once.
const LINE: u64 = 64 << 10;
/// Bytes of a compiler's complaint that an error repeats.
const COMPLAINT: usize = 300;

/// A tree and its log.
pub struct Make<'a> {
    program: &'a str,
    tree: &'a Path,
    path: PathBuf,
    log: File,
    /// What the kernel says of when it was built.
    date: String,
}

impl<'a> Make<'a> {
    /// The `program` `make` for the sources in `tree`, which are of the `date` in seconds since
    /// 1970.
    ///
    /// # Errors
    /// If the log cannot be written.
    pub fn new(program: &'a str, tree: &'a Path, log: PathBuf, date: u64) -> Result<Self> {
        Ok(Self {
            program,
            tree,
            log: File::create(&log).map_err(|error| unwritable(&log, error))?,
            path: log,
            date: utc(date),
        })
    }

    /// Runs it with these arguments and additional variables; `heard` gets each line.
    ///
    /// # Errors
    /// If it cannot be run or fails: the first complaint, and where the log is.
    pub fn run(
        &self,
        arguments: &[&str],
        variables: &[(&str, &OsStr)],
        mut heard: impl FnMut(&[u8]),
    ) -> Result<()> {
        let name = arguments.last().copied().unwrap_or_default();
        let (output, input) = std::io::pipe().context("a pipe for make")?;
        let errors = input.try_clone().context("a pipe for make")?;
        let mut command = self.command(arguments);
        let mut child = command
            .envs(variables.iter().copied())
            .stdout(input)
            .stderr(errors)
            .spawn()
            .context("make cannot be run")?;
        // The pipe ends when nobody holds its other end.
        drop(command);
        let complaint = match self.listen(output, &mut heard) {
            Ok(complaint) => complaint,
            Err(error) => {
                stop(&mut child);
                return Err(error);
            }
        };
        let status = child.wait().context("make cannot be waited for")?;
        if !status.success() {
            bail!(
                "`make {name}` failed ({status}){}; {} has all that it said",
                complaint.map_or_else(String::new, |text| format!(": {text}")),
                self.path.display()
            );
        }
        Ok(())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        command
            .current_dir(self.tree)
            .args(["ARCH=riscv", &format!("CROSS_COMPILE={CROSS}")])
            // Given, even as nothing, it keeps a `+` out of the version that would say that the
            // tree is not one of a git tag.
            .arg("LOCALVERSION=")
            // The options, which are part of the kernel, have the versions of these tools of the
            // host, although it is made without them.
            .args(["RUSTC=no-rustc", "PAHOLE=no-pahole"])
            .args(arguments)
            .stdin(Stdio::null());
        // Whatever else is set, from MAKEFLAGS to CFLAGS, would get into the kernel.
        command.env_clear();
        for name in ["PATH", "TMPDIR"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command
            .env("LC_ALL", "C")
            // Linux, Documentation/kbuild/reproducible-builds.rst.
            .env("KBUILD_BUILD_TIMESTAMP", &self.date)
            .env("KBUILD_BUILD_VERSION", "1")
            .env("KBUILD_BUILD_USER", "virtarium")
            .env("KBUILD_BUILD_HOST", "virtarium");
        command
    }

    /// Writes what comes to the log until it ends. Gives the first complaint, else
    /// the last line.
    fn listen(&self, output: impl Read, heard: &mut impl FnMut(&[u8])) -> Result<Option<String>> {
        let mut output = BufReader::new(output);
        let mut complaint = None;
        let mut last = None;
        loop {
            let mut line = Vec::new();
            let got = (&mut output).take(LINE).read_until(b'\n', &mut line);
            if got.context("what make says cannot be read")? == 0 {
                break;
            }
            (&self.log)
                .write_all(&line)
                .map_err(|error| unwritable(&self.path, error))?;
            heard(&line);
            let text = String::from_utf8_lossy(&line);
            let text: String = text.trim().chars().take(COMPLAINT).collect();
            if complaint.is_none() && is_complaint(&text) {
                complaint = Some(text);
            } else if !text.is_empty() {
                last = Some(text);
            }
        }
        Ok(complaint.or(last))
    }

    /// Removes the log of a build that was good.
    pub fn forget_log(self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn stop(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Whether the line is one of those that tell of one file: two spaces, a word in capitals, a
/// name (`  CC      init/main.o`).
pub fn is_step(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"  ") else {
        return false;
    };
    let word = rest.iter().take_while(|byte| byte.is_ascii_uppercase());
    let word = word.count();
    word >= 2 && rest.get(word) == Some(&b' ')
}

/// Whether a compiler, a linker or make itself complains.
fn is_complaint(line: &str) -> bool {
    [
        "error:",
        "Error:",
        "undefined reference",
        "not found",
        "*** ",
    ]
    .iter()
    .any(|word| line.contains(word))
}

/// A time as the kernel prints it and `date` reads it: `Sat Aug 29 04:19:09 UTC 2026`.
fn utc(seconds: u64) -> String {
    // No package is of a later century.
    let seconds = i64::from(u32::try_from(seconds).unwrap_or(u32::MAX));
    DateTime::from_timestamp(seconds, 0)
        .unwrap_or_default()
        .format("%a %b %e %H:%M:%S UTC %Y")
        .to_string()
}

#[cfg(all(test, unix))]
mod tests;
