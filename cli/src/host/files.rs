//! Files that are read whole, with errors that name the file, what it was for and the remedy.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Reads a file of at most `limit` bytes. `what` says what it is for, `kernel` say.
pub fn read(what: &str, path: &Path, limit: u64) -> Result<Vec<u8>> {
    let named = || format!("{what} {}", path.display());
    let file = File::open(path).with_context(named)?;
    let metadata = file.metadata().with_context(named)?;
    if metadata.is_dir() {
        bail!("{}: is a directory, not a file", named());
    }
    if metadata.len() > limit {
        bail!(
            "{}: {} MiB do not fit into the machine's {} MiB of memory; give it more with --memory",
            named(),
            metadata.len().div_ceil(1 << 20),
            limit >> 20
        );
    }
    // A pipe has no length; one byte more than allowed shows that there is too much.
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .with_context(named)?;
    if bytes.len() as u64 > limit {
        bail!("{}: does not fit into the machine's memory", named());
    }
    if bytes.is_empty() {
        bail!("{}: is empty", named());
    }
    Ok(bytes)
}

/// Writes a file anew.
pub fn write(what: &str, path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("{what} {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(path: &Path, limit: u64) -> String {
        format!("{:#}", read("kernel", path, limit).unwrap_err())
    }

    #[test]
    fn errors_name_the_purpose_and_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing");
        let text = error(&missing, 100);
        assert!(
            text.starts_with("kernel ") && text.contains("missing"),
            "{text}"
        );
        assert!(error(dir.path(), 100).contains("is a directory"));
        let empty = dir.path().join("empty");
        std::fs::write(&empty, b"").unwrap();
        assert!(error(&empty, 100).contains("is empty"));
    }

    #[test]
    fn file_that_cannot_fit_is_refused_before_it_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("huge");
        // Sparse: reading it would take an exbibyte of memory.
        std::fs::File::create(&path)
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
        assert!(error(&path, 128 << 20).contains("--memory"));
    }
}
