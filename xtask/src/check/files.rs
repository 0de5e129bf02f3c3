//! The files that the rules are about.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{process, workspace};

/// A text file of the repository.
pub struct Text {
    /// From the root, with `/` between names.
    pub path: String,
    /// Its lines without their ends.
    pub content: String,
}

/// Every text that git tracks or would add, in the order of their names. Files with a zero byte
/// are no texts.
///
/// # Errors
/// If this is no git checkout, or a file cannot be read.
pub fn texts() -> Result<Vec<Text>> {
    let list = process::output(Command::new("git").current_dir(workspace::root()).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))
    .context("`git ls-files` failed: the rules are checked in a git checkout only")?;
    let mut texts = Vec::new();
    for path in list.split('\0').filter(|path| !path.is_empty()) {
        let file = workspace::root().join(path);
        // Deleted and not yet committed, or a link.
        if !file.symlink_metadata().is_ok_and(|data| data.is_file()) {
            continue;
        }
        let bytes = fs::read(&file).with_context(|| path.to_owned())?;
        if bytes.contains(&0) {
            continue;
        }
        texts.push(Text {
            path: path.to_owned(),
            content: String::from_utf8_lossy(&bytes).into_owned(),
        });
    }
    Ok(texts)
}
