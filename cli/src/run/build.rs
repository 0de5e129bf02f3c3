//! From settings to a machine and what stands behind it: files are opened here.

use std::io::Write;

use anyhow::{Context, Result, anyhow, bail};
use virtarium_machine::boot::elf;
use virtarium_machine::boot::{self, Boot};
use virtarium_machine::cpu::AdUpdate;
use virtarium_machine::error::ConfigError;
use virtarium_machine::host::{ConsoleId, SECTOR_SIZE};
use virtarium_machine::machine::{Clock, DeviceConfig, Machine, MachineConfig, SlotConfig};
use virtarium_machine::virtio::{BlockConfig, ConsoleConfig};

use super::back::{Back, NamedDisk};
use super::console::{Consoles, Output};
use crate::args::devices::{BlockArg, LoadArg, Sink};
use crate::args::run::AdUpdateArg;
use crate::expect::Expect;
use crate::host::block::chunked::ChunkedImage;
use crate::host::block::file::RawFile;
use crate::host::block::image::is_in_chunks;
use crate::host::block::memory::Forgetful;
use crate::host::block::overlay::OverlayDisk;
use crate::host::block::{Backend, Disk, ImageFormat};
use crate::host::storage::Mapping;
use crate::host::{clock, files, terminal};
use crate::settings::{DeviceKind, Firmware, Settings};

/// Columns and rows of the screen where a run is to be the same everywhere.
const FIXED_SIZE: (u16, u16) = (80, 24);

/// A machine, switched on, and what stands behind it.
pub fn build(settings: &mut Settings, screen: Box<dyn Write + Send>) -> Result<(Machine, Back)> {
    let mut slots = Vec::new();
    let mut disks = Vec::new();
    let mut outputs = vec![(ConsoleId::Uart, output(&settings.serial)?)];
    let screen_size = match settings.deterministic {
        true => FIXED_SIZE,
        false => terminal::size().unwrap_or_default(),
    };
    for device in &settings.devices {
        let kind = match &device.kind {
            DeviceKind::Block(arg) => {
                let disk = open(arg, settings.snapshot)?;
                let config = BlockConfig {
                    disk: disks.len(),
                    sectors: disk.capacity() / SECTOR_SIZE,
                    read_only: arg.read_only,
                    block_size: arg.block_size,
                    id: arg.id.clone().unwrap_or_default(),
                };
                disks.push(NamedDisk {
                    name: arg.path.display().to_string(),
                    disk,
                    reported: false,
                });
                DeviceConfig::Block(config)
            }
            DeviceKind::Console(sink) => {
                let console = outputs.len() - 1;
                outputs.push((ConsoleId::Virtio(console), output(sink)?));
                // virtio 1.2, 5.3.4: the size is that of a terminal, which a file has not; a page,
                // too, has one behind its first console only.
                let (cols, rows) = match sink {
                    Sink::Stdio => screen_size,
                    Sink::Null | Sink::File(_) => (0, 0),
                };
                DeviceConfig::Console(ConsoleConfig {
                    console,
                    cols,
                    rows,
                })
            }
            DeviceKind::Rng => DeviceConfig::Entropy,
        };
        slots.push(SlotConfig {
            slot: device.slot,
            device: kind,
        });
    }
    let defaults = MachineConfig::default();
    let config = MachineConfig {
        ram_size: settings.memory,
        harts: settings.cpus,
        clock: match settings.deterministic {
            true => Clock::Deterministic,
            false => Clock::Host,
        },
        seed: match (settings.seed, settings.deterministic) {
            (Some(seed), _) => seed,
            (None, true) => defaults.seed,
            (None, false) => getrandom::u64().context("the host's random numbers")?,
        },
        epoch: match (settings.epoch, settings.deterministic) {
            (Some(epoch), _) => epoch,
            (None, true) => defaults.epoch,
            (None, false) => clock::epoch(),
        },
        ad_update: match settings.ad_update {
            AdUpdateArg::Svadu => AdUpdate::Svadu,
            AdUpdateArg::Svade => AdUpdate::Svade,
        },
        slots,
        boot: boot(settings)?,
        ..defaults
    };
    let storage = Mapping::for_ram(settings.memory)
        .map_err(|error| anyhow!("{error}; give it less with --memory"))?;
    let machine = Machine::new(config, storage).map_err(|error| explain(settings, &error))?;
    let focus = focus(settings.append.as_deref().unwrap_or_default(), &outputs);
    let script = std::mem::take(&mut settings.script);
    let script = (!script.is_empty()).then(|| Expect::new(script));
    let back = Back {
        disks,
        consoles: Consoles::new(outputs, focus, screen, script),
        trace: None,
        warnings: Vec::new(),
    };
    Ok((machine, back))
}

