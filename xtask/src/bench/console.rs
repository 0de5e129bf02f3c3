//! What a guest's console says, and when: `guest/bench/init.c` has the markers.
//!
//! The guest's clock is not asked. A marker's time is when its line reaches the host.

use std::time::Duration;

/// How one program went.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The program's name.
    pub name: String,
    /// From its start to its end, by the host's clock.
    pub seconds: f64,
    /// The same by the guest's clock, if the subject has one: under `-icount` of QEMU this is
    /// the number of instructions.
    pub guest_nanoseconds: u64,
    /// Its exit status, 128 + n for signal n.
    pub status: i32,
    /// What it printed after its name.
    pub checksum: Option<u64>,
}

/// The state of a console that is read line by line. Times are since the power was switched on.
#[derive(Debug, Default)]
pub struct Session {
    /// When the last line before the kernel's first came: the firmware's end. None where
    /// there is no firmware that talks.
    pub kernel: Option<Duration>,
    /// The kernel's name and version, from its first line.
    pub version: Option<String>,
    /// When the first process spoke.
    pub init: Option<Duration>,
    /// The programs that have ended.
    pub outcomes: Vec<Outcome>,
    /// All programs have ended.
    pub done: bool,
    current: Option<Running>,
    kernel_speaks: bool,
}

#[derive(Debug)]
struct Running {
    name: String,
    since: Duration,
    checksum: Option<u64>,
}

impl Session {
    /// Takes one line, without its end, that arrived at `at`. A message of the kernel may stand
    /// before a marker on the same line.
    pub fn line(&mut self, at: Duration, line: &str) {
        if self.init.is_none() {
            self.before_init(at, line);
        } else if let Some((_, name)) = line.split_once("@begin ") {
            self.current = Some(Running {
                name: name.trim().to_owned(),
                since: at,
                checksum: None,
            });
        } else if let Some((_, end)) = line.split_once("@end ") {
            self.end(at, end);
        } else if line.contains("@done") {
            self.done = true;
        } else if let Some(running) = &mut self.current
            && let Some(checksum) = checksum(line, &running.name)
        {
            running.checksum = Some(checksum);
        }
    }

    /// From the kernel's start to the first process.
    pub fn boot(&self) -> Option<Duration> {
        Some(self.init?.saturating_sub(self.kernel.unwrap_or_default()))
    }

    fn before_init(&mut self, at: Duration, line: &str) {
        if line.contains("@init") {
            self.init = Some(at);
        } else if line.starts_with('[') {
            self.kernel_speaks = true;
            if let Some((_, version)) = line.split_once("Linux version ") {
                let number = version.split_whitespace().next().unwrap_or_default();
                self.version = Some(format!("Linux {number}"));
            }
        } else if !self.kernel_speaks && !line.trim().is_empty() {
            self.kernel = Some(at);
        }
    }

    /// `end` is what follows the marker: name, status, nanoseconds.
    fn end(&mut self, at: Duration, end: &str) {
        let mut words = end.split_whitespace();
        let (Some(name), Some(running)) = (words.next(), self.current.take()) else {
            return;
        };
        if name != running.name {
            return;
        }
        self.outcomes.push(Outcome {
            name: running.name,
            seconds: at.saturating_sub(running.since).as_secs_f64(),
            status: words
                .next()
                .and_then(|word| word.parse().ok())
                .unwrap_or(-1),
            guest_nanoseconds: words.next().and_then(|word| word.parse().ok()).unwrap_or(0),
            checksum: running.checksum,
        });
    }
}

/// The checksum in the line `NAME HEX` of a program.
pub fn checksum(line: &str, name: &str) -> Option<u64> {
    let (_, rest) = line.split_once(name)?;
    let digits = rest.strip_prefix(' ')?.get(..16)?;
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[(u64, &str)]) -> Session {
        let mut session = Session::default();
        for (at, line) in lines {
            session.line(Duration::from_millis(*at), line);
        }
        session
    }

    #[test]
    fn times_are_those_of_the_lines_and_not_of_the_guest() {
        let session = read(&[
            (100, "OpenSBI v1.5"),
            (200, "Boot HART MEDELEG : 0xf0b509\r"),
            (210, "\r"),
            (700, "[    0.000000] Linux version 6.12"),
            (800, "late words of the kernel"),
            (2200, "@init"),
            (2300, "@begin crc32"),
            (2800, "crc32 0000000094ed52c3\r"),
            (2800, "@end crc32 0 77\r"),
            (2900, "@done"),
        ]);
        assert_eq!(session.kernel, Some(Duration::from_millis(200)));
        assert_eq!(session.boot(), Some(Duration::from_secs(2)));
        assert_eq!(session.version.as_deref(), Some("Linux 6.12"));
        assert!(session.done);
        assert_eq!(
            session.outcomes,
            [Outcome {
                name: "crc32".into(),
                seconds: 0.5,
                guest_nanoseconds: 77,
                status: 0,
                checksum: Some(0x94ed_52c3),
            }]
        );
    }

    #[test]
    fn without_firmware_the_boot_begins_with_the_power() {
        let session = read(&[(5, "[    0.000000] Linux version"), (900, "@init")]);
        assert_eq!(session.boot(), Some(Duration::from_millis(900)));
    }

    #[test]
    fn kernel_messages_between_do_not_hide_a_result() {
        let session = read(&[
            (1, "@init"),
            (2, "[    1.5] random: crng init done@begin fib"),
            (3, "[    1.6] clocksource: fib 0000000006197ecb"),
            (4, "[    1.7] something@end fib 139 1"),
        ]);
        let outcome = session.outcomes.first().unwrap();
        assert_eq!(outcome.status, 139);
        assert_eq!(outcome.checksum, Some(0x0619_7ecb));
        assert!(!session.done);
    }

    #[test]
    fn an_end_without_its_beginning_is_no_result() {
        let session = read(&[(1, "@init"), (2, "@begin fib"), (3, "@end mix 0 1")]);
        assert!(session.outcomes.is_empty());
        let session = read(&[(1, "@init"), (2, "@end mix 0 1"), (3, "@end")]);
        assert!(session.outcomes.is_empty());
    }

    #[test]
    fn a_checksum_needs_its_name_and_sixteen_digits() {
        assert_eq!(checksum("u64 00000000000000ff", "u64"), Some(255));
        assert_eq!(checksum("u64 ff", "u64"), None);
        assert_eq!(checksum("fib 00000000000000ff", "u64"), None);
        assert_eq!(checksum("u64 0000000000000g00", "u64"), None);
    }
}
