//! `virtarium serve` over real sockets: what its answers promise, and clients that mean harm.

mod client;
mod hostile;
mod promises;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use client::Answer;

/// A running server; it ends with its value.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    /// Serves a folder at a free port.
    fn start(dir: &Path, words: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_virtarium"))
            .args(["serve", "--listen", "0", "--no-open"])
            .args(words)
            .arg(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = process.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://");
        let address = address.and_then(|rest| rest.strip_suffix('/'));
        let address = address.expect("the server's URL").to_owned();
        Self { process, address }
    }

    /// The answer to a request for a path with these header lines.
    fn get(&self, path: &str, headers: &[&str]) -> Answer {
        self.ask("GET", path, headers)
    }

    fn ask(&self, method: &str, path: &str, headers: &[&str]) -> Answer {
        client::ask(&self.address, method, path, headers)
    }

    /// How the process ends, within some seconds.
    fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(10) {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the server does not end");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the program says when it refuses.
fn refusal(words: &[&str]) -> String {
    let mut process = Command::new(env!("CARGO_BIN_EXE_virtarium"))
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let errors = process.stderr.take().unwrap();
    BufReader::new(errors).read_to_string(&mut said).unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(125), "{said}");
    said
}

#[test]
fn mistakes_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().to_str().unwrap();
    let gone = dir.path().join("gone");
    for (words, expected) in [
        (
            &["serve", gone.to_str().unwrap(), "--listen", "0"][..],
            "cannot serve",
        ),
        (&["serve", here, "--listen", "nowhere"], "--listen nowhere"),
        (
            &["serve", "--listen", "0", "--images", "https://a;b"],
            "--images https://a;b",
        ),
        (
            &["serve", "--listen", "0", "--images", "a.example"],
            "https://HOST",
        ),
        (
            &["serve", here, "--images", "https://a.example"],
            "cannot be used with",
        ),
        (
            &["serve", here, "--guest", "busybox"],
            "cannot be used with",
        ),
        (&["serve", "--guest", "windows"], "windows"),
        (&["site", here, "--page", gone.to_str().unwrap()], "--page"),
        (&["site", here, "--page", here], "no index.html"),
    ] {
        let said = refusal(words);
        assert!(said.contains(expected), "{words:?}: {said}");
    }
}
