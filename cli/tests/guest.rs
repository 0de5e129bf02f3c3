//! Whole guests in the program: Debian's kernel as `virtarium image` brings it.

use std::process::{Command, Output, Stdio};

const PROMPT: &str = "virtarium:~# ";

/// Runs `virtarium` with these words; nothing is typed but by a script.
fn virtarium(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_virtarium"))
        .args(words)
        .stdin(Stdio::null())
        .env_remove("RUST_BACKTRACE")
        .output()
        .unwrap()
}

/// Runs guest (a); returns the exit status, and what the program and the guest said.
fn run(words: &[&str]) -> (Option<i32>, String, String) {
    let base = ["run", "--guest", "busybox", "--clock", "deterministic"];
    let output = virtarium(&[&base, words].concat());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stderr),
        text(&output.stdout),
    )
}

#[test]
fn guest_that_reboots_begins_again() {
    for cpus in ["1", "2"] {
        let (code, said, printed) = run(&[
            "--cpus",
            cpus,
            "--expect",
            PROMPT,
            "--send",
            "reboot\\n",
            // The shell may say its prompt once more before it is ended.
            "--expect",
            "Linux version",
            "--expect",
            PROMPT,
            "--send",
            "nproc\\n",
            "--expect",
            &format!("^{cpus}$"),
            "--max-instructions",
            "1500M",
        ]);
        assert_eq!(code, Some(0), "{said}{printed}");
        assert_eq!(printed.matches("Linux version").count(), 2, "{printed}");
    }
}

#[test]
fn reboot_that_is_not_to_be_ends_the_program() {
    let limit = ["--no-reboot", "--max-instructions", "1500M"];
    let reboot = ["--expect", PROMPT, "--send", "reboot -f\\n"];
    let (code, said, printed) = run(&[&limit[..], &reboot].concat());
    assert_eq!(code, Some(0), "{said}{printed}");
    assert!(printed.contains("reboot: Restarting system"), "{printed}");
    // Something was still to come.
    let more = ["--expect", "never"];
    let (code, said, printed) = run(&[&limit[..], &reboot, &more].concat());
    assert_eq!(code, Some(126), "{said}{printed}");
    assert!(said.contains("the guest rebooted first"), "{said}");
}

/// QEMU's line; there, too, the exit status of a reboot is 0.
#[test]
fn reboot_that_is_not_to_be_ends_a_line_of_qemus() {
    let files = virtarium(&["image", "build", "busybox"]);
    let files = String::from_utf8(files.stdout).unwrap();
    let file = |name: &str| {
        let start = format!("{name}=");
        let line = files.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("no {name} in {files}"))
    };
    let append = format!("{} virtarium.run=\"reboot -f\"", file("append"));
    let output = virtarium(&[
        "run",
        "-machine",
        "virt",
        "-m",
        "256M",
        "-smp",
        "2",
        "-nographic",
        "-kernel",
        file("kernel"),
        "-initrd",
        file("initrd"),
        "-append",
        &append,
        "-no-reboot",
        "--timeout",
        "120",
    ]);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert_eq!(printed.matches("Linux version").count(), 1, "{printed}");
    assert!(printed.contains("reboot: Restarting system"), "{printed}");
}
