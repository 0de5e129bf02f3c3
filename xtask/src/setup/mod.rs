//! What the tests need beside Rust: found, installed where that may be done without asking, and
//! otherwise named with the one line that installs it.

use std::process::Command;

use anyhow::{Result, bail};

mod debian;
mod needs;

pub use needs::{Need, browsers, missing};

use crate::process;

/// The core is built for it: it runs in a page as well.
pub const WASM: &str = "wasm32-unknown-unknown";
/// Test kernels are built for it.
pub const RISCV: &str = "riscv64gc-unknown-none-elf";

/// The parts of Rust that the checks call, and the targets that are built for.
///
/// # Errors
/// If a part is missing and cannot be added.
pub fn toolchain() -> Result<()> {
    let mut components = Vec::new();
    for (component, probe) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if !process::succeeds(process::cargo().args([probe, "--version"])) {
            components.push(component);
        }
    }
    if !components.is_empty() {
        let mut command = rustup();
        command.args(["component", "add"]).args(&components);
        if process::run(&mut command).is_err() {
            bail!(
                "{} missing; install: rustup component add {}",
                components.join(" and "),
                components.join(" ")
            );
        }
    }
    for target in [WASM, RISCV] {
        add_target(target);
    }
    Ok(())
}

/// Whether the standard library for a target is there, whoever installed it.
pub fn has_target(target: &str) -> bool {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "target-libdir", "--target", target]);
    process::output(&mut rustc).is_some_and(|folder| std::path::Path::new(folder.trim()).is_dir())
}

/// A target that what follows cannot do without.
///
/// # Errors
/// If it is missing and cannot be added; with the line that adds it.
#[cfg(feature = "web")]
pub fn target(target: &str) -> Result<()> {
    if !has_target(target) {
        add_target(target);
    }
    if !has_target(target) {
        bail!(
            "Rust's standard library for {target} is missing; install: rustup target add {target}"
        );
    }
    Ok(())
}

/// Whether the page can be built and tested: Node.js, new enough, and npm.
pub fn node() -> bool {
    needs::node() && process::succeeds(Command::new("npm").arg("--version"))
}

/// The packages of www/, as its lock file has them. Nothing is done where they are there.
///
/// # Errors
/// If Node is missing, or npm fails.
#[cfg(feature = "web")]
pub fn npm() -> Result<()> {
    let www = crate::workspace::root().join("www");
    // npm leaves a copy of the lock that it has installed.
    let wanted = std::fs::metadata(www.join("package-lock.json")).and_then(|it| it.modified());
    let there = std::fs::metadata(www.join("node_modules/.package-lock.json"));
    if let (Ok(wanted), Ok(there)) = (wanted, there.and_then(|it| it.modified()))
        && wanted <= there
    {
        return Ok(());
    }
    if !process::succeeds(Command::new("npm").arg("--version")) {
        bail!(
            "the page is built with Node.js 20 and npm, which are not there; on Debian, as root: apt-get install nodejs npm"
        );
    }
    process::run(
        Command::new("npm")
            .current_dir(&www)
            .args(["ci", "--no-audit", "--no-fund"]),
    )
}

/// Adds a target where rustup is there to do it. A stage that needs it says when it is not.
fn add_target(target: &str) {
    if has_target(target) {
        eprintln!("{target}: there");
    } else if process::run(rustup().args(["target", "add", target])).is_err() {
        eprintln!("{target}: missing (rustup target add {target})");
    }
}

fn rustup() -> Command {
    Command::new("rustup")
}

/// Installs the programs that tests need, where this is Debian and we are root; elsewhere says
/// how, and what is skipped without them.
pub fn programs() -> Result<()> {
    let absent = missing();
    if absent.is_empty() {
        eprintln!("every program that the tests call is there");
        return Ok(());
    }
    if debian::may_install() {
        debian::install(&absent)?;
    }
    let absent = missing();
    if !absent.is_empty() {
        let packages: Vec<_> = absent.iter().map(|need| need.package).collect();
        eprintln!("missing, and what is skipped without them:");
        for need in &absent {
            eprintln!("  {:24} {}", need.what, need.tests);
        }
        eprintln!("on Debian, as root: apt-get install {}", packages.join(" "));
        if absent.iter().any(|need| need.from_backports) {
            eprintln!("(QEMU 10 is in the backports suite of Debian 12: add that suite first)");
        }
    }
    Ok(())
}
