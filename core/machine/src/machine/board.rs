//! The chips behind the address map, and how a hart's access finds its way to one.

use alloc::vec::Vec;

use crate::arena::Ram;
use crate::bus::{Ctx, Device};
use crate::devices::aclint::Aclint;
use crate::devices::finisher::Finisher;
use crate::devices::plic::Plic;
use crate::devices::rom::Rom;
use crate::devices::rtc::Rtc;
use crate::devices::uart::Uart;
use crate::error::ConfigError;
use crate::host::Host;
use crate::interp::Bus;
use crate::irq::Lines;
use crate::map::{self, Chip, RTC_IRQ, UART_IRQ, VIRTIO_SLOTS};
use crate::mem::{Memory, PhysAddr, Width};
use crate::pending::{Latency, Pending};
use crate::time::Ticks;
use crate::trace::Event;
use crate::virtio::blk::Blk;
use crate::virtio::console::Console;
use crate::virtio::rng::Rng;
use crate::virtio::{DeviceKind, Slot};

use super::clock::TimeSource;
use super::debug::{Stops, WatchKind};
use super::{Clock, DeviceConfig, MachineConfig};

/// Everything on the board but harts and RAM.
#[derive(Clone, Debug, Hash)]
pub(super) struct Board {
    pub(super) rom: Rom,
    pub(super) finisher: Finisher,
    pub(super) rtc: Rtc,
    pub(super) aclint: Aclint,
    pub(super) plic: Plic,
    pub(super) uart: Uart,
    pub(super) slots: [Slot; VIRTIO_SLOTS],
    pub(super) lines: Lines,
    pub(super) pending: Pending,
}

impl Board {
    /// A board after power-on, with the configured devices plugged in.
    pub(super) fn new(config: &MachineConfig, rom: Vec<u8>) -> Result<Self, ConfigError> {
        let latency = match config.clock {
            Clock::Deterministic => config.latency,
            // With the host's clock the host's own delay is the only one.
            Clock::Host => Latency {
                base: Ticks(0),
                bytes_per_tick: u64::MAX,
            },
        };
        let mut slots = core::array::from_fn(Slot::empty);
        for (nth, slot) in config.slots.iter().enumerate() {
            if let Some(place) = slots.get_mut(slot.slot) {
                *place = Slot::new(slot.slot, device(&slot.device, config.seed, nth)?);
            }
        }
        Ok(Self {
            rom: Rom::new(rom),
            finisher: Finisher::default(),
            rtc: Rtc::new(config.epoch, RTC_IRQ),
            aclint: Aclint::new(config.harts),
            plic: Plic::new(config.harts),
            uart: Uart::new(UART_IRQ),
            slots,
            lines: Lines::default(),
            pending: Pending::new(latency),
        })
    }

    /// Calls a function of a chip with what it may use.
    pub(super) fn with<R>(
        &mut self,
        chip: Chip,
        ram: Ram<'_>,
        now: Ticks,
        host: &mut dyn Host,
        call: impl FnOnce(&mut dyn Device, &mut Ctx<'_>) -> R,
    ) -> Option<R> {
        let mut cx = Ctx {
            memory: Memory::new(ram),
            lines: &mut self.lines,
            now,
            host,
            pending: &mut self.pending,
        };
        let device: &mut dyn Device = match chip {
            Chip::Rom => &mut self.rom,
            Chip::Finisher => &mut self.finisher,
            Chip::Rtc => &mut self.rtc,
            Chip::Aclint => &mut self.aclint,
            Chip::Plic => &mut self.plic,
            Chip::Uart => &mut self.uart,
            Chip::Virtio(index) => self.slots.get_mut(index)?,
        };
        Some(call(device, &mut cx))
    }

    /// Calls a function of a virtio slot with what it may use.
    pub(super) fn with_slot<R>(
        &mut self,
        index: usize,
        ram: Ram<'_>,
        now: Ticks,
        host: &mut dyn Host,
        call: impl FnOnce(&mut Slot, &mut Ctx<'_>) -> R,
    ) -> Option<R> {
        let mut cx = Ctx {
            memory: Memory::new(ram),
            lines: &mut self.lines,
            now,
            host,
            pending: &mut self.pending,
        };
        Some(call(self.slots.get_mut(index)?, &mut cx))
    }
}

fn device(config: &DeviceConfig, seed: u64, nth: usize) -> Result<DeviceKind, ConfigError> {
    Ok(match config {
        DeviceConfig::Block(config) => DeviceKind::Block(Blk::new(config.clone())?),
        DeviceConfig::Console(config) => DeviceKind::Console(Console::new(config.clone())),
        DeviceConfig::Entropy => DeviceKind::Entropy(Rng::new(seed, nth)),
    })
}

/// The board during one run of one hart.
pub(super) struct BoardBus<'a> {
    pub(super) board: &'a mut Board,
    pub(super) ram: Ram<'a>,
    pub(super) host: &'a mut dyn Host,
    pub(super) time: &'a TimeSource,
    /// The clock's count at which this run has no steps left.
    pub(super) end: u64,
    /// Whether the clock stands still during the run.
    pub(super) still: bool,
    /// Device accesses of this run.
    pub(super) accesses: u64,
    /// The debugger's watchpoints.
    pub(super) stops: &'a Stops,
    /// Where the guest says how it ended, as an offset in RAM.
    pub(super) tohost: Option<u64>,
    /// Whether that was written.
    pub(super) told: bool,
    /// The watchpoint that was met.
    pub(super) met: Option<(u64, WatchKind)>,
}

impl BoardBus<'_> {
    /// Guest time when `left` steps of the run are not made yet.
    fn now(&self, left: u64) -> Ticks {
        let left = if self.still { 0 } else { left };
        self.time.at(self.end.saturating_sub(left))
    }

    fn trace(&mut self, at: u64, width: Width, value: u64, write: bool) {
        if self.host.traces() {
            self.host.trace(&Event::Mmio {
                at,
                width,
                value,
                write,
            });
        }
    }
}

impl Bus for BoardBus<'_> {
    fn read(&mut self, pa: u64, width: Width, left: u64) -> Option<u64> {
        let (chip, offset) = map::route(PhysAddr(pa), width)?;
        self.accesses += 1;
        let now = self.now(left);
        let value = self
            .board
            .with(chip, self.ram, now, self.host, |device, cx| {
                device.read(offset, width, cx) & width.mask()
            })?;
        self.trace(pa, width, value, false);
        Some(value)
    }

    fn write(&mut self, pa: u64, width: Width, value: u64, left: u64) -> Option<()> {
        let (chip, offset) = map::route(PhysAddr(pa), width)?;
        self.accesses += 1;
        let now = self.now(left);
        self.trace(pa, width, value, true);
        self.board
            .with(chip, self.ram, now, self.host, |device, cx| {
                device.write(offset, width, value, cx);
            })
    }

    fn fetch(&mut self, pa: u64) -> Option<u16> {
        match map::route(PhysAddr(pa), Width::B2)? {
            (Chip::Rom, offset) => Some(self.board.rom.load(offset, Width::B2) as u16),
            _ => None,
        }
    }

    fn watched(&mut self, offset: u64, len: u64, write: bool) -> bool {
        let told = write
            && self
                .tohost
                .is_some_and(|tohost| offset < tohost + 8 && tohost < offset + len);
        self.told |= told;
        let met = self.stops.met(offset, len, write);
        self.met = self.met.or(met);
        // What was met before in this run was met by the same instruction.
        told || self.met.is_some()
    }
}
