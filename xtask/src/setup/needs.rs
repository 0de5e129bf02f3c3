//! The programs that tests call.

use std::process::Command;

use crate::process;

/// A program from outside, and what is skipped without it.
pub struct Need {
    /// What people call it.
    pub what: &'static str,
    /// Debian's package.
    pub package: &'static str,
    /// Whether Debian 12 has it, in a version that is new enough, in its backports only.
    pub from_backports: bool,
    /// The tests that are skipped without it.
    pub tests: &'static str,
    present: fn() -> bool,
}

/// What a kernel is compiled for.
const KERNEL: &str = "the small kernel, compiled with --soak";
/// What is written in JavaScript.
const PAGE: &str = "the page";

const NEEDS: [Need; 17] = [
    Need {
        what: "C++ compiler",
        package: "g++",
        from_backports: false,
        tests: "fuzz targets (libFuzzer is written in C++)",
        present: || runs("c++", &["--version"]),
    },
    Need {
        what: "cmake",
        package: "cmake",
        from_backports: false,
        tests: "F and D against SoftFloat (nothing in tests/ builds without it)",
        present: || runs("cmake", &["--version"]),
    },
    Need {
        what: "C compiler for riscv64",
        package: "gcc-riscv64-linux-gnu",
        from_backports: false,
        tests: "guest programs",
        present: || runs("riscv64-linux-gnu-gcc", &["--version"]),
    },
    Need {
        what: "C library for riscv64",
        package: "libc6-dev-riscv64-cross",
        from_backports: false,
        tests: "guest programs",
        present: || prints_path("riscv64-linux-gnu-gcc", "-print-file-name=libc.a"),
    },
    Need {
        what: "bare C compiler for riscv64",
        package: "gcc-riscv64-unknown-elf",
        from_backports: false,
        tests: "instructions assembled by the GNU assembler",
        present: || runs("riscv64-unknown-elf-gcc", &["--version"]),
    },
    Need {
        what: "gdb-multiarch",
        package: "gdb-multiarch",
        from_backports: false,
        tests: "a real gdb on the server for gdb",
        present: || runs("gdb-multiarch", &["--version"]),
    },
    Need {
        what: "dtc",
        package: "device-tree-compiler",
        from_backports: false,
        tests: "device tree read by others",
        present: || runs("dtc", &["--version"]),
    },
    Need {
        what: "e2fsck, mke2fs, debugfs",
        package: "e2fsprogs",
        from_backports: false,
        tests: "file systems after a crash",
        present: || {
            let tools = ["e2fsck", "mke2fs", "debugfs"];
            tools.iter().all(|tool| runs(tool, &["-V"]))
        },
    },
    Need {
        what: "Node.js 20",
        package: "nodejs",
        from_backports: false,
        tests: PAGE,
        present: node,
    },
    Need {
        what: "npm",
        package: "npm",
        from_backports: false,
        tests: PAGE,
        present: || runs("npm", &["--version"]),
    },
    Need {
        what: "Chromium",
        package: "chromium",
        from_backports: false,
        tests: "the page in Chromium",
        present: || browsers().contains(&"chromium"),
    },
    Need {
        what: "Firefox",
        package: "firefox-esr",
        from_backports: false,
        tests: "the page in Firefox",
        present: || browsers().contains(&"firefox"),
    },
    Need {
        what: "make",
        package: "make",
        from_backports: false,
        tests: KERNEL,
        present: || runs("make", &["--version"]),
    },
    Need {
        what: "flex",
        package: "flex",
        from_backports: false,
        tests: KERNEL,
        present: || runs("flex", &["--version"]),
    },
    Need {
        what: "bison",
        package: "bison",
        from_backports: false,
        tests: KERNEL,
        present: || runs("bison", &["--version"]),
    },
    Need {
        what: "bc",
        package: "bc",
        from_backports: false,
        tests: KERNEL,
        present: || runs("bc", &["--version"]),
    },
    Need {
        what: "qemu-system-riscv64 10",
        package: "qemu-system-riscv",
        from_backports: true,
        tests: "instructions, device tree and speed against QEMU",
        present: qemu,
    },
];

/// The oldest Node.js that builds the page and runs its tests.
const NODE: u32 = 20;

/// Each browser that tests drive, and the names that its program has.
const BROWSERS: [(&str, &[&str]); 2] = [
    (
        "chromium",
        &[
            "chromium",
            "chromium-browser",
            "google-chrome",
            "google-chrome-stable",
        ],
    ),
    ("firefox", &["firefox-esr", "firefox"]),
];

/// The oldest QEMU that judges our instructions: older ones lack extensions.
const QEMU: u32 = 10;

/// What is not there.
pub fn missing() -> Vec<&'static Need> {
    const ALL: &[Need] = &NEEDS;
    ALL.iter().filter(|need| !(need.present)()).collect()
}

/// The browsers that are there. They are looked for and not run: a browser takes a while to say
/// its version, and complains where there is no display.
pub fn browsers() -> Vec<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there =
        |program: &&str| std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
    let all = BROWSERS.iter();
    all.filter(|(name, programs)| {
        let given = std::env::var_os(format!("VIRTARIUM_{}", name.to_uppercase()));
        given.is_some() || programs.iter().any(there)
    })
    .map(|(name, _)| *name)
    .collect()
}

/// Whether Node.js is there and new enough.
pub fn node() -> bool {
    let version = process::output(Command::new("node").arg("--version"));
    version.is_some_and(|text| node_major(&text).is_some_and(|major| major >= NODE))
}

/// The major version in what `node --version` prints.
fn node_major(text: &str) -> Option<u32> {
    let (major, _) = text.strip_prefix('v')?.split_once('.')?;
    major.parse().ok()
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    // e2fsprogs live where only root's path looks.
    let mut command = Command::new(program);
    process::succeeds(command.args(arguments))
        || process::succeeds(Command::new(format!("/usr/sbin/{program}")).args(arguments))
}

/// Whether the compiler knows the file: it prints the bare name of one that it does not.
fn prints_path(program: &str, argument: &str) -> bool {
    process::output(Command::new(program).arg(argument)).is_some_and(|path| path.contains('/'))
}

fn qemu() -> bool {
    let version = process::output(Command::new("qemu-system-riscv64").arg("--version"));
    version.is_some_and(|text| major(&text).is_some_and(|major| major >= QEMU))
}

/// The major version in what `qemu-system-riscv64 --version` prints.
fn major(text: &str) -> Option<u32> {
    let (_, version) = text.split_once("version ")?;
    version.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_qemu_is_read() {
        let text = "QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\nCopyright";
        assert_eq!(major(text), Some(10));
        assert_eq!(major("QEMU emulator"), None);
    }

    #[test]
    fn the_version_of_node_is_read() {
        assert_eq!(node_major("v20.20.2\n"), Some(20));
        assert_eq!(node_major("20.20.2"), None);
    }
}
