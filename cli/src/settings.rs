//! What the command line and a suite's case come down to: checked, with every choice made, and
//! still without a file opened.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::args::devices::{BlockArg, ConsoleArg, LoadArg, RngArg, Sink};
use crate::args::run::{AdUpdateArg, ClockArg, DeviceArg, RunArgs, StepArg};
use crate::expect::Step;

/// virtio-mmio slots of the board.
pub const SLOTS: usize = 8;
/// The most memory in bytes: what the arena's one block may hold.
pub const MEMORY_LIMIT: u64 = 3 << 30;
/// Where gdb is waited for with `-s`, as QEMU has it.
const GDB_DEFAULT: &str = "127.0.0.1:1234";

/// A machine and what is done with it.
#[derive(Debug)]
pub struct Settings {
    /// The kernel's file.
    pub kernel: Option<PathBuf>,
    /// The initial file system's file.
    pub initrd: Option<PathBuf>,
    /// The kernel's command line, if one was given.
    pub append: Option<String>,
    /// The device tree's file.
    pub dtb: Option<PathBuf>,
    /// What runs in M-mode.
    pub firmware: Firmware,
    /// What is put into memory before the start.
    pub loads: Vec<LoadArg>,
    /// Bytes of RAM.
    pub memory: u64,
    /// Number of harts.
    pub cpus: usize,
    /// Who sets accessed and dirty bits.
    pub ad_update: AdUpdateArg,
    /// Whether time follows from the instructions.
    pub deterministic: bool,
    /// Seed of the guest's entropy, if chosen.
    pub seed: Option<u64>,
    /// Date at the start in seconds since 1970, if chosen.
    pub epoch: Option<u64>,
    /// Devices with their slots.
    pub devices: Vec<Device>,
    /// Where the serial port goes.
    pub serial: Sink,
    /// Whether writes to disks are forgotten.
    pub snapshot: bool,
    /// Whether a reboot ends the run.
    pub no_reboot: bool,
    /// What is expected and typed.
    pub script: Vec<Step>,
    /// The host's time that the run may take.
    pub timeout: Option<Duration>,
    /// The instructions that the run may take.
    pub max_instructions: Option<u64>,
}

/// What runs in M-mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// The supervisor of the core.
    BuiltIn,
    /// Nothing: the kernel starts in M-mode.
    None,
    /// A file.
    File(PathBuf),
}

impl Firmware {
    /// Reads the value of `--bios`.
    pub fn from_path(path: PathBuf) -> Self {
        match path.to_str() {
            Some("none") => Self::None,
            Some("default") => Self::BuiltIn,
            _ => Self::File(path),
        }
    }
}

/// A device in its slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// bus.N of the board, 0 to 7.
    pub slot: usize,
    /// What it is.
    pub kind: DeviceKind,
}

/// What a device is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// A disk.
    Block(BlockArg),
    /// A console, and where its output goes.
    Console(Sink),
    /// Entropy.
    Rng,
}

impl Settings {
    /// Checks the options of `virtarium run`.
    pub fn from_run(args: &RunArgs) -> Result<Self> {
        let mut script = Vec::new();
        for step in &args.script {
            script.push(match step {
                StepArg::Expect(pattern) => Step::expect(pattern, None).context("--expect")?,
                StepArg::Send(text) => Step::send(text).context("--send")?,
            });
        }
        let deterministic = match args.clock {
            Some(clock) => clock == ClockArg::Deterministic,
            None => !script.is_empty(),
        };
        let settings = Self {
            kernel: args.kernel.clone(),
            initrd: args.initrd.clone(),
            append: args.append.clone(),
            dtb: args.dtb.clone(),
            firmware: Firmware::from_path(args.bios.clone()),
            loads: args.load.clone(),
            memory: args.memory,
            cpus: args.cpus,
            ad_update: args.ad_update,
            deterministic,
            seed: args.seed,
            epoch: args.epoch,
            devices: place(&args.devices)?,
            serial: args.serial.clone(),
            snapshot: args.snapshot,
            no_reboot: args.no_reboot,
            script,
            timeout: args.timeout,
            max_instructions: args.max_instructions,
        };
        settings.check()?;
        if ![1, 2, 4, 8, 16].contains(&args.signature_granularity) {
            bail!(
                "--signature-granularity {}: 1, 2, 4, 8 or 16 bytes",
                args.signature_granularity
            );
        }
        if args.digest_every == Some(0) {
            bail!("--digest-every 0: needs at least 1 instruction");
        }
        Ok(settings)
    }

