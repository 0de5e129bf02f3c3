//! A client that sends what it is told to, byte for byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header, or nothing.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let mut values = self.headers.iter().filter(|(known, _)| known == name);
        let value = values.next().map_or("", |(_, value)| value);
        assert!(values.next().is_none(), "{name} is there twice");
        value
    }
}

pub fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
}

/// The answer to one request on a connection of its own.
pub fn ask(address: &str, method: &str, path: &str, headers: &[&str]) -> Answer {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n");
    for header in headers {
        request.push_str(&format!("{header}\r\n"));
    }
    request.push_str("Connection: close\r\n\r\n");
    send(address, request.as_bytes()).unwrap_or_else(|| panic!("no answer to {request:?}"))
}

/// The answer to these bytes, or nothing if the server just ends the connection.
pub fn send(address: &str, bytes: &[u8]) -> Option<Answer> {
    let mut stream = connect(address);
    // A server that has seen enough may end the connection before all is sent.
    let _ = stream.write_all(bytes);
    read(&mut BufReader::new(stream), bytes.starts_with(b"HEAD "))
}

/// Reads one answer.
pub fn read(stream: &mut impl BufRead, head: bool) -> Option<Answer> {
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    let status = line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().unwrap();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            assert_eq!(line, "\r\n");
            break;
        };
        headers.push((name.to_owned(), value.to_owned()));
    }
    let mut answer = Answer {
        status,
        headers,
        body: Vec::new(),
    };
    if !head && ![204, 304].contains(&status) {
        let length = answer.header("content-length").parse().unwrap();
        stream.take(length).read_to_end(&mut answer.body).unwrap();
        assert_eq!(answer.body.len() as u64, length);
    }
    Some(answer)
}
