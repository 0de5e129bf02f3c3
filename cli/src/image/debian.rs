//! Guest (b): a Debian root file system, made of packages without dpkg and without root.
//!
//! The packages are laid over one another and entered into dpkg's database as *unpacked*;
//! their own scripts configure them in the machine, at the first boot
//! (`guest/images/debian/second-stage`).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use md5::Digest as _;
use serde::Deserialize;

use super::control;
use super::deb::{Deb, clean, read_entry};
use super::digest::Hashing;
use super::ext4::{Attributes, Ext4};
use super::lock::Package;
use super::recipe;
use super::store::Inputs;

/// Size of the file system: what is installed takes about a tenth.
const SIZE: u64 = 2 << 30;
/// What one maintainer script or list may take.
const MAX_CONTROL_FILE: u64 = 16 << 20;
/// What one configuration file may take, which is read whole for its hash.
const MAX_CONFFILE: u64 = 16 << 20;
/// What one file may take.
const MAX_FILE: u64 = 1 << 30;

/// Builds `disk.img` in `dir`.
///
/// # Errors
/// If a package is damaged or hostile, or `dir` cannot be written.
pub fn build(inputs: &Inputs, dir: &Path) -> Result<()> {
    let packages = inputs
        .packages
        .get("debian")
        .context("the packages of debian are missing")?;
    let names: Vec<String> = packages
        .iter()
        .map(|(package, _)| format!("{} {}", package.name, package.version))
        .collect();
    let disk = dir.join("disk.img");
    let mut system = System {
        files: Ext4::create(&disk, SIZE, &names.join("\n"))?,
        status: String::new(),
        mawk: false,
        accounts: BTreeMap::new(),
    };
    let total = packages.iter().map(|(package, _)| package.size).sum();
    let mut task = inputs.progress.bytes("unpacking debian", total);
    for (package, path) in packages {
        system
            .add(package, path)
            .with_context(|| format!("package {}", package.name))?;
        task.add(package.size);
    }
    system.finish()
}

/// The system under construction.
struct System {
    files: Ext4,
    /// `var/lib/dpkg/status`.
    status: String,
    mawk: bool,
    /// `etc/passwd` and `etc/group`, from the masters of base-passwd.
    accounts: BTreeMap<String, String>,
}

/// What `control.tar` of a package holds.
struct Control {
    /// The paragraph `control`.
    paragraph: String,
    /// The other files: scripts, hashes, lists.
    files: BTreeMap<String, Vec<u8>>,
    /// Paths of configuration files, without the slash in front.
    conffiles: BTreeSet<String>,
}

impl System {
    /// Lays a package over the system, as `dpkg --unpack` does.
    fn add(&mut self, package: &Package, path: &Path) -> Result<()> {
        let deb = Deb::open(path)?;
        let control = read_control(&deb)?;
        let mut list = String::new();
        let mut hashes = BTreeMap::new();
        for entry in deb.data()?.entries()? {
            let mut entry = entry?;
            let name = clean(&entry.path()?)?;
            list.push_str(if name.is_empty() { "/." } else { "/" });
            list.push_str(&name);
            list.push('\n');
            if is_left_out(&name) {
                continue;
            }
            self.add_entry(&mut entry, &name, &control.conffiles, &mut hashes)
                .with_context(|| format!("/{name}"))?;
        }
        self.mawk |= package.name == "mawk";
        self.enter(package, &control, &list, &hashes)
    }

