//! The values of `--block`, `--console`, `--rng`, `--serial` and `--load`.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};

use super::keys::Keys;
use crate::host::block::ImageFormat;

/// `--block [path=]FILE[,ro][,overlay=FILE][,format=raw|chunks][,slot=N][,id=NAME][,block-size=N]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockArg {
    /// The image, or the base of the overlay.
    pub path: PathBuf,
    /// Whether the guest may only read.
    pub read_only: bool,
    /// A copy-on-write file that takes the writes.
    pub overlay: Option<PathBuf>,
    /// What kind of file the image is.
    pub format: ImageFormat,
    /// The virtio-mmio slot (bus.N), if it was chosen.
    pub slot: Option<usize>,
    /// What GET_ID answers, at most 20 bytes.
    pub id: Option<String>,
    /// The logical block size in bytes, a power of two from 512.
    pub block_size: u32,
}

const BLOCK_KEYS: &str = "path, ro, overlay, format, slot, id, block-size";

impl BlockArg {
    /// Reads the value of the option.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::read(text).map_err(|error| format!("{error:#}"))
    }

    fn read(text: &str) -> Result<Self> {
        let mut keys = Keys::parse("--block", text, Some("path"))?;
        let path = keys.take("path")?.context("a disk needs path=FILE")?;
        let format = take_format(&mut keys, &path)?;
        let block_size = keys.take_number("block-size")?.unwrap_or(512);
        let id = keys.take("id")?;
        if let Some(id) = &id
            && id.len() > 20
        {
            bail!("id={id}: at most 20 bytes (virtio 1.2, 5.2.6, GET_ID)");
        }
        let arg = Self {
            read_only: keys.take_flag("ro")?.unwrap_or(false),
            overlay: keys.take("overlay")?.map(PathBuf::from),
            format,
            slot: take_slot(&mut keys)?,
            id,
            block_size: u32::try_from(block_size)
                .ok()
                .filter(|size| size.is_power_of_two() && (512..=4096).contains(size))
                .ok_or_else(|| anyhow!("block-size={block_size}: 512, 1024, 2048 or 4096"))?,
            path: path.into(),
        };
        keys.finish(BLOCK_KEYS)?;
        if arg.read_only && arg.overlay.is_some() {
            bail!("ro and overlay exclude each other: the overlay is what takes the writes");
        }
        Ok(arg)
    }
}

/// `[path=]FILE[,format=raw|chunks]`: an image that is only read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageArg {
    /// The raw image, or the manifest of one in chunks.
    pub path: PathBuf,
    /// What kind of file it is.
    pub format: ImageFormat,
}

impl ImageArg {
    /// Reads the value of an option or argument.
    pub fn parse(text: &str) -> Result<Self, String> {
        let read = || {
            let mut keys = Keys::parse("an image", text, Some("path"))?;
            let path = keys.take("path")?.context("an image needs a file")?;
            let format = take_format(&mut keys, &path)?;
            keys.finish("path, format")?;
            let path = path.into();
            Ok::<_, anyhow::Error>(Self { path, format })
        };
        read().map_err(|error| format!("{error:#}"))
    }
}

fn take_format(keys: &mut Keys, path: &str) -> Result<ImageFormat> {
    Ok(match keys.take("format")?.as_deref() {
        None => ImageFormat::Found,
        Some("raw") => ImageFormat::Raw,
        Some("chunks") => ImageFormat::Chunks,
        Some(other) => bail!(
            "format={other}: disks are raw files, or chunks with a manifest; convert it with `qemu-img convert -O raw {path} disk.raw`"
        ),
    })
}

/// Where the bytes of a console go.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Sink {
    /// The terminal, or standard output.
    #[default]
    Stdio,
    /// Nowhere.
    Null,
    /// A file, created or emptied.
    File(PathBuf),
}

impl Sink {
    /// Reads the value of `--serial`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let read = || {
            let mut keys = Keys::parse("--serial", text, Some("to"))?;
            let sink = take_sink(&mut keys)?;
            keys.finish("stdio, null, file=PATH")?;
            Ok::<_, anyhow::Error>(sink)
        };
        read().map_err(|error| format!("{error:#}"))
    }
}

/// `--console [stdio|null|file=PATH][,slot=N]`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ConsoleArg {
    /// Where its output goes.
    pub sink: Sink,
    /// The virtio-mmio slot, if it was chosen.
    pub slot: Option<usize>,
}

impl ConsoleArg {
    /// Reads the value of the option; empty means a console on the terminal.
    pub fn parse(text: &str) -> Result<Self, String> {
        let read = || {
            let mut keys = Keys::parse("--console", text, Some("to"))?;
            let slot = take_slot(&mut keys)?;
            let sink = take_sink(&mut keys)?;
            keys.finish("stdio, null, file=PATH, slot=N")?;
            Ok::<_, anyhow::Error>(Self { sink, slot })
        };
        read().map_err(|error| format!("{error:#}"))
    }
}

/// `--rng [slot=N]`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RngArg {
    /// The virtio-mmio slot, if it was chosen.
    pub slot: Option<usize>,
}

impl RngArg {
    /// Reads the value of the option; empty means the highest free slot.
    pub fn parse(text: &str) -> Result<Self, String> {
        let read = || {
            let mut keys = Keys::parse("--rng", text, None)?;
            let slot = take_slot(&mut keys)?;
            keys.finish("slot=N")?;
            Ok::<_, anyhow::Error>(Self { slot })
        };
        read().map_err(|error| format!("{error:#}"))
    }
}

