//! A mirror on the loopback interface that behaves, or misbehaves, as a test wants.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// How the server answers for one path.
#[derive(Clone)]
pub enum Answer {
    /// The content, and ranges of it.
    Content(Vec<u8>),
    /// The content; ranges are not understood.
    NoRanges(Vec<u8>),
    /// At most so many bytes of the content in one answer; then the line is cut.
    Cut(Vec<u8>, usize),
    /// The first content once, then the second.
    Then(Vec<u8>, Vec<u8>),
    /// This status.
    Status(u16),
}

/// A running server; it lives as long as the test's process.
pub struct Server {
    address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    answers: BTreeMap<String, Answer>,
    /// Path and start of the range of each request.
    log: Vec<(String, u64)>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { address, state }
    }

    pub fn root(&self) -> String {
        format!("http://{}/debian", self.address)
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.root())
    }

    pub fn answer(&self, path: &str, answer: Answer) {
        let mut state = self.state.lock().unwrap();
        state.answers.insert(format!("/debian/{path}"), answer);
    }

    /// Starts of the ranges of the requests for a path so far.
    pub fn requests(&self, path: &str) -> Vec<u64> {
        let state = self.state.lock().unwrap();
        let path = format!("/debian/{path}");
        let own = state.log.iter().filter(|(other, _)| *other == path);
        own.map(|(_, start)| *start).collect()
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut out = stream.try_clone().ok()?;
    let mut lines = BufReader::new(stream.take(64 << 10)).lines();
    let path = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
    let mut start = 0;
    for line in lines {
        let line = line.ok()?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(range) = line.strip_prefix("range: bytes=") {
            start = range.trim_end_matches('-').parse().ok()?;
        }
    }
    let answer = {
        let mut state = state.lock().unwrap();
        state.log.push((path.clone(), start));
        let answer = state.answers.get(&path).cloned();
        if let Some(Answer::Then(_, second)) = &answer {
            state.answers.insert(path, Answer::Content(second.clone()));
        }
        answer
    };
    let (content, ranges, limit) = match answer {
        None => return head(&mut out, 404, 0, None),
        Some(Answer::Status(status)) => return head(&mut out, status, 0, None),
        Some(Answer::Content(content) | Answer::Then(content, _)) => (content, true, usize::MAX),
        Some(Answer::NoRanges(content)) => (content, false, usize::MAX),
        Some(Answer::Cut(content, limit)) => (content, true, limit),
    };
    let start = if ranges {
        usize::try_from(start).ok()?
    } else {
        0
    };
    if start > content.len() {
        return head(&mut out, 416, 0, None);
    }
    let rest = &content[start..];
    let range = (start > 0).then(|| format!("bytes {start}-{}/{}", content.len(), content.len()));
    let status = if start > 0 { 206 } else { 200 };
    head(&mut out, status, rest.len(), range)?;
    out.write_all(&rest[..rest.len().min(limit)]).ok()
}

fn head(out: &mut TcpStream, status: u16, length: usize, range: Option<String>) -> Option<()> {
    let range = range.map_or(String::new(), |range| format!("Content-Range: {range}\r\n"));
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n{range}\r\n"
    );
    out.write_all(head.as_bytes()).ok()
}
