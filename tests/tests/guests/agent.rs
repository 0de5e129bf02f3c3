//! The shell for programs (`virtarium.agent=`): commands with their status and output, and files
//! through it, as a page does it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use virtarium::host::block::Backend;
use virtarium::host::block::{file::RawFile, memory::Forgetful};
use virtarium::image::{self, command::Source};
use virtarium::site::guests::{self, Profile};
use virtarium_machine::host::{BlockRequest, BlockResult, ConsoleId, SECTOR_SIZE};
use virtarium_machine::machine::{DeviceConfig, Exit, MachineConfig};
use virtarium_machine::virtio::{BlockConfig, ConsoleConfig};
use virtarium_tests::guest::{Disk, Guest, MemDisk, slots};
use virtarium_tests::notes::counted;
use virtarium_tests::random::{Rng, seed};

use crate::{PROMPT, config, small};

/// The person's terminal, and the console of the shell for programs.
const TERMINAL: ConsoleId = ConsoleId::Virtio(0);
const AGENT: ConsoleId = ConsoleId::Virtio(1);
/// What a new shell says.
const HERE: &str = "\x1eagent 0\x1e";
/// Bytes of a file that one command carries.
const PIECE: usize = 48 << 10;

/// Who talks to the shell.
struct Program<D: Disk> {
    guest: Guest<D>,
    commands: u64,
}

impl<D: Disk> Program<D> {
    /// Boots until the shell is there.
    fn start(config: MachineConfig, disks: Vec<D>) -> Self {
        let mut guest = Guest::start(config, disks);
        guest.expect_on(AGENT, HERE);
        Self { guest, commands: 0 }
    }

    fn send(&mut self, command: &str) {
        let mark = self.commands;
        let line = format!("{{ {command}\n}} </dev/null 2>&1; printf '\\036{mark} %d\\036' $?\n");
        self.guest.send_to(AGENT, &line);
    }

    /// A command's status and output.
    fn run(&mut self, command: &str) -> (u8, String) {
        self.commands += 1;
        self.send(command);
        let mark = self.commands;
        let output = self.guest.expect_on(AGENT, &format!("\x1e{mark} "));
        let status = self.guest.expect_on(AGENT, "\x1e");
        (status.parse().expect("a status"), output)
    }

    /// The output of a command that must succeed.
    fn output(&mut self, command: &str) -> String {
        let (status, output) = self.run(command);
        assert_eq!(status, 0, "{command}: {output}");
        output
    }

    fn upload(&mut self, path: &str, bytes: &[u8]) {
        self.output(&format!(": >{path}"));
        for piece in bytes.chunks(PIECE) {
            let text = BASE64.encode(piece);
            let said = self.output(&format!("base64 -d >>{path} <<'END'\n{text}\nEND"));
            assert_eq!(said, "");
        }
    }

    fn download(&mut self, path: &str) -> Vec<u8> {
        let text = self.output(&format!("base64 -w 0 {path}"));
        BASE64.decode(text.trim()).expect("base64")
    }

    /// What holds in each guest.
    fn check(&mut self) {
        let (status, output) = self.run("echo one; echo two >&2; f() { return 7; }; f");
        assert_eq!((status, &*output), (7, "one\ntwo\n"));
        // Each command finds what the one before left, and does not read the one behind.
        assert_eq!(self.output("cd /tmp; word='a  b'; cat"), "");
        assert_eq!(self.output("pwd; echo \"$word\"; cd"), "/tmp\na  b\n");
        assert_eq!(
            self.output("pwd; id -u; echo $HOME $USER"),
            "/root\n0\n/root root\n"
        );
        // No byte is echoed, changed or taken for a signal.
        let all = (1..128).map(char::from).filter(|c| *c != '\'');
        let all: String = all.collect();
        assert_eq!(self.output(&format!("printf %s '{all}'")), all);
        // Who writes to a pipe that nobody reads any more is ended, as in any other shell.
        assert_eq!(self.output("yes | head -n 1"), "y\n");
        assert_eq!(
            self.run("test -t 1").0,
            1,
            "programs want no columns and pagers"
        );
        // With signals from the terminal a command can be ended, and the shell goes on.
        self.guest.send_to(AGENT, "stty isig; trap : INT\n");
        self.commands += 1;
        self.send("word=kept; (echo begun; sleep 1000)");
        self.guest.expect_on(AGENT, "begun\n");
        self.guest.send_to(AGENT, "\x03");
        let end = format!("\x1e{} 130\x1e", self.commands);
        assert_eq!(self.guest.expect_on(AGENT, &end), "");
        assert_eq!(self.output("echo $word"), "kept\n");
        // What ends the shell ends that one, also if something of it goes on; the next says that
        // it is there.
        for end in ["sleep 1000 & exit 3", "kill -9 $$", "echo )"] {
            self.send(end);
            let rest = self.guest.expect_on(AGENT, HERE);
            assert_eq!(rest.contains("yntax error"), end == "echo )", "{rest}");
            assert_eq!(self.output("echo again"), "again\n");
        }
        let mut rng = Rng::new(seed("files through the shell"));
        let length = 150_000 + rng.below(1000);
        let file: Vec<u8> = (0..length).map(|_| rng.next() as u8).collect();
        self.upload("/tmp/file", &file);
        assert_eq!(
            self.output("wc -c </tmp/file").trim(),
            file.len().to_string()
        );
        assert!(self.download("/tmp/file") == file, "another file came back");
        counted("bytes through the shell for programs", 2 * length);
    }
}

