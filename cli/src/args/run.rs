//! `virtarium run`: what the command line says, before it is checked against anything.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgMatches, Args, ValueEnum};

use crate::image::command::Source;

use super::devices::{BlockArg, ConsoleArg, LoadArg, RngArg, Sink};
use super::units::{parse_count, parse_duration, parse_memory};

const AFTER_HELP: &str = "\
Keys in the terminal: Ctrl-A X quits, Ctrl-A H lists the others. Ctrl-C goes to the guest.

Lines written for qemu-system-riscv64 -machine virt may be pasted: their options work here, or \
the error names what to use instead.

Exit status:
  0        the guest switched itself off, or the last --expect matched
  1-123    the code that the guest ended with (higher ones count as 123)
  124      --timeout or --max-instructions was reached
  125      a mistake in the command line or a file, or the host failed
  126      an --expect was not met: the guest ended, rebooted under --no-reboot or panicked first
  128+N    ended by signal N";

/// Options of `virtarium run`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct RunArgs {
    /// The kernel: raw Image, EFI zboot Image, gzip or zstd of one, or ELF. Without it Debian's
    /// own kernel with a small shell is fetched and started
    #[arg(long, value_name = "FILE", help_heading = "What to start")]
    pub kernel: Option<PathBuf>,
    /// The initial file system that is handed to the kernel
    #[arg(long, value_name = "FILE", help_heading = "What to start")]
    pub initrd: Option<PathBuf>,
    /// The kernel's command line
    #[arg(
        long,
        value_name = "TEXT",
        allow_hyphen_values = true,
        help_heading = "What to start"
    )]
    pub append: Option<String>,
    /// A firmware for M-mode; `none` starts the kernel itself in M-mode; `default` is the
    /// built-in supervisor
    #[arg(
        long,
        value_name = "FILE|none|default",
        default_value = "default",
        help_heading = "What to start"
    )]
    pub bios: PathBuf,
    /// A guest that is fetched and built: busybox, debian, small, u-boot (see `virtarium image`)
    #[arg(long, value_name = "NAME", help_heading = "What to start")]
    pub guest: Option<String>,
    /// Where guests are fetched from.
    #[command(flatten)]
    pub source: Source,
    /// A device tree instead of the one that is made for the machine
    #[arg(long, value_name = "FILE", help_heading = "What to start")]
    pub dtb: Option<PathBuf>,
    /// Put a file (or a number: addr=A,data=V,data-len=N) into memory before the start
    #[arg(long, value_name = "FILE,addr=A", value_parser = LoadArg::parse, help_heading = "What to start")]
    pub load: Vec<LoadArg>,

    /// Memory, with K, M or G; a number alone counts MiB
    #[arg(short = 'm', long, value_name = "SIZE", default_value = "128M", value_parser = parse_memory, help_heading = "The machine")]
    pub memory: u64,
    /// Number of harts, 1 to 8
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        help_heading = "The machine"
    )]
    pub cpus: usize,
    /// A disk: path=FILE[,ro][,overlay=FILE][,format=raw|chunks][,slot=N][,id=NAME]
    /// [,block-size=N];
    /// `path=` may be left out
    #[arg(long, value_name = "FILE[,..]", value_parser = BlockArg::parse, help_heading = "The machine")]
    block: Vec<BlockArg>,
    /// A virtio console on the terminal, or [null|file=PATH][,slot=N]
    #[arg(long, value_name = "..", num_args = 0..=1, default_missing_value = "", value_parser = ConsoleArg::parse, help_heading = "The machine")]
    console: Vec<ConsoleArg>,
    /// A virtio entropy device, or [slot=N]
    #[arg(long, value_name = "..", num_args = 0..=1, default_missing_value = "", value_parser = RngArg::parse, help_heading = "The machine")]
    rng: Vec<RngArg>,
    /// Where the serial port goes: stdio, null or file=PATH
    #[arg(long, value_name = "TO", default_value = "stdio", value_parser = Sink::parse, help_heading = "The machine")]
    pub serial: Sink,
    /// Who sets accessed and dirty bits of page tables: the hardware (svadu) or the guest (svade)
    #[arg(
        long,
        value_enum,
        value_name = "WHO",
        default_value = "svadu",
        help_heading = "The machine"
    )]
    pub ad_update: AdUpdateArg,
    /// Keep no change: all writes to disks are held in memory and forgotten
    #[arg(long, help_heading = "The machine")]
    pub snapshot: bool,
    /// End when the guest reboots: exit status 0, or 126 while something is expected
    #[arg(long, help_heading = "The machine")]
    pub no_reboot: bool,

    /// `host` follows the wall clock; `deterministic` makes every run the same to the last bit.
    /// Without it: deterministic with --expect or --send, else host
    #[arg(long, value_enum, value_name = "CLOCK", help_heading = "Repeatability")]
    pub clock: Option<ClockArg>,
    /// Seed of the guest's entropy; fixed with the deterministic clock, else by chance
    #[arg(long, value_name = "N", help_heading = "Repeatability")]
    pub seed: Option<u64>,
    /// Date at the start, in seconds since 1970; fixed with the deterministic clock, else now
    #[arg(long, value_name = "SECONDS", help_heading = "Repeatability")]
    pub epoch: Option<u64>,
    /// Print a digest of the whole machine state every N instructions, on standard error
    #[arg(long, value_name = "N", value_parser = parse_count, help_heading = "Repeatability")]
    pub digest_every: Option<u64>,

    /// Wait until the guest prints what matches; in order with --send. When the last one has
    /// matched and nothing is left to send, the exit status is 0
    #[arg(
        long,
        value_name = "REGEX",
        allow_hyphen_values = true,
        help_heading = "Scripts and limits"
    )]
    expect: Vec<String>,
    /// Type text at this point; knows \n \r \t \e \0 \\ and \xHH
    #[arg(
        long,
        value_name = "TEXT",
        allow_hyphen_values = true,
        help_heading = "Scripts and limits"
    )]
    send: Vec<String>,
    /// Give up after this time (seconds, or with ms, s, m, h)
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Scripts and limits")]
    pub timeout: Option<Duration>,
    /// Give up after so many instructions of all harts
    #[arg(long, value_name = "N", value_parser = parse_count, help_heading = "Scripts and limits")]
    pub max_instructions: Option<u64>,

    /// When the guest ends, write the memory between the kernel's begin_signature and
    /// end_signature as hexadecimal lines
    #[arg(long, value_name = "FILE", help_heading = "Looking inside")]
    pub signature: Option<PathBuf>,
    /// Bytes on one line of the signature, a power of two up to 16
    #[arg(
        long,
        value_name = "N",
        default_value_t = 4,
        help_heading = "Looking inside"
    )]
    pub signature_granularity: usize,
    /// At the end, print instructions, speed and exits by cause, on standard error
    #[arg(long, help_heading = "Looking inside")]
    pub stats: bool,
    /// Write what happens to a file; what= names instructions, traps, mmio, virtqueues, joined
    /// by + (all but instructions if left out)
    #[arg(long, value_name = "FILE[,what=..]", help_heading = "Looking inside")]
    pub trace: Option<String>,
    /// Wait for gdb on a TCP address (HOST:PORT, or a port alone)
    #[arg(long, value_name = "ADDR", help_heading = "Looking inside")]
    pub gdb: Option<String>,
    /// Short for --gdb 127.0.0.1:1234
    #[arg(short = 's', conflicts_with = "gdb", help_heading = "Looking inside")]
    pub gdb_here: bool,
    /// Do not start before gdb says so
    #[arg(short = 'S', help_heading = "Looking inside")]
    pub stopped: bool,
    /// Print nothing but the guest's output and errors
    #[arg(short, long)]
    pub quiet: bool,

    /// The devices in the order of the command line.
    #[arg(skip)]
    pub devices: Vec<DeviceArg>,
    /// `--expect` and `--send` in the order of the command line.
    #[arg(skip)]
    pub script: Vec<StepArg>,
}

