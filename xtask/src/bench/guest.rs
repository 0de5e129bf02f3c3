//! The guest: Debian's stock kernel and an initramfs of nothing but `init` and the programs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use virtarium::image::cpio::Archive;
use virtarium::image::{self, QUICK};

use super::compile::RISCV64;
use super::programs::Program;
use super::subject::Boot;

/// Compiles the programs for the guest and packs them. Without a `kernel` it is Debian's, with
/// the parameters of the guest that `virtarium` starts without arguments.
///
/// # Errors
/// If the compiler or the kernel is missing, or a file cannot be written.
pub fn build(
    kernel: Option<&Path>,
    programs: &[&Program],
    divisor: u64,
    folder: &Path,
) -> Result<Boot> {
    let binaries = folder.join("riscv64");
    RISCV64.all(programs, &binaries)?;
    let mut archive = Archive::new();
    archive.file("init", 0o755, &read(&RISCV64.one("init", &binaries)?)?)?;
    for program in programs {
        let name = program.name;
        archive.file(
            &format!("bench/{name}"),
            0o755,
            &read(&binaries.join(name))?,
        )?;
    }
    let initrd = folder.join("initrd");
    fs::write(&initrd, archive.finish()).with_context(|| format!("{}", initrd.display()))?;
    let (kernel, append) = kernel_and_parameters(kernel)?;
    Ok(Boot {
        kernel,
        initrd,
        append: append + &arguments(programs, divisor),
    })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("{}", path.display()))
}

fn kernel_and_parameters(kernel: Option<&Path>) -> Result<(PathBuf, String)> {
    let Some(kernel) = kernel else {
        let guest = image::guest(&image::Options::default(), "busybox")?;
        return Ok((guest.kernel, guest.append));
    };
    ensure!(kernel.is_file(), "there is no kernel {}", kernel.display());
    Ok((kernel.to_owned(), format!("console=ttyS0 {QUICK}")))
}

/// What `init` is to run. A kernel that panics ends the machine, rather than our patience.
fn arguments(programs: &[&Program], divisor: u64) -> String {
    let mut line = String::from(" panic=-1 --");
    for program in programs {
        line.push(' ');
        line.push_str(program.name);
        if divisor > 1 {
            line.push('/');
            line.push_str(&divisor.to_string());
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::programs::select;

    #[test]
    fn init_is_told_the_programs_and_their_share() {
        let some = select(&["fib".into(), "u64".into()]).unwrap();
        assert_eq!(arguments(&some, 1), " panic=-1 -- fib u64");
        assert_eq!(arguments(&some, 9), " panic=-1 -- fib/9 u64/9");
    }
}
