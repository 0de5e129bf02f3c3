//! `virtarium image`: guests from Debian's packages, by name and hash.
//!
//! [`guest`] is what a program calls: it gives the files of a guest, and fetches and builds
//! what is not in the cache. [`command::ImageCommand`] is the same for people.
//!
//! Nothing of the host is needed but a file system and the network: no apt, dpkg, mke2fs,
//! cpio or root. What an image is made of stands in `guest/images` as text.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};

pub mod busybox;
pub mod cache;
pub mod chunk;
pub mod closure;
pub mod command;
pub mod compile;
pub mod control;
pub mod convert;
pub mod cpio;
pub mod deb;
pub mod debian;
pub mod digest;
pub mod exchange;
pub mod ext4;
pub mod firmware;
pub mod home;
pub mod http;
pub mod index;
pub mod kernel;
pub mod lock;
pub mod mirror;
pub mod openpgp;
pub mod progress;
pub mod recipe;
pub mod second_stage;
pub mod store;
pub mod strip;
#[cfg(test)]
pub(crate) mod testing;
pub mod version;

pub use progress::Progress;
use store::{Recipe, Store};

/// Kernel parameters that skip the self-tests of the crypto modules and the jitter entropy
/// source, which take two thirds of the boot of Debian's kernel.
pub const QUICK: &str = "cryptomgr.notests initcall_blacklist=jent_mod_init";

/// Boots a guest whose disk it may write to, hands on what it prints, and waits until it powers
/// off. Gives the instructions that it took.
pub type Runner = Arc<dyn Fn(&Guest, Box<dyn Write + Send>) -> Result<u64> + Send + Sync>;

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
    /// Compile what a guest needs compiled and the cache does not have; without it that is an
    /// error that says how, for it takes long.
    pub compile: bool,
    /// Runs a guest to its end, and fails if the guest does: with it, a system that needs
    /// configuring is configured once when it is built; without, at its first boot.
    pub runner: Option<Runner>,
    /// Where progress goes.
    pub progress: Progress,
    /// The client for the mirror, if not the usual one.
    #[cfg(test)]
    pub client: Option<http::Client>,
    /// What stands in for the committed recipe and lock.
    #[cfg(test)]
    pub committed: Option<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mirror: None,
            cache: None,
            lock: None,
            locked: false,
            keyring: None,
            compile: false,
            runner: None,
            progress: Progress::auto(),
            #[cfg(test)]
            client: None,
            #[cfg(test)]
            committed: None,
        }
    }
}

/// The files of a guest, ready to boot.
#[derive(Clone, Debug)]
pub struct Guest {
    /// Firmware that starts in M-mode, in place of the machine's own.
    pub bios: Option<PathBuf>,
    /// What is started in S-mode: a RISC-V Image, or a boot loader.
    pub kernel: PathBuf,
    /// An initramfs.
    pub initrd: Option<PathBuf>,
    /// A raw disk for the first virtio block device. It belongs to the cache: whoever
    /// writes to it puts an overlay over it or copies it.
    pub disk: Option<PathBuf>,
    /// The kernel command line; the disk is `/dev/vda` in it.
    pub append: String,
    /// Bytes of RAM that it needs.
    pub memory: u64,
}

/// Names that [`guest`] knows.
pub const GUESTS: [&str; 4] = ["busybox", "debian", "small", "u-boot"];

/// Whether the guest `name` has a disk, which is the cache's and is not to be written to.
pub fn has_disk(name: &str) -> bool {
    name == DEBIAN.name
}

const BUSYBOX: Recipe = Recipe {
    name: "busybox",
    inputs: &["busybox", "kernel"],
    texts: &[
        recipe::MODULES,
        recipe::BUSYBOX_INIT,
        recipe::BUSYBOX_HOME,
        recipe::BUSYBOX_INITTAB,
        recipe::BUSYBOX_PROFILE,
    ],
};

const DEBIAN: Recipe = Recipe {
    name: "debian",
    inputs: &["debian"],
    texts: &[recipe::DEBIAN_FILES, recipe::DEBIAN_SECOND_STAGE],
};

/// Makes a lock of the newest packages of the mirror, from its signed index.
///
/// # Errors
/// If the index cannot be had or trusted, or a package is not in it.
pub fn new_lock(options: &Options) -> Result<lock::Lock> {
    Store::open(options)?.newest()
}

