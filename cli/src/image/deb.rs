//! Debian packages (deb(5)): an `ar` archive of a version, `control.tar.*` and `data.tar.*`.
//!
//! A package may be hostile although its hash is right (a lock of one's own, a mirror of
//! one's own): every size is bounded, and names that leave the root are refused.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};

/// What `control.tar` may unpack to.
const MAX_CONTROL: u64 = 64 << 20;
/// What `data.tar` may unpack to.
const MAX_DATA: u64 = 4 << 30;
/// Members that an archive may have; deb(5) has three.
const MAX_MEMBERS: usize = 16;
/// Memory that a decompressor may take for its dictionary, in KiB; `xz -9` takes 64 MiB.
const MAX_DICTIONARY_KIB: u32 = 256 << 10;

/// An opened package.
#[derive(Debug)]
pub struct Deb {
    path: PathBuf,
    control: Member,
    data: Member,
}

#[derive(Clone, Debug)]
struct Member {
    name: String,
    offset: u64,
    size: u64,
}

/// A decompressed tar archive, bounded.
pub type Tar = tar::Archive<Box<dyn Read>>;

impl Deb {
    /// Opens a package and finds its members.
    ///
    /// # Errors
    /// If the file is not a package of format 2.x, with the reason.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_inner(path).with_context(|| format!("{} is damaged", path.display()))
    }

    fn open_inner(path: &Path) -> Result<Self> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let members = members(&mut file, length)?;
        let version = members
            .first()
            .filter(|member| member.name == "debian-binary" && member.size <= 16)
            .context("it does not begin with debian-binary: not a Debian package")?;
        let mut text = String::new();
        file.seek(SeekFrom::Start(version.offset))?;
        (&mut file).take(version.size).read_to_string(&mut text)?;
        ensure!(
            text.starts_with("2."),
            "package format {:?} is not 2.x",
            text.trim()
        );
        let find = |what: &str| {
            members
                .iter()
                .find(|member| member.name.starts_with(what))
                .cloned()
                .with_context(|| format!("it has no {what} member"))
        };
        Ok(Self {
            path: path.to_path_buf(),
            control: find("control.tar")?,
            data: find("data.tar")?,
        })
    }

    /// The archive of maintainer scripts and control files.
    ///
    /// # Errors
    /// If it is compressed in an unknown way.
    pub fn control(&self) -> Result<Tar> {
        self.tar(&self.control, MAX_CONTROL)
    }

    /// The archive of the files.
    ///
    /// # Errors
    /// If it is compressed in an unknown way.
    pub fn data(&self) -> Result<Tar> {
        self.tar(&self.data, MAX_DATA)
    }

    fn tar(&self, member: &Member, limit: u64) -> Result<Tar> {
        let mut file = File::open(&self.path)
            .with_context(|| format!("cannot open {}", self.path.display()))?;
        file.seek(SeekFrom::Start(member.offset))?;
        let raw = BufReader::with_capacity(256 << 10, file.take(member.size));
        let plain = decompress(&member.name, raw)
            .with_context(|| format!("{}: {}", self.path.display(), member.name))?;
        Ok(tar::Archive::new(Box::new(Bounded::new(plain, limit))))
    }
}

/// Chooses the decompressor by the end of a file's name.
///
/// # Errors
/// If the name tells of no known compression, or the stream's head is wrong.
pub fn decompress<'a, R: Read + 'a>(name: &str, raw: R) -> Result<Box<dyn Read + 'a>> {
    let (_, kind) = name.rsplit_once('.').unwrap_or((name, ""));
    Ok(match kind {
        "xz" => Box::new(lzma_rust2::XzReader::new_mem_limit(
            raw,
            true,
            MAX_DICTIONARY_KIB,
        )),
        "gz" => Box::new(flate2::read::MultiGzDecoder::new(raw)),
        "zst" => Box::new(
            ruzstd::decoding::StreamingDecoder::new(raw)
                .map_err(|error| anyhow!("not a zstd stream: {error}"))?,
        ),
        "tar" | "ko" => Box::new(raw),
        other => bail!("compression {other:?} is not known"),
    })
}

/// A reader that fails once more than `left` bytes come: against archives that unpack to
/// more than any package has.
pub(super) struct Bounded<R> {
    inner: Take<R>,
}

impl<R: Read> Bounded<R> {
    /// Lets `limit` bytes of `inner` through.
    pub(super) fn new(inner: R, limit: u64) -> Self {
        Self {
            inner: inner.take(limit),
        }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        if n == 0 && self.inner.limit() == 0 && !buf.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the archive unpacks to more than is allowed",
            ));
        }
        Ok(n)
    }
}

/// Lists the members of an `ar` archive; at most [`MAX_MEMBERS`].
fn members(file: &mut File, length: u64) -> Result<Vec<Member>> {
    let mut magic = [0; 8];
    file.read_exact(&mut magic)
        .map_err(|_| anyhow!("it is too short for an archive"))?;
    ensure!(&magic == b"!<arch>\n", "it is not an ar archive");
    let mut members = Vec::new();
    let mut at = 8_u64;
    while at < length {
        ensure!(members.len() < MAX_MEMBERS, "it has too many members");
        let mut head = [0; 60];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut head)
            .map_err(|_| anyhow!("a member's head is cut off"))?;
        let text = |from: usize, to: usize| {
            let bytes = head.get(from..to).unwrap_or_default();
            std::str::from_utf8(bytes).map(str::trim_end).ok()
        };
        ensure!(head.ends_with(b"`\n"), "a member's head is not one");
        let name = text(0, 16)
            .map(|name| name.trim_end_matches('/').to_owned())
            .context("a member's name is not text")?;
        let size: u64 = text(48, 58)
            .and_then(|size| size.parse().ok())
            .with_context(|| format!("member {name} has no size"))?;
        let offset = at + 60;
        let end = offset.checked_add(size).filter(|end| *end <= length);
        let end = end.with_context(|| format!("member {name} is cut off"))?;
        members.push(Member { name, offset, size });
        at = end + (end & 1);
    }
    Ok(members)
}

/// The path of an archive's entry as `a/b/c`, without `./` and slashes at the ends; the
/// root itself is empty.
///
/// # Errors
/// If the path is absolute, goes up, or is not text.
pub fn clean(path: &Path) -> Result<String> {
    use std::path::Component;
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(name) => {
                let name = name.to_str();
                parts.push(name.with_context(|| format!("{} is not text", path.display()))?);
            }
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                bail!("{} leaves the archive's root", path.display());
            }
        }
    }
    Ok(parts.join("/"))
}

/// Reads an entry of a tar archive whole, at most `limit` bytes.
///
/// # Errors
/// If the entry is larger than `limit` or cut off.
pub fn read_entry(entry: &mut impl Read, size: u64, limit: u64) -> Result<Vec<u8>> {
    ensure!(
        size <= limit,
        "a file of {size} bytes is larger than {limit}"
    );
    let mut bytes = Vec::new();
    entry.take(limit).read_to_end(&mut bytes)?;
    ensure!(bytes.len() as u64 == size, "a file is cut off");
    Ok(bytes)
}

#[cfg(test)]
mod tests;