/// One device, as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceArg {
    /// `--block`.
    Block(BlockArg),
    /// `--console`.
    Console(ConsoleArg),
    /// `--rng`.
    Rng(RngArg),
}

/// One step of a script, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepArg {
    /// `--expect`.
    Expect(String),
    /// `--send`.
    Send(String),
}

/// `--clock`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClockArg {
    /// Time follows from the instructions.
    Deterministic,
    /// Time follows the wall clock.
    Host,
}

/// `--ad-update`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AdUpdateArg {
    /// The hardware sets the bits.
    Svadu,
    /// A page fault asks the guest to.
    Svade,
}

impl RunArgs {
    /// Brings options of several names back into the order in which they were given, which
    /// clap's fields do not keep.
    pub(super) fn restore_order(&mut self, matches: &ArgMatches) {
        let indices = |name: &str| -> Vec<usize> {
            matches
                .indices_of(name)
                .map(Iterator::collect)
                .unwrap_or_default()
        };
        let mut devices: Vec<(usize, DeviceArg)> = Vec::new();
        let blocks = self.block.drain(..).map(DeviceArg::Block);
        devices.extend(indices("block").into_iter().zip(blocks));
        let consoles = self.console.drain(..).map(DeviceArg::Console);
        devices.extend(indices("console").into_iter().zip(consoles));
        let rngs = self.rng.drain(..).map(DeviceArg::Rng);
        devices.extend(indices("rng").into_iter().zip(rngs));
        devices.sort_by_key(|(index, _)| *index);
        self.devices = devices.into_iter().map(|(_, device)| device).collect();

        let mut script: Vec<(usize, StepArg)> = Vec::new();
        let expects = self.expect.drain(..).map(StepArg::Expect);
        script.extend(indices("expect").into_iter().zip(expects));
        let sends = self.send.drain(..).map(StepArg::Send);
        script.extend(indices("send").into_iter().zip(sends));
        script.sort_by_key(|(index, _)| *index);
        self.script = script.into_iter().map(|(_, step)| step).collect();
    }
}
