//! The host's programs that compile a kernel: looked for, named if they are missing, never
//! installed.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

/// Prefix of the cross compiler's programs, Debian's for this architecture.
pub const CROSS: &str = "riscv64-linux-gnu-";
/// The cross compiler.
const COMPILER: &str = "riscv64-linux-gnu-gcc";

/// A program, and the packages of Debian that bring it.
struct Tool {
    program: &'static str,
    packages: &'static [&'static str],
}

const TOOLS: [Tool; 7] = [
    Tool {
        program: COMPILER,
        packages: &["gcc-riscv64-linux-gnu"],
    },
    Tool {
        program: "riscv64-linux-gnu-ld",
        packages: &["binutils-riscv64-linux-gnu"],
    },
    // The kernel's build compiles programs of its own for the host.
    Tool {
        program: "gcc",
        packages: &["gcc", "libc6-dev"],
    },
    Tool {
        program: "make",
        packages: &["make"],
    },
    Tool {
        program: "flex",
        packages: &["flex"],
    },
    Tool {
        program: "bison",
        packages: &["bison"],
    },
    Tool {
        program: "bc",
        packages: &["bc"],
    },
];

/// Whether everything is there that a kernel is compiled with.
///
/// # Errors
/// One line: the missing programs, and what installs them on Debian.
pub fn check() -> Result<()> {
    check_in(&std::env::var_os("PATH").unwrap_or_default())
}

fn check_in(path: &OsStr) -> Result<()> {
    let missing: Vec<&Tool> = TOOLS
        .iter()
        .filter(|tool| !std::env::split_paths(path).any(|dir| is_program(&dir.join(tool.program))))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let programs: Vec<&str> = missing.iter().map(|tool| tool.program).collect();
    let packages: Vec<&str> = missing
        .iter()
        .flat_map(|tool| tool.packages.iter().copied())
        .collect();
    bail!(
        "a kernel is compiled with {}, which {} not installed; on Debian, as root: \
         apt-get install {}",
        programs.join(", "),
        if programs.len() == 1 { "is" } else { "are" },
        packages.join(" ")
    )
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path)
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.with_extension(std::env::consts::EXE_EXTENSION)
        .is_file()
}

/// What the cross compiler calls itself, in one line.
pub fn compiler() -> String {
    let output = Command::new(COMPILER)
        .arg("--version")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.ok()
        .and_then(|text| text.lines().next().map(str::to_owned))
        .unwrap_or_else(|| COMPILER.to_owned())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::image::testing::directory;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn missing_programs_are_named_with_the_packages_that_bring_them() {
        let dir = directory("tools");
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        for place in [&one, &two] {
            std::fs::create_dir(place).unwrap();
        }
        let put = |path: &Path, mode| {
            std::fs::write(path, "").unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let path = std::env::join_paths([&one, &two]).unwrap();
        let complaint = || check_in(&path).unwrap_err().to_string();
        let all = complaint();
        for tool in &TOOLS {
            assert!(all.contains(tool.program), "{all}");
        }
        for (nth, tool) in TOOLS.iter().enumerate() {
            let place = if nth % 2 == 0 { &one } else { &two };
            put(&place.join(tool.program), 0o755);
        }
        check_in(&path).unwrap();
        std::fs::remove_file(two.join("bison")).unwrap();
        assert_eq!(
            complaint(),
            "a kernel is compiled with bison, which is not installed; on Debian, as root: \
             apt-get install bison"
        );
        // Neither a file that cannot be run nor a folder is a program.
        put(&two.join("bison"), 0o644);
        std::fs::remove_file(one.join("gcc")).unwrap();
        std::fs::create_dir(one.join("gcc")).unwrap();
        assert_eq!(
            complaint(),
            "a kernel is compiled with gcc, bison, which are not installed; on Debian, as root: \
             apt-get install gcc libc6-dev bison"
        );
        assert!(check_in(OsStr::new("")).is_err());
    }
}
