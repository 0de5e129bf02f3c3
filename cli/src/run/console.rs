//! The guest's consoles: where their output goes, what a script sees of it, and who is typed to.

use std::fs::File;
use std::io::{self, Write};

use virtarium_machine::host::ConsoleId;

use crate::expect::{Expect, Progress};

/// Output is passed on at the latest when so many bytes are waiting.
const CHUNK: usize = 32 * 1024;
/// Typed bytes that the guest has not taken yet; more are dropped.
const TYPED: usize = 64 * 1024;

/// Where the output of one console goes.
#[derive(Debug)]
pub enum Output {
    /// To the screen that the consoles share.
    Screen,
    /// Nowhere.
    Null,
    /// To a file.
    File(File),
}

/// All consoles of a machine.
pub struct Consoles {
    /// The consoles with their outputs.
    outputs: Vec<(ConsoleId, Output)>,
    /// What the consoles share: standard output, or a record of it.
    screen: Box<dyn Write + Send>,
    /// Output of this slice for the screen.
    waiting: Vec<u8>,
    /// What is expected of the output.
    script: Option<Expect>,
    /// Typed bytes that the guest has not taken, for the console in focus.
    typed: Vec<u8>,
    /// The guest took nothing of them when they were last offered.
    refused: bool,
    /// Who is typed to: an index into `outputs`.
    focus: usize,
    /// The first failure to pass output on.
    error: Option<io::Error>,
    /// Whether the last byte on the screen ended its line.
    at_line_start: bool,
}

impl Consoles {
    /// Consoles with their outputs, of which `focus` is typed to.
    pub fn new(
        outputs: Vec<(ConsoleId, Output)>,
        focus: ConsoleId,
        screen: Box<dyn Write + Send>,
        script: Option<Expect>,
    ) -> Self {
        let focus = outputs.iter().position(|(id, _)| *id == focus);
        let mut consoles = Self {
            outputs,
            screen,
            waiting: Vec::new(),
            script,
            typed: Vec::new(),
            refused: false,
            focus: focus.unwrap_or(0),
            error: None,
            at_line_start: true,
        };
        consoles.take_script_input();
        consoles
    }

    /// The guest printed these bytes.
    pub fn print(&mut self, id: ConsoleId, bytes: &[u8]) {
        let output = self.outputs.iter_mut().find(|(known, _)| *known == id);
        match output.map(|(_, output)| output) {
            Some(Output::Screen) => {
                self.waiting.extend_from_slice(bytes);
                if self.waiting.len() >= CHUNK {
                    self.pass_on();
                }
            }
            Some(Output::File(file)) => {
                if let Err(error) = file.write_all(bytes) {
                    self.error.get_or_insert(error);
                }
            }
            Some(Output::Null) | None => {}
        }
    }

    /// Passes on what was printed, and lets the script see it.
    pub fn pass_on(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.waiting);
        self.show(&bytes);
        if let Some(script) = &mut self.script {
            script.feed(&bytes);
            self.take_script_input();
        }
        // Keeps its room for the next slice.
        self.waiting = bytes;
        self.waiting.clear();
    }

    /// Puts bytes of our own on the screen, from the start of a line.
    pub fn say(&mut self, text: &str) {
        self.pass_on();
        if !self.at_line_start {
            self.show(b"\n");
        }
        self.show(text.as_bytes());
    }

    /// Ends the line that the guest left open, for what the shell prints next.
    pub fn end_line(&mut self) {
        self.pass_on();
        if !self.at_line_start {
            self.show(b"\n");
        }
    }

    fn show(&mut self, bytes: &[u8]) {
        let result = self
            .screen
            .write_all(bytes)
            .and_then(|()| self.screen.flush());
        if let Err(error) = result {
            self.error.get_or_insert(error);
        }
        if let Some(last) = bytes.last() {
            self.at_line_start = *last == b'\n';
        }
    }

    /// The first failure to pass output on, once.
    pub fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    /// How far the script is, if there is one.
    pub fn progress(&self) -> Option<Progress> {
        self.script.as_ref().map(Expect::progress)
    }

    /// The script.
    pub fn script(&self) -> Option<&Expect> {
        self.script.as_ref()
    }

    /// Bytes were typed. Beyond what is kept for a guest that takes nothing, they are lost.
    pub fn type_in(&mut self, bytes: &[u8]) {
        let room = TYPED.saturating_sub(self.typed.len());
        self.typed.extend(bytes.iter().take(room));
        self.refused &= bytes.is_empty();
    }

    /// Takes the typed bytes, and for whom they are. What is not wanted goes back through
    /// [`Consoles::put_back`].
    pub fn take_typed(&mut self) -> Option<(ConsoleId, Vec<u8>)> {
        let (id, _) = self.outputs.get(self.focus)?;
        match self.typed.is_empty() {
            true => None,
            false => Some((*id, std::mem::take(&mut self.typed))),
        }
    }

    /// Gives back typed bytes that were not taken; they stay first. `refused` says that the
    /// guest took none.
    pub fn put_back(&mut self, bytes: Vec<u8>, refused: bool) {
        self.refused = refused;
        let later = std::mem::replace(&mut self.typed, bytes);
        self.typed.extend(later);
    }

    /// Whether there is something to do for a guest that waits: to type what it may take, or to
    /// end a script.
    pub fn has_work(&mut self) -> bool {
        self.pass_on();
        let over = matches!(
            self.progress(),
            Some(Progress::Matched | Progress::Panicked)
        );
        over || (self.has_typed() && !self.refused)
    }

    /// Whether typed bytes wait for the guest.
    pub fn has_typed(&self) -> bool {
        !self.typed.is_empty()
    }

    /// Moves the focus to the next console on the screen, and names it.
    pub fn focus_next(&mut self) -> String {
        let count = self.outputs.len();
        let next = (1..=count)
            .map(|step| (self.focus + step) % count)
            .find(|index| matches!(self.outputs.get(*index), Some((_, Output::Screen))));
        self.focus = next.unwrap_or(self.focus);
        match self.outputs.get(self.focus) {
            Some((ConsoleId::Uart, _)) => "typing into the serial port (ttyS0)".to_owned(),
            Some((ConsoleId::Virtio(n), _)) => format!("typing into virtio console {n} (hvc{n})"),
            None => "there is no console".to_owned(),
        }
    }

    /// The virtio consoles on the screen, whose size is the screen's.
    pub fn sized(&self) -> Vec<ConsoleId> {
        self.outputs
            .iter()
            .filter(|(id, output)| *id != ConsoleId::Uart && matches!(output, Output::Screen))
            .map(|(id, _)| *id)
            .collect()
    }

    fn take_script_input(&mut self) {
        if let Some(script) = &mut self.script {
            let bytes = script.take_input();
            self.type_in(&bytes);
        }
    }
}
