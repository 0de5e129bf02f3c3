//! Scripts of `--expect` and `--send`: what the guest must print, and what is typed then.
//!
//! A script is a list of steps in order. Output is matched against the step that is waited for,
//! from where the step before it matched; `^` and `$` stand for the ends of lines.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use regex::bytes::{Regex, RegexBuilder};

/// Bytes of output that a match may reach back; older ones are dropped.
pub const WINDOW: usize = 64 * 1024;

/// What Linux prints when it gives up.
const PANIC: &[u8] = b"Kernel panic - not syncing";

/// One step.
#[derive(Clone, Debug)]
pub enum Step {
    /// Wait until the output matches.
    Expect {
        /// The pattern.
        pattern: Regex,
        /// The host's time that the step may take.
        timeout: Option<Duration>,
    },
    /// Type these bytes.
    Send(Vec<u8>),
}

impl Step {
    /// A step that waits for `pattern`.
    pub fn expect(pattern: &str, timeout: Option<Duration>) -> Result<Self> {
        let regex = RegexBuilder::new(pattern)
            .multi_line(true)
            .crlf(true)
            .build();
        let pattern = match regex {
            Ok(regex) => regex,
            Err(error) => bail!("{pattern}: {}", last_line(&error.to_string())),
        };
        if pattern.is_match(b"") {
            bail!("{pattern}: matches an empty line, so it would wait for nothing");
        }
        Ok(Self::Expect { pattern, timeout })
    }

    /// A step that types `text`, in which `\n \r \t \e \0 \\ \xHH` stand for bytes.
    pub fn send(text: &str) -> Result<Self> {
        unescape(text).map(Self::Send)
    }
}

/// The regex crate draws a picture over several lines; its last one says what is wrong.
fn last_line(text: &str) -> &str {
    let line = text.lines().last().unwrap_or(text);
    line.strip_prefix("error: ").unwrap_or(line)
}

fn unescape(text: &str) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        out.push(match chars.next() {
            Some('n') => b'\n',
            Some('r') => b'\r',
            Some('t') => b'\t',
            Some('e') => 0x1b,
            Some('0') => 0,
            Some('\\') => b'\\',
            Some('x') => {
                let digits: String = chars.by_ref().take(2).collect();
                Some(&digits)
                    .filter(|digits| digits.len() == 2)
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok())
                    .with_context(|| format!("\\x{digits} in {text:?}: \\x needs two digits"))?
            }
            Some(c) => bail!("\\{c} in {text:?}: there are \\n \\r \\t \\e \\0 \\\\ and \\xHH"),
            None => bail!("{text:?} ends with a backslash; write \\\\ for one"),
        });
    }
    Ok(out)
}

/// How far a script has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// An expectation is open.
    Waiting,
    /// The last step was an expectation, and it matched.
    Matched,
    /// Everything was typed, and nothing is expected any more: the guest decides.
    Sent,
    /// The guest's kernel panicked while an expectation was open.
    Panicked,
}

/// A script at work.
#[derive(Debug)]
pub struct Expect {
    steps: VecDeque<Step>,
    window: Vec<u8>,
    /// Bytes of the window in which no panic begins.
    scanned: usize,
    progress: Progress,
    to_send: Vec<u8>,
    /// Steps done, to tell a new step from the same one.
    done: usize,
}

impl Expect {
    /// Starts a script. Text before the first expectation can be taken at once.
    pub fn new(steps: Vec<Step>) -> Self {
        let mut expect = Self {
            steps: steps.into(),
            window: Vec::new(),
            scanned: 0,
            progress: Progress::Sent,
            to_send: Vec::new(),
            done: 0,
        };
        expect.advance();
        expect
    }

    /// Takes note of output, and says how far the script is.
    pub fn feed(&mut self, bytes: &[u8]) -> Progress {
        if self.progress != Progress::Waiting {
            return self.progress;
        }
        self.window.extend_from_slice(bytes);
        self.advance();
        if self.progress == Progress::Waiting && self.panicked() {
            self.progress = Progress::Panicked;
        }
        let excess = self.window.len().saturating_sub(WINDOW);
        self.window.drain(..excess);
        self.scanned = self.scanned.saturating_sub(excess);
        self.progress
    }

