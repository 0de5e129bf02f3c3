//! What is measured: the host itself, and the machines, one row each.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::compile::first_line;
use crate::workspace;

/// What a machine is given to boot.
#[derive(Debug)]
pub struct Boot {
    /// A RISC-V Image.
    pub kernel: PathBuf,
    /// The initramfs with the programs.
    pub initrd: PathBuf,
    /// The kernel's parameters.
    pub append: String,
}

/// A machine that boots the guest with one processor and 512 MiB.
pub struct Machine {
    /// The name on the command line.
    pub key: &'static str,
    /// The name in the report.
    pub title: &'static str,
    /// Builds or finds the program.
    pub program: fn() -> Result<PathBuf>,
    /// What to do where the program is missing.
    pub remedy: &'static str,
    /// The arguments: serial console on standard output, and an end when the guest powers off.
    pub arguments: fn(&Boot) -> Vec<OsString>,
}

/// The key of the host itself.
pub const NATIVE: &str = "native";

/// The key of the machine that the others are compared with.
pub const QEMU: &str = "qemu";

/// All machines, in the order of the report.
pub const MACHINES: [Machine; 2] = [
    Machine {
        key: QEMU,
        title: "QEMU",
        program: || Ok("qemu-system-riscv64".into()),
        remedy: "apt-get install qemu-system-riscv (bookworm-backports or later), or --no-qemu",
        arguments: qemu,
    },
    Machine {
        key: "virtarium",
        title: "Virtarium",
        program: workspace::release_program,
        remedy: "cargo build --release",
        arguments: virtarium,
    },
];

/// QEMU that counts: virtual time is the number of instructions, one each nanosecond.
pub const COUNTER: Machine = Machine {
    key: "count",
    title: "QEMU -icount",
    program: || Ok("qemu-system-riscv64".into()),
    remedy: "apt-get install qemu-system-riscv",
    arguments: |boot| {
        let mut arguments = qemu(boot);
        arguments.extend(["-icount", "shift=0"].map(OsString::from));
        arguments
    },
};

impl Machine {
    /// Whether the program can be run at all.
    ///
    /// # Errors
    /// If it cannot, with what helps.
    pub fn check(&self, program: &Path) -> Result<()> {
        Command::new(program)
            .arg("--version")
            .output()
            .map(drop)
            .with_context(|| {
                let name = program.display();
                format!("{name} cannot be run; the remedy: {}", self.remedy)
            })
    }

    /// What the program says about its version.
    pub fn version(&self, program: &Path) -> String {
        first_line(&program.to_string_lossy(), "--version")
    }
}

fn qemu(boot: &Boot) -> Vec<OsString> {
    let mut line = words("-M virt -cpu rv64 -m 512 -smp 1 -nographic -no-reboot");
    line.extend(["-kernel".into(), boot.kernel.clone().into()]);
    line.extend(["-initrd".into(), boot.initrd.clone().into()]);
    line.extend(["-append".into(), boot.append.clone().into()]);
    line
}

fn virtarium(boot: &Boot) -> Vec<OsString> {
    let mut line = words("run --memory 512M");
    line.extend(["--kernel".into(), boot.kernel.clone().into()]);
    line.extend(["--initrd".into(), boot.initrd.clone().into()]);
    line.extend(["--append".into(), boot.append.clone().into()]);
    line
}

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}
