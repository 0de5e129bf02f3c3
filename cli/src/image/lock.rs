//! The lock file: which Debian packages an image is made of, by name, version and hash.
//!
//! The committed lock lies in `guest/images/debian.lock`. Where a pinned file has left the
//! archive, a *local* lock is written beside the cache; it names the hash of the committed
//! lock that it replaces, and is ignored as soon as that one changes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::digest::Sha256;

/// The format that this program reads and writes.
pub const VERSION: u32 = 1;
/// No package of the archive is larger; a lock that says otherwise is wrong.
const MAX_PACKAGE: u64 = 2 << 30;

/// A resolved set of packages for each image.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Format of the file: [`VERSION`].
    pub version: u32,
    /// Suite of the archive, such as `trixie`.
    pub suite: String,
    /// Debian's name of the architecture, such as `riscv64`.
    pub architecture: String,
    /// `Date` field of the signed index that the lock was made from.
    pub date: String,
    /// In a local lock: SHA-256 of the committed lock that it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Sha256>,
    /// Names of the packages of each image, sorted.
    pub images: BTreeMap<String, Vec<String>>,
    /// Every package of every image, sorted by name.
    #[serde(rename = "package")]
    pub packages: Vec<Package>,
}

/// One binary package, pinned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Name of the binary package.
    pub name: String,
    /// Debian version, epoch included.
    pub version: String,
    /// Path below the mirror's root, `pool/...`.
    pub file: String,
    /// Size in bytes.
    pub size: u64,
    /// Hash of the file.
    pub sha256: Sha256,
}

impl Package {
    /// The last part of the pool path, which is also the name in the cache.
    pub fn file_name(&self) -> &str {
        self.file.rsplit('/').next().unwrap_or(&self.file)
    }

    /// Refuses what could leave the mirror or the cache: `..`, absolute and odd paths.
    ///
    /// # Errors
    /// Names the package and the field.
    pub fn check(&self) -> Result<()> {
        let plain = |s: &str| {
            s.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.~_%:".contains(&b))
        };
        ensure!(
            !self.name.is_empty() && plain(&self.name) && !self.name.starts_with('.'),
            "package name {:?} has characters that no Debian package has",
            self.name
        );
        let parts_ok = self.file.starts_with("pool/")
            && self
                .file
                .split('/')
                .all(|part| !part.is_empty() && plain(part) && !part.starts_with('.'));
        ensure!(
            parts_ok && self.file.ends_with(".deb"),
            "package {}: {:?} is not a path of a package in the pool",
            self.name,
            self.file
        );
        ensure!(
            self.size > 0 && self.size <= MAX_PACKAGE,
            "package {}: a size of {} bytes is not plausible",
            self.name,
            self.size
        );
        Ok(())
    }
}

impl Lock {
    /// Parses and checks a lock file.
    ///
    /// # Errors
    /// Says which field is wrong: format version, a name, a path, a package listed twice,
    /// an image that names a package without an entry.
    pub fn parse(text: &str) -> Result<Self> {
        let lock: Self = toml::from_str(text)?;
        ensure!(
            lock.version == VERSION,
            "lock file has format {}, this program reads format {VERSION}",
            lock.version
        );
        let mut names = BTreeSet::new();
        for package in &lock.packages {
            package.check()?;
            ensure!(
                names.insert(package.name.as_str()),
                "package {} is listed twice",
                package.name
            );
        }
        for (image, wanted) in &lock.images {
            if let Some(missing) = wanted.iter().find(|name| !names.contains(name.as_str())) {
                bail!("image {image} names package {missing}, which has no entry");
            }
        }
        Ok(lock)
    }

    /// Reads a lock file from disk.
    ///
    /// # Errors
    /// Names the file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the lock file {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is not a lock file", path.display()))
    }

    /// The file's text.
    ///
    /// # Errors
    /// Only if a field cannot be written as TOML.
    pub fn to_text(&self) -> Result<String> {
        let body = toml::to_string(self).context("cannot write the lock as TOML")?;
        Ok(format!(
            "# Written by `virtarium image lock`; packages of Debian by name and SHA-256.\n{body}"
        ))
    }

    /// The packages of one image, in the order of its list.
    ///
    /// # Errors
    /// If the lock has no such image.
    pub fn packages_of(&self, image: &str) -> Result<Vec<&Package>> {
        let Some(names) = self.images.get(image) else {
            bail!("the lock file has no image {image:?}; run `virtarium image lock`");
        };
        names.iter().map(|name| self.package(name)).collect()
    }

    fn package(&self, name: &str) -> Result<&Package> {
        self.packages
            .iter()
            .find(|package| package.name == name)
            .with_context(|| format!("the lock file has no package {name:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(file: &str) -> String {
        format!(
            "version = 1\nsuite = 's'\narchitecture = 'riscv64'\ndate = 'd'\n\
             [images]\nx = ['a']\n[[package]]\nname = 'a'\nversion = '1:2-3'\n\
             file = '{file}'\nsize = 3\nsha256 = '{}'\n",
            "0".repeat(64)
        )
    }

    #[test]
    fn lock_survives_a_round_trip() {
        let lock = Lock::parse(&text("pool/main/a/a_2-3_riscv64.deb")).unwrap();
        let again = Lock::parse(&lock.to_text().unwrap()).unwrap();
        assert_eq!(lock.packages, again.packages);
        assert_eq!(
            lock.packages_of("x").unwrap()[0].file_name(),
            "a_2-3_riscv64.deb"
        );
        assert!(lock.packages_of("y").is_err());
    }

    #[test]
    fn paths_that_leave_the_pool_are_refused() {
        for file in [
            "pool/../../etc/a.deb",
            "/pool/a.deb",
            "pool//a.deb",
            "pool/.a.deb",
            "pool/a\\b.deb",
            "other/a.deb",
            "pool/a.txt",
        ] {
            assert!(Lock::parse(&text(file)).is_err(), "{file}");
        }
    }

    #[test]
    fn an_image_with_an_unknown_package_is_refused() {
        let text = text("pool/a.deb").replace("['a']", "['a', 'b']");
        let error = Lock::parse(&text).unwrap_err().to_string();
        assert!(error.contains("package b"), "{error}");
    }

    #[test]
    fn another_format_is_refused() {
        let text = text("pool/a.deb").replace("version = 1\n", "version = 2\n");
        assert!(Lock::parse(&text).is_err());
    }
}
