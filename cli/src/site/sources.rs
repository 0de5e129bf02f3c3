//! `SOURCES.md`: where the sources are of what a site hands out, as the licences of the guests
//! ask of whoever hands them out.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::Read;
use std::path::Path;

use crate::image::control::paragraphs;
use crate::image::deb::Deb;
use crate::image::lock::Package;

/// Name of the file.
pub const FILE: &str = "SOURCES.md";
/// The file of the page with the licences of what others wrote in it.
pub const THIRD_PARTY: &str = "THIRD-PARTY.txt";
/// What a control file may have.
const MAX_CONTROL: u64 = 1 << 20;

/// A source package: its name and version.
pub type Source = (String, String);

/// The sources of all guests of a site.
#[derive(Default)]
pub struct Sources {
    /// Folder in the pool, and binary packages that were taken, by source.
    packages: BTreeMap<Source, (String, Vec<String>)>,
    /// More files that say what something was made of.
    notices: Vec<String>,
    /// Whether the page has [`THIRD_PARTY`].
    third_party: bool,
}

impl Sources {
    /// Adds a package, whose file is at `path` in the cache if it is still there.
    pub fn add(&mut self, package: &Package, path: &Path) {
        let (source, parts) = of_file(path).unwrap_or_else(|| (of_name(package), Vec::new()));
        let folder = package.file.rsplit_once('/');
        let folder = folder.map_or_else(|| in_pool(&source.0), |(folder, _)| folder.to_owned());
        let binary = format!("{} {}", package.name, package.version);
        for part in parts {
            let folder = in_pool(&part.0);
            self.insert(part, folder, format!("part of {binary}"));
        }
        self.insert(source, folder, binary);
    }

    fn insert(&mut self, source: Source, folder: String, binary: String) {
        let row = self.packages.entry(source);
        let (_, binaries) = row.or_insert_with(|| (folder, Vec::new()));
        if !binaries.contains(&binary) {
            binaries.push(binary);
        }
    }

    /// Adds a file of the site that has more.
    pub fn add_notice(&mut self, path: String) {
        self.notices.push(path);
    }

    /// Says that the page has [`THIRD_PARTY`].
    pub fn add_third_party(&mut self) {
        self.third_party = true;
    }

    /// The text of the file.
    pub fn to_text(&self) -> String {
        let mut text = String::from(
            "# Sources\n\n\
             The machines of this page run programs that others wrote, under free licences; among \
             them are the\nGNU General Public License and the GNU Lesser General Public License, \
             which give you a right to the\ncomplete source. It is in these source packages of \
             Debian, unchanged, at these versions.\n\n\
             A source package is a `.dsc` file and the archives that it names, in the folder given \
             here below any\nDebian mirror (<https://www.debian.org/mirror/list>). Debian's \
             snapshot archive keeps those that have\nleft the mirrors, by name and version. With \
             `deb-src` lines in apt's list, `apt-get source\nNAME=VERSION` fetches one. Each \
             package says what its licence is in `debian/copyright`.\n\n\
             | source package | version | folder | taken as |\n|---|---|---|---|\n",
        );
        for ((name, version), (folder, binaries)) in &self.packages {
            let binaries = binaries.join(", ");
            let _ = writeln!(text, "| {name} | {version} | `{folder}/` | {binaries} |");
        }
        for notice in &self.notices {
            let _ = writeln!(
                text,
                "\n[{notice}]({notice}) says what was compiled from a source."
            );
        }
        text.push_str(
            "\nThe first process of the initial RAM file systems, and the page with what it runs, \
             belong to Virtarium\nand are under MIT or Apache-2.0, as you like.",
        );
        if self.third_party {
            let _ = write!(
                text,
                " Scripts and module of the page have parts\nthat others wrote: \
                 [{THIRD_PARTY}]({THIRD_PARTY}) has their names and licences."
            );
        }
        text.push('\n');
        text
    }
}

/// The source that the package itself names, and the others that parts of it come from.
fn of_file(path: &Path) -> Option<(Source, Vec<Source>)> {
    let deb = Deb::open(path).ok()?;
    let mut tar = deb.control().ok()?;
    for entry in tar.entries().ok()? {
        let entry = entry.ok()?;
        let name = entry.path().ok()?.into_owned();
        if name.file_name().is_some_and(|name| name == "control") {
            let mut text = String::new();
            entry.take(MAX_CONTROL).read_to_string(&mut text).ok()?;
            return of_control(&text);
        }
    }
    None
}