/// An error of the core, with the name of the file that it is about.
fn explain(settings: &Settings, error: &ConfigError) -> anyhow::Error {
    if let ConfigError::Image { what, reason } = error {
        // The core has only their bytes: of several each may be it.
        if *what == "file to load" {
            let loads: Vec<_> = settings.loads.iter().map(LoadArg::to_string).collect();
            return anyhow!("--load {}: {reason}", loads.join(" or "));
        }
        let path = match *what {
            "kernel" => settings.kernel.as_ref(),
            "initrd" => settings.initrd.as_ref(),
            "device tree" | "dtb" => settings.dtb.as_ref(),
            "firmware" => match &settings.firmware {
                Firmware::File(path) => Some(path),
                _ => None,
            },
            _ => None,
        };
        if let Some(path) = path {
            return anyhow!("{what} {}: {reason}", path.display());
        }
    }
    anyhow!("{error}")
}

fn boot(settings: &Settings) -> Result<Boot> {
    let limit = settings.memory;
    let read = |what: &str, path: &Option<std::path::PathBuf>| {
        path.as_ref()
            .map(|path| files::read(what, path, limit))
            .transpose()
    };
    let mut loads = Vec::new();
    for load in &settings.loads {
        loads.push(self::load(load, limit)?);
    }
    Ok(Boot {
        kernel: read("kernel", &settings.kernel)?,
        initrd: read("initrd", &settings.initrd)?,
        append: settings.append.clone().unwrap_or_default(),
        dtb: read("device tree", &settings.dtb)?,
        firmware: match &settings.firmware {
            Firmware::BuiltIn => boot::Firmware::BuiltIn,
            Firmware::None => boot::Firmware::None,
            Firmware::File(path) => boot::Firmware::Image(files::read("firmware", path, limit)?),
        },
        loads,
    })
}

fn load(load: &LoadArg, limit: u64) -> Result<(u64, Vec<u8>)> {
    match load {
        LoadArg::Data { addr, bytes } => Ok((*addr, bytes.clone())),
        LoadArg::File { path, addr, raw } => {
            let bytes = files::read("--load", path, limit)?;
            let is_elf = elf::is_elf(&bytes);
            if is_elf && *raw {
                bail!(
                    "--load {}: an ELF file goes where it says; `objcopy -O binary` makes one that force-raw can place",
                    path.display()
                );
            }
            match addr {
                Some(addr) => Ok((*addr, bytes)),
                // It says by itself where it goes.
                None if is_elf => Ok((0, bytes)),
                None => bail!(
                    "--load {}: is no ELF file, so it needs addr=ADDRESS",
                    path.display()
                ),
            }
        }
    }
}

