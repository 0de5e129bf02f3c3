//! A server for gdb over TCP: each hart is a thread of its.

mod description;
mod peer;
mod session;
mod stops;
mod target;
#[cfg(test)]
mod tests;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};
use virtarium_machine::machine::Machine;

use crate::run::end::End;
use crate::run::engine::{Engine, Turn};

/// How long a sleeping guest or a missing gdb is left alone before gdb is listened to, and how
/// long gdb is listened to before the keyboard and the signals are.
const NAP: Duration = Duration::from_millis(50);

/// A socket on which gdb is waited for.
pub struct Server(TcpListener);

impl Server {
    /// Opens the socket.
    pub fn open(address: SocketAddr) -> Result<Self> {
        let open = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            Ok::<_, std::io::Error>(listener)
        };
        open().map(Self).with_context(|| {
            format!("--gdb {address} (is another machine's gdb there? choose another port)")
        })
    }

    /// Runs a machine to its end, under gdb's control while one is attached. With `stopped`,
    /// nothing runs before the first one is.
    pub fn run(&self, engine: &mut Engine<'_, Machine>, mut stopped: bool) -> End {
        engine.nap = Some(NAP);
        loop {
            if let Some(connection) = self.accept() {
                stopped = false;
                if let Some(end) = session::attend(engine, connection) {
                    return end;
                }
            }
            if stopped {
                if let Some(end) = engine.stand() {
                    return end;
                }
                std::thread::sleep(NAP);
                engine.leave_out(NAP);
                continue;
            }
            if let Turn::Over(end) = engine.turn() {
                return end;
            }
        }
    }

    fn accept(&self) -> Option<TcpStream> {
        self.0.accept().ok().map(|(stream, _)| stream)
    }
}
