//! Guest (a): Debian's stock kernel with a busybox initramfs of ours. The small kernel of guest
//! (c) has the same initramfs without modules.

use std::path::Path;

use anyhow::{Context, Result};

use super::cache::write_atomically;
use super::cpio::Archive;
use super::deb::{Deb, clean, read_entry};
use super::home;
use super::kernel::{self, Module};
use super::recipe;
use super::store::Inputs;

/// What busybox may take.
const MAX_BUSYBOX: u64 = 32 << 20;

/// Builds `vmlinux` and `initrd` in `dir`.
///
/// # Errors
/// If a package is damaged or lacks what is expected, or `dir` cannot be written.
pub fn build(inputs: &Inputs, dir: &Path) -> Result<()> {
    let wanted: Vec<&str> = recipe::lines(recipe::MODULES.1).collect();
    let kernel = kernel::unpack(inputs.only("kernel")?, &wanted)?;
    let busybox = binary(inputs.only("busybox")?)?;
    write_atomically(&dir.join("vmlinux"), &kernel.image)?;
    write_atomically(&dir.join("initrd"), &initramfs(&busybox, &kernel.modules)?)
}

/// Builds `initrd` in `dir`, for a kernel that has everything built in.
///
/// # Errors
/// As [`build`].
pub fn build_bare(inputs: &Inputs, dir: &Path) -> Result<()> {
    let busybox = binary(inputs.only("busybox")?)?;
    write_atomically(&dir.join("initrd"), &initramfs(&busybox, &[])?)
}

/// The busybox program out of its package.
fn binary(package: &Path) -> Result<Vec<u8>> {
    let deb = Deb::open(package)?;
    for entry in deb.data()?.entries()? {
        let mut entry = entry.with_context(|| format!("{} is damaged", package.display()))?;
        let path = clean(&entry.path()?)?;
        if matches!(path.as_str(), "bin/busybox" | "usr/bin/busybox") {
            let size = entry.size();
            return read_entry(&mut entry, size, MAX_BUSYBOX)
                .with_context(|| format!("{} is damaged", package.display()));
        }
    }
    anyhow::bail!("{} has no busybox", package.display())
}

/// The initramfs: busybox, the modules and their order, and the scripts of the recipe.
fn initramfs(busybox: &[u8], modules: &[Module]) -> Result<Vec<u8>> {
    let mut archive = Archive::new();
    // The kernel opens /dev/console for the first process before anything is mounted.
    archive.device("dev/console", 0o600, 5, 1)?;
    archive.device("dev/null", 0o666, 1, 3)?;
    archive.file("bin/busybox", 0o755, busybox)?;
    archive.file("init", 0o755, recipe::BUSYBOX_INIT.1.as_bytes())?;
    archive.directory("root", 0o700)?;
    archive.file("etc/inittab", 0o644, recipe::BUSYBOX_INITTAB.1.as_bytes())?;
    archive.file("etc/profile", 0o644, recipe::BUSYBOX_PROFILE.1.as_bytes())?;
    archive.file("etc/home", 0o755, recipe::BUSYBOX_HOME.1.as_bytes())?;
    archive.file("lib/virtarium/home.ext4", 0o644, &home::image())?;
    archive.file("etc/passwd", 0o644, b"root::0:0:root:/root:/bin/sh\n")?;
    archive.file("etc/group", 0o644, b"root:x:0:\n")?;
    archive.link("etc/mtab", "/proc/mounts")?;
    let mut order = String::new();
    for module in modules {
        order.push_str(&module.name);
        order.push('\n');
        archive.file(
            &format!("lib/modules/{}.ko", module.name),
            0o644,
            &module.object,
        )?;
    }
    archive.file("lib/modules/order", 0o644, order.as_bytes())?;
    Ok(archive.finish())
}
