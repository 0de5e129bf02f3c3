//! QEMU's options that stand alone: what each is called here, or why there is none.

use anyhow::{Result, bail};

use crate::args::keys::Keys;

/// What an option of QEMU's becomes.
enum Here {
    /// Our option of this name, with the same value.
    Same(&'static str),
    /// A switch of ours.
    Switch(&'static str),
    /// Something that needs a look at the value.
    Read(fn(&str) -> Result<Vec<String>>),
    /// Handled together with the other devices.
    Device,
    /// Not to be had; the text names what to use instead.
    Refused(&'static str),
}

/// (name, whether a value follows, what it becomes)
const TABLE: &[(&str, bool, Here)] = &[
    ("machine", true, Here::Read(machine)),
    ("M", true, Here::Read(machine)),
    ("cpu", true, Here::Read(cpu)),
    ("accel", true, Here::Read(accel)),
    ("kernel", true, Here::Same("--kernel")),
    ("initrd", true, Here::Same("--initrd")),
    ("append", true, Here::Same("--append")),
    ("dtb", true, Here::Same("--dtb")),
    ("bios", true, Here::Same("--bios")),
    ("m", true, Here::Read(memory)),
    ("smp", true, Here::Read(smp)),
    ("gdb", true, Here::Same("--gdb")),
    ("seed", true, Here::Same("--seed")),
    ("no-reboot", false, Here::Switch("--no-reboot")),
    ("snapshot", false, Here::Switch("--snapshot")),
    ("nographic", false, Here::Read(nothing)),
    ("display", true, Here::Read(display)),
    ("monitor", true, Here::Read(monitor)),
    ("global", true, Here::Read(global)),
    ("nic", true, Here::Read(network)),
    ("net", true, Here::Read(network)),
    ("vga", true, Here::Read(vga)),
    ("drive", true, Here::Device),
    ("device", true, Here::Device),
    ("chardev", true, Here::Device),
    ("serial", true, Here::Device),
    ("mon", true, Here::Device),
    (
        "netdev",
        true,
        Here::Refused("there is no network yet; leave it out"),
    ),
    ("hda", true, Here::Refused("use --block FILE")),
    ("hdb", true, Here::Refused("use --block FILE a second time")),
    (
        "sd",
        true,
        Here::Refused("there is no SD card; use --block FILE"),
    ),
    (
        "pflash",
        true,
        Here::Refused("there is no flash; use --bios FILE for a firmware"),
    ),
    ("cdrom", true, Here::Refused("use --block FILE,ro")),
    (
        "blockdev",
        true,
        Here::Refused("use --block FILE, or -drive with if=none,format=raw"),
    ),
    (
        "fsdev",
        true,
        Here::Refused("there is no shared folder yet; use a disk (--block FILE)"),
    ),
    (
        "virtfs",
        true,
        Here::Refused("there is no shared folder yet; use a disk (--block FILE)"),
    ),
    ("icount", true, Here::Refused("use --clock deterministic")),
    (
        "rtc",
        true,
        Here::Refused("use --epoch SECONDS or --clock deterministic"),
    ),
    (
        "d",
        true,
        Here::Refused("use --trace FILE[,what=instructions+traps+mmio+virtqueues]"),
    ),
    ("D", true, Here::Refused("use --trace FILE")),
    (
        "trace",
        true,
        Here::Refused("use --trace FILE (two dashes)"),
    ),
    (
        "object",
        true,
        Here::Refused("give --rng alone: the entropy comes from --seed"),
    ),
    (
        "semihosting",
        false,
        Here::Refused("end the guest through the test finisher at 0x100000 or SBI SRST"),
    ),
    (
        "semihosting-config",
        true,
        Here::Refused("end the guest through the test finisher at 0x100000 or SBI SRST"),
    ),
    (
        "no-shutdown",
        false,
        Here::Refused("leave it out: the program ends with the guest"),
    ),
    (
        "no-acpi",
        false,
        Here::Refused("leave it out: there is no ACPI"),
    ),
    (
        "nodefaults",
        false,
        Here::Refused(
            "leave it out, and name devices with --block, --console, --rng; --serial null silences the serial port",
        ),
    ),
    (
        "enable-kvm",
        false,
        Here::Refused("leave it out: the machine is interpreted"),
    ),
    (
        "daemonize",
        false,
        Here::Refused("leave it out, and start it in the background with your shell"),
    ),
    (
        "pidfile",
        true,
        Here::Refused("leave it out; your shell knows the process"),
    ),
    (
        "name",
        true,
        Here::Refused("leave it out: machines have no names"),
    ),
    ("uuid", true, Here::Refused("leave it out")),
    (
        "boot",
        true,
        Here::Refused("use --kernel FILE or --bios FILE"),
    ),
    (
        "loadvm",
        true,
        Here::Refused("there are no snapshots of a running machine yet; leave it out"),
    ),
    (
        "qmp",
        true,
        Here::Refused("there is no control socket; use --expect and --send, or virtarium test"),
    ),
    (
        "parallel",
        true,
        Here::Refused("there is no parallel port; leave it out"),
    ),
    ("usb", false, Here::Refused("there is no USB; leave it out")),
    (
        "usbdevice",
        true,
        Here::Refused("there is no USB; leave it out"),
    ),
    (
        "vnc",
        true,
        Here::Refused("there is no display; leave it out"),
    ),
    (
        "spice",
        true,
        Here::Refused("there is no display; leave it out"),
    ),
    (
        "full-screen",
        false,
        Here::Refused("there is no display; leave it out"),
    ),
    (
        "audiodev",
        true,
        Here::Refused("there is no sound; leave it out"),
    ),
    (
        "readconfig",
        true,
        Here::Refused("give the options on the command line"),
    ),
    (
        "mem-path",
        true,
        Here::Refused("leave it out: memory is the process's own"),
    ),
    (
        "mem-prealloc",
        false,
        Here::Refused("leave it out: memory is the process's own"),
    ),
    (
        "numa",
        true,
        Here::Refused("there is one memory node; leave it out"),
    ),
    ("msg", true, Here::Refused("leave it out")),
    ("plugin", true, Here::Refused("use --trace FILE or --stats")),
    (
        "singlestep",
        false,
        Here::Refused("leave it out, or use --gdb ADDR"),
    ),
    ("preconfig", false, Here::Refused("use -S with --gdb ADDR")),
    (
        "watchdog",
        true,
        Here::Refused("there is no watchdog; --timeout ends a guest that hangs"),
    ),
];

fn find(name: &str) -> Option<&'static (&'static str, bool, Here)> {
    TABLE.iter().find(|(known, ..)| *known == name)
}

/// Whether a value follows the option `name` (without dashes), or `None` if QEMU's is not known.
pub fn takes_value(name: &str) -> Option<bool> {
    find(name).map(|(_, takes, _)| *takes)
}

/// Our words for an option that is not a device.
pub fn translate(name: &str, value: &str) -> Result<Vec<String>> {
    match find(name).map(|(.., here)| here) {
        Some(Here::Same(option)) => Ok(vec![format!("{option}={value}")]),
        Some(Here::Switch(option)) => Ok(vec![(*option).to_owned()]),
        Some(Here::Read(read)) => read(value),
        Some(Here::Refused(instead)) => bail!("-{name} does not exist here: {instead}"),
        Some(Here::Device) | None => bail!("{}", refusal(name)),
    }
}

/// The error for an option that nobody knows: it names the nearest one.
pub fn refusal(name: &str) -> String {
    let near = TABLE
        .iter()
        .filter(|(.., here)| !matches!(here, Here::Refused(_)))
        .map(|(known, ..)| (distance(name, known), *known))
        .min()
        .filter(|(distance, known)| *distance <= 2 && *distance < known.len());
    match near {
        Some((_, known)) => format!("-{name} is not an option; did you mean -{known}?"),
        None => format!("-{name} is not an option; `virtarium run --help` lists what there is"),
    }
}

/// Edits (insert, delete, replace) between two short words; a word is at most one argument long.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for (pair, cb) in row.windows(2).zip(&b) {
            let replaced = pair[0] + usize::from(ca != *cb);
            left = replaced.min(pair[1] + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

fn nothing(_: &str) -> Result<Vec<String>> {
    Ok(Vec::new())
}

fn machine(value: &str) -> Result<Vec<String>> {
    let mut keys = Keys::parse("-machine", value, Some("type"))?;
    match keys.take("type")?.as_deref() {
        Some("virt") | None => {}
        Some(other) => bail!("-machine {other}: there is one board here, virt"),
    }
    // The test machine's timer and software interrupts are an ACLINT whatever this says; the
    // registers are the CLINT's.
    keys.take_flag("aclint")?;
    if keys.take_flag("acpi")? == Some(true) {
        bail!("-machine acpi=on: there is no ACPI; the guest gets a device tree");
    }
    if let Some(aia) = keys.take("aia")?.filter(|aia| aia != "none") {
        bail!("-machine aia={aia}: interrupts come through the PLIC; leave it out");
    }
    if let Some(name) = keys.take("accel")? {
        accel(&name)?;
    }
    if let Some(part) = keys.rest() {
        bail!("-machine {part}: not known here; leave it out");
    }
    Ok(Vec::new())
}

fn accel(value: &str) -> Result<Vec<String>> {
    match value.split([',', ':']).next() {
        Some("tcg") => Ok(Vec::new()),
        _ => bail!("-accel {value}: the machine is interpreted; leave it out"),
    }
}

/// Extensions that are there whatever the model of the CPU is called.
const EXTENSIONS: &[&str] = &[
    "i",
    "m",
    "a",
    "f",
    "d",
    "c",
    "zicsr",
    "zifencei",
    "zicntr",
    "zihpm",
    "zba",
    "zbb",
    "zbs",
    "zicond",
    "zicbom",
    "zicboz",
    "zicbop",
    "zihintpause",
    "zawrs",
    "sstc",
    "svinval",
    "svpbmt",
    "svnapot",
    "s",
    "u",
    "mmu",
    "pmp",
    "sv39",
    "sv48",
    "sv57",
];

/// Extensions that QEMU has and this machine has not: switching them off asks for nothing.
const ABSENT: &[&str] = &[
    "h",
    "v",
    "zfa",
    "zfh",
    "zfhmin",
    "zcb",
    "zcmp",
    "zcmt",
    "zacas",
    "zabha",
    "zbc",
    "zbkb",
    "zbkc",
    "zbkx",
    "zk",
    "zkn",
    "zks",
    "zkr",
    "zicfilp",
    "zicfiss",
    "zimop",
    "zcmop",
    "smaia",
    "ssaia",
    "smstateen",
    "smepmp",
    "smrnmi",
    "ssdbltrp",
    "smdbltrp",
    "sscofpmf",
    "sdtrig",
];

fn cpu(value: &str) -> Result<Vec<String>> {
    let mut keys = Keys::parse("-cpu", value, Some("model"))?;
    match keys.take("model")?.as_deref() {
        Some("rv64" | "max") => {}
        other => bail!(
            "-cpu {}: the CPU is rv64 with what RVA22 asks for; use -cpu rv64 or leave it out",
            other.unwrap_or_default()
        ),
    }
    let svade = keys.take_flag("svade")?;
    let svadu = keys.take_flag("svadu")?;
    for name in EXTENSIONS {
        if keys.take_flag(name)? == Some(false) {
            bail!("-cpu {name}=off: {name} is always there; leave it out");
        }
    }
    for name in ABSENT {
        if keys.take_flag(name)? == Some(true) {
            bail!("-cpu {name}=on: {name} is not there yet; leave it out");
        }
    }
    if let Some(part) = keys.rest() {
        bail!("-cpu {part}: not known here; leave it out");
    }
    // Both, as QEMU has it for `max`, means that the firmware chooses: here hardware updates.
    Ok(match (svade, svadu) {
        (Some(true), Some(false) | None) | (None, Some(false)) => {
            vec!["--ad-update=svade".to_owned()]
        }
        _ => Vec::new(),
    })
}

fn memory(value: &str) -> Result<Vec<String>> {
    let mut keys = Keys::parse("-m", value, Some("size"))?;
    let Some(size) = keys.take("size")? else {
        bail!("-m {value}: needs a size, such as 128M");
    };
    if let Some(part) = keys.rest() {
        bail!("-m {part}: memory cannot be added later; leave it out");
    }
    Ok(vec![format!("--memory={size}")])
}

fn smp(value: &str) -> Result<Vec<String>> {
    let mut keys = Keys::parse("-smp", value, Some("cpus"))?;
    let cpus = keys.take_number("cpus")?;
    let mut product = 1_u64;
    let mut shape = false;
    for name in ["sockets", "clusters", "cores", "threads"] {
        if let Some(count) = keys.take_number(name)? {
            shape = true;
            product = product.saturating_mul(count);
        }
    }
    let most = keys.take_number("maxcpus")?;
    if let Some(part) = keys.rest() {
        bail!("-smp {part}: not known here; use --cpus N");
    }
    let count = match cpus {
        Some(count) => count,
        None if shape => product,
        None => bail!("-smp {value}: needs a number; use --cpus N"),
    };
    if most.is_some_and(|most| most != count) {
        bail!("-smp {value}: harts cannot be added later; use --cpus {count}");
    }
    Ok(vec![format!("--cpus={count}")])
}

fn display(value: &str) -> Result<Vec<String>> {
    match value {
        "none" => Ok(Vec::new()),
        _ => bail!("-display {value}: there is no display; use -display none or -nographic"),
    }
}

fn vga(value: &str) -> Result<Vec<String>> {
    match value {
        "none" => Ok(Vec::new()),
        _ => bail!("-vga {value}: there is no display; leave it out"),
    }
}

fn monitor(value: &str) -> Result<Vec<String>> {
    match value {
        "none" | "null" => Ok(Vec::new()),
        _ => bail!(
            "-monitor {value}: there is no monitor; use -monitor none (Ctrl-A H lists the keys, --gdb looks inside)"
        ),
    }
}

fn network(value: &str) -> Result<Vec<String>> {
    match value {
        "none" => Ok(Vec::new()),
        _ => bail!("network {value}: there is no network yet; leave it out"),
    }
}

fn global(value: &str) -> Result<Vec<String>> {
    match value {
        "virtio-mmio.force-legacy=false" | "virtio-mmio.force-legacy=off" => Ok(Vec::new()),
        "virtio-mmio.force-legacy=true" | "virtio-mmio.force-legacy=on" => bail!(
            "-global {value}: devices are virtio-mmio version 2; use -global virtio-mmio.force-legacy=false"
        ),
        _ => bail!("-global {value}: not known here; leave it out"),
    }
}
