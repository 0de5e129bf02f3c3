//! The assembled computer: configuration, address map, run loop.

mod board;
mod clock;
mod config;
mod debug;
mod debug_walk;
mod digest;
mod power;
mod run;
mod sbi;
mod statistics;
mod system;
#[cfg(test)]
mod testing;

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::arena::{Arena, PageFlags, Storage};
use crate::boot::elf::Symbols;
use crate::boot::{self, BootInputs, Plan, StartMode};
use crate::cpu::{Hart, IsaConfig};
use crate::error::ConfigError;
use crate::fdt::Mmu;
use crate::host::{BlockResult, ConsoleId, Host, Token};
use crate::interp::{CodeCache, FetchShortcuts};
use crate::mem::{Memory, PhysAddr, RAM_BASE};
use crate::time::{Nanos, Ticks};
use crate::virtio::{DeviceKind, Slot};

use board::Board;
use clock::TimeSource;
pub use config::{Clock, DeviceConfig, MachineConfig, SlotConfig};
use debug::Stops;
pub use debug::{Activity, Halt, Pace, WatchKind};
pub use digest::Digest;
use digest::{PageHashes, StateHasher};
pub use power::Power;
use sbi::Sbi;
pub use statistics::Statistics;

/// Why [`Machine::run`] returned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// The budget is used up.
    Budget,
    /// Every hart waits for an interrupt. Nothing happens before `until` (guest time), or before
    /// input or a completion arrives if that is `None`.
    Idle {
        /// The next deadline.
        until: Option<Ticks>,
    },
    /// A completion is due that the host has not delivered yet, or a device was reset while the
    /// host was changing its disk: guest time stands still.
    Waiting,
    /// The guest has switched itself off. 0 means success.
    PowerOff {
        /// The guest's exit code.
        code: u32,
    },
    /// The guest asks for a reset: [`Machine::reset`] does it.
    Reset,
    /// A breakpoint or watchpoint was met, or a step made. The next call goes on behind it.
    Halted(Halt),
}

/// What a hart does between its turns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
enum HartState {
    /// It runs.
    Started,
    /// It waits for the SBI's `hart_start`.
    Stopped,
    /// It waits for an interrupt inside the SBI's `hart_suspend`, and then goes on as said.
    Suspended {
        /// Where to go on, if not behind the call: address and opaque value.
        resume: Option<(u64, u64)>,
    },
}

/// Whose turn it is.
#[derive(Clone, Debug, Hash)]
struct Turn {
    hart: usize,
    /// Instructions left in the quantum.
    left: u64,
    /// The longest share of this round so far.
    longest: u64,
    /// Whether a hart has run in this round.
    ran: bool,
    /// Interrupts have to be sampled before the next instruction.
    sample: bool,
}

impl Turn {
    fn first(quantum: u64) -> Self {
        Self {
            hart: 0,
            left: quantum,
            longest: 0,
            ran: false,
            sample: true,
        }
    }
}

/// A computer.
pub struct Machine {
    config: MachineConfig,
    arena: Arena,
    harts: Vec<Hart>,
    states: Vec<HartState>,
    board: Board,
    time: TimeSource,
    /// Instructions of all harts, traps included.
    count: u64,
    /// What the clock counts: the same with one hart, the longest share of each round with more.
    beats: u64,
    turn: Turn,
    sbi: Option<Sbi>,
    power: Power,
    symbols: Symbols,
    // Pure caches.
    code: CodeCache,
    shortcuts: Vec<FetchShortcuts>,
    /// The clock's count at which something falls due, if it is known.
    deadline: Option<u64>,
    hashes: PageHashes,
    statistics: Statistics,
    // The debugger's.
    stops: Stops,
}

impl Machine {
    /// Builds a machine and switches it on.
    ///
    /// `storage` holds at least [`Arena::storage_size`] bytes, zeroed.
    pub fn new(config: MachineConfig, storage: Box<dyn Storage>) -> Result<Self, ConfigError> {
        config.validate()?;
        let arena = Arena::new(storage, config.ram_size)?;
        let mut machine = Self {
            arena,
            harts: Vec::new(),
            states: Vec::new(),
            board: Board::new(&config, Vec::new())?,
            time: TimeSource::new(config.clock, config.instructions_per_tick),
            count: 0,
            beats: 0,
            turn: Turn::first(config.quantum),
            sbi: None,
            power: Power::On,
            symbols: Symbols::default(),
            code: CodeCache::new(config.ram_size),
            shortcuts: Vec::new(),
            deadline: None,
            hashes: PageHashes::new(config.ram_size),
            statistics: Statistics::default(),
            stops: Stops::default(),
            config,
        };
        machine.power_on()?;
        Ok(machine)
    }