    fn add_entry(
        &mut self,
        entry: &mut tar::Entry<'_, Box<dyn Read>>,
        name: &str,
        conffiles: &BTreeSet<String>,
        hashes: &mut BTreeMap<String, String>,
    ) -> Result<()> {
        use tar::EntryType;
        let header = entry.header();
        let number = |n: std::io::Result<u64>| -> Result<u32> {
            u32::try_from(n?).context("a user or group has too high a number")
        };
        let attributes = Attributes {
            mode: header.mode()?,
            owner: (number(header.uid())?, number(header.gid())?),
            time: header.mtime()?,
        };
        let size = entry.size();
        let master = name
            .strip_prefix("usr/share/base-passwd/")
            .and_then(|name| name.strip_suffix(".master"));
        match header.entry_type() {
            EntryType::Regular if let Some(account) = master => {
                let content = read_entry(entry, size, MAX_CONFFILE)?;
                self.accounts.insert(
                    format!("etc/{account}"),
                    String::from_utf8_lossy(&content).into_owned(),
                );
                self.files.file(name, attributes, &mut Cursor::new(content))
            }
            EntryType::Directory => self.files.directory(name, attributes),
            EntryType::Regular | EntryType::Continuous if conffiles.contains(name) => {
                let content = read_entry(entry, size, MAX_CONFFILE)?;
                hashes.insert(name.to_owned(), md5(&content));
                self.files.file(name, attributes, &mut Cursor::new(content))
            }
            EntryType::Regular | EntryType::Continuous => {
                ensure!(size <= MAX_FILE, "a file of {size} bytes is too large");
                let mut content = Hashing::new(entry);
                self.files.file(name, attributes, &mut content)?;
                ensure!(content.finish().1 == size, "it is cut off");
                Ok(())
            }
            EntryType::Symlink => {
                let target = entry.link_name()?.context("a link without a target")?;
                let target = target.to_str().context("a link's target is not text")?;
                self.files.link(name, target, attributes)
            }
            EntryType::Link => {
                let target = entry.link_name()?.context("a link without a target")?;
                self.files.hard_link(name, &clean(&target)?)
            }
            // Debian policy 10.6: packages hold no devices.
            other => anyhow::bail!("entries of type {other:?} do not belong into a package"),
        }
    }

    /// Enters the package into dpkg's database.
    fn enter(
        &mut self,
        package: &Package,
        control: &Control,
        list: &str,
        hashes: &BTreeMap<String, String>,
    ) -> Result<()> {
        let fields = control::paragraphs(&control.paragraph)
            .next()
            .context("it has no control fields")?;
        ensure!(
            fields.get("Package") == Some(&package.name)
                && fields.get("Version") == Some(&package.version),
            "it is {} {}, not {} {}",
            fields.get("Package").unwrap_or_default(),
            fields.get("Version").unwrap_or_default(),
            package.name,
            package.version
        );
        let mut lines = fields.text().lines();
        self.status.push_str(lines.next().unwrap_or_default());
        self.status.push_str("\nStatus: install ok unpacked\n");
        for line in lines {
            self.status.push_str(line);
            self.status.push('\n');
        }
        if !hashes.is_empty() {
            self.status.push_str("Conffiles:\n");
            for (path, hash) in hashes {
                self.status.push_str(&format!(" /{path} {hash}\n"));
            }
        }
        self.status.push('\n');

        // dpkg names the files of packages that several architectures may share with theirs.
        let architecture = fields.get("Architecture").unwrap_or_default();
        let name = match fields.get("Multi-Arch") {
            Some("same") => format!("{}:{architecture}", package.name),
            _ => package.name.clone(),
        };
        let info = |end: &str| format!("var/lib/dpkg/info/{name}.{end}");
        self.text(&info("list"), 0o644, list)?;
        for (end, content) in &control.files {
            let script = matches!(
                end.as_str(),
                "preinst" | "postinst" | "prerm" | "postrm" | "config"
            );
            let attributes = Attributes::root(if script { 0o755 } else { 0o644 });
            let mut content = Cursor::new(content);
            self.files.file(&info(end), attributes, &mut content)?;
        }
        Ok(())
    }

    fn text(&mut self, path: &str, mode: u32, content: &str) -> Result<()> {
        let mut content = Cursor::new(content.as_bytes());
        self.files.file(path, Attributes::root(mode), &mut content)
    }

