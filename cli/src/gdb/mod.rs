//! A server for gdb: a machine's harts seen one at a time, over TCP.

mod description;
mod target;

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};
use gdbstub::common::Signal;
use gdbstub::conn::ConnectionExt;
use gdbstub::stub::run_blocking::{BlockingEventLoop, Event, WaitForStopReasonError};
use gdbstub::stub::{DisconnectReason, GdbStub, SingleThreadStopReason};
use gdbstub::target::ext::breakpoints::WatchKind as GdbWatch;
use virtarium_machine::machine::{Halt, Machine, WatchKind};

use crate::run::end::End;
use crate::run::engine::{Engine, Turn};
use target::Debugged;

/// How long a sleeping guest or a missing gdb is left alone before gdb is listened to.
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
                if let Some(end) = attend(engine, connection) {
                    return end;
                }
            }
            if stopped {
                if let Some(end) = engine.listen() {
                    return end;
                }
                std::thread::sleep(NAP);
                engine.clock.leave_out(NAP);
                continue;
            }
            if let Turn::Over(end) = engine.turn(None) {
                return end;
            }
        }
    }

    fn accept(&self) -> Option<TcpStream> {
        let (stream, _) = self.0.accept().ok()?;
        stream.set_nonblocking(false).ok()?;
        // Packets are short, and each waits for its answer.
        stream.set_nodelay(true).ok()?;
        Some(stream)
    }
}

/// Serves one gdb until it leaves or the machine ends.
fn attend(engine: &mut Engine<'_, Machine>, connection: TcpStream) -> Option<End> {
    let mut target = Debugged::new(engine);
    let stub = GdbStub::new(connection);
    let reason = stub.run_blocking::<Loop<'_, '_>>(&mut target);
    target.release();
    if let Some(end) = target.ended.take() {
        return Some(end);
    }
    match reason {
        Ok(DisconnectReason::Kill) => Some(End::Quit),
        // gdb went away, one way or another: the machine goes on.
        _ => None,
    }
}

struct Loop<'a, 'b>(std::marker::PhantomData<&'a mut &'b ()>);

type Waited<T> = Result<T, WaitForStopReasonError<&'static str, std::io::Error>>;

impl<'a, 'b: 'a> BlockingEventLoop for Loop<'a, 'b> {
    type Target = Debugged<'a, 'b>;
    type Connection = TcpStream;
    type StopReason = SingleThreadStopReason<u64>;

    fn wait_for_stop_reason(
        target: &mut Self::Target,
        connection: &mut TcpStream,
    ) -> Waited<Event<Self::StopReason>> {
        loop {
            let peeked = match ConnectionExt::peek(connection) {
                Ok(peeked) => peeked,
                Err(error) if error.kind() == ErrorKind::Interrupted => None,
                Err(error) => return Err(WaitForStopReasonError::Connection(error)),
            };
            if peeked.is_some() {
                let byte =
                    ConnectionExt::read(connection).map_err(WaitForStopReasonError::Connection)?;
                return Ok(Event::IncomingData(byte));
            }
            if let Some(reason) = turn(target) {
                target.stop();
                return Ok(Event::TargetStopped(reason));
            }
        }
    }

    fn on_interrupt(target: &mut Self::Target) -> Result<Option<Self::StopReason>, &'static str> {
        target.stop();
        Ok(Some(SingleThreadStopReason::Signal(Signal::SIGINT)))
    }
}

/// Runs a slice, or one instruction where gdb steps.
fn turn(target: &mut Debugged<'_, '_>) -> Option<SingleThreadStopReason<u64>> {
    let before = target.engine.guest.instructions();
    let most = target.stepping.then_some(1);
    match target.engine.turn(most) {
        Turn::Over(end) => {
            let code = end.code();
            target.ended = Some(end);
            Some(SingleThreadStopReason::Exited(code))
        }
        Turn::Halted(Halt::Step { hart }) => {
            target.hart = hart;
            Some(SingleThreadStopReason::DoneStep)
        }
        Turn::Halted(Halt::Breakpoint { hart }) => {
            target.hart = hart;
            Some(SingleThreadStopReason::SwBreak(()))
        }
        Turn::Halted(Halt::Watchpoint {
            hart,
            address,
            kind,
        }) => {
            target.hart = hart;
            Some(SingleThreadStopReason::Watch {
                tid: (),
                kind: match kind {
                    WatchKind::Write => GdbWatch::Write,
                    WatchKind::Read => GdbWatch::Read,
                    WatchKind::Access => GdbWatch::ReadWrite,
                },
                addr: address,
            })
        }
        Turn::Going if target.stepping && target.engine.guest.instructions() != before => {
            Some(SingleThreadStopReason::DoneStep)
        }
        Turn::Going => None,
    }
}
