//! The archive's signed index: `InRelease`, and the list of packages that it vouches for.

use std::io::{Cursor, Read};

use anyhow::{Context, Result, ensure};

use super::control;
use super::deb::decompress;
use super::digest::Sha256;
use super::http::Client;
use super::lock::Package;
use super::mirror::Mirror;
use super::openpgp::Keyring;

/// `InRelease` of a Debian suite has some 140 kB.
const MAX_RELEASE: u64 = 8 << 20;
/// `Packages.xz` of one architecture has some 10 MB, and unpacks to some 50 MB.
const MAX_COMPRESSED: u64 = 64 << 20;
const MAX_PACKAGES: u64 = 512 << 20;

/// A verified index of one architecture of one suite.
pub struct Index {
    /// `Date` of the signed file.
    pub date: String,
    text: String,
}

/// What an entry says about a package, borrowed from the index.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Name of the binary package.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// `Pre-Depends` and `Depends`.
    pub depends: Vec<&'a str>,
    /// `Provides`.
    pub provides: &'a str,
    /// `Conflicts` and `Breaks`.
    pub conflicts: Vec<&'a str>,
    /// Whether it is `Essential: yes`.
    pub essential: bool,
    /// Whether its priority is higher than optional.
    pub preferred: bool,
    file: &'a str,
    size: &'a str,
    sha256: &'a str,
}

impl Entry<'_> {
    /// The entry as a line of a lock.
    ///
    /// # Errors
    /// If a field is missing or odd.
    pub fn pin(&self) -> Result<Package> {
        let package = Package {
            name: self.name.to_owned(),
            version: self.version.to_owned(),
            file: self.file.to_owned(),
            size: self
                .size
                .parse()
                .with_context(|| format!("the index gives {} no size", self.name))?,
            sha256: self
                .sha256
                .parse()
                .map_err(anyhow::Error::msg)
                .with_context(|| format!("the index gives {} no hash", self.name))?,
        };
        package.check()?;
        Ok(package)
    }
}

impl Index {
    /// Fetches and verifies the index of the component `main`.
    ///
    /// # Errors
    /// If it cannot be fetched, its signature is not by a key of the ring, it is of another
    /// suite, or the list does not have the hash that was signed.
    pub fn fetch(
        client: &Client,
        mirror: &Mirror,
        keyring: &Keyring,
        suite: &str,
        architecture: &str,
    ) -> Result<Self> {
        let url = mirror.url(&format!("dists/{suite}/InRelease"));
        let signed = client
            .bytes(&url, MAX_RELEASE)
            .map_err(|failure| failure.into_error())?;
        let signed = String::from_utf8(signed)
            .ok()
            .with_context(|| format!("{url} is not text"))?;
        let release = keyring
            .verified_text(&signed)
            .with_context(|| format!("{url} cannot be trusted"))?;
        let list = format!("main/binary-{architecture}/Packages.xz");
        let (date, sha256, size) =
            parse_release(&release, suite, &list).with_context(|| format!("{url} is odd"))?;
        ensure!(
            size <= MAX_COMPRESSED,
            "{url}: a list of {size} bytes is too large"
        );

        // By hash first: a mirror that is being updated still has the list that was signed.
        let below = format!("dists/{suite}/main/binary-{architecture}");
        let by_hash = mirror.url(&format!("{below}/by-hash/SHA256/{sha256}"));
        let plain = mirror.url(&format!("{below}/Packages.xz"));
        let compressed = client
            .bytes(&by_hash, size)
            .or_else(|_| client.bytes(&plain, size))
            .map_err(|failure| failure.into_error())?;
        ensure!(
            Sha256::of(&compressed) == sha256,
            "{plain} is not the list that was signed; the mirror is being updated or damaged: \
             try again later, or name another with --mirror"
        );
        let mut text = String::new();
        decompress("Packages.xz", Cursor::new(compressed))?
            .take(MAX_PACKAGES)
            .read_to_string(&mut text)
            .with_context(|| format!("{plain} cannot be unpacked"))?;
        Ok(Self { date, text })
    }

    /// An index out of the text of a `Packages` file.
    #[cfg(test)]
    pub fn of_text(text: &str) -> Self {
        Self {
            date: "a day".to_owned(),
            text: text.to_owned(),
        }
    }

    /// The entries, in the order of the file.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        control::paragraphs(&self.text).filter_map(|paragraph| {
            let field = |name| paragraph.get(name).unwrap_or_default();
            Some(Entry {
                name: paragraph.get("Package")?,
                version: paragraph.get("Version")?,
                depends: vec![field("Pre-Depends"), field("Depends")],
                provides: field("Provides"),
                conflicts: vec![field("Conflicts"), field("Breaks")],
                essential: field("Essential") == "yes",
                preferred: matches!(field("Priority"), "required" | "important" | "standard"),
                file: field("Filename"),
                size: field("Size"),
                sha256: field("SHA256"),
            })
        })
    }
}

/// Date, and hash and size of the list at `path`, of a release file of `suite`.
fn parse_release(text: &str, suite: &str, path: &str) -> Result<(String, Sha256, u64)> {
    let release = control::paragraphs(text)
        .next()
        .context("it has no fields")?;
    let is = |name| release.get(name) == Some(suite);
    ensure!(
        is("Codename") || is("Suite"),
        "it is the index of {:?}, not of {suite:?}",
        release.get("Codename").unwrap_or_default()
    );
    let date = release.get("Date").context("it has no date")?.to_owned();
    let line = release.get("SHA256").unwrap_or_default().lines();
    let found = line
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|words| words.get(2) == Some(&path))
        .with_context(|| format!("it does not list {path}"))?;
    let [hash, size, _] = found.as_slice() else {
        anyhow::bail!("its line for {path} is odd");
    };
    let hash = (*hash).parse().map_err(anyhow::Error::msg)?;
    Ok((date, hash, size.parse().context("a size is not a number")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_found_in_the_release() {
        let hash = "ab".repeat(32);
        let text = format!(
            "Suite: stable\nCodename: trixie\nDate: today\nMD5Sum:\n 00 1 main/P.xz\n\
             SHA256:\n {hash} 12 main/P\n {hash} 345 main/P.xz\n"
        );
        let (date, got, size) = parse_release(&text, "trixie", "main/P.xz").unwrap();
        assert_eq!((date.as_str(), size), ("today", 345));
        assert_eq!(got.to_string(), hash);
        assert!(parse_release(&text, "stable", "main/P.xz").is_ok());
        assert!(
            parse_release(&text, "bookworm", "main/P.xz").is_err(),
            "another suite"
        );
        assert!(parse_release(&text, "trixie", "main/Q.xz").is_err());
        assert!(parse_release("", "trixie", "main/P.xz").is_err());
    }
}
