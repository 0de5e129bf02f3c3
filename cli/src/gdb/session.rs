//! One gdb, from the moment it attaches until it leaves or the machine ends.

use std::net::TcpStream;
use std::num::NonZero;
use std::time::Duration;

use gdbstub::common::{Signal, Tid};
use gdbstub::conn::Connection;
use gdbstub::stub::state_machine::GdbStubStateMachine;
use gdbstub::stub::{DisconnectReason, GdbStub, MultiThreadStopReason};
use gdbstub::target::ext::breakpoints::WatchKind as GdbWatch;
use virtarium_machine::machine::{Halt, Machine, WatchKind};

use super::NAP;
use super::peer::Peer;
use super::target::Debugged;
use crate::run::end::End;
use crate::run::engine::{Engine, Turn};

/// How long an answer may wait for a gdb that does not read.
const PATIENCE: Duration = Duration::from_secs(10);

type Stub<'s, 'a, 'b> = GdbStubStateMachine<'s, Debugged<'a, 'b>, Peer>;
type StopReason = MultiThreadStopReason<u64>;

/// gdb's number for a hart: from 1, because 0 means any.
pub fn tid(hart: usize) -> Tid {
    NonZero::new(hart.saturating_add(1)).unwrap_or(NonZero::<usize>::MIN)
}

/// Serves one gdb. Returns how the machine ended, if it did.
pub fn attend(engine: &mut Engine<'_, Machine>, connection: TcpStream) -> Option<End> {
    let mut target = Debugged::new(engine);
    let reason = Peer::new(connection, PATIENCE)
        .ok()
        .and_then(|peer| serve(&mut target, peer));
    target.release();
    match (target.ended.take(), reason) {
        (Some(end), _) => Some(end),
        (None, Some(DisconnectReason::Kill)) => Some(End::Quit),
        // gdb went away, one way or another: the machine goes on.
        (None, _) => None,
    }
}

/// Talks until one side has enough. An error is gdb's, or its connection's: with both it is
/// as if it had left without a word.
fn serve(target: &mut Debugged<'_, '_>, peer: Peer) -> Option<DisconnectReason> {
    let mut gdb = GdbStub::new(peer).run_state_machine(target).ok()?;
    let mut last = Vec::new();
    loop {
        gdb = match gdb {
            GdbStubStateMachine::Idle(mut inner) => {
                if let Some(end) = target.engine.stand() {
                    target.ended = Some(end);
                    return None;
                }
                inner.borrow_conn().flush().ok()?;
                match inner.borrow_conn().wait(NAP).ok()? {
                    Some(packet) => {
                        last = packet;
                        feed(inner.into(), target, &last)?
                    }
                    None => inner.into(),
                }
            }
            GdbStubStateMachine::Running(mut inner) => {
                inner.borrow_conn().flush().ok()?;
                let gdb = match inner.borrow_conn().poll().ok()? {
                    Some(packet) => feed(inner.into(), target, &packet)?,
                    None => inner.into(),
                };
                match gdb {
                    // Whatever gdb says meanwhile, the machine has its turn.
                    GdbStubStateMachine::Running(inner) => match turn(target) {
                        Some(reason) => inner.report_stop(target, reason).ok()?,
                        None => inner.into(),
                    },
                    gdb => gdb,
                }
            }
            GdbStubStateMachine::CtrlCInterrupt(inner) => {
                // One that crosses our stop on its way is answered by that.
                let reason = target.is_running().then(|| {
                    target.stop(target.engine.guest.current_hart());
                    MultiThreadStopReason::SignalWithThread {
                        tid: tid(target.shown),
                        signal: Signal::SIGINT,
                    }
                });
                inner.interrupt_handled(target, reason).ok()?
            }
            GdbStubStateMachine::Disconnected(mut inner) => {
                let reason = inner.get_reason();
                let peer = inner.borrow_conn();
                // The stub takes it for `k`, which has no answer.
                if reason == DisconnectReason::Kill && last.starts_with(b"$vKill") {
                    let _ = peer.write_all(b"$OK#9a");
                }
                // Nobody may be there to hear it.
                let _ = peer.flush();
                return Some(reason);
            }
        }
    }
}

/// Hands a packet to the stub.
fn feed<'s, 'a, 'b>(
    mut gdb: Stub<'s, 'a, 'b>,
    target: &mut Debugged<'a, 'b>,
    packet: &[u8],
) -> Option<Stub<'s, 'a, 'b>> {
    for byte in packet {
        gdb = match gdb {
            GdbStubStateMachine::Idle(inner) => inner.incoming_data(target, *byte).ok()?,
            GdbStubStateMachine::Running(inner) => inner.incoming_data(target, *byte).ok()?,
            gdb => return Some(gdb),
        }
    }
    Some(gdb)
}

/// Runs a slice, or until something stops the machine.
fn turn(target: &mut Debugged<'_, '_>) -> Option<StopReason> {
    let halt = match target.stepped.take() {
        Some(hart) => Halt::Step { hart },
        None => match target.engine.turn() {
            Turn::Going => return None,
            Turn::Over(end) => {
                let code = end.code();
                target.ended = Some(end);
                return Some(MultiThreadStopReason::Exited(code));
            }
            Turn::Halted(halt) => halt,
        },
    };
    let (Halt::Breakpoint { hart } | Halt::Watchpoint { hart, .. } | Halt::Step { hart }) = halt;
    target.stop(hart);
    target.watched = matches!(halt, Halt::Watchpoint { .. }).then_some(hart);
    let tid = tid(hart);
    Some(match halt {
        Halt::Breakpoint { .. } if target.is_hardware(hart) => MultiThreadStopReason::HwBreak(tid),
        Halt::Breakpoint { .. } => MultiThreadStopReason::SwBreak(tid),
        Halt::Watchpoint { address, kind, .. } => MultiThreadStopReason::Watch {
            tid,
            kind: match kind {
                WatchKind::Write => GdbWatch::Write,
                WatchKind::Read => GdbWatch::Read,
                WatchKind::Access => GdbWatch::ReadWrite,
            },
            addr: address,
        },
        // `DoneStep` would not name the hart.
        Halt::Step { .. } => MultiThreadStopReason::SignalWithThread {
            tid,
            signal: Signal::SIGTRAP,
        },
    })
}
