//! `virtarium image`: guests from Debian's packages, by name and hash.
//!
//! [`guest`] is what a program calls: it gives the files of a guest, and fetches and builds
//! what is not in the cache. [`command::ImageCommand`] is the same for people.
//!
//! Nothing of the host is needed but a file system and the network: no apt, dpkg, mke2fs,
//! cpio or root. What an image is made of stands in `guest/images` as text.

use std::path::PathBuf;

use anyhow::{Result, bail};

pub mod busybox;
pub mod cache;
pub mod closure;
pub mod command;
pub mod control;
pub mod cpio;
pub mod deb;
pub mod digest;
pub mod http;
pub mod index;
pub mod kernel;
pub mod lock;
pub mod mirror;
pub mod openpgp;
pub mod progress;
pub mod recipe;
pub mod store;
pub mod strip;
#[cfg(test)]
mod testing;
pub mod version;

pub use progress::Progress;
use store::{Recipe, Store};

/// Kernel parameters that skip the self-tests of the crypto modules and the jitter entropy
/// source, which take two thirds of the boot of Debian's kernel.
pub const QUICK: &str = "cryptomgr.notests initcall_blacklist=jent_mod_init";

/// Where images come from and go to.
#[derive(Clone)]
pub struct Options {
    /// Root URL of a Debian archive; without it the environment and apt are asked.
    pub mirror: Option<String>,
    /// Directory of the cache; without it the environment and the user's cache directory.
    pub cache: Option<PathBuf>,
    /// A lock file in place of the committed one.
    pub lock: Option<PathBuf>,
    /// Refuse packages that the lock does not name.
    pub locked: bool,
    /// OpenPGP keys that may sign the archive's index, in place of Debian's.
    pub keyring: Option<PathBuf>,
    /// Where progress goes.
    pub progress: Progress,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mirror: None,
            cache: None,
            lock: None,
            locked: false,
            keyring: None,
            progress: Progress::auto(),
        }
    }
}

/// The files of a guest, ready to boot.
#[derive(Clone, Debug)]
pub struct Guest {
    /// A RISC-V Image.
    pub kernel: PathBuf,
    /// An initramfs.
    pub initrd: Option<PathBuf>,
    /// A raw disk for the first virtio block device. It belongs to the cache: whoever
    /// writes to it puts an overlay over it or copies it.
    pub disk: Option<PathBuf>,
    /// The kernel command line.
    pub append: String,
}

/// Names that [`guest`] knows.
pub const GUESTS: [&str; 1] = ["busybox"];

const BUSYBOX: Recipe = Recipe {
    name: "busybox",
    inputs: &["busybox", "kernel"],
    texts: &[
        recipe::MODULES,
        recipe::BUSYBOX_INIT,
        recipe::BUSYBOX_INITTAB,
        recipe::BUSYBOX_PROFILE,
    ],
    build: busybox::build,
};

/// Makes a lock of the newest packages of the mirror, from its signed index.
///
/// # Errors
/// If the index cannot be had or trusted, or a package is not in it.
pub fn new_lock(options: &Options) -> Result<lock::Lock> {
    Store::open(options)?.newest()
}

/// The files of the guest `name` (one of [`GUESTS`]), fetched and built if need be.
///
/// # Errors
/// One line: an unknown name, no mirror, no network, no place, a damaged package.
pub fn guest(options: &Options, name: &str) -> Result<Guest> {
    let mut store = Store::open(options)?;
    match name {
        "busybox" => {
            let dir = store.image(&BUSYBOX)?;
            Ok(Guest {
                kernel: dir.join("vmlinux"),
                initrd: Some(dir.join("initrd")),
                disk: None,
                append: format!("console=ttyS0 {QUICK}"),
            })
        }
        _ => bail!(
            "there is no guest {name:?}; there are: {}",
            GUESTS.join(", ")
        ),
    }
}
