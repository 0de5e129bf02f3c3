//! The supervisor's firmware: SBI 3.0 behind ECALL, with no machine mode in between.
//!
//! Extensions: base, TIME, IPI, RFENCE, HSM, SRST, DBCN, SUSP, FWFT, and the legacy calls for
//! timer, console and shutdown. Everything else is not supported, and says so.

mod base;
mod console;
mod fence;
mod firmware_features;
mod hart_state;

use super::system::Done;
use super::{HartState, Machine, Power};
use crate::cpu::{Effects, Hart, Privilege, status};
use crate::host::Host;

pub(super) use firmware_features::Features;
pub(super) use hart_state::prepare;

/// What the firmware itself remembers.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Sbi {
    /// FWFT settings that were locked, one set a hart.
    features: [Features; crate::arena::MAX_HARTS],
}

/// Errors of the SBI, chapter 3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i64)]
enum Error {
    NotSupported = -2,
    InvalidParam = -3,
    Denied = -4,
    InvalidAddress = -5,
    AlreadyAvailable = -6,
    DeniedLocked = -14,
}

type Answer = Result<u64, Error>;

/// One call: which, and its six arguments.
#[derive(Clone, Copy, Debug)]
struct Call {
    extension: i32,
    function: i32,
    arguments: [u64; 6],
}

/// Extensions by identifier.
mod extension {
    pub const SET_TIMER: i32 = 0x00;
    pub const PUTCHAR: i32 = 0x01;
    pub const GETCHAR: i32 = 0x02;
    pub const CLEAR_IPI: i32 = 0x03;
    pub const SHUTDOWN: i32 = 0x08;
    pub const BASE: i32 = 0x10;
    pub const TIME: i32 = 0x5449_4d45;
    pub const IPI: i32 = 0x0073_5049;
    pub const RFENCE: i32 = 0x5246_4e43;
    pub const HSM: i32 = 0x0048_534d;
    pub const SRST: i32 = 0x5352_5354;
    pub const DBCN: i32 = 0x4442_434e;
    pub const SUSP: i32 = 0x5355_5350;
    pub const FWFT: i32 = 0x4657_4654;
}

/// Whether an extension is there.
fn is_supported(id: i32) -> bool {
    use extension::*;
    matches!(
        id,
        SET_TIMER
            | PUTCHAR
            | GETCHAR
            | CLEAR_IPI
            | SHUTDOWN
            | BASE
            | TIME
            | IPI
            | RFENCE
            | HSM
            | SRST
            | DBCN
            | SUSP
            | FWFT
    )
}

const A0: usize = 10;
const A1: usize = 11;
const A6: usize = 16;
const A7: usize = 17;

impl Machine {
    /// ECALL in supervisor mode: `pc` is already behind it.
    pub(super) fn firmware(&mut self, id: usize, host: &mut dyn Host) -> Done {
        self.statistics.sbi += 1;
        let Some(view) = self.arena.hart(id) else {
            return Done::default();
        };
        let mut arguments = [0; 6];
        arguments.copy_from_slice(&view.x[A0..A0 + 6]);
        let call = Call {
            // 3: identifiers are signed 32-bit values; the upper halves are ignored.
            extension: view.x[A7] as i32,
            function: view.x[A6] as i32,
            arguments,
        };
        let mut done = Done {
            sample: true,
            deadline: true,
            ..Done::default()
        };
        if (0..0x10).contains(&call.extension) {
            let value = self.legacy(id, &call, host);
            self.set_a(id, value, None);
            return done;
        }
        let answer = match call.extension {
            extension::BASE => base::call(&call),
            extension::TIME => self.set_timer(id, &call),
            extension::IPI => self.send_ipi(&call),
            extension::RFENCE => self.remote_fence(&call),
            extension::HSM => match self.hart_state(id, &call) {
                // The call does not return here.
                Ok(None) => {
                    done.yields = true;
                    return done;
                }
                Ok(Some(value)) => Ok(value),
                Err(error) => Err(error),
            },
            extension::SRST => self.system_reset(&call),
            extension::DBCN => self.debug_console(&call, host),
            extension::SUSP => match self.system_suspend(id, &call) {
                Ok(()) => {
                    done.yields = true;
                    return done;
                }
                Err(error) => Err(error),
            },
            extension::FWFT => self.firmware_feature(id, &call),
            _ => Err(Error::NotSupported),
        };
        match answer {
            Ok(value) => self.set_a(id, 0, Some(value)),
            Err(error) => self.set_a(id, error as i64 as u64, Some(0)),
        }
        done
    }

