//! Clients that mean harm, or are merely slow.

use std::fs;
use std::io::{BufReader, Read, Write};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{Server, client};

const SECRET: &str = "not for you";

/// A folder that is served, beside a file that is not.
fn folder() -> (TempDir, Server) {
    let dir = tempfile::tempdir().unwrap();
    let inside = dir.path().join("inside");
    fs::create_dir_all(inside.join("sub")).unwrap();
    fs::write(inside.join("file.txt"), "for you").unwrap();
    fs::write(inside.join("sub/file.txt"), "this as well").unwrap();
    fs::write(inside.join(".hidden"), SECRET).unwrap();
    fs::write(dir.path().join("secret"), SECRET).unwrap();
    let server = Server::start(&inside, &[]);
    (dir, server)
}

fn works(server: &Server) {
    assert_eq!(server.get("/file.txt", &[]).body, b"for you");
}

#[test]
fn no_path_leads_out_of_the_folder() {
    let (dir, server) = folder();
    for path in [
        "/../secret",
        "/sub/../../secret",
        "/%2e%2e/secret",
        "/%2E%2E%2Fsecret",
        "/..%2fsecret",
        "/sub/..%5c..%5csecret",
        "/sub\\..\\..\\secret",
        "/.hidden",
        "/%2ehidden",
        "//secret",
        "/./file.txt",
        "/file.txt%00.html",
        "/file.txt/",
        "/file.txt/x",
        "/%",
        "/%zz",
        "/%ff%fe",
        "/c:/secret",
        "http://127.0.0.1/../secret",
    ] {
        let answer = server.get(path, &[]);
        assert_eq!(answer.status, 404, "{path}");
        assert!(
            !String::from_utf8_lossy(&answer.body).contains(SECRET),
            "{path}"
        );
    }
    // RFC 9112, 3.2.2: this form has to be taken.
    let absolute = format!("http://{}/sub/file.txt", server.address);
    assert_eq!(server.get(&absolute, &[]).body, b"this as well");
    let moved = server.get("/sub", &[]);
    assert_eq!((moved.status, moved.header("location")), (308, "./sub/"));
    let long = format!("/{}", "a/".repeat(4000));
    assert_eq!(server.get(&long, &[]).status, 404);
    drop(dir);
}

#[cfg(unix)]
#[test]
fn no_link_leads_out_of_the_folder_and_nothing_that_waits_is_opened() {
    use std::os::unix::fs::symlink;
    let (dir, server) = folder();
    let inside = dir.path().join("inside");
    symlink(dir.path().join("secret"), inside.join("absolute")).unwrap();
    symlink("../secret", inside.join("relative")).unwrap();
    symlink("..", inside.join("up")).unwrap();
    symlink("loop", inside.join("loop")).unwrap();
    symlink("sub/file.txt", inside.join("within")).unwrap();
    let pipe = inside.join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
    for path in ["/absolute", "/relative", "/up/secret", "/loop", "/pipe"] {
        let answer = server.get(path, &[]);
        assert_eq!(answer.status, 404, "{path}");
        assert!(
            !String::from_utf8_lossy(&answer.body).contains(SECRET),
            "{path}"
        );
    }
    assert_eq!(server.get("/within", &[]).body, b"this as well");
}