fn open(arg: &BlockArg, snapshot: bool) -> Result<Box<dyn Backend>> {
    if let Some(overlay) = &arg.overlay {
        if snapshot {
            bail!(
                "overlay {}: --snapshot forgets all writes, an overlay keeps them: leave one out",
                overlay.display()
            );
        }
        let disk = OverlayDisk::open(&arg.path, arg.format, overlay)?;
        return Ok(Box::new(disk));
    }
    let keep = !snapshot && !arg.read_only;
    let forget = snapshot && !arg.read_only;
    if !is_in_chunks(&arg.path, arg.format) {
        let raw = arg.format == ImageFormat::Raw;
        return Ok(boxed(RawFile::open(&arg.path, !keep, raw)?, forget));
    }
    let named = || format!("disk {}", arg.path.display());
    let image = ChunkedImage::open(&arg.path).with_context(named)?;
    if keep {
        bail!(
            "{}: an image in chunks is only read: add ,ro, or ,overlay=FILE or --snapshot to keep the writes elsewhere",
            named()
        );
    }
    Ok(boxed(image, forget))
}

/// A disk, whose writes are to be forgotten or not.
fn boxed(disk: impl Disk + 'static, forget: bool) -> Box<dyn Backend> {
    match forget {
        true => Box::new(Forgetful::new(Box::new(disk))),
        false => Box::new(disk),
    }
}

fn output(sink: &Sink) -> Result<Output> {
    Ok(match sink {
        Sink::Stdio => Output::Screen,
        Sink::Null => Output::Null,
        Sink::File(path) => Output::File(files::create("console file", path)?),
    })
}

/// The console that becomes `/dev/console`: the last one that the kernel's command line names.
pub fn console_of(append: &str) -> Option<ConsoleId> {
    let named = append
        .split_ascii_whitespace()
        .filter_map(|word| word.strip_prefix("console="))
        .next_back()?;
    match named.split(',').next().unwrap_or(named) {
        "hvc0" => Some(ConsoleId::Virtio(0)),
        name if name.starts_with("ttyS") => Some(ConsoleId::Uart),
        _ => None,
    }
}

/// Who is typed to at first: the console that becomes `/dev/console`; else the serial port, if it
/// is on the screen.
fn focus(append: &str, outputs: &[(ConsoleId, Output)]) -> ConsoleId {
    let named = console_of(append);
    let on_screen = |id: &ConsoleId| {
        outputs
            .iter()
            .any(|(known, output)| known == id && matches!(output, Output::Screen))
    };
    let first = outputs
        .iter()
        .find(|(_, output)| matches!(output, Output::Screen));
    named
        .filter(on_screen)
        .or(first.map(|(id, _)| *id))
        .unwrap_or(ConsoleId::Uart)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{self, Command};

    #[test]
    fn typing_goes_to_the_console_that_the_kernel_makes_its_own() {
        let both = [
            (ConsoleId::Uart, Output::Screen),
            (ConsoleId::Virtio(0), Output::Screen),
        ];
        assert_eq!(focus("console=hvc0", &both), ConsoleId::Virtio(0));
        assert_eq!(
            focus("console=hvc0 console=ttyS0,115200", &both),
            ConsoleId::Uart
        );
        assert_eq!(focus("", &both), ConsoleId::Uart);
        let one = [
            (ConsoleId::Uart, Output::Null),
            (ConsoleId::Virtio(0), Output::Screen),
        ];
        assert_eq!(focus("console=ttyS0", &one), ConsoleId::Virtio(0));
    }

    #[test]
    fn consoles_have_the_size_of_the_screen_that_they_are_on() {
        let line = "run --bios none --load addr=0x80000000,data=1,data-len=4 --memory 1M \
            --clock deterministic --console stdio --console null";
        let line = line.split_ascii_whitespace().map(Into::into).collect();
        let Command::Run(args) = args::parse(line).unwrap().command else {
            panic!("the line is one of run");
        };
        let mut settings = Settings::from_run(&args).unwrap();
        let (machine, _) = build(&mut settings, Box::new(std::io::sink())).unwrap();
        let slots = &machine.config().slots;
        let sizes = slots.iter().map(|slot| match &slot.device {
            DeviceConfig::Console(console) => (console.cols, console.rows),
            other => panic!("{other:?}"),
        });
        assert_eq!(sizes.collect::<Vec<_>>(), [FIXED_SIZE, (0, 0)]);
    }
}