    /// Checks what the machine's own numbers must hold.
    pub fn check(&self) -> Result<()> {
        if !(1..=8).contains(&self.cpus) {
            bail!("--cpus {}: a machine has 1 to 8 harts", self.cpus);
        }
        if !self.memory.is_multiple_of(4096) || self.memory == 0 {
            bail!("--memory {}b: needs to be a multiple of 4K", self.memory);
        }
        if self.memory > MEMORY_LIMIT {
            bail!(
                "--memory {}M: a machine has at most 3G",
                self.memory.div_ceil(1 << 20)
            );
        }
        if self.kernel.is_none() && self.initrd.is_some() {
            bail!("--initrd needs --kernel: an initrd without its kernel cannot start");
        }
        if self.kernel.is_none() && self.firmware == Firmware::None && self.loads.is_empty() {
            bail!("--bios none needs --kernel or --load: there is nothing to start");
        }
        Ok(())
    }

    /// Refuses to write an output, one of these or of the consoles, over a file that is read: a
    /// disk, say, whose name was given twice.
    pub fn keep_inputs(&self, mut outputs: Vec<(&'static str, PathBuf)>) -> Result<()> {
        let mut inputs: Vec<&PathBuf> = [&self.kernel, &self.initrd, &self.dtb]
            .into_iter()
            .flatten()
            .collect();
        if let Firmware::File(path) = &self.firmware {
            inputs.push(path);
        }
        inputs.extend(self.loads.iter().filter_map(|load| match load {
            LoadArg::File { path, .. } => Some(path),
            LoadArg::Data { .. } => None,
        }));
        for device in &self.devices {
            if let DeviceKind::Block(BlockArg { path, overlay, .. }) = &device.kind {
                inputs.push(path);
                inputs.extend(overlay);
            }
        }
        if let Sink::File(path) = &self.serial {
            outputs.push(("--serial", path.clone()));
        }
        for sink in self.consoles() {
            if let Sink::File(path) = sink {
                outputs.push(("--console", path.clone()));
            }
        }
        // Devices, pipes and terminals are written to as they are.
        let same = |a: &Path, b: &Path| match (a.canonicalize(), b.canonicalize()) {
            (Ok(a), Ok(b)) => a == b && a.is_file(),
            _ => false,
        };
        for (option, output) in &outputs {
            if inputs.iter().any(|input| same(input, output)) {
                bail!(
                    "{option} {}: would be written over what this line reads; name another file",
                    output.display()
                );
            }
        }
        Ok(())
    }

    /// Whether nothing was named that could start, so that the usual guest is meant.
    pub fn wants_guest(&self) -> bool {
        self.kernel.is_none() && self.firmware == Firmware::BuiltIn && self.loads.is_empty()
    }

    /// Consoles that share the terminal besides the serial port: their numbers among the
    /// virtio consoles.
    pub fn consoles(&self) -> impl Iterator<Item = &Sink> {
        self.devices.iter().filter_map(|device| match &device.kind {
            DeviceKind::Console(sink) => Some(sink),
            _ => None,
        })
    }
}

/// Gives each device its slot: the chosen ones first, then each of the others the highest that is
/// free, in order, as QEMU fills its buses.
pub fn place(args: &[DeviceArg]) -> Result<Vec<Device>> {
    let chosen = |arg: &DeviceArg| match arg {
        DeviceArg::Block(BlockArg { slot, .. })
        | DeviceArg::Console(ConsoleArg { slot, .. })
        | DeviceArg::Rng(RngArg { slot }) => *slot,
    };
    let mut taken = [false; SLOTS];
    for slot in args.iter().filter_map(chosen) {
        match taken.get_mut(slot) {
            Some(taken) if !*taken => *taken = true,
            Some(_) => bail!("two devices in slot {slot} (virtio-mmio-bus.{slot})"),
            None => bail!("slot {slot}: a machine has the slots 0 to 7"),
        }
    }
    let mut devices = Vec::new();
    for arg in args {
        let slot = match chosen(arg) {
            Some(slot) => slot,
            None => {
                let free = taken.iter().rposition(|taken| !taken);
                let free = free.with_context(|| {
                    format!("{} devices: the board has 8 virtio-mmio slots", args.len())
                })?;
                taken[free] = true;
                free
            }
        };
        let kind = match arg {
            DeviceArg::Block(block) => DeviceKind::Block(block.clone()),
            DeviceArg::Console(console) => DeviceKind::Console(console.sink.clone()),
            DeviceArg::Rng(_) => DeviceKind::Rng,
        };
        devices.push(Device { slot, kind });
    }
    Ok(devices)
}

/// The address on which gdb is waited for, if it is.
pub fn gdb_address(args: &RunArgs) -> Result<Option<SocketAddr>> {
    let text = match (&args.gdb, args.gdb_here) {
        (Some(text), _) => text.as_str(),
        (None, true) => GDB_DEFAULT,
        (None, false) if args.stopped => {
            bail!("-S waits for gdb, and there is none to come: add -s or --gdb ADDR")
        }
        (None, false) => return Ok(None),
    };
    let plain = text.strip_prefix("tcp:").unwrap_or(text);
    let full = match plain.rsplit_once(':') {
        None => format!("127.0.0.1:{plain}"),
        Some(("" | "localhost", port)) => format!("127.0.0.1:{port}"),
        Some(_) => plain.to_owned(),
    };
    match full.parse() {
        Ok(address) => Ok(Some(address)),
        Err(_) => bail!("--gdb {text}: needs HOST:PORT with a numeric host, such as {GDB_DEFAULT}"),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::args::{Command, parse};

    fn args(line: &str) -> RunArgs {
        let words = format!("run {line}");
        let words = words.split_whitespace().map(OsString::from).collect();
        match parse(words).unwrap().command {
            Command::Run(args) => *args,
            other => panic!("{other:?}"),
        }
    }

    fn slots(line: &str) -> Result<Vec<usize>, String> {
        place(&args(line).devices)
            .map(|devices| devices.iter().map(|device| device.slot).collect())
            .map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn devices_fill_the_slots_from_the_highest() {
        assert_eq!(slots("--block a --rng --block b"), Ok(vec![7, 6, 5]));
    }

    #[test]
    fn chosen_slots_are_kept_and_the_others_go_around_them() {
        assert_eq!(slots("--block a --block b,slot=7 --rng"), Ok(vec![6, 7, 5]));
        assert_eq!(slots("--block a,slot=0"), Ok(vec![0]));
    }

    #[test]
    fn slots_run_out_and_clash() {
        let nine = "--rng ".repeat(9);
        assert!(slots(&nine).unwrap_err().contains("8 virtio-mmio slots"));
        let error = slots("--rng slot=2 --block a,slot=2").unwrap_err();
        assert!(error.contains("two devices in slot 2"), "{error}");
    }

    #[test]
    fn numbers_out_of_range_name_the_option() {
        for (line, word) in [
            ("--cpus 0", "--cpus 0"),
            ("--cpus 9", "1 to 8"),
            ("--memory 4G", "at most 3G"),
            ("--memory 1001b", "4K"),
            ("--initrd x", "--kernel"),
            ("--bios none", "nothing to start"),
            ("--digest-every 0", "at least 1"),
            ("--signature-granularity 3", "1, 2, 4, 8"),
            ("--expect (", "--expect"),
            ("--send \\q", "--send"),
        ] {
            let error = Settings::from_run(&args(line)).unwrap_err();
            let error = format!("{error:#}");
            assert!(error.contains(word), "{line}: {error}");
        }
    }

    #[test]
    fn clock_is_deterministic_for_scripts_and_the_hosts_otherwise() {
        let deterministic = |line| Settings::from_run(&args(line)).unwrap().deterministic;
        assert!(!deterministic(""));
        assert!(deterministic("--expect x"));
        assert!(!deterministic("--expect x --clock host"));
        assert!(deterministic("--clock deterministic"));
    }

    #[test]
    fn only_a_machine_without_anything_to_start_wants_the_usual_guest() {
        let wants = |line| Settings::from_run(&args(line)).unwrap().wants_guest();
        assert!(wants(""));
        assert!(wants("--block disk"));
        assert!(!wants("--kernel K"));
        assert!(!wants("--bios B"));
        assert!(!wants("--load K,addr=0x80200000"));
    }

    #[test]
    fn gdb_is_found_under_the_spellings_that_people_use() {
        let address = |line| gdb_address(&args(line)).map_err(|error| error.to_string());
        let there = |text: &str| Ok(Some(text.parse().unwrap()));
        assert_eq!(address(""), Ok(None));
        assert_eq!(address("-s"), there("127.0.0.1:1234"));
        assert_eq!(address("--gdb 99"), there("127.0.0.1:99"));
        assert_eq!(address("--gdb tcp::99"), there("127.0.0.1:99"));
        assert_eq!(address("--gdb localhost:99"), there("127.0.0.1:99"));
        assert_eq!(address("--gdb [::1]:99"), there("[::1]:99"));
        assert!(address("--gdb nowhere").is_err());
        assert!(address("-S").unwrap_err().contains("-s"));
    }
}
