//! A machine with somebody at its consoles: guests that are waited for and typed to.

use std::collections::{BTreeMap, VecDeque};

use virtarium_machine::arena::Heap;
use virtarium_machine::host::{
    BlockError, BlockRequest, BlockResult, ConsoleId, Host, Submitted, Token,
};
use virtarium_machine::machine::{DeviceConfig, Exit, Machine, MachineConfig, SlotConfig};
use virtarium_machine::time::{Nanos, Ticks};

/// Instructions between two looks at what was printed, while the guest is busy.
const SLICE: u64 = 1 << 17;
/// Instructions that a guest may take until it prints what is waited for: several boots of
/// Debian's kernel.
const PATIENCE: u64 = 4_000_000_000;

/// What stands behind a block device.
pub trait Disk {
    /// Does what the device asks for.
    fn execute(&mut self, request: &BlockRequest) -> BlockResult;

    /// The guest has printed this line on its serial port, without the line's end.
    fn heard(&mut self, line: &str) {
        let _ = line;
    }
}

/// A disk in memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemDisk(pub Vec<u8>);

impl MemDisk {
    fn part(&mut self, sector: u64, len: u64) -> Result<&mut [u8], BlockError> {
        let start = sector as usize * 512;
        let end = start + len as usize;
        self.0.get_mut(start..end).ok_or(BlockError::Io)
    }
}

impl Disk for MemDisk {
    fn execute(&mut self, request: &BlockRequest) -> BlockResult {
        match request {
            BlockRequest::Read { sector, len } => {
                return self.part(*sector, *len).map(|part| part.to_vec());
            }
            BlockRequest::Write { sector, data } => {
                let part = self.part(*sector, data.len() as u64)?;
                part.copy_from_slice(data);
            }
            BlockRequest::WriteZeroes { sector, count, .. } => {
                self.part(*sector, count * 512)?.fill(0);
            }
            BlockRequest::Flush | BlockRequest::Discard { .. } => {}
        }
        Ok(Vec::new())
    }
}

/// Devices in the slots where QEMU puts those of a command line: the first named in the highest.
#[must_use]
pub fn slots(devices: impl IntoIterator<Item = DeviceConfig>) -> Vec<SlotConfig> {
    let place = |(nth, device)| SlotConfig {
        slot: 7 - nth,
        device,
    };
    devices.into_iter().enumerate().map(place).collect()
}

/// What is behind the devices, and what was printed.
struct Back<D> {
    disks: Vec<D>,
    printed: BTreeMap<ConsoleId, Vec<u8>>,
    /// Bytes of the serial port's last line that is not complete.
    line: Vec<u8>,
    /// What is waited for.
    wanted: Option<(ConsoleId, Vec<u8>)>,
    /// From which byte of its console on.
    from: usize,
    /// The byte behind it, once it was printed.
    found: Option<usize>,
    /// Bytes to be typed wait, so idle time is not to be jumped over.
    typing: bool,
}

impl<D: Disk> Back<D> {
    /// Looks for what is waited for, from a byte of its console on.
    fn look(&mut self, from: usize) {
        let Some((console, text)) = &self.wanted else {
            return;
        };
        let printed = self.printed.get(console).and_then(|all| all.get(from..));
        let mut parts = printed.unwrap_or_default().windows(text.len());
        let at = parts.position(|part| part == text);
        self.found = at.map(|at| from + at + text.len());
    }
}

impl<D: Disk> Host for Back<D> {
    fn block(&mut self, disk: usize, _: Token, request: &BlockRequest) -> Submitted {
        Submitted::Done(match self.disks.get_mut(disk) {
            Some(disk) => disk.execute(request),
            None => Err(BlockError::Io),
        })
    }

    fn console(&mut self, console: ConsoleId, bytes: &[u8]) {
        let printed = self.printed.entry(console).or_default();
        let before = printed.len();
        printed.extend(bytes);
        if let Some((on, text)) = &self.wanted
            && *on == console
            && self.found.is_none()
        {
            let overlap = text.len().saturating_sub(1);
            self.look(before.saturating_sub(overlap).max(self.from));
        }
        if console == ConsoleId::Uart {
            for byte in bytes {
                if *byte == b'\n' {
                    let line = String::from_utf8_lossy(&self.line);
                    for disk in &mut self.disks {
                        disk.heard(line.trim_end_matches('\r'));
                    }
                    self.line.clear();
                } else {
                    self.line.push(*byte);
                }
            }
        }
    }

    fn may_skip(&mut self, _: Ticks) -> bool {
        !self.typing && self.found.is_none()
    }
}

/// A guest at work, with the deterministic clock.
pub struct Guest<D> {
    machine: Machine,
    back: Back<D>,
    /// How much of each console was dealt with.
    seen: BTreeMap<ConsoleId, usize>,
    typed: VecDeque<(ConsoleId, u8)>,
    /// Whether the last slice ended because the guest sleeps.
    slept: bool,
    end: Option<Exit>,
}

impl<D: Disk> Guest<D> {
    /// Switches a machine on. The n-th disk stands behind the block device with that number.
    ///
    /// # Panics
    /// If the configuration is impossible.
    #[must_use]
    pub fn start(config: MachineConfig, disks: Vec<D>) -> Self {
        let storage = Heap::for_ram(config.ram_size).expect("memory for the machine");
        Self {
            machine: Machine::new(config, storage).expect("a possible machine"),
            back: Back {
                disks,
                printed: BTreeMap::new(),
                line: Vec::new(),
                wanted: None,
                from: 0,
                found: None,
                typing: false,
            },
            seen: BTreeMap::new(),
            typed: VecDeque::new(),
            slept: false,
            end: None,
        }
    }

