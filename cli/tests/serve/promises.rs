//! What the answers promise to pages and caches.

use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use tempfile::TempDir;

use crate::{Server, client};

/// Larger than what is answered out of memory.
const LARGE: usize = (4 << 20) + 12_345;

fn large() -> Vec<u8> {
    (0..LARGE as u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}

fn hash() -> String {
    "0a".repeat(32)
}

fn write(dir: &Path, path: &str, bytes: &[u8]) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A page of a kind.
fn page() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "index.html", b"<!doctype html>");
    write(
        dir.path(),
        "virtarium.js",
        "const a = 1;\n".repeat(1000).as_bytes(),
    );
    write(dir.path(), "virtarium.wasm", b"\0asm\x01\0\0\0");
    write(dir.path(), "machines/index.json", b"[]");
    write(dir.path(), "large.img", &large());
    write(
        dir.path(),
        &format!("files/{}.gz", hash()),
        b"\x1f\x8b not really",
    );
    write(
        dir.path(),
        &format!("chunks/0a/{}.gz", hash()),
        b"\x1f\x8b nor this",
    );
    write(dir.path(), "empty", b"");
    dir
}

#[test]
fn files_have_their_types_and_every_answer_what_a_page_needs() {
    let dir = page();
    let server = Server::start(dir.path(), &[]);
    let by_hash = format!("/files/{}.gz", hash());
    let chunk = format!("/chunks/0a/{}.gz", hash());
    let kept = "public, max-age=31536000, immutable, no-transform";
    for (path, status, kind, cache) in [
        ("/", 200, "text/html; charset=utf-8", "no-cache"),
        ("/index.html", 200, "text/html; charset=utf-8", "no-cache"),
        (
            "/virtarium.js?v=1",
            200,
            "text/javascript; charset=utf-8",
            "no-cache",
        ),
        ("/virtarium.wasm", 200, "application/wasm", "no-cache"),
        ("/machines/index.json", 200, "application/json", "no-cache"),
        ("/large.img", 200, "application/octet-stream", "no-cache"),
        ("/empty", 200, "application/octet-stream", "no-cache"),
        (&by_hash, 200, "application/octet-stream", kept),
        (&chunk, 200, "application/octet-stream", kept),
        ("/none", 404, "text/plain; charset=utf-8", "no-cache"),
    ] {
        let encodings = ["Accept-Encoding: gzip, deflate, br"];
        let answer = server.get(path, &encodings);
        assert_eq!(answer.status, status, "{path}");
        for (name, value) in [
            ("content-type", kind),
            ("cache-control", cache),
            // Pages of a folder may do what they say themselves.
            ("content-security-policy", ""),
            ("x-content-type-options", "nosniff"),
            ("access-control-allow-origin", "*"),
            ("cross-origin-resource-policy", "cross-origin"),
        ] {
            assert_eq!(answer.header(name), value, "{path}: {name}");
        }
        let exposed = answer.header("access-control-expose-headers");
        for name in ["content-range", "etag", "content-length", "accept-ranges"] {
            assert!(exposed.split(", ").any(|other| other == name), "{name}");
        }
        // HEAD has all of it but the body.
        let head = server.ask("HEAD", path, &encodings);
        assert_eq!((head.status, head.body.len()), (status, 0), "{path}");
        for name in [
            "content-type",
            "content-length",
            "etag",
            "content-encoding",
            "accept-ranges",
        ] {
            assert_eq!(head.header(name), answer.header(name), "{path}: {name}");
        }
    }
    assert!(server.get("/large.img", &[]).body == large());
    assert_eq!(server.get(&by_hash, &[]).body, b"\x1f\x8b not really");
    let moved = server.get("/machines", &[]);
    assert_eq!(
        (moved.status, moved.header("location")),
        (308, "./machines/")
    );
}

