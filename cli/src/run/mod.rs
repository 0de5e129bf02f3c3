//! `virtarium run`: a machine from its settings, and the loop around it.

pub mod back;
pub mod build;
pub mod configure;
pub mod console;
pub mod end;
pub mod engine;
pub mod guest;
pub mod stats;
pub mod trace;

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use virtarium_machine::host::ConsoleId;
use virtarium_machine::machine::Machine;

use crate::args::devices::{BlockArg, Sink};
use crate::args::run::RunArgs;
use crate::expect::Progress;
use crate::gdb;
use crate::host::block::ImageFormat;
use crate::host::clock::Clock;
use crate::host::{files, input, signals, terminal};
use crate::image;
use crate::settings::{Device, DeviceKind, Firmware, SLOTS, Settings, gdb_address};
use crate::suite::file::Case;
use back::Back;
use end::{End, LIMIT};
use engine::{Engine, Limits, World};
use trace::Trace;

/// The guest that is started when nothing is named.
const USUAL_GUEST: &str = "busybox";

/// Does what the command line of `virtarium run` says. Returns the exit status.
pub fn command(args: &RunArgs) -> Result<u8> {
    let mut settings = Settings::from_run(args)?;
    let mut outputs = Vec::new();
    outputs.extend(args.signature.clone().map(|path| ("--signature", path)));
    if let Some(text) = &args.trace {
        outputs.push(("--trace", trace::path(text)?));
    }
    settings.keep_inputs(outputs)?;
    let gdb = gdb_address(args)?.map(gdb::Server::open).transpose()?;
    if settings.wants_guest() || args.guest.is_some() {
        let name = args.guest.as_deref().unwrap_or(USUAL_GUEST);
        if !settings.wants_guest() {
            bail!(
                "--guest {name} brings a kernel of its own: leave out --kernel, --bios and --load"
            );
        }
        if args.guest.is_none() && !args.quiet {
            tell(&format!(
                "no --kernel was given: starting the guest {name} (Ctrl-A X quits)"
            ));
        }
        // Said before it is fetched and built, which takes minutes.
        if image::has_disk(name) && !args.snapshot {
            bail!(
                "the disk of {name} belongs to the cache: add --snapshot to forget what is \
                 written, or copy the guest with `virtarium image build {name} -o DIR`"
            );
        }
        let guest = image::guest(&args.source.clone().options(), name)?;
        debug_assert_eq!(guest.disk.is_some(), image::has_disk(name));
        // A serial port cannot tell how large the terminal is, so the guest is told at its start;
        // not where a run is to be the same everywhere.
        let size = match terminal::is_terminal() && !settings.deterministic {
            true => terminal::size(),
            false => None,
        };
        adopt(&mut settings, guest, size)?;
    }
    let script = !settings.script.is_empty();
    let (mut machine, mut back) = build::build(&mut settings, Box::new(std::io::stdout()))?;
    if let Some(text) = &args.trace {
        back.trace = Some(Trace::open(text)?);
    }
    let mut say = |text: &str| tell(text);
    let interactive = terminal::is_terminal();
    let world = world(interactive, script).context("threads for input and signals")?;
    let limits = Limits {
        timeout: settings.timeout,
        max_instructions: settings.max_instructions,
        digest_every: args.digest_every,
        no_reboot: settings.no_reboot,
        host_date: settings.epoch.is_none(),
    };
    let raw = match interactive {
        true => Some(terminal::Raw::enter().context("the terminal's raw mode")?),
        false => None,
    };
    let clock = Clock::new(settings.deterministic);
    let begin = Instant::now();
    let world = Some(world);
    let over = Arc::new(AtomicBool::new(false));
    if let Some(limit) = settings.timeout {
        watch(limit, Arc::clone(&over));
    }
    let mut engine = Engine::new(&mut machine, &mut back, world, clock, limits, &mut say);
    let end = match &gdb {
        Some(server) => server.run(&mut engine, args.stopped),
        None => engine.run(),
    };
    over.store(true, Ordering::Relaxed);
    let time = begin.elapsed();
    if std::io::stdout().is_terminal() {
        back.consoles.end_line();
    }
    drop(raw);
    if let (Some(trace), Some(text)) = (&mut back.trace, &args.trace) {
        trace.finish().with_context(|| format!("--trace {text}"))?;
    }
    finish(args, machine, &back, end, time)
}

/// Ends the program some time after a limit that the loop cannot keep to, because it waits for
/// somebody to read our output.
fn watch(limit: Duration, over: Arc<AtomicBool>) {
    signals::end_after(limit.saturating_add(signals::GRACE), move || {
        if !over.load(Ordering::Relaxed) {
            // Standard error may be as stuck as the output is.
            signals::end_after(signals::GRACE, || signals::end(LIMIT.into()));
            tell(&format!(
                "{}; nobody reads its output",
                End::TimedOut(limit)
            ));
            signals::end(LIMIT.into());
        }
    });
}