/// `--load [file=]FILE,addr=A` or `--load addr=A,data=V,data-len=N`: bytes put into memory
/// before the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadArg {
    /// The bytes of a file; without an address it is an ELF file that says where.
    File {
        /// The file.
        path: PathBuf,
        /// Physical address.
        addr: Option<u64>,
        /// Whether an ELF file is loaded as it stands too.
        raw: bool,
    },
    /// A little-endian number.
    Data {
        /// Physical address.
        addr: u64,
        /// Its bytes.
        bytes: Vec<u8>,
    },
}

impl fmt::Display for LoadArg {
    /// What a message calls it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => write!(f, "{}", path.display()),
            Self::Data { addr, .. } => write!(f, "addr={addr:#x}"),
        }
    }
}

impl LoadArg {
    /// Reads the value of the option.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::read(text).map_err(|error| format!("{error:#}"))
    }

    fn read(text: &str) -> Result<Self> {
        let mut keys = Keys::parse("--load", text, Some("file"))?;
        let addr = keys.take_number("addr")?;
        let path = keys.take("file")?;
        let data = keys.take_number("data")?;
        let len = keys.take_number("data-len")?;
        let raw = keys.take_flag("force-raw")?.unwrap_or(false);
        keys.finish("file, addr, force-raw, or addr, data, data-len")?;
        match (path, data) {
            (Some(path), None) if len.is_none() => Ok(Self::File {
                path: path.into(),
                addr,
                raw,
            }),
            (None, Some(data)) => {
                let addr = addr.context("data= needs addr=")?;
                let len = len.context("data= needs data-len=1, 2, 4 or 8")?;
                if ![1, 2, 4, 8].contains(&len) {
                    bail!("data-len={len}: 1, 2, 4 or 8");
                }
                let bytes = data.to_le_bytes();
                Ok(Self::Data {
                    addr,
                    bytes: bytes.iter().copied().take(len as usize).collect(),
                })
            }
            _ => bail!("needs either file=FILE or data=NUMBER,data-len=N"),
        }
    }
}

fn take_slot(keys: &mut Keys) -> Result<Option<usize>> {
    match keys.take_number("slot")? {
        None => Ok(None),
        Some(slot @ 0..=7) => Ok(Some(slot as usize)),
        Some(slot) => bail!("slot={slot}: a machine has the slots 0 to 7"),
    }
}

fn take_sink(keys: &mut Keys) -> Result<Sink> {
    if let Some(path) = keys.take("file")? {
        return Ok(Sink::File(path.into()));
    }
    match keys.take("to")?.as_deref() {
        None | Some("stdio") => Ok(Sink::Stdio),
        Some("null" | "none") => Ok(Sink::Null),
        Some(other) => bail!("{other}: a console goes to stdio, null or file=PATH"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_reads_every_key() {
        let arg = BlockArg::parse("d.img,overlay=o.cow,format=raw,slot=3,id=abc,block-size=4096");
        let expected = BlockArg {
            path: "d.img".into(),
            read_only: false,
            overlay: Some("o.cow".into()),
            format: ImageFormat::Raw,
            slot: Some(3),
            id: Some("abc".into()),
            block_size: 4096,
        };
        assert_eq!(arg.unwrap(), expected);
    }

    #[test]
    fn images_are_raw_or_in_chunks() {
        let format = |text: &str| BlockArg::parse(text).map(|arg| arg.format);
        assert_eq!(format("d"), Ok(ImageFormat::Found));
        assert_eq!(format("d,format=raw"), Ok(ImageFormat::Raw));
        assert_eq!(format("d,format=chunks"), Ok(ImageFormat::Chunks));
        let arg = ImageArg::parse("a,,b.img,format=raw").unwrap();
        assert_eq!((arg.path, arg.format), ("a,b.img".into(), ImageFormat::Raw));
        assert!(
            ImageArg::parse("d,ro")
                .unwrap_err()
                .contains("path, format")
        );
        assert!(ImageArg::parse("").unwrap_err().contains("a file"));
    }

    #[test]
    fn block_refuses_what_it_cannot_do_and_says_why() {
        let refused = |text: &str, word: &str| {
            let error = BlockArg::parse(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        };
        refused("", "path=FILE");
        refused("d,format=qcow2", "qemu-img convert");
        refused("d,slot=8", "0 to 7");
        refused("d,id=123456789012345678901", "20 bytes");
        refused("d,block-size=500", "512, 1024");
        refused("d,ro,overlay=x", "exclude");
        refused("d,cache=none", "cache=none is not known");
    }

    #[test]
    fn console_goes_to_the_terminal_unless_told() {
        assert_eq!(ConsoleArg::parse(""), Ok(ConsoleArg::default()));
        let arg = ConsoleArg::parse("file=out.log,slot=1").unwrap();
        assert_eq!(arg.sink, Sink::File("out.log".into()));
        assert_eq!(arg.slot, Some(1));
        assert!(ConsoleArg::parse("pty").unwrap_err().contains("pty"));
        assert_eq!(Sink::parse("null"), Ok(Sink::Null));
    }

    #[test]
    fn load_takes_a_file_or_a_number() {
        assert_eq!(
            LoadArg::parse("k.bin,addr=0x80200000"),
            Ok(LoadArg::File {
                path: "k.bin".into(),
                addr: Some(0x8020_0000),
                raw: false
            })
        );
        assert_eq!(
            LoadArg::parse("addr=0x80000000,data=0x1234,data-len=2"),
            Ok(LoadArg::Data {
                addr: 0x8000_0000,
                bytes: vec![0x34, 0x12]
            })
        );
        for text in [
            "",
            "addr=1",
            "addr=1,data=2,data-len=3",
            "k,data=1",
            "k,data-len=4",
        ] {
            assert!(LoadArg::parse(text).is_err(), "{text}");
        }
    }
}
