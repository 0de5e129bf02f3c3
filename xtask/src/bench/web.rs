//! `cargo xtask bench --web`: the page in the browsers of this machine.

use std::fs;
use std::path::{Path, PathBuf};
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
    let work = workspace::target().join("bench");
    let out = report(options.out.as_deref().unwrap_or(&work))?;
    crate::web::build()?;
    let program = workspace::release_program()?;
    let guest = options.guest.as_str();
    process::run(Command::new(&program).args(["image", "build", guest]))?;
    let site = work.join("site");
    process::run(
        Command::new(&program)
            .arg("site")
            .arg(&site)
            .args(["--guest", guest, "--page"])
            .arg(workspace::target().join("web")),
    )?;
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

/// Where the report goes, absolute; its folder is made before all the boots come to nothing.
fn report(folder: &Path) -> Result<PathBuf> {
    let folder = workspace::absolute(folder)?;
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    Ok(folder.join("web.md"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_of_the_report_is_made_first() {
        let target = workspace::target().join(format!("tmp/report-{}", std::process::id()));
        let new = target.join("new/er");
        assert_eq!(report(&new).unwrap(), new.join("web.md"));
        assert!(new.is_dir());
        let file = target.join("file");
        fs::write(&file, "").unwrap();
        assert!(report(&file).is_err());
        fs::remove_dir_all(target).unwrap();
        assert!(report(Path::new("")).is_err());
    }
}