    /// Switches the machine off and on again: the same configuration, everything else forgotten.
    ///
    /// Counts go on; guest time and the instruction count begin again.
    pub fn reset(&mut self, host: &mut dyn Host) -> Result<(), ConfigError> {
        for slot in 0..self.board.slots.len() {
            self.board.pending.cancel_slot(host, slot);
        }
        self.arena.clear();
        self.power_on()
    }

    /// Brings everything but the arena, which is zero, into its first state.
    fn power_on(&mut self) -> Result<(), ConfigError> {
        let config = &self.config;
        let isa = IsaConfig {
            ad_update: config.ad_update,
        };
        let extensions: Vec<&str> = isa.extensions().collect();
        let plan = boot::plan(&BootInputs {
            boot: &config.boot,
            ram_size: config.ram_size,
            harts: config.harts,
            extensions: &extensions,
            mmu: Mmu::Sv57,
            rng_seed: seed_bytes(config.seed),
        })?;
        place(&mut self.arena, &plan)?;
        let start = Start::from(&plan);
        let harts = config.harts;
        let mut board = Board::new(config, plan.rom.clone())?;
        board.pending.follow(&mut self.board.pending);
        self.board = board;
        self.time = TimeSource::new(config.clock, config.instructions_per_tick);
        self.count = 0;
        self.beats = 0;
        self.turn = Turn::first(config.quantum);
        self.harts = (0..harts).map(|id| Hart::new(id, &isa)).collect();
        self.states = (0..harts).map(|_| HartState::Started).collect();
        self.sbi = None;
        self.power = Power::On;
        self.symbols = plan.symbols;
        self.code = CodeCache::new(config.ram_size);
        self.code.mark(self.stops.breakpoints());
        self.stops.forget_passes();
        self.shortcuts = (0..harts).map(|_| FetchShortcuts::default()).collect();
        self.deadline = None;
        self.hashes = PageHashes::new(config.ram_size);
        self.start(&start);
        Ok(())
    }

    /// Puts the harts where they begin.
    fn start(&mut self, start: &Start) {
        for hart in &mut self.harts {
            hart.pc = start.entry;
        }
        if start.mode == StartMode::Supervisor {
            self.sbi = Some(Sbi::default());
            for (hart, state) in self.harts.iter_mut().zip(&mut self.states) {
                sbi::prepare(hart);
                if hart.id != 0 {
                    *state = HartState::Stopped;
                }
            }
        }
        for id in 0..self.harts.len() {
            if let Some(view) = self.arena.hart(id) {
                for (register, value) in &start.registers {
                    view.x[usize::from(*register)] = *value;
                }
            }
        }
        let ram = self.arena.ram();
        for offset in self.stops.watched().chain(tohost_offset(&self.symbols)) {
            ram.set_flags(offset, PageFlags::WATCHED);
        }
    }

    /// What the real-time clock shows at the next power-on: seconds since 1970.
    pub fn set_epoch(&mut self, epoch: u64) {
        self.config.epoch = epoch;
    }

    /// The configuration that the machine was built from.
    pub fn config(&self) -> &MachineConfig {
        &self.config
    }

    /// Instructions of all harts since power-on, traps included.
    pub fn instructions(&self) -> u64 {
        self.count
    }

    /// Guest time.
    pub fn now(&self) -> Ticks {
        self.time.at(self.beats)
    }

    /// Counts of what happened.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// The embedder has the result of a request.
    pub fn complete(&mut self, token: Token, result: BlockResult) {
        self.board.pending.complete(token, result);
    }

    /// Input for a console. Returns how many bytes were taken; the rest may be offered again.
    pub fn console_input(
        &mut self,
        console: ConsoleId,
        bytes: &[u8],
        host: &mut dyn Host,
    ) -> usize {
        let taken = match console {
            ConsoleId::Uart => self.board.uart.input(bytes, &mut self.board.lines),
            ConsoleId::Virtio(nth) => self
                .console_slot(nth, host, |slot, cx| slot.console_input(bytes, cx))
                .unwrap_or(0),
        };
        self.turn.sample = true;
        taken
    }

    /// A console's window has a new size, in characters.
    pub fn console_resize(
        &mut self,
        console: ConsoleId,
        cols: u16,
        rows: u16,
        host: &mut dyn Host,
    ) {
        if let ConsoleId::Virtio(nth) = console {
            self.console_slot(nth, host, |slot, cx| slot.resize(cols, rows, cx));
            self.turn.sample = true;
        }
    }

