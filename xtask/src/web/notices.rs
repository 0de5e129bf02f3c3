//! The licences of what is linked into the module, as their texts ask of whoever hands it out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::process::{self, cargo};
use crate::setup;

/// How the files with licences are called, or the folders with them, in capitals.
const NAMES: [&str; 6] = [
    "LICENSE",
    "LICENCE",
    "COPYING",
    "COPYRIGHT",
    "NOTICE",
    "UNLICENSE",
];

/// The standard library comes as it is compiled, with no text beside it: of its two licences, the
/// one whose text goes with the page anyway is taken.
const STANDARD_LIBRARY: &str = "\
The module also has parts of the Rust standard library and of the crates in it, compiled: copyright
(c) the Rust Project contributors, under Apache-2.0 or MIT. The text of Apache-2.0 is in LICENSE-APACHE.";

/// A crate that others wrote.
struct Foreign {
    name: String,
    licence: String,
    folder: PathBuf,
}

/// The names of all that others wrote in the crate `package` for the browser, and the texts of
/// their licences, each once.
///
/// # Errors
/// If cargo cannot say what they are, or one has no text.
pub fn of(package: &str) -> Result<String> {
    let crates = foreign(package)?;
    let mut list = String::from("==== virtarium.wasm ====\n\n");
    // Copies of one text differ in where its lines end.
    let mut texts: BTreeMap<String, (String, Vec<&str>)> = BTreeMap::new();
    for foreign in &crates {
        let _ = writeln!(list, "{}: {}", foreign.name, foreign.licence);
        let found = licences(&foreign.folder)
            .with_context(|| format!("the licences of {}", foreign.name))?;
        ensure!(
            !found.is_empty(),
            "{} has no file with its licence: without one the page may not be handed out",
            foreign.name
        );
        for text in found {
            let words: Vec<&str> = text.split_whitespace().collect();
            let row = texts.entry(words.join(" "));
            let (_, names) = row.or_insert_with(|| (text, Vec::new()));
            names.push(&foreign.name);
        }
    }
    let mut out = format!("{list}\n{STANDARD_LIBRARY}\n");
    for (text, names) in texts.values() {
        let _ = write!(out, "\n==== {} ====\n\n{text}\n", names.join(", "));
    }
    Ok(out)
}

/// What is linked into a crate, from the tree (what its features ask for) and the metadata (where
/// it lies). Macros run in the compiler, and nothing of them is left.
fn foreign(package: &str) -> Result<Vec<Foreign>> {
    let tree = process::output(cargo().args([
        "tree",
        "--locked",
        "--package",
        package,
        "--target",
        setup::WASM,
        "--edges",
        "normal,no-proc-macro",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]))
    .context("`cargo tree` fails")?;
    let metadata = process::output(cargo().args([
        "metadata",
        "--locked",
        "--format-version",
        "1",
        "--filter-platform",
        setup::WASM,
    ]))
    .context("`cargo metadata` fails")?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata")?;
    // `NAME vVERSION`, with the folder of one of ours behind it, or a mark.
    let linked: BTreeSet<String> = tree
        .lines()
        .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect();
    let mut crates = Vec::new();
    for row in metadata
        .get("packages")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let text = |name: &str| {
            let text = row.get(name).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let name = format!("{} v{}", text("name"), text("version"));
        // Those of this workspace come from nowhere.
        if text("source").is_empty() || !linked.contains(&name) {
            continue;
        }
        let manifest = PathBuf::from(text("manifest_path"));
        crates.push(Foreign {
            name: name.replacen(" v", " ", 1),
            licence: text("license"),
            folder: manifest.parent().unwrap_or(&manifest).to_owned(),
        });
    }
    ensure!(
        !crates.is_empty(),
        "cargo names nothing that is in {package}"
    );
    crates.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(crates)
}

/// The texts in the files of a folder that are called like licences.
fn licences(folder: &Path) -> io::Result<Vec<String>> {
    let mut texts = Vec::new();
    for path in entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.to_uppercase();
        if !NAMES.iter().any(|known| name.starts_with(known)) {
            continue;
        }
        let files = match path.is_dir() {
            true => entries(&path)?,
            false => vec![path],
        };
        for file in files {
            let text = fs::read_to_string(file)?;
            texts.push(text.replace('\r', "").trim().to_owned());
        }
    }
    Ok(texts)
}

/// What is in a folder, in the order of the names.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    #[test]
    fn everything_in_the_module_is_named_with_its_licence() {
        let text = of("virtarium-wasm").unwrap();
        for name in [
            "blake3",
            "chacha20",
            "libm",
            "object",
            "ruzstd",
            "sha2",
            "wasm-bindgen",
        ] {
            assert!(text.contains(&format!("\n{name} ")), "{name}");
        }
        for words in ["Permission is hereby granted", "Rust standard library"] {
            assert!(text.contains(words), "{words}");
        }
        // Neither ours, nor what runs in the compiler, nor where it lies here.
        for other in ["virtarium-machine", "\nsyn ", "\nwasm-bindgen-macro "] {
            assert!(!text.contains(other), "{other}");
        }
        let home = workspace::root().to_str().unwrap();
        assert!(!text.contains(home));
        let apache = text.matches("TERMS AND CONDITIONS FOR USE").count();
        assert!((1..12).contains(&apache), "{apache} times");
    }

    #[test]
    fn licences_are_found_by_their_names() {
        let folder = workspace::target().join(format!("tmp/licences-{}", std::process::id()));
        fs::create_dir_all(folder.join("LICENSES")).unwrap();
        fs::create_dir_all(folder.join("src")).unwrap();
        for (name, text) in [
            ("license-mit.md", "one\r\n"),
            ("LICENSES/X.txt", " two"),
            ("README", "no"),
            ("src/LICENSE", "no"),
        ] {
            fs::write(folder.join(name), text).unwrap();
        }
        assert_eq!(licences(&folder).unwrap(), ["two", "one"]);
        fs::remove_dir_all(&folder).unwrap();
        assert!(licences(&folder).is_err());
    }
}
