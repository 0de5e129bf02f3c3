//! The two clocks of a measurement: the wall's, and a process's own use of processors.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// How often, a millisecond apart, the end of a process is looked for.
const ATTEMPTS: usize = 1000;

/// What time is taken from.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The time since then.
    Wall(Instant),
    /// The time that all threads of the process with this id have run, in Linux. Rougher, but
    /// good for a look at a host that is busy with other things.
    Processor(u32),
}

impl Clock {
    /// A clock of the chosen kind for a child that was started at `start`.
    pub fn of(processor: bool, start: Instant, child: u32) -> Self {
        if processor {
            Self::Processor(child)
        } else {
            Self::Wall(start)
        }
    }

    /// The time since the start. Zero for the threads of a process that is gone.
    pub fn now(self) -> Duration {
        match self {
            Self::Wall(start) => start.elapsed(),
            Self::Processor(child) => processor_time(child),
        }
    }

    /// Waits until a child whose output has ended has ended itself, but is still listed.
    pub fn wait_for_end(self) {
        let Self::Processor(child) = self else { return };
        for _ in 0..ATTEMPTS {
            // proc(5): the state follows the name, which stands in parentheses.
            let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            match stat.rsplit_once(") ") {
                Some((_, rest)) if !rest.starts_with('Z') => {
                    thread::sleep(Duration::from_millis(1));
                }
                _ => return,
            }
        }
    }
}

/// The sum of the first figures of `schedstat`: nanoseconds on a processor, by thread.
fn processor_time(process: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task"));
    let nanoseconds = threads
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|thread| {
            let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        });
    Duration::from_nanos(nanoseconds.sum())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_that_sleeps_uses_no_processor() {
        let start = Instant::now();
        let mut child = Command::new("sleep").arg("0.3").spawn().unwrap();
        let clock = Clock::of(true, start, child.id());
        clock.wait_for_end();
        let wall = Clock::of(false, start, child.id()).now();
        let used = clock.now();
        child.wait().unwrap();
        assert!(wall >= Duration::from_millis(300), "{wall:?}");
        assert!(used < Duration::from_millis(150), "{used:?}");
        assert_eq!(clock.now(), Duration::ZERO);
    }

    #[test]
    fn a_process_that_computes_is_counted_to_its_end() {
        let mut child = Command::new("sh")
            .args(["-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let clock = Clock::of(true, Instant::now(), child.id());
        clock.wait_for_end();
        let used = clock.now();
        child.wait().unwrap();
        assert!(used > Duration::from_millis(10), "{used:?}");
    }
}