/// The same with every package configured, which takes the machine to do.
const DEBIAN_READY: Recipe = Recipe {
    name: "debian-ready",
    inputs: &["debian"],
    texts: &[
        recipe::BUSYBOX_INIT,
        recipe::DEBIAN_FILES,
        recipe::DEBIAN_SECOND_STAGE,
    ],
};

/// The small kernel, compiled.
const SMALL_KERNEL: Recipe = Recipe {
    name: "small-kernel",
    inputs: &[compile::SOURCE],
    texts: &[recipe::SMALL_CONFIG],
};

/// What is started on it.
const SMALL: Recipe = Recipe {
    name: "small",
    inputs: &["busybox"],
    texts: &[
        recipe::BUSYBOX_INIT,
        recipe::BUSYBOX_HOME,
        recipe::BUSYBOX_INITTAB,
        recipe::BUSYBOX_PROFILE,
    ],
};

/// Debian's firmware and boot loader.
const FIRMWARE: Recipe = Recipe {
    name: "firmware",
    inputs: &["firmware"],
    texts: &[],
};

/// The files of the guest `name` (one of [`GUESTS`]), fetched and built if need be.
///
/// # Errors
/// One line: an unknown name, no mirror, no network, no place, a damaged package.
pub fn guest(options: &Options, name: &str) -> Result<Guest> {
    let mut store = Store::open(options)?;
    match name {
        "busybox" => busybox_guest(&mut store),
        "debian" => debian_guest(&mut store, options),
        "small" => small_guest(&mut store, options),
        "u-boot" => {
            let dir = store.image(&FIRMWARE, firmware::build)?;
            Ok(Guest {
                bios: Some(dir.join("fw_jump.bin")),
                kernel: dir.join("u-boot-s.bin"),
                initrd: None,
                disk: None,
                append: String::new(),
                memory: 128 << 20,
            })
        }
        _ => bail!(
            "there is no guest {name:?}; there are: {}",
            GUESTS.join(", ")
        ),
    }
}

fn busybox_guest(store: &mut Store<'_>) -> Result<Guest> {
    let dir = store.image(&BUSYBOX, busybox::build)?;
    Ok(Guest {
        bios: None,
        kernel: dir.join("vmlinux"),
        initrd: Some(dir.join("initrd")),
        disk: None,
        append: format!("console=ttyS0 {QUICK}"),
        memory: 128 << 20,
    })
}

/// Whether something of the guest `name` has to be compiled, which takes minutes, before it can
/// be had.
///
/// # Errors
/// If the lock or the cache cannot be read.
pub fn needs_compiling(options: &Options, name: &str) -> Result<bool> {
    Ok(name == "small" && Store::open(options)?.ready(&SMALL_KERNEL)?.is_none())
}

/// Whether the guest `name` can be had without being configured or compiled first.
///
/// # Errors
/// If the lock or the cache cannot be read.
pub fn at_hand(options: &Options, name: &str) -> Result<bool> {
    let store = Store::open(options)?;
    let work = match name {
        "small" => &SMALL_KERNEL,
        "debian" => &DEBIAN_READY,
        _ => return Ok(true),
    };
    Ok(store.ready(work)?.is_some())
}

/// The packages that the files of a guest were made of, and where these are in the cache, if they
/// are still there.
///
/// # Errors
/// If a file does not lie in the folder of an image.
pub fn packages_of(options: &Options, guest: &Guest) -> Result<Vec<(lock::Package, PathBuf)>> {
    let store = Store::open(options)?;
    let files = [&guest.bios, &guest.initrd, &guest.disk];
    let files = files.into_iter().flatten().chain([&guest.kernel]);
    let mut dirs: Vec<&Path> = files.filter_map(|file| file.parent()).collect();
    dirs.sort();
    dirs.dedup();
    let mut packages = Vec::new();
    for dir in dirs {
        for package in store::packages_of(dir)? {
            let path = store.package_path(&package);
            packages.push((package, path));
        }
    }
    Ok(packages)
}

fn small_guest(store: &mut Store<'_>, options: &Options) -> Result<Guest> {
    let kernel = match store.ready(&SMALL_KERNEL)? {
        Some(dir) => dir,
        None if options.compile => {
            // Said before a large package is fetched for nothing.
            compile::tools::check()?;
            let work = store.cache().path("build/small-kernel");
            store.image(&SMALL_KERNEL, |inputs, dir| {
                compile::build(inputs, dir, &work)
            })?
        }
        None => bail!(
            "the kernel of the guest small is not in the cache: it is compiled from \
             Debian's source once, with `virtarium image build small`, which takes some minutes"
        ),
    };
    let initrd = store.image(&SMALL, busybox::build_bare)?.join("initrd");
    Ok(Guest {
        bios: None,
        kernel: kernel.join(compile::IMAGE),
        initrd: Some(initrd),
        disk: None,
        append: "console=ttyS0".to_owned(),
        memory: 128 << 20,
    })
}