    fn console_slot<R>(
        &mut self,
        nth: usize,
        host: &mut dyn Host,
        call: impl FnOnce(&mut Slot, &mut crate::bus::Ctx<'_>) -> R,
    ) -> Option<R> {
        let now = self.now();
        let index = self.board.slots.iter().position(|slot| {
            matches!(slot.device(), Some(DeviceKind::Console(device)) if device.config().console == nth)
        })?;
        self.board
            .with_slot(index, self.arena.ram(), now, host, call)
    }

    /// The memory between the kernel's symbols `begin_signature` and `end_signature`, if it has
    /// them and they lie in RAM.
    pub fn signature(&mut self) -> Option<Vec<u8>> {
        let (begin, end) = (self.symbols.begin_signature?, self.symbols.end_signature?);
        let len = end.checked_sub(begin)?;
        let memory = Memory::new(self.arena.ram());
        if !memory.contains(PhysAddr(begin), len) {
            return None;
        }
        let mut bytes = alloc::vec![0; len as usize];
        memory.read(PhysAddr(begin), &mut bytes).ok()?;
        Some(bytes)
    }

    /// One hash of everything that the guest could ever notice.
    pub fn digest(&mut self) -> Digest {
        let mut hasher = StateHasher::default();
        let Self {
            arena,
            harts,
            states,
            board,
            time,
            count,
            beats,
            turn,
            sbi,
            power,
            hashes,
            ..
        } = self;
        for hart in harts.iter() {
            hasher.absorb(hart);
            if let Some(view) = arena.hart(hart.id) {
                hasher.absorb(&&view.x[..32]);
                hasher.absorb(&&view.f[..32]);
                view.data.clear_writes();
            }
        }
        hasher.absorb(&(states, board, &*time, *count, *beats, &*turn, sbi, power));
        hashes.update(arena.ram());
        hashes.absorb_into(&mut hasher);
        hasher.digest()
    }

    /// Empties every cache whose content must not matter. For tests.
    pub fn drop_caches(&mut self) {
        self.code.clear_all();
        for shortcuts in &mut self.shortcuts {
            shortcuts.clear();
        }
        for id in 0..self.harts.len() {
            if let Some(view) = self.arena.hart(id) {
                view.data.clear();
            }
        }
        self.deadline = None;
    }

    /// Guest RAM, for tests and debuggers.
    pub fn memory(&mut self) -> Memory<'_> {
        Memory::new(self.arena.ram())
    }

    /// A hart's control state; for debuggers.
    pub fn hart(&self, id: usize) -> Option<&Hart> {
        self.harts.get(id)
    }

    /// A hart's integer registers; for debuggers.
    pub fn registers(&mut self, id: usize) -> Option<[u64; 32]> {
        if id >= self.harts.len() {
            return None;
        }
        let view = self.arena.hart(id)?;
        let mut registers = [0; 32];
        registers.copy_from_slice(&view.x[..32]);
        Some(registers)
    }

    /// Runs up to `budget` instructions, unless something comes up first ([`Host::is_full`] too).
    ///
    /// `now` is the embedder's time; it counts only with [`Clock::Host`], may begin anywhere, and
    /// one that goes back is ignored. How a run is cut into calls never shows in the guest.
    pub fn run(&mut self, budget: u64, now: Nanos, host: &mut dyn Host) -> Exit {
        if self.time.kind() == Clock::Host {
            self.time.sync(self.beats, now);
            self.deadline = None;
        }
        let end = self.count.saturating_add(budget);
        self.board.pending.pass_on(host);
        loop {
            if let Some(exit) = self.power.exit() {
                return exit;
            }
            if self.count >= end {
                return Exit::Budget;
            }
            if let Some(exit) = self.advance(end, host) {
                return exit;
            }
            if host.is_full() {
                return self.power.exit().unwrap_or(Exit::Budget);
            }
        }
    }
}

/// Where harts begin; what is left of a plan once memory is filled.
struct Start {
    mode: StartMode,
    entry: u64,
    registers: Vec<(u8, u64)>,
}

impl From<&Plan<'_>> for Start {
    fn from(plan: &Plan<'_>) -> Self {
        Self {
            mode: plan.mode,
            entry: plan.entry,
            registers: plan.registers.clone(),
        }
    }
}

/// Where an ELF kernel says how it ended, as an offset in RAM.
fn tohost_offset(symbols: &Symbols) -> Option<u64> {
    symbols.tohost?.checked_sub(RAM_BASE)
}

/// Writes what the plan says into RAM, which is zero.
fn place(arena: &mut Arena, plan: &Plan<'_>) -> Result<(), ConfigError> {
    let memory = Memory::new(arena.ram());
    for segment in &plan.segments {
        memory
            .write(PhysAddr(segment.load.at), &segment.load.bytes)
            .map_err(|_| ConfigError::Image {
                what: segment.what,
                reason: alloc::format!(
                    "{} bytes at {:#x} do not fit; more memory may help",
                    segment.load.bytes.len(),
                    segment.load.at
                ),
            })?;
    }
    Ok(())
}

/// The kernel's `rng-seed`: as many bytes as the device tree has, all from the machine's seed.
fn seed_bytes(seed: u64) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("virtarium rng-seed");
    hasher.update(&seed.to_le_bytes());
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests;
