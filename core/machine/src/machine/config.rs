//! What a machine is made from: plain data about the guest, and nothing about the host.

use alloc::string::String;
use alloc::vec::Vec;

use crate::arena::MAX_HARTS;
use crate::boot::Boot;
use crate::cpu::AdUpdate;
use crate::error::ConfigError;
use crate::map::{MAX_RAM, VIRTIO_SLOTS};
use crate::pending::Latency;
use crate::virtio::{BlockConfig, ConsoleConfig};

/// What drives guest time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum Clock {
    /// Retired instructions: two runs are identical to the last bit, and an idle machine jumps
    /// to its next deadline.
    #[default]
    Deterministic,
    /// The time that the embedder passes to `run`.
    Host,
}

/// A device in a virtio-mmio slot.
#[derive(Clone, Debug)]
pub struct SlotConfig {
    /// 0 to 7: `bus=virtio-mmio-bus.N` of QEMU, at 0x1000_1000 + N * 0x1000.
    pub slot: usize,
    /// What is plugged in.
    pub device: DeviceConfig,
}

/// The virtio devices that there are.
#[derive(Clone, Debug)]
pub enum DeviceConfig {
    /// A disk.
    Block(BlockConfig),
    /// A console.
    Console(ConsoleConfig),
    /// A source of random bytes.
    Entropy,
}

/// Everything about the guest.
#[derive(Clone, Debug)]
pub struct MachineConfig {
    /// Bytes of RAM: a multiple of 4096, at most 3 GiB.
    pub ram_size: u64,
    /// 1 to 8.
    pub harts: usize,
    /// How many instructions a hart runs in its turn, where there are several.
    pub quantum: u64,
    /// What drives guest time.
    pub clock: Clock,
    /// Instructions in a tick of 100 ns: the speed that the deterministic clock pretends.
    pub instructions_per_tick: u64,
    /// Where entropy and the kernel's `rng-seed` come from.
    pub seed: u64,
    /// What the real-time clock shows at power-on: seconds since 1970.
    pub epoch: u64,
    /// Who updates accessed and dirty bits.
    pub ad_update: AdUpdate,
    /// How long requests take with the deterministic clock.
    pub latency: Latency,
    /// Virtio devices.
    pub slots: Vec<SlotConfig>,
    /// What to load and start.
    pub boot: Boot,
}

impl Default for MachineConfig {
    /// 128 MiB, one hart, the deterministic clock, no devices, nothing to start.
    fn default() -> Self {
        Self {
            ram_size: 128 << 20,
            harts: 1,
            quantum: 5_000,
            clock: Clock::Deterministic,
            instructions_per_tick: 32,
            seed: 0,
            // 2025-01-01
            epoch: 1_735_689_600,
            ad_update: AdUpdate::default(),
            latency: Latency::default(),
            slots: Vec::new(),
            boot: Boot::default(),
        }
    }
}

impl MachineConfig {
    /// Checks every field that the machine itself depends on.
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if self.ram_size > MAX_RAM {
            return Err(ConfigError::MemorySize {
                bytes: self.ram_size,
            });
        }
        if self.harts == 0 || self.harts > MAX_HARTS {
            return Err(ConfigError::Harts { count: self.harts });
        }
        let positive = [
            ("quantum", self.quantum),
            ("instructions_per_tick", self.instructions_per_tick),
            ("latency.bytes_per_tick", self.latency.bytes_per_tick),
        ];
        for (field, value) in positive {
            if value == 0 {
                return Err(ConfigError::Field {
                    field,
                    reason: String::from("0: needs to be at least 1"),
                });
            }
        }
        let mut taken = [false; VIRTIO_SLOTS];
        for SlotConfig { slot, .. } in &self.slots {
            let reason = match taken.get_mut(*slot) {
                None => "there are slots 0 to 7",
                Some(true) => "already taken by another device",
                Some(free) => {
                    *free = true;
                    continue;
                }
            };
            return Err(ConfigError::Slot {
                slot: *slot,
                reason,
            });
        }
        Ok(())
    }
}
