//! The loop, around a machine that does as told.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use virtarium_machine::host::{
    BlockError, BlockRequest, ConsoleId, Host, SECTOR_SIZE, Submitted, Token,
};
use virtarium_machine::machine::Halt;
use virtarium_machine::time::Nanos;

use super::back::{Back, NamedDisk};
use super::console::{Consoles, Output};
use super::end::{End, Unmet};
use super::engine::{Engine, Limits, Turn, World};
use super::guest::{Exit, Guest};
use crate::expect::{Expect, Step};
use crate::host::block::ImageFormat;
use crate::host::block::overlay::OverlayDisk;
use crate::host::clock::{self, Clock};
use crate::host::input::{Event, Key};

/// What the machine does in one slice.
enum Act {
    Print(&'static str),
    Exit(Exit),
    /// Idle for as many milliseconds from now.
    Nap(u64),
    /// A debugger's stop after as many instructions.
    Halt(u64),
}

#[derive(Default)]
struct Puppet {
    acts: VecDeque<Act>,
    typed: Vec<u8>,
    /// Bytes it takes at once.
    takes: usize,
    instructions: u64,
    /// What each reset set the clock to.
    resets: Vec<Option<u64>>,
    slices: usize,
    /// The counts at which something was typed.
    typed_at: Vec<u64>,
}

impl Guest for Puppet {
    fn run(&mut self, budget: u64, now: Nanos, host: &mut dyn Host) -> Exit {
        self.slices += 1;
        match self.acts.pop_front() {
            Some(Act::Print(text)) => {
                self.instructions += budget;
                host.console(ConsoleId::Uart, text.as_bytes());
                Exit::Budget
            }
            Some(Act::Exit(exit)) => exit,
            Some(Act::Halt(count)) => {
                self.instructions += count;
                Exit::Halted(Halt::Step { hart: 0 })
            }
            Some(Act::Nap(ms)) => Exit::Idle(Some(Nanos(now.0 + ms * 1_000_000))),
            None => {
                self.instructions += budget;
                Exit::Budget
            }
        }
    }

    fn console_input(&mut self, _: ConsoleId, bytes: &[u8], _: &mut dyn Host) -> usize {
        let taken = bytes.len().min(self.takes);
        self.typed.extend(&bytes[..taken]);
        self.typed_at.push(self.instructions);
        taken
    }

    fn console_resize(&mut self, _: ConsoleId, _: (u16, u16), _: &mut dyn Host) {}

    fn reset(&mut self, epoch: Option<u64>, _: &mut dyn Host) -> anyhow::Result<()> {
        self.resets.push(epoch);
        self.instructions = 0;
        Ok(())
    }

    fn instructions(&self) -> u64 {
        self.instructions
    }

    fn digest(&mut self) -> String {
        "d".to_owned()
    }

    fn describe_next(&mut self) -> String {
        String::new()
    }
}

#[derive(Clone, Default)]
struct Record(Arc<Mutex<Vec<u8>>>);

impl Write for Record {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Stage {
    puppet: Puppet,
    script: Vec<Step>,
    limits: Limits,
    deterministic: bool,
    world: Option<World>,
    screen: Record,
    said: Vec<String>,
}

impl Stage {
    fn new(acts: Vec<Act>) -> Self {
        Self {
            puppet: Puppet {
                acts: acts.into(),
                takes: 1000,
                ..Puppet::default()
            },
            script: Vec::new(),
            // So that a loop that does not end is a failure and not a hang.
            limits: Limits {
                max_instructions: Some(1 << 30),
                timeout: Some(Duration::from_secs(20)),
                ..Limits::default()
            },
            deterministic: false,
            world: None,
            screen: Record::default(),
            said: Vec::new(),
        }
    }

    fn script(mut self, steps: &[&str]) -> Self {
        self.script = steps
            .iter()
            .map(|step| match step.strip_prefix('>') {
                Some(text) => Step::send(text).unwrap(),
                None => Step::expect(step, None).unwrap(),
            })
            .collect();
        self
    }

