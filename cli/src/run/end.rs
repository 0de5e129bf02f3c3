//! How a run can end, and the exit status of each way.

use std::fmt;
use std::time::Duration;

/// Exit status of a mistake in the command line or a file, or a failure of the host.
pub const FAILED: u8 = 125;
/// Exit status of a limit that was reached.
pub const LIMIT: u8 = 124;

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// The guest switched itself off with this code, 0 for success.
    PowerOff(u32),
    /// The guest rebooted, and was not to.
    Rebooted,
    /// The last expectation matched, and nothing was left to type.
    Matched,
    /// The person at the terminal ended it.
    Quit,
    /// The host's time was up.
    TimedOut(Duration),
    /// The instructions were up.
    OutOfInstructions(u64),
    /// An expectation was open when this happened.
    Unmet {
        /// The number of the step, from 1.
        step: usize,
        /// The pattern.
        pattern: String,
        /// What happened.
        why: Unmet,
    },
    /// The guest sleeps, and nothing is left that could wake it.
    Asleep,
    /// A signal, by number.
    Signal(i32),
    /// The host failed.
    Failed(String),
}

/// Why an expectation was not met.
#[derive(Clone, Debug, PartialEq)]
pub enum Unmet {
    /// The guest switched itself off with this code.
    PowerOff(u32),
    /// The guest rebooted.
    Rebooted,
    /// The guest's kernel panicked.
    Panicked,
    /// The guest sleeps, and nothing is left that could wake it.
    Asleep,
    /// The step's own time was up.
    TimedOut(Duration),
    /// The person at the terminal ended it.
    Quit,
}

impl End {
    /// The exit status of the program.
    pub fn code(&self) -> u8 {
        match self {
            Self::Matched | Self::Quit | Self::Rebooted => 0,
            // Above 123 are the codes of our own.
            Self::PowerOff(code) => (*code).min(123) as u8,
            Self::TimedOut(_) | Self::OutOfInstructions(_) | Self::Asleep => LIMIT,
            Self::Failed(_) => FAILED,
            Self::Unmet { .. } => 126,
            Self::Signal(number) => u8::try_from(128 + number).unwrap_or(u8::MAX),
        }
    }

    /// The signal that ended the run, if one did.
    pub fn signal(&self) -> Option<u8> {
        match self {
            Self::Signal(number) => u8::try_from(*number).ok().filter(|number| *number < 128),
            _ => None,
        }
    }

    /// Whether the end is one that a user must be told of, because the guest did not say.
    pub fn is_worth_a_word(&self) -> bool {
        !matches!(
            self,
            Self::PowerOff(_) | Self::Rebooted | Self::Matched | Self::Quit | Self::Signal(_)
        )
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PowerOff(0) => write!(f, "the guest switched itself off"),
            Self::PowerOff(code) => write!(f, "the guest ended with code {code}"),
            Self::Rebooted => write!(f, "the guest rebooted"),
            Self::Matched => write!(f, "the last expectation matched"),
            Self::Quit => write!(f, "ended from the terminal"),
            Self::TimedOut(limit) => {
                write!(
                    f,
                    "the guest was ended after {} s (--timeout)",
                    limit.as_secs_f64()
                )
            }
            Self::OutOfInstructions(limit) => write!(
                f,
                "the guest was ended after {limit} instructions (--max-instructions)"
            ),
            Self::Unmet { step, pattern, why } => {
                write!(f, "step {step}, expecting {pattern:?}: ")?;
                match why {
                    Unmet::PowerOff(0) => write!(f, "the guest switched itself off first"),
                    Unmet::PowerOff(code) => write!(f, "the guest ended first, with code {code}"),
                    Unmet::Rebooted => write!(f, "the guest rebooted first"),
                    Unmet::Panicked => write!(f, "the guest's kernel panicked first"),
                    Unmet::Asleep => {
                        write!(
                            f,
                            "the guest sleeps, and nothing is left that could wake it"
                        )
                    }
                    Unmet::TimedOut(limit) => {
                        write!(f, "not there within {} s", limit.as_secs_f64())
                    }
                    Unmet::Quit => write!(f, "ended from the terminal"),
                }
            }
            Self::Asleep => write!(
                f,
                "the guest sleeps, and nothing is left that could wake it: no timer, no input"
            ),
            Self::Signal(number) => write!(f, "ended by signal {number}"),
            Self::Failed(reason) => write!(f, "{reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_the_documented_ones() {
        let unmet = End::Unmet {
            step: 1,
            pattern: String::new(),
            why: Unmet::PowerOff(0),
        };
        for (end, code) in [
            (End::PowerOff(0), 0),
            (End::PowerOff(1), 1),
            (End::PowerOff(123), 123),
            (End::PowerOff(124), 123),
            (End::PowerOff(u32::MAX), 123),
            (End::Matched, 0),
            (End::Quit, 0),
            (End::Rebooted, 0),
            (End::TimedOut(Duration::ZERO), 124),
            (End::OutOfInstructions(1), 124),
            (End::Failed(String::new()), 125),
            (unmet, 126),
            (End::Signal(15), 143),
            (End::Signal(2), 130),
        ] {
            assert_eq!(end.code(), code, "{end:?}");
        }
    }
}
