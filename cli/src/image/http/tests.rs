use super::*;
use crate::image::testing::directory;
use crate::image::testing::server::{Answer, Server};

const PATH: &str = "pool/x.deb";

fn content() -> Vec<u8> {
    (0..300_000_u32).map(|n| ((n * 7) >> 3) as u8).collect()
}

/// Fetches [`PATH`], whose content should be [`content`], to `target`.
fn fetch(server: &Server, target: &Path) -> Result<(), Failure> {
    let progress = Progress::silent();
    let good = content();
    Client::direct().download(
        &server.url(PATH),
        target,
        good.len() as u64,
        Sha256::of(&good),
        &mut progress.bytes("x", good.len() as u64),
        &progress,
    )
}

fn part(target: &Path) -> std::path::PathBuf {
    target.with_extension("part")
}

#[test]
fn a_file_appears_complete() {
    let (dir, server) = (directory("http"), Server::start());
    server.answer(PATH, Answer::Content(content()));
    let target = dir.path().join("x");
    fetch(&server, &target).unwrap();
    assert_eq!(fs::read(&target).unwrap(), content());
    assert!(!part(&target).exists());
}

#[test]
fn what_is_there_is_not_fetched_again() {
    let (dir, server) = (directory("http"), Server::start());
    server.answer(PATH, Answer::Content(content()));
    let target = dir.path().join("x");
    fs::write(part(&target), &content()[..100_000]).unwrap();
    fetch(&server, &target).unwrap();
    assert_eq!(fs::read(&target).unwrap(), content());
    assert_eq!(server.requests(PATH), [100_000]);
}

#[test]
fn a_line_that_is_cut_again_and_again_is_resumed() {
    let (dir, server) = (directory("http"), Server::start());
    server.answer(PATH, Answer::Cut(content(), 70_000));
    let target = dir.path().join("x");
    fetch(&server, &target).unwrap();
    assert_eq!(fs::read(&target).unwrap(), content());
    let requests = server.requests(PATH);
    assert!(requests.len() >= 5 && requests[1] > 0, "{requests:?}");
}

#[test]
fn a_server_without_ranges_sends_everything_anew() {
    let (dir, server) = (directory("http"), Server::start());
    server.answer(PATH, Answer::NoRanges(content()));
    let target = dir.path().join("x");
    fs::write(part(&target), [9; 1000]).unwrap();
    fetch(&server, &target).unwrap();
    assert_eq!(fs::read(&target).unwrap(), content());
}

#[test]
fn a_damaged_beginning_is_thrown_away() {
    let (dir, server) = (directory("http"), Server::start());
    server.answer(PATH, Answer::Content(content()));
    let target = dir.path().join("x");
    fs::write(part(&target), [9; 1000]).unwrap();
    fetch(&server, &target).unwrap();
    assert_eq!(fs::read(&target).unwrap(), content());
    assert_eq!(server.requests(PATH), [1000, 0]);
    // A part that is longer than the file cannot be one of it.
    fs::remove_file(&target).unwrap();
    fs::write(part(&target), vec![9; 400_000]).unwrap();
    fetch(&server, &target).unwrap();
}

// Hostile inputs, V25.
#[cfg(unix)]
#[test]
fn link_in_the_place_of_a_partial_file_is_not_followed() {
    let (dir, server) = (directory("http"), Server::start());
    server.answer(PATH, Answer::Content(content()));
    let (target, victim) = (dir.path().join("x"), dir.path().join("victim"));
    fs::write(&victim, "mine").unwrap();
    std::os::unix::fs::symlink(&victim, part(&target)).unwrap();
    assert!(open_part(&part(&target), 0).is_err());
    fetch(&server, &target).unwrap();
    assert_eq!(fs::read(&target).unwrap(), content());
    assert_eq!(fs::read(&victim).unwrap(), b"mine");
}

#[test]
fn wrong_content_is_fetched_once_more_and_then_refused() {
    let (dir, server) = (directory("http"), Server::start());
    let mut wrong = content();
    wrong[5] ^= 1;
    let target = dir.path().join("x");
    server.answer(PATH, Answer::Then(wrong.clone(), content()));
    fetch(&server, &target).unwrap();
    fs::remove_file(&target).unwrap();
    server.answer(PATH, Answer::Content(wrong));
    let error = fetch(&server, &target)
        .unwrap_err()
        .into_error()
        .to_string();
    assert!(
        error.contains("wrong content") && !error.contains('\n'),
        "{error}"
    );
    assert!(!target.exists() && !part(&target).exists());
}

#[test]
fn failures_are_told_apart() {
    let (dir, server) = (directory("http"), Server::start());
    let target = dir.path().join("x");
    assert!(matches!(fetch(&server, &target), Err(Failure::Gone(_))));
    server.answer(PATH, Answer::Status(403));
    let error = fetch(&server, &target).unwrap_err().into_error();
    assert!(format!("{error:#}").contains("403"), "{error:#}");
    let gone = Failure::Gone(server.url(PATH)).into_error().to_string();
    assert!(gone.contains("--mirror"), "{gone}");
    assert_eq!(
        server.requests(PATH).len(),
        2,
        "no second attempt at a refusal"
    );
    server.answer(PATH, Answer::Status(503));
    let error = fetch(&server, &target).unwrap_err().into_error();
    let text = error.to_string();
    assert!(text.contains("503") && text.contains("--mirror"), "{text}");
    assert_eq!(
        server.requests(PATH).len(),
        6,
        "some attempts at what may pass"
    );
    server.answer(PATH, Answer::Cut(content(), 0));
    assert!(matches!(fetch(&server, &target), Err(Failure::Other(_))));
}

#[test]
fn a_small_file_is_bounded() {
    let server = Server::start();
    server.answer(PATH, Answer::Content(vec![1; 100]));
    let client = Client::direct();
    assert_eq!(client.bytes(&server.url(PATH), 100).unwrap().len(), 100);
    assert!(client.bytes(&server.url(PATH), 99).is_err());
    server.answer(PATH, Answer::Status(503));
    let error = client.bytes(&server.url(PATH), 100).unwrap_err();
    let text = error.into_error().to_string();
    assert!(text.contains("503") && text.contains("--mirror"), "{text}");
}

#[test]
fn a_host_that_is_not_there_is_named_in_one_line() {
    let client = Client::direct();
    for url in ["http://no-such-host.invalid/x", "http://127.0.0.1:1/x"] {
        let error = client.bytes(url, 9).unwrap_err().into_error();
        let text = format!("{error:#}");
        assert!(text.contains("--mirror") && !text.contains('\n'), "{text}");
    }
}
