//! The machine, as a worker drives it.

use js_sys::{Array, Object, Reflect, Uint8Array};
use virtarium_machine::arena::Heap;
use virtarium_machine::host::{BlockError, BlockResult, ConsoleId};
use virtarium_machine::machine::{self, Exit, SlotConfig};
use virtarium_machine::map::VIRTIO_SLOTS;
use virtarium_machine::time::{NANOS_PER_TICK, Nanos, TIMEBASE_FREQUENCY, Ticks};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::FileSystemSyncAccessHandle;

use crate::error::{config, error};
use crate::host::{Plugged, WebHost};
use crate::options::MachineOptions;

/// What a tab gives a guest: with the rest of the machine it stays within 2 GiB, which every
/// browser's engine takes.
const MOST_MEMORY: u64 = 7 << 28;

/// Nanoseconds in a millisecond, the worker's unit.
const NANOS_PER_MS: f64 = 1e6;

/// The number that a worker knows the UART by; others are virtio consoles.
const UART: i32 = -1;

/// Why [`Machine::run`] came back.
#[wasm_bindgen]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// The budget is used up.
    Budget = 0,
    /// Nothing to do for [`Machine::idle_for`], or until input comes.
    Idle = 1,
    /// Nothing goes on before a fetch or a batch is answered.
    Waiting = 2,
    /// The guest switched itself off, with [`Machine::exit_code`].
    Off = 3,
    /// The guest asks for [`Machine::reset`].
    Reset = 4,
}

/// A computer and its disks.
#[wasm_bindgen]
pub struct Machine {
    machine: machine::Machine,
    host: WebHost,
    /// Guest time at which something happens, as of the last run.
    until: Option<Ticks>,
    /// Something came since the last run that the guest may have waited for.
    touched: bool,
    exit_code: u32,
}

#[wasm_bindgen]
impl Machine {
    /// Builds a machine and switches it on.
    ///
    /// # Errors
    /// `memory`, `bad-image` or `bad-machine`.
    #[wasm_bindgen(constructor)]
    pub fn new(options: MachineOptions) -> Result<Machine, JsValue> {
        let MachineOptions {
            config: mut parts,
            devices,
            disks,
            consoles,
        } = options;
        if parts.ram_size > MOST_MEMORY {
            let text = format!(
                "memory of {} bytes: a page has room for {MOST_MEMORY} at most",
                parts.ram_size
            );
            return Err(error("memory", &text));
        }
        if devices.len() > VIRTIO_SLOTS {
            let text = format!("{} devices: there are {VIRTIO_SLOTS} slots", devices.len());
            return Err(error("bad-machine", &text));
        }
        // As in QEMU: the first device takes the highest slot, which drivers find first.
        let slots = (0..VIRTIO_SLOTS).rev().zip(devices);
        parts.slots = slots
            .map(|(slot, device)| SlotConfig { slot, device })
            .collect();
        let storage = Heap::for_ram(parts.ram_size).map_err(|problem| config(&problem))?;
        let machine = machine::Machine::new(parts, storage).map_err(|problem| config(&problem))?;
        Ok(Self {
            machine,
            host: WebHost::new(disks, consoles),
            until: None,
            touched: false,
            exit_code: 0,
        })
    }

    /// Runs up to `budget` instructions. `now` is the worker's time in milliseconds.
    pub fn run(&mut self, budget: f64, now: f64) -> Stop {
        let now = Nanos((now * NANOS_PER_MS) as u64);
        self.touched = false;
        match self.machine.run(budget as u64, now, &mut self.host) {
            // Nobody sets breakpoints here.
            Exit::Budget | Exit::Halted(_) => Stop::Budget,
            Exit::Idle { until } => {
                self.until = until;
                Stop::Idle
            }
            Exit::Waiting => Stop::Waiting,
            Exit::PowerOff { code } => {
                self.exit_code = code;
                Stop::Off
            }
            Exit::Reset => Stop::Reset,
        }
    }

