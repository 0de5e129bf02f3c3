//! Standard input: bytes for the guest, and the keys after Ctrl-A that are for us.

use std::io::Read;
use std::sync::mpsc::{Receiver, Sender, SyncSender, sync_channel};

/// What the world outside tells the machine's loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Bytes for the guest's console.
    Input(Vec<u8>),
    /// Standard input has ended.
    InputEnd,
    /// A key for us.
    Key(Key),
    /// The terminal has another size.
    Resize,
    /// A signal that ends the program.
    Signal(i32),
}

/// Keys after Ctrl-A.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// X: end the machine.
    Quit,
    /// H or ?: list the keys.
    Help,
    /// C: QEMU's monitor, which is not there.
    Monitor,
    /// N: type into the next console.
    NextConsole,
    /// S: flush the disks.
    Sync,
}

/// What Ctrl-A H prints.
pub const HELP: &str = "\
Ctrl-A X       quit
Ctrl-A N       type into the next console
Ctrl-A S       write the disks' data to the host's disks
Ctrl-A C       what there is instead of a monitor
Ctrl-A H       this text
Ctrl-A Ctrl-A  Ctrl-A to the guest
";

/// What Ctrl-A C prints.
pub const MONITOR: &str = "\
There is no monitor. gdb attaches to `virtarium run -s`; --trace and --stats tell what happens; \
Ctrl-A H lists the keys.
";

const CTRL_A: u8 = 1;

/// Tells keys for us from bytes for the guest.
#[derive(Debug, Default)]
pub struct Escape {
    /// Ctrl-A was the last byte.
    pending: bool,
}

impl Escape {
    /// Takes bytes as they were typed, and gives what they mean, in order.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        let mut plain = Vec::new();
        for &byte in bytes {
            if !self.pending {
                match byte {
                    CTRL_A => self.pending = true,
                    _ => plain.push(byte),
                }
                continue;
            }
            self.pending = false;
            let key = match byte.to_ascii_lowercase() {
                b'x' => Key::Quit,
                b'h' | b'?' => Key::Help,
                b'c' => Key::Monitor,
                b'n' => Key::NextConsole,
                b's' => Key::Sync,
                CTRL_A => {
                    plain.push(CTRL_A);
                    continue;
                }
                // As QEMU: another key after Ctrl-A is nobody's.
                _ => continue,
            };
            if !plain.is_empty() {
                events.push(Event::Input(std::mem::take(&mut plain)));
            }
            events.push(Event::Key(key));
        }
        if !plain.is_empty() {
            events.push(Event::Input(plain));
        }
        events
    }
}

/// Gives the reader leave to go on, once the guest has taken what came before.
///
/// A pipe can hold more than any guest takes; a person at a terminal types no faster than it can
/// be dropped, and must be heard (Ctrl-A X) though the guest takes nothing.
#[derive(Debug)]
pub struct Leave(Option<SyncSender<()>>);

impl Leave {
    /// The guest has taken a piece of the input.
    pub fn taken(&self) {
        if let Some(sender) = &self.0 {
            let _ = sender.try_send(());
        }
    }
}

/// Pieces of input that may be under way.
const PIECES: usize = 16;

/// Reads standard input in a thread of its own until it ends or nobody listens.
pub fn start(events: Sender<Event>, terminal: bool) -> std::io::Result<Leave> {
    let (leave, wait) = match terminal {
        true => (None, None),
        false => {
            let (sender, receiver) = sync_channel(PIECES);
            for _ in 0..PIECES {
                let _ = sender.try_send(());
            }
            (Some(sender), Some(receiver))
        }
    };
    std::thread::Builder::new()
        .name("input".to_owned())
        .spawn(move || read(&events, wait.as_ref()))?;
    Ok(Leave(leave))
}

fn read(events: &Sender<Event>, wait: Option<&Receiver<()>>) {
    let mut stdin = std::io::stdin().lock();
    let mut escape = Escape::default();
    let mut bytes = [0; 4096];
    loop {
        if wait.is_some_and(|wait| wait.recv().is_err()) {
            return;
        }
        let read = match stdin.read(&mut bytes) {
            Ok(0) => {
                let _ = events.send(Event::InputEnd);
                return;
            }
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => 0,
            Err(_) => {
                let _ = events.send(Event::InputEnd);
                return;
            }
        };
        let found = escape.feed(&bytes[..read]);
        // Input is taken back piece by piece: without any, the leave is not used up.
        let pieces = found
            .iter()
            .filter(|event| matches!(event, Event::Input(_)))
            .count();
        for event in found {
            if events.send(event).is_err() {
                return;
            }
        }
        if let Some(wait) = wait {
            for _ in 1..pieces {
                if wait.recv().is_err() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(text: &str) -> Event {
        Event::Input(text.as_bytes().to_vec())
    }

    #[test]
    fn keys_for_us_are_cut_out_in_order() {
        let events = Escape::default().feed(b"ab\x01xcd\x01H");
        let expected = [
            input("ab"),
            Event::Key(Key::Quit),
            input("cd"),
            Event::Key(Key::Help),
        ];
        assert_eq!(events, expected);
    }

    #[test]
    fn ctrl_a_twice_is_one_for_the_guest() {
        assert_eq!(Escape::default().feed(b"a\x01\x01b"), [input("a\x01b")]);
    }

    #[test]
    fn key_may_come_later_than_its_ctrl_a() {
        let mut escape = Escape::default();
        assert_eq!(escape.feed(b"\x01"), []);
        assert_eq!(escape.feed(b"x"), [Event::Key(Key::Quit)]);
        assert_eq!(escape.feed(b"x"), [input("x")]);
    }

    #[test]
    fn unknown_keys_after_ctrl_a_reach_nobody() {
        assert_eq!(Escape::default().feed(b"\x01zq"), [input("q")]);
        assert_eq!(Escape::default().feed(b"\x03"), [input("\x03")]);
    }
}