    /// Types text into a console, as fast as the guest takes it.
    pub fn send_to(&mut self, console: ConsoleId, text: &str) {
        let bytes = text.bytes().map(|byte| (console, byte));
        self.typed.extend(bytes);
        self.type_in();
    }

    /// Types text into the serial port.
    pub fn send(&mut self, text: &str) {
        self.send_to(ConsoleId::Uart, text);
    }

    fn type_in(&mut self) {
        let before = self.typed.len();
        while let Some((console, byte)) = self.typed.front().copied() {
            let taken = self.machine.console_input(console, &[byte], &mut self.back);
            if taken == 0 {
                break;
            }
            self.typed.pop_front();
        }
        // Time must not stand still for a guest that sleeps and takes nothing.
        let refused = self.slept && self.typed.len() == before;
        self.back.typing = !self.typed.is_empty() && !refused;
    }

    /// A console's window has a new size.
    pub fn resize(&mut self, console: ConsoleId, cols: u16, rows: u16) {
        self.machine
            .console_resize(console, cols, rows, &mut self.back);
    }

    /// Runs until the guest has printed `text` on a console, and returns what came before it
    /// since the last call.
    ///
    /// # Panics
    /// If the guest ends, sleeps for good or works for too long instead.
    #[track_caller]
    pub fn expect_on(&mut self, console: ConsoleId, text: &str) -> String {
        let from = self.seen.get(&console).copied().unwrap_or(0);
        self.back.wanted = Some((console, text.into()));
        self.back.from = from;
        self.back.look(from);
        let limit = self.machine.instructions() + PATIENCE;
        let found = loop {
            if let Some(found) = self.back.found {
                break found;
            }
            let why = match self.step() {
                None if self.machine.instructions() < limit => continue,
                None => "works for too long".to_owned(),
                Some(end) => format!("ended with {end:?}"),
            };
            panic!("no {text:?}: the guest {why}, after\n{}", self.tail());
        };
        self.forget();
        self.seen.insert(console, found);
        let bytes = &self.back.printed[&console][from..found - text.len()];
        String::from_utf8_lossy(bytes).into_owned()
    }

    fn forget(&mut self) {
        self.back.wanted = None;
        self.back.found = None;
    }

    /// [`Guest::expect_on`] the serial port.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        self.expect_on(ConsoleId::Uart, text)
    }

    /// Gives the shell on the serial port a command, and returns its status and its lines.
    ///
    /// # Panics
    /// As [`Guest::expect_on`].
    #[track_caller]
    pub fn shell(&mut self, command: &str) -> (u8, Vec<String>) {
        // The echo of the command must not be taken for its output.
        self.send(&format!("echo be''gin; {command}; echo e''nd=$?,\n"));
        self.expect("begin\r\n");
        let output = self.expect("end=");
        let status = self.expect(",\r\n").parse().expect("a status");
        let lines = output.lines().map(str::to_owned).collect();
        (status, lines)
    }

    /// The lines of a command that must succeed.
    ///
    /// # Panics
    /// If it does not, and as [`Guest::expect_on`].
    #[track_caller]
    pub fn lines(&mut self, command: &str) -> Vec<String> {
        let (status, lines) = self.shell(command);
        assert_eq!(status, 0, "{command}: {lines:?}");
        lines
    }

    /// Runs until the guest switches itself off or resets.
    ///
    /// # Panics
    /// If it sleeps for good or works for too long instead.
    #[track_caller]
    pub fn end(&mut self) -> Exit {
        self.forget();
        let limit = self.machine.instructions() + PATIENCE;
        while self.machine.instructions() < limit {
            if let Some(end) = self.step() {
                return end;
            }
        }
        panic!("the guest does not end, after\n{}", self.tail());
    }

    /// Switches a machine that has ended off and on. What was printed before is not waited for
    /// any more: a shell says its prompt once again while `reboot` is on its way. What was not
    /// typed yet is forgotten.
    ///
    /// # Panics
    /// If the machine cannot be reset.
    pub fn reset(&mut self) {
        self.machine.reset(&mut self.back).expect("possible before");
        self.end = None;
        self.slept = false;
        self.typed.clear();
        self.back.typing = false;
        self.back.line.clear();
        for (console, printed) in &self.back.printed {
            self.seen.insert(*console, printed.len());
        }
    }

    /// One slice; what the guest's end was, if it has ended.
    fn step(&mut self) -> Option<Exit> {
        if self.end.is_some() {
            return self.end;
        }
        self.type_in();
        let left = SLICE - self.machine.instructions() % SLICE;
        let exit = self.machine.run(left, Nanos(0), &mut self.back);
        self.slept = matches!(exit, Exit::Idle { .. });
        match exit {
            Exit::Budget => {}
            // To be typed to, or done with waiting.
            Exit::Idle { until: Some(_) } => {}
            Exit::Idle { until: None } if self.back.typing || self.back.found.is_some() => {}
            end => self.end = Some(end),
        }
        self.end
    }

    /// Everything that was printed on a console.
    #[must_use]
    pub fn printed(&self, console: ConsoleId) -> &[u8] {
        self.back.printed.get(&console).map_or(&[], Vec::as_slice)
    }

    fn tail(&self) -> String {
        let printed = self.printed(ConsoleId::Uart);
        let from = printed.len().saturating_sub(3000);
        String::from_utf8_lossy(&printed[from..]).into_owned()
    }

    /// The machine.
    pub fn machine(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// The disks.
    pub fn disks(&mut self) -> &mut Vec<D> {
        &mut self.back.disks
    }

    /// The disks of a machine that is not needed any more.
    #[must_use]
    pub fn into_disks(self) -> Vec<D> {
        self.back.disks
    }
}
