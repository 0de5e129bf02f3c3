//! The page's own files: of a folder, or those that this program was built with.

use std::borrow::Cow;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// A file's path below the page, with `/`, and what is in it.
pub type File = (String, Cow<'static, [u8]>);

// `EMBEDDED: &[(&str, &[u8])]`, written by build.rs as embed.rs says.
include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// What a page cannot do without.
const NEEDED: [&str; 4] = ["index.html", "virtarium.js", "worker.js", "virtarium.wasm"];
/// Folders below each other; a page has few.
const DEPTH: usize = 8;
/// No page is larger, so that the folder named is another one.
const MAX_SIZE: u64 = 64 << 20;

/// The files of the page in `dir`, or of the one that is embedded.
///
/// # Errors
/// If there is none, or something is missing there.
pub fn files(dir: Option<&Path>) -> Result<Vec<File>> {
    let Some(dir) = dir else {
        ensure!(
            !EMBEDDED.is_empty(),
            "this program was built without the page: `cargo xtask start` builds and serves all; \
             or make the page with `cargo xtask web` and name its folder with --page target/web"
        );
        let own = |(path, bytes): &(&str, &'static [u8])| (path.to_string(), Cow::Borrowed(*bytes));
        return Ok(EMBEDDED.iter().map(own).collect());
    };
    let mut files = Vec::new();
    let mut room = MAX_SIZE;
    collect(dir, "", 0, &mut room, &mut files)
        .with_context(|| format!("--page {}", dir.display()))?;
    for name in NEEDED {
        ensure!(
            files.iter().any(|(path, _)| path == name),
            "--page {}: there is no {name}; `cargo xtask web` makes the page in target/web",
            dir.display()
        );
    }
    files.sort();
    Ok(files)
}

fn collect(
    dir: &Path,
    prefix: &str,
    depth: usize,
    room: &mut u64,
    files: &mut Vec<File>,
) -> Result<()> {
    ensure!(depth < DEPTH, "folders are nested too deep for a page");
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            bail!("{:?} is not a name that a URL can have", entry.path());
        };
        // What an editor or a system leaves lying about.
        if name.starts_with('.') {
            continue;
        }
        let path = format!("{prefix}{name}");
        let metadata = std::fs::metadata(entry.path()).with_context(|| path.clone())?;
        if metadata.is_dir() {
            collect(&entry.path(), &format!("{path}/"), depth + 1, room, files)?;
            continue;
        }
        *room = room.checked_sub(metadata.len()).with_context(|| {
            format!(
                "its files have more than {} MiB, which no page has",
                MAX_SIZE >> 20
            )
        })?;
        let bytes = std::fs::read(entry.path()).with_context(|| path.clone())?;
        files.push((path, Cow::Owned(bytes)));
    }
    Ok(())
}

#[cfg(test)]
#[path = "../../embed.rs"]
mod embed;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::testing::directory;

    #[test]
    fn page_is_taken_whole_and_what_it_lacks_is_named() {
        let dir = directory("site-page");
        std::fs::create_dir(dir.path().join("fonts")).unwrap();
        for name in [
            "index.html",
            "virtarium.js",
            "worker.js",
            ".swp",
            "fonts/a.woff2",
        ] {
            std::fs::write(dir.path().join(name), name).unwrap();
        }
        let error = files(Some(dir.path())).unwrap_err().to_string();
        assert!(error.contains("no virtarium.wasm"), "{error}");
        std::fs::write(dir.path().join("virtarium.wasm"), "\0asm").unwrap();
        let files = files(Some(dir.path())).unwrap();
        let names: Vec<_> = files.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(
            names,
            [
                "fonts/a.woff2",
                "index.html",
                "virtarium.js",
                "virtarium.wasm",
                "worker.js"
            ]
        );
        assert_eq!(*files[3].1, *b"\0asm");
    }

    #[test]
    fn a_folder_that_is_no_page_is_not_read_whole() {
        let dir = directory("site-large");
        let file = std::fs::File::create(dir.path().join("large")).unwrap();
        file.set_len(MAX_SIZE + 1).unwrap();
        let error = format!("{:#}", files(Some(dir.path())).unwrap_err());
        assert!(error.contains("64 MiB"), "{error}");
        assert!(files(Some(Path::new("no such folder"))).is_err());
    }

    #[test]
    fn what_is_embedded_is_what_a_folder_has() {
        let dir = directory("site-embedded");
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("fonts")).unwrap();
        std::fs::create_dir(at(".git")).unwrap();
        let others = [".swp", ".git/config", "fonts/a.woff2", "a\"b.css"];
        for name in NEEDED.iter().chain(&others) {
            std::fs::write(at(name), format!("{name}\0")).unwrap();
        }
        let text = embed::text(Some(dir.path())).unwrap();
        let whole = std::fs::canonicalize(dir.path()).unwrap();
        let found = files(Some(dir.path())).unwrap();
        let rows = found.iter().map(|(path, _)| {
            let file = path
                .split('/')
                .fold(whole.clone(), |at, part| at.join(part));
            format!("({path:?}, include_bytes!({file:?})), ")
        });
        let rows: String = rows.collect();
        assert_eq!(
            text,
            format!("const EMBEDDED: &[(&str, &[u8])] = &[{rows}];\n")
        );
        assert_eq!(found.len(), NEEDED.len() + 2);
    }

    #[test]
    fn what_is_no_page_is_not_embedded() {
        let dir = directory("site-no-page");
        for name in NEEDED {
            std::fs::write(dir.path().join(name), name).unwrap();
        }
        for name in NEEDED {
            let path = dir.path().join(name);
            std::fs::remove_file(&path).unwrap();
            let error = embed::text(Some(dir.path())).unwrap_err();
            assert!(error.contains(&format!("no {name};")), "{error}");
            std::fs::write(&path, name).unwrap();
        }
        let error = embed::text(Some(Path::new("no/such/folder"))).unwrap_err();
        assert!(error.contains("whole path"), "{error}");
        let none = embed::text(None).unwrap();
        assert_eq!(none, "const EMBEDDED: &[(&str, &[u8])] = &[];\n");
    }
}