#[test]
fn text_is_packed_for_who_takes_it_and_nothing_else_is() {
    let dir = page();
    let server = Server::start(dir.path(), &[]);
    let js = fs::read(dir.path().join("virtarium.js")).unwrap();
    let plain = server.get("/virtarium.js", &[]);
    assert_eq!(plain.body, js);
    // The second time it is the one that was kept.
    for _ in 0..2 {
        let packed = server.get("/virtarium.js", &["Accept-Encoding: br, GZIP;q=0.5"]);
        assert_eq!(packed.header("content-encoding"), "gzip");
        assert!(packed.body.len() < 200);
        let mut text = Vec::new();
        GzDecoder::new(&packed.body[..])
            .read_to_end(&mut text)
            .unwrap();
        assert_eq!(text, js);
        // Two representations have two tags, and caches know what tells them apart.
        assert_ne!(packed.header("etag"), plain.header("etag"));
        assert_eq!(packed.header("vary"), "accept-encoding");
        assert_eq!(plain.header("vary"), "accept-encoding");
    }
    let by_hash = format!("/files/{}.gz", hash());
    for (path, headers) in [
        ("/virtarium.js", &[][..]),
        ("/virtarium.js", &["Accept-Encoding: gzip;q=0"]),
        ("/virtarium.js", &["Accept-Encoding: gzip; q=0.000"]),
        ("/virtarium.js", &["Accept-Encoding: gzip;Q=0"]),
        ("/virtarium.js", &["Accept-Encoding: xgzip"]),
        (
            "/virtarium.js",
            &["Accept-Encoding: gzip", "Range: bytes=0-9"],
        ),
        ("/large.img", &["Accept-Encoding: gzip"]),
        (&by_hash, &["Accept-Encoding: gzip"]),
        ("/index.html", &["Accept-Encoding: gzip"]),
    ] {
        let answer = server.get(path, headers);
        assert_eq!(answer.header("content-encoding"), "", "{path} {headers:?}");
    }
}

#[test]
fn parts_of_files_are_exact() {
    let dir = page();
    let server = Server::start(dir.path(), &[]);
    let js = fs::read(dir.path().join("virtarium.js")).unwrap();
    for (path, all) in [("/virtarium.js", js), ("/large.img", large())] {
        let size = all.len();
        for (range, start, end) in [
            ("0-0".to_owned(), 0, 1),
            ("100-299".to_owned(), 100, 300),
            (format!("{}-", size - 7), size - 7, size),
            ("-7".to_owned(), size - 7, size),
            (format!("5-{}", size * 2), 5, size),
        ] {
            let answer = server.get(path, &[&format!("Range: bytes={range}")]);
            assert_eq!(answer.status, 206, "{range}");
            let expected = format!("bytes {start}-{}/{size}", end - 1);
            assert_eq!(answer.header("content-range"), expected);
            assert!(answer.body == all[start..end], "{path} {range}");
        }
        let none = server.get(path, &[&format!("Range: bytes={size}-")]);
        assert_eq!(none.status, 416);
        assert_eq!(none.header("content-range"), format!("bytes */{size}"));
        for range in ["0-1,4-5", "9-3", "x-y"] {
            let answer = server.get(path, &[&format!("Range: bytes={range}")]);
            assert_eq!(
                (answer.status, answer.header("content-range")),
                (200, ""),
                "{range}"
            );
            assert!(answer.body == all, "{range}");
        }
        assert_eq!(server.ask("HEAD", path, &["Range: bytes=0-1"]).status, 200);

        // If it has changed meanwhile, all of the new one.
        let tag = server.get(path, &[]).header("etag").to_owned();
        assert!(tag.starts_with('"') && tag.len() > 2, "{tag}");
        let with = |tag: &str| {
            let answer = server.get(path, &["Range: bytes=0-1", &format!("If-Range: {tag}")]);
            answer.status
        };
        assert_eq!(with(&tag), 206);
        for other in [
            "\"other\"",
            &format!("W/{tag}"),
            "Sun, 06 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(with(other), 200, "{other}");
        }
        write(dir.path(), &path[1..], &all[..size - 1]);
        assert_eq!(with(&tag), 200);
    }
    assert_eq!(server.get("/empty", &["Range: bytes=0-"]).status, 416);
}

