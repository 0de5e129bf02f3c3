//! Compiling the programs, for the host and for the guest.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::programs::{Program, sources};

/// A C compiler and the flags that the published comparison used.
pub struct Compiler {
    program: &'static str,
    flags: &'static [&'static str],
    /// The one line that installs it on Debian.
    remedy: &'static str,
}

/// For the host. Static as well, so that both sides call the C library alike.
pub const NATIVE: Compiler = Compiler {
    program: "gcc",
    flags: &["-O2", "-static"],
    remedy: "apt-get install gcc libc6-dev",
};

/// For the guest.
pub const RISCV64: Compiler = Compiler {
    program: "riscv64-linux-gnu-gcc",
    flags: &["-O2", "-static"],
    remedy: "apt-get install gcc-riscv64-linux-gnu libc6-dev-riscv64-cross",
};

impl Compiler {
    /// Compiles `programs` and, for the guest, its `init`, into `folder`.
    ///
    /// # Errors
    /// If the compiler is missing, which names the line that installs it, or fails.
    pub fn all(&self, programs: &[&Program], folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
        for program in programs {
            self.one(program.name, folder)?;
        }
        Ok(())
    }

    /// Compiles `guest/bench/NAME.c` to `FOLDER/NAME`, and returns that path.
    ///
    /// # Errors
    /// As [`Compiler::all`].
    pub fn one(&self, name: &str, folder: &Path) -> Result<PathBuf> {
        let output = folder.join(name);
        let done = Command::new(self.program)
            .args(self.flags)
            .arg("-o")
            .arg(&output)
            .arg(sources().join(format!("{name}.c")))
            .arg("-lm")
            .output();
        let done = match done {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                bail!("{} is missing; install it: {}", self.program, self.remedy)
            }
            other => other.with_context(|| format!("{} cannot be run", self.program))?,
        };
        let said = String::from_utf8_lossy(&done.stderr);
        // A cross compiler without its C library says so only through the linker.
        ensure!(
            done.status.success(),
            "{} cannot compile {name}.c (its C library: {}):\n{said}",
            self.program,
            self.remedy
        );
        Ok(output)
    }

    /// The first line of the compiler's `--version`.
    pub fn version(&self) -> String {
        first_line(self.program, "--version")
    }
}

/// The first line that `program argument` prints, or that it is missing.
pub fn first_line(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    match text.as_deref().map(|text| text.lines().next()) {
        Ok(Some(line)) => line.to_owned(),
        _ => format!("{program}: unknown version"),
    }
}
