//! Tells the program which commit, target and features it was built from.

use std::path::Path;
use std::process::Command;

mod embed;

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
    println!("cargo::rerun-if-changed=embed.rs");
    println!("cargo::rerun-if-env-changed=VIRTARIUM_PAGE");
    let dir = std::env::var_os("VIRTARIUM_PAGE").filter(|dir| !dir.is_empty());
    let dir = dir.as_deref().map(Path::new);
    if let Some(dir) = dir {
        println!("cargo::rerun-if-changed={}", dir.display());
    }
    match embed::text(dir) {
        Ok(text) => {
            let out = std::env::var_os("OUT_DIR").expect("cargo sets it");
            std::fs::write(Path::new(&out).join("page.rs"), text).expect("OUT_DIR can be written");
        }
        Err(problem) => println!("cargo::error=VIRTARIUM_PAGE={problem}"),
    }
}
