//! For the build: the page's files as Rust text. A test includes this file, too.

use std::path::{Path, PathBuf};

/// What a page cannot do without: the list in `src/site/page.rs`.
const NEEDED: [&str; 4] = ["index.html", "virtarium.js", "worker.js", "virtarium.wasm"];

/// The text of `EMBEDDED`, a list of paths with `/` and what is in those files: all that are below
/// the folder but hidden ones; or none, without a folder.
///
/// # Errors
/// If the folder cannot be listed, or is no page.
pub fn text(dir: Option<&Path>) -> Result<String, String> {
    let mut files = Vec::new();
    if let Some(dir) = dir {
        let named = |text: &dyn std::fmt::Display| format!("{}: {text}", dir.display());
        // The text stands elsewhere: what it names needs its whole path.
        let whole = std::fs::canonicalize(dir).map_err(|error| {
            let hint = "name the folder by its whole path: a build has folders of its own";
            named(&match dir.is_absolute() {
                true => error.to_string(),
                false => format!("{error}; {hint}"),
            })
        })?;
        collect(&whole, "", &mut files).map_err(|error| named(&error))?;
        files.sort();
        for name in NEEDED {
            if files.iter().all(|(path, _)| path != name) {
                let remedy = "`cargo xtask web` makes the page in target/web";
                return Err(named(&format!("there is no {name}; {remedy}")));
            }
        }
    }
    let rows = files
        .iter()
        .map(|(path, file)| format!("({path:?}, include_bytes!({file:?})), "));
    let rows: String = rows.collect();
    Ok(format!("const EMBEDDED: &[(&str, &[u8])] = &[{rows}];\n"))
}

/// The files below `dir`: their path there, and where they are.
fn collect(dir: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> Result<(), String> {
    let text = |error: std::io::Error| format!("{prefix}: {error}");
    for entry in std::fs::read_dir(dir).map_err(text)? {
        let entry = entry.map_err(text)?;
        let name = entry.file_name().into_string();
        let name = name.map_err(|name| format!("{name:?} is not a name that a URL can have"))?;
        let path = entry.path();
        if name.starts_with('.') {
            continue;
        } else if path.is_dir() {
            collect(&path, &format!("{prefix}{name}/"), files)?;
        } else {
            files.push((format!("{prefix}{name}"), path));
        }
    }
    Ok(())
}