/// Builds and runs the machine of a suite's case. Returns the end and the instructions.
pub fn start_case(
    case: &Case,
    mut settings: Settings,
    screen: Box<dyn Write + Send>,
) -> Result<(End, u64)> {
    if let Some(name) = &case.keys.guest {
        adopt(
            &mut settings,
            image::guest(&image::command::Source::default().options(), name)?,
            None,
        )?;
        settings.snapshot = true;
    }
    let (mut machine, mut back) = build::build(&mut settings, screen)?;
    let limits = Limits {
        timeout: settings.timeout,
        max_instructions: settings.max_instructions,
        digest_every: None,
        no_reboot: settings.no_reboot,
        host_date: settings.epoch.is_none(),
    };
    let clock = Clock::new(settings.deterministic);
    let mut say = |text: &str| tell(&format!("{}: {text}", case.name));
    let end = Engine::new(&mut machine, &mut back, None, clock, limits, &mut say).run();
    // The machine's own count begins again when the guest reboots.
    Ok((end, machine.statistics().instructions))
}

/// What is left to do when the guest has ended.
fn finish(
    args: &RunArgs,
    mut machine: Machine,
    back: &Back,
    end: End,
    time: Duration,
) -> Result<u8> {
    if let Some(path) = &args.signature {
        let Some(bytes) = machine.signature() else {
            bail!(
                "--signature {}: the kernel has no symbols begin_signature and end_signature in memory",
                path.display()
            );
        };
        let text = signature(&bytes, args.signature_granularity);
        files::write("signature", path, text.as_bytes())?;
    }
    if args.stats {
        let table = stats::table(machine.statistics(), time);
        let _ = std::io::stderr().write_all(table.as_bytes());
    }
    if let Some(number) = end.signal() {
        if !args.quiet {
            tell(&end.to_string());
        }
        return Ok(128 + number);
    }
    if end.is_worth_a_word() {
        let open = back.consoles.script().filter(|_| {
            matches!(end, End::TimedOut(_) | End::OutOfInstructions(_))
                && back.consoles.progress() == Some(Progress::Waiting)
        });
        match open.and_then(|script| script.open()) {
            Some((step, pattern)) => {
                tell(&format!(
                    "{end}; step {step} was still expecting {pattern:?}"
                ));
            }
            None => tell(&end.to_string()),
        }
    }
    Ok(end.code())
}

/// Puts the files of a guest where the settings have none, and its disk into the highest slot
/// that is free. `size` is the terminal's, in columns and rows.
fn adopt(settings: &mut Settings, guest: image::Guest, size: Option<(u16, u16)>) -> Result<()> {
    settings.kernel = Some(guest.kernel);
    settings.initrd = settings.initrd.take().or(guest.initrd);
    settings.memory = settings.memory.max(guest.memory);
    if let Some(bios) = guest.bios {
        settings.firmware = Firmware::File(bios);
    }
    let mut append = guest.append;
    if let Some(path) = guest.disk {
        let free = (0..SLOTS)
            .rev()
            .find(|slot| settings.devices.iter().all(|device| device.slot != *slot));
        let Some(slot) = free else {
            bail!("no slot is left for the guest's disk: leave out a device");
        };
        // The kernel names disks from the highest slot downwards.
        let before = settings
            .devices
            .iter()
            .filter(|device| device.slot > slot && matches!(device.kind, DeviceKind::Block(_)));
        let letter = char::from(b'a' + before.count() as u8);
        append = append.replace("/dev/vda", &format!("/dev/vd{letter}"));
        settings.devices.push(Device {
            slot,
            kind: DeviceKind::Block(BlockArg {
                path,
                read_only: false,
                overlay: None,
                format: ImageFormat::Raw,
                slot: Some(slot),
                id: None,
                block_size: 512,
            }),
        });
    }
    let more = settings.append.clone().unwrap_or_default();
    // A boot loader that has no command line knows nothing of ours; and a virtio console tells its
    // size itself, also when the window has changed.
    if let Some((cols @ 1.., rows @ 1..)) = size
        && !append.is_empty()
        && settings.serial == Sink::Stdio
        && build::console_of(&format!("{append} {more}")) == Some(ConsoleId::Uart)
    {
        append.push_str(&format!(" virtarium.size={cols}x{rows}"));
    }
    // The kernel lets what comes later win.
    settings.append = Some(match &settings.append {
        Some(more) => format!("{append} {more}"),
        None => append,
    });
    Ok(())
}

/// Input and signals. A script types by itself; only a person's keys come beside it.
fn world(interactive: bool, script: bool) -> std::io::Result<World> {
    let (sender, events) = channel();
    signals::start(sender.clone())?;
    let leave = match script && !interactive {
        true => {
            let _ = sender.send(input::Event::InputEnd);
            None
        }
        false => Some(input::start(sender, interactive)?),
    };
    Ok(World { events, leave })
}

/// Says something beside the guest's output.
fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "virtarium: {text}");
}

/// The signature in the form that the architecture tests compare: a line for each
/// `granularity` bytes, the most significant first.
fn signature(bytes: &[u8], granularity: usize) -> String {
    let mut text = String::new();
    for word in bytes.chunks(granularity.max(1)) {
        text.extend(word.iter().rev().map(|byte| format!("{byte:02x}")));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
