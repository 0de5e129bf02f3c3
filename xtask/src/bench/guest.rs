//! The guest: Debian's stock kernel and an initramfs of nothing but `init` and the programs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::compile::RISCV64;
use super::programs::Program;
use super::subject::Boot;

/// Kernel parameters of the guest that `virtarium` starts without arguments.
const APPEND: &str = "console=ttyS0 cryptomgr.notests initcall_blacklist=jent_mod_init panic=-1";

/// Compiles the programs for the guest and packs them.
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
    let mut files = vec![("init".to_owned(), RISCV64.one("init", &binaries)?)];
    for program in programs {
        let name = program.name;
        files.push((format!("bench/{name}"), binaries.join(name)));
    }
    let initrd = folder.join("initrd");
    fs::write(&initrd, archive(&files)?).with_context(|| format!("{}", initrd.display()))?;
    let mut append = format!("{APPEND} --");
    for program in programs {
        append.push(' ');
        append.push_str(program.name);
        if divisor > 1 {
            append.push_str(&format!("/{divisor}"));
        }
    }
    Ok(Boot {
        kernel: find_kernel(kernel)?,
        initrd,
        append,
    })
}

fn find_kernel(kernel: Option<&Path>) -> Result<PathBuf> {
    match kernel {
        Some(kernel) if kernel.is_file() => Ok(kernel.to_owned()),
        Some(kernel) => bail!("there is no kernel {}", kernel.display()),
        None => bail!("name a RISC-V kernel Image: --kernel FILE"),
    }
}

/// A cpio archive in the `newc` form (Linux, `early-userspace/buffer-format.rst`).
fn archive(files: &[(String, PathBuf)]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    entry(&mut out, "bench", 0o040_755, &[]);
    for (name, path) in files {
        let content = fs::read(path).with_context(|| format!("{}", path.display()))?;
        entry(&mut out, name, 0o100_755, &content);
    }
    entry(&mut out, "TRAILER!!!", 0, &[]);
    Ok(out)
}

fn entry(out: &mut Vec<u8>, name: &str, mode: usize, content: &[u8]) {
    // Inode (only of links, so any), mode, owner, group, links, time, size, device numbers,
    // length of the name with its final zero, no checksum.
    let (size, length) = (content.len(), name.len() + 1);
    let fields = [1, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, length, 0];
    out.extend(b"070701");
    for field in fields {
        out.extend(format!("{field:08x}").bytes());
    }
    out.extend(name.bytes());
    out.push(0);
    pad(out);
    out.extend(content);
    pad(out);
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}