    /// Milliseconds until something happens in an idle machine; none if only input wakes it.
    #[wasm_bindgen(js_name = idleFor)]
    #[must_use]
    pub fn idle_for(&self) -> Option<f64> {
        if self.touched {
            return Some(0.0);
        }
        let ticks = self.until?.0.saturating_sub(self.machine.now().0);
        Some(ticks as f64 * NANOS_PER_TICK as f64 / NANOS_PER_MS)
    }

    /// Whether something came since the last run that the guest may have waited for: input, or what
    /// a disk was asked for.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn touched(&self) -> bool {
        self.touched
    }

    /// What the guest said when it switched itself off; 0 means success.
    #[wasm_bindgen(getter, js_name = exitCode)]
    #[must_use]
    pub fn exit_code(&self) -> u32 {
        self.exit_code
    }

    /// What the real-time clock shows at the next [`Machine::reset`]: seconds since 1970.
    #[wasm_bindgen(js_name = setEpoch)]
    pub fn set_epoch(&mut self, seconds: f64) {
        self.machine.set_epoch(seconds as u64);
    }

    /// Switches the machine off and on.
    ///
    /// # Errors
    /// Those of the constructor.
    pub fn reset(&mut self) -> Result<(), JsValue> {
        let reset = self.machine.reset(&mut self.host);
        reset.map_err(|problem| config(&problem))
    }

    /// Instructions since power-on.
    #[must_use]
    pub fn instructions(&self) -> f64 {
        self.machine.instructions() as f64
    }

    /// The hash of everything that the guest could notice, in hexadecimal.
    pub fn digest(&mut self) -> String {
        self.machine.digest().to_string()
    }

    /// Types into a console (-1: the UART). Returns how many bytes were taken; the rest may be
    /// offered again when the guest has run.
    pub fn input(&mut self, console: i32, bytes: &[u8]) -> usize {
        let Some(console) = id(console) else {
            return 0;
        };
        let taken = self.machine.console_input(console, bytes, &mut self.host);
        self.touched |= taken > 0;
        taken
    }

    /// A console's terminal has another size, in characters.
    pub fn resize(&mut self, console: i32, cols: u16, rows: u16) {
        if let Some(console) = id(console) {
            self.touched = true;
            self.machine
                .console_resize(console, cols, rows, &mut self.host);
        }
    }

    /// What a console printed since the last call; nothing if it did not.
    #[wasm_bindgen(js_name = takeOutput)]
    pub fn take_output(&mut self, console: i32) -> Option<Uint8Array> {
        let bytes = self.host.take_output(id(console)?);
        (!bytes.is_empty()).then(|| Uint8Array::from(bytes.as_slice()))
    }

    /// The chunk of a disk's image that is to be fetched now, and from then on counts as on its
    /// way; -1 if there is none.
    #[wasm_bindgen(js_name = nextFetch)]
    pub fn next_fetch(&mut self, disk: usize) -> f64 {
        let next = self.plugged(disk).and_then(|it| it.disk.0.next_fetch());
        next.map_or(-1.0, f64::from)
    }

    /// Where a chunk is, relative to its manifest.
    #[wasm_bindgen(js_name = chunkPath)]
    #[must_use]
    pub fn chunk_path(&self, disk: usize, chunk: u32) -> Option<String> {
        let plugged = self.host.disks.get(disk)?;
        Some(plugged.disk.0.manifest().path_of(chunk))
    }

    /// A chunk came, as the server has it.
    ///
    /// # Errors
    /// `integrity` if it is not what the manifest says. It still counts as on its way: fetch it
    /// again, or say that it [failed](Machine::fetch_failed).
    #[wasm_bindgen(js_name = fetched)]
    pub fn fetched(&mut self, disk: usize, chunk: u32, bytes: &[u8]) -> Result<(), JsValue> {
        match self.plugged(disk) {
            Some(plugged) => plugged.disk.arrived(chunk, bytes)?,
            None => return Ok(()),
        }
        self.answer(disk);
        Ok(())
    }

    /// Whether the guest waits for a chunk, which otherwise was read ahead.
    #[wasm_bindgen(js_name = isDemanded)]
    #[must_use]
    pub fn is_demanded(&self, disk: usize, chunk: u32) -> bool {
        let plugged = self.host.disks.get(disk);
        plugged.is_some_and(|plugged| plugged.disk.0.is_demanded(chunk))
    }

    /// A chunk cannot be had: the guest's requests for it fail.
    #[wasm_bindgen(js_name = fetchFailed)]
    pub fn fetch_failed(&mut self, disk: usize, chunk: u32) {
        if let Some(plugged) = self.plugged(disk) {
            plugged.disk.0.failed(chunk);
        }
        self.answer(disk);
    }

    /// What of a logged disk has to go to the database, in one transaction, before its flushes
    /// are answered: `{length, blocks: [[number, bytes or null], ...]}`, or nothing. With `anyway`,
    /// also if no flush asks for it.
    #[wasm_bindgen(js_name = takeBatch)]
    pub fn take_batch(&mut self, disk: usize, anyway: bool) -> Option<Object> {
        let batch = self.plugged(disk)?.take_batch(anyway);
        self.answer(disk);
        let batch = batch?;
        let blocks = Array::new();
        for (number, bytes) in batch.blocks {
            let bytes = match bytes {
                Some(bytes) => Uint8Array::from(bytes.as_slice()).into(),
                None => JsValue::NULL,
            };
            blocks.push(&Array::of2(&JsValue::from(number), &bytes));
        }
        Some(object([
            ("length", JsValue::from(batch.len as f64)),
            ("blocks", blocks.into()),
        ]))
    }

    /// The transaction is complete, or failed: with `full`, for want of room.
    #[wasm_bindgen(js_name = batchDone)]
    pub fn batch_done(&mut self, disk: usize, complete: bool, full: bool) {
        let result: BlockResult = match (complete, full) {
            (true, _) => Ok(Vec::new()),
            (false, true) => Err(BlockError::NoSpace),
            (false, false) => Err(BlockError::Io),
        };
        if let Some(plugged) = self.plugged(disk) {
            plugged.batch_done(result);
        }
        self.answer(disk);
    }

    /// Makes what was written to a disk stable, as far as that is in its own hands (a logged one
    /// needs [`Machine::take_batch`] as well). Whether it worked.
    pub fn flush(&mut self, disk: usize) -> bool {
        self.plugged(disk)
            .is_some_and(|it| it.disk.0.flush().is_ok())
    }

    /// Whether something was written to a disk for which there was no room. Make some, and
    /// [try again](Machine::retry); the guest waits.
    #[wasm_bindgen(js_name = isShort)]
    #[must_use]
    pub fn is_short(&self, disk: usize) -> bool {
        self.host.disks.get(disk).is_some_and(Plugged::is_short)
    }

    /// Tries once more what found no room, and answers it.
    pub fn retry(&mut self, disk: usize) {
        if let Some(plugged) = self.plugged(disk) {
            plugged.retry();
        }
        self.answer(disk);
    }

    /// Whether a disk writes nothing any more before it is opened anew: its store failed to make
    /// something stable, and what it holds is not known.
    #[wasm_bindgen(js_name = hasFailed)]
    #[must_use]
    pub fn has_failed(&self, disk: usize) -> bool {
        let plugged = self.host.disks.get(disk);
        plugged.is_some_and(|it| it.disk.0.overlay().has_failed())
    }

    /// Lets go of the handle of a disk's file. What the guest asks of it then fails.
    pub fn detach(&mut self, disk: usize) {
        if let Some(plugged) = self.plugged(disk) {
            plugged.disk.place().reattach(None);
        }
    }

    /// Goes on with another handle of the same file, which nobody has changed since.
    pub fn attach(&mut self, disk: usize, handle: FileSystemSyncAccessHandle) {
        if let Some(plugged) = self.plugged(disk) {
            plugged.disk.place().reattach(Some(handle));
        }
    }

    /// Bytes of a disk's overlay file, with what is in memory and no flush could make stable; an
    /// empty array at its end and behind it. Whoever wants all of it begins at 0.
    #[wasm_bindgen(js_name = readOverlay)]
    pub fn read_overlay(&mut self, disk: usize, at: f64, length: usize) -> Option<Uint8Array> {
        let Plugged { disk, export, .. } = self.plugged(disk)?;
        let bytes = export.read(&mut disk.0, at as u64, length).ok()?;
        Some(Uint8Array::from(bytes.as_slice()))
    }

    /// What the host said when it last refused something of a disk, in its words.
    #[wasm_bindgen(js_name = takeRefusal)]
    pub fn take_refusal(&mut self, disk: usize) -> Option<String> {
        self.plugged(disk)?.disk.place().refusal().take()
    }

    /// Seconds on the guest's clock since power-on.
    #[wasm_bindgen(js_name = guestTime)]
    #[must_use]
    pub fn guest_time(&self) -> f64 {
        self.machine.now().0 as f64 / TIMEBASE_FREQUENCY as f64
    }

    /// Counts of what the guest did: `{instructions, exceptions, interrupts, mmio, sbi,
    /// completions, idle}`.
    #[must_use]
    pub fn statistics(&self) -> Object {
        let counts = self.machine.statistics();
        numbers([
            ("instructions", counts.instructions),
            ("exceptions", counts.exceptions.iter().sum()),
            ("interrupts", counts.interrupts.iter().sum()),
            ("mmio", counts.mmio),
            ("sbi", counts.sbi),
            ("completions", counts.completions),
            ("idle", counts.idle),
        ])
    }

    /// Requests of the guest that changed nothing of a disk, so far. This and
    /// [`Machine::disk_writes`] may be asked behind every slice: no place is asked for them.
    #[wasm_bindgen(js_name = diskReads)]
    #[must_use]
    pub fn disk_reads(&self, disk: usize) -> f64 {
        let plugged = self.host.disks.get(disk);
        plugged.map_or(0.0, |plugged| plugged.traffic.reads as f64)
    }

    /// Requests of the guest that changed something of a disk, so far.
    #[wasm_bindgen(js_name = diskWrites)]
    #[must_use]
    pub fn disk_writes(&self, disk: usize) -> f64 {
        let plugged = self.host.disks.get(disk);
        plugged.map_or(0.0, |plugged| plugged.traffic.writes as f64)
    }

    /// Counts of what happened to a disk: `{reads, bytesRead, writes, bytesWritten, chunks,
    /// chunksPresent, overlayBytes}`.
    #[wasm_bindgen(js_name = diskStatistics)]
    pub fn disk_statistics(&mut self, disk: usize) -> Object {
        use virtarium_backends::disk::Store;
        let Some(plugged) = self.plugged(disk) else {
            return Object::new();
        };
        let traffic = plugged.traffic;
        let overlay = plugged.disk.place().len().unwrap_or_default();
        let stream = &plugged.disk.0;
        numbers([
            ("reads", traffic.reads),
            ("bytesRead", traffic.bytes_read),
            ("writes", traffic.writes),
            ("bytesWritten", traffic.bytes_written),
            ("chunks", u64::from(stream.manifest().count())),
            ("chunksPresent", stream.stats().chunks_present as u64),
            ("overlayBytes", overlay),
        ])
    }
}

impl Machine {
    fn plugged(&mut self, disk: usize) -> Option<&mut Plugged> {
        self.host.disks.get_mut(disk)
    }

    /// Hands the machine what a disk has answered.
    fn answer(&mut self, disk: usize) {
        if let Some(plugged) = self.host.disks.get_mut(disk) {
            for (token, result) in plugged.take_answers() {
                self.touched = true;
                self.machine.complete(token, result);
            }
        }
    }
}

/// The console that a worker's number stands for.
fn id(console: i32) -> Option<ConsoleId> {
    match console {
        UART => Some(ConsoleId::Uart),
        other => usize::try_from(other).ok().map(ConsoleId::Virtio),
    }
}

fn numbers<const N: usize>(fields: [(&str, u64); N]) -> Object {
    object(fields.map(|(name, value)| (name, JsValue::from(value as f64))))
}

fn object<const N: usize>(fields: [(&str, JsValue); N]) -> Object {
    let object = Object::new();
    for (name, value) in fields {
        // A new object takes a property.
        let _ = Reflect::set(&object, &JsValue::from_str(name), &value);
    }
    object
}
