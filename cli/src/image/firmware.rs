//! Guest (d): Debian's OpenSBI and U-Boot.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::cache::write_atomically;
use super::deb::{Deb, clean, read_entry};
use super::store::Inputs;

/// What one file of firmware may take.
const MAX_FIRMWARE: u64 = 32 << 20;

/// Files of the packages, and their names in the image.
const FILES: [(&str, &str); 6] = [
    (
        "usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin",
        "fw_dynamic.bin",
    ),
    (
        "usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.elf",
        "fw_dynamic.elf",
    ),
    (
        "usr/lib/riscv64-linux-gnu/opensbi/generic/fw_jump.bin",
        "fw_jump.bin",
    ),
    (
        "usr/lib/riscv64-linux-gnu/opensbi/generic/fw_jump.elf",
        "fw_jump.elf",
    ),
    ("usr/lib/u-boot/qemu-riscv64/u-boot.bin", "u-boot-m.bin"),
    (
        "usr/lib/u-boot/qemu-riscv64_smode/u-boot.bin",
        "u-boot-s.bin",
    ),
];

/// Copies the files of firmware into `dir`.
///
/// # Errors
/// If a package is damaged or lacks a file, or `dir` cannot be written.
pub fn build(inputs: &Inputs, dir: &Path) -> Result<()> {
    for (_, path) in inputs.packages.values().flatten() {
        let damaged = || format!("{} is damaged", path.display());
        for entry in Deb::open(path)?.data()?.entries()? {
            let mut entry = entry.with_context(damaged)?;
            let name = clean(&entry.path()?).with_context(damaged)?;
            if let Some((_, output)) = FILES.iter().find(|(file, _)| *file == name) {
                let size = entry.size();
                let content = read_entry(&mut entry, size, MAX_FIRMWARE).with_context(damaged)?;
                write_atomically(&dir.join(output), &content)?;
            }
        }
    }
    match FILES.iter().find(|(_, output)| !dir.join(output).exists()) {
        Some((file, _)) => bail!("no package has /{file}"),
        None => Ok(()),
    }
}
