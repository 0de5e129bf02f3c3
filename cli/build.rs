//! Tells the program which commit, target and features it was built from.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    // Every commit and checkout appends to this log; without a repository nothing changes.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    let commit = git(&["rev-parse", "--short=12", "HEAD"]);
    let commit = commit.unwrap_or_else(|| "no repository".to_owned());
    println!("cargo::rustc-env=VIRTARIUM_COMMIT={commit}");
    let target = std::env::var("TARGET").unwrap_or_default();
    println!("cargo::rustc-env=VIRTARIUM_TARGET={target}");
    let mut features: Vec<String> = std::env::vars()
        .filter_map(|(name, _)| Some(name.strip_prefix("CARGO_FEATURE_")?.to_lowercase()))
        .filter(|name| name != "default")
        .collect();
    features.sort();
    let features = match features.len() {
        0 => "none".to_owned(),
        _ => features.join(", "),
    };
    println!("cargo::rustc-env=VIRTARIUM_FEATURES={features}");
    embed_page();
}

/// Makes the files of the folder that `VIRTARIUM_PAGE` names part of the program, as the page
/// that it serves.
fn embed_page() {
    println!("cargo::rerun-if-env-changed=VIRTARIUM_PAGE");
    let mut files = Vec::new();
    if let Some(dir) = std::env::var_os("VIRTARIUM_PAGE").filter(|dir| !dir.is_empty()) {
        let dir = std::fs::canonicalize(&dir)
            .unwrap_or_else(|error| panic!("VIRTARIUM_PAGE={}: {error}", dir.display()));
        println!("cargo::rerun-if-changed={}", dir.display());
        collect(&dir, "", &mut files);
        files.sort();
    }
    let rows = files
        .iter()
        .map(|(path, file)| format!("({path:?}, include_bytes!({file:?})), "));
    let rows: String = rows.collect();
    let text = format!("const EMBEDDED: &[(&str, &[u8])] = &[{rows}];\n");
    let out = std::env::var_os("OUT_DIR").expect("cargo sets it");
    std::fs::write(Path::new(&out).join("page.rs"), text).expect("OUT_DIR can be written");
}

/// The files below `dir` but hidden ones: their path there, with `/`, and where they are.
fn collect(dir: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) {
    let entries = std::fs::read_dir(dir).expect("the page can be listed");
    for entry in entries.map(|entry| entry.expect("the page can be listed")) {
        let name = entry
            .file_name()
            .into_string()
            .expect("a name that a URL can have");
        let path = entry.path();
        if name.starts_with('.') {
            continue;
        } else if path.is_dir() {
            collect(&path, &format!("{prefix}{name}/"), files);
        } else {
            files.push((format!("{prefix}{name}"), path));
        }
    }
}
