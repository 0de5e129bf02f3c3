//! The program on a host that does not do as it should: outputs that are full, stuck or closed,
//! and files that are none.
#![cfg(unix)]

mod kernels;

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use kernels::{Kernel, floods, greets, spins};

/// The program with the words of a line, in a directory; nothing is typed.
fn program(dir: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_virtarium"));
    command
        .args(line.split_whitespace())
        .current_dir(dir)
        .stdin(Stdio::null())
        .env_remove("RUST_BACKTRACE")
        .env("VIRTARIUM_CACHE", dir.join("cache"));
    command
}

fn with_kernel(kernel: Kernel) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("k"), kernel.image()).unwrap();
    dir
}

const RUN: &str = "run --bios none --kernel k";

/// Waits for the end, and kills what does not come to one.
fn ends(child: &mut Child) -> Option<i32> {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(60) {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    panic!("it did not come to an end");
}

/// It must fail with 125 and one line that holds each word.
#[track_caller]
fn refused(output: &Output, words: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    for word in words {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn open_file_of_this_process_is_written_to_and_not_replaced() {
    let dir = with_kernel(greets("hello\n"));
    for (name, begin) in [
        // What /dev/stdout leads to. A regular file there is still no file of that name.
        ("/proc/self/fd/1", "first\n"),
        ("/dev/fd/1", "first\n"),
    ] {
        let path = dir.path().join("out");
        std::fs::write(&path, begin).unwrap();
        let mut out = File::options().write(true).open(&path).unwrap();
        std::io::Seek::seek(&mut out, std::io::SeekFrom::End(0)).unwrap();
        let status = program(
            dir.path(),
            &format!("{RUN} --trace {name},what=instructions"),
        )
        .stdout(out)
        .status()
        .unwrap();
        assert_eq!(status.code(), Some(0), "{name}");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(begin), "{name}: {text}");
        assert!(text.contains("hello\n"), "{name}: {text}");
        assert!(text.contains("hart=0 0x80000000 "), "{name}: {text}");
    }
}

#[test]
fn pipe_is_no_disk_and_no_overlay() {
    let dir = with_kernel(greets("x"));
    std::fs::write(dir.path().join("disk"), [0; 4096]).unwrap();
    let pipe = dir.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    for (block, words) in [
        ("pipe", ["disk pipe", "pipe or a device"]),
        ("pipe,ro", ["disk pipe", "pipe or a device"]),
        ("/dev/zero", ["disk /dev/zero", "pipe or a device"]),
        ("disk,overlay=pipe", ["overlay pipe", "no regular file"]),
    ] {
        let mut child = program(dir.path(), &format!("{RUN} --block {block}"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        ends(&mut child);
        refused(&child.wait_with_output().unwrap(), &words);
        assert!(pipe.exists(), "{block}: the pipe is gone");
    }
}

#[test]
fn limit_on_the_size_of_files_is_an_error_and_no_death() {
    let dir = with_kernel(floods());
    let virtarium = env!("CARGO_BIN_EXE_virtarium");
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!(
            "ulimit -f 4; exec '{virtarium}' {RUN} --serial file=out </dev/null"
        ))
        .current_dir(dir.path())
        .output()
        .unwrap();
    refused(&output, &["cannot be written", "too large"]);
}

#[cfg(target_os = "linux")]
#[test]
fn trace_that_finds_no_room_ends_the_run() {
    let dir = with_kernel(spins());
    let mut child = program(
        dir.path(),
        &format!("{RUN} --trace /dev/full,what=instructions"),
    )
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    ends(&mut child);
    let output = child.wait_with_output().unwrap();
    refused(&output, &["--trace /dev/full", "No space"]);
}

#[test]
fn output_that_nobody_reads_holds_neither_the_time_limit_up_nor_a_signal() {
    let dir = with_kernel(floods());
    let start = |line: &str| {
        program(dir.path(), line)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut limited = start(&format!("{RUN} --timeout 300ms"));
    assert_eq!(ends(&mut limited), Some(124));
    let mut signalled = start(RUN);
    std::thread::sleep(Duration::from_millis(500));
    let kill = Command::new("kill")
        .args(["-TERM", &signalled.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    assert_eq!(ends(&mut signalled), Some(143));
}

#[test]
fn list_that_nobody_reads_to_its_end_is_no_mistake() {
    let dir = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = program(dir.path(), "image list")
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(141));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn outputs_are_not_written_over_what_is_read() {
    let dir = with_kernel(greets("x"));
    std::fs::write(dir.path().join("disk"), [7; 4096]).unwrap();
    let kernel = std::fs::read(dir.path().join("k")).unwrap();
    std::os::unix::fs::symlink("disk", dir.path().join("link")).unwrap();
    for (line, words) in [
        (
            "--block disk --trace disk,what=mmio",
            ["--trace disk", "reads"],
        ),
        (
            "--block disk --serial file=./disk",
            ["--serial ./disk", "reads"],
        ),
        (
            "--block link --console file=disk",
            ["--console disk", "reads"],
        ),
        ("--signature k", ["--signature k", "reads"]),
    ] {
        let output = program(dir.path(), &format!("{RUN} {line}"))
            .output()
            .unwrap();
        refused(&output, &words);
        assert_eq!(std::fs::read(dir.path().join("disk")).unwrap(), [7; 4096]);
        assert_eq!(std::fs::read(dir.path().join("k")).unwrap(), kernel);
    }
    let null = format!("{RUN} --trace /dev/null --serial file=/dev/null");
    let status = program(dir.path(), &null).status().unwrap();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn report_that_has_no_place_is_told_before_the_cases_run() {
    let dir = with_kernel(greets("x"));
    let suite = "[[test]]\nname = \"a\"\nkernel = \"k\"\nbios = \"none\"\n";
    std::fs::write(dir.path().join("s.toml"), suite).unwrap();
    for junit in ["nowhere/out.xml", ".", "./s.toml"] {
        let output = program(dir.path(), &format!("test s.toml --junit {junit}"))
            .output()
            .unwrap();
        refused(&output, &["--junit", junit]);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    }
}
