//! `--trace`: what happens inside, line by line, in a file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use virtarium_machine::trace::Event;

use crate::args::keys::Keys;
use crate::host::files;

/// The kinds of lines that are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kinds {
    instructions: bool,
    traps: bool,
    mmio: bool,
    virtqueues: bool,
}

/// A trace being written.
pub struct Trace {
    kinds: Kinds,
    out: BufWriter<File>,
    error: Option<io::Error>,
}

impl Trace {
    /// Reads the value of the option, `FILE[,what=a+b]`, and creates the file.
    pub fn open(text: &str) -> Result<Self> {
        let (path, kinds) = read(text)?;
        let file = files::create("trace", &path)?;
        Ok(Self {
            kinds,
            out: BufWriter::with_capacity(1 << 16, file),
            error: None,
        })
    }

    /// Whether every instruction is to be written.
    pub fn wants_instructions(&self) -> bool {
        self.kinds.instructions
    }

    /// Whether events of the machine are to be written.
    pub fn wants_events(&self) -> bool {
        self.kinds.traps || self.kinds.mmio || self.kinds.virtqueues
    }

    /// Writes a line as it is.
    pub fn line(&mut self, text: &str) {
        if let Err(error) = writeln!(self.out, "{text}") {
            self.error.get_or_insert(error);
        }
    }

    /// Writes an event, if its kind is wanted.
    pub fn event(&mut self, event: &Event) {
        let wanted = match event {
            Event::Trap { .. } => self.kinds.traps,
            Event::Mmio { .. } => self.kinds.mmio,
            Event::Taken { .. } | Event::Used { .. } => self.kinds.virtqueues,
        };
        if wanted {
            self.line(&describe(event));
        }
    }

    /// Whether something could not be written; [`Trace::finish`] tells what.
    pub fn has_failed(&self) -> bool {
        self.error.is_some()
    }

    /// Writes what is still in memory; the first failure since the start.
    pub fn finish(&mut self) -> io::Result<()> {
        match self.error.take() {
            Some(error) => Err(error),
            None => self.out.flush(),
        }
    }
}

/// The file that the value of the option names.
pub fn path(text: &str) -> Result<PathBuf> {
    Ok(read(text)?.0)
}

fn read(text: &str) -> Result<(PathBuf, Kinds)> {
    let mut keys = Keys::parse("--trace", text, Some("file"))?;
    let path = keys.take("file")?.context("--trace needs a FILE")?;
    let kinds = kinds(keys.take("what")?.as_deref())?;
    keys.finish("file, what")?;
    Ok((path.into(), kinds))
}

fn kinds(what: Option<&str>) -> Result<Kinds> {
    let Some(what) = what else {
        return Ok(Kinds {
            instructions: false,
            traps: true,
            mmio: true,
            virtqueues: true,
        });
    };
    let mut kinds = Kinds {
        instructions: false,
        traps: false,
        mmio: false,
        virtqueues: false,
    };
    for word in what.split('+') {
        match word {
            "instructions" => kinds.instructions = true,
            "traps" => kinds.traps = true,
            "mmio" => kinds.mmio = true,
            "virtqueues" => kinds.virtqueues = true,
            _ => bail!(
                "--trace what={word}: there are instructions, traps, mmio, virtqueues, joined by +"
            ),
        }
    }
    Ok(kinds)
}

fn describe(event: &Event) -> String {
    match event {
        Event::Trap {
            hart,
            cause,
            tval,
            pc,
            handler,
        } => {
            // mcause: the highest bit tells interrupts from exceptions.
            let kind = match cause >> 63 {
                0 => "exception",
                _ => "interrupt",
            };
            let code = cause & !(1 << 63);
            format!("trap hart={hart} {kind}={code} pc={pc:#x} tval={tval:#x} handler={handler:#x}")
        }
        Event::Mmio {
            at,
            width,
            value,
            write,
        } => {
            let direction = if *write { "write" } else { "read" };
            format!("mmio {direction} {at:#x} {width:?} {value:#x}")
        }
        Event::Taken {
            slot,
            queue,
            head,
            readable,
            writable,
        } => format!(
            "virtqueue slot={slot} queue={queue} taken head={head} readable={readable} writable={writable}"
        ),
        Event::Used {
            slot,
            queue,
            head,
            written,
        } => format!("virtqueue slot={slot} queue={queue} used head={head} written={written}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_chosen_by_name() {
        let all = kinds(None).unwrap();
        assert!(all.traps && all.mmio && all.virtqueues && !all.instructions);
        let some = kinds(Some("instructions+mmio")).unwrap();
        assert!(some.instructions && some.mmio && !some.traps && !some.virtqueues);
        let error = kinds(Some("bios")).unwrap_err().to_string();
        assert!(error.contains("virtqueues"), "{error}");
    }

    #[test]
    fn only_chosen_events_are_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trace");
        let mut trace = Trace::open(&format!("{},what=traps", path.display())).unwrap();
        trace.event(&Event::Trap {
            hart: 1,
            cause: 1 << 63 | 5,
            tval: 0,
            pc: 0x8000_0000,
            handler: 0x8000_0100,
        });
        trace.event(&Event::Used {
            slot: 7,
            queue: 0,
            head: 3,
            written: 1,
        });
        trace.finish().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let expected = "trap hart=1 interrupt=5 pc=0x80000000 tval=0x0 handler=0x80000100\n";
        assert_eq!(text, expected);
    }
}