#[test]
fn what_a_cache_has_is_not_sent_again() {
    let dir = page();
    let server = Server::start(dir.path(), &[]);
    for (path, encoding) in [
        ("/virtarium.js", "Accept-Encoding: gzip"),
        ("/virtarium.js", "Accept-Encoding: identity"),
        ("/large.img", "Accept-Encoding: gzip"),
    ] {
        let tag = server.get(path, &[encoding]).header("etag").to_owned();
        for tags in [
            tag.clone(),
            format!("W/{tag}"),
            format!("\"x\", {tag}"),
            "*".to_owned(),
        ] {
            let tags = format!("If-None-Match: {tags}");
            let answer = server.get(path, &[encoding, &tags]);
            assert_eq!(
                (answer.status, answer.body.len()),
                (304, 0),
                "{path} {tags}"
            );
            assert_eq!(answer.header("etag"), tag);
            assert_eq!(answer.header("cache-control"), "no-cache");
            // This comes before the range (RFC 9110, 13.2.2).
            if tag.ends_with("-gzip\"") {
                continue;
            }
            let part = server.get(path, &[encoding, &tags, "Range: bytes=0-1"]);
            assert_eq!(part.status, 304);
        }
        let other = server.get(path, &[encoding, "If-None-Match: \"x\""]);
        assert_eq!(other.status, 200);
        // Two lines are one list (RFC 9110, 5.3).
        let second = format!("If-None-Match: {tag}");
        let lines = [encoding, "If-None-Match: \"x\"", &second];
        assert_eq!(server.get(path, &lines).status, 304);
        let mut bytes = fs::read(dir.path().join(&path[1..])).unwrap();
        bytes[0] ^= 1;
        write(dir.path(), &path[1..], &bytes);
        let changed = server.get(path, &[encoding, &format!("If-None-Match: {tag}")]);
        assert_eq!(changed.status, 200);
        assert_ne!(changed.header("etag"), tag);
    }
}

#[test]
fn another_file_than_the_one_asked_for_is_refused() {
    let dir = page();
    let server = Server::start(dir.path(), &[]);
    let tag = server.get("/large.img", &[]).header("etag").to_owned();
    let weak = format!("W/{tag}");
    for (tags, status) in [
        (&*tag, 206),
        ("*", 206),
        (&format!("\"x\", {tag}"), 206),
        ("\"x\"", 412),
        // RFC 9110, 13.1.1: the comparison is strong.
        (&weak, 412),
    ] {
        let condition = format!("If-Match: {tags}");
        let answer = server.get("/large.img", &["Range: bytes=0-9", &condition]);
        assert_eq!(answer.status, status, "{tags}");
    }
    // It comes before the other condition.
    let both = [
        "If-Match: \"x\"".to_owned(),
        format!("If-None-Match: {tag}"),
    ];
    let answer = server.get("/large.img", &[&both[0], &both[1]]);
    assert_eq!(answer.status, 412);
}

#[test]
fn pages_of_other_origins_may_ask() {
    let dir = page();
    let server = Server::start(dir.path(), &[]);
    let answer = server.ask(
        "OPTIONS",
        "/large.img",
        &[
            "Origin: https://page.example",
            "Access-Control-Request-Method: GET",
            "Access-Control-Request-Headers: range,if-range",
        ],
    );
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin")),
        (204, "*")
    );
    assert_eq!(answer.header("access-control-allow-methods"), "GET, HEAD");
    let allowed = answer.header("access-control-allow-headers");
    for name in ["range", "if-range", "if-match", "if-none-match"] {
        assert!(allowed.split(", ").any(|other| other == name), "{name}");
    }
}

#[test]
fn a_connection_serves_several_requests() {
    let dir = page();
    let server = Server::start(dir.path(), &[]);
    let mut stream = client::connect(&server.address);
    let request = format!(
        "GET /virtarium.wasm HTTP/1.1\r\nHost: {}\r\n\r\n",
        server.address
    );
    std::io::Write::write_all(&mut stream, request.repeat(3).as_bytes()).unwrap();
    let mut stream = std::io::BufReader::new(stream);
    for _ in 0..3 {
        let answer = client::read(&mut stream, false).expect("an answer");
        assert_eq!(answer.body, b"\0asm\x01\0\0\0");
    }
}
