//! Which Debian mirror to ask: a setting, never a name in this repository.
//!
//! In this order: the option, the environment (`VIRTARIUM_MIRROR`), the first Debian
//! archive that the host's own apt configuration names.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};

/// The environment variable that names the mirror.
pub const VARIABLE: &str = "VIRTARIUM_MIRROR";

/// Root URL of a Debian archive, without a slash at the end: `pool/` and `dists/` lie below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror(String);

impl Mirror {
    /// Checks that `url` is something that can be fetched from.
    ///
    /// # Errors
    /// If it is not an `http` or `https` URL.
    pub fn new(url: &str) -> Result<Self> {
        let url = url.trim().trim_end_matches('/');
        let rest = url
            .strip_prefix("http://")
            .or_else(|| url.strip_prefix("https://"));
        ensure!(
            rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace)),
            "the mirror {url:?} is not an http or https URL of a Debian archive"
        );
        Ok(Self(url.to_owned()))
    }

    /// URL of a path below the root.
    pub fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.0)
    }

    /// Finds the mirror: `option`, then the environment, then apt's files below `root`
    /// (`/` but for tests).
    ///
    /// # Errors
    /// If there is none; the message says how to give one.
    pub fn find(option: Option<&str>, root: &Path) -> Result<Self> {
        if let Some(url) = option {
            return Self::new(url);
        }
        if let Ok(url) = std::env::var(VARIABLE)
            && !url.is_empty()
        {
            return Self::new(&url);
        }
        match from_apt(root) {
            Some(mirror) => Ok(mirror),
            None => bail!(
                "no Debian mirror is known: give one with `--mirror URL` or {VARIABLE}=URL \
                 (the directory that holds `dists/` and `pool/`)"
            ),
        }
    }
}

/// The first Debian archive in `etc/apt/sources.list` and `sources.list.d`.
fn from_apt(root: &Path) -> Option<Mirror> {
    let apt = root.join("etc/apt");
    let mut files = vec![apt.join("sources.list")];
    let mut more: Vec<PathBuf> = std::fs::read_dir(apt.join("sources.list.d"))
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    more.sort();
    files.extend(more);
    files.iter().find_map(|file| {
        let text = std::fs::read_to_string(file).ok()?;
        let found = match file.extension().and_then(|e| e.to_str()) {
            Some("list") => one_line(&text),
            Some("sources") => deb822(&text),
            _ => None,
        };
        found.and_then(|url| Mirror::new(&url).ok())
    })
}

/// Suites of Debian's main archive, with the updates and backports that share its root. An
/// archive that names one of them holds the others as well; `-security` has another root.
fn is_debian(url: &str, suite: &str, components: &str) -> bool {
    const NAMES: [&str; 10] = [
        "stable",
        "testing",
        "unstable",
        "oldstable",
        "sid",
        "bullseye",
        "bookworm",
        "trixie",
        "forky",
        "duke",
    ];
    let base = suite
        .trim_end_matches('/')
        .trim_end_matches("-updates")
        .trim_end_matches("-backports");
    NAMES.contains(&base)
        && components.split_whitespace().any(|c| c == "main")
        && (url.starts_with("http://") || url.starts_with("https://"))
        && !url.trim_end_matches('/').ends_with("-security")
}

/// sources.list(5), one-line style: `deb [options] uri suite component...`.
fn one_line(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let line = line.split('#').next()?.trim();
        let rest = line.strip_prefix("deb")?;
        let rest = rest.strip_prefix(char::is_whitespace)?.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']')?.1.trim_start(),
            None => rest,
        };
        let (url, rest) = rest.split_once(char::is_whitespace)?;
        let (suite, components) = rest.trim_start().split_once(char::is_whitespace)?;
        is_debian(url, suite, components).then(|| url.to_owned())
    })
}

/// sources.list(5), deb822 style: paragraphs with `Types`, `URIs`, `Suites`, `Components`.
fn deb822(text: &str) -> Option<String> {
    super::control::paragraphs(text).find_map(|paragraph| {
        let field = |name| paragraph.get(name).unwrap_or_default();
        let enabled = !matches!(field("Enabled").trim(), "no" | "false");
        let binary = field("Types").split_whitespace().any(|t| t == "deb");
        if !enabled || !binary {
            return None;
        }
        field("URIs").split_whitespace().find_map(|url| {
            field("Suites")
                .split_whitespace()
                .any(|suite| is_debian(url, suite, field("Components")))
                .then(|| url.to_owned())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_style_is_understood() {
        let text = "# deb http://a.example/debian trixie main\n\
                    deb-src http://b.example/debian trixie main\n\
                    deb http://sec.example/debian-security trixie-security main\n\
                    deb https://other.example/apt node main\n\
                    deb [arch=amd64 signed-by=/x] http://c.example/debian/ bookworm main contrib\n";
        assert_eq!(one_line(text).unwrap(), "http://c.example/debian/");
        assert_eq!(one_line("deb cdrom:[x]/ trixie main"), None);
        assert_eq!(one_line("deb"), None);
    }

    #[test]
    fn deb822_style_is_understood() {
        let text = "Types: deb\nURIs: http://sec.example/debian-security\n\
                    Suites: trixie-security\nComponents: main\n\n\
                    Enabled: no\nTypes: deb\nURIs: http://off.example/debian\n\
                    Suites: trixie\nComponents: main\n\n\
                    # a comment\nTypes: deb deb-src\nURIs: http://d.example/debian\n\
                    Suites: trixie trixie-updates\nComponents: main non-free-firmware\n";
        assert_eq!(deb822(text).unwrap(), "http://d.example/debian");
    }

    #[test]
    fn the_option_wins_and_nonsense_is_refused() {
        let nowhere = Path::new("/nonexistent");
        let mirror = Mirror::find(Some("http://e.example/debian/"), nowhere).unwrap();
        assert_eq!(mirror.url("pool/x"), "http://e.example/debian/pool/x");
        for bad in ["", "ftp://x/", "http://", "e.example/debian", "http://a b/"] {
            assert!(Mirror::find(Some(bad), nowhere).is_err(), "{bad}");
        }
    }

    #[test]
    fn without_any_source_the_message_says_what_to_give() {
        if std::env::var_os(VARIABLE).is_some() {
            return;
        }
        let error = Mirror::find(None, Path::new("/nonexistent")).unwrap_err();
        assert!(error.to_string().contains("--mirror"), "{error}");
    }
}
