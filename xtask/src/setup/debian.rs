//! Installing packages on Debian, as root, from the mirror that its apt is configured with.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Need;
use crate::process;

/// Where the backports suite is added. Written again, it is the same.
const SOURCE: &str = "/etc/apt/sources.list.d/virtarium-backports.sources";

/// Whether this is Debian and packages can be installed without asking anybody.
pub fn may_install() -> bool {
    let root = process::output(Command::new("id").arg("-u")).is_some_and(|id| id.trim() == "0");
    root && release().is_some() && process::succeeds(Command::new("apt-get").arg("--version"))
}

/// The release's name, on Debian only: its derivatives have other suites.
fn release() -> Option<String> {
    let text = fs::read_to_string("/etc/os-release").ok()?;
    (field(&text, "ID")? == "debian").then(|| field(&text, "VERSION_CODENAME"))?
}

/// A value of `os-release`, without its quotes.
fn field(text: &str, name: &str) -> Option<String> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim_matches('"').to_owned())
}

/// Installs the packages of `needs`, those that need it from the backports suite.
///
/// # Errors
/// If apt fails, or has no version that is new enough.
pub fn install(needs: &[&Need]) -> Result<()> {
    update()?;
    let (late, plain): (Vec<&Need>, Vec<&Need>) =
        needs.iter().partition(|need| need.from_backports);
    if !plain.is_empty() {
        let packages: Vec<_> = plain.iter().map(|need| need.package).collect();
        apt(&["install", "--yes", "--no-install-recommends"], &packages)?;
    }
    for need in late {
        let suite = match suite_with(need.package) {
            Some(suite) => suite,
            None => {
                add_backports()?;
                update()?;
                suite_with(need.package)
                    .with_context(|| format!("no suite has a new {}", need.package))?
            }
        };
        let options = ["install", "--yes", "--no-install-recommends", "-t", &suite];
        apt(&options, &[need.package])?;
    }
    Ok(())
}

/// Lists that cannot be fetched do not matter unless a package is missing from the others.
fn update() -> Result<()> {
    if apt(&["update"], &[]).is_err() {
        eprintln!("`apt-get update` failed in part; going on with what it has");
    }
    Ok(())
}

fn apt(options: &[&str], packages: &[&str]) -> Result<()> {
    process::run(
        Command::new("apt-get")
            .args(["-qq", "-o", "Dpkg::Use-Pty=0", "-o", "Acquire::Retries=3"])
            .args(options)
            .args(packages)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}

/// The suite with QEMU's riscv package of version 10 or later.
fn suite_with(package: &str) -> Option<String> {
    let list = process::output(Command::new("apt-cache").args(["madison", package]))?;
    list.lines().find_map(new_enough)
}

/// Reads a line of `apt-cache madison`: ` package | 1:10.0.2+ds | http://host/debian suite/main
/// amd64 Packages`.
fn new_enough(line: &str) -> Option<String> {
    let mut columns = line.split('|').map(str::trim);
    let version = columns.nth(1)?;
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    let major: u32 = version.split('.').next()?.parse().ok()?;
    let suite = columns.next()?.split_whitespace().nth(1)?;
    let suite = suite.split('/').next()?;
    (major >= 10).then(|| suite.to_owned())
}

/// Adds the backports suite of the mirror that serves the release itself.
fn add_backports() -> Result<()> {
    let release = release().context("/etc/os-release does not name a release of Debian")?;
    let Some((mirror, key)) = mirror_of(&release) else {
        bail!("apt has no source for {release}, so there is no mirror to ask for its backports");
    };
    let text = source(&mirror, &release, key.as_deref());
    eprintln!("adding {release}-backports of {mirror} ({SOURCE})");
    fs::write(SOURCE, text).with_context(|| SOURCE.to_owned())
}

/// The text of a source file for apt.
fn source(mirror: &str, release: &str, key: Option<&str>) -> String {
    let mut text = format!(
        "# Written by `cargo xtask test`, for QEMU 10. It can be deleted.\n\
         Types: deb\nURIs: {mirror}\nSuites: {release}-backports\nComponents: main\n"
    );
    if let Some(key) = key {
        text.push_str(&format!("Signed-By: {key}\n"));
    }
    text
}

/// The mirror that apt has for a release, and the key ring where Debian puts it.
fn mirror_of(release: &str) -> Option<(String, Option<String>)> {
    let mut command = Command::new("apt-get");
    command.args([
        "indextargets",
        "--format",
        "$(REPO_URI) $(RELEASE) $(COMPONENT)",
    ]);
    command.arg("Created-By: Packages");
    let mirror = mirror_in(&process::output(&mut command)?, release)?;
    let ring = "/usr/share/keyrings/debian-archive-keyring.gpg";
    Some((mirror, Path::new(ring).exists().then(|| ring.to_owned())))
}

/// Reads lines of `URI RELEASE COMPONENT`.
fn mirror_in(targets: &str, release: &str) -> Option<String> {
    targets.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let mirror = words.next()?;
        (words.next()? == release && words.next()? == "main").then(|| mirror.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_qemu_is_found_in_the_suite_that_has_it() {
        let old = " qemu-system-riscv | 1:7.2+dfsg-7 | http://a.example/debian bookworm/main amd64 Packages";
        let new = " qemu-system-riscv | 1:10.0.2+ds-2~bpo12+1 | http://a.example/debian \
                   bookworm-backports/main amd64 Packages";
        assert_eq!(new_enough(old), None);
        assert_eq!(new_enough(new).as_deref(), Some("bookworm-backports"));
    }

    #[test]
    fn the_mirror_is_the_one_that_serves_the_release() {
        let targets = "http://sec.example/debian-security/ bookworm-security main\n\
                       http://a.example/debian/ bookworm main\n";
        let mirror = mirror_in(targets, "bookworm");
        assert_eq!(mirror.as_deref(), Some("http://a.example/debian/"));
        assert_eq!(mirror_in(targets, "trixie"), None);
    }

    #[test]
    fn a_source_names_its_key_ring() {
        let text = source("http://a.example/debian/", "bookworm", Some("/ring.gpg"));
        assert!(text.contains("Suites: bookworm-backports\n"));
        assert!(text.ends_with("Signed-By: /ring.gpg\n"));
    }

    #[test]
    fn the_release_is_read_without_quotes() {
        let text = "NAME=\"Debian\"\nID=debian\nVERSION_CODENAME=\"bookworm\"\n";
        assert_eq!(field(text, "VERSION_CODENAME").as_deref(), Some("bookworm"));
        assert_eq!(field(text, "VERSION"), None);
    }
}