    /// How far the script is.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// Takes the bytes that are to be typed now.
    pub fn take_input(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.to_send)
    }

    /// The expectation that is open: its number among the steps from 1, and its pattern.
    pub fn open(&self) -> Option<(usize, &str)> {
        match self.steps.front() {
            Some(Step::Expect { pattern, .. }) => Some((self.done + 1, pattern.as_str())),
            _ => None,
        }
    }

    /// The time that the open expectation may take.
    pub fn timeout(&self) -> Option<Duration> {
        match self.steps.front() {
            Some(Step::Expect { timeout, .. }) => *timeout,
            _ => None,
        }
    }

    fn advance(&mut self) {
        while let Some(step) = self.steps.front() {
            match step {
                Step::Send(bytes) => {
                    self.to_send.extend_from_slice(bytes);
                    self.progress = Progress::Sent;
                }
                Step::Expect { pattern, .. } => {
                    let Some(found) = pattern.find(&self.window) else {
                        self.progress = Progress::Waiting;
                        return;
                    };
                    let end = found.end();
                    self.window.drain(..end);
                    self.scanned = self.scanned.saturating_sub(end);
                    self.progress = Progress::Matched;
                }
            }
            self.steps.pop_front();
            self.done += 1;
        }
    }

    fn panicked(&mut self) -> bool {
        let found = self
            .window
            .get(self.scanned..)
            .is_some_and(|new| new.windows(PANIC.len()).any(|bytes| bytes == PANIC));
        self.scanned = self.window.len().saturating_sub(PANIC.len() - 1);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expect(pattern: &str) -> Step {
        Step::expect(pattern, None).unwrap()
    }

    fn send(text: &str) -> Step {
        Step::send(text).unwrap()
    }

    #[test]
    fn pattern_matches_across_pieces_of_output() {
        let mut script = Expect::new(vec![expect("login:")]);
        assert_eq!(script.feed(b"debian log"), Progress::Waiting);
        assert_eq!(script.feed(b"in: "), Progress::Matched);
    }

    #[test]
    fn text_is_typed_after_its_expectation_and_not_before() {
        let mut script = Expect::new(vec![expect("a"), send("x\\n"), expect("b")]);
        assert_eq!(script.take_input(), b"");
        assert_eq!(script.feed(b"b"), Progress::Waiting);
        assert_eq!(script.feed(b"a"), Progress::Waiting);
        assert_eq!(script.take_input(), b"x\n");
        assert_eq!(script.open(), Some((3, "b")));
        assert_eq!(script.feed(b"b"), Progress::Matched);
    }

    #[test]
    fn output_before_a_match_does_not_count_for_the_next() {
        let mut script = Expect::new(vec![expect("two"), expect("one")]);
        assert_eq!(script.feed(b"one two"), Progress::Waiting);
        assert_eq!(script.feed(b" one"), Progress::Matched);
    }

    #[test]
    fn one_piece_of_output_may_meet_several_expectations() {
        let mut script = Expect::new(vec![expect("one"), send("1"), expect("two"), send("2")]);
        assert_eq!(script.feed(b"one two"), Progress::Sent);
        assert_eq!(script.take_input(), b"12");
    }

    #[test]
    fn text_first_is_typed_at_the_start() {
        let mut script = Expect::new(vec![send("hello"), expect("x")]);
        assert_eq!(script.take_input(), b"hello");
        assert_eq!(script.progress(), Progress::Waiting);
    }

    #[test]
    fn line_anchors_hold_with_carriage_returns() {
        let mut script = Expect::new(vec![expect("^ok$")]);
        assert_eq!(script.feed(b"not ok\r\n"), Progress::Waiting);
        assert_eq!(script.feed(b"ok\r\n"), Progress::Matched);
    }

    #[test]
    fn panic_is_found_across_pieces_and_only_while_something_is_expected() {
        let mut script = Expect::new(vec![expect("never")]);
        assert_eq!(script.feed(b"[1.0] Kernel panic - not"), Progress::Waiting);
        assert_eq!(script.feed(b" syncing: x"), Progress::Panicked);
        let mut script = Expect::new(vec![expect("Kernel panic")]);
        assert_eq!(
            script.feed(b"Kernel panic - not syncing"),
            Progress::Matched
        );
    }

    #[test]
    fn window_is_bounded_and_keeps_its_end() {
        let mut script = Expect::new(vec![expect("the end")]);
        for _ in 0..20 {
            assert_eq!(script.feed(&[b'x'; 10_000]), Progress::Waiting);
            assert!(script.window.len() <= WINDOW);
        }
        assert_eq!(script.feed(b"the end"), Progress::Matched);
    }

    #[test]
    fn panic_is_found_after_the_window_has_moved() {
        let mut script = Expect::new(vec![expect("never")]);
        for _ in 0..20 {
            assert_eq!(script.feed(&[b'x'; 10_000]), Progress::Waiting);
        }
        assert_eq!(
            script.feed(b"Kernel panic - not syncing"),
            Progress::Panicked
        );
    }

    #[test]
    fn escapes_are_bytes() {
        let all = unescape(r"a\n\r\t\e\0\\\x03ü").unwrap();
        assert_eq!(all, b"a\n\r\t\x1b\0\\\x03\xc3\xbc");
        for text in [r"\q", r"\x1", r"\xzz", "\\"] {
            assert!(unescape(text).is_err(), "{text}");
        }
    }

    #[test]
    fn broken_patterns_get_one_line() {
        let error = Step::expect("(", None).unwrap_err().to_string();
        assert!(
            !error.contains('\n') && error.contains("unclosed"),
            "{error}"
        );
        assert!(Step::expect("x*", None).is_err());
    }
}