/// The machine of a page: the two consoles, and the command line of its machine file.
fn page(
    name: &str,
    guest: &image::Guest,
    config: MachineConfig,
    disk: Option<u64>,
) -> MachineConfig {
    let console = |console| {
        DeviceConfig::Console(ConsoleConfig {
            console,
            ..ConsoleConfig::default()
        })
    };
    let disk = disk.map(|sectors| {
        DeviceConfig::Block(BlockConfig {
            sectors,
            ..BlockConfig::default()
        })
    });
    let devices = disk.into_iter().chain([console(0), console(1)]);
    let mut config = MachineConfig {
        slots: slots(devices),
        ram_size: guest.memory,
        ..config
    };
    config.boot.append = profile(name).append(guest);
    config
}

fn profile(name: &str) -> &'static Profile {
    guests::PROFILES
        .iter()
        .find(|profile| profile.name == name)
        .expect("a page's guest")
}

fn guest(name: &str) -> image::Guest {
    image::guest(&Source::default().options(), name).expect("the guest")
}

#[test]
fn programs_have_a_shell_beside_the_terminal() {
    let config = page("busybox", &guest("busybox"), config("busybox"), None);
    let mut program = Program::<MemDisk>::start(config, Vec::new());
    program.check();
    let terminal = program.guest.expect_on(TERMINAL, profile("busybox").ready);
    assert!(!terminal.contains("init:"), "{terminal}");
    program.send("poweroff");
    assert_eq!(program.guest.end(), Exit::PowerOff { code: 0 });
}

#[test]
fn programs_have_a_shell_on_the_small_kernel() {
    let Some(config) = small::config("the small kernel's shell for programs") else {
        return;
    };
    let config = page("small", &guest("small"), config, None);
    let mut program = Program::<MemDisk>::start(config, Vec::new());
    program.check();
    program.guest.expect_on(TERMINAL, profile("small").ready);
}

#[test]
fn a_terminal_that_is_not_there_is_told_of() {
    let mut config = page("busybox", &guest("busybox"), config("busybox"), None);
    for (name, said) in [
        ("hvc5", "virtarium.agent=hvc5 is not used"),
        ("../null", "virtarium.agent=../null is not the name"),
    ] {
        let mut config = config.clone();
        let append = &mut config.boot.append;
        *append = append.replace("agent=hvc1", &format!("agent={name}"));
        let mut guest = Guest::<MemDisk>::start(config, Vec::new());
        let before = guest.expect_on(TERMINAL, PROMPT);
        assert!(before.contains(said), "{before}");
    }
    // And without the parameter the console is nobody's.
    config.boot.append = config.boot.append.replace("virtarium.agent=hvc1", "");
    let mut guest = Guest::<MemDisk>::start(config, Vec::new());
    guest.expect_on(TERMINAL, PROMPT);
    guest.send_to(TERMINAL, "sleep 3; echo wo''ke\n");
    guest.expect_on(TERMINAL, "woke");
    assert_eq!(guest.printed(AGENT), b"");
}

/// A disk of the cache, whose changes are forgotten.
struct Snapshot(Forgetful);

impl Disk for Snapshot {
    fn execute(&mut self, request: &BlockRequest) -> BlockResult {
        Backend::execute(&mut self.0, request)
    }
}

/// systemd starts the shell, on a disk that knows nothing of it, and a login on the terminal.
#[test]
fn programs_have_a_shell_in_debian() {
    let guest = guest("debian");
    let disk = guest.disk.as_ref().expect("a disk");
    let disk = RawFile::open(disk, true, false).expect("the disk");
    let disk = Forgetful::new(Box::new(disk));
    let sectors = Backend::capacity(&disk) / SECTOR_SIZE;
    let config = page("debian", &guest, config("debian"), Some(sectors));
    let mut program = Program::start(config, vec![Snapshot(disk)]);
    program.guest.expect_on(TERMINAL, profile("debian").ready);
    program.check();
    assert_eq!(program.output("cat /proc/1/comm"), "systemd\n");
    program.output("systemctl is-system-running --wait");
    let units = program.output("systemctl list-units --no-legend --plain '*getty*.service'");
    let login = |name: &str| units.contains(&format!("serial-getty@{name}.service"));
    assert!(login("hvc0") && !login("hvc1"), "{units}");
    let guest = &mut program.guest;
    guest.send_to(TERMINAL, "root\n");
    guest.expect_on(TERMINAL, "root@virtarium:~# ");
    program.send("systemctl poweroff");
    assert_eq!(program.guest.end(), Exit::PowerOff { code: 0 });
}
