//! The connection to gdb: packets in, answers out, and bounds on both.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use gdbstub::conn::Connection;

/// The longest packet with its frame: what [`GdbStub`](gdbstub::stub::GdbStub) has room for.
const MAX_PACKET: usize = 4096;

/// Bytes of memory that one packet may ask for. gdb asks for what fits a packet; the stub itself
/// would go on to the end of the address space.
const MAX_READ: u64 = 0x4000;

/// Somebody who speaks gdb's remote protocol.
pub struct Peer {
    stream: TcpStream,
    /// Bytes that have come and are not looked at yet.
    input: Vec<u8>,
    /// The packet that has begun.
    packet: Vec<u8>,
    answer: Vec<u8>,
    /// How long an answer may wait for a gdb that does not read.
    patience: Duration,
}

impl Peer {
    /// Takes over a connection, on which an answer may wait as long to be read.
    pub fn new(stream: TcpStream, patience: Duration) -> io::Result<Self> {
        // Packets are short, and each waits for its answer.
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self {
            patience,
            stream,
            input: Vec::new(),
            packet: Vec::new(),
            answer: Vec::new(),
        })
    }

    /// The next packet, acknowledgement or interrupt, waited for as long; none if it does not come.
    pub fn wait(&mut self, patience: Duration) -> io::Result<Option<Vec<u8>>> {
        self.stream.set_nonblocking(false)?;
        self.stream.set_read_timeout(Some(patience))?;
        self.next()
    }

    /// The same without waiting.
    pub fn poll(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.stream.set_nonblocking(true)?;
        self.next()
    }

    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        if let Some(packet) = self.cut()? {
            return Ok(Some(packet));
        }
        let mut bytes = [0; MAX_PACKET];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(len) => {
                self.input.extend_from_slice(&bytes[..len]);
                self.cut()
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// Cuts one packet off the input, if it is complete. What is between packets is nobody's.
    fn cut(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut taken = 0;
        let mut whole = None;
        for byte in &self.input {
            taken += 1;
            match (self.packet.is_empty(), byte) {
                (true, b'+' | b'-' | 3) => {
                    whole = Some(vec![*byte]);
                    break;
                }
                (true, b'$') | (false, _) => self.packet.push(*byte),
                (true, _) => {}
            }
            if self.packet.len() > MAX_PACKET {
                return Err(ErrorKind::InvalidData.into());
            }
            if let [.., b'#', _, _] = self.packet[..] {
                whole = Some(bounded(std::mem::take(&mut self.packet)));
                break;
            }
        }
        self.input.drain(..taken);
        Ok(whole)
    }
}

impl Connection for Peer {
    type Error = io::Error;

    fn write(&mut self, byte: u8) -> io::Result<()> {
        self.answer.push(byte);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let answer = std::mem::take(&mut self.answer);
        let (mut rest, start) = (&answer[..], Instant::now());
        while !rest.is_empty() {
            self.stream.set_nonblocking(false)?;
            let written = Write::write(&mut self.stream, rest)?;
            rest = &rest[written..];
            // One that reads byte by byte is no better than one that does not read.
            if written == 0 || start.elapsed() >= self.patience {
                return Err(ErrorKind::TimedOut.into());
            }
        }
        Ok(())
    }
}

fn sum(body: &[u8]) -> u8 {
    body.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte))
}

/// Shortens a packet that asks for too much memory, or for more than there are addresses.
/// Anything else stays as it is.
fn bounded(packet: Vec<u8>) -> Vec<u8> {
    shorter(&packet).unwrap_or(packet)
}

fn shorter(packet: &[u8]) -> Option<Vec<u8>> {
    let [b'$', body @ .., b'#', high, low] = packet else {
        return None;
    };
    let given = hex(&[*high, *low])?;
    let mut fields = body.strip_prefix(b"m")?.split(|byte| *byte == b',');
    let (address, len) = (hex(fields.next()?)?, hex(fields.next()?)?);
    let most = (u64::MAX - address).saturating_add(1).min(MAX_READ);
    if len <= most || given != u64::from(sum(body)) {
        return None;
    }
    let body = format!("m{address:x},{most:x}");
    Some(format!("${body}#{:02x}", sum(body.as_bytes())).into_bytes())
}

/// A number as the stub reads it: `x` stands for a digit that is not known.
fn hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = match digit {
            b'x' | b'X' => 0,
            digit => char::from(*digit).to_digit(16)?,
        };
        number.checked_mul(16)?.checked_add(digit.into())
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn framed(body: &str) -> Vec<u8> {
        format!("${body}#{:02x}", sum(body.as_bytes())).into_bytes()
    }

    fn connected() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    #[test]
    fn one_that_does_not_read_is_not_waited_for() {
        let (_client, server) = connected();
        let mut peer = Peer::new(server, Duration::from_millis(100)).unwrap();
        let start = Instant::now();
        // More than any buffer between the two.
        let refused = (0..10_000).any(|_| {
            (0..16_384).for_each(|_| peer.write(b'x').unwrap());
            peer.flush().is_err()
        });
        assert!(refused && start.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn packets_come_whole_however_they_are_cut() {
        let (mut client, server) = connected();
        let mut peer = Peer::new(server, Duration::from_secs(1)).unwrap();
        for piece in ["noise+$m8", "0,4#", "9", "9\x03$?#3f-$"] {
            Write::write_all(&mut client, piece.as_bytes()).unwrap();
            std::thread::sleep(Duration::from_millis(10));
        }
        let wait = Duration::from_secs(5);
        for packet in ["+", "$m80,4#99", "\x03", "$?#3f", "-"] {
            assert_eq!(peer.wait(wait).unwrap().unwrap(), packet.as_bytes());
        }
        assert!(peer.poll().unwrap().is_none());
        Write::write_all(&mut client, &[b'x'; MAX_PACKET + 1]).unwrap();
        assert!((0..3).any(|_| peer.wait(wait).is_err()), "too long");
    }

    #[test]
    fn memory_is_read_in_bounds_whatever_is_asked() {
        for (asked, read) in [
            ("m80000000,10", "m80000000,10"),
            ("m80000000,4001", "m80000000,4000"),
            ("m0,ffffffffffffffff", "m0,4000"),
            ("mfffffffffffffff0,11", "mfffffffffffffff0,10"),
            ("mffffffffffffffff,ffffffffffffffff", "mffffffffffffffff,1"),
            ("m0,10000000000000000", "m0,10000000000000000"),
            ("M80000000,4001:00", "M80000000,4001:00"),
        ] {
            assert_eq!(bounded(framed(asked)), framed(read), "{asked}");
        }
        let wrong = b"$m0,ffffff#00".to_vec();
        assert_eq!(bounded(wrong.clone()), wrong);
    }
}