#[test]
fn requests_that_are_none_are_refused() {
    let (_dir, server) = folder();
    for (method, status) in [("POST", 405), ("PUT", 405), ("DELETE", 405), ("BREW", 405)] {
        let answer = server.ask(method, "/file.txt", &["Content-Length: 0"]);
        assert_eq!(answer.status, status, "{method}");
        assert_eq!(answer.header("allow"), "GET, HEAD, OPTIONS");
    }
    let host = format!("Host: {}\r\n", server.address);
    let huge = format!("X: {}\r\n", "x".repeat(1 << 20));
    let many = "X: y\r\n".repeat(10_000);
    for (request, what) in [
        (
            format!("GET /file.txt HTTP/1.1\r\n{host}{huge}\r\n"),
            "a huge header",
        ),
        (
            format!("GET /file.txt HTTP/1.1\r\n{host}{many}\r\n"),
            "many headers",
        ),
        (
            format!("GET /{} HTTP/1.1\r\n{host}\r\n", "x".repeat(1 << 20)),
            "a huge path",
        ),
        (
            format!(
                "GET /file.txt HTTP/1.1\r\n{host}Content-Length: 9\r\nContent-Length: 8\r\n\r\n"
            ),
            "two lengths",
        ),
        (
            format!("GET /file.txt HTTP/1.1\r\n{host}Bad Name: x\r\n\r\n"),
            "a bad name",
        ),
        (
            format!("GET /file.txt\0 HTTP/1.1\r\n{host}\r\n"),
            "a zero byte",
        ),
        (
            "GET /file.txt HTTP/9.9\r\n\r\n".to_owned(),
            "another version",
        ),
        ("\x16\x03\x01\x02\0\x01\0".repeat(100), "TLS"),
        ("\r\n".repeat(100_000), "empty lines"),
    ] {
        let answer = client::send(&server.address, request.as_bytes());
        let refused = answer
            .as_ref()
            .is_none_or(|answer| (400..500).contains(&answer.status));
        assert!(refused, "{what}: {answer:?}");
        works(&server);
    }
    let odd = [
        "Range: bytes=\u{fc}",
        "If-None-Match: \u{fc}",
        "Accept-Encoding: ;;;q=,,",
    ];
    assert_eq!(server.get("/file.txt", &odd).body, b"for you");
}

#[test]
fn slow_clients_hold_up_nobody_and_not_for_ever() {
    let (dir, server) = folder();
    let large = dir.path().join("inside/large");
    fs::File::create(&large).unwrap().set_len(64 << 20).unwrap();
    let mut stalled = Vec::new();
    let mut begun = Vec::new();
    for _ in 0..100 {
        // Who does not take the answer, and who does not end the question.
        let mut stream = client::connect(&server.address);
        write!(stream, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        stalled.push(stream);
        let mut stream = client::connect(&server.address);
        write!(stream, "GET /file.txt HTTP/1.1\r\nHost: x\r\nX: ").unwrap();
        begun.push(stream);
    }
    let start = Instant::now();
    for _ in 0..20 {
        works(&server);
    }
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    // The head of a request has ten seconds.
    for mut stream in begun {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(!rest.starts_with(b"HTTP/1.1 200"));
    }
    assert!(
        start.elapsed() < Duration::from_secs(19),
        "{:?}",
        start.elapsed()
    );
    drop(stalled);
    works(&server);
}

#[test]
fn a_file_that_becomes_shorter_is_not_taken_for_whole() {
    let (dir, server) = folder();
    let large = dir.path().join("inside/large");
    let file = fs::File::create(&large).unwrap();
    file.set_len(256 << 20).unwrap();
    let mut stream = client::connect(&server.address);
    write!(stream, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut first = [0; 4096];
    stream.read_exact(&mut first).unwrap();
    file.set_len(0).unwrap();
    let mut rest = Vec::new();
    let _ = BufReader::new(stream).read_to_end(&mut rest);
    assert!(rest.len() < 256 << 20);
    works(&server);
}

#[cfg(unix)]
#[test]
fn the_server_ends_when_it_is_told_to_whoever_is_connected() {
    use rustix::process::{Pid, Signal, kill_process};
    for signal in [Signal::INT, Signal::TERM] {
        let (dir, mut server) = folder();
        let large = dir.path().join("inside/large");
        fs::File::create(&large).unwrap().set_len(64 << 20).unwrap();
        let _idle = client::connect(&server.address);
        let mut stalled = client::connect(&server.address);
        write!(stalled, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        works(&server);
        let id = Pid::from_child(&server.process);
        kill_process(id, signal).unwrap();
        assert_eq!(server.wait().code(), Some(0));
    }
}
