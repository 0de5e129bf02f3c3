//! The machine file: what a page boots, as JSON. `docs/machine-file.md` describes it.

use serde::{Deserialize, Serialize};

use crate::image::digest::Sha256;

/// The format that is written.
pub const VERSION: u32 = 1;

/// One machine. URLs are relative to the file itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineFile {
    /// The format: [`VERSION`].
    pub virtarium: u32,
    /// What people call it.
    pub title: String,
    /// RAM, such as `128M`.
    pub memory: String,
    /// Harts.
    pub cpus: u32,
    /// The kernel's command line.
    pub append: String,
    /// What is started.
    pub kernel: FileRef,
    /// An initramfs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initrd: Option<FileRef>,
    /// Disks, in the order of their slots.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<DiskRef>,
    /// Number of virtio consoles; the first is the terminal.
    pub consoles: u32,
    /// Index of the console that has the shell for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<u32>,
    /// Whether it has an entropy device.
    pub rng: bool,
    /// What the terminal shows when the guest can be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// Where it says what the sources of the guest are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<String>,
}

/// A file that the machine is given whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRef {
    /// Where it is.
    pub url: String,
    /// Hash of the bytes that the machine is given.
    pub sha256: Sha256,
    /// Their number.
    pub size: u64,
    /// How the file at the URL is packed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
}

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// RFC 1952.
    Gzip,
}

/// A disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskRef {
    /// Name, unique within the machine.
    pub name: String,
    /// Manifest of an image in chunks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// Size of an empty disk, such as `64M`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
}

/// A line of `index.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Name of the guest.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// The machine file, relative to the index.
    pub url: String,
    /// Whether it has disks, which a page can keep.
    pub disks: bool,
}
