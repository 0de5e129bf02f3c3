//! What a machine is made of, field by field.

use virtarium_machine::boot::Boot;
use virtarium_machine::host::SECTOR_SIZE;
use virtarium_machine::machine::{Clock, DeviceConfig, MachineConfig};
use virtarium_machine::virtio::{BlockConfig, ConsoleConfig};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::disk::Disk;

/// A machine that is not built yet: 128 MiB, one hart, the deterministic clock, no devices.
#[wasm_bindgen]
#[derive(Default)]
pub struct MachineOptions {
    pub(crate) config: MachineConfig,
    /// In the order in which they were added.
    pub(crate) devices: Vec<DeviceConfig>,
    pub(crate) disks: Vec<Disk>,
    pub(crate) consoles: usize,
}

#[wasm_bindgen]
impl MachineOptions {
    /// See the type.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes of RAM: a multiple of 4096, at most 1.75 GiB in a page.
    #[wasm_bindgen(setter)]
    pub fn set_memory(&mut self, bytes: f64) {
        self.config.ram_size = bytes as u64;
    }

    /// 1 to 8.
    #[wasm_bindgen(setter)]
    pub fn set_harts(&mut self, harts: u32) {
        self.config.harts = harts as usize;
    }

    /// Whether guest time follows the time that `run` is given, not the instructions.
    #[wasm_bindgen(setter, js_name = hostClock)]
    pub fn set_host_clock(&mut self, host: bool) {
        self.config.clock = match host {
            true => Clock::Host,
            false => Clock::Deterministic,
        };
    }

    /// Where random bytes come from.
    #[wasm_bindgen(setter)]
    pub fn set_seed(&mut self, seed: u64) {
        self.config.seed = seed;
    }

    /// What the real-time clock shows at power-on: seconds since 1970.
    #[wasm_bindgen(setter)]
    pub fn set_epoch(&mut self, seconds: f64) {
        self.config.epoch = seconds as u64;
    }

    /// Kernel (raw, EFI zboot, gzip, zstd, ELF), initramfs and command line.
    pub fn boot(&mut self, kernel: Vec<u8>, initrd: Option<Vec<u8>>, append: String) {
        self.config.boot = Boot {
            kernel: Some(kernel),
            initrd,
            append,
            ..Boot::default()
        };
    }

    /// Adds a disk; they are numbered from 0 as they are added, and so are the guest's.
    #[wasm_bindgen(js_name = addDisk)]
    pub fn add_disk(&mut self, disk: Disk, read_only: bool, id: String) {
        self.devices.push(DeviceConfig::Block(BlockConfig {
            disk: self.disks.len(),
            sectors: disk.0.size() / SECTOR_SIZE,
            read_only,
            id,
            ..BlockConfig::default()
        }));
        self.disks.push(disk);
    }

    /// Adds a console with a terminal of this size; 0 if it has none.
    #[wasm_bindgen(js_name = addConsole)]
    pub fn add_console(&mut self, cols: u16, rows: u16) {
        self.devices.push(DeviceConfig::Console(ConsoleConfig {
            console: self.consoles,
            cols,
            rows,
        }));
        self.consoles += 1;
    }

    /// Adds a source of random bytes.
    #[wasm_bindgen(js_name = addEntropy)]
    pub fn add_entropy(&mut self) {
        self.devices.push(DeviceConfig::Entropy);
    }
}
