//! SiFive's test finisher: how a guest ends its own machine.
//!
//! A write to the register says how: 0x5555 success, 0x3333 failure, 0x7777 reset, with an exit
//! code in the upper half word. It reads as zero; other values mean nothing.

use crate::bus::{Ctx, Device};
use crate::mem::Width;

const FAIL: u64 = 0x3333;
const PASS: u64 = 0x5555;
const RESET: u64 = 0x7777;

/// What the guest asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Finish {
    /// Off, with success or with the code that the guest gave along.
    Pass {
        /// 0 unless the guest wrote one.
        code: u16,
    },
    /// Off, after a failure.
    Fail {
        /// As the guest wrote it; may be 0.
        code: u16,
    },
    /// Begin again.
    Reset,
}

impl Finish {
    /// The exit code of a machine that goes off, `None` for a reset. A failure is never 0.
    pub fn exit_code(self) -> Option<u32> {
        match self {
            Self::Pass { code } => Some(u32::from(code)),
            Self::Fail { code } => Some(u32::from(code.max(1))),
            Self::Reset => None,
        }
    }
}

/// The finisher. The first request stands until it is taken.
#[derive(Clone, PartialEq, Eq, Debug, Default, Hash)]
pub struct Finisher {
    request: Option<Finish>,
}

impl Finisher {
    /// What the guest has asked for, and not asked again after this call.
    pub fn take(&mut self) -> Option<Finish> {
        self.request.take()
    }

    /// Whether the guest has asked for something.
    pub fn is_requested(&self) -> bool {
        self.request.is_some()
    }
}

impl Device for Finisher {
    fn read(&mut self, _: u64, _: Width, _: &mut Ctx<'_>) -> u64 {
        0
    }

    fn write(&mut self, offset: u64, _: Width, value: u64, _: &mut Ctx<'_>) {
        if offset != 0 || self.request.is_some() {
            return;
        }
        let code = (value >> 16) as u16;
        self.request = match value & 0xffff {
            PASS => Some(Finish::Pass { code }),
            FAIL => Some(Finish::Fail { code }),
            RESET => Some(Finish::Reset),
            _ => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::bench::Bench;
    use super::*;

    fn after(width: Width, value: u64) -> Option<Finish> {
        let mut finisher = Finisher::default();
        Bench::new().write(&mut finisher, 0, width, value);
        assert_eq!(finisher.is_requested(), finisher.request.is_some());
        finisher.take()
    }

    #[test]
    fn three_values_end_or_reset_the_machine() {
        assert_eq!(after(Width::B4, 0x5555), Some(Finish::Pass { code: 0 }));
        assert_eq!(after(Width::B2, 0x5555), Some(Finish::Pass { code: 0 }));
        assert_eq!(
            after(Width::B4, 0x2a_3333),
            Some(Finish::Fail { code: 0x2a })
        );
        assert_eq!(after(Width::B4, 0x7777), Some(Finish::Reset));
    }

    #[test]
    fn exit_code_of_a_pass_is_the_guests() {
        let pass = after(Width::B4, 0x0003_5555).and_then(Finish::exit_code);
        assert_eq!(pass, Some(3));
        assert_eq!(Finish::Pass { code: 0 }.exit_code(), Some(0));
        assert_eq!(Finish::Reset.exit_code(), None);
    }

    #[test]
    fn failure_without_a_code_is_no_success() {
        assert_eq!(Finish::Fail { code: 0 }.exit_code(), Some(1));
        assert_eq!(Finish::Fail { code: 7 }.exit_code(), Some(7));
    }

    #[test]
    fn other_values_and_offsets_mean_nothing() {
        for value in [0, 1, 0x5554, 0x7778, 0xffff_ffff] {
            assert_eq!(after(Width::B4, value), None, "{value:#x}");
        }
        let (mut bench, mut finisher) = (Bench::new(), Finisher::default());
        bench.write(&mut finisher, 4, Width::B4, 0x5555);
        assert_eq!(finisher.take(), None);
        assert_eq!(bench.read(&mut finisher, 0, Width::B4), 0);
    }

    #[test]
    fn first_request_stands() {
        let (mut bench, mut finisher) = (Bench::new(), Finisher::default());
        bench.write(&mut finisher, 0, Width::B4, 0x1_3333);
        bench.write(&mut finisher, 0, Width::B4, 0x5555);
        assert_eq!(finisher.take(), Some(Finish::Fail { code: 1 }));
        assert_eq!(finisher.take(), None);
    }
}
