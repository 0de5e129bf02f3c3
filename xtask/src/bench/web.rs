//! `cargo xtask bench --web`: the page in the browsers of this machine.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::Options;
use crate::process;
use crate::workspace;

/// Builds page, program and site, and has the browsers boot.
///
/// # Errors
/// If something cannot be built, or a guest does not come to its prompt.
pub fn run(options: &Options) -> Result<()> {
    crate::web::build()?;
    let program = workspace::release_program()?;
    let guest = options.guest.as_str();
    process::run(Command::new(&program).args(["image", "build", guest]))?;
    let work = workspace::target().join("bench");
    let site = work.join("site");
    fs::create_dir_all(&work).with_context(|| format!("{}", work.display()))?;
    process::run(
        Command::new(&program)
            .arg("site")
            .arg(&site)
            .args(["--guest", guest, "--page"])
            .arg(workspace::target().join("web")),
    )?;
    let out = options.out.clone().unwrap_or(work).join("web.md");
    process::run(
        Command::new("node")
            .current_dir(workspace::root().join("www"))
            .arg("bench/web.mjs")
            .arg("--site")
            .arg(&site)
            .args(["--guest", guest, "--repeat", &options.repeat.to_string()])
            .arg("--out")
            .arg(&out),
    )?;
    eprintln!("report: {}", out.display());
    Ok(())
}
