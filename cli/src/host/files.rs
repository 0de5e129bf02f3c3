//! Files that are read whole, with errors that name the file, what it was for and the remedy; and
//! files that are written anew.
//!
//! Whoever can write to a directory can put a link where a file is going to be, and have another
//! file overwritten (hostile inputs, V25). A file is therefore made under a name of its own, which
//! must be new, and then takes the place of what has its name: a link is replaced, not followed.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

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

/// Begins a file anew. A device, a pipe, a terminal or an open file of this process
/// (`/dev/stdout`) that has this name is written to as it is.
pub fn create(what: &str, path: &Path) -> Result<File> {
    let made = || -> io::Result<File> {
        match special(path)? {
            Some(file) => Ok(file),
            None => {
                let (temporary, file) = new_beside(path)?;
                put(&temporary, path)?;
                Ok(file)
            }
        }
    };
    made().with_context(|| format!("{what} {}", path.display()))
}

/// Writes a file anew.
pub fn write(what: &str, path: &Path, bytes: &[u8]) -> Result<()> {
    replace(path, bytes).with_context(|| format!("{what} {}", path.display()))
}

/// Writes a file anew. Whoever opens it meanwhile finds the old one or the new one, whole.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(mut file) = special(path)? {
        return file.write_all(bytes);
    }
    put_whole(path, bytes, File::sync_all)
}

/// Writes a file anew, of many. After a loss of power it may be there and not be whole: for files
/// that are looked at before they are used.
pub fn place(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put_whole(path, bytes, |_| Ok(()))
}

fn put_whole(path: &Path, bytes: &[u8], sync: fn(&File) -> io::Result<()>) -> io::Result<()> {
    let (temporary, mut file) = new_beside(path)?;
    match file.write_all(bytes).and_then(|()| sync(&file)) {
        Ok(()) => put(&temporary, path),
        Err(error) => {
            let _ = fs::remove_file(&temporary);
            Err(error)
        }
    }
}

/// What is no regular file. Opened first and looked at then, so that it cannot become another.
fn special(path: &Path) -> io::Result<Option<File>> {
    if is_of_the_system(path) {
        return own(path).map(Some);
    }
    match OpenOptions::new().write(true).open(path) {
        Ok(file) => Ok((!file.metadata()?.is_file()).then_some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a name is one that the system gives to devices and to the open files of a process.
/// Where `/dev/stdout` leads to a regular file it is still that link which must stay.
fn is_of_the_system(path: &Path) -> bool {
    ["/dev", "/dev/fd", "/proc/self/fd"]
        .iter()
        .any(|directory| path.parent() == Some(Path::new(directory)))
}

/// What has a name of the system's. Standard output and error are shared with who writes to them
/// beside us, and with the place that the next byte goes to.
fn own(path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        let standard = match path.to_str() {
            Some("/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1") => {
                Some(io::stdout().as_fd().try_clone_to_owned()?)
            }
            Some("/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2") => {
                Some(io::stderr().as_fd().try_clone_to_owned()?)
            }
            _ => None,
        };
        if let Some(standard) = standard {
            return Ok(File::from(standard));
        }
    }
    OpenOptions::new().append(true).open(path)
}

/// A new file beside `path`.
fn new_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    /// A few names that are taken are nobody's mistake; more are somebody's intention.
    const ATTEMPTS: usize = 16;
    let mut attempt = 0;
    loop {
        attempt += 1;
        let temporary = temporary_beside(path);
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&temporary);
        match made {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && attempt < ATTEMPTS => {}
            Err(error) => return Err(error),
        }
    }
}

/// Gives a file its name.
fn put(temporary: &Path, path: &Path) -> io::Result<()> {
    fs::rename(temporary, path).inspect_err(|_| {
        let _ = fs::remove_file(temporary);
    })
}

/// A name beside `path` that no other process of ours uses.
pub fn temporary_beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(
        ".{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    ));
    path.with_file_name(name)
}

/// A new directory beside `path` that nobody else may enter, to build something in.
pub fn directory_beside(path: &Path) -> io::Result<PathBuf> {
    let directory = temporary_beside(path);
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&directory)?;
    Ok(directory)
}

/// Has links at the end of a path refused, for files that are opened as they are.
pub fn without_links(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        options,
        rustix::fs::OFlags::NOFOLLOW.bits() as i32,
    );
    options
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

    /// A file that must not change, and a link to it in a directory where outputs go.
    #[cfg(unix)]
    fn planted(dir: &Path) -> (PathBuf, PathBuf) {
        let (victim, link) = (dir.join("victim"), dir.join("output"));
        fs::write(&victim, "mine").unwrap();
        std::os::unix::fs::symlink(&victim, &link).unwrap();
        (victim, link)
    }

    // Hostile inputs, V25.
    #[cfg(unix)]
    #[test]
    fn link_in_the_place_of_an_output_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (victim, link) = planted(dir.path());
        write("signature", &link, b"output").unwrap();
        assert_eq!(fs::read(&link).unwrap(), b"output");
        assert!(fs::symlink_metadata(&link).unwrap().is_file());
        fs::remove_file(&link).unwrap();
        // One that leads nowhere is no way to make a file elsewhere.
        let nowhere = dir.path().join("nowhere");
        std::os::unix::fs::symlink(&nowhere, &link).unwrap();
        write!(create("trace", &link).unwrap(), "trace").unwrap();
        assert_eq!(fs::read(&link).unwrap(), b"trace");
        assert!(!nowhere.exists());
        assert_eq!(fs::read(&victim).unwrap(), b"mine");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "no leftovers");
    }

    // Hostile inputs, V25.
    #[cfg(unix)]
    #[test]
    fn link_in_the_place_of_a_temporary_file_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let (victim, _) = planted(dir.path());
        let output = dir.path().join("file");
        // The names that come next, for whoever can count.
        let next = temporary_beside(&output);
        let (stem, count) = next.to_str().unwrap().rsplit_once('-').unwrap();
        let count: u64 = count.parse().unwrap();
        for taken in count..count + 8 {
            let name = format!("{stem}-{taken}");
            std::os::unix::fs::symlink(&victim, name).unwrap();
        }
        write("signature", &output, b"output").unwrap();
        write!(create("trace", &output).unwrap(), "trace").unwrap();
        assert_eq!(fs::read(&output).unwrap(), b"trace");
        assert_eq!(fs::read(&victim).unwrap(), b"mine");
    }

    // Hostile inputs, V25.
    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_written_to_and_not_replaced() {
        let null = Path::new("/dev/null");
        write("signature", null, b"output").unwrap();
        write!(create("trace", null).unwrap(), "trace").unwrap();
        assert!(!fs::metadata(null).unwrap().is_file());
        let dir = tempfile::tempdir().unwrap();
        assert!(create("trace", dir.path()).is_err());
        assert!(write("signature", dir.path(), b"x").is_err());
        assert!(dir.path().is_dir());
    }
}