    /// What dpkg and the first configuration expect to find, and the files of the recipe.
    fn finish(mut self) -> Result<()> {
        let status = std::mem::take(&mut self.status);
        self.text("var/lib/dpkg/status", 0o644, &status)?;
        self.text("var/lib/dpkg/info/format", 0o644, "1\n")?;
        for empty in ["available", "diversions", "statoverride"] {
            self.text(&format!("var/lib/dpkg/{empty}"), 0o644, "")?;
        }
        for directory in ["updates", "triggers", "parts", "alternatives"] {
            let path = format!("var/lib/dpkg/{directory}");
            self.files.directory(&path, Attributes::root(0o755))?;
        }
        for directory in ["dev", "proc", "sys", "run"] {
            self.files.directory(directory, Attributes::root(0o755))?;
        }
        if self.mawk {
            // Scripts call awk before the alternatives are set up.
            self.files
                .link("usr/bin/awk", "mawk", Attributes::root(0o777))?;
        }
        // What base-passwd does before it is unpacked: its accounts are the first ones. Root
        // has no password, so that a person at the console can log in.
        let accounts = std::mem::take(&mut self.accounts);
        for (path, text) in accounts {
            let text = text.replacen("root:*:0:0:", "root::0:0:", 1);
            self.text(&path, 0o644, &text)?;
        }
        let own: Files =
            toml::from_str(recipe::DEBIAN_FILES.1).context("debian/files.toml is wrong")?;
        for file in own.files {
            self.text(&file.path, 0o644, file.content.trim_start_matches('\n'))?;
        }
        for link in own.links {
            for path in link.paths {
                self.files
                    .link(&path, &link.target, Attributes::root(0o777))?;
            }
        }
        self.text(
            "usr/lib/virtarium/second-stage",
            0o755,
            recipe::DEBIAN_SECOND_STAGE.1,
        )?;
        self.files.finish()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Files {
    #[serde(rename = "file")]
    files: Vec<OwnFile>,
    #[serde(rename = "link")]
    links: Vec<OwnLink>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnFile {
    path: String,
    content: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnLink {
    target: String,
    paths: Vec<String>,
}

/// What the system leaves out; `etc/dpkg/dpkg.cfg.d/virtarium` says the same to dpkg.
fn is_left_out(path: &str) -> bool {
    let below = |start: &str| {
        path.strip_prefix(start)
            .is_some_and(|rest| !rest.is_empty())
    };
    (below("usr/share/doc/") && !path.ends_with("/copyright") && path.split('/').count() > 4)
        || below("usr/share/info/")
        || below("usr/share/locale/")
        || below("usr/share/man/")
}

fn read_control(deb: &Deb) -> Result<Control> {
    let mut paragraph = None;
    let mut files = BTreeMap::new();
    for entry in deb.control()?.entries()? {
        let mut entry = entry?;
        let name = clean(&entry.path()?)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        ensure!(
            !name.contains('/') && !name.is_empty(),
            "control file {name:?} lies in a directory"
        );
        let size = entry.size();
        let content = read_entry(&mut entry, size, MAX_CONTROL_FILE)?;
        if name == "control" {
            paragraph = Some(String::from_utf8(content).context("its control is not text")?);
        } else {
            files.insert(name, content);
        }
    }
    // deb-conffiles(5): a path, or flags and a path.
    let conffiles = files
        .get("conffiles")
        .map(|content| String::from_utf8_lossy(content).into_owned())
        .unwrap_or_default()
        .lines()
        .filter(|line| line.starts_with('/'))
        .map(|line| line.trim().trim_start_matches('/').to_owned())
        .collect();
    Ok(Control {
        paragraph: paragraph.context("it has no control file")?,
        files,
        conffiles,
    })
}

fn md5(content: &[u8]) -> String {
    let hash = md5::Md5::digest(content);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