    fn world(&mut self) -> Sender<Event> {
        let (sender, events) = channel();
        self.world = Some(World {
            events,
            leave: None,
        });
        sender
    }

    fn run(&mut self) -> End {
        let script = std::mem::take(&mut self.script);
        let script = (!script.is_empty()).then(|| Expect::new(script));
        let outputs = vec![(ConsoleId::Uart, Output::Screen)];
        let screen = Box::new(self.screen.clone());
        let mut back = Back {
            disks: Vec::new(),
            consoles: Consoles::new(outputs, ConsoleId::Uart, screen, script),
            trace: None,
            warnings: Vec::new(),
        };
        let mut say = |text: &str| self.said.push(text.to_owned());
        Engine::new(
            &mut self.puppet,
            &mut back,
            self.world.take(),
            Clock::new(self.deterministic),
            self.limits.clone(),
            &mut say,
        )
        .run()
    }
}

use Act::{Nap, Print};

fn exit(exit: Exit) -> Act {
    Act::Exit(exit)
}

#[test]
fn output_is_shown_and_the_guests_code_is_ours() {
    let mut stage = Stage::new(vec![Print("hello\n"), exit(Exit::PowerOff(3))]);
    let end = stage.run();
    assert_eq!(end, End::PowerOff(3));
    assert_eq!(end.code(), 3);
    assert_eq!(*stage.screen.0.lock().unwrap(), b"hello\n");
}

#[test]
fn script_is_answered_and_ends_the_run() {
    let acts = vec![Print("login: "), Print("root\n# "), exit(Exit::PowerOff(0))];
    let mut stage = Stage::new(acts).script(&["login:", ">root\\n", "# "]);
    assert_eq!(stage.run(), End::Matched);
    assert_eq!(stage.puppet.typed, b"root\n");
}

#[test]
fn text_at_the_end_of_a_script_leaves_the_end_to_the_guest() {
    let acts = vec![Print("# "), Print("bye"), exit(Exit::PowerOff(7))];
    let mut stage = Stage::new(acts).script(&["# ", ">poweroff\\n"]);
    assert_eq!(stage.run(), End::PowerOff(7));
    assert_eq!(stage.puppet.typed, b"poweroff\n");
}

#[test]
fn what_ends_the_guest_before_its_expectation_is_126() {
    for (act, why) in [
        (exit(Exit::PowerOff(0)), Unmet::PowerOff(0)),
        (exit(Exit::Reset), Unmet::Rebooted),
        (Print("Kernel panic - not syncing: x"), Unmet::Panicked),
        (exit(Exit::Idle(None)), Unmet::Asleep),
    ] {
        let mut stage = Stage::new(vec![Print("x"), act]).script(&["never"]);
        stage.limits.no_reboot = true;
        let end = stage.run();
        let pattern = "never".to_owned();
        assert_eq!(
            end,
            End::Unmet {
                step: 1,
                pattern,
                why
            }
        );
        assert_eq!(end.code(), 126);
    }
}

#[test]
fn match_in_the_last_output_counts_although_the_guest_ended() {
    struct Last;
    impl Guest for Last {
        fn run(&mut self, _: u64, _: Nanos, host: &mut dyn Host) -> Exit {
            host.console(ConsoleId::Uart, b"done");
            Exit::PowerOff(0)
        }
        fn console_input(&mut self, _: ConsoleId, bytes: &[u8], _: &mut dyn Host) -> usize {
            bytes.len()
        }
        fn console_resize(&mut self, _: ConsoleId, _: (u16, u16), _: &mut dyn Host) {}
        fn reset(&mut self, _: Option<u64>, _: &mut dyn Host) -> anyhow::Result<()> {
            Ok(())
        }
        fn instructions(&self) -> u64 {
            0
        }
        fn digest(&mut self) -> String {
            String::new()
        }
        fn describe_next(&mut self) -> String {
            String::new()
        }
    }
    let script = Expect::new(vec![Step::expect("done", None).unwrap()]);
    let outputs = vec![(ConsoleId::Uart, Output::Screen)];
    let screen = Box::new(Record::default());
    let mut back = Back {
        disks: Vec::new(),
        consoles: Consoles::new(outputs, ConsoleId::Uart, screen, Some(script)),
        trace: None,
        warnings: Vec::new(),
    };
    let mut say = |_: &str| {};
    let clock = Clock::new(true);
    let limits = Limits::default();
    let end = Engine::new(&mut Last, &mut back, None, clock, limits, &mut say).run();
    assert_eq!(end, End::Matched);
}

#[test]
fn reset_is_a_power_cycle_unless_it_is_to_end() {
    let acts = || vec![exit(Exit::Reset), exit(Exit::PowerOff(0))];
    let mut stage = Stage::new(acts());
    assert_eq!(stage.run(), End::PowerOff(0));
    assert_eq!(stage.puppet.resets.len(), 1);
    let mut stage = Stage::new(acts());
    stage.limits.no_reboot = true;
    assert_eq!(stage.run(), End::Rebooted);
    assert_eq!(stage.puppet.resets.len(), 0);
}

#[test]
fn reset_tells_the_date_again_where_it_is_the_hosts() {
    let before = clock::epoch();
    for (host_date, deterministic) in [(true, false), (false, false), (true, true)] {
        let mut stage = Stage::new(vec![exit(Exit::Reset), exit(Exit::PowerOff(0))]);
        stage.limits.host_date = host_date;
        stage.deterministic = deterministic;
        assert_eq!(stage.run(), End::PowerOff(0));
        match stage.puppet.resets[..] {
            [Some(epoch)] => assert!(
                host_date && !deterministic && (before..=clock::epoch()).contains(&epoch),
                "{epoch}"
            ),
            [None] => assert!(!host_date || deterministic),
            ref resets => panic!("{resets:?}"),
        }
    }
}

#[test]
fn instructions_are_limited_however_often_the_guest_reboots() {
    // Each life takes some instructions, and no script gets a slice to its end.
    let life = || [Act::Print("boot\n"), exit(Exit::Reset)];
    let mut stage = Stage::new((0..100).flat_map(|_| life()).collect());
    stage.limits.max_instructions = Some(3_000_000);
    assert_eq!(stage.run(), End::OutOfInstructions(3_000_000));
    let lives = stage.puppet.resets.len() as u64;
    assert_eq!(lives, 3_000_000 / (1 << 19));
    assert_eq!(stage.puppet.instructions, 3_000_000 % (1 << 19));
}

#[test]
fn limits_end_the_run_exactly() {
    let mut stage = Stage::new(vec![]);
    stage.limits.max_instructions = Some(1_000_001);
    assert_eq!(stage.run(), End::OutOfInstructions(1_000_001));
    assert_eq!(stage.puppet.instructions, 1_000_001);
    let mut stage = Stage::new(vec![exit(Exit::Idle(None))]);
    let _events = stage.world();
    stage.limits.timeout = Some(Duration::from_millis(30));
    assert_eq!(stage.run().code(), 124);
}

#[test]
fn step_has_its_own_time() {
    let mut stage = Stage::new(vec![Nap(10_000)]);
    stage.script = vec![Step::expect("x", Some(Duration::from_millis(30))).unwrap()];
    let start = Instant::now();
    let end = stage.run();
    assert_eq!(end.code(), 126, "{end:?}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn text_is_typed_at_the_same_counts_whatever_stops_the_machine() {
    let typed_at = |halts: &[u64]| {
        let mut stage = Stage::new(halts.iter().copied().map(Act::Halt).collect());
        stage.puppet.takes = 1;
        stage.deterministic = true;
        stage.limits.max_instructions = Some(5 << 19);
        let events = stage.world();
        events.send(Event::Input(b"abcdefgh".to_vec())).unwrap();
        stage.run();
        stage.puppet.typed_at
    };
    let undisturbed = typed_at(&[]);
    assert!(undisturbed.len() > 3, "{undisturbed:?}");
    // At once, in the middle, and more than once where a slice ends.
    assert_eq!(
        typed_at(&[0, 0, 1000, (1 << 19) - 1000, 0, 0, 5]),
        undisturbed
    );
}

#[test]
fn expectation_has_the_time_in_which_the_machine_may_run() {
    let limit = Duration::from_millis(600);
    let script = Expect::new(vec![Step::expect("x", Some(limit)).unwrap()]);
    let screen = Box::new(Record::default());
    let outputs = vec![(ConsoleId::Uart, Output::Screen)];
    let mut back = Back {
        disks: Vec::new(),
        consoles: Consoles::new(outputs, ConsoleId::Uart, screen, Some(script)),
        trace: None,
        warnings: Vec::new(),
    };
    let mut puppet = Puppet::default();
    let mut say = |_: &str| {};
    let (clock, limits) = (Clock::new(true), Limits::default());
    let mut engine = Engine::new(&mut puppet, &mut back, None, clock, limits, &mut say);
    assert!(matches!(engine.turn(), Turn::Going));
    let stopped = Instant::now();
    std::thread::sleep(limit);
    engine.leave_out(stopped.elapsed());
    assert!(matches!(engine.turn(), Turn::Going));
    std::thread::sleep(limit);
    assert!(matches!(engine.turn(), Turn::Over(End::Unmet { .. })));
}

#[test]
fn idle_guest_sleeps_and_is_woken_by_its_timer() {
    let mut stage = Stage::new(vec![Nap(50), exit(Exit::PowerOff(0))]);
    let start = Instant::now();
    assert_eq!(stage.run(), End::PowerOff(0));
    assert!(start.elapsed() >= Duration::from_millis(50));
    assert_eq!(stage.puppet.slices, 2, "it slept, it did not poll");
}

#[test]
fn idle_guest_is_woken_by_input() {
    let mut stage = Stage::new(vec![exit(Exit::Idle(None)), exit(Exit::PowerOff(0))]);
    let events = stage.world();
    let typist = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        events.send(Event::Input(b"x".to_vec())).unwrap();
        events
    });
    assert_eq!(stage.run(), End::PowerOff(0));
    assert_eq!(stage.puppet.typed, b"x");
    drop(typist.join());
}

#[test]
fn guest_that_nothing_can_wake_ends_the_run() {
    let mut stage = Stage::new(vec![exit(Exit::Idle(None))]);
    assert_eq!(stage.run(), End::Asleep);
}

#[test]
fn input_that_the_guest_does_not_take_waits() {
    let mut stage = Stage::new(vec![
        Print("a"),
        Print("b"),
        Print("c"),
        exit(Exit::PowerOff(0)),
    ]);
    stage.puppet.takes = 2;
    let events = stage.world();
    events.send(Event::Input(b"12345".to_vec())).unwrap();
    stage.run();
    assert_eq!(stage.puppet.typed, b"12345");
}

#[test]
fn keys_and_signals_end_the_run() {
    for (event, end) in [
        (Event::Key(Key::Quit), End::Quit),
        (Event::Signal(15), End::Signal(15)),
    ] {
        let mut stage = Stage::new(vec![]);
        let events = stage.world();
        events.send(event).unwrap();
        assert_eq!(stage.run(), end);
    }
}

#[test]
fn text_is_typed_at_the_same_counts_whatever_digests_are_printed() {
    let run = |every| {
        let mut acts = vec![Print("a")];
        acts.extend((0..8).map(|_| Print("")));
        acts.push(Print("b"));
        let mut stage = Stage::new(acts).script(&["a", ">1", "b"]);
        stage.deterministic = true;
        stage.limits.digest_every = every;
        stage.run();
        (stage.puppet.typed_at, stage.said)
    };
    let (plain, said) = run(None);
    assert_eq!(said, [""; 0]);
    let (with_digests, said) = run(Some(1 << 15));
    assert_eq!(plain, with_digests);
    assert_eq!(said[0], "digest 32768 d");
}

#[test]
fn signature_has_the_most_significant_byte_first_on_each_line() {
    let bytes: Vec<u8> = (1..=8).collect();
    assert_eq!(super::signature(&bytes, 4), "04030201\n08070605\n");
    assert_eq!(super::signature(&bytes, 8), "0807060504030201\n");
}

#[test]
fn guest_is_told_the_size_of_the_terminal() {
    let append_of = |more: &[&str], guest: &str, size| {
        let line = ["run", "--append", "virtarium.hostname=x"];
        let words = line.iter().chain(more).map(std::ffi::OsString::from);
        let words = words.collect();
        let crate::args::Command::Run(args) = crate::args::parse(words).unwrap().command else {
            panic!("not run");
        };
        let mut settings = crate::settings::Settings::from_run(&args).unwrap();
        let guest = crate::image::Guest {
            bios: None,
            kernel: "k".into(),
            initrd: None,
            disk: None,
            append: guest.to_owned(),
            memory: 128 << 20,
        };
        super::adopt(&mut settings, guest, size).unwrap();
        settings.append.unwrap()
    };
    let append = |guest: &str, size| append_of(&[], guest, size);
    let told = append("console=ttyS0", Some((120, 40)));
    assert_eq!(
        told,
        "console=ttyS0 virtarium.size=120x40 virtarium.hostname=x"
    );
    for (guest, size) in [
        ("console=ttyS0", None),
        ("console=ttyS0", Some((0, 0))),
        ("", Some((80, 24))),
    ] {
        assert!(!append(guest, size).contains("virtarium.size"), "{guest}");
    }
    // A virtio console tells its size itself.
    let size = Some((120, 40));
    let told = append_of(&["--serial", "null"], "console=ttyS0", size);
    assert!(!told.contains("virtarium.size"));
    assert!(!append("console=ttyS0 console=hvc0", size).contains("virtarium.size"));
    let told = append_of(&["--console", "stdio"], "console=ttyS0", size);
    assert!(
        told.contains("virtarium.size"),
        "the shell is on the serial port"
    );
}

#[test]
fn damaged_chunk_is_an_error_to_the_guest_and_a_warning_that_names_its_file() {
    use crate::image::chunk::tests::{CHUNK, chunked, image};
    let (dir, manifest) = chunked("run-damaged", &image(3, &[0, 2]));
    let out = dir.path().join("out");
    std::fs::write(out.join(manifest.path_of(2)), b"not this").unwrap();
    let disk = OverlayDisk::open(
        &out.join("manifest.txt"),
        ImageFormat::Found,
        &out.join("overlay"),
    );
    let outputs = vec![(ConsoleId::Uart, Output::Screen)];
    let screen = Box::new(Record::default());
    let mut back = Back {
        disks: vec![NamedDisk {
            name: "manifest.txt".into(),
            disk: Box::new(disk.unwrap()),
            reported: false,
        }],
        consoles: Consoles::new(outputs, ConsoleId::Uart, screen, None),
        trace: None,
        warnings: Vec::new(),
    };
    let mut read = |chunk: usize| {
        let sector = (chunk * CHUNK) as u64 / SECTOR_SIZE;
        let request = BlockRequest::Read { sector, len: 512 };
        let result = match back.block(0, Token(chunk as u64), &request) {
            Submitted::Done(result) => result.map(|bytes| bytes.len()),
            Submitted::Pending => panic!("a file is not waited for"),
        };
        (result, std::mem::take(&mut back.warnings))
    };
    assert_eq!(read(0), (Ok(512), Vec::new()));
    assert_eq!(read(1), (Ok(512), Vec::new()));
    let (result, warnings) = read(2);
    assert_eq!((result, warnings.len()), (Err(BlockError::Io), 1));
    assert!(warnings[0].contains("disk manifest.txt cannot be read"));
    assert!(warnings[0].contains(&manifest.path_of(2)), "{warnings:?}");
    // It goes on, and does not repeat itself.
    assert_eq!(read(2), (Err(BlockError::Io), Vec::new()));
    assert_eq!(read(0), (Ok(512), Vec::new()));
}