    /// Sets `a0`, and `a1` where the call has it.
    fn set_a(&mut self, id: usize, a0: u64, a1: Option<u64>) {
        if let Some(view) = self.arena.hart(id) {
            view.x[A0] = a0;
            if let Some(a1) = a1 {
                view.x[A1] = a1;
            }
        }
    }

    /// Legacy calls (chapter 5): the answer is one value.
    fn legacy(&mut self, id: usize, call: &Call, host: &mut dyn Host) -> u64 {
        let [argument, ..] = call.arguments;
        match call.extension {
            extension::SET_TIMER => {
                self.arm_timer(id, argument);
                0
            }
            extension::PUTCHAR => {
                self.print(&[argument as u8], host);
                0
            }
            extension::GETCHAR => {
                let byte = self.board.uart.take_input(&mut self.board.lines);
                byte.map_or(-1_i64 as u64, u64::from)
            }
            extension::CLEAR_IPI => {
                // 5.4: a positive value if an IPI had been pending.
                self.harts.get_mut(id).map_or(0, |hart| {
                    let pending = hart.csr.mip & status::SSIP != 0;
                    hart.csr.mip &= !status::SSIP;
                    pending.into()
                })
            }
            extension::SHUTDOWN => {
                self.power = Power::Off { code: 0 };
                0
            }
            _ => Error::NotSupported as i64 as u64,
        }
    }

    /// TIME, chapter 6.
    fn set_timer(&mut self, id: usize, call: &Call) -> Answer {
        if call.function != 0 {
            return Err(Error::NotSupported);
        }
        self.arm_timer(id, call.arguments[0]);
        Ok(0)
    }

    fn arm_timer(&mut self, id: usize, at: u64) {
        let mtime = self.board.aclint.mtime(self.now());
        if let Some(hart) = self.harts.get_mut(id) {
            hart.csr.stimecmp = at;
            hart.set_time(mtime);
        }
    }

    /// IPI, chapter 7.
    fn send_ipi(&mut self, call: &Call) -> Answer {
        if call.function != 0 {
            return Err(Error::NotSupported);
        }
        let [mask, base, ..] = call.arguments;
        for id in self.masked(mask, base)? {
            if let Some(hart) = self.harts.get_mut(id) {
                hart.csr.mip |= status::SSIP;
            }
        }
        Ok(0)
    }

    /// The harts of a mask, which must all exist (chapter 3, "Hart list parameter").
    fn masked(&self, mask: u64, base: u64) -> Result<impl Iterator<Item = usize> + use<>, Error> {
        let all = (1_u64 << self.harts.len()) - 1;
        let selected = if base == u64::MAX {
            all
        } else if mask == 0 {
            0
        } else {
            let shifted = u32::try_from(base).ok().and_then(|base| {
                mask.checked_shl(base)
                    .filter(|shifted| shifted >> base == mask)
            });
            match shifted {
                Some(shifted) if shifted & !all == 0 => shifted,
                _ => return Err(Error::InvalidParam),
            }
        };
        Ok((0..self.harts.len()).filter(move |id| selected >> id & 1 != 0))
    }

    /// SRST, chapter 10.
    fn system_reset(&mut self, call: &Call) -> Answer {
        let [kind, reason, ..] = call.arguments.map(|argument| argument as u32);
        if call.function != 0 {
            return Err(Error::NotSupported);
        }
        // Reasons: 0 none, 1 system failure, and from 0xe0000000 on what platforms make of them.
        if reason > 1 && reason < 0xe000_0000 {
            return Err(Error::InvalidParam);
        }
        self.power = match kind {
            0 => Power::Off {
                code: reason.min(1),
            },
            1 | 2 => Power::Reset,
            _ => return Err(Error::InvalidParam),
        };
        Ok(0)
    }
}

/// Writes a machine-mode CSR while the firmware sets a hart up.
fn set(hart: &mut Hart, number: u16, value: u64) {
    let privilege = hart.privilege;
    hart.privilege = Privilege::Machine;
    let cx = hart.csr_context(0, hart.retired);
    // No cache depends on what is set here: at the start they are empty, and who updates accessed
    // and dirty bits is asked at each walk.
    let _ = hart.csr_write(number, value, &cx);
    hart.privilege = privilege;
}

/// Whether a hart in this state counts as one that runs.
fn is_up(state: &HartState) -> bool {
    !matches!(state, HartState::Stopped)
}

/// Effects of a fence on another hart's caches, on the safe side.
const FENCED: Effects = Effects::FLUSH;

#[cfg(test)]
mod tests;
