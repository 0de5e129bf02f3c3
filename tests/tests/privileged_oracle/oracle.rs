//! Building and running a program of `guest/oracle` under QEMU.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use virtarium_tests::notes;

/// The extensions that are compared, and none that changes what an encoding means.
const CPU: &str = "rv64,h=false,debug=false,v=false,svade=true,svadu=true,svnapot=true,\
                   svpbmt=true,svinval=true,sstc=true";

/// Whether what the oracle is made of is installed; if not, says that `test` is skipped.
pub fn is_here(test: &str) -> bool {
    notes::have("qemu-system-riscv64", test) && notes::have("riscv64-linux-gnu-gcc", test)
}

/// Runs `guest/oracle/NAME.c` with this seed and number of cases, and returns the numbers on
/// each line that it printed.
pub fn run(name: &str, seed: u64, cases: u64) -> Vec<Vec<u64>> {
    let program = compile(name, seed, cases);
    let mut qemu = Command::new("qemu-system-riscv64");
    qemu.args(["-M", "virt", "-cpu", CPU, "-m", "128M", "-bios", "none"])
        .args(["-display", "none", "-monitor", "none", "-serial", "stdio"])
        .arg("-kernel")
        .arg(&program);
    let output = output(&mut qemu);
    std::fs::remove_file(&program).expect("our own file");
    let text = String::from_utf8(output.stdout).expect("the guest prints ASCII");
    let lines: Vec<Vec<u64>> = text
        .lines()
        .map(|line| line.split_whitespace().map(hexadecimal).collect())
        .collect();
    assert_eq!(lines.len() as u64, cases, "a line a case");
    lines
}

fn hexadecimal(word: &str) -> u64 {
    u64::from_str_radix(word, 16).unwrap_or_else(|_| panic!("{word:?} in the guest's output"))
}

fn compile(name: &str, seed: u64, cases: u64) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest/oracle");
    let program = std::env::temp_dir().join(format!("virtarium-{name}-{}", std::process::id()));
    let mut gcc = Command::new("riscv64-linux-gnu-gcc");
    gcc.current_dir(&folder)
        .args(["-O1", "-Wall", "-Wextra", "-Werror"])
        .args(["-march=rv64gc_zicsr", "-mabi=lp64d", "-mcmodel=medany"])
        .args(["-nostdlib", "-ffreestanding", "-fno-pic", "-static"])
        .args(["-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments"])
        .args(["-T", "oracle.ld", "start.S"])
        .arg(format!("{name}.c"))
        .args(
            folder
                .join(format!("{name}.S"))
                .exists()
                .then(|| format!("{name}.S")),
        )
        .arg(format!("-DSEED={seed}ul"))
        .arg(format!("-DCASES={cases}ul"))
        .arg("-o")
        .arg(&program);
    output(&mut gcc);
    program
}

fn output(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
    assert!(
        output.status.success(),
        "{:?}: {}",
        command.get_program(),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
