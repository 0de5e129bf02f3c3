//! `-drive`, `-device`, `-chardev`, `-serial`: options that refer to each other by name.

use anyhow::{Context, Result, bail};

use crate::args::keys::{Keys, escape};

/// What the line has defined so far.
#[derive(Debug, Default)]
pub struct Board {
    drives: Vec<Drive>,
    chardevs: Vec<Chardev>,
    /// The virtio-serial-device that waits for its port: (its id, slot).
    serial_bus: Option<(Option<String>, Option<usize>)>,
    /// Which -serial option comes next; the board has one port.
    serials: usize,
    /// Drives already seen in the second pass, to emit those that are devices themselves.
    emitted: usize,
}

#[derive(Debug)]
struct Drive {
    id: Option<String>,
    /// The native value without slot and id.
    block: String,
    /// if=none: waits for a -device.
    detached: bool,
    used: bool,
}

#[derive(Debug)]
struct Chardev {
    id: String,
    /// The native sink: stdio, null or file=PATH.
    sink: String,
}

impl Board {
    /// First pass: notes what has a name.
    pub fn collect(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "drive" => {
                let drive = drive(value)?;
                if let Some(id) = &drive.id
                    && self
                        .drives
                        .iter()
                        .any(|other| other.id.as_ref() == Some(id))
                {
                    bail!("-drive: two drives have the id {id}");
                }
                self.drives.push(drive);
            }
            "chardev" => self.chardevs.push(chardev(value)?),
            _ => {}
        }
        Ok(())
    }

    /// Second pass: our words for an option that concerns devices; `None` for any other.
    pub fn device_option(&mut self, name: &str, value: &str) -> Result<Option<Vec<String>>> {
        let words = match name {
            "drive" => {
                let drive = self.drives.get(self.emitted);
                self.emitted += 1;
                match drive {
                    Some(drive) if !drive.detached => vec![format!("--block={}", drive.block)],
                    _ => Vec::new(),
                }
            }
            "chardev" => Vec::new(),
            "serial" => self.serial(value)?,
            "mon" => self.monitor(value)?,
            "device" => self.device(value)?,
            _ => return Ok(None),
        };
        Ok(Some(words))
    }

    /// After the last option: what waits for something that did not come.
    pub fn finish(self) -> Result<()> {
        if self.serial_bus.is_some() {
            bail!("-device virtio-serial-device: needs a -device virtconsole after it");
        }
        let unused = self
            .drives
            .iter()
            .find(|drive| drive.detached && !drive.used);
        if let Some(Drive { id, block, .. }) = unused {
            match id {
                Some(id) => bail!(
                    "-drive {block},if=none,id={id}: no device uses it; add -device virtio-blk-device,drive={id}"
                ),
                None => bail!(
                    "-drive {block},if=none: needs id=NAME and a -device virtio-blk-device,drive=NAME"
                ),
            }
        }
        Ok(())
    }

    fn device(&mut self, value: &str) -> Result<Vec<String>> {
        let option = format!("-device {}", value.split(',').next().unwrap_or_default());
        let mut keys = Keys::parse(&option, value, Some("driver"))?;
        let driver = keys.take("driver")?.context("-device needs a driver")?;
        match driver.as_str() {
            "virtio-blk-device" => self.block(&option, keys),
            "virtio-serial-device" => {
                if self.serial_bus.is_some() {
                    bail!("{option}: the one before it has no -device virtconsole yet");
                }
                let id = keys.take("id")?;
                keys.take_number("max_ports")?;
                self.serial_bus = Some((id, take_bus(&option, &mut keys)?));
                done(keys, "bus, id")?;
                Ok(Vec::new())
            }
            "virtconsole" => self.console(&option, keys),
            "virtserialport" => {
                bail!("{option}: there is one port to a device; use -device virtconsole")
            }
            "virtio-rng-device" => {
                let slot = take_bus(&option, &mut keys)?;
                keys.take("id")?;
                if let Some(rng) = keys.take("rng")? {
                    bail!("{option}: rng={rng}: leave it out, the entropy comes from --seed");
                }
                done(keys, "bus, id")?;
                Ok(vec![match slot {
                    Some(slot) => format!("--rng=slot={slot}"),
                    None => "--rng".to_owned(),
                }])
            }
            "loader" => loader(&option, keys),
            _ => bail!("{option}: {}", instead_of(&driver)),
        }
    }

    fn block(&mut self, option: &str, mut keys: Keys) -> Result<Vec<String>> {
        let id = keys
            .take("drive")?
            .with_context(|| format!("{option}: needs drive=ID of a -drive"))?;
        let slot = take_bus(option, &mut keys)?;
        let serial = keys.take("serial")?;
        let size = keys.take_number("logical_block_size")?;
        keys.take("id")?;
        done(keys, "drive, bus, id, serial, logical_block_size")?;
        let Some(drive) = self
            .drives
            .iter_mut()
            .find(|drive| drive.id.as_deref() == Some(&id))
        else {
            bail!("{option}: no -drive has id={id}");
        };
        if !drive.detached {
            bail!("{option}: the drive {id} is a device already; give it if=none");
        }
        if drive.used {
            bail!("{option}: another device uses the drive {id}");
        }
        drive.used = true;
        let mut block = format!("--block={}", drive.block);
        if let Some(slot) = slot {
            block += &format!(",slot={slot}");
        }
        if let Some(serial) = serial {
            block += &format!(",id={}", escape(&serial));
        }
        if let Some(size) = size {
            block += &format!(",block-size={size}");
        }
        Ok(vec![block])
    }

    fn console(&mut self, option: &str, mut keys: Keys) -> Result<Vec<String>> {
        let Some((bus, slot)) = self.serial_bus.take() else {
            bail!("{option}: needs a -device virtio-serial-device of its own before it");
        };
        if let Some(named) = keys.take("bus")? {
            let expected = bus.map(|id| format!("{id}.0"));
            if Some(&named) != expected.as_ref() && !named.starts_with("virtio-serial") {
                bail!(
                    "{option}: bus={named}: no -device virtio-serial-device before it has that id"
                );
            }
        }
        let sink = match keys.take("chardev")? {
            Some(id) => self.sink(option, &id)?,
            None => bail!("{option}: needs chardev=ID of a -chardev (or use --console)"),
        };
        keys.take("id")?;
        keys.take("name")?;
        done(keys, "bus, chardev, id")?;
        let mut console = format!("--console={sink}");
        if let Some(slot) = slot {
            console += &format!(",slot={slot}");
        }
        Ok(vec![console])
    }

    fn serial(&mut self, value: &str) -> Result<Vec<String>> {
        self.serials += 1;
        if self.serials > 1 && !["none", "null"].contains(&value) {
            bail!("-serial {value}: the board has one serial port; a second console is --console");
        }
        let sink = match value {
            "stdio" | "mon:stdio" => "stdio".to_owned(),
            "none" | "null" => "null".to_owned(),
            _ => match (value.strip_prefix("file:"), value.strip_prefix("chardev:")) {
                (Some(path), _) => format!("file={}", escape(path)),
                (_, Some(id)) => self.sink("-serial", id)?,
                _ => bail!("-serial {value}: the port goes to stdio, null or file:PATH"),
            },
        };
        Ok(match self.serials {
            1 => vec![format!("--serial={sink}")],
            _ => Vec::new(),
        })
    }

    /// A monitor that shares the terminal with the guest is what Ctrl-A gives here.
    fn monitor(&mut self, value: &str) -> Result<Vec<String>> {
        let mut keys = Keys::parse("-mon", value, Some("chardev"))?;
        let id = keys.take("chardev")?.context("-mon needs chardev=ID")?;
        keys.take("mode")?;
        done(keys, "chardev, mode")?;
        match self.sink("-mon", &id)?.as_str() {
            "stdio" => Ok(Vec::new()),
            _ => bail!("-mon {value}: there is no monitor; leave it out"),
        }
    }

    fn sink(&self, option: &str, id: &str) -> Result<String> {
        match self.chardevs.iter().find(|chardev| chardev.id == id) {
            Some(chardev) => Ok(chardev.sink.clone()),
            None => bail!("{option}: no -chardev has id={id}"),
        }
    }
}

