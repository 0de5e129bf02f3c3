//! The second stage of a Debian system: its packages are configured by their own scripts, in the
//! machine, once. Here it is started, watched and counted.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::progress::{Progress, Task};
use super::store::Inputs;
use super::{Guest, Runner};

/// Lines that are kept, for the case that it fails.
const KEPT: usize = 20;
/// Bytes of a line that are looked at; the guest may print any number.
const LINE: usize = 256;

/// Has `guest` configure its disk.
///
/// # Errors
/// If the guest fails; its last lines have gone to the progress before.
pub fn run(inputs: &Inputs, mut guest: Guest, runner: &Runner) -> Result<()> {
    let progress = &inputs.progress;
    let packages = inputs.packages.values().map(Vec::len).sum::<usize>() as u64;
    progress.note("configuring the packages in the machine, once; this takes some minutes");
    // A kernel that panics ends the run instead of waiting for somebody to see it.
    guest.append.push_str(" quiet panic=-1 virtarium.prepare");
    let watch = Watch::new(progress, packages);
    let begin = Instant::now();
    let ran = runner(&guest, Box::new(watch.clone()));
    let (configured, tail) = watch.finish();
    match ran {
        Ok(instructions) => {
            progress.note(&figures(configured, instructions, begin.elapsed()));
            Ok(())
        }
        Err(error) => {
            for line in tail {
                progress.note(&format!("guest: {line}"));
            }
            Err(error).context("the packages could not be configured in the machine")
        }
    }
}

fn figures(packages: u64, instructions: u64, time: Duration) -> String {
    format!(
        "configured {packages} packages in the machine: {} million instructions in {} s",
        instructions / 1_000_000,
        time.as_secs()
    )
}

/// Takes what the guest prints. Clones share what they saw.
#[derive(Clone)]
struct Watch(Arc<Mutex<Seen>>);

struct Seen {
    task: Option<Task>,
    configured: u64,
    /// The line that is not complete.
    line: Vec<u8>,
    tail: VecDeque<String>,
}

impl Watch {
    fn new(progress: &Progress, packages: u64) -> Self {
        Self(Arc::new(Mutex::new(Seen {
            task: Some(progress.packages("configuring debian", packages)),
            configured: 0,
            line: Vec::new(),
            tail: VecDeque::new(),
        })))
    }

    /// Takes the progress away. Gives the number of packages and the last lines.
    fn finish(&self) -> (u64, Vec<String>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.end_line();
        seen.task = None;
        (seen.configured, seen.tail.drain(..).collect())
    }
}

impl Write for Watch {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for byte in bytes {
            match byte {
                b'\n' => seen.end_line(),
                _ if seen.line.len() < LINE => seen.line.push(*byte),
                _ => {}
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seen {
    fn end_line(&mut self) {
        let line = mem::take(&mut self.line);
        let line: String = String::from_utf8_lossy(&line)
            .chars()
            .filter(|c| !c.is_control())
            .collect();
        if line.is_empty() {
            return;
        }
        // What dpkg says of each package, once.
        if line.starts_with("Setting up ") {
            self.configured += 1;
            if let Some(task) = &mut self.task {
                task.set(self.configured);
            }
        }
        if self.tail.len() == KEPT {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn guest() -> Guest {
        Guest {
            bios: None,
            kernel: "k".into(),
            initrd: None,
            disk: None,
            append: "root=/dev/vda".to_owned(),
            memory: 0,
        }
    }

    fn inputs() -> Inputs {
        Inputs {
            packages: BTreeMap::new(),
            progress: Progress::silent(),
        }
    }

    #[test]
    fn the_guest_is_told_to_prepare_and_to_end_at_a_panic() {
        let runner: Runner = Arc::new(|guest, mut output| {
            let words: Vec<&str> = guest.append.split(' ').collect();
            assert_eq!(words[0], "root=/dev/vda");
            assert!(words.contains(&"virtarium.prepare") && words.contains(&"panic=-1"));
            output.write_all(b"Setting up a (1) ...\r\n")?;
            Ok(7)
        });
        run(&inputs(), guest(), &runner).unwrap();
    }

    #[test]
    fn failure_of_the_guest_is_one_of_the_build() {
        let runner: Runner = Arc::new(|_, _| anyhow::bail!("the guest ended with status 1"));
        let error = format!("{:#}", run(&inputs(), guest(), &runner).unwrap_err());
        assert_eq!(
            error,
            "the packages could not be configured in the machine: the guest ended with status 1"
        );
    }

    #[test]
    fn packages_are_counted_and_the_last_lines_kept() {
        let watch = Watch::new(&Progress::silent(), 3);
        let mut output = watch.clone();
        for n in 0..30 {
            let text = format!("Setting up package{n} (1) ...\r\nadd user? No\r\n");
            // However the output is cut.
            for piece in text.as_bytes().chunks(7) {
                output.write_all(piece).unwrap();
            }
        }
        output.write_all(&[b'x'; 100_000]).unwrap();
        output.write_all(b"\x1b[1m").unwrap();
        let (configured, tail) = watch.finish();
        assert_eq!((configured, tail.len()), (30, KEPT));
        assert_eq!(tail[KEPT - 2], "add user? No");
        assert_eq!(tail[KEPT - 1], "x".repeat(LINE));
    }

    #[test]
    fn figures_are_instructions_and_time() {
        let text = figures(121, 7_295_004_359, Duration::from_secs(81));
        assert!(
            text.ends_with("121 packages in the machine: 7295 million instructions in 81 s"),
            "{text}"
        );
    }
}