fn debian_guest(store: &mut Store<'_>, options: &Options) -> Result<Guest> {
    let mut guest = busybox_guest(store)?;
    guest.append.push_str(" root=/dev/vda");
    guest.memory = 512 << 20;
    if let Some(dir) = store.ready(&DEBIAN_READY)? {
        guest.disk = Some(dir.join("disk.img"));
        return Ok(guest);
    }
    let unpacked = store.image(&DEBIAN, debian::build)?.join("disk.img");
    guest.disk = Some(unpacked.clone());
    let Some(runner) = &options.runner else {
        return Ok(guest);
    };
    let dir = store.image(&DEBIAN_READY, |inputs, scratch| {
        let disk = scratch.join("disk.img");
        convert::copy_sparse(&unpacked, &disk)?;
        let mut once = guest.clone();
        once.disk = Some(disk);
        second_stage::run(inputs, once, runner)
    })?;
    guest.disk = Some(dir.join("disk.img"));
    Ok(guest)
}

/// Directory of Debian's firmware and boot loader, for `--bios` and `--kernel`: OpenSBI as
/// `fw_jump` and `fw_dynamic`, `.bin` and `.elf` (M-mode, generic platform), U-Boot as
/// `u-boot-s.bin` (S-mode, below OpenSBI) and `u-boot-m.bin` (M-mode, alone).
///
/// # Errors
/// As [`guest`].
pub fn firmware(options: &Options) -> Result<PathBuf> {
    Store::open(options)?.image(&FIRMWARE, firmware::build)
}

/// Fetches the packages of the lock's images, or of all but the sources that guests are
/// compiled from, without building.
///
/// # Errors
/// As [`guest`]; also if the lock has no such image.
pub fn fetch(options: &Options, names: &[String]) -> Result<()> {
    let mut store = Store::open(options)?;
    let names = match names {
        [] => {
            let all = store.lock().images.keys();
            all.filter(|name| *name != compile::SOURCE)
                .cloned()
                .collect()
        }
        names => names.to_vec(),
    };
    names
        .iter()
        .try_for_each(|name| store.fetch(name).map(drop))
}

/// What the lock names and the cache has.
#[derive(Debug)]
pub struct Listing {
    /// Name of an image in the lock.
    pub name: String,
    /// Its packages.
    pub packages: usize,
    /// Those of them that are in the cache.
    pub cached: usize,
    /// Their size in bytes, all together.
    pub size: u64,
}

/// Lists the images of the lock in force, and the directories of built ones.
///
/// # Errors
/// If the lock or the cache cannot be read.
pub fn list(options: &Options) -> Result<(Vec<Listing>, Vec<PathBuf>)> {
    let store = Store::open(options)?;
    let mut rows = Vec::new();
    for name in store.lock().images.keys() {
        let packages = store.lock().packages_of(name)?;
        let cached = packages
            .iter()
            .filter(|package| store.package_path(package).exists())
            .count();
        rows.push(Listing {
            name: name.clone(),
            packages: packages.len(),
            cached,
            size: packages.iter().map(|package| package.size).sum(),
        });
    }
    Ok((rows, store.built()?))
}

/// Checks everything in the cache against the lock and the manifests. Gives the lines that
/// say what is wrong; they are fetched or built again at their next use.
///
/// # Errors
/// If the lock or the cache cannot be read.
pub fn verify(options: &Options) -> Result<Vec<String>> {
    let store = Store::open(options)?;
    let mut wrong = Vec::new();
    for package in &store.lock().packages {
        let path = store.package_path(package);
        if path.exists() && digest::Sha256::of_file(&path).ok() != Some(package.sha256) {
            wrong.push(format!("{} is damaged", path.display()));
        }
    }
    for dir in store.built()? {
        if let Err(error) = store::check_image(&dir, u64::MAX) {
            wrong.push(format!("{error:#}"));
        }
    }
    Ok(wrong)
}

/// Name of the built image in a directory of the cache, for people.
pub fn image_name(dir: &Path) -> &str {
    let name = dir.file_name().and_then(|name| name.to_str());
    let name = name.unwrap_or_default();
    name.rsplit_once('-').map_or(name, |(name, _)| name)
}
