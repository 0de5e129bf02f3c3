//! The kernel of guest (c): compiled from Debian's source package, with the options of
//! `guest/images/kernel/small.config`, by the host's cross compiler.
//!
//! The same package, options and compiler give the same bytes: what a kernel says of where and
//! when it was built is fixed, and its sources are named relative to their folder.

pub mod config;
pub mod make;
pub mod source;
pub mod tools;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::cache::{unwritable, write_atomically};
use super::kernel::is_image;
use super::lock::Package;
use super::progress::Progress;
use super::recipe;
use super::store::Inputs;
use make::Make;

/// The image of the lock that the source package belongs to.
pub const SOURCE: &str = "kernel-source";
/// Names of the files of a compiled kernel.
pub const IMAGE: &str = "Image";
/// The options that `IMAGE` was compiled with.
pub const CONFIG: &str = "config";
/// Where the source of `IMAGE` is, which the GPL has go with it.
pub const NOTICE: &str = "SOURCE";

/// Steps that `make Image` announces for these options, roughly: for the bar only.
const STEPS: u64 = 1720;
/// Room that the sources and what becomes of them take, in bytes.
const ROOM: u64 = 1_500_000_000;

/// Builds `Image`, `config` and `SOURCE` in `dir`. `work` is a folder that is made, and removed
/// at the end; a log beside it stays if the build fails.
///
/// # Errors
/// What is missing, or where the log is.
pub fn build(inputs: &Inputs, dir: &Path, work: &Path) -> Result<()> {
    build_with("make", inputs, dir, work)
}

fn build_with(program: &str, inputs: &Inputs, dir: &Path, work: &Path) -> Result<()> {
    let [(package, path)] = inputs.packages.get(SOURCE).map_or(&[][..], Vec::as_slice) else {
        bail!("the lock file must give {SOURCE} exactly one package");
    };
    super::store::remove(work)?;
    fs::create_dir_all(work).map_err(|error| unwritable(work, error))?;
    let made = room(work, ROOM)
        .and_then(|()| compile(program, package, path, dir, work, &inputs.progress));
    // The tree is as large as it is useless. A slow disk takes minutes for its many files.
    inputs.progress.note("removing the sources");
    let removed = super::store::remove(work);
    made.and(removed)
}

fn compile(
    program: &str,
    package: &Package,
    path: &Path,
    dir: &Path,
    work: &Path,
    progress: &Progress,
) -> Result<()> {
    let tree = work.join("linux");
    let date = source::unpack(path, &tree, progress)?;
    let wanted = work.join("wanted.config");
    write_atomically(&wanted, recipe::SMALL_CONFIG.1.as_bytes())?;
    let make = Make::new(program, &tree, work.with_extension("log"), date)?;
    make.run(
        &["allnoconfig"],
        &[("KCONFIG_ALLCONFIG", wanted.as_os_str())],
        |_| {},
    )?;
    let got = tree.join(".config");
    let got = config::read(&got)?;
    config::check(recipe::SMALL_CONFIG.1, &got)
        .with_context(|| format!("{} does not fit {}", recipe::SMALL_CONFIG.0, package.name))?;
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut task = progress.files("compiling the kernel", STEPS);
    make.run(&[&format!("-j{jobs}"), "Image"], &[], |line| {
        if make::is_step(line) {
            task.add(1);
        }
    })?;
    let image = tree.join("arch/riscv/boot/Image");
    let image = fs::read(&image).with_context(|| format!("make left no {}", image.display()))?;
    ensure!(is_image(&image), "what make built is not a RISC-V Image");
    write_atomically(&dir.join(IMAGE), &image)?;
    write_atomically(&dir.join(CONFIG), got.as_bytes())?;
    write_atomically(
        &dir.join(NOTICE),
        notice(package, &tools::compiler()).as_bytes(),
    )?;
    make.forget_log();
    Ok(())
}

/// What goes with the Image to whoever gets it.
fn notice(package: &Package, compiler: &str) -> String {
    let Package {
        name,
        version,
        file,
        size,
        sha256,
    } = package;
    format!(
        "`Image` is the Linux kernel, under the GNU General Public License, version 2.\n\
         \n\
         Its complete source is Debian's package {name}, version {version}:\n\
         {file} of any Debian mirror, or of Debian's snapshot archive\n\
         ({size} bytes, SHA-256 {sha256}).\n\
         It was compiled without a change of the sources, with the options of the file\n\
         `config` beside this one, by\n\
         {compiler}\n\
         `virtarium image build small` does the same again.\n"
    )
}

/// Refuses to begin where the disk would be full before the end.
#[cfg(unix)]
fn room(dir: &Path, needed: u64) -> Result<()> {
    // A file system that does not tell is tried.
    let Ok(stat) = rustix::fs::statvfs(dir) else {
        return Ok(());
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    ensure!(
        free >= needed,
        "compiling the kernel takes {} in {}, where {} are free: free some space, or name another \
         cache ({}=DIR)",
        super::progress::megabytes(needed),
        dir.display(),
        super::progress::megabytes(free),
        super::cache::VARIABLE
    );
    Ok(())
}

#[cfg(not(unix))]
fn room(_: &Path, _: u64) -> Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests;