fn drive(value: &str) -> Result<Drive> {
    let option = format!("-drive {value}");
    let mut keys = Keys::parse(&option, value, None)?;
    let file = keys
        .take("file")?
        .with_context(|| format!("{option}: needs file=FILE"))?;
    let detached = match keys.take("if")?.as_deref() {
        Some("none") => true,
        // On this board the default is virtio.
        None | Some("virtio") => false,
        Some("pflash") => bail!("{option}: there is no flash; use --bios FILE for a firmware"),
        Some(other) => bail!("{option}: if={other}: disks are virtio; use if=none or if=virtio"),
    };
    let format = match keys.take("format")?.as_deref() {
        None => "",
        Some("raw") => ",format=raw",
        Some(other) => bail!(
            "{option}: format={other}: disks are raw files; convert it with `qemu-img convert -O raw {file} disk.raw`"
        ),
    };
    let mut read_only = false;
    for name in ["readonly", "read-only"] {
        read_only |= keys.take_flag(name)?.unwrap_or(false);
    }
    if let Some(media) = keys.take("media")?
        && media != "disk"
    {
        bail!("{option}: media={media}: disks are disks; use --block FILE,ro");
    }
    if keys.take_flag("snapshot")? == Some(true) {
        bail!("{option}: snapshot=on: use -snapshot for all disks, or --block FILE,overlay=FILE");
    }
    // These choose between ways of QEMU's to reach the same bytes. A flush of the guest's is a
    // flush of the file here, as with any of these but unsafe, and nothing is lost by that.
    for name in [
        "cache",
        "aio",
        "discard",
        "detect-zeroes",
        "werror",
        "rerror",
    ] {
        keys.take(name)?;
    }
    for name in ["index", "bus", "unit"] {
        keys.take_number(name)?;
    }
    let id = keys.take("id")?;
    done(keys, "file, if, format, id, readonly")?;
    let read_only = if read_only { ",ro" } else { "" };
    Ok(Drive {
        id,
        block: format!("path={}{format}{read_only}", escape(&file)),
        detached,
        used: false,
    })
}