/// `Source: NAME (VERSION)`, where one that is left out is the package's own (Debian Policy,
/// 5.6.1); and `Built-Using: NAME (= VERSION), ...`, of which a program has parts that is linked
/// with nothing else (7.8).
fn of_control(text: &str) -> Option<(Source, Vec<Source>)> {
    let paragraph = paragraphs(text).next()?;
    let own = paragraph.get("Version");
    let source = paragraph
        .get("Source")
        .or_else(|| paragraph.get("Package"))?;
    let parts = ["Built-Using", "Static-Built-Using"].into_iter();
    let parts = parts
        .filter_map(|name| paragraph.get(name))
        .flat_map(|list| list.split(','));
    let parts = parts.filter_map(|part| named(part, None)).collect();
    Some((named(source, own)?, parts))
}

/// Reads `NAME (VERSION)` or `NAME (= VERSION)`.
fn named(text: &str, version: Option<&str>) -> Option<Source> {
    let (name, version) = match text.split_once('(') {
        Some((name, version)) => (
            name,
            version.trim().trim_end_matches(')').trim_start_matches('='),
        ),
        None => (text, version?),
    };
    Some((name.trim().to_owned(), version.trim().to_owned()))
}

/// The folder of a source in the pool of Debian's archive.
fn in_pool(name: &str) -> String {
    let first = if name.starts_with("lib") { 4 } else { 1 };
    let first: String = name.chars().take(first).collect();
    format!("pool/main/{first}/{name}")
}

/// The same by name: the pool's folder is that of the source, and a binary that was built again
/// without another source has `+bN` behind the version.
fn of_name(package: &Package) -> Source {
    let mut parts = package.file.rsplit('/').skip(1);
    let name = parts.next().unwrap_or(&package.name).to_owned();
    let version = match package.version.rsplit_once("+b") {
        Some((version, n)) if n.bytes().all(|b| b.is_ascii_digit()) => version,
        _ => &package.version,
    };
    (name, version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digest::Sha256;
    use crate::image::testing::{DebBuilder, directory};

    fn package(name: &str, version: &str, file: &str) -> Package {
        Package {
            name: name.to_owned(),
            version: version.to_owned(),
            file: file.to_owned(),
            size: 1,
            sha256: Sha256([0; 32]),
        }
    }

    #[test]
    fn source_is_what_the_package_says() {
        let of = |text| of_control(text).unwrap().0;
        let own = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        assert_eq!(of("Package: bash\nVersion: 5.2-3\n"), own("bash", "5.2-3"));
        assert_eq!(
            of("Package: busybox-static\nSource: busybox (1:1.37.0-6)\nVersion: 1:1.37.0-6+b9\n"),
            own("busybox", "1:1.37.0-6")
        );
        assert_eq!(of("Package: a\nSource: b\nVersion: 2\n"), own("b", "2"));
        assert!(of_control("Package: a\n").is_none());
        let text = "Package: a\nVersion: 1\nBuilt-Using: glibc (= 2.41-12),\n libz (= 1)\n\
                    Static-Built-Using: rust-x (= 3)\n";
        let parts = [
            own("glibc", "2.41-12"),
            own("libz", "1"),
            own("rust-x", "3"),
        ];
        assert_eq!(of_control(text).unwrap().1, parts);
    }

    #[test]
    fn each_source_is_named_once_with_its_place() {
        let dir = directory("site-sources");
        let path = dir.path().join("libx.deb");
        let deb = DebBuilder::new("libx1", "1.0-1")
            .field("Source", "xlib (2:1.0-1)")
            .field("Built-Using", "libzed (= 9)");
        std::fs::write(&path, deb.bytes()).unwrap();
        let mut sources = Sources::default();
        let libx = package("libx1", "1.0-1", "pool/main/x/xlib/libx1_1.0-1_riscv64.deb");
        sources.add(&libx, &path);
        sources.add(&libx, &path);
        let gone = Path::new("not in the cache");
        for (name, version) in [("libb1", "1.37.0-6+b9"), ("b-tools", "1.37.0-6")] {
            sources.add(
                &package(name, version, &format!("pool/main/b/b/{name}.deb")),
                gone,
            );
        }
        sources.add_notice("sources/small/SOURCE".to_owned());
        let text = sources.to_text();
        for line in [
            "| libzed | 9 | `pool/main/libz/libzed/` | part of libx1 1.0-1 |",
            "| xlib | 2:1.0-1 | `pool/main/x/xlib/` | libx1 1.0-1 |",
            "| b | 1.37.0-6 | `pool/main/b/b/` | libb1 1.37.0-6+b9, b-tools 1.37.0-6 |",
        ] {
            assert_eq!(
                text.lines().filter(|there| *there == line).count(),
                1,
                "{text}"
            );
        }
        assert!(text.contains("](sources/small/SOURCE)"), "{text}");
        assert!(!text.contains(THIRD_PARTY), "{text}");
        sources.add_third_party();
        let text = sources.to_text();
        assert!(text.contains("](THIRD-PARTY.txt)"), "{text}");
    }
}