fn chardev(value: &str) -> Result<Chardev> {
    let option = format!("-chardev {value}");
    let mut keys = Keys::parse(&option, value, Some("backend"))?;
    let id = keys
        .take("id")?
        .with_context(|| format!("{option}: needs id=NAME"))?;
    let path = keys.take("path")?;
    let sink = match (keys.take("backend")?.as_deref(), path) {
        (Some("stdio"), None) => "stdio".to_owned(),
        (Some("null"), None) => "null".to_owned(),
        (Some("file"), Some(path)) => format!("file={}", escape(&path)),
        (other, _) => bail!(
            "{option}: {} is not to be had; a console goes to stdio, null or file,path=PATH",
            other.unwrap_or_default()
        ),
    };
    for name in ["mux", "signal"] {
        keys.take_flag(name)?;
    }
    done(keys, "stdio, null, file, id, path, mux, signal")?;
    Ok(Chardev { id, sink })
}

fn loader(option: &str, mut keys: Keys) -> Result<Vec<String>> {
    if keys.take_number("cpu-num")?.is_some() {
        bail!(
            "{option}: cpu-num: harts start at the reset vector; use --kernel FILE or --bios FILE"
        );
    }
    if keys.take_flag("data-be")? == Some(true) {
        bail!("{option}: data-be=on: numbers are little-endian; turn the bytes of data= around");
    }
    let mut parts = Vec::new();
    if let Some(file) = keys.take("file")? {
        parts.push(format!("file={}", escape(&file)));
    }
    for name in ["addr", "data", "data-len"] {
        if let Some(number) = keys.take_number(name)? {
            parts.push(format!("{name}={number:#x}"));
        }
    }
    if keys.take_flag("force-raw")? == Some(true) {
        parts.push("force-raw".to_owned());
    }
    done(keys, "file, addr, force-raw, data, data-len")?;
    Ok(vec![format!("--load={}", parts.join(","))])
}

/// `bus=virtio-mmio-bus.N` as a slot.
fn take_bus(option: &str, keys: &mut Keys) -> Result<Option<usize>> {
    let Some(bus) = keys.take("bus")? else {
        return Ok(None);
    };
    let slot = bus.strip_prefix("virtio-mmio-bus.");
    match slot.and_then(|slot| slot.parse().ok()) {
        Some(slot @ 0..=7) => Ok(Some(slot)),
        _ => bail!("{option}: bus={bus}: the buses are virtio-mmio-bus.0 to virtio-mmio-bus.7"),
    }
}

fn done(keys: Keys, known: &str) -> Result<()> {
    keys.finish(known)
}

/// What to use for a device that is not there.
fn instead_of(driver: &str) -> &'static str {
    match driver {
        "virtio-blk-pci" | "virtio-blk" => {
            "there is no PCI; use virtio-blk-device, or --block FILE"
        }
        "virtio-rng-pci" | "virtio-rng" => "there is no PCI; use virtio-rng-device, or --rng",
        "virtio-serial-pci" | "virtio-serial" => {
            "there is no PCI; use virtio-serial-device, or --console"
        }
        "virtio-net-device" | "virtio-net-pci" | "e1000" => "there is no network yet; leave it out",
        "virtio-9p-device" | "virtio-9p-pci" => {
            "there is no shared folder yet; use a disk (--block FILE)"
        }
        "virtio-gpu-device" | "virtio-gpu-pci" | "VGA" | "bochs-display" | "ramfb" => {
            "there is no display; the console is the terminal"
        }
        "virtio-keyboard-device"
        | "virtio-mouse-device"
        | "virtio-tablet-device"
        | "virtio-keyboard-pci"
        | "virtio-mouse-pci" => "there is no display and no input device; leave it out",
        "virtio-scsi-device" | "scsi-hd" | "ide-hd" | "nvme" => {
            "use virtio-blk-device, or --block FILE"
        }
        _ => {
            "there is virtio-blk-device, virtio-serial-device with virtconsole, virtio-rng-device and loader"
        }
    }
}
